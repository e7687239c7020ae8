//! The daemon: one poll that everything passes through, and all that touches a clock, a file or a descriptor.

mod answer;
pub mod boot;
pub mod clock;
mod closing;
mod door;
mod ears;
mod facts;
pub mod files;
pub mod helper;
pub mod journal;
pub mod listener;
pub mod logger;
mod lookup;
pub mod orders;
pub mod own;
pub mod pace;
pub mod privileges;
mod reload;
pub mod report;
pub mod resolver;
pub mod run;
mod scribe;
pub mod signals;
pub mod state;
pub mod store;
