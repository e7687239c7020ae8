//! Hosts behind the router, and other ports of the router itself, with the real client and the real kernel.

mod lab;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use lab::client::Keys;
use lab::daemon::Daemon;
use lab::wire::{Door, echoes};
use lab::{FRIEND, FRIEND6, Lab, Place, ROUTER, ROUTER6, STRANGER, STRANGER6, wait_for};
use spa_knockd::knock::fwknop::encode::encode_fresh;
use spa_knockd::knock::fwknop::fields::{Fields, MessageType};
use spa_knockd::knock::fwknop::keys::{DigestType, KeySet, Mode, Secret};

const KEY: &str = "OpenSesame-2024";
const HMAC_KEY: &str = "Hm@cSecret-77-x";
const FOR_ME: [&str; 2] = ["-a", "203.0.113.2"];

fn keys() -> Keys {
    Keys::passphrases(KEY, HMAC_KEY)
}

/// Starts a daemon in one of the two modes, with one stanza of these options.
fn daemon(lab: &Lab, mode: &str, options: &str) -> Daemon {
    if mode == "fw4" {
        lab.fw4_start();
    }
    lab.daemon(&format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n\toption firewall '{mode}'\n\
         \tlist protect 'tcp/22'\n\nconfig access 'alice'\n{}\toption timeout '30'\n{options}",
        keys().uci()
    ))
}

fn outside(port: u16) -> SocketAddr {
    SocketAddr::new(ROUTER, port)
}

fn inside6() -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x10)), 22)
}

/// Waits until the friend gets through.
fn wait_open(lab: &Lab, from: IpAddr, to: SocketAddr) {
    wait_for("way through", Duration::from_secs(3), || {
        (lab.try_connect(Place::Wan, from, to) == Door::Open).then_some(())
    });
}

fn closed(lab: &Lab, from: IpAddr, to: SocketAddr) -> bool {
    lab.try_connect(Place::Wan, from, to) != Door::Open
}

#[test]
fn a_client_reaches_the_host_that_it_names_until_the_time_is_up() {
    for mode in ["fw4", "standalone"] {
        let lab = Lab::new();
        let _ssh = lab.tcp_echo(Place::Lan, 22);
        let options = "\tlist open 'tcp/2222'\n\tlist open 'tcp/40022'\n\toption allow_nat '1'\n";
        let daemon = daemon(&lab, mode, options);
        assert!(closed(&lab, FRIEND, outside(2222)), "{mode}");
        lab.knock(&keys(), &[&["-A", "tcp/2222", "-N", "192.168.77.10:22", "-f", "2"], &FOR_ME[..]].concat());
        wait_open(&lab, FRIEND, outside(2222));
        let mut session = lab.connect(Place::Wan, FRIEND, outside(2222)).expect("the way is open");
        assert!(closed(&lab, STRANGER, outside(2222)), "{mode}: a stranger came through");
        thread::sleep(Duration::from_millis(2500));
        assert!(closed(&lab, FRIEND, outside(2222)), "{mode}: the way stayed open");
        assert!(echoes(&mut session, "after closing"), "{mode}: the session was cut");

        lab.knock(&keys(), &[&["-A", "tcp/22", "-N", "192.168.77.10", "--nat-port", "40022"], &FOR_ME[..]].concat());
        wait_open(&lab, FRIEND, outside(40022));
        let log = daemon.stop();
        assert!(log.contains("tcp/40022") && log.contains("192.168.77.10:22"), "{log}");
    }
}

#[test]
fn targets_that_are_not_behind_are_refused() {
    let lab = Lab::new();
    let daemon = daemon(&lab, "standalone", "\tlist open 'any'\n\toption allow_nat '1'\n");
    for target in ["203.0.113.66:22", "127.0.0.1:22", "224.0.0.1:22", "203.0.113.1:22", "nas.example.net:22"] {
        lab.knock(&keys(), &[&["-A", "tcp/2222", "-N", target], &FOR_ME[..]].concat());
    }
    lab.knock(&keys(), &[&["-A", "tcp/9"], &FOR_ME[..]].concat());
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "9"]);
    assert_eq!(lab.elements().len(), 1, "only the fence");
    let log = daemon.stop();
    assert_eq!(log.matches("refused alice: nat_target").count(), 4, "{log}");
    assert_eq!(log.matches("refused alice: nat_name").count(), 1, "{log}");
}

#[test]
fn the_stanzas_own_forward_serves_a_plain_knock() {
    for mode in ["fw4", "standalone"] {
        let lab = Lab::new();
        let _ssh = lab.tcp_echo(Place::Lan, 22);
        let _daemon = daemon(&lab, mode, "\tlist forward 'tcp/2222=192.168.77.10:22'\n\toption snat 'masquerade'\n");
        lab.knock(&keys(), &[&["-A", "tcp/2222"], &FOR_ME[..]].concat());
        wait_open(&lab, FRIEND, outside(2222));
        let table = lab.told(&["grants"]);
        for row in ["NAT         tcp/2222 to 192.168.77.10:22", "port        tcp/22 at ", "masquerade  tcp/22 at "] {
            assert_eq!(table.matches(&format!("alice   203.0.113.2  {row}")).count(), 1, "{table}");
        }
        // The host need not know the way back: it answers the router.
        lab.run(Place::Lan, "ip", &["route", "del", "default"]);
        let mut session = lab.connect(Place::Wan, FRIEND, outside(2222)).expect("without a route back");
        assert!(echoes(&mut session, "by way of the router"), "{mode}");
    }
}

#[test]
fn another_port_of_the_router_itself() {
    for mode in ["fw4", "standalone"] {
        let lab = Lab::new();
        let _ssh = lab.tcp_echo(Place::Router, 22);
        let _daemon = daemon(&lab, mode, "\tlist open 'tcp/50022'\n\toption allow_local_nat '1'\n");
        assert!(closed(&lab, FRIEND, outside(22)), "{mode}");
        lab.knock(&keys(), &[&["-A", "tcp/22", "--nat-local", "--nat-port", "50022"], &FOR_ME[..]].concat());
        wait_open(&lab, FRIEND, outside(50022));
        assert!(closed(&lab, STRANGER, outside(50022)), "{mode}");
    }
}

#[test]
fn over_ipv6_a_host_behind_is_reached_at_its_own_address() {
    for mode in ["fw4", "standalone"] {
        let lab = Lab::new();
        let _ssh = lab.tcp_echo(Place::Lan, 22);
        let options = "\tlist forward 'tcp/22=[2001:db8:2::10]:22'\n\toption require_source_address '0'\n";
        let _daemon = daemon(&lab, mode, options);
        if mode == "fw4" {
            assert!(closed(&lab, FRIEND6, inside6()), "fw4 lets nobody through");
        }
        // Saved by the real client, which speaks no IPv6, and sent over IPv6 by the lab.
        let packet = lab.packet(&keys(), &["-A", "tcp/22", "-s"]);
        lab.send_packet(FRIEND6, ROUTER6, &packet);
        wait_open(&lab, FRIEND6, inside6());
        assert!(closed(&lab, STRANGER6, inside6()), "{mode}");
    }
}

#[test]
fn our_own_encoder_asks_for_an_ipv6_host() {
    let lab = Lab::new();
    let _ssh = lab.tcp_echo(Place::Lan, 22);
    let _daemon = daemon(&lab, "fw4", "\tlist open 'tcp/22'\n\toption allow_nat '1'\n");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
    let fields = Fields {
        random: 1_234_567_890_123_456,
        user: "alice".to_owned(),
        timestamp: now,
        version: "3.0.0".to_owned(),
        message_type: MessageType::NatAccess,
        message: "2001:db8:1::2,tcp/22".to_owned(),
        nat: Some("2001:db8:2::10,22".to_owned()),
        server_auth: None,
        client_timeout: None,
        digest_type: DigestType::Sha256,
    };
    let keys = KeySet {
        mode: Mode::Cbc,
        key: Secret::new(KEY.into()),
        hmac: Some((DigestType::Sha256, Secret::new(HMAC_KEY.into()))),
    };
    let packet = encode_fresh(&fields, &keys).expect("a packet");
    lab.send_packet(FRIEND6, ROUTER6, packet.as_bytes());
    wait_open(&lab, FRIEND6, inside6());
    assert!(closed(&lab, STRANGER6, inside6()));
}
