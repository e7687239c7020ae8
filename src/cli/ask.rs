//! What the subcommands that ask a running daemon share: the question, and tables of 80 columns.

use std::path::{Path, PathBuf};

use serde_json::Value;
use spa_knockd::control::client::{Client, good};
use spa_knockd::control::{FILE, VERSION, json};

use super::{Failure, RUN_DIR};

/// The width of a terminal.
const WIDTH: usize = 80;

/// How far a line is moved in that goes on with the one before it.
const INDENT: usize = 4;

/// Connects to the daemon, at the router's place where none is named.
pub(super) fn connect(socket: Option<&PathBuf>) -> Result<Client, Failure> {
    Client::connect(&socket.cloned().unwrap_or_else(|| Path::new(RUN_DIR).join(FILE)))
}

/// A request with these further fields.
pub(super) fn request(name: &str, mut fields: Vec<(&str, Value)>) -> Value {
    fields.push(("v", VERSION.into()));
    fields.push(("request", name.into()));
    object(fields)
}

/// An object with these fields.
pub(super) fn object(fields: Vec<(&str, Value)>) -> Value {
    let mut object = serde_json::Map::new();
    for (name, value) in fields {
        object.insert(name.to_owned(), value);
    }
    Value::Object(object)
}

/// Asks one question and gives the good reply.
pub(super) fn ask(client: &mut Client, request: &Value) -> Result<Value, Failure> {
    good(client.ask(request)?)
}

/// A field as text; empty where it is absent.
pub(super) fn text(value: &Value, field: &str) -> String {
    match value.get(field) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => json(other),
    }
}

/// The elements of a field that is a list.
pub(super) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A field that is a count; 0 where it is absent.
pub(super) fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or(0)
}

/// Lays rows out in columns as wide as their widest cells. What does not fit into 80 columns goes on in the next
/// line, moved in; a word is never cut.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let mut starts = Vec::with_capacity(columns);
    let mut start = 0;
    for column in 0..columns {
        starts.push(start);
        // One long cell must not push all others out of their lines.
        start += width(column).unwrap_or(0).min(WIDTH / 2) + 2;
    }
    rows.iter().map(|row| lay_out(row, &starts)).collect()
}

fn lay_out(row: &[String], starts: &[usize]) -> String {
    let (mut text, mut line, mut used) = (String::new(), String::new(), 0);
    for (cell, &start) in row.iter().zip(starts) {
        for (place, word) in cell.split_whitespace().enumerate() {
            // A comment that somebody gave to an element may hold what a terminal acts on.
            let word: String = word.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect();
            let length = word.chars().count();
            let gap = match (used, place) {
                (0, _) => start,
                (_, 0) => start.max(used + 2) - used,
                _ => 1,
            };
            if used > 0 && used + gap + length > WIDTH {
                text = text + &line + "\n";
                line = " ".repeat(INDENT) + &word;
                used = INDENT + length;
            } else {
                line = line + &" ".repeat(gap) + &word;
                used += gap + length;
            }
        }
    }
    text + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|&cell| cell.to_owned()).collect()).collect()
    }

    #[test]
    fn columns_stand_below_each_other() {
        let text = table(&rows(&[&["ACCESS", "LEFT"], &["alice", "29 s"], &["", "1 s"]]));
        assert_eq!(table(&rows(&[&["a\u{1b}[1m"]])), "a?[1m\n");
        assert_eq!(text, "ACCESS  LEFT\nalice   29 s\n        1 s\n");
    }

    #[test]
    fn no_line_is_wider_than_a_terminal_while_words_are_shorter() {
        let name = "n".repeat(64);
        let long = "2001:db8:1111:2222:3333:4444:5555:6666".to_owned() + " and some more words to follow";
        let text = table(&rows(&[&[&name, &long, "tcp/22", "29 s"], &["a", "192.0.2.1", "tcp/22", "1 s"]]));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains(&name) && text.ends_with("1 s\n"), "{text}");
        assert!(text.lines().count() > 2 && text.contains("\n    "), "{text}");
    }
}
