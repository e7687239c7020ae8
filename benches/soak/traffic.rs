//! A daemon under lasting traffic: knocks that it honours among knocks that it refuses for each kind of reason, and what
//! that costs it.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spa_knockd::control::client::{Client, good};
use spa_knockd::knock::fwknop::keygen;
use spa_knockd::knock::fwknop::keys::{DigestType, KeySet};

use crate::lab::Lab;
use crate::lab::daemon::Daemon;
use crate::lab::disk::Tmpfs;
use crate::meter::{Memory, Meter};
use crate::packets::{self, Sender};
use crate::server;

/// How long the grants live, in seconds: short, so that as many end as begin.
const TIMEOUT: u32 = 2;
/// How old a stale knock is, in seconds.
const STALE: u64 = 60;
/// How long the daemon may take to judge what was sent since the last question.
const PATIENCE: Duration = Duration::from_secs(30);

/// One turn of the traffic: two in five are honoured.
const MIX: [Kind; 10] = [
    Kind::Fresh,
    Kind::Replayed,
    Kind::Fresh,
    Kind::WrongHmac,
    Kind::Fresh,
    Kind::OtherPort,
    Kind::Fresh,
    Kind::Replayed,
    Kind::WrongHmac,
    Kind::Stale,
];

#[derive(Clone, Copy)]
enum Kind {
    /// Another knock each time, for another source each time.
    Fresh,
    /// The last fresh one once more.
    Replayed,
    /// The last fresh one, changed.
    WrongHmac,
    /// Genuine, for a port that the stanza does not open.
    OtherPort,
    /// Genuine, and too old.
    Stale,
}

/// What a run is like.
pub(crate) struct Plan {
    /// Packets a second, as far as the daemon keeps up.
    pub(crate) pace: u32,
    /// After how many packets it is asked whether it does: fewer than the replay memory has room for.
    pub(crate) batch: u32,
    /// The option, in seconds: the replay memory holds what is honoured or refused by policy within it.
    pub(crate) max_age: u32,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) all: u32,
    pub(crate) fresh: u32,
    pub(crate) stale: u32,
}

/// How the daemon does.
pub(crate) struct Sample {
    pub(crate) sent: Sent,
    pub(crate) status: Value,
    pub(crate) memory: Memory,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    pub(crate) cpu: Duration,
    /// Sizes in bytes.
    pub(crate) journal: u64,
    pub(crate) state: u64,
}

impl Sample {
    /// A count of the status.
    pub(crate) fn count(&self, pointer: &str) -> u64 {
        count(&self.status, pointer)
    }
}

/// A daemon and who sends to it.
pub(crate) struct Soak {
    plan: Plan,
    keys: KeySet,
    sender: Sender,
    sent: Sent,
    fresh: Vec<u8>,
    daemon: Daemon,
    _run_dir: Tmpfs,
    pub(crate) lab: Lab,
}

impl Soak {
    pub(crate) fn new(plan: Plan) -> Self {
        let lab = Lab::new();
        let keys = keygen::generate(DigestType::Sha256).expect("keys");
        let config = format!(
            "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n\toption firewall 'standalone'\n\
             \toption max_age '{}'\n\nconfig access 'alice'\n{}\tlist open 'tcp/22'\n\toption timeout '{TIMEOUT}'\n",
            plan.max_age,
            server::texts(&keys).uci()
        );
        let run_dir = server::in_memory(lab.run_dir());
        let daemon = lab.daemon(&config);
        let sender = Sender::new(&lab);
        Self { plan, keys, sender, sent: Sent::default(), fresh: Vec::new(), daemon, _run_dir: run_dir, lab }
    }

    /// Sends so many packets and waits until they are judged.
    pub(crate) fn send(&mut self, packets: u32) {
        let until = self.sent.all + packets;
        while self.sent.all < until {
            let batch = self.plan.batch.min(until - self.sent.all);
            let (first, begin) = (self.sent.all, Instant::now());
            while self.sent.all - first < batch {
                let due = Duration::from_secs((self.sent.all - first).into()) / self.plan.pace;
                thread::sleep(due.saturating_sub(begin.elapsed()));
                for _ in 0..(self.plan.pace / 1000).max(1) {
                    self.send_one();
                }
            }
            self.wait_judged();
        }
    }

    fn send_one(&mut self) {
        let number = self.sent.all;
        let kind = MIX[usize::try_from(number).expect("a count") % MIX.len()];
        let knock = |timestamp, port| {
            let [_, a, b, c] = number.to_be_bytes();
            packets::packet(&self.keys, timestamp, format!("10.{a}.{b}.{c},tcp/{port}"))
        };
        let now = packets::now();
        match kind {
            Kind::Fresh => {
                self.fresh = knock(now, 22);
                self.sender.send(&self.fresh);
                self.sent.fresh += 1;
            }
            Kind::Replayed => self.sender.send(&self.fresh),
            Kind::WrongHmac => {
                let mut changed = self.fresh.clone();
                changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
                self.sender.send(&changed);
            }
            Kind::OtherPort => self.sender.send(&knock(now, 23)),
            Kind::Stale => {
                self.sender.send(&knock(now - STALE, 22));
                self.sent.stale += 1;
            }
        }
        self.sent.all += 1;
    }

    /// Waits until every packet was honoured, refused, or found no room.
    fn wait_judged(&self) {
        crate::lab::wait_for("end of the judging", PATIENCE, || {
            let status = self.status();
            let refused = status["refused"].as_object().expect("counts by reason").values();
            let refused: u64 = refused.map(|count| count.as_u64().expect("a count")).sum();
            let judged = count(&status, "/honoured") + refused + count(&status, "/devices/0/dropped");
            (judged >= self.sent.all.into()).then_some(())
        });
    }

    fn status(&self) -> Value {
        let mut client = Client::connect(&self.lab.socket()).expect("the control socket");
        good(client.ask(&json!({"v": 1, "request": "status"})).expect("a reply")).expect("a status")
    }

    pub(crate) fn sample(&self) -> Sample {
        let meter = Meter::new(self.daemon.pid());
        let size = |path| fs::metadata(path).map_or(0, |file| file.len());
        Sample {
            sent: self.sent,
            memory: meter.memory(),
            descriptors: meter.descriptors(),
            threads: meter.threads(),
            cpu: meter.cpu(),
            journal: size(self.lab.run_dir().join("journal")),
            state: size(self.lab.state_dir().join("state.json")),
            status: self.status(),
        }
    }
}

fn count(status: &Value, pointer: &str) -> u64 {
    status.pointer(pointer).and_then(Value::as_u64).expect("a count")
}
