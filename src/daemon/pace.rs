//! Rests under a flood: while packets pour in, many are taken at one wake-up instead of each at its own.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Two looks at the captures that are closer than this hurry.
const CLOSE: Duration = Duration::from_millis(1);

/// Hurried looks in a row that pass for a burst.
const BURST: u32 = 8;

/// The shortest and the longest rest: the longest is what a flood adds to a knock's way.
const REST: RangeInclusive<Duration> = Duration::from_micros(125)..=Duration::from_millis(3);

/// How many packets a rest should gather: enough to pay for the wake-up, and far from filling the smallest ring.
const GATHER: RangeInclusive<usize> = 48..=96;

/// Tells a flood from a burst, and fits the rests to it.
#[derive(Debug)]
pub struct Pace {
    looked: Duration,
    hurried: u32,
    rest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { looked: Duration::ZERO, hurried: 0, rest: *REST.start() }
    }
}

impl Pace {
    /// How long to rest after a look at `now` that took so many packets; nothing while all is calm.
    pub fn rest(&mut self, now: Duration, taken: usize) -> Option<Duration> {
        if taken == 0 {
            return None;
        }
        let rested = if self.hurried > BURST { self.rest } else { Duration::ZERO };
        let close = now.saturating_sub(self.looked) < CLOSE.saturating_add(rested);
        self.looked = now;
        self.hurried = if close { self.hurried.saturating_add(1) } else { 0 };
        if self.hurried <= BURST {
            self.rest = *REST.start();
            return None;
        }
        if taken < *GATHER.start() {
            self.rest = self.rest.saturating_mul(2).min(*REST.end());
        } else if taken > *GATHER.end() {
            self.rest = (self.rest / 2).max(*REST.start());
        }
        Some(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last of many rests under a flood of so many packets a second, and the most packets that one look took.
    fn flood(pace_per_second: u32) -> (Option<Duration>, usize) {
        let mut pace = Pace::default();
        let (mut now, mut rest, mut most) = (Duration::from_secs(1), None::<Duration>, 0);
        for _ in 0..1000 {
            let gap: Duration = rest.unwrap_or_default() + Duration::from_secs(1) / pace_per_second;
            now += gap;
            let taken = usize::try_from(gap.as_micros() * u128::from(pace_per_second) / 1_000_000).unwrap();
            most = most.max(taken);
            rest = pace.rest(now, taken.max(1));
        }
        (rest, most)
    }

    #[test]
    fn calm_packets_are_taken_at_once() {
        assert_eq!(flood(1).0, None);
        assert_eq!(flood(900).0, None);
    }

    #[test]
    fn a_flood_is_gathered_and_does_not_fill_the_ring() {
        for pace in [5_000, 20_000, 50_000, 100_000, 200_000] {
            let (rest, most) = flood(pace);
            assert!(rest.is_some_and(|rest| REST.contains(&rest)), "{pace}: {rest:?}");
            assert!(most <= 2 * GATHER.end(), "{pace}: {most}");
        }
        assert_eq!(flood(5_000).0, Some(*REST.end()));
    }

    #[test]
    fn after_a_flood_all_is_calm_again() {
        let mut pace = Pace::default();
        for look in 1..100 {
            pace.rest(Duration::from_micros(50) * look, 1);
        }
        assert_eq!(pace.rest(Duration::from_secs(1), 1), None);
    }
}
