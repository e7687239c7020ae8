//! `explain --now` and the times of a capture file are clocks that are set, whatever the machine's own says.

use std::fs;

use serde_json::Value;

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

/// A capture file of one Ethernet frame with this payload, captured at this second.
fn capture(unix: u32, payload: &[u8]) -> Vec<u8> {
    let length = |more: usize| u16::try_from(payload.len() + more).expect("a short payload").to_be_bytes();
    let udp = [&40_000_u16.to_be_bytes()[..], &62_201_u16.to_be_bytes(), &length(8), &[0, 0], payload].concat();
    let addresses = [203, 0, 113, 2, 203, 0, 113, 1];
    let ip = [&[0x45, 0][..], &length(28), &[0, 0, 0, 0, 64, 17, 0, 0], &addresses, &udp].concat();
    let frame = [&[2; 12][..], &[8, 0], &ip].concat();
    let size = u32::try_from(frame.len()).expect("a short frame");
    let head = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1, unix, 0, size, size];
    let head = head.iter().flat_map(|word: &u32| word.to_le_bytes());
    head.chain(frame).collect()
}

#[test]
fn the_times_of_a_capture_are_clocks_that_are_set() {
    let router = Router::new(&two(), 5);
    let file = router.lab.dir().join("capture.pcap");
    let path = file.to_string_lossy().into_owned();
    for (captured, reason) in [(1000, Value::Null), (1120, Value::Null), (1121, "too_old".into())] {
        fs::write(&file, capture(captured, &knock("alice", 1000))).expect("write the capture");
        assert_eq!(explained(&router, &["--pcap", &path]), reason, "captured at {captured}");
    }
}
