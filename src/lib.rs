//! spa-knockd: one authenticated packet opens one port for one address for a few seconds.
//!
//! The modules stand in the order in which a knock passes through them:
//!
//! ```text
//! capture  →  knock  →  replay  →  access  →  firewall
//! frame to    verify    seen       may it     nftables set element
//! datagram    & decode  before?    have it?   with a timeout
//! ```
//!
//! [`engine`] joins the middle three without touching a socket, a clock or a file, so that the
//! daemon, `spa-knockd explain`, the tests and the benchmarks run the very same code.

pub mod access;
pub mod capture;
pub mod config;
pub mod control;
pub mod daemon;
pub mod engine;
pub mod firewall;
pub mod import;
pub mod input;
pub mod knock;
pub mod limits;
pub mod net;
pub mod otp;
pub mod reason;
pub mod replay;
mod retry;
pub mod sorted;
pub mod uci;
pub mod web;
