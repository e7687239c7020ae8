//! The one-way chains of RFC 2289: from a passphrase and a seed to the password of any number.

use std::fmt;
use std::str::FromStr;

use md4::Md4;
use md5::{Digest, Md5};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Fewest bytes of a passphrase (RFC 2289, section 6.0).
pub const PASSPHRASE_MIN: usize = 10;

/// Most bytes of a passphrase that every calculator takes (RFC 2289, section 6.0).
pub const PASSPHRASE_EVERYWHERE: usize = 63;

/// Most characters of a seed (RFC 2289, section 6.0).
pub const SEED_MAX: usize = 16;

/// The highest number of a chain, as OPIE has it.
pub const SEQUENCE_MAX: u16 = 9999;

/// The hash function of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MD4, for calculators that know nothing else.
    Md4,
    /// MD5, which every calculator knows.
    Md5,
    /// SHA-1.
    Sha1,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::Md4, Self::Md5, Self::Sha1];

    /// The spelling of challenges, behind `otp-`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Md4 => "md4",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
        }
    }
}

impl FromStr for Algorithm {
    type Err = &'static str;

    /// Reads the name in lower case, as challenges write it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|one| one.name() == text).ok_or("the algorithm of a chain is one of md4 md5 sha1")
    }
}

/// The 64 bits of one password; wiped when dropped, never printed, compared in constant time.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Password([u8; 8]);

impl Password {
    /// Takes the bits over, the most significant first.
    #[must_use]
    pub fn new(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Reads 16 hex digits of any case; `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten()?;
        Some(Self(value.to_be_bytes()))
    }

    /// The bits, the most significant first.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// The 16 hex digits, in lower case.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{:016x}", u64::from_be_bytes(self.0)))
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// What stands beside the passphrase: 1 to 16 letters and digits, in lower case; public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed(String);

impl Seed {
    /// A new one, in OPIE's habit: two letters and four digits.
    ///
    /// # Errors
    /// The system's, where it has no random numbers.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes)?;
        Ok(Self::from_number(u64::from_be_bytes(bytes)))
    }

    /// The seed of this habit that a number stands for.
    pub(super) fn from_number(number: u64) -> Self {
        let letter = |number: u64| char::from(b'a'.saturating_add(u8::try_from(number % 26).unwrap_or(0)));
        let (digits, rest) = (number % 10_000, number / 10_000);
        Self(format!("{}{}{digits:04}", letter(rest), letter(rest / 26)))
    }

    /// The letters and digits, in lower case.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// What is wrong with a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedFault {
    /// None, or more than 16 characters.
    Length,
    /// Something besides letters and digits of ASCII.
    Characters,
}

impl fmt::Display for SeedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a seed has 1 to 16 characters",
            Self::Characters => "a seed has nothing but letters and digits",
        })
    }
}

impl FromStr for Seed {
    type Err = SeedFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !(1..=SEED_MAX).contains(&text.len()) {
            return Err(SeedFault::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(SeedFault::Characters);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// Reads the number of a chain, 0 to 9999 in 1 to 4 digits.
#[must_use]
pub fn parse_sequence(text: &str) -> Option<u16> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// The password of a number: the passphrase behind the seed, hashed and folded once more than `sequence` says.
#[must_use]
pub fn password(algorithm: Algorithm, passphrase: &[u8], seed: &Seed, sequence: u16) -> Password {
    (0..sequence).fold(first(algorithm, passphrase, seed), |password, _| next(algorithm, &password))
}

/// The passwords of the highest `count` numbers up to `sequence`, the highest first, each with its number.
#[must_use]
pub fn passwords(
    algorithm: Algorithm,
    passphrase: &[u8],
    seed: &Seed,
    sequence: u16,
    count: u16,
) -> Vec<(u16, Password)> {
    let lowest = sequence.saturating_sub(count.saturating_sub(1));
    let mut at = password(algorithm, passphrase, seed, lowest);
    let mut found = Vec::with_capacity(usize::from(count));
    for number in lowest..=sequence {
        let above = next(algorithm, &at);
        found.push((number, std::mem::replace(&mut at, above)));
    }
    found.reverse();
    found.truncate(usize::from(count));
    found
}

/// Number 0 of a chain.
fn first(algorithm: Algorithm, passphrase: &[u8], seed: &Seed) -> Password {
    let mut text = Zeroizing::new(Vec::with_capacity(SEED_MAX + passphrase.len()));
    text.extend_from_slice(seed.text().as_bytes());
    text.extend_from_slice(passphrase);
    hash_and_fold(algorithm, &text)
}

/// The password of the next higher number: one hash.
#[must_use]
pub fn next(algorithm: Algorithm, password: &Password) -> Password {
    hash_and_fold(algorithm, &password.0)
}

fn hash_and_fold(algorithm: Algorithm, text: &[u8]) -> Password {
    match algorithm {
        Algorithm::Md4 => fold(Md4::digest(text).into()),
        Algorithm::Md5 => fold(Md5::digest(text).into()),
        Algorithm::Sha1 => fold_sha1(Sha1::digest(text).into()),
    }
}

/// Both halves of a digest of 16 bytes in one.
fn fold(digest: [u8; 16]) -> Password {
    let digest = Zeroizing::new(u128::from_be_bytes(digest));
    let folded = (*digest >> 64) ^ (*digest & u128::from(u64::MAX));
    Password(u64::try_from(folded).unwrap_or(0).to_be_bytes())
}

/// The odd and the even words of a digest, each written with its least significant byte first (RFC 2289, appendix A).
fn fold_sha1(digest: [u8; 20]) -> Password {
    let digest = Zeroizing::new(digest);
    let mut words = Zeroizing::new([0_u32; 2]);
    for (index, word) in digest.as_chunks::<4>().0.iter().enumerate() {
        if let Some(sum) = words.get_mut(index % 2) {
            *sum ^= u32::from_be_bytes(*word);
        }
    }
    let [even, odd] = *words;
    Password((u64::from(even.swap_bytes()) << 32 | u64::from(odd.swap_bytes())).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_16_digits_and_nothing_is_printed() {
        let password = Password::from_hex("5BF075d9959d036f").unwrap();
        assert_eq!(*password.to_hex(), "5bf075d9959d036f");
        assert_eq!(format!("{password:?}"), "Password");
        for text in
            ["", "5bf075d9959d036", "5bf075d9959d036f0", "+bf075d9959d036f", "5bf075d9959d036g", "5bf075d9959d03é"]
        {
            assert_eq!(Password::from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn a_list_is_the_end_of_a_chain_the_highest_first() {
        let seed: Seed = "ke1234".parse().unwrap();
        let one = |number| password(Algorithm::Sha1, b"This is a test.", &seed, number);
        let list = passwords(Algorithm::Sha1, b"This is a test.", &seed, 99, 3);
        assert_eq!(list, [(99, one(99)), (98, one(98)), (97, one(97))]);
        assert_eq!(passwords(Algorithm::Sha1, b"This is a test.", &seed, 2, 9).len(), 3);
        assert_eq!(passwords(Algorithm::Sha1, b"This is a test.", &seed, 2, 0), []);
    }

    #[test]
    fn random_seeds_are_opies_and_differ() {
        let seeds: Vec<_> = (0..20).map(|_| Seed::random().unwrap()).collect();
        for seed in &seeds {
            let (letters, digits) = seed.text().split_at(2);
            assert!(letters.bytes().all(|byte| byte.is_ascii_lowercase()), "{seed:?}");
            assert!(digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{seed:?}");
        }
        assert!(seeds.iter().any(|seed| *seed != seeds[0]));
    }
}
