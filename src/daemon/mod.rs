//! The daemon: one process, one thread, one poll; everything that touches a clock, a file or a descriptor.

mod answer;
pub mod boot;
pub mod clock;
mod door;
mod ears;
pub mod files;
pub mod helper;
pub mod journal;
pub mod listener;
pub mod logger;
pub mod orders;
pub mod own;
pub mod pace;
pub mod privileges;
mod reload;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod signals;
pub mod state;
pub mod store;
pub mod syscalls;
