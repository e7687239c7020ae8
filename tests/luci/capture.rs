//! What is said of a capture fits the one answer that ubus carries.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use spa_knockd::knock::fwknop::base64;

/// A capture of raw IP with as many knocks that nobody has made.
fn capture(packets: u32) -> Vec<u8> {
    let payload = [b'A'; 140];
    let mut frame = vec![0x45, 0, 0, 168, 0, 0, 0x40, 0, 64, 17, 0, 0, 203, 0, 113, 2, 203, 0, 113, 1];
    frame.extend([0x80, 0, 0xf2, 0xf9, 0, 148, 0, 0]);
    frame.extend(payload);
    let length = u32::try_from(frame.len()).unwrap();
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend(word.to_le_bytes());
    }
    for number in 0..packets {
        for word in [1_800_000_000 + number, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(&frame);
    }
    file
}

fn explained(packets: u32, stanzas: u32) -> Value {
    let [key, hmac_key] = [7, 8].map(|byte| base64::encode_option(&[byte; 32]).to_string());
    let mut config = "config spa-knockd 'main'\n\toption enabled '1'\n\tlist network 'wan'\n".to_owned();
    for number in 0..stanzas {
        let name = format!("{number:_>60}");
        writeln!(
            config,
            "config access '{name}'\n\toption key_base64 '{key}'\n\toption hmac_key_base64 '{hmac_key}'\n\tlist open 'tcp/22'"
        )
        .unwrap();
    }
    let path = std::env::temp_dir().join(format!("spa-luci-{}-{packets}", std::process::id()));
    fs::write(&path, config).unwrap();
    let mut plugin = Command::new(env!("CARGO_BIN_EXE_spa-knockd"))
        .args(["rpcd", "--config", path.to_str().unwrap(), "call", "explain_capture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the plugin");
    let question = json!({ "data": *base64::encode_option(&capture(packets)) }).to_string();
    plugin.stdin.take().unwrap().write_all(question.as_bytes()).unwrap();
    let out = plugin.wait_with_output().unwrap();
    fs::remove_file(&path).unwrap();
    assert!(out.stdout.len() < 512 * 1024, "{}", out.stdout.len());
    serde_json::from_slice(&out.stdout).expect("one JSON object")
}

#[test]
fn a_long_explanation_is_refused_and_a_short_one_is_whole() {
    let few = explained(3, 64);
    assert_eq!(few["explanations"].as_array().map(Vec::len), Some(3));
    assert_eq!(few["explanations"][2]["stanzas"].as_array().map(Vec::len), Some(64));
    let many = explained(120, 64);
    assert_eq!(many["ok"], false);
    assert!(many["error"].as_str().unwrap().contains("too long for one answer"), "{many}");
}
