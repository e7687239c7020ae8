//! Many knocks, honoured and refused, leave nothing behind; `make bench-soak` sends a million.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod lab;
#[allow(dead_code, reason = "the benchmarks use the rest")]
#[path = "../benches/spine/meter.rs"]
mod meter;
#[allow(dead_code, reason = "the benchmarks use the rest")]
#[path = "../benches/spine/packets.rs"]
mod packets;
#[allow(dead_code, reason = "the benchmarks use the rest")]
#[path = "../benches/spine/server.rs"]
mod server;
#[allow(dead_code, reason = "the benchmark uses the rest")]
#[path = "../benches/soak/traffic.rs"]
mod traffic;

use std::time::Duration;

use lab::wait_for;
use traffic::{Plan, Soak};

/// What the daemon's own memory may grow by, in KiB, once it is warm.
const GROWTH: u32 = 512;

#[test]
fn many_knocks_leave_nothing_behind() {
    let mut soak = Soak::new(Plan { pace: 2_000, batch: 500, max_age: 3 });
    soak.send(10_000);
    let warm = soak.sample();
    soak.send(10_000);
    let after = soak.sample();
    let grown = after.memory.own.saturating_sub(warm.memory.own);
    assert!(grown <= GROWTH, "{grown} KiB more after 10000 packets more");
    wait_for("the descriptors and threads of before", Duration::from_secs(10), || {
        let now = soak.sample();
        ((now.descriptors, now.threads) == (warm.descriptors, warm.threads)).then_some(())
    });
    assert!(after.journal < 4 * 1024 * 1024 && after.state < 4096, "{} and {} bytes", after.journal, after.state);

    // No knock opened twice, and each opened unless the machine was too busy to look at it in time.
    let refused = |reason: &str| after.status["refused"][reason].as_u64().expect("a count");
    let (fresh, late) = (u64::from(after.sent.fresh), refused("too_old").saturating_sub(after.sent.stale.into()));
    let (honoured, dropped) = (after.count("/honoured"), after.count("/devices/0/dropped"));
    assert!((fresh.saturating_sub(late + dropped)..=fresh).contains(&honoured), "{}", after.status);
    for reason in ["replay", "hmac", "port_not_allowed", "too_old"] {
        assert!(refused(reason) > 0, "{}", after.status);
    }
    wait_for("end of all grants", Duration::from_secs(10), || soak.lab.elements().is_empty().then_some(()));
    assert_eq!(soak.sample().count("/grants"), 0);
}
