//! `revoke --kill` cuts the connections that the grants let in, and no others.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a helper that does not get what it needs ends the test"
)]

mod lab;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lab::ask::{STANDALONE, config};
use lab::wire::{Door, echoes};
use lab::{FRIEND, FRIEND6, Lab, Place, ROUTER, ROUTER6, STRANGER, wait_for};

const DOOR: [&str; 3] = ["203.0.113.2", "tcp", "22"];

fn ssh(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, 22)
}

#[test]
fn a_session_lives_on_without_kill_and_is_cut_with_it() {
    let lab = Lab::new();
    let _ssh = lab.tcp_echo(Place::Router, 22);
    let keys = lab::daemon::keygen();
    let _daemon = lab.daemon(&config(&keys, STANDALONE));
    for address in ["203.0.113.2", "203.0.113.66"] {
        lab.knock(&keys, &["-A", "tcp/22", "-a", address]);
        lab.wait_element("spa_in4_v1", &[address, "tcp", "22"]);
    }
    lab.nft("add element inet spa_knockd spa_in6_v1 { 2001:db8:1::2 . tcp . 22 timeout 9m }\n");
    let mut session = lab.connect(Place::Wan, FRIEND, ssh(ROUTER)).expect("the door is open");
    let mut session6 = lab.connect(Place::Wan, FRIEND6, ssh(ROUTER6)).expect("the door is open");
    let mut other = lab.connect(Place::Wan, STRANGER, ssh(ROUTER)).expect("the door is open");

    assert_eq!(lab.told(&["revoke", "--source", "203.0.113.2"]), "revoked: 1 set element\n");
    assert!(echoes(&mut session, "still here"), "revoked without --kill, and cut");
    assert_eq!(
        lab.told(&["revoke", "--source", "203.0.113.2", "--kill"]),
        "nothing was open for 203.0.113.2, ended: 0 connections\n"
    );
    assert!(echoes(&mut session, "still here"), "what no living grant let in was cut");

    lab.knock(&keys, &["-A", "tcp/22", "-a", "203.0.113.2"]);
    lab.wait_element("spa_in4_v1", &DOOR);
    let told = lab.told(&["revoke", "--source", "203.0.113.2", "--kill"]);
    assert_eq!(told, "revoked: 1 set element, ended: 1 connection\n");
    assert!(!echoes(&mut session, "cut"), "the session went on");
    assert_eq!(lab.try_connect(Place::Wan, FRIEND, ssh(ROUTER)), Door::Refused);
    assert!(echoes(&mut other, "not mine") && echoes(&mut session6, "not mine"), "somebody else's session was cut");

    let reply = lab.asked(&["revoke", "--all", "--kill"]);
    assert_eq!((&reply["revoked"], &reply["killed"]), (&2.into(), &2.into()));
    assert!(!echoes(&mut other, "cut") && !echoes(&mut session6, "cut"), "a session went on");
    assert_eq!(lab.asked(&["revoke", "--all"]).get("killed"), None);
    let told = lab.told(&["events"]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("revoked on request: 2 set elements and 2 connections"), "{told}");
}

#[test]
fn a_forwarded_session_is_cut_in_both_modes() {
    for mode in ["fw4", "standalone"] {
        let lab = Lab::new();
        if mode == "fw4" {
            lab.fw4_start();
        }
        let _ssh = lab.tcp_echo(Place::Lan, 22);
        let keys = lab::daemon::keygen();
        let main = format!("\toption firewall '{mode}'\n\tlist protect 'tcp/22'\n");
        let stanza = "\tlist open 'tcp/2222'\n\toption allow_nat '1'\n";
        let _daemon = lab.daemon(&format!("{}{stanza}", config(&keys, &main)));
        lab.knock(&keys, &["-A", "tcp/2222", "-N", "192.168.77.10:22", "-a", "203.0.113.2"]);
        let outside = SocketAddr::new(ROUTER, 2222);
        let mut session =
            wait_for("the way through", Duration::from_secs(3), || lab.connect(Place::Wan, FRIEND, outside).ok());
        assert!(echoes(&mut session, "before"), "{mode}");
        let reply = lab.asked(&["revoke", "--access", "alice", "--kill"]);
        assert!(reply["killed"].as_u64() >= Some(1), "{mode}: {reply}");
        assert!(!echoes(&mut session, "cut"), "{mode}: the session went on");
    }
}
