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
