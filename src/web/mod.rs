//! The one-time-password page: what its CGI program and the daemon say to each other.
//!
//! ```text
//! browser → web server → CGI program → web.sock → desk → one poll → nftables set
//!                        one line asked, one line answered
//! ```

pub mod wire;

/// The name of the page's socket in the run directory.
pub const FILE: &str = "web.sock";

/// The group that may use it.
pub const GROUP: &str = "spa-knock-web";
