//! The control socket: one JSON request a line, one JSON reply a line, for the router's own root.
//!
//! ```text
//! client → listening socket → peer's user → line → Request → the daemon's answer → line → client
//!          0600, 8 clients    0 or our own  4 KiB
//! ```
//!
//! It waits in the daemon's one poll and never blocks it: a client that does not read is dropped.
//! docs/control.md says what can be asked.

pub mod client;
mod peer;
pub mod reply;
pub mod request;
pub mod ring;
pub mod server;
pub(crate) mod socket;

use std::time::Duration;

use serde_json::Value;

/// The version of requests and replies; fields may be added within one version.
pub const VERSION: u32 = 1;

/// The name of the socket in the run directory.
pub const FILE: &str = "control.sock";

/// Longest request, in bytes, with its line end.
pub const REQUEST_MAX: usize = 4096;

/// Clients that may be connected at once.
pub const CLIENTS_MAX: usize = 8;

/// How long a client may neither ask nor take what it asked for; one that follows events need not ask.
pub const IDLE_MAX: Duration = Duration::from_secs(10);

/// Events that wait for one slow follower, in bytes; what happens beyond is only counted for it.
pub const BACKLOG_MAX: usize = 65_536;

/// Grants in one reply: a client asks for the next ones with `skip`.
pub const GRANTS_PAGE: usize = 256;

/// Events that are remembered.
pub const EVENTS_MAX: usize = 256;

/// The value as text. Its own `Display` is as much code again.
#[must_use]
pub fn json(value: &Value) -> String {
    // What was read can always be written.
    serde_json::to_string(value).unwrap_or_default()
}
