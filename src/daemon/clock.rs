//! The two clocks: wall time for what a knock claims, time since boot for how long a grant lives.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::engine::Clock;

/// The router's wall clock; nobody vouches for it. It is asked by way of libc, so that a test can set it.
#[must_use]
pub fn wall() -> Clock {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Clock { unix, given: false }
}

/// The time since boot, suspend included (`CLOCK_BOOTTIME`): no NTP step shortens or lengthens a grant.
#[must_use]
pub fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanoseconds)
}
