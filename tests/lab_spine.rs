//! From the knock on the wire to the open door and back, with the real client and the real kernel.

mod lab;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use lab::client::Keys;
use lab::wire::{Door, echoes};
use lab::{FRIEND, FRIEND6, Lab, Place, ROUTER, ROUTER_ALIAS, ROUTER6, STRANGER, events};

const SSH: SocketAddr = SocketAddr::new(ROUTER, 22);
const DOOR: [&str; 3] = ["203.0.113.2", "tcp", "22"];
const KNOCK: [&str; 4] = ["-A", "tcp/22", "-a", "203.0.113.2"];

/// A standalone configuration with one stanza that has these further options.
fn config(keys: &Keys, more: &str) -> String {
    format!(
        "config spa-knockd 'main'\n\
         \toption enabled '1'\n\
         \tlist device 'wan'\n\
         \toption firewall 'standalone'\n\
         \n\
         config access 'alice'\n{}\
         \tlist open 'tcp/22'\n\
         \tlist open 'tcp/9'\n\tlist open 'tcp/10'\n{more}",
        keys.uci()
    )
}

/// Knocks for a port that is not open yet and waits until it is: the daemon judges in order of
/// arrival, so everything sent before has been judged.
fn fence(lab: &Lab, keys: &Keys, port: &str) {
    let door = ["203.0.113.2", "tcp", port];
    assert_eq!(lab.element("spa_in4_v1", &door), None, "the fence stands already");
    lab.knock(keys, &["-A", &format!("tcp/{port}"), "-a", "203.0.113.2"]);
    lab.wait_element("spa_in4_v1", &door);
}

fn ssh_from(lab: &Lab, from: IpAddr) -> Door {
    lab.try_connect(Place::Wan, from, SSH)
}

#[test]
fn a_knock_opens_the_port_for_its_sender_until_the_time_is_up() {
    let lab = Lab::new();
    let _ssh = lab.tcp_echo(Place::Router, 22);
    let keys = lab::daemon::keygen();
    let daemon = lab.daemon(&config(&keys, "\toption timeout '2'\n"));
    assert_eq!(ssh_from(&lab, FRIEND), Door::Refused);
    let inside = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 168, 77, 1)), 22);
    assert_eq!(lab.try_connect(Place::Lan, lab::LAN_HOST, inside), Door::Open, "the LAN is not guarded");

    lab.knock(&keys, &KNOCK);
    let element = lab.wait_element("spa_in4_v1", &DOOR);
    let opened = Instant::now();
    assert_eq!((element.timeout, element.comment.as_str()), (2, "alice"));
    assert_eq!(element.table, "spa_knockd");
    let mut session = lab.connect(Place::Wan, FRIEND, SSH).expect("the port is open");
    assert!(echoes(&mut session, "while open"));
    assert_eq!(ssh_from(&lab, STRANGER), Door::Refused);

    thread::sleep(Duration::from_millis(2300).saturating_sub(opened.elapsed()));
    assert_eq!(lab.element("spa_in4_v1", &DOOR), None);
    assert_eq!(ssh_from(&lab, FRIEND), Door::Refused);
    assert!(echoes(&mut session, "after closing"), "the session was cut");
    assert!(daemon.stop().contains("alice"), "the log names the stanza");
}

#[test]
fn several_devices_are_captured_at_once() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    lab.configure(&config(&keys, "\toption require_source_address '0'\n"));
    let mut daemon = lab::daemon::Daemon::spawn(lab.daemon_command(&["--interface", "wan", "--interface", "lan"]), "");
    daemon.wait_ready();
    let knock = ["-A", "tcp/22", "-s"];
    let packet = lab.packet(&keys, &knock);
    lab.send_udp(
        Place::Lan,
        lab::LAN_HOST,
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 168, 77, 1)), 62201),
        &packet,
    );
    lab.wait_element("spa_in4_v1", &["192.168.77.10", "tcp", "22"]);
    lab.knock(&keys, &knock);
    lab.wait_element("spa_in4_v1", &DOOR);
    daemon.stop();
}

#[test]
fn the_very_same_datagram_opens_nothing_again() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let _daemon = lab.daemon(&config(&keys, "\toption timeout '2'\n"));
    let packet = lab.packet(&keys, &KNOCK);
    lab.send_packet(FRIEND, ROUTER, &packet);
    lab.wait_element("spa_in4_v1", &DOOR);
    thread::sleep(Duration::from_millis(2200));
    assert_eq!(lab.element("spa_in4_v1", &DOOR), None);

    lab.send_packet(FRIEND, ROUTER, &packet);
    lab.send_packet(STRANGER, ROUTER, &packet);
    lab.send_packet(FRIEND6, ROUTER6, &packet);
    fence(&lab, &keys, "9");
    assert_eq!(lab.element("spa_in4_v1", &DOOR), None);
}

#[test]
fn a_wrong_key_or_a_damaged_packet_opens_nothing() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let _daemon = lab.daemon(&config(&keys, ""));
    let other = lab::daemon::keygen();
    lab.knock(&other, &KNOCK);
    let half = Keys { encryption: other.encryption, hmac: keys.hmac.clone() };
    lab.knock(&half, &KNOCK);
    let half = Keys { encryption: keys.encryption.clone(), hmac: other.hmac };
    lab.knock(&half, &KNOCK);
    let mut packet = lab.packet(&keys, &KNOCK);
    packet[60] = if packet[60] == b'A' { b'B' } else { b'A' };
    lab.send_packet(FRIEND, ROUTER, &packet);
    fence(&lab, &keys, "9");
    assert_eq!(lab.element("spa_in4_v1", &DOOR), None);
}

#[test]
fn several_ports_open_in_one_transaction() {
    let lab = Lab::new();
    let _ssh = lab.tcp_echo(Place::Router, 22);
    let _sip = lab.udp_echo(Place::Router, 5060);
    let keys = lab::daemon::keygen();
    let more = "\tlist open 'udp/5060'\n\tlist open 'tcp/8443'\n";
    let _daemon = lab.daemon(&config(&keys, more));
    let sip = SocketAddr::new(ROUTER, 5060);
    assert_eq!(lab.ask_udp(Place::Wan, FRIEND, sip), Door::Refused);
    let watcher = lab.watch();
    lab.knock(&keys, &["-A", "tcp/22,udp/5060,tcp/8443", "-a", "203.0.113.2"]);
    watcher.wait(events::NEW_GENERATION, Duration::from_secs(3)).expect("a transaction");
    for (proto, port) in [("tcp", "22"), ("udp", "5060"), ("tcp", "8443")] {
        let key = ["203.0.113.2", proto, port];
        assert!(lab.element("spa_in4_v1", &key).is_some(), "{key:?}");
    }
    assert_eq!(watcher.wait(events::NEW_GENERATION, Duration::from_millis(300)), None);
    assert_eq!(ssh_from(&lab, FRIEND), Door::Open);
    assert_eq!(lab.ask_udp(Place::Wan, FRIEND, sip), Door::Open);

    lab.knock(&keys, &["-A", "tcp/22,tcp/23", "-a", "203.0.113.66"]);
    fence(&lab, &keys, "9");
    assert_eq!(ssh_from(&lab, STRANGER), Door::Refused, "one forbidden port spoils the knock");
}

#[test]
fn a_knock_without_an_address_needs_the_stanza_to_allow_it() {
    let lab = Lab::new();
    let (keys, lax) = (lab::daemon::keygen(), lab::daemon::keygen());
    let config = config(&keys, "")
        + &format!(
            "\nconfig access 'roaming'\n{}\tlist open 'tcp/22'\n\toption require_source_address '0'\n",
            lax.uci()
        );
    let _daemon = lab.daemon(&config);
    lab.knock(&keys, &["-A", "tcp/22", "-s"]);
    fence(&lab, &keys, "9");
    assert_eq!(lab.element("spa_in4_v1", &DOOR), None);
    let packet = lab.packet(&lax, &["-A", "tcp/22", "-s"]);
    lab.send_packet(STRANGER, ROUTER, &packet);
    let element = lab.wait_element("spa_in4_v1", &["203.0.113.66", "tcp", "22"]);
    assert_eq!(element.comment, "roaming");
    assert_eq!(lab.element("spa_in4_v1", &DOOR), None);
}

#[test]
fn match_destination_opens_only_the_address_knocked_at() {
    let lab = Lab::new();
    let _ssh = lab.tcp_echo(Place::Router, 22);
    let keys = lab::daemon::keygen();
    let _daemon = lab.daemon(&config(&keys, "\toption match_destination '1'\n"));
    lab.knock(&keys, &KNOCK);
    let element = lab.wait_element("spa_to4_v1", &["203.0.113.2", "203.0.113.1", "tcp", "22"]);
    assert_eq!(element.comment, "alice");
    assert_eq!(ssh_from(&lab, FRIEND), Door::Open);
    let alias = SocketAddr::new(ROUTER_ALIAS, 22);
    assert_eq!(lab.try_connect(Place::Wan, FRIEND, alias), Door::Refused);
}

#[test]
fn a_widened_grant_lets_the_whole_network_in() {
    let lab = Lab::new();
    let _ssh = lab.tcp_echo(Place::Router, 22);
    let keys = lab::daemon::keygen();
    let _daemon = lab.daemon(&config(&keys, "\toption prefix_v4 '24'\n\toption timeout '4'\n"));
    let range = ["203.0.113.0/24", "tcp", "22"];
    lab.knock(&keys, &KNOCK);
    lab.wait_element("spa_net4_v1", &range);
    assert_eq!(ssh_from(&lab, STRANGER), Door::Open);
    // The same range again, from another address in it, is a renewal and no overlap.
    thread::sleep(Duration::from_millis(2200));
    lab.knock(&keys, &["-A", "tcp/22", "-a", "203.0.113.66"]);
    thread::sleep(Duration::from_millis(2600));
    assert_eq!(ssh_from(&lab, FRIEND), Door::Open, "the renewal did not last");
    thread::sleep(Duration::from_millis(2200));
    assert_eq!(ssh_from(&lab, FRIEND), Door::Refused);
}

#[test]
fn renewing_never_shortens_what_was_granted() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let _daemon = lab.daemon(&config(&keys, "\toption timeout '30'\n"));
    lab.knock(&keys, &[&KNOCK[..], &["-f", "120"]].concat());
    assert_eq!(lab.wait_element("spa_in4_v1", &DOOR).timeout, 120);
    lab.knock(&keys, &KNOCK);
    fence(&lab, &keys, "9");
    let left = lab.element("spa_in4_v1", &DOOR).expect("the element").expires;
    assert!((110..=120).contains(&left), "{left} s left of 120");
    lab.knock(&keys, &[&KNOCK[..], &["-f", "200"]].concat());
    fence(&lab, &keys, "10");
    let left = lab.element("spa_in4_v1", &DOOR).expect("the element").expires;
    assert!((190..=200).contains(&left), "{left} s left of 200");
}

#[test]
fn a_killed_daemon_leaves_closing_to_the_kernel_and_remembers_the_knock() {
    let lab = Lab::new();
    let _ssh = lab.tcp_echo(Place::Router, 22);
    let keys = lab::daemon::keygen();
    let config = config(&keys, "\toption timeout '2'\n");
    let daemon = lab.daemon(&config);
    let packet = lab.packet(&keys, &KNOCK);
    lab.send_packet(FRIEND, ROUTER, &packet);
    lab.wait_element("spa_in4_v1", &DOOR);
    daemon.kill();
    assert_eq!(ssh_from(&lab, FRIEND), Door::Open);
    thread::sleep(Duration::from_millis(2300));
    assert_eq!(ssh_from(&lab, FRIEND), Door::Refused, "the guard stays without the daemon");

    // A crash: the journal in the run directory knows the packet.
    let daemon = lab.daemon(&config);
    lab.send_packet(FRIEND, ROUTER, &packet);
    fence(&lab, &keys, "9");
    assert_eq!(lab.element("spa_in4_v1", &DOOR), None, "a replay after a crash");

    // A power cut: the run directory is gone; what is on flash was written within a second.
    thread::sleep(Duration::from_millis(1200));
    daemon.kill();
    std::fs::remove_dir_all(lab.run_dir()).expect("wipe the run directory");
    thread::sleep(Duration::from_millis(1500));
    let _daemon = lab.daemon(&config);
    lab.send_packet(FRIEND, ROUTER, &packet);
    fence(&lab, &keys, "10");
    assert_eq!(lab.element("spa_in4_v1", &DOOR), None, "a replay after a reboot");
}

#[test]
fn a_restarted_firewall_gets_its_grants_back_with_the_time_that_is_left() {
    let lab = Lab::new();
    let _ssh = lab.tcp_echo(Place::Router, 22);
    let keys = lab::daemon::keygen();
    lab.fw4_start();
    let config = config(&keys, "").replace("'standalone'", "'fw4'");
    let _daemon = lab.daemon(&config);
    assert_eq!(ssh_from(&lab, FRIEND), Door::Refused);
    lab.knock(&keys, &KNOCK);
    assert_eq!(lab.wait_element("spa_in4_v1", &DOOR).table, "fw4");
    let opened = Instant::now();
    fence(&lab, &keys, "9");
    assert_eq!(ssh_from(&lab, FRIEND), Door::Open);

    // Deleted by hand in a living table: the owner's will.
    let element = "203.0.113.2 . tcp . 9";
    let text = format!("delete element inet fw4 spa_in4_v1 {{ {element} }}");
    lab.run(Place::Router, "nft", &[&text]);

    lab.fw4_stop();
    thread::sleep(Duration::from_millis(1500));
    let restarted = Instant::now();
    lab.fw4_start();
    let element = lab.wait_element("spa_in4_v1", &DOOR);
    assert!(restarted.elapsed() < Duration::from_secs(1), "the grant came back late");
    let left = 30 - opened.elapsed().as_secs();
    assert!((left.saturating_sub(2)..=left).contains(&element.expires), "{} s left, {left} expected", element.expires);
    assert_eq!(element.comment, "alice");
    assert_eq!(ssh_from(&lab, FRIEND), Door::Open);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(lab.element("spa_in4_v1", &["203.0.113.2", "tcp", "9"]), None, "a revoked grant came back");
}

#[test]
fn a_vanished_table_of_our_own_is_made_again_and_removed_only_when_asked() {
    let lab = Lab::new();
    let _ssh = lab.tcp_echo(Place::Router, 22);
    let keys = lab::daemon::keygen();
    let daemon = lab.daemon(&config(&keys, ""));
    lab.knock(&keys, &KNOCK);
    lab.wait_element("spa_in4_v1", &DOOR);
    lab.run(Place::Router, "nft", &["delete", "table", "inet", "spa_knockd"]);
    lab.wait_element("spa_in4_v1", &DOOR);
    assert_eq!(ssh_from(&lab, FRIEND), Door::Open);
    assert_eq!(ssh_from(&lab, STRANGER), Door::Refused);

    daemon.stop();
    assert_eq!(ssh_from(&lab, STRANGER), Door::Refused, "the guard went with the daemon");
    let program = lab::daemon::program();
    lab.run(Place::Router, &program.to_string_lossy(), &["firewall", "remove"]);
    assert_eq!(ssh_from(&lab, STRANGER), Door::Open);
    let tables = lab.run(Place::Router, "nft", &["list", "tables"]);
    assert_eq!(tables.trim(), "");
}
