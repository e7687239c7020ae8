//! Command messages before a stanza's policy, and what `explain` says of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod common;

use std::fs;
use std::net::IpAddr;
use std::process::{self, Command};

use common::{NOW, access, at, config, datagram, fields, keys, nothing};
use serde_json::{Value, json};
use spa_knockd::access::{Grant, Place, Run};
use spa_knockd::config::{self, Access, Commands};
use spa_knockd::engine::{Engine, Memory};
use spa_knockd::knock::fwknop::encode::encode_fresh;
use spa_knockd::knock::fwknop::fields::MessageType;
use spa_knockd::reason::Reason;

const FOR: &str = "203.0.113.21";

/// The packet of a message.
fn packet(message_type: MessageType, message: &str) -> Vec<u8> {
    let mut fields = fields(NOW, message);
    fields.message_type = message_type;
    encode_fresh(&fields, &keys(1)).unwrap().as_bytes().to_vec()
}

/// What a stanza with the commands `wol` and `off` makes of a message from this source.
fn judged(
    change: impl FnOnce(&mut Access),
    place_of: &dyn Fn(IpAddr) -> Place,
    source: &str,
    message_type: MessageType,
    message: &str,
) -> Result<Grant, Reason> {
    let command = |name: &str| config::Command { name: name.into(), program: "/x".into(), arguments: Vec::new() };
    let mut access = access("alice", keys(1));
    access.commands = Commands { list: vec![command("wol"), command("off")], ..Commands::default() };
    change(&mut access);
    let mut engine = Engine::new(&config(vec![access]), Memory::default());
    let destination = if source.contains(':') { "2001:db8::1" } else { "198.51.100.1" };
    let payload = packet(message_type, message);
    let mut ask = || engine.handle(&datagram(source, destination, &payload), at(NOW), place_of, &mut |_, _| {}).outcome;
    let outcome = ask();
    assert_eq!(ask().unwrap_err(), Reason::Replay, "whatever came of it");
    outcome
}

fn asked(message: &str) -> Result<Grant, Reason> {
    judged(|_| {}, &nothing, "203.0.113.9", MessageType::Command, message)
}

#[test]
fn a_message_that_is_exactly_a_name_has_that_command_run() {
    for name in ["wol", "off"] {
        let grant = asked(&format!("{FOR},{name}")).unwrap();
        assert_eq!((grant.openings.len(), grant.forwards.len(), grant.timeout), (0, 0, 0));
        assert_eq!(grant.command, Some(Run { name: name.into(), source: FOR.parse().unwrap() }));
    }
    for text in ["WOL", "wo", "wol ", " wol", "wol,off", "wol;off", "wol off", "/x", "nope"] {
        assert_eq!(asked(&format!("{FOR},{text}")), Err(Reason::CommandNotAllowed), "{text:?}");
    }
}

#[test]
fn addresses_and_users_are_judged_as_for_doors() {
    assert_eq!(asked("0.0.0.0,wol"), Err(Reason::SourceAddressRequired));
    assert_eq!(asked("127.0.0.1,wol"), Err(Reason::AddressForbidden));
    assert_eq!(asked("2001:db8::9,wol"), Err(Reason::Family));
    let own = |_| Place::Own;
    let ask = |change: fn(&mut Access), place: &dyn Fn(IpAddr) -> Place, source, message| {
        judged(change, place, source, MessageType::Command, message).map(|grant| grant.command.unwrap().source)
    };
    assert_eq!(ask(|_| {}, &own, "203.0.113.9", "203.0.113.21,wol"), Err(Reason::AddressForbidden));
    let other = |access: &mut Access| access.require_username = Some("bob".into());
    assert_eq!(ask(other, &nothing, "203.0.113.9", "203.0.113.21,wol"), Err(Reason::Username));
    let lax = |access: &mut Access| access.require_source_address = false;
    assert_eq!(ask(lax, &nothing, "203.0.113.9", "0.0.0.0,wol"), Ok("203.0.113.9".parse().unwrap()));
    assert_eq!(ask(|_| {}, &nothing, "2001:db8::7", "2001:db8::9,wol"), Ok("2001:db8::9".parse().unwrap()));
}

#[test]
fn a_hook_goes_with_doors_and_not_with_commands() {
    let hook = |access: &mut Access| access.commands.on_open = Some("off".into());
    let ask = |kind, text: &str| judged(hook, &nothing, "203.0.113.9", kind, &format!("{FOR},{text}")).unwrap();
    let doors = ask(MessageType::Access, "tcp/22");
    assert_eq!((doors.openings.len(), doors.timeout), (1, 30));
    assert_eq!(doors.command, Some(Run { name: "off".into(), source: FOR.parse().unwrap() }));
    assert_eq!(ask(MessageType::Command, "wol").command.unwrap().name, "wol");
    let plain = judged(|_| {}, &nothing, "203.0.113.9", MessageType::Access, &format!("{FOR},tcp/22")).unwrap();
    assert_eq!(plain.command, None);
}

#[test]
fn explain_says_which_command_would_run() {
    let folder = std::env::temp_dir().join(format!("spa-explain-command-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let keys = keys(1);
    let (_, hmac) = keys.hmac.as_ref().unwrap();
    let text = format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist network 'wan'\n\nconfig access 'alice'\n\
         \toption key_base64 '{}'\n\toption hmac_key_base64 '{}'\n\tlist command 'wol=/usr/bin/etherwake'\n",
        *keys.key.to_base64(),
        *hmac.to_base64()
    );
    fs::write(folder.join("config"), text).unwrap();
    fs::write(folder.join("knock"), packet(MessageType::Command, &format!("{FOR},wol"))).unwrap();
    let said = |json: Option<&str>| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_spa-knockd"));
        program.current_dir(&folder).args(["explain", "--config", "config", "--now", &NOW.to_string()]);
        String::from_utf8(program.args(json).arg("knock").output().unwrap().stdout).unwrap()
    };
    let (line, people) = (said(Some("--json")), said(None));
    fs::remove_dir_all(&folder).unwrap();
    let object: Value = serde_json::from_str(&line).unwrap();
    let command = json!({"kind": "command", "source": FOR, "proto": null, "port": null, "to": "wol", "timeout": 0});
    assert_eq!((&object["verdict"], &object["grants"]), (&json!("grant"), &json!([command])));
    assert!(people.contains("203.0.113.21 has command wol run\n"), "{people}");
}
