//! How many lines about refusals may be written: a few in one go, then one in a while; the rest is counted.

use std::time::Duration;

/// Lines that may be written in one go.
const BURST: u32 = 10;

/// How long until one more may be written.
const REFILL: Duration = Duration::from_secs(6);

/// What is left of the lines.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    refilled: Duration,
    unsaid: u32,
}

impl Budget {
    /// A full one.
    pub(super) fn new(now: Duration) -> Self {
        Self { left: BURST, refilled: now, unsaid: 0 }
    }

    /// Whether one more line may be written; what may not is counted.
    pub(super) fn may_say(&mut self, now: Duration) -> bool {
        while self.left < BURST && now.saturating_sub(self.refilled) >= REFILL {
            self.left = self.left.saturating_add(1);
            self.refilled = self.refilled.saturating_add(REFILL);
        }
        if self.left == BURST {
            self.refilled = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        if !allowed {
            self.unsaid = self.unsaid.saturating_add(1);
        }
        allowed
    }

    /// The end of a line that says how many had none since the last one.
    pub(super) fn unsaid(&mut self) -> String {
        match std::mem::take(&mut self.unsaid) {
            0 => String::new(),
            count => format!(" ({count} more since the last line)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_of_lines_is_bounded_and_comes_back() {
        let mut budget = Budget::new(Duration::ZERO);
        let at = Duration::from_secs;
        let said = (0..1000).filter(|_| budget.may_say(at(1))).count();
        assert_eq!(said, 10);
        assert_eq!(budget.unsaid(), " (990 more since the last line)");
        assert!(!budget.may_say(at(5)));
        assert!(budget.may_say(at(8)));
        assert!(!budget.may_say(at(8)));
        assert_eq!((budget.unsaid().as_str(), budget.unsaid().as_str()), (" (2 more since the last line)", ""));
        assert_eq!((0..1000).filter(|_| budget.may_say(at(10_000))).count(), 10);
    }
}
