//! The storm: somebody changes the table again and again while others knock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::kernel::{Snapshot, snapshot};
use super::knocks::{Knocker, config, is_renewed, is_v6};
use super::lab::daemon::Daemon;
use super::lab::{Lab, Place, wait_for};
use super::ledger::Ledger;
use super::random::Random;

/// How soon after the table is back everything must be as it was.
const RESTORED: Duration = Duration::from_secs(1);
/// What may lie between a moment and the kernel's own account of it, on a busy machine.
const SLACK: Duration = Duration::from_millis(150);
/// From one knock to the next.
const PACE: Duration = Duration::from_millis(4);

/// A daemon, and what one knows of it.
pub(crate) struct Storm {
    pub(crate) lab: Lab,
    pub(crate) daemon: Daemon,
    pub(crate) table: &'static str,
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) random: Mutex<Random>,
    pub(crate) figures: Mutex<Figures>,
}

/// What was measured.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) operations: usize,
    /// From the table's return to the moment at which all its elements were seen.
    pub(crate) restored: Vec<Duration>,
    /// Without the guard of standalone mode.
    pub(crate) gaps: Vec<Duration>,
    /// By how much an element outlived the latest moment of its end that one could know.
    pub(crate) outlived: Duration,
}

impl Storm {
    pub(crate) fn new(mode: &str, table: &'static str) -> Self {
        let lab = Lab::new();
        if mode == "fw4" {
            lab.fw4_start();
        }
        let daemon = lab.daemon(&config(mode));
        let random = Mutex::new(Random::seeded(mode));
        Self { lab, daemon, table, ledger: Mutex::default(), random, figures: Mutex::default() }
    }

    /// Has somebody knock while `work` goes on.
    pub(crate) fn while_knocking(&self, work: impl FnOnce()) {
        let over = AtomicBool::new(false);
        let over = &over;
        let mut knocker = Knocker::new(&self.lab);
        thread::scope(|scope| {
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    self.knock(&mut knocker);
                    thread::sleep(PACE);
                }
            });
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    self.read();
                    thread::sleep(Duration::from_millis(4));
                }
            });
            // The others end also where this panics.
            let _end = End(over);
            work();
        });
    }

    /// One knock for whatever comes next.
    pub(crate) fn knock(&self, knocker: &mut Knocker) {
        let (source, timeout) = knocker.choose(&mut self.random.lock().unwrap());
        self.ledger.lock().unwrap().sent(&source, timeout);
        knocker.send(&source, timeout);
    }

    /// Reads the daemon's log.
    pub(crate) fn read(&self) {
        // Whoever comes later has the longer log.
        let mut ledger = self.ledger.lock().unwrap();
        ledger.read(&self.daemon.log());
    }

    /// Runs nft's commands, which may fail where the daemon is quicker or slower than somebody's hand.
    pub(crate) fn nft(&self, commands: &str) -> bool {
        self.lab.command(Place::Router, "nft", &[commands]).output().expect("run nft").status.success()
    }

    /// Waits until the kernel holds all that was honoured and lives, and nothing else; the time since `back`.
    pub(crate) fn agree(&self, back: Instant) {
        loop {
            self.read();
            let seen = self.ledger.lock().unwrap().open(Instant::now());
            let snapshot = snapshot(&self.lab, self.table);
            self.judge(&snapshot);
            let open = self.ledger.lock().unwrap().open(snapshot.after + SLACK);
            let missing: Vec<_> = open.iter().filter(|source| seen.contains(*source)).collect();
            let missing: Vec<_> = missing.into_iter().filter(|source| !snapshot.held.contains_key(*source)).collect();
            if missing.is_empty() {
                return self.figures.lock().unwrap().restored.push(snapshot.after - back);
            }
            let late = snapshot.before - back;
            assert!(late < RESTORED, "not back after {late:?}: {missing:?}");
        }
    }

    /// Nothing unearned is there, and nothing lives too long or ends too soon.
    fn judge(&self, snapshot: &Snapshot) {
        for (source, held) in &snapshot.held {
            let left = held.left.expect("an end");
            // The line of a grant comes after the grant.
            let begun = Instant::now();
            let (end, beyond) = loop {
                self.read();
                let end = self.ledger.lock().unwrap().end(source, snapshot.before);
                let beyond = end.map(|end| (snapshot.before + left).saturating_duration_since(end.latest));
                match end.zip(beyond) {
                    Some(found) if found.1 < SLACK => break found,
                    found => assert!(begun.elapsed() < SLACK * 2, "{source} has {left:?} left, earned: {found:?}"),
                }
            };
            assert!(!self.ledger.lock().unwrap().revoked.contains(source), "{source} was deleted by hand, and is back");
            assert_eq!(held.comment, if source.contains('/') { "wide" } else { "alice" });
            assert!(snapshot.after + left + SLACK >= end.earliest, "{source} ends too soon: {left:?} left");
            let mut figures = self.figures.lock().unwrap();
            figures.outlived = figures.outlived.max(beyond);
        }
    }

    /// The owner deletes a few elements, or flushes the set of IPv6 sources.
    pub(crate) fn hand(&self) {
        self.read();
        let before = Instant::now();
        let open = self.ledger.lock().unwrap().open(before + Duration::from_secs(3));
        if self.random.lock().unwrap().below(2) == 0 {
            let open: Vec<_> = open.iter().filter(|source| source.starts_with("10.") && !is_renewed(source)).collect();
            for _ in 0..open.len().min(3) {
                let source = open[self.random.lock().unwrap().pick(open.len())];
                // The second time it is not there.
                if self.nft(&format!("delete element inet {} spa_in4_v1 {{ {source} . tcp . 22 }}", self.table)) {
                    self.ledger.lock().unwrap().revoked.insert(source.clone());
                }
            }
        } else {
            assert!(self.nft(&format!("flush set inet {} spa_in6_v1", self.table)));
            let after = Instant::now();
            thread::sleep(SLACK);
            self.read();
            let mut ledger = self.ledger.lock().unwrap();
            let sixes: Vec<_> = ledger.knocks.iter().filter(|(source, _)| is_v6(source)).collect();
            let (mut gone, mut doubtful) = (Vec::new(), Vec::new());
            for (source, knock) in
                sixes.into_iter().flat_map(|(source, knocks)| knocks.values().map(move |k| (source, k)))
            {
                if open.contains(source) {
                    gone.push(source.clone());
                } else if knock.sent <= after {
                    doubtful.push(source.clone());
                }
            }
            ledger.revoked.extend(gone);
            ledger.doubtful.extend(doubtful);
        }
    }

    /// After the storm: every knock was judged, the log names what was deleted by hand, and all doors close on time.
    pub(crate) fn end(&self) {
        let (sent, _) = self.ledger.lock().unwrap().counts();
        let status = wait_for("a verdict on each knock", Duration::from_secs(2), || {
            let status = self.lab.asked(&["status"]);
            let refused = status["refused"].as_object().unwrap().values().map(|count| count.as_u64().unwrap());
            let judged = status["honoured"].as_u64().unwrap() + refused.sum::<u64>();
            (judged == u64::try_from(sent).unwrap()).then_some(status)
        });
        wait_for("the log", RESTORED, || {
            self.read();
            (self.ledger.lock().unwrap().counts().1 == status["honoured"]).then_some(())
        });
        self.agree(Instant::now());
        let ledger = self.ledger.lock().unwrap();
        let refused = status["refused"]["firewall_missing"].as_u64().unwrap();
        assert_eq!(status["honoured"].as_u64().unwrap() + refused, u64::try_from(sent).unwrap(), "{status}");
        assert_eq!(ledger.lost(), Vec::<&String>::new(), "refused although there was a table");
        assert_eq!(status["ready"], true);
        let log = self.daemon.log();
        let revoked: Vec<&str> = log
            .lines()
            .filter_map(|line| line.strip_suffix(" was deleted by hand"))
            .filter_map(|line| line.rsplit(' ').nth(4))
            .collect();
        for source in &ledger.revoked {
            assert!(revoked.contains(&&**source), "nobody said that {source} was deleted");
        }
        for source in revoked {
            assert!(ledger.revoked.contains(source) || ledger.doubtful.contains(source), "nobody deleted {source}");
        }
        let by_hand = ledger.revoked.len();
        drop(ledger);
        let mut figures = self.figures.lock().unwrap();
        let Figures { operations, restored, gaps, outlived } = &mut *figures;
        let spread = |times: &mut Vec<Duration>| {
            times.sort();
            times.last().map(|longest| format!("median {:.1?}, longest {longest:.1?}", times[times.len() / 2]))
        };
        eprintln!(
            "{}: {operations} changes, {sent} knocks, {refused} refused for want of a table, {by_hand} elements \
             deleted by hand; all back: {}; no guard: {}; outlived: {outlived:.1?}",
            self.table,
            spread(restored).unwrap_or_default(),
            spread(gaps).unwrap_or_default(),
        );
    }
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
