//! Time (DESIGN D6), sentence by sentence: the real daemon, knocks on a wire, and a clock that the test sets.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a helper that does not get what it needs ends the test, with its words"
)]

mod counting;
mod given;
mod jumps;
#[path = "../lab/mod.rs"]
mod lab;
mod phones;
mod reboot;
mod remedy;
mod router;
mod unset;
