//! Which boot this is: a journal of another boot cannot vouch for what happened since.

use crate::input::text_of;

/// The kernel's identifier of this boot, from `/proc/sys/kernel/random/boot_id`; `unknown` where it cannot be
/// read, which no journal is ever believed to share.
#[must_use]
pub fn id() -> String {
    text_of("/proc/sys/kernel/random/boot_id").map_or_else(|_| UNKNOWN.to_owned(), |text| text.trim().to_owned())
}

/// What stands for a boot whose identifier cannot be read.
pub const UNKNOWN: &str = "unknown";
