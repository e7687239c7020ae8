//! The base32 of RFC 4648, as authenticator apps spell their secrets.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// In upper case, without padding.
#[must_use]
pub fn encode(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(5) * 8));
    for chunk in bytes.chunks(5) {
        let mut group = Zeroizing::new(0_u64);
        for place in 0..5 {
            *group = *group << 8 | u64::from(chunk.get(place).copied().unwrap_or(0));
        }
        for digit in 0..(chunk.len() * 8).div_ceil(5) {
            let value = usize::try_from(*group >> (35 - 5 * digit) & 31).unwrap_or(0);
            text.extend(ALPHABET.get(value).copied().map(char::from));
        }
    }
    text
}

/// Reads letters of any case and the digits 2 to 7, with blanks and hyphens anywhere and padding at the end; `None`
/// for anything else, for a length that no encoder makes, and for bits that none leaves over.
#[must_use]
pub fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() * 5 / 8));
    let (mut bits, mut held, mut digits) = (Zeroizing::new(0_u32), 0_u32, 0_usize);
    for byte in text.trim_end().trim_end_matches('=').bytes().filter(|byte| !b" \t-".contains(byte)) {
        let value = ALPHABET.iter().position(|letter| *letter == byte.to_ascii_uppercase())?;
        *bits = *bits << 5 | u32::try_from(value).ok()?;
        (held, digits) = (held + 5, digits + 1);
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(*bits >> held & 0xff).ok()?);
            *bits &= (1 << held) - 1;
        }
    }
    let is_whole = matches!(digits % 8, 0 | 2 | 4 | 5 | 7) && *bits == 0;
    is_whole.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(*encode(plain.as_bytes()), coded);
            assert_eq!(*decode(coded).unwrap(), plain.as_bytes());
            assert_eq!(*decode(&format!("{}==\n", coded.to_lowercase())).unwrap(), plain.as_bytes());
        }
        assert_eq!(*decode("mzxw 6ytb-oi").unwrap(), b"foobar");
    }

    #[test]
    fn what_no_encoder_makes_is_refused() {
        for text in ["M", "MZX", "MZXW6Y", "MZ", "M1", "M=Y", "MÿYY", "0", "MY8A"] {
            assert!(decode(text).is_none(), "{text}");
        }
    }
}
