//! The line syntax that access.conf and fwknopd.conf share.

use super::report::{Place, Report};
use crate::uci::Value;

/// Longest line that fwknop reads, in bytes.
const LINE_MAX: usize = 1023;

/// One `NAME value` line.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// The name, without the colon that may follow it.
    pub(super) name: String,
    /// The value, without the blanks around it and without what follows a `;`.
    pub(super) value: Value,
    /// Where it stands.
    pub(super) place: Place,
}

impl Setting {
    /// Whether the value means yes: its first letter counts.
    pub(super) fn is_yes(&self) -> bool {
        self.value.bytes().first().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'y'))
    }

    /// The value as text, with other bytes shown as the replacement character.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.value.bytes()).into_owned()
    }
}

/// The settings of a file; lines that are none are reported.
pub(super) fn settings(text: &[u8], file: &Place, report: &mut Report) -> Vec<Setting> {
    let mut found = Vec::new();
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1..) {
        let place = Place { line: Some(number), ..file.clone() };
        if line.len() > LINE_MAX {
            report.problem(&place, None, format!("the line is longer than {LINE_MAX} characters"));
            continue;
        }
        let line = line.trim_ascii();
        if matches!(line.first(), None | Some(b'#' | b';')) {
            continue;
        }
        if let Some((name, value)) = split(line) {
            let name = name.to_owned();
            found.push(Setting { name, value: Value::new(value.to_vec()), place });
        } else {
            report.problem(&place, None, "the line is no variable with a value");
        }
    }
    found
}

/// Name and value of a line; neither is empty.
fn split(line: &[u8]) -> Option<(&str, &[u8])> {
    let end = line.iter().position(u8::is_ascii_whitespace)?;
    let (name, rest) = line.split_at_checked(end)?;
    let name = std::str::from_utf8(name).ok()?;
    let name = name.strip_suffix(':').unwrap_or(name);
    let value = value(rest)?;
    (!name.is_empty()).then_some((name, value))
}

/// What fwknop takes for the value of what follows the name; it is not empty.
fn value(rest: &[u8]) -> Option<&[u8]> {
    let value = rest.split(|byte| matches!(byte, b';' | b'\r')).next()?.trim_ascii();
    (!value.is_empty() && !value.contains(&0)).then_some(value)
}

/// The setting that fwknop reads where an init script writes name and value as one line; `None`, with a
/// problem, where that is no line.
pub(super) fn joined(name: &str, rest: &[u8], place: Place, report: &mut Report) -> Option<Setting> {
    let problem = if rest.contains(&b'\n') {
        "the value has a line end".to_owned()
    } else if name.len().saturating_add(rest.len()) >= LINE_MAX {
        format!("name and value are longer than {LINE_MAX} characters")
    } else if let Some(value) = value(rest) {
        return Some(Setting { name: name.to_owned(), value: Value::new(value.to_vec()), place });
    } else {
        "it has no value".to_owned()
    };
    report.problem(&place, Some(name), problem);
    None
}
