//! What `explain` says of ways through, to programs and to people.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::{NOW, fields, keys};
use serde_json::{Value, json};
use spa_knockd::knock::fwknop::encode::encode_fresh;
use spa_knockd::knock::fwknop::fields::MessageType;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What is said of one NAT request to a stanza with these lines.
fn explain(name: &str, lines: &str, source: &str, message: &str, nat: &str, json: bool) -> String {
    explain_with(&[], name, lines, source, message, nat, json)
}

fn explain_with(words: &[&str], name: &str, lines: &str, source: &str, message: &str, nat: &str, json: bool) -> String {
    let folder = Folder(std::env::temp_dir().join(format!("spa-explain-nat-{name}-{}", std::process::id())));
    fs::create_dir_all(&folder.0).unwrap();
    let keys = keys(7);
    let (_, hmac) = keys.hmac.as_ref().unwrap();
    let config = format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist network 'wan'\n\nconfig access 'alice'\n\
         \toption key_base64 '{}'\n\toption hmac_key_base64 '{}'\n\tlist open 'tcp/2222'\n\tlist open 'tcp/22'\n{lines}",
        *keys.key.to_base64(),
        *hmac.to_base64()
    );
    let mut fields = fields(NOW, message);
    fields.message_type = MessageType::NatAccess;
    fields.nat = Some(nat.to_owned());
    fs::write(folder.0.join("config"), config).unwrap();
    fs::write(folder.0.join("knock"), encode_fresh(&fields, &keys).unwrap().as_bytes()).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_spa-knockd"));
    program.current_dir(&folder.0).args(["explain", "--config", "config", "--src", source]);
    program.args(["--now", &NOW.to_string()]).args(json.then_some("--json")).args(words).arg("knock");
    let out = program.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn grants(name: &str, lines: &str, source: &str, message: &str, nat: &str) -> Value {
    let said: Value = serde_json::from_str(&explain(name, lines, source, message, nat, true)).unwrap();
    assert_eq!(said["verdict"], "grant", "{said}");
    said["grants"].clone()
}

fn grant(kind: &str, source: &str, port: Option<u16>, to: &str) -> Value {
    let proto = port.map(|_| "tcp");
    json!({"kind": kind, "source": source, "proto": proto, "port": port, "to": to, "timeout": 30})
}

const SOURCE: &str = "203.0.113.21";
const MESSAGE: &str = "203.0.113.21,tcp/2222";
const ALLOW: &str = "\toption allow_nat '1'\n";
const TO: &str = "192.168.1.10:22";

#[test]
fn each_part_of_a_forward_is_an_entry() {
    let nat = "192.168.1.10,22";
    let dnat = grant("dnat", SOURCE, Some(2222), TO);
    let forward = grant("forward", SOURCE, Some(22), TO);
    assert_eq!(grants("plain", ALLOW, SOURCE, MESSAGE, nat), json!([dnat, forward]));
    let lines = format!("{ALLOW}\toption forward_all '1'\n\toption snat '192.168.1.1'\n");
    let (all, snat) = (grant("forward", SOURCE, None, TO), grant("snat", SOURCE, Some(22), "192.168.1.1"));
    assert_eq!(grants("all", &lines, SOURCE, MESSAGE, nat), json!([dnat, all, snat]));
    let lines = format!("{ALLOW}\toption disable_dnat '1'\n\toption snat 'masquerade'\n");
    let snat = grant("snat", SOURCE, Some(22), "masquerade");
    assert_eq!(grants("untranslated", &lines, SOURCE, MESSAGE, nat), json!([forward, snat]));
    let v6 = grant("forward", "2001:db8:5::21", Some(22), "[fd00:1::10]:22");
    assert_eq!(grants("v6", ALLOW, "2001:db8:5::9", "2001:db8:5::21,tcp/22", "fd00:1::10,22"), json!([v6]));
}

#[test]
fn people_read_sentences() {
    let lines = format!("{ALLOW}\toption forward_all '1'\n\toption snat 'masquerade'\n");
    let said = explain("text", &lines, SOURCE, MESSAGE, "192.168.1.10,22", false);
    for line in [
        "  tcp/2222 leads 203.0.113.21 to 192.168.1.10:22 for 30 s\n",
        "  203.0.113.21 may reach everything at 192.168.1.10 for 30 s\n",
        "  203.0.113.21 comes to tcp/22 masqueraded for 30 s\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
}

#[test]
fn only_private_addresses_count_as_behind() {
    for (nat, reason) in [("192.0.2.80,22", "nat_target"), ("192.0.2.2,22", "nat_target"), ("nas.lan,22", "nat_name")] {
        let said: Value = serde_json::from_str(&explain("elsewhere", ALLOW, SOURCE, MESSAGE, nat, true)).unwrap();
        assert_eq!((&said["verdict"], &said["reason"]), (&json!("refuse"), &json!(reason)), "{nat}");
    }
    let lines = format!("{ALLOW}\tlist nat_target '192.0.2.0/24'\n");
    assert_eq!(grants("listed", &lines, SOURCE, MESSAGE, "192.0.2.80,22")[0]["to"], "192.0.2.80:22");
}

#[test]
fn a_name_stands_where_its_address_would() {
    let lines = format!("{ALLOW}\toption nat_dns '1'\n\toption snat 'masquerade'\n");
    let (dnat, forward) =
        (grant("dnat", SOURCE, Some(2222), "nas.lan:22"), grant("forward", SOURCE, Some(22), "nas.lan:22"));
    let snat = grant("snat", SOURCE, Some(22), "masquerade");
    let said = explain("named", &lines, SOURCE, MESSAGE, "nas.lan,22", true);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["verdict"], &said["awaits"], &said["reason"]),
        (&json!("grant"), &json!("nas.lan"), &Value::Null)
    );
    assert_eq!(said["stanzas"], json!([{"access": "alice", "reason": null}]));
    assert_eq!(said["grants"], json!([dnat, forward, snat]));
    let lines = format!("{lines}\toption forward_all '1'\n");
    let said = explain("named-text", &lines, SOURCE, MESSAGE, "nas.lan,22", false);
    for line in [
        "knock: grant by alice\n",
        "  if the address of nas.lan, which --resolve looks up, is permitted\n",
        "  203.0.113.21 may reach everything at nas.lan for 30 s\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert_eq!(grants("addressed", ALLOW, SOURCE, MESSAGE, "192.168.1.10,22")[0]["to"], TO);
}

#[test]
fn a_name_is_looked_up_where_that_is_asked_for() {
    let lines = format!("{ALLOW}\toption nat_dns '1'\n");
    // The only name that needs no network: it stands for loopback, where no knock may lead.
    let said = explain_with(&["--resolve"], "resolved", &lines, SOURCE, MESSAGE, "localhost,22", true);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["verdict"], &said["reason"]), (&json!("refuse"), &json!("nat_target")), "{said}");
    assert_eq!((&said["awaits"], &said["grants"]), (&Value::Null, &json!([])));
    assert_eq!(said["stanzas"], json!([{"access": "alice", "reason": "nat_target"}]));
}
