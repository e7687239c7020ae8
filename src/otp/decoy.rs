//! What stands in for a name that has no chain: a challenge like that of another user, whose number falls as if it
//! were used.

use hmac::digest::common::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::chain::{Algorithm, Seed};
use super::challenge::Challenge;
use super::record::Chain;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// The numbers that chains commonly begin with; a decoy's is of the same kind as that of the chain it is like.
const BEGINNINGS: [u16; 4] = [100, 499, 999, 9999];

/// Where no chain is known that it could be like.
const ALONE: (Algorithm, u16, &str) = (Algorithm::Md5, 499, "ke1234");

/// The key of this router's decoys.
#[derive(Debug)]
pub(super) struct Decoys {
    key: Zeroizing<Vec<u8>>,
}

impl Decoys {
    /// With this key.
    pub(super) fn new(key: Zeroizing<Vec<u8>>) -> Self {
        Self { key }
    }

    /// Others, those first which this name is most like. One more or less among them changes nothing for most names.
    pub(super) fn rank<'a>(&self, name: &str, others: &[&'a str]) -> Vec<&'a str> {
        let mut ranked: Vec<_> = others.iter().map(|other| (self.number(&["like", name, other]), *other)).collect();
        ranked.sort_unstable_by(|one, other| other.cmp(one));
        ranked.into_iter().map(|(_, other)| other).collect()
    }

    /// The challenge of a name at this time, in Unix seconds, of the same kind as that of a stored chain.
    pub(super) fn challenge(&self, name: &str, like: Option<&Chain>, unix: u64) -> Challenge {
        let (algorithm, sequence, form) =
            like.map_or(ALONE, |chain| (chain.algorithm, chain.sequence, chain.seed.text()));
        let begin = BEGINNINGS.into_iter().find(|begin| sequence <= *begin).unwrap_or(ALONE.1);
        // The last one that a chain which began there asks for is 1.
        let length = u64::from(begin).saturating_sub(1).max(1);
        let fallen = self.fallen(name, length, unix);
        let (chain, place) = (fallen.checked_div(length).unwrap_or(0), fallen.checked_rem(length).unwrap_or(0));
        let sequence = u16::try_from(length.saturating_sub(place)).unwrap_or(1);
        let digest = self.digest(&["seed", name, &begin.to_string(), &chain.to_string()]);
        let text: String = form.bytes().zip(digest).map(|(byte, random)| same_kind(byte, random)).collect();
        let seed = text.parse().unwrap_or_else(|_| Seed::from_number(u64::from(begin)));
        Challenge { algorithm, sequence, seed }
    }

    /// How many passwords seem to have been used by now: about one in so many days, each at a time of its own.
    fn fallen(&self, name: &str, length: u64, unix: u64) -> u64 {
        let pace = (self.number(&["pace", name]) % 9).saturating_add(3).saturating_mul(DAY);
        let head_start = self.number(&["start", name]).checked_rem(pace.saturating_mul(length)).unwrap_or(0);
        let at = unix.saturating_add(head_start);
        let (turn, within) = (at.checked_div(pace).unwrap_or(0), at.checked_rem(pace).unwrap_or(0));
        let falls = self.number(&["fall", name, &turn.to_string()]).checked_rem(pace).unwrap_or(0);
        turn.saturating_add(u64::from(within >= falls))
    }

    fn number(&self, parts: &[&str]) -> u64 {
        u64::from_be_bytes(self.digest(parts).first_chunk().copied().unwrap_or_default())
    }

    /// A keyed hash of the parts, each with its length, so that no two lists of them are one text.
    fn digest(&self, parts: &[&str]) -> [u8; 32] {
        // A key of any length is taken.
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.key) else { return [0; 32] };
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

/// A letter for a letter, and a digit for a digit.
fn same_kind(byte: u8, random: u8) -> char {
    let (first, many) = if byte.is_ascii_digit() { (b'0', 10) } else { (b'a', 26) };
    char::from(first.saturating_add(random % many))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otp::chain::Password;

    const NOW: u64 = 2_000_000_000;

    fn decoys() -> Decoys {
        Decoys::new(Zeroizing::new(vec![7; 32]))
    }

    fn chain(algorithm: Algorithm, sequence: u16, seed: &str) -> Chain {
        Chain { algorithm, sequence, seed: seed.parse().unwrap(), last: Password::new([1; 8]) }
    }

    #[test]
    fn a_decoy_is_of_the_kind_of_a_stored_chain() {
        let decoys = decoys();
        let like = chain(Algorithm::Sha1, 99, "router7x");
        let mut numbers = std::collections::BTreeSet::new();
        for name in 0..200 {
            let decoy = decoys.challenge(&format!("user{name}"), Some(&like), NOW);
            assert_eq!(Challenge::parse(&decoy.to_string()), Some(decoy.clone()));
            assert!(decoy.algorithm == Algorithm::Sha1 && (1..=99).contains(&decoy.sequence), "{decoy}");
            let kinds: Vec<bool> = decoy.seed.text().bytes().map(|byte| byte.is_ascii_digit()).collect();
            assert_eq!(kinds, [false, false, false, false, false, false, true, false], "{decoy}");
            numbers.insert(decoy.sequence);
        }
        assert!(numbers.len() > 50, "they are spread: {numbers:?}");
        let alone = decoys.challenge("user", None, NOW);
        assert!(alone.algorithm == Algorithm::Md5 && (1..=498).contains(&alone.sequence), "{alone}");
        let long = chain(Algorithm::Md5, 9999, "ke1234");
        assert!((0..9).any(|name| decoys.challenge(&name.to_string(), Some(&long), NOW).sequence > 999));
    }

    #[test]
    fn its_number_falls_by_one_now_and_then_and_begins_anew_with_another_seed() {
        let (decoys, like) = (decoys(), chain(Algorithm::Md5, 100, "ke1234"));
        let at = |step: u64| decoys.challenge("mallory", Some(&like), NOW + step * 4 * 3_600);
        let (mut before, mut falls, mut begins) = (at(0), 0, 0);
        let steps = 4 * 365 * 6;
        for step in 1..steps {
            let now = at(step);
            if now.seed != before.seed {
                assert_eq!((before.sequence, now.sequence), (1, 99));
                begins += 1;
            } else if now.sequence != before.sequence {
                assert_eq!(now.sequence, before.sequence - 1);
                falls += 1;
            }
            before = now;
        }
        assert!((1..=5).contains(&begins) && (120..=490).contains(&falls), "{begins} {falls}");
    }

    #[test]
    fn one_more_user_changes_what_few_names_are_like() {
        let decoys = decoys();
        let (few, more) = (["alice", "bob", "carol", "dora"], ["alice", "bob", "carol", "dora", "eve"]);
        let first = |name: u32, others: &[&'static str]| decoys.rank(&name.to_string(), others)[0];
        let moved: Vec<_> = (0..1_000).filter(|name| first(*name, &few) != first(*name, &more)).collect();
        assert!((120..=280).contains(&moved.len()), "{}", moved.len());
        assert!(moved.iter().all(|name| first(*name, &more) == "eve"));
        assert!(few.iter().all(|user| (0..100).any(|name| first(name, &few) == *user)));
    }
}
