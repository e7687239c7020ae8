//! What is stored of one user, as text: a line for the layout, one for each field, and one that tells damage.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::base32;
use super::chain::{self, Password, Seed, parse_sequence};
use super::codes::{self, Token};
use crate::daemon::files::check;
use crate::knock::fwknop::keys::Secret;
use crate::limits::{OTP_SECRET_MAX, OTP_SECRET_MIN};

/// The first line of the layout that this program writes.
const HEAD: &str = "spa-knockd one-time password 1";

/// A chain of RFC 2289.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The hash function.
    pub algorithm: chain::Algorithm,
    /// The number of `last`; the challenge is one below. With 1, no password is left.
    pub sequence: u16,
    /// The seed.
    pub seed: Seed,
    /// The last accepted password, or the first one of a new chain.
    pub last: Password,
}

/// What is known of a user's one-time passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A chain; this holds no secret.
    Chain(Chain),
    /// Codes that are counted.
    Hotp {
        /// What the app has, too.
        token: Token,
        /// The lowest counter whose code was never accepted.
        counter: u64,
    },
    /// Codes of the time.
    Totp {
        /// What the app has, too.
        token: Token,
        /// The life of a code, in seconds.
        period: u32,
        /// The first step whose code may be accepted: one above the last accepted one.
        floor: u64,
    },
}

impl Record {
    /// How the kind is called, in records and on the command line.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Chain(_) => "chain",
            Self::Hotp { .. } => "hotp",
            Self::Totp { .. } => "totp",
        }
    }

    /// How many passwords are left, where they come to an end.
    #[must_use]
    pub fn left(&self) -> Option<u16> {
        match self {
            Self::Chain(chain) => Some(chain.sequence.saturating_sub(1)),
            Self::Hotp { .. } | Self::Totp { .. } => None,
        }
    }

    /// The text of the file.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        // Room for all of it: a text that grows would leave copies of the secret behind.
        let mut text = Zeroizing::new(String::with_capacity(512));
        let _ = writeln!(text, "{HEAD}\nkind {}", self.kind());
        let _ = match self {
            Self::Chain(Chain { algorithm, sequence, seed, last }) => writeln!(
                text,
                "algorithm {}\nsequence {sequence}\nseed {}\nlast {}",
                algorithm.name(),
                seed.text(),
                *last.to_hex()
            ),
            Self::Hotp { token, counter } => {
                put_token(&mut text, token);
                writeln!(text, "counter {counter}")
            }
            Self::Totp { token, period, floor } => {
                put_token(&mut text, token);
                writeln!(text, "period {period}\nfloor {floor}")
            }
        };
        let sum = check(text.as_bytes());
        let _ = writeln!(text, "check {sum:08x}");
        text
    }

    /// Reads the text of a file; `None` where it is cut, changed or of another layout.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
        let (body, last) = text.split_at_checked(text.rfind('\n')?.checked_add(1)?)?;
        if last.strip_prefix("check ")? != format!("{:08x}", check(body.as_bytes())) {
            return None;
        }
        let mut fields = Fields(body.strip_suffix('\n')?.split('\n'));
        if fields.0.next()? != HEAD {
            return None;
        }
        let record = match fields.next("kind")? {
            "chain" => Self::Chain(Chain {
                algorithm: fields.next("algorithm")?.parse().ok()?,
                sequence: parse_sequence(fields.next("sequence")?).filter(|number| *number > 0)?,
                seed: fields.next("seed")?.parse().ok()?,
                last: Password::from_hex(fields.next("last")?)?,
            }),
            "hotp" => Self::Hotp { token: fields.token()?, counter: fields.next("counter")?.parse().ok()? },
            "totp" => Self::Totp {
                token: fields.token()?,
                period: fields.next("period")?.parse().ok().filter(|period| is_period(*period))?,
                floor: fields.next("floor")?.parse().ok()?,
            },
            _ => return None,
        };
        fields.0.next().is_none().then_some(record)
    }
}

/// Whether codes may live for so many seconds.
#[must_use]
pub fn is_period(seconds: u32) -> bool {
    (10..=300).contains(&seconds)
}

/// Whether codes may have so many digits (RFC 4226, section 5.3).
#[must_use]
pub fn is_digits(digits: u8) -> bool {
    (6..=8).contains(&digits)
}

fn put_token(text: &mut String, token: &Token) {
    let secret = base32::encode(token.secret.bytes());
    let _ = writeln!(text, "algorithm {}\ndigits {}\nsecret {}", token.algorithm.name(), token.digits, *secret);
}

/// The lines of a record; each field stands where it was written, or nothing is read.
struct Fields<'a>(std::str::Split<'a, char>);

impl<'a> Fields<'a> {
    fn next(&mut self, name: &str) -> Option<&'a str> {
        self.0.next()?.strip_prefix(name)?.strip_prefix(' ')
    }

    fn token(&mut self) -> Option<Token> {
        let algorithm: codes::Algorithm = self.next("algorithm")?.parse().ok()?;
        let digits = self.next("digits")?.parse().ok().filter(|digits| is_digits(*digits))?;
        let secret = secret(self.next("secret")?)?;
        Some(Token { algorithm, digits, secret })
    }
}

/// Reads a secret in base32; `None` for what is none, and for one that is too short or too long.
#[must_use]
pub fn secret(text: &str) -> Option<Secret> {
    let mut bytes = base32::decode(text)?;
    let fits = (OTP_SECRET_MIN..=OTP_SECRET_MAX).contains(&bytes.len());
    fits.then(|| Secret::new(std::mem::take(&mut *bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn records() -> [Record; 3] {
        let token = |algorithm| Token { algorithm, digits: 8, secret: Secret::new(vec![7; 64]) };
        [
            Record::Chain(Chain {
                algorithm: chain::Algorithm::Sha1,
                sequence: 499,
                seed: "ke1234".parse().unwrap(),
                last: Password::new([0xab; 8]),
            }),
            Record::Hotp { token: token(codes::Algorithm::Sha256), counter: u64::MAX },
            Record::Totp { token: token(codes::Algorithm::Sha512), period: 30, floor: 56_666_668 },
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        for record in records() {
            let text = record.to_text();
            assert_eq!(Record::parse(text.as_bytes()), Some(record), "{}", *text);
            assert!(text.capacity() == 512, "the text had to grow");
        }
    }

    #[test]
    fn a_cut_or_changed_text_is_not() {
        for record in records() {
            let text = record.to_text();
            let text = text.as_bytes();
            for at in 0..text.len() {
                assert_eq!(Record::parse(&text[..at]), None, "cut at {at}");
                for wrong in [text[at] ^ 1, text[at] ^ 0x20, 0, 0xff] {
                    let mut changed = text.to_vec();
                    changed[at] = wrong;
                    assert_eq!(Record::parse(&changed), None, "{wrong} at {at}");
                }
            }
            assert_eq!(Record::parse(&[text, b"\n"].concat()), None);
            assert_eq!(Record::parse(&[text, text].concat()), None);
        }
    }

    #[test]
    fn nor_is_one_that_was_written_by_hand_with_a_mistake() {
        let checked = |body: &str| Record::parse(format!("{body}check {:08x}\n", check(body.as_bytes())).as_bytes());
        let chain = "spa-knockd one-time password 1\nkind chain\nalgorithm md5\nsequence 5\nseed ke1234\nlast 2a3983f560399dfb\n";
        assert!(checked(chain).is_some());
        for (part, other) in [
            ("password 1", "password 2"),
            ("kind chain", "kind card"),
            ("md5", "md6"),
            ("sequence 5", "sequence 0"),
            ("sequence 5", "sequence 10000"),
            ("sequence 5\n", ""),
            ("seed ke1234", "seed ke-1234"),
            ("9dfb", "9dfg"),
            ("9dfb\n", "9dfb\nmore 1\n"),
        ] {
            assert!(checked(&chain.replace(part, other)).is_none(), "{other}");
        }
        let totp = "spa-knockd one-time password 1\nkind totp\nalgorithm sha1\ndigits 6\n\
            secret GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\nperiod 30\nfloor 0\n";
        assert!(checked(totp).is_some());
        for (part, other) in [
            ("digits 6", "digits 5"),
            ("period 30", "period 0"),
            ("floor 0", "floor -1"),
            ("DGNBVGY3TQOJQGEZDGNBVGY3", ""),
        ] {
            assert!(checked(&totp.replace(part, other)).is_none(), "{other}");
        }
    }
}
