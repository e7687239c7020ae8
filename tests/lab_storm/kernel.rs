//! The elements in the kernel, to the millisecond.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::lab::{Lab, Place};

/// What a set holds for one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// What is left of its life; `None` where that has no end.
    pub(crate) left: Option<Duration>,
    pub(crate) comment: String,
}

/// What the table held at some moment between two.
pub(crate) struct Snapshot {
    pub(crate) before: Instant,
    pub(crate) after: Instant,
    pub(crate) held: BTreeMap<String, Held>,
}

/// Reads all elements of a table; none where it is not there.
pub(crate) fn snapshot(lab: &Lab, table: &str) -> Snapshot {
    let before = Instant::now();
    let out = lab.command(Place::Router, "nft", &["list", "table", "inet", table]).output().expect("run nft");
    let after = Instant::now();
    let text = String::from_utf8(out.stdout).expect("text from nft");
    let lists = text.split("elements = {").skip(1).filter_map(|list| list.split_once('}')).map(|(list, _)| list);
    Snapshot { before, after, held: lists.flat_map(|list| list.split(',')).map(read).collect() }
}

fn read(element: &str) -> (String, Held) {
    let words: Vec<&str> = element.split_whitespace().collect();
    let after = |word: &str| words.iter().position(|found| *found == word).and_then(|at| words.get(at + 1)).copied();
    let comment = after("comment").unwrap_or_default().trim_matches('"').to_owned();
    (words[0].to_owned(), Held { left: after("expires").map(duration), comment })
}

/// Reads `1m2s345ms`.
fn duration(text: &str) -> Duration {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).expect("a unit"));
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let millis = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            unit => panic!("{unit}"),
        };
        total += Duration::from_millis(number.parse::<u64>().expect("a number") * millis);
        rest = tail;
    }
    total
}
