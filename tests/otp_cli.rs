//! `spa-knockd otp` as a person and a script use it; no secret is ever an argument or in an error.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is how a test fails")]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use spa_knockd::otp::store::Store;
use spa_knockd::otp::throttle::Admission;
use spa_knockd::otp::verify::Circumstances;

const PASSPHRASE: &str = "This is a test.\n";

/// A state directory that goes with the test.
struct State(PathBuf);

impl State {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("spa-otp-cli-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    /// `otp` with these words, this directory and this on standard input.
    fn otp(&self, words: &[&str], input: &str) -> Output {
        let directory = self.0.to_string_lossy().into_owned();
        otp(&[words, &["--state-dir", &directory]].concat(), input)
    }

    /// What a successful command says.
    fn say(&self, words: &[&str], input: &str) -> String {
        said(self.otp(words, input))
    }

    /// What a failed command complains about, with nothing on standard output.
    fn complain(&self, words: &[&str], input: &str) -> String {
        complained(&self.otp(words, input))
    }

    /// Whether this response is accepted for the user.
    fn accepts(&self, user: &str, text: &str, unix: u64) -> bool {
        let circumstances =
            Circumstances { unix: Some(unix), allow_md4: false, allow_new_chain: true, codes: Admission::Any };
        Store::new(&self.0).verify(user, text, circumstances).is_ok()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn otp(words: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spa-knockd"));
    command.arg("otp").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read its input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn complained(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!output.status.success() && !text.is_empty() && output.stdout.is_empty(), "{output:?}");
    assert!(!text.contains("This is") && !text.contains("GEZDGNBV"), "{text}");
    text
}

#[test]
fn the_calculator_prints_words_and_hex() {
    let calc = |words: &[&str]| said(otp(&[&["calc"], words].concat(), PASSPHRASE));
    assert_eq!(calc(&["--sequence", "499", "--seed", "ke1234"]), "BOND FOGY DRAB NE RISE MART\n5bf075d9959d036f\n");
    assert_eq!(
        calc(&["--algorithm", "sha1", "--sequence", "99", "--seed", "TeSt"]),
        "GAFF WAIT SKID GIG SKY EYED\n87fec7768b73ccf9\n"
    );
    let list = calc(&["--algorithm", "md4", "--sequence", "99", "--seed", "TeSt", "-n", "200"]);
    assert_eq!(list.lines().count(), 99, "down to number 1");
    assert!(list.starts_with("99: NOTE OUT IBIS SINK NAVE MODE  c5e612776e6c237a\n"), "{list}");
    assert!(list.ends_with("\n1: CARD SAD MINI RYE COL KIN     63473ef01cd0b444\n"), "{list}");
    let json: Value = serde_json::from_str(&calc(&["--sequence", "1", "--seed", "TeSt", "--json"])).unwrap();
    assert_eq!(json, json!({ "sequence": 1, "words": "EASE OIL FUM CURE AWRY AVIS", "hex": "7965e05436f5029f" }));
    let crlf = otp(&["calc", "--sequence", "499", "--seed", "KE1234"], "This is a test.\r\nmore\r\n");
    assert!(said(crlf).starts_with("BOND FOGY "));
}

#[test]
fn the_calculator_refuses_what_the_rfc_forbids() {
    let long = format!("{}\n", "x".repeat(1024));
    let words = ["calc", "--sequence", "499", "--seed", "iamvalid"];
    for (input, fragment) in
        [("", "no passphrase"), ("\n", "no passphrase"), ("Too_short\n", "at least 10"), (&*long, "1024 bytes")]
    {
        assert!(complained(&otp(&words, input)).contains(fragment), "{input}");
    }
    let equal = otp(&["calc", "--sequence", "499", "--seed", "abcdefghij"], "ABCDEFGHIJ\n");
    assert!(complained(&equal).contains("everybody may read"));
    let warned = otp(&words, &format!("{}\n", "1234".repeat(16)));
    assert!(warned.status.success() && String::from_utf8_lossy(&warned.stderr).contains("not every calculator"));
    for words in [
        &["calc", "--sequence", "0", "--seed", "ke1234"][..],
        &["calc", "--sequence", "10000", "--seed", "ke1234"],
        &["calc", "--sequence", "-1", "--seed", "ke1234"],
        &["calc", "--sequence", "1", "--seed", "Length_Okay"],
        &["calc", "--sequence", "1", "--seed", "LengthOfSeventeen"],
        &["calc", "--sequence", "1", "--seed", ""],
        &["calc", "--sequence", "1", "--seed", "a", "--algorithm", "md6"],
        &["calc", "--sequence", "1", "--seed", "a", "-n", "0"],
        &["calc", "--seed", "a"],
        &["calc", "--sequence", "1", "--seed", "a", "This is a test."],
        &["nonsense"],
        &[],
    ] {
        assert_eq!(otp(words, PASSPHRASE).status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn a_card_from_the_wallet_lets_its_owner_in_from_the_top_down() {
    let state = State::new("card");
    let added = state.say(&["add", "alice", "--sequence", "60"], PASSPHRASE);
    let seed = added.split_whitespace().find(|word| word.len() == 6 && word[2..].parse::<u16>().is_ok()).unwrap();
    assert!(added.starts_with(&format!("59 passwords, the next challenge is: otp-md5 59 {seed} ext\n")), "{added}");
    let card = state.say(&["print", "alice", "-n", "50"], PASSPHRASE);
    assert!(card.contains(&format!("otp-md5 {seed}, 20")), "{card}");
    let rows: Vec<&str> = card.lines().filter(|line| line.starts_with("[ ] ")).collect();
    assert_eq!(rows.len(), 50);
    for (number, row) in (10..60).rev().zip(&rows) {
        let (found, words) = row[4..].trim_start().split_once("  ").unwrap();
        assert_eq!(found, number.to_string());
        assert!(state.accepts("alice", words, 0), "{row}");
        assert!(!state.accepts("alice", words, 0), "{row}");
    }
    assert!(state.say(&["list"], "").ends_with("  9 left: spa-knockd otp reset alice\n"));
    let card = state.say(&["print", "alice"], PASSPHRASE);
    assert_eq!(card.lines().filter(|line| line.starts_with("[ ] ")).count(), 9, "{card}");
    let page = state.say(&["print", "alice", "--html", "-n", "3"], PASSPHRASE);
    assert!(page.starts_with("<!DOCTYPE html>") && page.matches("<li>").count() == 3, "{page}");
    assert!(!page.contains("<script") && !page.contains("http"), "it needs nothing else: {page}");
    assert!(state.complain(&["print", "alice"], "Another passphrase\n").contains("is not the one"));
}

#[test]
fn a_chain_can_begin_with_a_password_from_elsewhere() {
    let state = State::new("first");
    let words = ["add", "alice", "--first", "--sequence", "500", "--seed", "ke1234"];
    assert!(state.complain(&words, "BOND FOGY DRAB\n").contains("neither six words"));
    assert!(state.complain(&words, "ABE ACE ADA ADD BAD A\n").contains("write word: or hex:"));
    assert!(state.complain(&words[..5], "505d889f90085847\n").contains("needs the --seed"));
    state.say(&words, "505d 889f 9008 5847\n");
    assert!(state.accepts("alice", "bond fogy drab ne rise mart", 0));
    let print = state.complain(&["print", "alice"], "Not this passphrase\n");
    assert!(print.contains("is not the one"), "{print}");
}

#[test]
fn what_add_reset_and_remove_refuse() {
    let state = State::new("refuse");
    for name in ["", "../alice", "al ice", "zoë", &"a".repeat(65)] {
        assert!(state.complain(&["add", name], PASSPHRASE).contains("letters, digits"), "{name}");
    }
    for (words, fragment) in [
        (&["add", "alice", "--totp", "--hotp"][..], "not both"),
        (&["add", "alice", "--totp", "--seed", "x"], "are a chain's"),
        (&["add", "alice", "--secret"], "are an app's"),
        (&["add", "alice", "--digits", "6"], "are an app's"),
        (&["add", "alice", "--hotp", "--period", "30"], "name --totp"),
        (&["add", "alice", "--algorithm", "sha256"], "md4 md5 sha1"),
        (&["add", "alice", "--totp", "--algorithm", "md5"], "sha1 sha256 sha512"),
        (&["add", "alice", "--seed", "a_b"], "letters and digits"),
        (&["reset", "alice"], "has no one-time passwords"),
        (&["remove", "alice"], "has no one-time passwords"),
        (&["print", "alice"], "has no one-time passwords"),
    ] {
        assert!(state.complain(words, PASSPHRASE).contains(fragment), "{words:?}");
    }
    for words in [
        &["add", "alice", "--sequence", "1"][..],
        &["add", "alice", "--digits", "5"],
        &["add", "alice", "--period", "9"],
        &["add"],
        &["add", "alice", "This is a test."],
    ] {
        assert_eq!(state.otp(words, PASSPHRASE).status.code(), Some(2), "{words:?}");
    }
    state.say(&["add", "alice"], PASSPHRASE);
    assert!(state.complain(&["add", "alice", "--totp"], "").contains("already"));
    state.say(&["remove", "alice"], "");
    assert_eq!(state.say(&["list"], ""), "");
    state.say(&["add", "alice", "--totp"], "");
    assert!(state.complain(&["print", "alice"], PASSPHRASE).contains("come from an app"));
}

#[test]
fn reset_makes_new_passwords_of_the_same_kind() {
    let state = State::new("reset");
    state.say(&["add", "alice", "--algorithm", "sha1", "--sequence", "9", "--seed", "ke1234"], PASSPHRASE);
    let challenge =
        |text: &str| text.split("next challenge is: ").nth(1).unwrap().split(" ext").next().unwrap().to_owned();
    let reset = challenge(&state.say(&["reset", "alice"], PASSPHRASE));
    assert!(reset.starts_with("otp-sha1 498 ") && !reset.ends_with("ke1234"), "{reset}");
    let uri = |text: &str| -> Value { serde_json::from_str::<Value>(text).unwrap()["uri"].clone() };
    let before = uri(&state.say(&["add", "phone", "--totp", "--digits", "8", "--period", "60", "--json"], ""));
    let after = uri(&state.say(&["reset", "phone", "--json"], ""));
    assert!(after.as_str().unwrap().ends_with("&algorithm=SHA1&digits=8&period=60"), "{after}");
    assert_ne!(before, after);
    let before = uri(&state.say(&["add", "token", "--hotp", "--json"], ""));
    let after = uri(&state.say(&["reset", "token", "--json"], ""));
    assert!(after.as_str().unwrap().ends_with("&digits=6&counter=0") && before != after, "{after}");
}

#[test]
fn list_shows_no_secret_and_names_what_is_damaged() {
    let state = State::new("list");
    state.say(&["add", "phone", "--totp", "--secret"], "gezd gnbv gy3t qojq gezd gnbv gy3t qojq\n");
    state.say(&["add", "alice"], PASSPHRASE);
    let text = state.say(&["list"], "");
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines, [vec!["alice", "chain", "md5", "498", "left"], vec!["phone", "totp", "sha1"]]);
    let json = state.say(&["list", "--json"], "");
    for text in [text, json] {
        assert!(!text.to_uppercase().contains("GEZDGNBV") && !text.contains("last"), "{text}");
    }
    fs::write(state.0.join("otp/alice"), "junk").unwrap();
    let output = state.otp(&["list"], "");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("otp/alice: the record is damaged") && errors.contains("otp remove alice"), "{errors}");
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("phone "));
    assert!(state.complain(&["reset", "alice"], PASSPHRASE).contains("damaged"));
    state.say(&["remove", "alice"], "");
    state.say(&["add", "alice"], PASSPHRASE);
}

#[test]
fn opies_users_go_on_with_their_next_password() {
    let state = State::new("opie");
    fs::create_dir(&state.0).unwrap();
    let file = state.0.join("opiekeys");
    let line = |name: &str, value: &str| format!("{name} 0500 ke1234           {value}  Dec 04,2007 12:48:00  \n");
    let text = line("alice", "505d889f90085847")
        + &line("bob", &"*".repeat(16))
        + "\n# note\n"
        + &line("c-3", "505d889f90085847");
    fs::write(&file, text).unwrap();
    let words = ["import", "--opiekeys", &file.to_string_lossy()];
    let output = state.otp(&words, "");
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stdout).unwrap().as_str()),
        (Some(1), "1 user taken over\n")
    );
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains(":2: left out: bob was disabled") && errors.contains(":5: left out: the name"), "{errors}");
    assert!(state.accepts("alice", "BOND FOGY DRAB NE RISE MART", 0));
    let again = String::from_utf8(state.otp(&words, "").stderr).unwrap();
    assert!(again.contains("alice has one-time passwords here already"), "{again}");
    assert!(!state.accepts("alice", "BOND FOGY DRAB NE RISE MART", 0), "the import brought no old state back");
}

/// What Debian's oathtool computes.
fn oathtool(words: &[&str]) -> String {
    let output = Command::new("oathtool").args(words).output();
    let output = output.unwrap_or_else(|error| panic!("oathtool, which tests/setup.sh lab installs: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn codes_of_another_program_are_accepted() {
    let state = State::new("oathtool");
    for (name, kind, algorithm, digits, with) in [
        ("a", "--totp", "sha1", "6", "--totp=sha1"),
        ("b", "--totp", "sha256", "7", "--totp=sha256"),
        ("c", "--totp", "sha512", "8", "--totp=sha512"),
        ("d", "--hotp", "sha1", "6", "--hotp"),
    ] {
        let told = state.say(&["add", name, kind, "--algorithm", algorithm, "--digits", digits, "--json"], "");
        let uri = serde_json::from_str::<Value>(&told).unwrap()["uri"].as_str().unwrap().to_owned();
        let secret = uri.split("secret=").nth(1).unwrap().split('&').next().unwrap();
        let counter = if kind == "--hotp" { ["--counter=3"] } else { ["--now=2033-05-18 03:33:20 UTC"] };
        let code = oathtool(&[with, "--base32", "--digits", digits, counter[0], secret]);
        assert_eq!(code.len().to_string(), digits);
        assert!(state.accepts(name, &code, 2_000_000_000), "{name}: {code}");
        assert!(!state.accepts(name, &code, 2_000_000_000), "{name}: {code}");
    }
}
