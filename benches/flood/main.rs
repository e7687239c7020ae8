//! Knocks among strangers: how many of a thousand still open while somebody floods the knock port.
//!
//! Run it with `make bench-flood`. It prints the tables of docs/reliability.md.
#![expect(clippy::print_stdout, reason = "the table is the result")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot measure ends with its words")]

#[path = "../../tests/lab/mod.rs"]
mod lab;
#[allow(dead_code, reason = "the other benchmark uses the rest")]
#[path = "../spine/meter.rs"]
mod meter;
#[allow(dead_code, reason = "the other benchmark uses the rest")]
#[path = "../spine/packets.rs"]
mod packets;
#[allow(dead_code, reason = "the other benchmark uses the rest")]
#[path = "../spine/server.rs"]
mod server;

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use lab::flood::{Flood, Junk};
use lab::{Lab, Place};
use meter::Meter;
use packets::Sender;
use server::Server;

/// The first port that a knock asks for.
const FIRST_PORT: u16 = 10_000;

/// One row.
struct Case {
    stanzas: usize,
    junk: Junk,
    /// Packets a second.
    pace: u32,
    knocks: u16,
    time: Duration,
}

/// What came of it.
struct Outcome {
    opened: usize,
    sent: u32,
    time: Duration,
    cpu: Duration,
    dropped: Option<u64>,
    grown: i64,
    lines: usize,
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    if !std::env::args().any(|arg| arg == "--bench") {
        // `cargo test --benches` only wants to know that this builds.
        return;
    }
    let only = args.next();
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("ours") {
        ours();
    }
    if wanted("beside") {
        beside();
    }
}

/// The goals of the project, and beyond them.
fn ours() {
    println!(
        "| stanzas | junk | asked, packets/s | sent, packets/s | knocks opened | kernel drops | CPU | memory | log lines |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let goals = [(1, 100_000), (10, 50_000), (100, 8_000)];
    let goals = goals.into_iter().flat_map(|(stanzas, pace)| Junk::ALL.map(|junk| (stanzas, junk, pace)));
    let beyond = [(1, Junk::WrongHmac, 200_000), (10, Junk::WrongHmac, 100_000), (100, Junk::WrongHmac, 16_000)];
    for (stanzas, junk, pace) in goals.chain(beyond) {
        let case = Case { stanzas, junk, pace, knocks: 1000, time: Duration::from_secs(10) };
        let outcome = measure(server::spa_knockd, &case);
        println!(
            "| {stanzas} | {} | {pace} | {:.0} | {} of {} | {} | {:.0} % | {:+} KiB | {} |",
            junk.words(),
            f64::from(outcome.sent) / outcome.time.as_secs_f64(),
            outcome.opened,
            case.knocks,
            outcome.dropped.map_or("?".to_owned(), |dropped| dropped.to_string()),
            outcome.cpu.as_secs_f64() / outcome.time.as_secs_f64() * 100.0,
            outcome.grown,
            outcome.lines,
        );
    }
}

/// The same few knocks at both servers, one stanza.
fn beside() {
    println!("\n| junk, packets/s | spa-knockd: knocks opened | fwknopd: knocks opened |");
    println!("|---|---|---|");
    for pace in [0, 500, 2_000, 20_000] {
        let case = Case { stanzas: 1, junk: Junk::WrongHmac, pace, knocks: 20, time: Duration::from_secs(10) };
        let [ours, theirs] = [server::spa_knockd, server::fwknopd].map(|start| measure(start, &case).opened);
        println!("| {pace} | {ours} of {} | {theirs} of {} |", case.knocks, case.knocks);
    }
    println!("\nMeasured on {}.", meter::machine());
}

/// Knocks evenly while the flood runs.
fn measure(start: fn(&Lab, usize) -> Server, case: &Case) -> Outcome {
    let lab = Lab::new();
    let server = start(&lab, case.stanzas);
    let meter = Meter::new(server.pid());
    let sender = Sender::new(&lab);
    let first = packets::knock(server.keys(), 9);
    sender.send(&first);
    thread::sleep(Duration::from_secs(1));
    let mut flood = Flood::new(&lab, case.junk, &first);
    let ports = FIRST_PORT..FIRST_PORT + case.knocks;
    let knocks: Vec<_> = ports.map(|port| packets::knock(server.keys(), port)).collect();
    let (memory, cpu, lines) = (meter.memory().own, meter.cpu(), log_lines(&server));
    let (sent, time) = thread::scope(|scope| {
        let flooding = scope.spawn(|| flood.run(case.pace, case.time));
        // The flood is at its height from the first knock to the last.
        thread::sleep(Duration::from_millis(200));
        let begin = Instant::now();
        let last = case.time.saturating_sub(Duration::from_millis(400));
        for (number, knock) in (0..).zip(&knocks) {
            let due = last * number / u32::from(case.knocks);
            thread::sleep(due.saturating_sub(begin.elapsed()));
            sender.send(knock);
        }
        flooding.join().expect("the flood")
    });
    thread::sleep(Duration::from_secs(1));
    let grown = i64::from(meter.memory().own) - i64::from(memory);
    let opened = opened(&lab);
    Outcome {
        opened,
        sent,
        time,
        cpu: meter.cpu() - cpu,
        dropped: dropped(&lab),
        grown,
        lines: log_lines(&server) - lines,
    }
}

/// How many of the ports are open.
fn opened(lab: &Lab) -> usize {
    let elements = lab.elements().into_iter().filter(|element| element.set == "spa_in4_v1");
    let ports = elements.filter_map(|element| element.key.last()?.parse::<u16>().ok());
    let ours = ports.filter(|port| *port >= FIRST_PORT).count();
    // fwknopd writes rules, whose last words name the port.
    let out = lab.command(Place::Router, "iptables", &["-S", "FWKNOP_INPUT"]).output().expect("iptables");
    let rules = String::from_utf8_lossy(&out.stdout).lines().filter(|line| line.contains("--dport 1")).count();
    ours + rules
}

/// Frames that found no room in the capture ring, where the server can be asked.
fn dropped(lab: &Lab) -> Option<u64> {
    let out = lab.ask(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&out.stdout).ok()?;
    status.pointer("/devices/0/dropped")?.as_u64()
}

/// Lines of the log but those about what was opened.
fn log_lines(server: &Server) -> usize {
    server.daemon.log().lines().filter(|line| !line.contains("grant ")).count()
}
