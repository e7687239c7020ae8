//! Base64 (RFC 4648, section 4) as fwknop uses it: without padding in packets, with or without it in key options.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What each byte stands for: its six bits, or [`NOTHING`].
const VALUES: [u8; 256] = values();

/// No character's value.
const NOTHING: u8 = 0xff;

/// Whether all bytes are among the 64 characters; `=` is not.
#[must_use]
pub fn is_text(bytes: &[u8]) -> bool {
    // Values have six bits: one byte that stands for nothing shows in the sum, and no branch is needed before its end.
    bytes.iter().fold(0, |seen, &byte| seen | value(byte)) != NOTHING
}

/// How many characters the unpadded text of so many bytes has.
#[must_use]
pub const fn encoded_len(bytes: usize) -> usize {
    bytes.saturating_mul(4).div_ceil(3)
}

/// Decodes characters without padding into the front of `out`, and returns how many bytes they were.
///
/// `None` for a character outside the alphabet, a length that no encoder makes, unused bits that are not zero (so
/// that every byte string has exactly one text), or an `out` that is too short.
pub fn decode(characters: impl IntoIterator<Item = u8>, out: &mut [u8]) -> Option<usize> {
    let mut room = out.iter_mut();
    let mut written = 0_usize;
    let mut pending = 0_u32;
    let mut bits = 0_u32;
    for character in characters {
        let value = value(character);
        if value == NOTHING {
            return None;
        }
        pending = (pending << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            let [.., byte] = (pending >> bits).to_be_bytes();
            *room.next()? = byte;
            written += 1;
            pending &= (1 << bits) - 1;
        }
    }
    // Six left-over bits are a lone character; two or four are the filling of the last one.
    (bits < 6 && pending == 0).then_some(written)
}

/// Decodes a text without padding; `None` as for [`decode`].
#[must_use]
pub fn decode_vec(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    let length = decode(text.bytes(), &mut bytes)?;
    bytes.truncate(length);
    Some(bytes)
}

/// Decodes a key option: with all its padding or without any, otherwise as strict as [`decode`].
#[must_use]
pub fn decode_option(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bare = text.trim_end_matches('=');
    let padding = text.len() - bare.len();
    if padding != 0 && (padding > 2 || !text.len().is_multiple_of(4)) {
        return None;
    }
    decode_vec(bare)
}

/// Appends the unpadded text of the bytes.
pub fn encode(bytes: &[u8], text: &mut String) {
    text.reserve(encoded_len(bytes.len()));
    for group in bytes.chunks(3) {
        let mut padded = [0; 4];
        for (to, from) in padded.iter_mut().skip(1).zip(group) {
            *to = *from;
        }
        let word = u32::from_be_bytes(padded);
        text.extend([18_u32, 12, 6, 0].into_iter().take(group.len() + 1).map(|shift| character(word >> shift)));
    }
}

/// The text of the bytes with padding, as key options write it.
#[must_use]
pub fn encode_option(bytes: &[u8]) -> Zeroizing<String> {
    // The padding has its room from the start: a buffer that grew would leave its old half behind, unwiped.
    let mut text = Zeroizing::new(String::with_capacity(encoded_len(bytes.len()).next_multiple_of(4)));
    encode(bytes, &mut text);
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// What a character stands for, or [`NOTHING`].
fn value(character: u8) -> u8 {
    VALUES.get(usize::from(character)).copied().unwrap_or(NOTHING)
}

#[expect(
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "the compiler runs this, and would refuse a wrong index"
)]
const fn values() -> [u8; 256] {
    let mut values = [NOTHING; 256];
    let mut value = 0;
    while value < 64 {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
}

/// The character for the lowest six bits.
fn character(word: u32) -> char {
    let [.., low] = word.to_be_bytes();
    ALPHABET.get(usize::from(low & 0x3f)).copied().map_or('A', char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        let mut text = String::new();
        encode(bytes, &mut text);
        text
    }

    #[test]
    fn the_examples_of_rfc_4648_section_10() {
        for (bytes, with, without) in [
            ("", "", ""),
            ("f", "Zg==", "Zg"),
            ("fo", "Zm8=", "Zm8"),
            ("foo", "Zm9v", "Zm9v"),
            ("foob", "Zm9vYg==", "Zm9vYg"),
            ("fooba", "Zm9vYmE=", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy", "Zm9vYmFy"),
        ] {
            assert_eq!(text(bytes.as_bytes()), without);
            assert_eq!(*encode_option(bytes.as_bytes()), with);
            assert_eq!(encoded_len(bytes.len()), without.len());
            assert_eq!(decode_vec(without).unwrap().as_slice(), bytes.as_bytes());
            for option in [with, without] {
                assert_eq!(decode_option(option).unwrap().as_slice(), bytes.as_bytes());
            }
        }
    }

    #[test]
    fn every_byte_is_a_character_or_refused() {
        let characters: Vec<u8> = (0..=u8::MAX).filter(|&byte| is_text(&[b'A', byte, b'/'])).collect();
        assert_eq!(characters.len(), 64);
        assert!(characters.iter().all(|character| ALPHABET.contains(character)) && is_text(&characters));
        for byte in 0..=u8::MAX {
            let mut out = [0; 3];
            assert_eq!(decode([b'A', b'A', b'A', byte], &mut out).is_some(), is_text(&[byte]));
        }
        for (number, &byte) in (0_u8..).zip(ALPHABET) {
            assert_eq!(value(byte), number);
            assert_eq!(character(u32::from(number)), char::from(byte));
        }
    }

    #[test]
    fn only_the_one_canonical_text_is_taken() {
        for wrong in ["A", "Zg=", "Zg==", "Zh", "Zm9", "Zm9vY", "Zm9vYmF", "Zm 8", "Zm-_", "Zm8\n"] {
            assert!(decode_vec(wrong).is_none(), "{wrong:?}");
        }
        for wrong in ["Zg=", "Zg===", "=", "==", "====", "Zm9v=", "Zm9v====", "Zm=8", "Zh==", "=Zg="] {
            assert!(decode_option(wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn a_short_buffer_is_refused_not_overrun() {
        assert_eq!(decode(*b"Zm9vYmFy", &mut [0; 5]), None);
        assert_eq!(decode(*b"Zm9vYmFy", &mut [0; 6]), Some(6));
    }
}
