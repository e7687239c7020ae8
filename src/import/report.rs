//! What an import has to say: problems that stop it, notes that go along with its result.

use std::fmt;
use std::rc::Rc;

use crate::config::printable;

/// Why a fwknop configuration cannot be imported. It never holds a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; none where something is missing.
    pub line: Option<u32>,
    /// The variable.
    pub variable: Option<String>,
    /// What is wrong or not there, and what helps.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(variable) = &self.variable {
            write!(f, ": {variable}")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// A line of a file.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The file, as it was named.
    pub(super) file: Rc<str>,
    /// The line, from 1; none for the file as a whole.
    pub(super) line: Option<u32>,
}

/// Problems and notes in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<String>,
}

impl Report {
    /// Adds a problem with a variable, or with a line that has none.
    pub(super) fn problem(&mut self, place: &Place, variable: Option<&str>, text: impl Into<String>) {
        self.problems.push(Problem {
            file: printable_path(&place.file),
            line: place.line,
            variable: variable.map(str::to_owned),
            text: text.into(),
        });
    }

    /// Adds a note about a variable, once.
    pub(super) fn note(&mut self, variable: &str, text: &str) {
        // A line end would leave the comment that the note becomes.
        let note = format!("{variable}: {text}").replace(char::is_control, " ");
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// A path without control characters; paths come from %include lines too.
fn printable_path(path: &str) -> String {
    path.split_inclusive('/').map(|part| printable(part.as_bytes())).collect()
}
