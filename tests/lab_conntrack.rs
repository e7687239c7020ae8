//! What becomes of established sessions when a grant ends, when it is revoked, and when they are killed with it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that does not get what it needs ends the test"
)]

mod lab;

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use lab::ask::config;
use lab::daemon::Daemon;
use lab::session::{End, PATIENCE, SOON, Service, Session};
use lab::{FRIEND, Lab, Place, STRANGER, wait_for};

/// A lab with a daemon in this mode, which picks TCP sessions up as kernels do by default; and its table.
fn start(mode: &str) -> (Lab, Daemon, lab::client::Keys, &'static str) {
    let lab = Lab::new();
    loose(&lab, "1");
    if mode == "fw4" {
        lab.fw4_start();
    }
    let keys = lab::daemon::keygen();
    // The daemon guards the ports that the tests use.
    let protect: String =
        (0..8).map(|port| format!("\tlist protect 'tcp/{0}'\n\tlist protect 'udp/{0}'\n", 1000 + port)).collect();
    let text = config(&keys, &format!("\toption firewall '{mode}'\n{protect}"));
    let daemon = lab.daemon(&format!("{text}\tlist open 'tcp/1000'\n\tlist open 'udp/1002'\n"));
    (lab, daemon, keys, if mode == "fw4" { "fw4" } else { "spa_knockd" })
}

fn loose(lab: &Lab, value: &str) {
    lab.run(Place::Router, "sysctl", &["-q", "-w", &format!("net.netfilter.nf_conntrack_tcp_loose={value}")]);
}

/// The elements that keep ended connections ended.
fn cuts(lab: &Lab) -> Vec<lab::nft::Element> {
    lab.elements().into_iter().filter(|element| element.set.starts_with("spa_cut")).collect()
}

#[test]
fn expiry_and_revoke_leave_sessions_running_and_let_no_new_one_in() {
    for (mode, kill_by) in [("fw4", "expiry"), ("standalone", "expiry"), ("fw4", "revoke"), ("standalone", "revoke")] {
        let (lab, _daemon, _, table) = start(mode);
        let services = Service::all();
        let seconds = if kill_by == "expiry" { 3 } else { 300 };
        let doors = services.iter().map(|service| service.doors(table, service.friend(), "alice", seconds));
        lab.nft(&doors.collect::<String>());
        let mut sessions: Vec<_> =
            services.iter().map(|&service| Session::open(&lab, service, service.friend())).collect();
        if kill_by == "expiry" {
            wait_for("end of all elements", Duration::from_secs(5), || lab.elements().is_empty().then_some(()));
        } else {
            assert_eq!(lab.asked(&["revoke", "--all"]).get("resumable"), None);
        }
        for session in &mut sessions {
            assert!(session.lives(), "{mode}, {kill_by}: {} was cut", session.what);
        }
        assert_eq!(cuts(&lab), []);
        drop(sessions);
        for service in services {
            let (from, to) = (service.friend(), service.outside());
            let open = if service.protocol == "tcp" {
                let _listener = lab.within(service.place, || TcpListener::bind(service.inside()));
                lab.try_connect(Place::Wan, from, to) == lab::wire::Door::Open
            } else {
                let server = lab.within(service.place, || UdpSocket::bind(service.inside()).unwrap());
                server.set_read_timeout(Some(SOON)).unwrap();
                lab.send_udp(Place::Wan, from, to, b"hello");
                server.recv(&mut [0; 16]).is_ok()
            };
            assert!(!open, "{mode}, {kill_by}: {service:?} let a new session in");
        }
    }
}

#[test]
fn what_is_killed_stays_dead_and_nothing_else_dies() {
    for mode in ["fw4", "standalone"] {
        let (lab, daemon, _, table) = start(mode);
        let services = Service::all();
        let doors = services.iter().map(|service| service.doors(table, service.friend(), "alice", 300));
        let of_others = [(Place::Router, 1100), (Place::Lan, 1101)].map(|(place, port)| Service {
            place,
            protocol: "tcp",
            v6: false,
            port,
        });
        let others = of_others.iter().map(|service| service.doors(table, STRANGER, "bob", 300));
        lab.nft(&doors.chain(others).collect::<String>());
        let mut sessions: Vec<_> =
            services.iter().map(|&service| Session::open(&lab, service, service.friend())).collect();
        let mut others: Vec<_> = of_others.iter().map(|&service| Session::open(&lab, service, STRANGER)).collect();

        let reply = lab.asked(&["revoke", "--access", "alice", "--kill"]);
        assert_eq!(
            (&reply["killed"], &reply["resumable"], reply.get("why")),
            (&8.into(), &false.into(), None),
            "{reply}"
        );
        let all_dead = |sessions: &mut Vec<Session>, when: &str| {
            for session in sessions {
                assert!(session.is_dead(), "{mode}, {when}: {} goes on", session.what);
            }
        };
        all_dead(&mut sessions, "killed");
        let set = cuts(&lab);
        assert_eq!(set.len(), 8);
        assert!(set.iter().all(|cut| cut.comment == "alice" && cut.timeout == 86_400), "{set:?}");
        // They are no grants, and not revoked as such.
        assert_eq!(lab.asked(&["status"])["grants"], 3);
        assert_eq!(lab.asked(&["revoke", "--access", "alice", "--kill"])["revoked"], 0);
        assert_eq!(cuts(&lab).len(), 8);

        if mode == "fw4" {
            lab.fw4_stop();
            lab.fw4_start();
            wait_for("the cuts", Duration::from_secs(3), || (cuts(&lab).len() == 8).then_some(()));
            all_dead(&mut sessions, "after a restart of the firewall");
        }
        for other in &mut others {
            assert!(other.lives(), "{mode}: {} of somebody else was cut", other.what);
        }
        drop(daemon);
        all_dead(&mut sessions, "without the daemon");
    }
}

#[test]
fn the_owner_can_take_a_cut_back_and_without_it_the_session_revives() {
    let (lab, daemon, _, table) = start("standalone");
    // Behind NAT, an ordinary client does not know the revived session by its other name.
    for service in Service::all().into_iter().filter(|service| service.inside() == service.outside()) {
        lab.nft(&service.doors(table, service.friend(), "alice", 300));
        let mut session = Session::open(&lab, service, service.friend());
        assert_eq!(lab.asked(&["revoke", "--all", "--kill"])["killed"], 1);
        session.server.say(b"early");
        assert!(!session.client.hears(b"early", SOON), "{}", session.what);
        lab.nft(&format!("flush set inet {table} spa_cut4_v1\nflush set inet {table} spa_cut6_v1\n"));
        // A lost segment is sent again after a while.
        wait_for("the revived session", Duration::from_secs(5), || session.lives().then_some(()));
    }
    assert!(daemon.log().contains("the cut from port 1000 of 203.0.113.1 to 203.0.113.2"), "{}", daemon.log());
}

#[test]
fn the_client_may_knock_again_and_use_the_very_port() {
    for mode in ["fw4", "standalone"] {
        let (lab, _daemon, keys, _) = start(mode);
        let service = |protocol, port| Service { place: Place::Router, protocol, v6: false, port };
        let (tcp, udp) = (service("tcp", 1000), service("udp", 1002));
        let knock = || {
            lab.knock(&keys, &["-A", "tcp/1000,udp/1002", "-a", "203.0.113.2"]);
            lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "1000"]);
        };
        knock();
        let mut old = Session::open(&lab, tcp, FRIEND);
        let mut talk = Session::open(&lab, udp, FRIEND);
        let reply = lab.asked(&["revoke", "--access", "alice", "--kill"]);
        assert_eq!((&reply["killed"], &reply["resumable"]), (&2.into(), &false.into()), "{mode}");
        assert!(talk.is_dead() && old.is_dead(), "{mode}");
        let End::Tcp(client) = old.client else { panic!("a TCP session") };
        let from = client.local_addr().unwrap();
        rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
        drop(client);

        knock();
        talk.client.say(b"again");
        assert!(talk.server.hears(b"again", PATIENCE) && talk.lives(), "{mode}: the same UDP port stays shut");
        let mut elsewhere = lab.within(Place::Router, || TcpListener::bind(tcp.inside())).map(|listener| {
            let client = lab.connect_at(Place::Wan, from, tcp.outside()).expect("the same TCP port stays shut");
            let (server, _) = listener.accept().unwrap();
            Session { what: "the same port".into(), client: End::Tcp(client), server: End::Tcp(server) }
        });
        assert!(elsewhere.as_mut().is_ok_and(Session::lives), "{mode}");
        assert_eq!(cuts(&lab).len(), 2, "{mode}");
    }
}

#[test]
fn a_masqueraded_session_has_nothing_to_revive() {
    for (mode, table) in [("fw4", "fw4"), ("standalone", "spa_knockd")] {
        let (lab, _daemon, ..) = start(mode);
        for protocol in ["tcp", "udp"] {
            let service = Service { place: Place::Lan, protocol, v6: false, port: 1004 };
            let masquerade = format!(
                "add element inet {table} spa_masq4_v1 {{ {FRIEND} . {} . {protocol} . 1004 timeout 300s comment \"alice\" }}\n",
                lab::LAN_HOST
            );
            lab.nft(&(service.doors(table, FRIEND, "alice", 300) + &masquerade));
            let mut session = Session::open(&lab, service, FRIEND);
            let reply = lab.asked(&["revoke", "--all", "--kill"]);
            assert_eq!((&reply["killed"], &reply["resumable"]), (&1.into(), &false.into()), "{mode}: {reply}");
            assert!(session.is_dead(), "{mode}: {} goes on", session.what);
            assert_eq!(cuts(&lab), []);
        }
    }
}

#[test]
fn strict_tracking_lets_nothing_out_either() {
    let (lab, _daemon, _, table) = start("standalone");
    loose(&lab, "0");
    for service in Service::all() {
        lab.nft(&service.doors(table, service.friend(), "alice", 300));
        let mut session = Session::open(&lab, service, service.friend());
        assert_eq!(lab.asked(&["revoke", "--all", "--kill"])["resumable"], false);
        assert!(session.is_dead(), "{} goes on", session.what);
    }
}

#[test]
fn drop_ins_of_before_revoke_all_the_same_and_the_reply_says_what_they_cannot() {
    let lab = Lab::new();
    loose(&lab, "1");
    lab.fw4_start_without("spa_cut");
    let keys = lab::daemon::keygen();
    let mut daemon = lab.daemon(&config(&keys, ""));
    daemon.wait_log("spa_cut6_v1");
    let status = lab.asked(&["status"]);
    assert_eq!((&status["ready"], status["warnings"].as_array().map(Vec::len)), (&true.into(), Some(2)), "{status}");
    let service = Service { place: Place::Router, protocol: "tcp", v6: false, port: 22 };
    lab.knock(&keys, &["-A", "tcp/22", "-a", "203.0.113.2"]);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
    let mut session = Session::open(&lab, service, FRIEND);
    let reply = lab.asked(&["revoke", "--all", "--kill"]);
    assert_eq!((&reply["revoked"], &reply["killed"], &reply["resumable"]), (&1.into(), &1.into(), &true.into()));
    assert!(reply["why"].as_str().is_some_and(|why| why.contains("spa_cut4_v1 is missing")), "{reply}");
    assert!(session.lives(), "the reply warned of what cannot be");
    let line = "1 set element and 1 connections; some may go on: set spa_cut4_v1";
    wait_for("the line", Duration::from_secs(5), || daemon.log().contains(line).then_some(()));

    // Where a TCP session begins with its first packet alone, there is nothing to warn of.
    loose(&lab, "0");
    lab.knock(&keys, &["-A", "tcp/22", "-a", "203.0.113.2"]);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
    drop(session);
    let session = Session::open(&lab, service, FRIEND);
    assert_eq!(lab.asked(&["revoke", "--all", "--kill"])["resumable"], false);
    drop(session);
}

#[test]
fn a_full_set_of_cuts_keeps_no_revocation_from_being_made() {
    let (lab, _daemon, _, table) = start("standalone");
    let cuts: Vec<_> = (0..16_384u32)
        .map(|n| format!("10.9.{}.{} . 203.0.113.66 . tcp . 22 . 4000 timeout 1h", n / 256, n % 256))
        .collect();
    lab.nft(&format!("add element inet {table} spa_cut4_v1 {{ {} }}\n", cuts.join(", ")));
    let service = Service { place: Place::Lan, protocol: "udp", v6: false, port: 1006 };
    lab.nft(&service.doors(table, FRIEND, "alice", 300));
    let session = Session::open(&lab, service, FRIEND);
    let out = lab.ask(&["revoke", "--access", "alice", "--kill"]);
    assert_eq!(String::from_utf8_lossy(&out.stdout), "revoked: 2 set elements, ended: 1 connection\n");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("taken up again") && said.contains("spa_cut4_v1 is full"), "{said}");
    drop(session);
}
