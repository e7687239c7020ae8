//! OPIE's key file, `/etc/opiekeys`: one line a user, without the algorithm, which was fixed when OPIE was built.

use super::chain::{Algorithm, Password, parse_sequence};
use super::record::Chain;

/// Longest name of a user, in bytes.
const NAME_MAX: usize = 32;

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The user.
    pub user: String,
    /// The chain; none where the user was disabled.
    pub chain: Option<Chain>,
}

/// Reads a line: name, number, seed, 16 hex digits and a date, with blanks between; `None` for what OPIE, too, skips.
#[must_use]
pub fn parse(line: &str, algorithm: Algorithm) -> Option<Line> {
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let user = words.next()?.split(':').next().unwrap_or_default();
    if user.is_empty() || user.len() > NAME_MAX || user.starts_with('#') {
        return None;
    }
    let sequence = parse_sequence(words.next()?).filter(|number| *number > 0)?;
    let seed = words.next()?.parse().ok()?;
    let value = words.next()?.trim_end();
    let chain = if value == "*".repeat(16) {
        None
    } else {
        Some(Chain { algorithm, sequence, seed, last: Password::from_hex(value)? })
    };
    Some(Line { user: user.to_owned(), chain })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_at_a_colon_and_have_an_end() {
        let line = |name: &str| format!("{name} 0010 aa1111           0123456789abcdef  Jan 01,2030 00:00:00");
        assert_eq!(parse(&line("alice:x"), Algorithm::Md5).unwrap().user, "alice");
        assert_eq!(parse(&line(&"a".repeat(32)), Algorithm::Md5).unwrap().user.len(), 32);
        for name in [":x", "#alice", &"a".repeat(33)] {
            assert_eq!(parse(&line(name), Algorithm::Md5), None, "{name}");
        }
    }
}
