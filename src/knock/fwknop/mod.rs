//! The packet format of fwknop, symmetric mode, protocol versions 1.9 to 3.0.

pub mod keys;
