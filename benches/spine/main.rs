//! From the knock on the wire to the open port, and what strangers cost: spa-knockd beside fwknopd.
//!
//! Run it with `make bench`. It prints a table in Markdown; the goals are those of the project.
#![expect(clippy::print_stdout, reason = "the table is the result")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot measure ends with its words")]

mod full;
#[path = "../../tests/lab/mod.rs"]
mod lab;
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod meter;
mod packets;
mod server;

use std::thread;
use std::time::{Duration, Instant};

use lab::Lab;
use meter::{Memory, Meter};
use packets::Sender;
use server::Server;

/// What one server did.
struct Result {
    median: Duration,
    p99: Duration,
    knocks: usize,
    cpu_per_knock: Duration,
    /// For each number of stanzas, CPU per packet and the share of one CPU that was used.
    junk: Vec<(Duration, f64)>,
    memory: Memory,
    wakeups: u64,
}

/// Stanzas in the configuration, and the pace of junk in packets per second: what is measured is
/// the cost of a packet, so the pace leaves the CPU time to spare.
const JUNK: [(usize, u32); 3] = [(1, 20_000), (10, 20_000), (100, 4_000)];
/// The same for fwknopd, which takes at most about a thousand packets a second and drops the others.
const SLOW_JUNK: [(usize, u32); 3] = [(1, 500), (10, 500), (100, 500)];
const JUNK_TIME: Duration = Duration::from_millis(2500);
const IDLE_TIME: Duration = Duration::from_secs(5);

fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        // `cargo test --benches` only wants to know that this builds.
        return;
    }
    let ours = measure(server::spa_knockd, 1000, &JUNK);
    // A knock takes fwknopd about a tenth of a second; thirty tell enough.
    let theirs = measure(server::fwknopd, 30, &SLOW_JUNK);
    report(&ours, &theirs);
    println!();
    full::report();
}

/// Measures one server in labs of its own.
fn measure(start: fn(&Lab, usize) -> Server, knocks: usize, junk: &[(usize, u32)]) -> Result {
    let lab = Lab::new();
    let server = start(&lab, 1);
    let meter = Meter::new(server.pid());
    let sender = Sender::new(&lab);
    let memory = meter.memory();
    let before = meter.wakeups();
    thread::sleep(IDLE_TIME);
    let wakeups = meter.wakeups() - before;

    let before = meter.cpu();
    let mut times = latencies(&lab, &server, &sender, knocks);
    let cpu_per_knock = (meter.cpu() - before) / u32::try_from(knocks).expect("a small number");
    times.sort_unstable();
    drop(server);

    Result {
        median: percentile(&times, 50),
        p99: percentile(&times, 99),
        knocks,
        cpu_per_knock,
        junk: junk.iter().map(|&(stanzas, pace)| stranger(start, stanzas, pace)).collect(),
        memory,
        wakeups,
    }
}

/// The time from sending each knock to the kernel's word that the door is open.
fn latencies(lab: &Lab, server: &Server, sender: &Sender, knocks: usize) -> Vec<Duration> {
    let watcher = lab.watch();
    let ports = 10_000..;
    ports
        .take(knocks)
        .map(|port| {
            let knock = packets::knock(server.keys(), port);
            // Let everything fall asleep again, as it is when somebody knocks.
            thread::sleep(Duration::from_millis(10));
            watcher.drain();
            let sent = Instant::now();
            sender.send(&knock);
            let opened = watcher.wait(server.event(), Duration::from_secs(5));
            opened.expect("a knock opened nothing").duration_since(sent)
        })
        .collect()
}

/// What a packet costs that looks like a knock and has no right HMAC.
fn stranger(start: fn(&Lab, usize) -> Server, stanzas: usize, pace: u32) -> (Duration, f64) {
    let lab = Lab::new();
    let server = start(&lab, stanzas);
    let meter = Meter::new(server.pid());
    let sender = Sender::new(&lab);
    thread::sleep(Duration::from_millis(200));
    let (before, start) = (meter.cpu(), Instant::now());
    let sent = sender.junk(pace, JUNK_TIME);
    // What still waits in the ring is judged too.
    thread::sleep(Duration::from_millis(100));
    let (cpu, time) = (meter.cpu() - before, start.elapsed());
    (cpu / sent, cpu.as_secs_f64() / time.as_secs_f64())
}

/// The smallest value that at least so many per cent of the sorted values do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn report(ours: &Result, theirs: &Result) {
    println!("Measured on {}.\n", meter::machine());
    println!("| what | goal | spa-knockd | fwknopd | fwknopd ÷ spa-knockd |");
    println!("|---|---|---|---|---|");
    let row = |what: &str, goal: &str, ours: String, theirs: String, ratio: f64| {
        println!("| {what} | {goal} | {ours} | {theirs} | {ratio:.1} |");
    };
    let time = |what: &str, goal: &str, ours: Duration, theirs: Duration| {
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        row(what, goal, show(ours), show(theirs), ratio);
    };
    time("knock → port open, median", "≤ 1 ms, ratio ≥ 100", ours.median, theirs.median);
    time("knock → port open, p99", "≤ 5 ms", ours.p99, theirs.p99);
    time("CPU per honoured knock", "≤ 0.2 ms", ours.cpu_per_knock, theirs.cpu_per_knock);
    for (((&(stanzas, pace), &(_, slow)), goal), (ours, theirs)) in
        JUNK.iter().zip(&SLOW_JUNK).zip(["≤ 2 µs", "≤ 8 µs", "≤ 70 µs"]).zip(ours.junk.iter().zip(&theirs.junk))
    {
        let load = |(cost, share): &(Duration, f64), pace: u32| {
            format!("{} ({:.0} % CPU at {pace}/s)", show(*cost), share * 100.0)
        };
        row(
            &format!("CPU per junk packet, stanzas: {stanzas}"),
            goal,
            load(ours, pace),
            load(theirs, slow),
            theirs.0.as_secs_f64() / ours.0.as_secs_f64(),
        );
    }
    let memory = |what: &str, goal: &str, choose: fn(&Memory) -> u32| {
        let [ours, theirs] = [&ours.memory, &theirs.memory].map(|memory| f64::from(choose(memory)) * 1024.0 / 1e6);
        row(what, goal, format!("{ours:.2} MB"), format!("{theirs:.2} MB"), theirs / ours);
    };
    memory("resident memory without capture rings", "≤ 2 MB", |memory| memory.own + memory.libraries);
    memory("… of it the host's shared libraries", "", |memory| memory.libraries);
    memory("resident capture rings", "stated", |memory| memory.rings);
    println!("| wake-ups in {} idle s | 0 | {} | {} | |", IDLE_TIME.as_secs(), ours.wakeups, theirs.wakeups);
    println!(
        "\n{} and {} knocks; the p99 of few knocks is the slowest. A port counts as open when the \
         kernel reports the new element (spa-knockd) or rule (fwknopd) on its nftables events. CPU \
         is user and system time of the process and of the children it waited for, divided by the \
         packets sent; a share near 100 % would mean that packets were dropped unseen. Memory is \
         the sum of `Rss` in /proc/PID/smaps; the rings are the mappings of sockets.",
        ours.knocks, theirs.knocks
    );
}

fn show(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 100.0 { format!("{micros:.2} µs") } else { format!("{:.3} ms", micros / 1e3) }
}
