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

#[test]
fn a_grant_on_the_router_does_not_end_a_session_with_a_host_behind_it() {
    let lab = Lab::new();
    let _nas = lab.tcp_echo(Place::Lan, 443);
    let _web = lab.tcp_echo(Place::Router, 443);
    let keys = lab::daemon::keygen();
    let _daemon = lab.daemon(&config(&keys, STANDALONE));
    lab.nft(
        "add table ip own\nadd chain ip own pre { type nat hook prerouting priority -110; }\n\
         add rule ip own pre tcp dport 8443 dnat to 192.168.77.10:443\n",
    );
    let mut other = lab.connect(Place::Wan, FRIEND, SocketAddr::new(ROUTER, 8443)).expect("the owner's own way");
    let mut own = lab.connect(Place::Wan, FRIEND, SocketAddr::new(ROUTER, 443)).expect("nothing guards it");
    assert!(echoes(&mut other, "before") && echoes(&mut own, "before"));
    // Elements of these sets are only looked up for what comes to the router itself.
    lab.nft(
        "add element inet spa_knockd spa_in4_v1 { 203.0.113.2 . tcp . 443 timeout 9m }\n\
         add element inet spa_knockd spa_net4_v1 { 203.0.113.0/24 . tcp . 443 timeout 9m }\n",
    );
    assert_eq!(lab.told(&["revoke", "--all", "--kill"]), "revoked: 2 set elements, ended: 1 connection\n");
    assert!(echoes(&mut other, "after"), "the session with the host behind was cut");
}

#[test]
fn what_was_revoked_before_an_error_is_in_the_log_and_among_the_events() {
    let lab = Lab::new();
    lab.fw4_start();
    let keys = lab::daemon::keygen();
    // Of a constant set that a rule looks up, the kernel deletes nothing.
    let table = lab.run(Place::Router, "nft", &["list", "table", "inet", "fw4"]);
    let (before, rest) = table.split_once("set spa_net4_v1 {").expect("the set");
    let (set, after) = rest.split_once("flags interval,timeout").expect("its flags");
    lab.nft(&format!(
        "delete table inet fw4\n{before}set spa_net4_v1 {{{set}flags constant,interval\n\
         elements = {{ 198.51.100.0/24 . tcp . 22 }}{after}"
    ));
    let daemon = lab.daemon(&config(&keys, ""));
    let doors: String = (1..=64).map(|host| format!("192.0.2.{host} . tcp . 22 timeout 1h,")).collect();
    lab.nft(&format!("add element inet fw4 spa_in4_v1 {{ {doors} }}\n"));
    let out = lab.ask(&["revoke", "--all", "--kill"]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && said.contains("64 set elements were revoked, and then: could not"), "{said}");
    let line = "revoked on request: 64 set elements; others live on: could not change the sets";
    wait_for("the log line", Duration::from_secs(2), || daemon.log().contains(line).then_some(()));
    let events = lab.asked(&["events"]).to_string();
    assert!(events.contains("64 set elements; others live on"), "{events}");
    assert_eq!(lab.asked(&["status"])["grants"], 1);
}
