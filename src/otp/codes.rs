//! The codes of authenticator apps: HOTP (RFC 4226) and TOTP (RFC 6238), which is HOTP of the time.

use std::str::FromStr;

use hmac::digest::common::KeyInit;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::response::Codes;
use crate::knock::fwknop::keys::Secret;

/// How many counters ahead a single code is looked for: codes that were made and never sent.
pub const LOOK_AHEAD: u16 = 5;

/// How many counters ahead two consecutive codes are looked for (RFC 4226, section 7.4).
pub const RESYNCHRONISE: u16 = 20;

/// How many steps a single code may be early or late.
pub const SKEW: u16 = 1;

/// The life of a TOTP code that every app knows, in seconds.
pub const PERIOD: u32 = 30;

/// The hash function of an HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1, the only one that every app knows.
    #[default]
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::Sha1, Self::Sha256, Self::Sha512];

    /// The spelling of the command line and of the records; in upper case that of otpauth URIs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// How long a fresh secret is, in bytes: the hash's own length (RFC 4226, section 4; RFC 6238, section 3).
    #[must_use]
    pub fn secret_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl FromStr for Algorithm {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|one| one.name() == text)
            .ok_or("the algorithm of a code is one of sha1 sha256 sha512")
    }
}

/// What an app and the router share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The hash function.
    pub algorithm: Algorithm,
    /// How many digits a code has, 6 to 8.
    pub digits: u8,
    /// The key.
    pub secret: Secret,
}

impl Token {
    /// A new key of the algorithm's length.
    ///
    /// # Errors
    /// The system's, where it has no random numbers.
    pub fn random(algorithm: Algorithm, digits: u8) -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new(vec![0; algorithm.secret_len()]);
        getrandom::fill(&mut bytes)?;
        Ok(Self { algorithm, digits, secret: Secret::new(std::mem::take(&mut *bytes)) })
    }

    /// The code of a counter (RFC 4226, section 5.3).
    #[must_use]
    pub fn code(&self, counter: u64) -> u32 {
        let value = match self.algorithm {
            Algorithm::Sha1 => truncated::<Hmac<Sha1>>(&self.secret, counter),
            Algorithm::Sha256 => truncated::<Hmac<Sha256>>(&self.secret, counter),
            Algorithm::Sha512 => truncated::<Hmac<Sha512>>(&self.secret, counter),
        };
        value % 10_u32.pow(self.digits.into())
    }

    /// The code of a counter with its leading zeros.
    #[must_use]
    pub fn text(&self, counter: u64) -> Zeroizing<String> {
        Zeroizing::new(format!("{:0width$}", self.code(counter), width = usize::from(self.digits)))
    }

    /// The newest counter of these, from `first` on, whose code was given. Each is computed and compared, so the time
    /// does not tell which it was.
    fn newest(&self, first: u64, count: u16, codes: Codes) -> Option<u64> {
        let (mut found, mut any) = (0_u64, Choice::from(0));
        let mut before = self.code(first.wrapping_sub(1));
        for counter in (0..count).map_while(|ahead| first.checked_add(ahead.into())) {
            let code = self.code(counter);
            let fits = match codes {
                Codes::One(one) => code.ct_eq(&one),
                Codes::Pair(one, two) => before.ct_eq(&one) & code.ct_eq(&two),
            };
            found.conditional_assign(&counter, fits);
            any |= fits;
            before = code;
        }
        bool::from(any).then_some(found)
    }

    /// The counter that comes after the one whose code was given, at most `ahead` beyond `counter`: where the next
    /// look begins. Of two codes the first must not be before `counter` either.
    #[must_use]
    pub fn after(&self, counter: u64, ahead: u16, codes: Codes) -> Option<u64> {
        let first = match codes {
            Codes::One(_) => counter,
            Codes::Pair(..) => counter.checked_add(1)?,
        };
        self.newest(first, ahead, codes)?.checked_add(1)
    }

    /// The step whose code was given, at most `skew` away from `now`; of two codes the second one's, the first of
    /// which may be a step older.
    #[must_use]
    pub fn step(&self, now: u64, skew: u16, codes: Codes) -> Option<u64> {
        self.newest(now.checked_sub(skew.into())?, skew.saturating_mul(2).saturating_add(1), codes)
    }
}

/// The four bytes of the HMAC that its last byte points at, without the sign.
fn truncated<M: Mac + KeyInit>(secret: &Secret, counter: u64) -> u32 {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(secret.bytes()) else { return 0 };
    mac.update(&counter.to_be_bytes());
    let tag = mac.finalize().into_bytes();
    let offset = usize::from(tag.last().copied().unwrap_or(0) & 15);
    let four = tag.get(offset..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
    u32::from_be_bytes(four) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token { algorithm: Algorithm::Sha1, digits: 6, secret: Secret::new(b"12345678901234567890".to_vec()) }
    }

    fn pair(first: u64) -> Codes {
        Codes::Pair(token().code(first), token().code(first + 1))
    }

    #[test]
    fn two_consecutive_codes_find_the_counter_and_no_others_do() {
        let token = token();
        assert_eq!(token.after(0, 50, pair(0)), Some(2));
        assert_eq!(token.after(5, 50, pair(4)), None, "one of them is spent");
        assert_eq!(token.after(5, 50, pair(54)), Some(56));
        assert_eq!(token.after(5, 50, pair(55)), None);
        assert_eq!(token.after(0, 50, Codes::Pair(token.code(3), token.code(5))), None);
        assert_eq!(token.step(100, 1, pair(98)), Some(99));
        assert_eq!(token.step(100, 1, pair(100)), Some(101));
        assert_eq!(token.step(100, 1, pair(97)), None);
        assert_eq!(token.step(100, 1, pair(101)), None);
    }

    #[test]
    fn the_ends_of_the_counters_are_no_trap() {
        let token = token();
        assert_eq!(token.after(u64::MAX, 5, Codes::One(token.code(u64::MAX))), None, "there is no next one");
        assert_eq!(token.after(u64::MAX, 5, pair(0)), None);
        assert_eq!(token.step(0, 1, Codes::One(token.code(0))), None, "no clock stands in 1970");
        assert_eq!(token.after(0, 5, Codes::One(token.code(0))), Some(1));
        assert_eq!(token.after(0, 0, Codes::One(token.code(0))), None);
    }

    #[test]
    fn secrets_differ_and_are_not_shown() {
        for algorithm in Algorithm::ALL {
            let (one, two) = (Token::random(algorithm, 6).unwrap(), Token::random(algorithm, 6).unwrap());
            assert_ne!(one, two);
            assert_eq!(one.secret.bytes().len(), algorithm.secret_len());
            assert!(format!("{one:?}").contains("secret: Secret"));
        }
    }
}
