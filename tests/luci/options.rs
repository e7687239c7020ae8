//! Every option of the parser is on the page, in the shape that it has there, and the page has no other.

use std::collections::{BTreeMap, BTreeSet};

use spa_knockd::config::options::{ACCESS, Known, MAIN, OTP, PAGE};

use super::scripts;

/// The scripts that make options, and the kinds of sections that these are of.
const HOMES: [(&str, &[&str]); 6] = [
    ("spa-knockd/common.js", &["access", "otp"]),
    ("spa-knockd/keys.js", &["access"]),
    ("spa-knockd/otpsection.js", &["otp"]),
    ("spa-knockd/pagesection.js", &["page"]),
    ("spa-knockd/stanza.js", &["access"]),
    ("view/spa-knockd/settings.js", &["spa-knockd"]),
];

/// Widgets with several values; LuCI's own have them where they are told to.
const LISTS: [&str; 5] = ["List", "Several", "NetworkSelect", "ZoneSelect", "DynamicList"];

/// Widgets that hide what they hold.
const SECRETS: [&str; 1] = ["Secret"];

/// An option as a page has it: whether it is a list, and whether it is hidden.
type Shape = (bool, bool);

/// The arguments of a call, as far as they are simple.
fn arguments(text: &str) -> Vec<&str> {
    let end = text.find(['(', ')']).unwrap_or(text.len());
    text.get(..end).unwrap_or_default().split(',').map(str::trim).collect()
}

fn literal(word: &str) -> Option<&str> {
    word.strip_prefix('\'')?.strip_suffix('\'')
}

/// The options that a script makes; those whose names begin with an underscore are in no file.
fn made(file: &str, source: &str) -> Vec<(String, Shape)> {
    let mut found = Vec::new();
    for (call, before) in [(".option(", 0), (".taboption(", 1)] {
        for rest in source.split(call).skip(1) {
            let words = arguments(rest);
            let (widget, name) = (words.get(before), words.get(before + 1));
            let name = name.and_then(|name| literal(name)).unwrap_or_else(|| panic!("{file}: no literal name: {rest}"));
            if name.starts_with('_') {
                continue;
            }
            let widget = widget.and_then(|widget| widget.rsplit('.').next()).unwrap_or_default();
            found.push((name.to_owned(), (LISTS.contains(&widget), SECRETS.contains(&widget))));
        }
    }
    found
}

/// What the parser has.
fn known(table: &[Known]) -> BTreeMap<String, Shape> {
    let there = |known: &&Known| known.off.is_none() || known.name == "format";
    table.iter().filter(there).map(|known| (known.name.to_owned(), (known.list, known.secret))).collect()
}

#[test]
fn the_pages_have_the_options_of_the_parser_and_no_other() {
    let mut found: BTreeMap<&str, BTreeMap<String, Shape>> = BTreeMap::new();
    for (file, source) in scripts() {
        let options = made(&file, &source);
        let kinds = HOMES.iter().find(|(home, _)| *home == file).map_or(&[][..], |(_, kinds)| kinds);
        assert_eq!(options.is_empty(), kinds.is_empty(), "{file} makes options of which kind of section?");
        for (kind, (name, shape)) in kinds.iter().flat_map(|kind| options.iter().map(move |option| (*kind, option))) {
            let twin = found.entry(kind).or_default().insert(name.clone(), *shape);
            assert_eq!(twin, None, "{file}: {name} is there twice");
        }
    }
    let tables = [("access", ACCESS), ("otp", OTP), ("page", PAGE), ("spa-knockd", MAIN)];
    assert_eq!(found, tables.into_iter().map(|(kind, table)| (kind, known(table))).collect());
}

#[test]
fn no_page_puts_a_secret_on_a_command_line() {
    // Keys are shown in the browser alone: no script may run a program or write a file on the router.
    let allowed: BTreeSet<&str> =
        ["baseclass", "dom", "form", "poll", "rpc", "tools.widgets", "uci", "ui", "uqr", "view"].into();
    for (file, source) in scripts() {
        let lines = source.lines().filter_map(|line| line.strip_prefix("'require "));
        let later = source.split("L.require('").skip(1);
        for name in lines.chain(later).filter_map(|rest| rest.split(['\'', ' ']).next()) {
            assert!(allowed.contains(name) || name.starts_with("spa-knockd."), "{file} requires {name}");
        }
    }
}
