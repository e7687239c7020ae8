//! A million knocks, honoured and refused: what they leave behind in the daemon, which must be nothing.
//!
//! Run it with `make bench-soak`. It prints the table of docs/reliability.md.
#![expect(clippy::print_stdout, reason = "the table is the result")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot measure ends with its words")]
#![expect(clippy::indexing_slicing, reason = "a benchmark that cannot measure ends with its words")]

#[path = "../../tests/lab/mod.rs"]
mod lab;
#[allow(dead_code, reason = "the other benchmarks use the rest")]
#[path = "../spine/meter.rs"]
mod meter;
#[allow(dead_code, reason = "the other benchmarks use the rest")]
#[path = "../spine/packets.rs"]
mod packets;
#[allow(dead_code, reason = "the other benchmarks use the rest")]
#[path = "../spine/server.rs"]
mod server;
mod traffic;

use std::time::Instant;

use traffic::{Plan, Sample, Soak};

/// Packets between two rows, and rows.
const STEP: u32 = 100_000;
const STEPS: u32 = 10;

fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        // `cargo test --benches` only wants to know that this builds.
        return;
    }
    let start = Instant::now();
    let mut soak = Soak::new(Plan { pace: 3_000, batch: 5_000, max_age: 5 });
    println!(
        "| packets | honoured | replay | hmac | port_not_allowed | too_old | others | kernel drops | own memory | \
         libraries | descriptors | threads | CPU | journal | state file | remembered | living |"
    );
    println!("|{}", "---|".repeat(17));
    let rows: Vec<Sample> = (0..STEPS)
        .map(|_| {
            soak.send(STEP);
            let sample = soak.sample();
            row(&sample);
            sample
        })
        .collect();
    let (first, last) = rows.first().zip(rows.last()).expect("two rows");
    println!(
        "\nFrom {} to {} packets, the daemon's own memory grew by {} KiB, its descriptors by {}. Measured on {}, \
         in {:.0} s.",
        first.sent.all,
        last.sent.all,
        i64::from(last.memory.own) - i64::from(first.memory.own),
        i128::from(u64::try_from(last.descriptors).expect("a count"))
            - i128::from(u64::try_from(first.descriptors).expect("a count")),
        meter::machine(),
        start.elapsed().as_secs_f64()
    );
}

fn row(sample: &Sample) {
    let refused = sample.status["refused"].as_object().expect("counts by reason");
    let named = ["replay", "hmac", "port_not_allowed", "too_old"];
    let others: u64 = refused
        .iter()
        .filter(|(reason, _)| !named.contains(&reason.as_str()))
        .map(|(_, count)| count.as_u64().expect("a count"))
        .sum();
    let by_reason: String = named.iter().map(|reason| format!("{} | ", refused[*reason])).collect();
    println!(
        "| {} | {} | {by_reason}{others} | {} | {} KiB | {} KiB | {} | {} | {:.1} s | {} KiB | {} B | {} | {} |",
        sample.sent.all,
        sample.count("/honoured"),
        sample.count("/devices/0/dropped"),
        sample.memory.own,
        sample.memory.libraries,
        sample.descriptors,
        sample.threads,
        sample.cpu.as_secs_f64(),
        sample.journal / 1024,
        sample.state,
        sample.count("/remembered"),
        sample.count("/grants"),
    );
}
