//! Files and disks that go wrong under a real daemon: it starts, says which file it is, opens nothing twice, and goes on
//! without a restart where it may.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

#[path = "../common/mod.rs"]
mod common;
mod disks;
mod files;
#[path = "../lab/mod.rs"]
mod lab;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lab::ask::{STANDALONE, config};
use lab::client::Keys;
use lab::{FRIEND, Lab, ROUTER, wait_for};

/// How long a judgement may take.
const SOON: Duration = Duration::from_secs(3);

fn text(main: &str) -> String {
    let keys = common::keys(1);
    let (_, hmac) = keys.hmac.as_ref().expect("an HMAC key");
    config(&Keys::base64(&keys.key.to_base64(), &hmac.to_base64()), &format!("{STANDALONE}{main}"))
}

/// A knock of this moment for this host's port 22.
fn knock(host: u8) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    common::packet(now, &format!("10.88.0.{host},tcp/22"), &common::keys(1))
}

/// Sends a packet and gives the code by which it was refused, or none where it was honoured.
fn verdict(lab: &Lab, packet: &[u8]) -> Option<String> {
    let judged = || {
        let status = lab.asked(&["status"]);
        let refused = status["refused"].as_object().expect("the reasons").clone();
        (status["honoured"].as_u64().expect("a count"), refused)
    };
    let (honoured, refused) = judged();
    lab.send_packet(FRIEND, ROUTER, packet);
    wait_for("verdict", SOON, || {
        let (now_honoured, now_refused) = judged();
        let code = now_refused.into_iter().find(|(code, count)| refused.get(code) != Some(count));
        if now_honoured > honoured { Some(None) } else { code.map(|(code, _)| Some(code)) }
    })
}

/// Knocks that must be honoured, for hosts from this one on.
fn honoured(lab: &Lab, hosts: std::ops::Range<u8>) -> Vec<Vec<u8>> {
    let packets: Vec<_> = hosts.map(knock).collect();
    for packet in &packets {
        assert_eq!(verdict(lab, packet), None);
    }
    packets
}

fn state_file(lab: &Lab) -> PathBuf {
    lab.state_dir().join("state.json")
}
