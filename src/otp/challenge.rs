//! The challenge of RFC 2289, section 6.0: which password is wanted.

use std::fmt;

use super::chain::{Algorithm, Seed, parse_sequence};

/// What a person needs to know to look the password up or have it computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The hash function.
    pub algorithm: Algorithm,
    /// The number of the wanted password.
    pub sequence: u16,
    /// The seed.
    pub seed: Seed,
}

impl Challenge {
    /// Reads `otp-md5 499 ke1234 ext`: `otp-` and the algorithm in lower case, then number and seed, with blanks and
    /// tabs between; what extensions follow does not matter to a calculator. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let line = text.split('\n').next().unwrap_or_default();
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let algorithm = words.next()?.strip_prefix("otp-")?.parse().ok()?;
        let sequence = parse_sequence(words.next()?)?;
        let seed = words.next()?.parse().ok()?;
        Some(Self { algorithm, sequence, seed })
    }
}

impl fmt::Display for Challenge {
    /// With the mark of RFC 2243, whose responses are taken.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "otp-{} {} {} ext", self.algorithm.name(), self.sequence, self.seed.text())
    }
}
