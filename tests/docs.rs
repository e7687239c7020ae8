//! What the documents say is what the program does.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, json};
use spa_knockd::daemon::{privileges, syscalls};
use spa_knockd::import::treatments;
use spa_knockd::reason::{Reason, Stage};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of docs/reasons.md.
fn reasons() -> String {
    let mut text = String::from(
        "# Why a knock was refused\n\n\
         Made from `src/reason.rs` by `UPDATE_DOCS=1 cargo test --test docs`; a test keeps it true.\n\n\
         The codes stand in the log and in `spa-knockd explain --json`. Where several stanzas refuse a packet, the\n\
         reason of the one that got furthest is given, the first on a tie. The stages in order: the frame, the outside\n\
         of the packet, the gate of the stanza, authentication, the content, freshness, policy, the opening itself.\n\n\
         | code | stage | meaning, and what helps |\n|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let stage = match reason.stage() {
            Stage::Frame => "frame",
            Stage::Outer => "outside",
            Stage::Gate => "gate",
            Stage::Authentication => "authentication",
            Stage::Content => "content",
            Stage::Freshness => "freshness",
            Stage::Policy => "policy",
            Stage::Opening => "opening",
        };
        writeln!(text, "| `{}` | {stage} | {} |", reason.code(), reason.text()).unwrap();
    }
    text
}

#[test]
fn the_table_of_reasons_is_that_of_the_program() {
    let path = root().join("docs/reasons.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, reasons()).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), reasons(), "run UPDATE_DOCS=1 cargo test --test docs");
}

/// docs/migrating-from-fwknop.md with its tables as the program has them; what stands above them is kept.
fn migrating(text: &str) -> String {
    let (head, _) = text.split_once("\n## The variables of access.conf\n").unwrap();
    let mut text = head.to_owned();
    for file in ["access.conf", "fwknopd.conf"] {
        write!(text, "\n## The variables of {file}\n\n| variable | here | how, or why |\n|---|---|---|\n").unwrap();
        for row in treatments().iter().filter(|row| row.file == file) {
            writeln!(text, "| `{}` | {} | {} |", row.variable, row.fate, row.text).unwrap();
        }
    }
    text
}

#[test]
fn the_tables_of_fwknops_variables_are_those_of_the_program() {
    let path = root().join("docs/migrating-from-fwknop.md");
    let text = fs::read_to_string(&path).unwrap();
    let expected = migrating(&text);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert_eq!(text, expected, "run UPDATE_DOCS=1 cargo test --test docs");
    }
}

/// Demands that a file of the package holds this object, or writes it.
fn is_generated(file: &str, content: &serde_json::Value) {
    let path = root().join(file);
    let content = serde_json::to_string_pretty(content).unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &content).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, content, "{file}: run UPDATE_DOCS=1 cargo test --test docs");
}

#[test]
fn procds_filter_allows_what_the_tables_of_system_calls_name() {
    // The format of the OCI runtime specification, which procd reads since 2020. Its default action could not be an
    // error: procd makes that one with the number 0, and the call would seem to have succeeded.
    let allowed = json!({ "names": syscalls::names(), "action": "SCMP_ACT_ALLOW" });
    let filter = json!({ "defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": [allowed] });
    is_generated("files/etc/seccomp/spa-knockd.json", &filter);
}

#[test]
fn procds_capabilities_are_those_that_the_daemon_keeps() {
    let kept = privileges::kept();
    assert_eq!(kept, ["CAP_NET_ADMIN", "CAP_NET_RAW"]);
    let sets = ["bounding", "effective", "ambient", "permitted", "inheritable"];
    let sets: Map<_, _> = sets.into_iter().map(|set| (set.to_owned(), json!(kept))).collect();
    is_generated("files/etc/capabilities/spa-knockd.json", &sets.into());
}

#[test]
fn the_readme_names_every_subcommand_and_no_other() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let help = Command::new(env!("CARGO_BIN_EXE_spa-knockd")).arg("--help").output().unwrap();
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(commands.len(), 15, "{help}");
    for command in &commands {
        assert!(readme.contains(&format!("`spa-knockd {command}")), "README.md does not say what {command} does");
    }
    for mention in readme.split("`spa-knockd ").skip(1) {
        let word: String = mention.chars().take_while(char::is_ascii_lowercase).collect();
        assert!(word.is_empty() || commands.contains(&word.as_str()), "README.md speaks of `spa-knockd {word}`");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let out = Command::new(env!("CARGO_BIN_EXE_spa-knockd")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(out.stdout).unwrap(), format!("spa-knockd {}\n", env!("CARGO_PKG_VERSION")));
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains(concat!("## ", env!("CARGO_PKG_VERSION"))), "CHANGELOG.md lacks this version");
}

#[test]
fn a_wrong_command_line_is_exit_status_2() {
    for words in [&["nonsense"][..], &[], &["explain"], &["explain", "--proto", "sctp", "x"], &["run", "--nonsense"]] {
        let out = Command::new(env!("CARGO_BIN_EXE_spa-knockd")).args(words).output().unwrap();
        assert_eq!(out.status.code(), Some(2), "{words:?}");
        assert!(out.stdout.is_empty() && !out.stderr.is_empty(), "{words:?}");
    }
}
