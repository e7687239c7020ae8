//! When to try again what failed: soon at first, then ever more seldom.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_secs(1);

/// The longest pause; what has worked for twice as long starts anew with the first one.
const LAST: Duration = Duration::from_secs(60);

/// Pauses that double while something fails again and again.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    failed: Option<Duration>,
    pause: Duration,
    due: Option<Duration>,
}

impl Retry {
    /// It failed at `now`: it is due again after a pause.
    pub(crate) fn failed(&mut self, now: Duration) {
        let lately = self.failed.is_some_and(|before| now.saturating_sub(before) <= LAST.saturating_mul(2));
        self.pause = if lately { self.pause.saturating_mul(2).min(LAST) } else { FIRST };
        self.failed = Some(now);
        self.due = Some(now.saturating_add(self.pause));
    }

    /// It is tried now; should that fail soon, the pause is a longer one.
    pub(crate) fn tried(&mut self) {
        self.due = None;
    }

    /// When it is due, on the clock of the failures; `None` while nothing has failed.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Whether it failed, and the pause is over.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        self.due.is_some_and(|due| due <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_begin_anew_after_a_calm() {
        let mut retry = Retry::default();
        let mut now = Duration::from_secs(1000);
        assert!(!retry.is_due(now) && retry.due().is_none());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            retry.failed(now);
            let pause = Duration::from_secs(seconds);
            assert_eq!(retry.due(), Some(now + pause));
            assert!(!retry.is_due(now + pause - Duration::from_nanos(1)));
            now += pause;
            assert!(retry.is_due(now));
            retry.tried();
            assert!(!retry.is_due(now) && retry.due().is_none());
        }
        now += Duration::from_secs(121);
        retry.failed(now);
        assert_eq!(retry.due(), Some(now + Duration::from_secs(1)));
    }
}
