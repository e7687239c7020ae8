//! The two clocks: wall time for what a knock claims, time since boot for how long a grant lives.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::engine::Clock;

/// The router's wall clock; nobody vouches for it.
#[must_use]
pub fn wall() -> Clock {
    let now = clock_gettime(ClockId::Realtime);
    Clock { unix: u64::try_from(now.tv_sec).unwrap_or(0), given: false }
}

/// The time since boot, suspend included (`CLOCK_BOOTTIME`): no NTP step shortens or lengthens a grant.
#[must_use]
pub fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanoseconds)
}
