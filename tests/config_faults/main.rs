//! Every mistake that a configuration can hold: where it is reported, and that no key is in the report.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod access_section;
mod keys;
mod main_section;
mod nat;
mod otp;
mod page;
mod sections;
mod warnings;

use proptest::prelude::*;
use spa_knockd::config::{Fault, Loaded, parse};

const KEY: &str = "HmUuwVLQv81lGQ/8YEwJM9BCM4HeJsgtnLJVzBJMMGw=";
const HMAC_KEY: &str = "At2sZkbjbxMevd5dOrRvFS13uPAK5xxBSz7zh4QxD3I7";
const OTHER_KEY: &str = "9NIW2tbz1fyVdMQV+OStgxNVYidIcIcC4FvzrzBdx7Y=";

/// A configuration with these lines behind those of main, and those of the stanza in line 8 on.
fn text(main: &str, access: &str) -> String {
    format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist network 'wan'\n\t{main}\n\nconfig access 'alice'\n\
         \tlist open 'tcp/22'\n\t{access}\n"
    )
}

/// A stanza with keys, and these lines from line 10 on.
fn keyed(access: &str) -> String {
    text("", &format!("option key_base64 '{KEY}'\n\toption hmac_key_base64 '{HMAC_KEY}'\n\t{access}"))
}

/// The first text with line 7, the open list, replaced.
fn opening(open: &str, access: &str) -> String {
    keyed(access).replace("list open 'tcp/22'", open)
}

fn load_text(text: &str) -> Result<Loaded, Vec<Fault>> {
    parse(text.as_bytes(), "file")
}

/// Demands exactly one fault, at this line and option, whose text holds the fragment.
fn demand(text: &str, line: Option<u32>, option: Option<&str>, fragment: &str) {
    let faults = load_text(text).unwrap_err();
    assert_eq!(faults.len(), 1, "{text}\n{faults:#?}");
    check(&faults[0], line, option, fragment, text);
}

fn check(fault: &Fault, line: Option<u32>, option: Option<&str>, fragment: &str, text: &str) {
    let shown = fault.to_string();
    assert_eq!((fault.line, fault.option.as_deref()), (line, option), "{text}\n{shown}");
    assert!(shown.contains(fragment), "{text}\n{shown}\nhas no: {fragment}");
    assert!(!fault.remedy.is_empty() && !shown.contains('\n'), "{shown}");
    for key in [KEY, HMAC_KEY, OTHER_KEY, "OpenSesame"] {
        assert!(!shown.contains(key) && !format!("{fault:?}").contains(key), "{shown}");
    }
}

#[test]
fn what_all_other_tests_begin_with_is_right() {
    assert_eq!(load_text(&keyed("")).unwrap().warnings, []);
}

#[test]
fn one_line_says_where_what_and_how() {
    let faults = load_text(&keyed("option timeout '0'")).unwrap_err();
    assert_eq!(
        faults[0].to_string(),
        "file:10: access 'alice', option timeout '0': must be 1 to 8388608 seconds; write for example '30'"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_option_of_the_page_panics(
        name in prop::sample::select(spa_knockd::config::options::PAGE.to_vec()),
        list in any::<bool>(),
        value in "[ -~]{0,40}|[0-9]{1,24}|[0-9a-f.:/]{1,24}|\\PC{0,8}",
    ) {
        let word = if list { "list" } else { "option" };
        let text = page::section(&format!("{word} {} '{}'", name.name, value.replace('\'', "'\\''")));
        let told = load_text(&text).map_or_else(|faults| faults, |loaded| loaded.warnings);
        prop_assert!(told.iter().all(|fault| !fault.to_string().contains('\n')));
    }

    #[test]
    fn no_option_of_a_one_time_password_panics(
        name in prop::sample::select(spa_knockd::config::options::OTP.to_vec()),
        list in any::<bool>(),
        value in "[ -~]{0,40}|[0-9]{1,24}|[0-9a-f.:/=]{1,24}|\\PC{0,8}",
    ) {
        let word = if list { "list" } else { "option" };
        let text = otp::section(&format!("{word} {} '{}'", name.name, value.replace('\'', "'\\''")));
        let told = load_text(&text).map_or_else(|faults| faults, |loaded| loaded.warnings);
        prop_assert!(told.iter().all(|fault| !fault.to_string().contains('\n')));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_option_panics_and_no_key_is_told(
        name in prop::sample::select(spa_knockd::config::options::ACCESS.to_vec()),
        list in any::<bool>(),
        value in "[ -~]{0,40}|[0-9]{1,24}|[0-9a-f.:/]{1,24}|\\PC{0,8}",
    ) {
        let word = if list { "list" } else { "option" };
        let text = keyed(&format!("{word} {} '{}'", name.name, value.replace('\'', "'\\''")));
        let told = match load_text(&text) {
            Ok(loaded) => loaded.warnings,
            Err(faults) => faults,
        };
        for fault in told {
            let shown = fault.to_string();
            prop_assert!(!shown.contains('\n') && !shown.contains(KEY) && !shown.contains(HMAC_KEY));
            prop_assert!(!name.secret || fault.value.is_none());
        }
    }
}
