//! Targets that the real client names by a host name, with the real resolver of the system.

#![allow(clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

mod lab;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lab::ask::context_switches;
use lab::client::Keys;
use lab::daemon::{Daemon, keygen, program};
use lab::wire::Door;
use lab::{FRIEND, Lab, Place, ROUTER, STRANGER, wait_for};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use rustix::process::{Pid, Signal, kill_process};

const SOON: Duration = Duration::from_secs(3);

/// How long a look-up may take, and a little for its end.
const LIMIT: Duration = Duration::from_millis(5500);

const HOSTS: &str = "127.0.0.1 localhost\n192.168.77.10 nas.lan.example\n203.0.113.1 router.example\n\
                     192.168.77.1 inner.example\n203.0.113.66 stranger.example\n224.0.0.1 many.example\n\
                     127.0.0.1 both.example\n192.168.77.10 both.example\n";

const KNOWN: &[(&str, Ipv4Addr)] =
    &[("nas.example", Ipv4Addr::new(192, 168, 77, 10)), ("rebound.example", Ipv4Addr::new(127, 0, 0, 1))];

fn config(keys: &Keys, lines: &str) -> String {
    format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n\toption firewall 'standalone'\n\
         \tlist protect 'tcp/22'\n\toption log_level 'debug'\n\nconfig access 'alice'\n{}\tlist open 'tcp/2222'\n\
         \tlist open 'tcp/22'\n\toption allow_nat '1'\n{lines}",
        keys.uci()
    )
}

const NAMES: &str = "\toption nat_dns '1'\n";

/// Has the real client ask for a way to this host.
fn ask(lab: &Lab, keys: &Keys, host: &str) {
    lab.knock(keys, &["-A", "tcp/2222", "-N", &format!("{host}:22"), "-a", "203.0.113.2"]);
}

fn wait_refusal(daemon: &Daemon, reason: &str, of: &str, deadline: Duration) -> String {
    wait_for(&format!("{reason} of {of}"), deadline, || {
        let log = daemon.log();
        log.lines()
            .find(|line| line.contains(&format!("refused alice: {reason}")) && line.contains(of))
            .map(str::to_owned)
    })
}

fn outside() -> SocketAddr {
    SocketAddr::new(ROUTER, 2222)
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn helper(daemon: &Daemon) -> u32 {
    let children = children(daemon.pid());
    assert_eq!(children.len(), 1, "one helper");
    children.into_iter().next().expect("a helper")
}

/// Waits until so many look-ups run, and gives them.
fn wait_lookups(daemon: &Daemon, count: usize) -> Vec<u32> {
    let helper = helper(daemon);
    wait_for("look-ups", Duration::from_secs(7), || Some(children(helper)).filter(|running| running.len() == count))
}

#[test]
fn a_host_is_reached_by_its_name() {
    for name in ["nas.lan.example", "both.example", "nas.example", "NAS.Example."] {
        let (lab, keys) = (Lab::new(), keygen());
        let server = lab.name_server(KNOWN);
        let _ssh = lab.tcp_echo(Place::Lan, 22);
        let daemon = lab.daemon_with_names(&config(&keys, NAMES), HOSTS);
        ask(&lab, &keys, name);
        wait_for("way through", SOON, || (lab.try_connect(Place::Wan, FRIEND, outside()) == Door::Open).then_some(()));
        assert_ne!(lab.try_connect(Place::Wan, STRANGER, outside()), Door::Open);
        assert_eq!(server.asked().is_empty(), HOSTS.contains(name), "{name}: {:?}", server.asked());
        let packet = lab.packet(&keys, &["-A", "tcp/2222", "-N", "nas.example:22", "-a", "203.0.113.2"]);
        let before = server.asked().len();
        lab.send_packet(FRIEND, ROUTER, &packet);
        wait_for("second grant", SOON, || (daemon.log().matches("grant alice").count() == 2).then_some(()));
        assert!(server.asked().len() > before);
        let before = server.asked().len();
        lab.send_packet(FRIEND, ROUTER, &packet);
        wait_refusal(&daemon, "replay", "203.0.113.2", SOON);
        assert_eq!(server.asked().len(), before, "a replay costs no question");
        let log = daemon.stop();
        let line = "grant alice: 203.0.113.2 may reach tcp/2222 to 192.168.77.10:22 for 30 s, user '";
        assert_eq!(log.matches(line).count(), 2, "{log}");
    }
}

#[test]
fn names_that_lead_nowhere_or_where_nobody_may_go_are_refused() {
    let (lab, keys) = (Lab::new(), keygen());
    let server = lab.name_server(KNOWN);
    let daemon = lab.daemon_with_names(&config(&keys, NAMES), HOSTS);
    for (name, reason, words) in [
        ("localhost", "nat_target", "localhost is 127.0.0.1: "),
        ("rebound.example", "nat_target", "rebound.example is 127.0.0.1: "),
        ("router.example", "nat_target", "router.example is 203.0.113.1: "),
        ("inner.example", "nat_target", "inner.example is 192.168.77.1: "),
        ("stranger.example", "nat_target", "stranger.example is 203.0.113.66: "),
        ("many.example", "nat_target", "many.example is 224.0.0.1: "),
        ("no-such.example", "nat_unresolved", "no-such.example: The host name"),
    ] {
        ask(&lab, &keys, name);
        wait_refusal(&daemon, reason, words, SOON);
    }
    server.wait_asked("no-such.example");
    let before = server.asked();
    lab.knock(&keys, &["-A", "tcp/80", "-N", "nas.example:22", "-a", "203.0.113.2"]);
    wait_refusal(&daemon, "port_not_allowed", "203.0.113.2", SOON);
    assert_eq!(server.asked(), before, "policy comes before the question");
    assert_eq!(lab.elements().len(), 0);
    daemon.stop();
}

#[test]
fn a_resolver_that_hangs_delays_nobody_else() {
    let (lab, keys) = (Lab::new(), keygen());
    let server = lab.name_server(KNOWN);
    let daemon = lab.daemon_with_names(&config(&keys, NAMES), HOSTS);
    let start = Instant::now();
    ask(&lab, &keys, "hang.example");
    server.wait_asked("hang.example");
    let nobody = lab.run(Place::Router, "id", &["-u", "nobody"]);
    let lookup = wait_lookups(&daemon, 1);
    let status = fs::read_to_string(format!("/proc/{}/status", lookup.first().expect("one"))).expect("its status");
    let nobody = nobody.trim();
    for line in [
        format!("Uid:\t{nobody}\t{nobody}\t{nobody}\t{nobody}"),
        "NoNewPrivs:\t1".into(),
        "CapPrm:\t0000000000000000".into(),
    ] {
        assert!(status.lines().any(|found| found == line), "{line}\n{status}");
    }

    let packet = lab.packet(&keys, &["-A", "tcp/22", "-a", "203.0.113.2"]);
    let sent = Instant::now();
    lab.send_packet(FRIEND, ROUTER, &packet);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
    let took = sent.elapsed();
    assert!(took < Duration::from_millis(500), "a plain knock took {took:?}");
    let named = lab.packet(&keys, &["-A", "tcp/2222", "-N", "nas.lan.example:22", "-a", "203.0.113.2"]);
    let sent = Instant::now();
    lab.send_packet(FRIEND, ROUTER, &named);
    wait_for("second grant", SOON, || (daemon.log().matches("grant alice").count() == 2).then_some(()));
    let took = sent.elapsed();
    assert!(took < Duration::from_secs(1), "another name took {took:?}");
    assert!(!daemon.log().contains("refused"), "the first knock still waits");

    wait_refusal(&daemon, "nat_unresolved", "hang.example: ", LIMIT);
    let took = start.elapsed();
    assert!((Duration::from_millis(4900)..LIMIT + Duration::from_secs(1)).contains(&took), "{took:?}");
    wait_lookups(&daemon, 0);
    daemon.stop();
}

#[test]
fn so_many_knocks_wait_and_a_reload_ends_them() {
    let (lab, keys) = (Lab::new(), keygen());
    let server = lab.name_server(KNOWN);
    let others = [("bob", keygen()), ("carol", keygen())];
    let text = |lines: &str| {
        let stanza = |(name, keys): &(&str, Keys)| {
            format!("config access '{name}'\n{}\tlist open 'any'\n\toption allow_nat '1'\n{NAMES}", keys.uci())
        };
        config(&keys, lines) + &others.iter().map(stanza).collect::<String>()
    };
    let daemon = lab.daemon_with_names(&text(NAMES), HOSTS);
    let mut waiting = Vec::new();
    for (name, keys) in [("alice", &keys)].into_iter().chain(others.iter().map(|(name, keys)| (*name, keys))) {
        // One stanza may not hold all, and not all together more than there is room for.
        for count in 1..=if name == "carol" { 2 } else { 3 } {
            let host = format!("hang{count}.{name}.example");
            ask(&lab, keys, &host);
            server.wait_asked(&host);
            waiting.push(host);
        }
        if name == "alice" {
            ask(&lab, keys, "hang4.alice.example");
            let line = "hang4.alice.example: 3 knocks of alice wait for a name already";
            wait_refusal(&daemon, "nat_unresolved", line, SOON);
        }
    }
    ask(&lab, &others[1].1, "hang3.carol.example");
    wait_for("the ninth", SOON, || {
        daemon.log().contains("hang3.carol.example: 8 knocks wait for a name already").then_some(())
    });
    assert_eq!(wait_lookups(&daemon, 8).len(), 8);
    lab.reconfigure(&text(&format!("{NAMES}\toption timeout '20'\n")));
    lab.told(&["reload"]);
    for host in &waiting {
        let line = format!("{host}: the configuration was read again");
        wait_for(&line, SOON, || daemon.log().contains(&line).then_some(()));
    }
    // The helper still has its hands full, and says so, while refusals are no more logged; later it has them free.
    ask(&lab, &keys, "nas.lan.example");
    let line = "a name is not looked up: 8 look-ups are under way";
    wait_for(line, SOON, || daemon.log().contains(line).then_some(()));
    wait_lookups(&daemon, 0);
    ask(&lab, &keys, "nas.lan.example");
    wait_for("grant", SOON, || daemon.log().contains("grant alice").then_some(()));
    lab.reconfigure(&config(&keys, ""));
    let refused = lab.ask(&["reload"]);
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(words.contains("option nat_dns, the first or the last one that is on, cannot change"), "{words}");
    assert_eq!(refused.status.code(), Some(3));
    assert_eq!(lab.elements().len(), 2, "one way through");
    daemon.stop();
}

#[test]
fn what_is_revoked_does_not_open_when_the_answer_comes() {
    let (lab, keys) = (Lab::new(), keygen());
    let server = lab.name_server(KNOWN);
    let daemon = lab.daemon_with_names(&config(&keys, NAMES), HOSTS);
    for (count, words) in [&["--all"][..], &["--access", "alice"], &["--source", "203.0.113.2"]].iter().enumerate() {
        let name = format!("hang{count}.example");
        ask(&lab, &keys, &name);
        server.wait_asked(&name);
        for others in [["--access", "bob"], ["--source", "203.0.113.3"]] {
            // There is no such stanza, which is said.
            assert_eq!(lab.ask(&[&["revoke"][..], &others].concat()).status.success(), others[0] == "--source");
        }
        assert!(!daemon.log().contains(&format!("{name}: revoked")), "{words:?}");
        lab.told(&[&["revoke"][..], words].concat());
        wait_refusal(&daemon, "nat_unresolved", &format!("{name}: revoked on request meanwhile"), SOON);
    }
    wait_lookups(&daemon, 0);
    assert_eq!(lab.elements().len(), 0);
    daemon.stop();
}

#[test]
fn without_its_helper_the_daemon_looks_nothing_up() {
    let (lab, keys) = (Lab::new(), keygen());
    let server = lab.name_server(KNOWN);
    let daemon = lab.daemon_with_names(&config(&keys, NAMES), HOSTS);
    ask(&lab, &keys, "hang.example");
    server.wait_asked("hang.example");
    let helper = i32::try_from(helper(&daemon)).ok().and_then(Pid::from_raw).expect("a process");
    kill_process(helper, Signal::KILL).expect("kill the helper");
    wait_refusal(&daemon, "nat_unresolved", "hang.example: the helper process has ended; restart the service", SOON);
    ask(&lab, &keys, "nas.lan.example");
    wait_refusal(&daemon, "nat_unresolved", "nas.lan.example: the helper process", SOON);
    lab.knock(&keys, &["-A", "tcp/22", "-a", "203.0.113.2"]);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
    // The state file is written in the second after a grant.
    std::thread::sleep(Duration::from_millis(1500));
    let before = context_switches(daemon.pid());
    std::thread::sleep(Duration::from_millis(1500));
    assert!(context_switches(daemon.pid()) - before < 5, "a daemon whose helper is gone sleeps");
    daemon.stop();
}

#[test]
fn names_are_off_by_default_and_need_no_helper_then() {
    let (lab, keys) = (Lab::new(), keygen());
    let server = lab.name_server(KNOWN);
    let daemon = lab.daemon_with_names(&config(&keys, ""), HOSTS);
    assert_eq!(children(daemon.pid()), [0; 0]);
    ask(&lab, &keys, "nas.example");
    wait_refusal(&daemon, "nat_name", "203.0.113.2", SOON);
    assert_eq!(server.asked(), [""; 0]);
    daemon.stop();
}

#[test]
fn the_helper_looks_up_names_and_only_where_it_may() {
    let ready = |looks_up| format!(r#"["ready","INFO","0","{}"]"#, u8::from(looks_up));
    let look = |name: &str| format!(r#"["look","3","{name}"]"#);
    for (messages, answer) in [
        (vec![look("localhost")], None),
        (vec![ready(false), look("localhost")], None),
        (vec![ready(true), look("no/name")], Some(r#"["3"]"#)),
        (vec![ready(true), look("--help")], Some(r#"["3"]"#)),
        (vec![ready(true), look("localhost")], Some("127.0.0.1")),
    ] {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("two sockets");
        let start = |theirs| Command::new(program()).arg("run-helper").stdin(theirs).stderr(Stdio::null()).spawn();
        let mut helper = start(Stdio::from(theirs)).expect("a helper");
        for message in &messages {
            // One that has gone already cannot be told any more.
            let _ = send(&ours, message.as_bytes(), SendFlags::NOSIGNAL);
        }
        let mut room = [0; 2048];
        let length = recv(&ours, &mut room[..], RecvFlags::empty()).map_or(0, |(length, _)| length);
        let said = String::from_utf8_lossy(room.get(..length).unwrap_or_default()).into_owned();
        match answer {
            Some(answer) => assert!(said.contains(answer), "{messages:?}: {said}"),
            None => assert_eq!(said, "", "{messages:?}"),
        }
        drop(ours);
        assert_eq!(helper.wait().expect("its end").success(), answer.is_some(), "{messages:?}");
    }
}
