//! The challenge of RFC 2289, section 6.0: which password is wanted.

use std::fmt;

use super::chain::{Algorithm, Seed, parse_sequence};

/// Passwords of a chain that began at 499, as most do: a decoy is somewhere in it.
const CHAIN: u64 = 498;

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

    /// A challenge for somebody who has no chain, the same one each time, so that asking for names teaches nothing:
    /// `number` is a keyed hash of the name.
    #[must_use]
    pub fn decoy(number: u64) -> Self {
        let sequence = u16::try_from((number >> 48) % CHAIN).unwrap_or(0).saturating_add(1);
        Self { algorithm: Algorithm::Md5, sequence, seed: Seed::from_number(number & 0xffff_ffff) }
    }
}

impl fmt::Display for Challenge {
    /// With the mark of RFC 2243, whose responses are taken.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "otp-{} {} {} ext", self.algorithm.name(), self.sequence, self.seed.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoy_looks_like_any_other_and_is_the_same_each_time() {
        for number in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            let decoy = Challenge::decoy(number);
            assert_eq!(Challenge::parse(&decoy.to_string()), Some(decoy.clone()));
            assert!((1..=498).contains(&decoy.sequence) && decoy.seed.text().len() == 6, "{decoy}");
        }
        assert_ne!(Challenge::decoy(1), Challenge::decoy(2));
    }
}
