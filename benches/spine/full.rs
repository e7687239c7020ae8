//! A full house: what a grant costs in each shape, and how the daemon does with ten thousand of them living.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use serde_json::json;
use spa_knockd::access::{Forward, Grant, Opening, Snat};
use spa_knockd::config::FirewallMode;
use spa_knockd::control::client::{Client, good};
use spa_knockd::daemon::clock::since_boot;
use spa_knockd::firewall::{Firewall, Guard};
use spa_knockd::net::{Port, Prefix, Proto};

use crate::lab::{Lab, Place, events};
use crate::packets::{self, Sender};
use crate::{percentile, server, show};

/// Grants that live at once.
const LIVING: u16 = 10_000;
/// Grants that each shape is measured with.
const GRANTS: u16 = 2_000;
/// How often the daemon is asked, and knocked at.
const TIMES: u16 = 200;

/// Measures and prints the table.
pub(crate) fn report() {
    let lab = Lab::new();
    let (input, dnat, masqueraded) = lab.within(Place::Router, || {
        // The first pass warms the caches.
        shape(|host| grant(host, None));
        (
            shape(|host| grant(host, None)),
            shape(|host| grant(host, Some(None))),
            shape(|host| grant(host, Some(Some(Snat::Masquerade)))),
        )
    });
    println!("| with a full house | goal | spa-knockd |\n|---|---|---|");
    println!("| making an input grant true, median | | {} |", show(input));
    let ratio = |time: Duration| time.as_secs_f64() / input.as_secs_f64();
    println!("| … with destination NAT | ≤ 2 × input | {} ({:.1} ×) |", show(dnat), ratio(dnat));
    println!("| … and masqueraded | | {} ({:.1} ×) |", show(masqueraded), ratio(masqueraded));
    drop(lab);
    let (status, knock) = ten_thousand();
    println!("| status, {LIVING} living grants, median | ≤ 50 ms | {} |", show(status));
    println!("| knock → port open, {LIVING} living grants, median | ≤ 1 ms | {} |", show(knock));
    println!("| reload, 64 stanzas, median | ≤ 50 ms | {} |", show(reload()));
}

/// A grant for one of many hosts; with a forward where one is asked for.
fn grant(host: u16, forward: Option<Option<Snat>>) -> Grant {
    let [high, low] = host.to_be_bytes();
    let source = IpAddr::V4(Ipv4Addr::new(198, 18, high, low));
    let number = NonZeroU16::MIN.saturating_add(21);
    let opening =
        Opening { source: Prefix::single(source), destination: None, port: Port { proto: Proto::Tcp, number } };
    let to = SocketAddr::from(([192, 168, 77, 10], 22));
    let way = |snat| Forward { source, proto: Proto::Tcp, outside: Some(number), to, all: false, snat };
    Grant {
        access: "bench".into(),
        openings: if forward.is_none() { vec![opening] } else { Vec::new() },
        forwards: forward.map(way).into_iter().collect(),
        command: None,
        timeout: 3600,
    }
}

/// The median time of making a grant true, over many hosts.
fn shape(grant: impl Fn(u16) -> Grant) -> Duration {
    let mut firewall = standalone();
    let mut times: Vec<Duration> = (0..GRANTS)
        .map(|host| {
            let (grant, start) = (grant(host), Instant::now());
            firewall.grant(&grant, since_boot()).expect("a grant");
            start.elapsed()
        })
        .collect();
    firewall.revoke(None, None, since_boot()).expect("an empty house");
    times.sort_unstable();
    percentile(&times, 50)
}

fn standalone() -> Firewall {
    let guard = Guard { interfaces: vec!["wan".to_owned()], protect: Vec::new() };
    Firewall::open(FirewallMode::Standalone, Some(guard), since_boot()).expect("the firewall")
}

/// The medians of asking for the status and of a knock, while very many grants live.
fn ten_thousand() -> (Duration, Duration) {
    let lab = Lab::new();
    lab.within(Place::Router, || {
        let mut firewall = standalone();
        (0..LIVING).for_each(|host| firewall.grant(&grant(host, None), since_boot()).expect("a grant"));
    });
    let server = server::spa_knockd(&lab, 1);
    let mut client = Client::connect(&lab.run_dir().join("control.sock")).expect("the control socket");
    let mut status: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let start = Instant::now();
            let reply = good(client.ask(&json!({"v": 1, "request": "status"})).expect("a reply")).expect("a status");
            assert!(reply.get("grants").and_then(serde_json::Value::as_u64) >= Some(LIVING.into()), "{reply}");
            start.elapsed()
        })
        .collect();
    let (watcher, sender) = (lab.watch(), Sender::new(&lab));
    let mut knocks: Vec<Duration> = (10_000..10_000 + TIMES)
        .map(|port| {
            let knock = packets::knock(server.keys(), port);
            std::thread::sleep(Duration::from_millis(10));
            watcher.drain();
            let sent = Instant::now();
            sender.send(&knock);
            watcher.wait(events::NEW_ELEMENT, Duration::from_secs(5)).expect("an open port").duration_since(sent)
        })
        .collect();
    status.sort_unstable();
    knocks.sort_unstable();
    (percentile(&status, 50), percentile(&knocks, 50))
}

/// The median time of reading a configuration of 64 stanzas again.
fn reload() -> Duration {
    let lab = Lab::new();
    let _server = server::spa_knockd(&lab, 64);
    std::os::unix::fs::chown(lab.config_file(), Some(65534), Some(65534)).expect("chown");
    let mut client = Client::connect(&lab.run_dir().join("control.sock")).expect("the control socket");
    let mut times: Vec<Duration> = (0..TIMES / 10)
        .map(|_| {
            let start = Instant::now();
            good(client.ask(&json!({"v": 1, "request": "reload"})).expect("a reply")).expect("a reload");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    percentile(&times, 50)
}
