//! The page's questions, by the contract of rpcd's executable plugins, to the real daemon.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that does not get what it needs ends the test, with its words"
)]

mod lab;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use lab::ask::{STANDALONE, config};
use lab::{Lab, Place};
use serde_json::{Value, json};
use spa_knockd::daemon::clock::wall;
use spa_knockd::knock::fwknop::base64::encode_option;

const DOOR: [&str; 3] = ["203.0.113.2", "tcp", "22"];
const KNOCK: [&str; 4] = ["-A", "tcp/22", "-a", "203.0.113.2"];

/// What a method answers.
fn call(lab: &Lab, method: &str, question: &Value) -> Value {
    let (config, socket) = (lab.config_file(), lab.socket());
    let state = lab.state_dir();
    let words = [&config, &socket, &state].map(|path| path.to_str().expect("a path in UTF-8"));
    let arguments = ["rpcd", "--config", words[0], "--socket", words[1], "--state-dir", words[2], "call", method];
    let mut plugin = lab
        .command(Place::Router, env!("CARGO_BIN_EXE_spa-knockd"), &arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the plugin");
    plugin.stdin.take().expect("its input").write_all(question.to_string().as_bytes()).expect("the question");
    let out = plugin.wait_with_output().expect("its end");
    assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("one JSON object")
}

#[test]
fn the_page_sees_what_is_open_and_closes_it() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let daemon = lab.daemon(&config(&keys, STANDALONE));
    let status = call(&lab, "status", &json!({ "ubus_rpc_session": "0123" }));
    assert_eq!((&status["ok"], &status["ready"]), (&json!(true), &json!(true)));
    lab.knock(&keys, &KNOCK);
    lab.wait_element("spa_in4_v1", &DOOR);
    lab::wait_for("the grant in the log", std::time::Duration::from_secs(10), || {
        daemon.log().contains("grant alice").then_some(())
    });
    let grants = call(&lab, "grants", &json!({ "skip": 0 }));
    assert_eq!((&grants["total"], &grants["grants"][0]["source"]), (&json!(1), &json!("203.0.113.2")));
    let events = call(&lab, "events", &json!({}));
    assert_eq!(events["events"][0]["kind"], "grant");
    let check = call(&lab, "check", &json!({}));
    assert_eq!((&check["ok"], &check["access"]), (&json!(true), &json!(1)));

    for (question, fault) in [
        (json!({}), "name"),
        (json!({ "access": "nobody" }), "nobody"),
        (json!({ "source": "203.0.113" }), "source: "),
        (json!({ "all": "true" }), "all: it is true or false"),
        (json!({ "all": true, "acess": "alice" }), "there is no field \"acess\""),
    ] {
        let refused = call(&lab, "revoke", &question);
        assert_eq!(refused["ok"], false);
        assert!(refused["error"].as_str().expect("words").contains(fault), "{question}: {refused}");
    }
    assert_eq!(lab.elements().len(), 1);
    assert_eq!(call(&lab, "revoke", &json!({ "source": "203.0.113.2" }))["revoked"], 1);
    assert_eq!(lab.elements().len(), 0);

    drop(daemon);
    let away = call(&lab, "status", &json!({}));
    assert_eq!((&away["ok"], &away["away"]), (&json!(false), &json!(true)));
    assert!(away["error"].as_str().expect("words").contains("is spa-knockd running?"), "{away}");
}

#[test]
fn one_time_passwords_that_root_makes_are_the_daemons() {
    let lab = Lab::new();
    let _daemon = lab.daemon(&config(&lab::daemon::keygen(), STANDALONE));
    let made = call(&lab, "otp_add", &json!({ "user": "carol", "kind": "chain", "count": 3 }));
    assert_eq!(made["passwords"].as_array().map(Vec::len), Some(3), "{made}");
    let store = lab.state_dir().join("otp");
    for path in [store.clone(), store.join("carol"), store.join(".lock")] {
        let found = fs::metadata(&path).expect("a file of the store");
        assert_eq!((found.uid(), found.mode() & 0o077), (65_534, 0), "{}", path.display());
    }
    let listed = call(&lab, "otp_list", &json!({}));
    assert_eq!((&listed["users"][0]["left"], &listed["users"][0]["enabled"]), (&json!(3), &json!(false)));
    assert_eq!(call(&lab, "otp_remove", &json!({ "user": "carol" }))["removed"], true);
    assert!(!store.join("carol").exists());
}

#[test]
fn the_page_tries_a_knock_and_makes_keys() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let _daemon = lab.daemon(&config(&keys, STANDALONE));
    // What `fwknop -B` saves ends with a newline, and a person copies it with more.
    let file = lab.dir().join("knock");
    lab.knock(&keys, &[&KNOCK[..], &["-B", file.to_str().expect("a path")]].concat());
    let text = fs::read_to_string(&file).expect("the saved knock");
    let told =
        call(&lab, "explain", &json!({ "payload": format!("  {text}\n"), "source": "203.0.113.2", "port": 62201 }));
    let first = &told["explanations"][0];
    assert_eq!((&first["verdict"], &first["grants"][0]["port"]), (&json!("grant"), &json!(22)));
    let told = call(&lab, "explain", &json!({ "payload": "A".repeat(200) }));
    let first = &told["explanations"][0];
    assert_eq!((&first["verdict"], &first["reason"]), (&json!("refuse"), &json!("hmac")));
    assert!(first["text"].as_str().is_some_and(|words| words.len() > 20), "{first}");

    // The same in a capture file: raw IPv4, UDP, now.
    let knock = text.trim().as_bytes();
    let length = |before: usize| u16::try_from(before + knock.len()).expect("a short knock").to_be_bytes();
    let now = u32::try_from(wall().unix).expect("a time before 2106").to_le_bytes();
    let caught = u32::try_from(28 + knock.len()).expect("a short knock").to_le_bytes();
    let frame: Vec<&[u8]> = vec![
        &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 101, 0, 0, 0],
        &now,
        &[0; 4],
        &caught,
        &caught,
    ];
    let [total, datagram] = [length(28), length(8)];
    let headers = [
        &[0x45, 0][..],
        &total,
        &[0, 0, 0, 0, 64, 17, 0, 0, 203, 0, 113, 2, 192, 0, 2, 1],
        &[0x9c, 0x40, 0xf2, 0xf9],
        &datagram,
        &[0, 0],
    ];
    let capture = [frame.concat(), headers.concat(), knock.to_vec()].concat();
    let told = call(&lab, "explain_capture", &json!({ "data": *encode_option(&capture) }));
    assert_eq!(told["explanations"][0]["verdict"], "grant", "{told}");

    for (method, question, fault) in [
        ("explain", json!({ "payload": " \n" }), "payload: "),
        ("explain", json!({ "payload": "x".repeat(1501) }), "payload: "),
        ("explain", json!({ "payload": "x", "port": 65536 }), "port: "),
        ("explain", json!({ "payload": "x", "transport": "sctp" }), "udp, tcp or icmp"),
        ("explain", json!({ "payload": "x", "source": "203.0.113.2", "destination": "2001:db8::1" }), "families"),
        ("explain_capture", json!({ "data": "!" }), "no base64"),
        ("explain_capture", json!({ "data": "AAAA" }), "the capture: "),
        ("keygen", json!({ "hmac_digest": "crc32" }), "hmac_digest: "),
        ("shutdown", json!({}), "there is no method"),
    ] {
        let refused = call(&lab, method, &question);
        assert_eq!(refused["ok"], false, "{method} {question}");
        assert!(refused["error"].as_str().expect("words").contains(fault), "{method} {question}: {refused}");
    }
    let made = [(); 2].map(|()| call(&lab, "keygen", &json!({ "hmac_digest": "sha512" })));
    assert_ne!(made[0]["key_base64"], made[1]["key_base64"]);
    assert_eq!(made[0]["hmac_key_base64"].as_str().map(str::len), Some(172));

    lab.reconfigure("config nonsense\n");
    let check = call(&lab, "check", &json!({}));
    assert_eq!(check["ok"], false);
    assert!(check["faults"][0].as_str().expect("words").contains(":1: "), "{check}");
    assert_eq!(call(&lab, "explain", &json!({ "payload": text }))["ok"], false);
}
