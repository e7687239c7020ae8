//! What `check` says about a configuration: one line a mistake, with its place and its remedy.

use std::fmt;

/// A mistake in a configuration, or a warning about it. It never holds a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; none where something is missing.
    pub line: Option<u32>,
    /// The section, such as `access 'alice'`.
    pub section: Option<String>,
    /// The option.
    pub option: Option<String>,
    /// The value as the file has it, made printable; none where it is or may be a secret.
    pub value: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What helps.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if let Some(section) = &self.section {
            f.write_str(section)?;
            f.write_str(if self.option.is_some() { ", " } else { ": " })?;
        }
        if let Some(option) = &self.option {
            write!(f, "option {option}")?;
            if let Some(value) = &self.value {
                write!(f, " '{value}'")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}; {}", self.problem, self.remedy)
    }
}

/// A mistake or a warning before its place is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// What is wrong.
    pub(crate) problem: String,
    /// What helps.
    pub(crate) remedy: String,
}

impl Complaint {
    /// A complaint in two halves.
    pub(crate) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// A file's text for a message: control characters escaped, cut to 64 characters, and without anything that could
/// be a key that slipped into the wrong line.
pub(crate) fn printable(bytes: &[u8]) -> String {
    const LONGEST: usize = 64;
    let text = String::from_utf8_lossy(bytes);
    let text = without_keys(&text);
    let mut shown: String = text.chars().take(LONGEST).flat_map(char_shown).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// The text with each long run of base64 characters replaced by an ellipsis: no other value has such a run.
fn without_keys(text: &str) -> String {
    const KEY_LIKE: usize = 20;
    let is_base64 = |character: char| character.is_ascii_alphanumeric() || "+/=".contains(character);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let base64 = is_base64(first);
        let end = rest.find(|character| is_base64(character) != base64).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        shown.push_str(if base64 && run.len() >= KEY_LIKE { "…" } else { run });
        rest = behind;
    }
    shown
}

/// The character, or its escape where a terminal would act on it.
fn char_shown(character: char) -> impl Iterator<Item = char> {
    let escaped = character.is_control().then(|| character.escape_default());
    let plain = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_without_control_characters_and_cut() {
        assert_eq!(printable(b"a\nb\x1b[1m\xff"), "a\\nb\\u{1b}[1m\u{fffd}");
        assert_eq!(printable(&[b'-'; 65]).chars().count(), 65);
        assert!(printable(&[b'-'; 65]).ends_with('…'));
        assert_eq!(printable(&[b'-'; 64]), "-".repeat(64));
    }

    #[test]
    fn a_key_in_the_wrong_line_is_not_shown() {
        let shown = printable(b"ANYRKEY_BASE64 HmUuwVLQv81lGQ/8YEwJM9BCM4HeJsgtnLJVzBJMMGw=");
        assert_eq!(shown, "ANYRKEY_BASE64 …");
        assert_eq!(printable(b"2001:db8:1111:2222:3333:4444:5555:6666"), "2001:db8:1111:2222:3333:4444:5555:6666");
    }
}
