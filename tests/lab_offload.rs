//! What becomes of offloaded flows when a grant ends, when it is revoked, and when they are killed with it.
//!
//! The kernel needs flow tables: `make test-offload` runs this in machines of its own, with two kernels of Debian.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that does not get what it needs ends the test"
)]

mod lab;

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lab::client::Keys;
use lab::daemon::Daemon;
use lab::session::{SOON, Service, Session};
use lab::wire::Door;
use lab::{Lab, Place, ROUTER, ROUTER6, wait_for};
use spa_knockd::knock::fwknop::encode::encode_fresh;
use spa_knockd::knock::fwknop::fields::{Fields, MessageType};
use spa_knockd::knock::fwknop::keys::{DigestType, KeySet, Mode, Secret};

const KEY: &str = "OpenSesame-2024";
const HMAC_KEY: &str = "Hm@cSecret-77-x";

/// As the option `flow_offloading` of OpenWrt's firewall does it, with a count of the packets that meet the rules.
const OFFLOAD: &str = "
    add flowtable inet fw4 ft { hook ingress priority 0; devices = { wan, lan }; }
    insert rule inet fw4 forward meta l4proto { tcp, udp } flow add @ft
    add counter inet fw4 met
    insert rule inet fw4 forward counter name met
";

/// Hosts behind the router: by destination NAT over IPv4, forwarded over IPv6.
fn services() -> [Service; 4] {
    let service = |protocol, v6, port| Service { place: Place::Lan, protocol, v6, port };
    [service("tcp", false, 1001), service("udp", false, 1002), service("tcp", true, 1003), service("udp", true, 1004)]
}

/// A firewall that offloads, and a daemon that lets alice in to all services.
fn start() -> (Lab, Daemon) {
    let lab = Lab::new();
    lab.run(Place::Router, "sysctl", &["-q", "-w", "net.netfilter.nf_conntrack_tcp_loose=1"]);
    // For these rules, which nobody needs here, Debian 12's nft converts the order of a single byte as if it were two.
    // Its kernel 6.12.117 refuses that.
    lab.fw4_start_without("@spa_net");
    lab.nft(OFFLOAD);
    let keys = Keys::passphrases(KEY, HMAC_KEY);
    let mut text = format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n\nconfig access 'alice'\n{}",
        keys.uci()
    );
    for service in services() {
        let (protocol, port) = (service.protocol, service.outside().port());
        text += &format!("\tlist open '{protocol}/{port}'\n");
        if !service.v6 {
            text += &format!("\tlist forward '{protocol}/{port}={}'\n", service.inside());
        }
    }
    text += "\tlist forward 'tcp/1003=[2001:db8:2::10]:1003'\n\tlist forward 'udp/1004=[2001:db8:2::10]:1004'\n";
    let daemon = lab.daemon(&text);
    (lab, daemon)
}

/// Knocks for every service, from the address that will use it.
fn knock(lab: &Lab, seconds: u32) {
    let keys = KeySet {
        mode: Mode::Cbc,
        key: Secret::new(KEY.into()),
        hmac: Some((DigestType::Sha256, Secret::new(HMAC_KEY.into()))),
    };
    static COUNT: AtomicU32 = AtomicU32::new(0);
    for (v6, router) in [(false, ROUTER), (true, ROUTER6)] {
        let mine: Vec<_> = services().into_iter().filter(|service| service.v6 == v6).collect();
        let ports = mine.iter().map(|service| format!(",{}/{}", service.protocol, service.outside().port()));
        let friend = mine[0].friend();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
        let fields = Fields {
            random: 1_234_567_890_123_456 + u64::from(COUNT.fetch_add(1, Ordering::Relaxed)),
            user: "alice".to_owned(),
            timestamp: now,
            version: "3.0.0".to_owned(),
            message_type: MessageType::TimeoutAccess,
            message: format!("{friend}{}", ports.collect::<String>()),
            nat: None,
            server_auth: None,
            client_timeout: Some(seconds),
            digest_type: DigestType::Sha256,
        };
        lab.send_packet(friend, router, encode_fresh(&fields, &keys).expect("a packet").as_bytes());
    }
    wait_for("the grants", Duration::from_secs(15), || {
        (lab.elements().iter().filter(|element| !element.set.starts_with("spa_cut")).count() == 6).then_some(())
    });
}

/// The packets that met the rules of `forward` so far.
fn met(lab: &Lab) -> u64 {
    let text = lab.run(Place::Router, "nft", &["-j", "list", "counters"]);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON from nft");
    let counter = value["nftables"].as_array().unwrap().iter().find_map(|object| object.get("counter"));
    counter.expect("the counter")["packets"].as_u64().expect("a count")
}

/// How many connections the kernel says to be offloaded.
fn offloaded(lab: &Lab) -> usize {
    let table = lab.run(Place::Router, "cat", &["/proc/net/nf_conntrack"]);
    table.lines().filter(|line| line.contains("[OFFLOAD]")).count()
}

/// Sessions whose packets no longer meet any rule.
fn begin(lab: &Lab, seconds: u32) -> Vec<Session> {
    knock(lab, seconds);
    let mut sessions: Vec<_> = services().map(|service| Session::open(lab, service, service.friend())).into();
    for session in &mut sessions {
        assert!(session.lives(), "{} ended early", session.what);
    }
    assert_eq!(offloaded(lab), sessions.len());
    let before = met(lab);
    assert!(before > 0, "the first packets meet the rules");
    for session in &mut sessions {
        assert!(session.lives(), "{} ended early", session.what);
    }
    assert_eq!(met(lab), before, "the flows are not offloaded");
    sessions
}

/// Nobody gets in any more.
fn assert_shut(lab: &Lab) {
    for service in services() {
        let (from, to) = (service.friend(), service.outside());
        let open = if service.protocol == "tcp" {
            let _listener = lab.within(Place::Lan, || TcpListener::bind(service.inside()));
            lab.try_connect(Place::Wan, from, to) == Door::Open
        } else {
            lab.within(Place::Lan, || UdpSocket::bind(service.inside())).is_ok_and(|server| {
                server.set_read_timeout(Some(SOON)).unwrap();
                lab.send_udp(Place::Wan, from, to, b"hello");
                server.recv(&mut [0; 16]).is_ok()
            })
        };
        assert!(!open, "{service:?} let a new session in");
    }
}

#[test]
fn expiry_leaves_offloaded_sessions_running_and_lets_no_new_one_in() {
    let (lab, _daemon) = start();
    let mut sessions = begin(&lab, 20);
    wait_for("the end of the grants", Duration::from_secs(30), || {
        // Idle flows would be taken from the flow table after 30 seconds.
        assert!(sessions.iter_mut().all(Session::lives));
        lab.elements().is_empty().then_some(())
    });
    goes_on(&lab, &mut sessions);
}

#[test]
fn revoke_leaves_offloaded_sessions_running_and_lets_no_new_one_in() {
    let (lab, _daemon) = start();
    let mut sessions = begin(&lab, 300);
    lab.asked(&["revoke", "--all"]);
    goes_on(&lab, &mut sessions);
}

/// Sessions live on as offloaded ones, and are alone in that.
fn goes_on(lab: &Lab, sessions: &mut Vec<Session>) {
    let before = met(lab);
    for session in &mut *sessions {
        assert!(session.lives(), "{} was cut", session.what);
    }
    assert_eq!((met(lab), offloaded(lab)), (before, sessions.len()));
    sessions.clear();
    assert_shut(lab);
}

#[test]
fn killed_offloaded_sessions_end_both_ways_and_stay_dead() {
    let (lab, _daemon) = start();
    let mut sessions = begin(&lab, 300);
    let reply = lab.asked(&["revoke", "--access", "alice", "--kill"]);
    assert_eq!((&reply["killed"], &reply["resumable"], reply.get("why")), (&4.into(), &false.into(), None), "{reply}");
    assert_eq!(offloaded(&lab), 0);
    for round in 0..2 {
        for session in &mut sessions {
            assert!(session.is_dead(), "round {round}: {} goes on", session.what);
        }
        // The flow tables have been gone through by then.
        std::thread::sleep(Duration::from_secs(2));
    }
    assert_eq!(offloaded(&lab), 0);
    sessions.clear();
    assert_shut(&lab);

    // The door opens for a new knock as it did before.
    begin(&lab, 300);
}

#[test]
fn clients_who_speak_first_get_nowhere_either() {
    let (lab, _daemon) = start();
    let mut sessions = begin(&lab, 300);
    assert_eq!(lab.asked(&["revoke", "--all", "--kill"])["killed"], 4);
    for session in &mut sessions {
        assert!(!session.comes_in(SOON) && session.is_dead(), "{} goes on", session.what);
    }
}
