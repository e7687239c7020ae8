//! What people type: six words or 16 hex digits, plain or in the forms of RFC 2243, and the digits of an app.

use super::chain::{Algorithm, Password, Seed, parse_sequence};
use super::words;
use crate::limits::OTP_RESPONSE_MAX;
use zeroize::Zeroizing;

/// Why a response was not even compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Neither six words nor 16 hex digits, or not what its type says.
    Syntax,
    /// There is no such type before the colon.
    UnknownType,
}

/// The readings of a response, in the order in which they are tried (RFC 2243: words before hex).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readings {
    /// As six words.
    pub word: Option<Password>,
    /// As 16 hex digits.
    pub hex: Option<Password>,
}

impl Readings {
    /// Those that there are.
    pub fn iter(&self) -> impl Iterator<Item = &Password> {
        self.word.iter().chain(&self.hex)
    }
}

/// What a chain is to go on with from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChain {
    /// The hash function.
    pub algorithm: Algorithm,
    /// The number of `first`; the next challenge is one below.
    pub sequence: u16,
    /// The seed.
    pub seed: Seed,
    /// The first password.
    pub first: Password,
}

/// A response to a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The wanted password.
    Plain(Readings),
    /// The wanted password and a new chain; none where what was sent of it cannot be used, which spends the password
    /// all the same.
    Reinit(Password, Option<NewChain>),
}

/// Reads a response.
///
/// # Errors
/// [`Malformed`].
pub fn parse(text: &str) -> Result<Response, Malformed> {
    if text.len() > OTP_RESPONSE_MAX {
        return Err(Malformed::Syntax);
    }
    let Some((kind, rest)) = text.split_once(':') else {
        let readings = Readings { word: words::decode(text), hex: hex(text) };
        return if readings.iter().next().is_some() { Ok(Response::Plain(readings)) } else { Err(Malformed::Syntax) };
    };
    let read = match kind.trim().to_ascii_lowercase().as_str() {
        "word" | "init-word" => words::decode,
        "hex" | "init-hex" => hex,
        _ => return Err(Malformed::UnknownType),
    };
    if !kind.trim().get(..5).is_some_and(|start| start.eq_ignore_ascii_case("init-")) {
        let password = Some(read(rest).ok_or(Malformed::Syntax)?);
        let is_hex = kind.trim().eq_ignore_ascii_case("hex");
        let readings =
            if is_hex { Readings { word: None, hex: password } } else { Readings { word: password, hex: None } };
        return Ok(Response::Plain(readings));
    }
    let mut fields = rest.split(':');
    let current = fields.next().and_then(read).ok_or(Malformed::Syntax)?;
    Ok(Response::Reinit(current, new_chain(fields, read)))
}

/// The parameters and the first password of a new chain.
fn new_chain<'a>(mut fields: impl Iterator<Item = &'a str>, read: fn(&str) -> Option<Password>) -> Option<NewChain> {
    let mut parameters = fields.next()?.split_whitespace();
    let algorithm = parameters.next()?.parse().ok()?;
    let sequence = parse_sequence(parameters.next()?)?;
    let seed = parameters.next()?.parse().ok()?;
    let first = read(fields.next()?)?;
    let is_end = parameters.next().is_none() && fields.next().is_none();
    is_end.then_some(NewChain { algorithm, sequence, seed, first })
}

/// Reads 16 hex digits with white space anywhere.
fn hex(text: &str) -> Option<Password> {
    Password::from_hex(&dense(text, 16)?)
}

/// The text without its white space, where no more than `most` characters remain.
fn dense(text: &str, most: usize) -> Option<Zeroizing<String>> {
    let mut dense = Zeroizing::new(String::with_capacity(4 * (most + 1)));
    dense.extend(text.chars().filter(|character| !character.is_ascii_whitespace()).take(most + 1));
    (dense.len() <= most).then_some(dense)
}

/// The codes of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codes {
    /// One code.
    One(u32),
    /// Two codes that follow each other: what nobody can guess.
    Pair(u32, u32),
}

/// Reads one code of this many digits, or two one after the other, with white space anywhere.
///
/// # Errors
/// [`Malformed::Syntax`] for anything else.
pub fn parse_codes(text: &str, digits: u8) -> Result<Codes, Malformed> {
    let length = usize::from(digits);
    let dense = dense(text, 2 * length).ok_or(Malformed::Syntax)?;
    let number = |digits: &str| {
        let is_number = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten().ok_or(Malformed::Syntax)
    };
    match dense.split_at_checked(length) {
        Some((one, "")) => number(one).map(Codes::One),
        Some((one, two)) => Ok(Codes::Pair(number(one)?, number(two)?)),
        None => Err(Malformed::Syntax),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_new_chain_that_cannot_be_used_still_has_the_current_password() {
        let current = Password::from_hex("5bf075d9959d036f").unwrap();
        for rest in [
            "",
            ":",
            ":md5 499 ke1235",
            ":md5 499 ke1235:",
            ":md5 499 ke1235:3712dcb4aa5316c",
            ":md6 499 ke1235:3712dcb4aa5316c1",
            ":md5 10000 ke1235:3712dcb4aa5316c1",
            ":md5 499 ke-1235:3712dcb4aa5316c1",
            ":md5 499 ke1235 x:3712dcb4aa5316c1",
            ":md5 499 ke1235:3712dcb4aa5316c1:x",
            ":md5 499 ke1235:RED HERD NOW BEAN PA BURG",
        ] {
            let text = format!("init-hex:5bf0 75d9 959d 036f{rest}");
            assert_eq!(parse(&text), Ok(Response::Reinit(current.clone(), None)), "{text}");
        }
        assert_eq!(parse("init-hex:5bf075d9959d036:md5 499 ke1235:3712dcb4aa5316c1"), Err(Malformed::Syntax));
    }

    #[test]
    fn codes_are_digits_and_white_space() {
        assert_eq!(parse_codes(" 012 345\n", 6), Ok(Codes::One(12345)));
        assert_eq!(parse_codes("012345 000001", 6), Ok(Codes::Pair(12345, 1)));
        assert_eq!(parse_codes("12345678", 8), Ok(Codes::One(12_345_678)));
        for text in ["", "12345", "1234567", "12345a", "-12345", "1234567890123", "12345\u{661}", "１２３４５６"]
        {
            assert_eq!(parse_codes(text, 6), Err(Malformed::Syntax), "{text}");
        }
    }

    #[test]
    fn long_responses_are_not_read() {
        let text = format!("5bf075d9959d036f{}", " ".repeat(OTP_RESPONSE_MAX));
        assert!(parse(&text[..OTP_RESPONSE_MAX]).is_ok());
        assert_eq!(parse(&text[..=OTP_RESPONSE_MAX]), Err(Malformed::Syntax));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_panics(text in "\\PC{0,40}|(init-)?(hex|word|x):[0-9a-f :]{0,60}|[0-9 ]{0,20}", digits in 6..=8_u8) {
            let _ = (parse(&text), parse_codes(&text, digits));
        }
    }
}
