//! Datagrams become knocks: one module a wire format, decode and encode side by side.

pub mod fwknop;
