//! The two clocks: wall time for what a knock claims, time since boot for how long a grant lives.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use crate::engine::Clock;

/// The router's wall clock; nobody vouches for it. It is asked by way of libc, so that a test can set it.
#[must_use]
pub fn wall() -> Clock {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Clock { unix, given: false }
}

/// The time since boot, suspend included (`CLOCK_BOOTTIME`): no NTP step shortens or lengthens a grant. Zero on kernels
/// before 2.6.39, which have no such clock.
#[must_use]
pub fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn fractions_of_a_second_pass_too() {
        let start = since_boot();
        let moments: Vec<Duration> = (0..20)
            .map(|_| {
                sleep(Duration::from_millis(5));
                since_boot()
            })
            .collect();
        assert!(moments.is_sorted() && moments.first().is_some_and(|first| *first >= start + Duration::from_millis(5)));
        let fractions: std::collections::BTreeSet<u32> = moments.iter().map(Duration::subsec_millis).collect();
        assert!(fractions.len() > 10, "{moments:?}");
    }
}
