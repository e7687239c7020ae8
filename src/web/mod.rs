//! The one-time-password page: its CGI program, and what that and the daemon say to each other.
//!
//! ```text
//! browser → web server → CGI program → web.sock → desk → one poll → nftables set
//!                        one line asked, one line answered
//! ```

mod exchange;
mod fields;
mod filled_in;
mod form_page;
mod html;
mod identity;
mod origin;
mod pages;
mod reply;
mod request;
mod serve;
mod texts;
mod urlencoded;
pub mod wire;

pub use serve::serve;

/// The name of the page's socket in the run directory.
pub const FILE: &str = "web.sock";

/// The group that may use it.
pub const GROUP: &str = "spa-knock-web";

/// Its number where the system has no such group.
pub const FALLBACK_ID: u32 = 62_202;
