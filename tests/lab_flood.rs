//! Knocks among strangers: whatever junk comes between them all open, and the junk costs nothing that lasts.
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

use std::collections::BTreeMap;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use lab::flood::{Flood, Junk};
use lab::{Lab, wait_for};
use meter::Meter;
use packets::Sender;
use serde_json::Value;
use server::Server;

/// Knocks under each kind of junk.
const KNOCKS: u16 = 100;
/// How long they take, and the flood around them.
const TIME: Duration = Duration::from_secs(2);
/// How long a busy machine may take over what follows a flood.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the daemon's own memory may grow by, in KiB, over several floods.
const GROWTH: u32 = 512;
/// The door of the knock that is replayed.
const FIRST: u16 = 9;

/// What the daemon counted.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    received: u64,
    dropped: u64,
    honoured: u64,
    refused: BTreeMap<String, u64>,
}

/// A daemon under fire.
struct Scene {
    lab: Lab,
    server: Server,
    sender: Sender,
    /// A knock that was honoured.
    genuine: Vec<u8>,
}

impl Scene {
    fn new(stanzas: usize) -> Self {
        let lab = Lab::new();
        let server = server::spa_knockd(&lab, stanzas);
        let sender = Sender::new(&lab);
        let genuine = packets::knock(server.keys(), FIRST);
        sender.send(&genuine);
        let scene = Self { lab, server, sender, genuine };
        wait_for("the first door", PATIENCE, || (scene.doors() == [FIRST]).then_some(()));
        scene
    }

    /// The ports that are open, all to the friend, in their order.
    fn doors(&self) -> Vec<u16> {
        let elements = self.lab.elements();
        assert!(elements.iter().all(|element| element.set == "spa_in4_v1" && element.key[0] == "203.0.113.2"));
        let mut ports: Vec<u16> = elements.iter().map(|element| element.key[2].parse().expect("a port")).collect();
        ports.sort_unstable();
        ports
    }

    /// What was counted, once every captured packet has been judged.
    fn counts(&self) -> Counts {
        let mut last = None;
        let counts = wait_for("end of the judging", PATIENCE, || {
            // Before each answer there was a look at the captures, so what is twice the same is all.
            let now = self.ask();
            let is_all = last.as_ref() == Some(&now);
            last.replace(now).filter(|_| is_all)
        });
        let judged = counts.honoured + counts.refused.values().sum::<u64>() + counts.dropped;
        // What the devices of the lab say to IPv6 groups by themselves passes the kernel's filter and is no packet of ours.
        assert!((judged..judged + 32).contains(&counts.received), "{counts:?}");
        counts
    }

    fn ask(&self) -> Counts {
        let status = self.lab.asked(&["status"]);
        let count = |pointer: &str| status.pointer(pointer).and_then(Value::as_u64).expect("a count");
        Counts {
            received: count("/devices/0/received"),
            dropped: count("/devices/0/dropped"),
            honoured: count("/honoured"),
            refused: serde_json::from_value(status["refused"].clone()).expect("counts by reason"),
        }
    }

    /// Knocks at these ports, evenly, while the flood runs.
    fn knock_amid(&self, flood: &mut Flood, pace: u32, ports: Range<u16>) {
        let knocks: Vec<_> = ports.map(|port| packets::knock(self.server.keys(), port)).collect();
        thread::scope(|scope| {
            let flooding = scope.spawn(|| flood.run(pace, TIME));
            let begin = Instant::now();
            for (number, knock) in (0..).zip(&knocks) {
                thread::sleep((TIME * number / u32::from(KNOCKS)).saturating_sub(begin.elapsed()));
                self.sender.send(knock);
            }
            flooding.join().expect("the flood");
        });
    }

    /// One flood with knocks in it. Only what the kernel had no room for may need a second knock.
    fn flood(&self, junk: Junk, pace: u32, first: u16) {
        self.lab.asked(&["revoke", "--all"]);
        assert_eq!(self.doors(), [0; 0]);
        let before = self.counts();
        let mut flood = Flood::new(&self.lab, junk, &self.genuine);
        self.knock_amid(&mut flood, pace, first..first + KNOCKS);

        let after = self.counts();
        let (open, dropped) = (self.doors(), after.dropped - before.dropped);
        let ports: Vec<u16> = (first..first + KNOCKS).collect();
        assert!(open.iter().all(|port| ports.contains(port)), "{junk:?}: {open:?} is open");
        let missed: Vec<u16> = ports.iter().copied().filter(|port| !open.contains(port)).collect();
        let lost = u64::try_from(missed.len()).expect("a count");
        assert!(lost <= dropped, "{junk:?}: {lost} knocks opened nothing, {dropped} frames found no room");
        assert_eq!(after.honoured - before.honoured, u64::from(KNOCKS) - lost, "{junk:?}");
        for (reason, count) in &after.refused {
            let is_ours = reason == expected(junk);
            assert!(is_ours || *count == before.refused[reason], "{junk:?}: {before:?}, {after:?}");
        }
        let refused = after.refused[expected(junk)] - before.refused[expected(junk)];
        assert!(refused > 0, "{junk:?}: nothing arrived");

        let mut again = Instant::now();
        wait_for("the doors that were missed", PATIENCE, || {
            let open = self.doors();
            if Instant::now() >= again {
                let missed = ports.iter().filter(|port| !open.contains(port));
                missed.for_each(|port| self.sender.send(&packets::knock(self.server.keys(), *port)));
                again += Duration::from_secs(2);
            }
            (open == ports).then_some(())
        });
    }

    /// Lines of the log but those about what was opened.
    fn lines(&self) -> usize {
        self.server.daemon.log().lines().filter(|line| !line.contains("grant ")).count()
    }
}

/// The one reason for which this junk is refused.
fn expected(junk: Junk) -> &'static str {
    match junk {
        Junk::Replay => "replay",
        // What is too short for a knock, the kernel keeps back.
        Junk::WrongHmac | Junk::WrongLength | Junk::Spoofed | Junk::OverV6 => "hmac",
    }
}

/// Every kind of junk at this pace; the first warms the daemon up.
fn every_kind(stanzas: usize, pace: u32) {
    let scene = Scene::new(stanzas);
    let meter = Meter::new(scene.server.pid());
    let held = || (meter.descriptors(), meter.threads());
    let before = held();
    let mut firsts = (10_000..).step_by(usize::from(KNOCKS));
    let mut flood = |junk| scene.flood(junk, pace, firsts.next().expect("a port"));
    let [first, rest @ ..] = Junk::ALL;
    flood(first);
    let (start, memory, lines) = (Instant::now(), meter.memory().own, scene.lines());
    rest.into_iter().for_each(&mut flood);
    let grown = meter.memory().own.saturating_sub(memory);
    assert!(grown <= GROWTH, "{grown} KiB more than after the first flood");
    wait_for("the descriptors and threads of before", PATIENCE, || (held() == before).then_some(()));
    // Each flood begins with a revocation. Replays may have ten lines in one go and then one in six seconds; junk, two
    // in a minute.
    let time = usize::try_from(start.elapsed().as_secs()).expect("seconds");
    let most = rest.len() + 10 + (time / 6 + 1) + 2 * (time / 60 + 1);
    let said = scene.lines() - lines;
    assert!(said <= most, "{said} lines, where {most} are allowed:\n{}", scene.server.daemon.log());
}

#[test]
fn with_one_stanza_all_knocks_open_under_every_kind_of_junk() {
    every_kind(1, 3_000);
}

#[test]
fn with_a_hundred_stanzas_all_knocks_open_under_every_kind_of_junk() {
    every_kind(100, 300);
}
