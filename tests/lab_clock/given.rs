//! `explain --now` and the times of a capture file are clocks that are set, whatever the machine's own says.

use std::fs;

use serde_json::Value;

use crate::lab::{FRIEND, Place, ROUTER, wait_for};
use crate::router::{NOW, Router, knock, two};

/// The reason, or null, that `explain` gives for the first packet.
fn explained(router: &Router, words: &[&str]) -> Value {
    let config = router.lab.config_file();
    let out = router.spa_knockd(&[&["explain", "--json", "--config", &config.to_string_lossy()], words].concat());
    assert!(out.status.success(), "{out:?}");
    let line = String::from_utf8(out.stdout).expect("text");
    let reply: Value = serde_json::from_str(line.lines().next().expect("a line")).expect("JSON");
    reply["reason"].clone()
}

#[test]
fn now_is_a_clock_that_is_set() {
    let router = Router::new(&two(), 5);
    let file = router.lab.dir().join("payload");
    let path = file.to_string_lossy().into_owned();
    fs::write(&file, knock("alice", 1000)).expect("write the payload");
    assert_eq!(explained(&router, &[&path]), "clock_not_set", "the machine's own clock");
    assert_eq!(explained(&router, &["--now", "1000", &path]), Value::Null, "a moment before the build date");
    assert_eq!(explained(&router, &["--now", "1121", &path]), "too_old");
    fs::write(&file, knock("alice", NOW)).expect("write the payload");
    assert_eq!(explained(&router, &["--now", &NOW.to_string(), &path]), Value::Null);
    router.set_clock(NOW);
    assert_eq!(explained(&router, &[&path]), Value::Null, "the machine's own clock, set");
}

#[test]
fn the_times_of_a_capture_are_clocks_that_are_set() {
    let router = Router::new(&two(), 5);
    let file = router.lab.dir().join("capture.pcap");
    let path = file.to_string_lossy().into_owned();
    let filter = ["-i", "wan", "-Z", "root", "--immediate-mode", "-c", "1", "-w", &path, "udp", "port", "62201"];
    let mut tcpdump = router.lab.command(Place::Router, "tcpdump", &filter).spawn().expect("run tcpdump");
    // It writes the head of the file when the capture has begun.
    wait_for("tcpdump", std::time::Duration::from_secs(5), || fs::metadata(&file).ok());
    std::thread::sleep(std::time::Duration::from_millis(300));
    router.lab.send_packet(FRIEND, ROUTER, &knock("alice", 1000));
    assert!(tcpdump.wait().expect("tcpdump ends").success());
    assert_eq!(explained(&router, &["--pcap", &path]), "too_old", "by the frame's time");
    // The same frame, captured in 1970: the time stands behind the file's head of 24 bytes.
    let mut bytes = fs::read(&file).expect("read the capture");
    bytes[24..28].copy_from_slice(&1000_u32.to_ne_bytes());
    fs::write(&file, bytes).expect("write the capture");
    assert_eq!(explained(&router, &["--pcap", &path]), Value::Null);
}
