//! Six words for 64 bits and their checksum: the coding of RFC 2289, section 6.0 and appendix D.

use zeroize::Zeroizing;

use super::chain::Password;

/// The dictionary as build.rs packs words.txt: the words of one to three letters, then those of four, each as a
/// number of five bits a letter, of which the difference to the one before stands here in groups of seven bits.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/otp-words"));

/// How many words have one to three letters; the dictionary begins with them.
const SHORT: u16 = 571;

/// How many words a password has.
const COUNT: usize = 6;

/// Bits of a word's place in the dictionary.
const BITS: u32 = 11;

/// Every word of the dictionary in its order, as the number that stands for its letters.
fn dictionary() -> impl Iterator<Item = u32> {
    let mut packed = PACKED.iter();
    let mut number = 0_u32;
    (0..2048_u16).map_while(move |index| {
        if index == SHORT {
            number = 0;
        }
        let mut difference = 0;
        loop {
            let byte = u32::from(*packed.next()?);
            difference = difference << 7 | (byte & 0x7f);
            if byte < 0x80 {
                break;
            }
        }
        number = number.wrapping_add(difference);
        Some(if index < SHORT { number << 5 } else { number })
    })
}

/// The number of a word of one to four letters, of any case; `None` for what no dictionary holds. The digits 1, 0
/// and 5 count as L, O and S, as in OPIE.
fn number(word: &str) -> Option<u32> {
    if !(1..=4).contains(&word.len()) {
        return None;
    }
    let letters = word.bytes().map(|byte| match byte.to_ascii_uppercase() {
        b'0' => Some(b'O'),
        b'1' => Some(b'L'),
        b'5' => Some(b'S'),
        letter if letter.is_ascii_uppercase() => Some(letter),
        _ => None,
    });
    let mut sum = 0;
    for letter in letters.map(Some).chain(std::iter::repeat(None)).take(4) {
        let five = match letter {
            Some(letter) => u32::from(letter?) & 0x1f,
            None => 0,
        };
        sum = sum << 5 | five;
    }
    Some(sum)
}

/// The word that a number stands for, in upper case.
fn push_word(number: u32, text: &mut String) {
    let letters = [15_u32, 10, 5, 0].map(|shift| u8::try_from(number >> shift & 0x1f).unwrap_or(0));
    text.extend(letters.into_iter().filter(|letter| *letter > 0).map(|letter| char::from(letter | 0x40)));
}

/// The two bits that guard against slips: the sum of all pairs of bits.
fn checksum(value: u64) -> u32 {
    let pairs = (0..32_u32).map(|pair| value >> (2 * pair) & 3);
    u32::try_from(pairs.sum::<u64>() & 3).unwrap_or(0)
}

/// Six words in upper case with single blanks between.
#[must_use]
pub fn encode(password: &Password) -> Zeroizing<String> {
    let value = u64::from_be_bytes(*password.bytes());
    let bits = Zeroizing::new(u128::from(value) << 2 | u128::from(checksum(value)));
    let words = Zeroizing::new(dictionary().collect::<Vec<_>>());
    let mut text = Zeroizing::new(String::with_capacity(COUNT * 5));
    for place in [5_u32, 4, 3, 2, 1, 0] {
        let index = usize::try_from(*bits >> (place * BITS) & 0x7ff).unwrap_or(0);
        if !text.is_empty() {
            text.push(' ');
        }
        push_word(words.get(index).copied().unwrap_or(0), &mut text);
    }
    text
}

/// Reads six words of any case with white space or hyphens between; `None` where one is not in the dictionary or the
/// checksum is wrong.
#[must_use]
pub fn decode(text: &str) -> Option<Password> {
    let mut wanted = Zeroizing::new([0_u32; COUNT]);
    let mut given = text.split([' ', '\t', '\r', '\n', '-']).filter(|word| !word.is_empty());
    for slot in wanted.iter_mut() {
        *slot = number(given.next()?)?;
    }
    if given.next().is_some() {
        return None;
    }
    let mut bits = Zeroizing::new(0_u128);
    for word in wanted.iter() {
        let index = dictionary().position(|known| known == *word)?;
        *bits = *bits << BITS | u128::try_from(index).ok()?;
    }
    let value = u64::try_from(*bits >> 2).ok()?;
    let fits = *bits & 3 == u128::from(checksum(value));
    fits.then(|| Password::new(value.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_packed_dictionary_is_the_list_of_the_rfc() {
        let list = include_str!("words.txt");
        let unpacked = dictionary().map(|word| {
            let mut text = String::new();
            push_word(word, &mut text);
            text
        });
        assert!(unpacked.eq(list.lines()));
        assert!(list.lines().all(|word| number(word).is_some()));
        assert!(PACKED.len() < 2500, "{}", PACKED.len());
    }

    #[test]
    fn every_checksum_but_one_is_wrong() {
        for last in ["NUT", "O", "OAK"] {
            assert_eq!(decode(&format!("FOWL KID MASH DEAD DUAL {last}")), None);
        }
        let right = decode(" fowl\tKID-mash  dead dual 0AF\r\n").unwrap();
        assert_eq!(*right.to_hex(), "85c43ee03857765b");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        #[test]
        fn what_is_encoded_is_decoded(bytes in any::<[u8; 8]>()) {
            let password = Password::new(bytes);
            prop_assert_eq!(decode(&encode(&password)), Some(password));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}|([A-Z]{1,5}[ -]){0,8}") {
            let _ = decode(&text);
        }
    }
}
