//! A router whose clock is not set: apps wait, cards go on.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::lab::Place;
use crate::lab::daemon::{Daemon, program};
use crate::page::{FRIEND, Page, code, config, password};

const ALL: Value = Value::Null;

/// Where Debian puts it, whatever the machine.
fn libfaketime() -> PathBuf {
    let places = fs::read_dir("/usr/lib").unwrap().flatten();
    let mut found = places.map(|place| place.path().join("faketime/libfaketime.so.1")).filter(|path| path.exists());
    found.next().expect("libfaketime is missing: run tests/setup.sh lab")
}

#[test]
fn codes_of_the_time_wait_for_the_clock_and_chains_do_not() {
    let mut page = Page::off(&config("", ""));
    let file = page.lab.dir().join("clock");
    let set = |unix: u64| {
        let new = page.lab.dir().join("clock.new");
        fs::write(&new, format!("{unix:012}\n")).unwrap();
        fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        fs::rename(&new, &file).unwrap();
    };
    set(1_000);
    let run = page.lab.daemon_command(&[]);
    // libfaketime leaves files behind in /dev/shm; the mounts of what `ip netns exec` runs are its own.
    let script = "mount -t tmpfs none /dev/shm && exec env \"$@\"";
    let mut command = page.lab.command(Place::Router, "sh", &["-c", script, "sh"]);
    command
        .arg(format!("LD_PRELOAD={}", libfaketime().display()))
        .arg(format!("FAKETIME_TIMESTAMP_FILE={}", file.display()))
        .args(["FAKETIME_FMT=%s", "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"])
        .arg(program())
        .args(run.get_args().skip(4));
    let mut daemon = Daemon::spawn(command, "");
    daemon.wait_ready();
    page.daemon = Some(daemon);
    for unix in [1_000, 2_000_000_000] {
        assert_eq!(page.login(FRIEND, "phone", &code(unix), &ALL), "refused", "{unix}");
    }
    page.wait_said("refused phone: otp_clock_not_set, one-time password from 203.0.113.2: ");
    let outcome = page.login(FRIEND, "alice", &password(&page, 98).0, &ALL);
    assert_eq!(outcome["opened"]["passwords_left"], 97, "{outcome}");
    let set = |unix: u64| {
        let new = page.lab.dir().join("clock.new");
        fs::write(&new, format!("{unix:012}\n")).unwrap();
        fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        fs::rename(&new, page.lab.dir().join("clock")).unwrap();
    };
    set(2_000_000_000);
    let outcome = page.login(FRIEND, "phone", &code(2_000_000_000), &ALL);
    assert!(outcome["opened"].is_object(), "{outcome}");
    page.stop();
}
