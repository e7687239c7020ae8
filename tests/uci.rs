//! UCI text: what `uci` writes is read back byte for byte, and no text is too strange to refuse.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use proptest::prelude::*;
use spa_knockd::uci::{Entry, Section, Value, parse, write};

/// The values of the first section, as text.
fn values(text: &str) -> Vec<String> {
    let sections = parse(text.as_bytes()).unwrap();
    sections[0].entries.iter().map(|entry| entry.value.text().unwrap().to_owned()).collect()
}

/// The value that this text stands for behind `option o `.
fn value(text: &str) -> String {
    values(&format!("config t\n\toption o {text}\n")).remove(0)
}

#[test]
fn what_uci_writes_is_read() {
    let text = "package spa-knockd\n\nconfig spa-knockd 'main'\n\toption enabled '1'\n\tlist port '62201'\n\
                \tlist port '10000-65535'\n\nconfig access 'alice'\n\toption key 'it'\\''s'\n\n";
    let sections = parse(text.as_bytes()).unwrap();
    assert_eq!(sections.len(), 2);
    assert_eq!((sections[0].kind.as_str(), sections[0].name.as_deref()), ("spa-knockd", Some("main")));
    assert_eq!(sections[0].line, 3);
    let lines: Vec<_> = sections[0].entries.iter().map(|e| (e.list, e.name.as_str(), e.line)).collect();
    assert_eq!(lines, [(false, "enabled", 4), (true, "port", 5), (true, "port", 6)]);
    assert_eq!(sections[1].entries[0].value.text(), Some("it's"));
    assert_eq!(sections[1].entries[0].line, 9);
}

#[test]
fn quotes_and_backslashes_are_those_of_libuci() {
    for (text, expected) in [
        ("plain", "plain"),
        ("'single \\ \" quoted'", "single \\ \" quoted"),
        ("\"double ' quoted\"", "double ' quoted"),
        ("\"a\\\"b\\\\c\\nd\"", "a\"b\\cnd"),
        ("'it'\\''s'", "it's"),
        ("a'b c'd\"e f\"g", "ab cde fg"),
        ("two\\ words", "two words"),
        ("joined\\\nlines", "joinedlines"),
        ("joined\\\r\nlines", "joinedlines"),
        ("'two\nlines'", "two\nlines"),
        ("\"two\\\nlines\"", "twolines"),
        ("'#;'", "#;"),
        ("cut#comment", "cut"),
        ("'quoted'#comment", "quoted"),
        ("\\#\\;", "#;"),
        ("''", ""),
        ("", ""),
        ("value # comment 'never closed", "value"),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn commands_may_be_short_share_a_line_and_end_in_crlf() {
    assert_eq!(values("c t\r\n\to a 'x'\r\n  l b y\r\n"), ["x", "y"]);
    assert_eq!(values("config t; option a 'x'; option b y;option c z ; list d w;\n"), ["x", "y", "z", "w"]);
    assert_eq!(parse(b"# only\n  # comments\n\n").unwrap(), []);
    assert_eq!(parse(b"config access").unwrap()[0].name, None);
    assert_eq!(parse(b"config access ''").unwrap()[0].name, None);
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let sections = parse(b"config t\n\toption key '\xff\x01\xe9'\n").unwrap();
    assert_eq!(sections[0].entries[0].value.bytes(), b"\xff\x01\xe9");
    assert_eq!(sections[0].entries[0].value.text(), None);
}

#[test]
fn mistakes_name_their_line() {
    for (text, line, fragment) in [
        ("option a 'b'\n", 1, "before the first section"),
        ("\nconfig t\nfoo bar\n", 3, "unknown word"),
        ("config\n", 1, "name is missing"),
        ("config t\n\toption\n", 2, "name is missing"),
        ("config t\n\toption '' x\n", 2, "name is missing"),
        ("config t\n\toption a-b x\n", 2, "character"),
        ("config t 'a b'\n", 1, "character"),
        ("config 't t'\n", 1, "character"),
        ("config t\n\toption a b c\n", 2, "too many words"),
        ("config t\n\n\toption a 'b\n\n", 3, "never closed"),
        ("config t\n\toption a \"b\\", 2, "never closed"),
        ("config t\n\toption a 'b\0'\n", 2, "NUL"),
        ("config t\n\toption a 'x\ny'\n\tfoo\n", 4, "unknown word"),
    ] {
        let mistake = parse(text.as_bytes()).unwrap_err();
        assert_eq!(mistake.line, line, "{text:?}: {mistake:?}");
        assert!(mistake.problem.contains(fragment), "{text:?}: {mistake:?}");
    }
}

#[test]
fn a_text_beyond_the_limit_is_refused() {
    let mut text = vec![b'#'; 1 << 20];
    assert_eq!(parse(&text).unwrap(), []);
    text.push(b'\n');
    assert!(parse(&text).unwrap_err().problem.contains("1 MiB"));
}

#[test]
fn values_are_not_printed() {
    let sections = parse(b"config t\n\toption key 'OpenSesame'\n").unwrap();
    assert!(!format!("{sections:?}").contains("OpenSesame"));
}

/// Sections as `parse` would give them, without their lines.
fn sections() -> impl Strategy<Value = Vec<Section>> {
    let entry = (any::<bool>(), "[A-Za-z0-9_]{1,8}", prop::collection::vec(1..=255_u8, 0..40))
        .prop_map(|(list, name, value)| Entry { list, name, value: Value::new(value), line: 0 });
    let section = ("[!-~]{1,8}", prop::option::of("[A-Za-z0-9_]{1,8}"), prop::collection::vec(entry, 0..5))
        .prop_map(|(kind, name, entries)| Section { kind, name, line: 0, entries });
    prop::collection::vec(section, 0..5)
}

/// The same sections with every line forgotten.
fn without_lines(mut sections: Vec<Section>) -> Vec<Section> {
    for section in &mut sections {
        section.line = 0;
        for entry in &mut section.entries {
            entry.line = 0;
        }
    }
    sections
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(sections in sections()) {
        prop_assert_eq!(without_lines(parse(&write(&sections)).unwrap()), sections);
    }

    #[test]
    fn no_junk_panics(junk in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&junk);
    }

    #[test]
    fn no_near_miss_panics(parts in prop::collection::vec(
        prop::sample::select(vec!["config ", "option ", "list ", "'", "\"", "\\", "\n", "\r", ";", "#", "a", " ", "\t", "package "]), 0..40)) {
        let text = parts.concat();
        if let Ok(sections) = parse(text.as_bytes()) {
            prop_assert_eq!(without_lines(parse(&write(&sections)).unwrap()), without_lines(sections));
        }
    }
}
