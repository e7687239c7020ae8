//! The one-time-password page's socket, asked as the page's program asks it, with the real daemon behind it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

#[path = "../lab/mod.rs"]
mod lab;

mod clock;
mod doors;
mod guests;
mod page;
mod refusals;
mod trouble;
