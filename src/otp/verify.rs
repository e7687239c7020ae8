//! Record and response to a verdict and the next record: no file, no clock.

use std::time::Duration;

use super::chain::{self, Password};
use super::codes::{self, Token};
use super::record::{Chain, Record};
use super::response::{self, Codes, Malformed, NewChain, Response};
use super::throttle::Admission;

/// What besides record and response decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// The wall clock in Unix seconds; none where it is not set.
    pub unix: Option<u64>,
    /// Whether a chain of MD4 is taken.
    pub allow_md4: bool,
    /// Whether a response may begin a new chain.
    pub allow_new_chain: bool,
    /// Which codes of an app are looked at; a password of a chain always is.
    pub codes: Admission,
}

/// Why a response was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is neither six words nor 16 hex digits, or not the digits that an app shows.
    Syntax,
    /// Its type (RFC 2243) is none of hex, word, init-hex and init-word.
    UnknownType,
    /// It is not the wanted password, nor two consecutive codes of the app.
    Mismatch,
    /// It is not a code that the app shows now.
    WrongCode,
    /// It is a code that was accepted before, or is older than one.
    Replay,
    /// No password of the chain is left.
    Exhausted,
    /// The password was right and is spent, and the new chain that came with it cannot be used.
    NewChain,
    /// A new chain came with it, which the user's section does not allow; it was not looked at.
    NewChainForbidden,
    /// It is one of a chain of MD4, which the user's section does not allow.
    Md4,
    /// It is a code of the time, and the clock is not set.
    ClockNotSet,
    /// It is a code, or two, and too many wrong answers came from there: none is looked at for so long.
    Throttled(Duration),
    /// It is a single code, and too many wrong ones were tried; two consecutive codes are still taken.
    ShortAnswer,
}

/// What becomes of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Accepted, and whether a new chain has begun; or why not.
    pub outcome: Result<bool, Why>,
    /// What must be on the disk before anybody learns of the outcome.
    pub next: Option<Record>,
}

impl Verdict {
    fn refused(why: Why) -> Self {
        Self { outcome: Err(why), next: None }
    }
}

impl From<Malformed> for Why {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Syntax => Self::Syntax,
            Malformed::UnknownType => Self::UnknownType,
        }
    }
}

/// Judges a response.
#[must_use]
pub fn judge(record: &Record, text: &str, circumstances: Circumstances) -> Verdict {
    match record {
        Record::Chain(chain) => judge_chain(chain, text, circumstances),
        Record::Hotp { token, counter } => match codes_of(token, text, circumstances) {
            Ok(codes) => {
                let ahead = if matches!(codes, Codes::One(_)) { codes::LOOK_AHEAD } else { codes::RESYNCHRONISE };
                token.after(*counter, ahead, codes).map_or(Verdict::refused(wrong(codes)), |counter| Verdict {
                    outcome: Ok(false),
                    next: Some(Record::Hotp { token: token.clone(), counter }),
                })
            }
            Err(why) => Verdict::refused(why),
        },
        Record::Totp { token, period, floor } => match (circumstances.unix, codes_of(token, text, circumstances)) {
            (None, _) => Verdict::refused(Why::ClockNotSet),
            (_, Err(why)) => Verdict::refused(why),
            (Some(unix), Ok(codes)) => match totp_floor(token, *period, *floor, unix, codes) {
                Ok(floor) => Verdict {
                    outcome: Ok(false),
                    next: Some(Record::Totp { token: token.clone(), period: *period, floor }),
                },
                Err(why) => Verdict::refused(why),
            },
        },
    }
}

/// The codes in a response, where they may be looked at.
fn codes_of(token: &Token, text: &str, circumstances: Circumstances) -> Result<Codes, Why> {
    let codes = response::parse_codes(text, token.digits)?;
    match (circumstances.codes, codes) {
        (Admission::Wait(wait), _) => Err(Why::Throttled(wait)),
        (Admission::Long, Codes::One(_)) => Err(Why::ShortAnswer),
        (Admission::Long | Admission::Any, _) => Ok(codes),
    }
}

/// The first step after the given code's, or that of the second of two.
fn totp_floor(token: &Token, period: u32, floor: u64, unix: u64, codes: Codes) -> Result<u64, Why> {
    let now = unix.checked_div(period.into()).unwrap_or(0);
    let step = token.step(now, codes::SKEW, codes).ok_or(wrong(codes))?;
    let oldest = if matches!(codes, Codes::Pair(..)) { step.saturating_sub(1) } else { step };
    if oldest < floor {
        return Err(Why::Replay);
    }
    Ok(step.saturating_add(1))
}

/// How a wrong code, or a wrong pair of them, is called.
fn wrong(codes: Codes) -> Why {
    if matches!(codes, Codes::One(_)) { Why::WrongCode } else { Why::Mismatch }
}

fn judge_chain(chain: &Chain, text: &str, circumstances: Circumstances) -> Verdict {
    if chain.algorithm == chain::Algorithm::Md4 && !circumstances.allow_md4 {
        return Verdict::refused(Why::Md4);
    }
    if chain.sequence <= 1 {
        return Verdict::refused(Why::Exhausted);
    }
    let fits = |password: &&Password| chain::next(chain.algorithm, password) == chain.last;
    match response::parse(text) {
        Err(malformed) => Verdict::refused(malformed.into()),
        Ok(Response::Plain(readings)) => match readings.iter().find(fits) {
            Some(password) => Verdict { outcome: Ok(false), next: Some(Record::Chain(below(chain, password))) },
            None => Verdict::refused(Why::Mismatch),
        },
        // One stolen password would else be good for ever. It is not even compared, and so not spent.
        Ok(Response::Reinit(..)) if !circumstances.allow_new_chain => Verdict::refused(Why::NewChainForbidden),
        Ok(Response::Reinit(current, new)) if fits(&&current) => {
            match new.filter(|new| is_usable(new, chain, circumstances)) {
                Some(NewChain { algorithm, sequence, seed, first }) => Verdict {
                    outcome: Ok(true),
                    next: Some(Record::Chain(Chain { algorithm, sequence, seed, last: first })),
                },
                None => Verdict { outcome: Err(Why::NewChain), next: Some(Record::Chain(below(chain, &current))) },
            }
        }
        Ok(Response::Reinit(..)) => Verdict::refused(Why::Mismatch),
    }
}

/// The chain after this password of it was accepted.
fn below(chain: &Chain, password: &Password) -> Chain {
    Chain { sequence: chain.sequence.saturating_sub(1), last: password.clone(), ..chain.clone() }
}

/// Whether a chain can go on with this: it must leave passwords, be another one, and not be weaker.
fn is_usable(new: &NewChain, chain: &Chain, circumstances: Circumstances) -> bool {
    new.sequence > 1
        && new.seed != chain.seed
        && new.first != chain.last
        && (new.algorithm != chain::Algorithm::Md4 || circumstances.allow_md4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: Circumstances =
        Circumstances { unix: Some(1_700_000_010), allow_md4: false, allow_new_chain: true, codes: Admission::Any };

    fn totp(floor: u64) -> Record {
        let secret = crate::knock::fwknop::keys::Secret::new(b"12345678901234567890".to_vec());
        Record::Totp { token: Token { algorithm: codes::Algorithm::Sha1, digits: 6, secret }, period: 30, floor }
    }

    #[test]
    fn no_code_of_two_is_accepted_again() {
        let Record::Totp { token, .. } = totp(0) else { unreachable!() };
        let step = 1_700_000_010 / 30;
        let pair = format!("{} {}", *token.text(step - 1), *token.text(step));
        let verdict = judge(&totp(0), &pair, SET);
        let next = verdict.next.unwrap();
        assert_eq!((verdict.outcome, &next), (Ok(false), &totp(step + 1)));
        for text in [&pair, &token.text(step - 1)[..], &token.text(step)[..]] {
            assert_eq!(judge(&next, text, SET).outcome, Err(Why::Replay), "{text}");
        }
        assert_eq!(judge(&totp(step), &pair, SET).outcome, Err(Why::Replay), "the first one is spent");
        assert_eq!(judge(&next, &token.text(step + 1), SET).outcome, Ok(false));
    }

    #[test]
    fn without_a_clock_and_while_guesses_are_paused() {
        let Record::Totp { token, .. } = totp(0) else { unreachable!() };
        let step = 1_700_000_010 / 30;
        let unset = Circumstances { unix: None, ..SET };
        assert_eq!(judge(&totp(0), &token.text(step), unset), Verdict::refused(Why::ClockNotSet));
        let paused = Circumstances { codes: Admission::Long, ..SET };
        assert_eq!(judge(&totp(0), &token.text(step), paused), Verdict::refused(Why::ShortAnswer));
        let pair = format!("{}{}", *token.text(step), *token.text(step + 1));
        assert_eq!(judge(&totp(0), &pair, paused).outcome, Ok(false));
        let waits = Circumstances { codes: Admission::Wait(Duration::from_secs(7)), ..SET };
        for text in [&pair, &token.text(step)[..]] {
            assert_eq!(judge(&totp(0), text, waits), Verdict::refused(Why::Throttled(Duration::from_secs(7))));
        }
    }

    #[test]
    fn md4_must_be_allowed_also_for_a_new_chain() {
        let seed: chain::Seed = "ke1234".parse().unwrap();
        let of = |algorithm, number| chain::password(algorithm, b"This is a test.", &seed, number);
        let chain = |algorithm| {
            Record::Chain(Chain { algorithm, sequence: 9, seed: "ke1234".parse().unwrap(), last: of(algorithm, 9) })
        };
        let allowed = Circumstances { allow_md4: true, ..SET };
        let text = of(chain::Algorithm::Md4, 8).to_hex();
        assert_eq!(judge(&chain(chain::Algorithm::Md4), &text, SET), Verdict::refused(Why::Md4));
        assert_eq!(judge(&chain(chain::Algorithm::Md4), &text, allowed).outcome, Ok(false));
        let text = format!("init-hex:{}:md4 99 ke1235:0123456789abcdef", *of(chain::Algorithm::Md5, 8).to_hex());
        let verdict = judge(&chain(chain::Algorithm::Md5), &text, SET);
        assert_eq!((verdict.outcome, verdict.next.unwrap().left()), (Err(Why::NewChain), Some(7)));
        assert_eq!(judge(&chain(chain::Algorithm::Md5), &text, allowed).outcome, Ok(true));
    }

    #[test]
    fn a_new_chain_that_is_not_allowed_spends_nothing() {
        let seed: chain::Seed = "ke1234".parse().unwrap();
        let of = |number| chain::password(chain::Algorithm::Md5, b"This is a test.", &seed, number);
        let record =
            Record::Chain(Chain { algorithm: chain::Algorithm::Md5, sequence: 9, seed: seed.clone(), last: of(9) });
        let forbidden = Circumstances { allow_new_chain: false, ..SET };
        for (number, new) in [(8, ":md5 99 ke1235:0123456789abcdef"), (8, ""), (7, ":md5 99 ke1235:0123456789abcdef")] {
            let text = format!("init-hex:{}{new}", *of(number).to_hex());
            assert_eq!(judge(&record, &text, forbidden), Verdict::refused(Why::NewChainForbidden), "{text}");
        }
        assert_eq!(judge(&record, &of(8).to_hex(), forbidden).outcome, Ok(false));
    }

    #[test]
    fn a_new_chain_must_leave_a_password() {
        let seed: chain::Seed = "ke1234".parse().unwrap();
        let of = |number| chain::password(chain::Algorithm::Md5, b"This is a test.", &seed, number);
        let record =
            Record::Chain(Chain { algorithm: chain::Algorithm::Md5, sequence: 9, seed: seed.clone(), last: of(9) });
        for (number, outcome) in [(0, Err(Why::NewChain)), (1, Err(Why::NewChain)), (2, Ok(true))] {
            let text = format!("init-hex:{}:md5 {number} ke1235:0123456789abcdef", *of(8).to_hex());
            assert_eq!(judge(&record, &text, SET).outcome, outcome, "{number}");
        }
    }
}
