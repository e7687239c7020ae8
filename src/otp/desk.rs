//! Where a response is handed in: the throttle before the store, and one answer for whoever is refused.

use std::net::IpAddr;
use std::time::Duration;

use super::challenge::Challenge;
use super::store::{Accepted, Refusal, Store};
use super::throttle::{Admission, Throttle};
use super::verify::{Circumstances, Why};
use crate::config::Otp;

/// A response and all that comes with it.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The name that was given.
    pub user: &'a str,
    /// The section of that name; none for a name that nobody has.
    pub section: Option<&'a Otp>,
    /// The response as it was typed.
    pub text: &'a str,
    /// Where it comes from.
    pub source: IpAddr,
    /// The time since boot ([`crate::daemon::clock::since_boot`]).
    pub boot: Duration,
    /// The wall clock in Unix seconds; none where it is not set.
    pub unix: Option<u64>,
}

/// Why somebody was refused. The visitor is told none of it, the log all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No section of the configuration has this name.
    UnknownUser,
    /// The section has expired.
    Expired,
    /// The section lets nobody in from there.
    Source,
    /// The store or the response.
    Store(Refusal),
}

impl Refused {
    /// The stable code for the log.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownUser => "otp_unknown_user",
            Self::Expired => "otp_expired",
            Self::Source => "otp_source",
            Self::Store(Refusal::NoRecord) => "otp_no_record",
            Self::Store(Refusal::Busy) => "otp_busy",
            Self::Store(Refusal::Store(_)) => "otp_store",
            Self::Store(Refusal::Response(why)) => match why {
                Why::Syntax => "otp_syntax",
                Why::UnknownType => "otp_type",
                Why::Mismatch | Why::WrongCode => "otp_mismatch",
                Why::Replay => "otp_replay",
                Why::Exhausted => "otp_exhausted",
                Why::NewChain => "otp_new_chain",
                Why::NewChainForbidden => "otp_new_chain_off",
                Why::Md4 => "otp_md4",
                Why::ClockNotSet => "otp_clock_not_set",
                Why::Throttled(_) => "otp_throttled",
                Why::ShortAnswer => "otp_paused",
            },
        }
    }

    /// What it means and what helps, in one line for the log.
    #[must_use]
    pub fn text(&self) -> String {
        let text = match self {
            Self::UnknownUser => "no section `config otp` that is switched on has this name",
            Self::Expired => "the section's `expires` has passed",
            Self::Source => "the visitor's address is not in the section's `source` list",
            Self::Store(Refusal::NoRecord) => "the user has no one-time passwords yet: spa-knockd otp add NAME",
            Self::Store(Refusal::Busy) => "the store was in use for too long; try again",
            Self::Store(Refusal::Store(trouble)) => return trouble.to_string(),
            Self::Store(Refusal::Response(why)) => match why {
                Why::Syntax => "it is neither six words nor 16 hex digits, or not the digits that the app shows",
                Why::UnknownType => "its type is none of hex, word, init-hex and init-word",
                Why::Mismatch | Why::WrongCode => "it is not the wanted password",
                Why::Replay => "the code was accepted before, or is older than one that was; wait for the next one",
                Why::Exhausted => "no password of the chain is left: spa-knockd otp reset NAME",
                Why::NewChain => "the password was right and is spent, but the new chain cannot be used",
                Why::NewChainForbidden => {
                    "a new chain came with it, and `allow_new_chain` is 0; nothing is spent, the password alone is taken"
                }
                Why::Md4 => "the chain is of md4, and `allow_md4` is 0",
                Why::ClockNotSet => "codes of the time need a clock that is set; chains and counted codes do not",
                Why::Throttled(wait) => {
                    let seconds = wait.as_secs().max(1);
                    return format!("too many wrong answers came from there: no code is looked at for {seconds} s");
                }
                Why::ShortAnswer => {
                    "too many wrong codes were tried, so single ones are not looked at for a while; two \
                     consecutive codes typed one after the other are"
                }
            },
        };
        text.to_owned()
    }

    /// Whether the answer was looked at and wrong.
    fn is_wrong(&self) -> bool {
        match self {
            Self::UnknownUser | Self::Expired | Self::Source | Self::Store(Refusal::NoRecord) => true,
            Self::Store(Refusal::Busy | Refusal::Store(_)) => false,
            Self::Store(Refusal::Response(why)) => !matches!(
                why,
                Why::Throttled(_)
                    | Why::ShortAnswer
                    | Why::ClockNotSet
                    | Why::Md4
                    | Why::NewChain
                    | Why::NewChainForbidden
            ),
        }
    }
}

/// Throttle and store.
#[derive(Debug)]
pub struct Desk {
    store: Store,
    throttle: Throttle,
}

impl Desk {
    /// A desk at this store, with an empty memory of wrong answers.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, throttle: Throttle::default() }
    }

    /// Judges a response. What it accepts is on the disk: only now may something be opened.
    ///
    /// # Errors
    /// [`Refused`], for the log; visitors get one and the same answer for all of it.
    pub fn verify(&mut self, attempt: &Attempt<'_>) -> Result<Accepted, Refused> {
        let Attempt { user, source, boot, .. } = *attempt;
        let admission = self.throttle.admits(user, source, boot);
        let outcome = self.judge(attempt, admission);
        match &outcome {
            Ok(_) => self.throttle.right(user, source, boot),
            // Who has to wait already does not wait longer by a neighbour's impatience, nor by his own.
            Err(refused) if refused.is_wrong() && !matches!(admission, Admission::Wait(_)) => {
                let is_guess = *refused == Refused::Store(Refusal::Response(Why::WrongCode));
                self.throttle.wrong(user, source, is_guess, boot);
            }
            Err(_) => {}
        }
        outcome
    }

    fn judge(&self, attempt: &Attempt<'_>, codes: Admission) -> Result<Accepted, Refused> {
        let Attempt { section, source, unix, .. } = *attempt;
        let refused = match section {
            None => Some(Refused::UnknownUser),
            Some(otp) if !otp.access.source.iter().any(|network| network.contains(source.to_canonical())) => {
                Some(Refused::Source)
            }
            Some(otp) => otp.access.expires.and_then(|expires| match unix {
                None => Some(Refused::Store(Refusal::Response(Why::ClockNotSet))),
                Some(unix) => (unix >= expires).then_some(Refused::Expired),
            }),
        };
        let allow_md4 = section.is_some_and(|otp| otp.allow_md4);
        let allow_new_chain = section.is_some_and(|otp| otp.allow_new_chain);
        let circumstances = Circumstances { unix, allow_md4, allow_new_chain, codes };
        // A name that no store knows costs what a wrong password does, and spends nobody's.
        let user = if refused.is_none() { attempt.user } else { "" };
        let outcome = self.store.verify(user, attempt.text, circumstances).map_err(Refused::Store);
        refused.map_or(outcome, Err)
    }

    /// The challenge to show for a name, which tells nobody whether there is such a user.
    ///
    /// # Errors
    /// See [`Store::challenge`].
    pub fn challenge(&self, user: &str, others: &[&str], unix: u64) -> Result<Challenge, Refusal> {
        self.store.challenge(user, others, unix)
    }

    /// Whom of the others a name is like that nobody has.
    ///
    /// # Errors
    /// See [`Store::like`].
    pub fn like<'a>(&self, name: &str, others: &[&'a str]) -> Result<Option<&'a str>, Refusal> {
        self.store.like(name, others)
    }

    /// Does what judging a response takes, for one that is refused already; no password is spent.
    pub fn pretend(&self, text: &str) {
        let circumstances =
            Circumstances { unix: None, allow_md4: false, allow_new_chain: false, codes: Admission::Long };
        let _ = self.store.verify("", text, circumstances);
    }

    /// The memory of wrong answers, to show and to forget.
    pub fn throttle(&mut self) -> &mut Throttle {
        &mut self.throttle
    }
}
