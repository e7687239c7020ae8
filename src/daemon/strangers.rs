//! Refusals that whoever likes can cause: of each kind the first one of a minute is said, and the rest is one sum.

use std::time::Duration;

/// How long they are summed up before that is said.
const SUMMARY_AFTER: Duration = Duration::from_secs(60);

/// The kinds of the one-time-password page that need no knowledge at all.
const CODES: [&str; 5] = ["otp_mismatch", "otp_unknown_user", "otp_syntax", "otp_type", "otp_throttled"];

/// What came within the minute.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    /// The kinds of which one was said, and how many more came.
    seen: Vec<(&'static str, u32)>,
    due: Option<Duration>,
}

impl Strangers {
    /// Whether such refusals are summed up.
    pub(super) fn are_of(code: &str) -> bool {
        CODES.contains(&code)
    }

    /// Whether this one is to be said; it is counted if not.
    pub(super) fn is_first(&mut self, code: &'static str, now: Duration) -> bool {
        self.due.get_or_insert(now.saturating_add(SUMMARY_AFTER));
        match self.seen.iter_mut().find(|(seen, _)| *seen == code) {
            Some((_, more)) => *more = more.saturating_add(1),
            None => {
                self.seen.push((code, 0));
                return true;
            }
        }
        false
    }

    /// When the sum is to be said.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// The sum, where it is due and there is one.
    pub(super) fn sum(&mut self, now: Duration) -> Option<String> {
        self.due.filter(|due| now >= *due)?;
        self.due = None;
        let more = self.seen.drain(..).filter(|(_, more)| *more > 0);
        let parts: Vec<String> = more.map(|(code, more)| format!("{code} {more}")).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_kind_is_said_and_the_rest_is_a_sum() {
        let (mut strangers, at) = (Strangers::default(), Duration::from_secs);
        assert_eq!((strangers.due(), strangers.sum(at(1_000))), (None, None));
        for _ in 0..3 {
            let said = (0..1_000).filter(|_| strangers.is_first("otp_mismatch", at(1_000))).count();
            assert_eq!(said, 1);
            assert!(
                strangers.is_first("otp_unknown_user", at(1_030)) && !strangers.is_first("otp_mismatch", at(1_059))
            );
            assert_eq!((strangers.due(), strangers.sum(at(1_059))), (Some(at(1_060)), None));
            assert_eq!(strangers.sum(at(1_060)).as_deref(), Some("otp_mismatch 1000"));
        }
        assert!(strangers.is_first("otp_syntax", at(1_100)));
        assert_eq!((strangers.sum(at(1_200)), strangers.due()), (None, None), "there was but one");
    }
}
