//! What `check` says of a configuration that is good in itself.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::process::Command;

#[test]
fn a_stanza_whose_time_is_over_is_named() {
    let path = std::env::temp_dir().join(format!("spa-check-{}", std::process::id()));
    let stanza = |name: &str, expires: &str| {
        format!(
            "config access '{name}'\n\toption key 'k{name}'\n\toption hmac_key 'h{name}'\n\tlist open 'tcp/22'\n\
             \toption expires '{expires}'\n"
        )
    };
    let config = format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan.of-nobody'\n{}{}",
        stanza("past", "2020-01-01"),
        stanza("future", "9000-01-01")
    );
    fs::write(&path, config).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_spa-knockd")).args(["check", "--config"]).arg(&path).output().unwrap();
    fs::remove_file(&path).unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{said}");
    assert!(said.contains("warning: access 'past', option expires: by this machine's clock it has ended"), "{said}");
    assert!(!said.contains("'future', option expires"), "{said}");
    // On a machine without that device, it is another one's.
    assert!(said.contains("device wan.of-nobody is not there now: whether guarded ports are open"), "{said}");
}

/// What `check` says of main's and the stanza's lines; the configuration is good.
fn said(name: &str, main: &str, stanza: &str) -> String {
    let path = std::env::temp_dir().join(format!("spa-check-{name}-{}", std::process::id()));
    let config = format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n{main}config access 'alice'\n\toption key 'k'\n\
         \toption hmac_key 'h'\n\tlist open 'tcp/22'\n{stanza}"
    );
    fs::write(&path, config).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_spa-knockd")).args(["check", "--config"]).arg(&path).output().unwrap();
    fs::remove_file(&path).unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{said}");
    said
}

#[test]
fn a_network_that_nobody_here_resolves_is_named() {
    for main in ["", "\tlist network 'wan'\n"] {
        let told = said("network", main, "");
        assert!(told.contains("warning: there is no list device, and list network is resolved by"), "{told}");
    }
    let told = said("device", "\tlist device 'no-such-dev'\n", "");
    assert!(!told.contains("list device"), "{told}");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let told =
        said("program", "\tlist device 'wan'\n", "\tlist command 'wol=/nonexist'\n\tlist command 'ok=/bin/sh'\n");
    assert!(told.contains("list command 'wol=/nonexist': this machine has no such program; install it"), "{told}");
    assert!(!told.contains("ok="), "{told}");
}

#[test]
fn an_unknown_command_is_answered_with_the_commands_there_are() {
    let out = Command::new(env!("CARGO_BIN_EXE_spa-knockd")).arg("chekc").output().unwrap();
    let told = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "{told}");
    assert!(
        told.contains("there is no command \"chekc\", only run, check, explain, ") && told.contains(" and "),
        "{told}"
    );
    for good in ["help", "--help", "--version"] {
        let out = Command::new(env!("CARGO_BIN_EXE_spa-knockd")).arg(good).output().unwrap();
        assert!(out.status.success(), "{good}");
    }
}
