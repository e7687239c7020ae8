//! Failing system calls: each fails once on purpose, and what follows is the named refusal or recovery, never a wrong
//! grant.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

#[path = "../common/mod.rs"]
mod common;
mod document;
mod fault;
#[path = "../lab/mod.rs"]
mod lab;
mod moments;
mod points;
mod stage;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fault::{Fault, has_struck, words};
use lab::daemon::Daemon;
use lab::{Lab, Place, wait_for};
use moments::Seen;
use points::{Moment, Outcome, Point};
use stage::{SOON, Stage};

/// How long what no fault delays may take, strace included.
const AT_ONCE: Duration = Duration::from_millis(900);

impl Stage {
    /// One call of the process fails while it does the thing; demands the outcome, and all that must hold whatever
    /// failed.
    fn strike(&mut self, point: &Point, pid: u32) {
        self.prepare(point.moment);
        let descriptors = self.is_calm();
        let (on, record) = (self.name(point.on), self.lab.dir().join("strace"));
        let patience =
            if let Outcome::Within(seconds) = point.outcome { Duration::from_secs(seconds) } else { AT_ONCE };
        let before = self.counts();
        let fault = Fault::arm(point, on.as_deref(), pid, &record);
        let begun = Instant::now();
        let (mut seen, knock) = self.act(point.moment, &before, patience);
        wait_for("the fault", SOON, || fault.has_struck().then_some(()));
        drop(fault);
        if matches!(point.outcome, Outcome::Within(_)) {
            while seen != Seen::Done && begun.elapsed() < patience {
                seen = self.again(point.moment, AT_ONCE);
            }
        }
        match (point.outcome, &seen) {
            (Outcome::Done | Outcome::Within(_), Seen::Done) => {}
            (Outcome::Refused(code), Seen::Refused(found)) if code == found => {}
            (Outcome::Told(words), Seen::Told(said)) if said.contains(words) => {
                assert_eq!(self.again(point.moment, SOON), Seen::Done, "the next time");
            }
            (Outcome::NextTime, Seen::Nothing) => {
                assert_eq!(self.again(point.moment, SOON), Seen::Done, "the next time");
            }
            (Outcome::Warns(words), Seen::Done) if self.daemon.log().contains(words) => {}
            _ => panic!("seen: {seen:?}"),
        }
        if point.moment == Moment::Stop {
            self.start_again();
        }
        self.is_whole();
        self.opened_what_was_earned();
        if let Some(knock) = knock.filter(|_| matches!(seen, Seen::Done | Seen::Refused(_))) {
            self.is_refused_again(&knock);
        }
        self.own_address_is_refused();
        self.fresh_knock_opens();
        wait_for("as many descriptors as before", SOON, || (self.is_calm() <= descriptors).then_some(()));
    }
}

impl Stage {
    fn again(&mut self, moment: Moment, patience: Duration) -> Seen {
        let before = self.counts();
        self.act(moment, &before, patience).0
    }
}

/// Runs all points of a stage, one after the other, and names those that fail; each failure costs the stage.
fn run(points: &[Point], make: impl Fn() -> Stage, victim: impl Fn(&Stage) -> u32) {
    // The first knock opens sockets that points are about.
    let make = || {
        let mut stage = make();
        stage.fresh_knock_opens();
        stage
    };
    let mut stage = make();
    let mut faults = Vec::new();
    for point in points {
        let begun = Instant::now();
        let struck = catch_unwind(AssertUnwindSafe(|| stage.strike(point, victim(&stage))));
        eprintln!("{point}: {} in {:.1?}", if struck.is_ok() { "as it has to be" } else { "FAILED" }, begun.elapsed());
        if let Err(panic) = struck {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
            faults.push(format!("{point}: {}\n{}", said.unwrap_or_default(), stage.daemon.log()));
            stage = make();
        }
    }
    assert!(faults.is_empty(), "{} of {} points:\n{}", faults.len(), points.len(), faults.join("\n"));
}

fn daemon(points: &[Point]) {
    run(points, || Stage::new(false), |stage| stage.daemon.pid());
}

#[test]
fn on_the_way_of_a_knock() {
    daemon(points::KNOCKS);
}

#[test]
fn when_the_state_is_saved() {
    daemon(points::SAVES);
}

#[test]
fn when_others_change_devices_or_ruleset() {
    daemon(points::CHANGES);
}

#[test]
fn when_people_ask() {
    daemon(points::REQUESTS);
}

#[test]
fn towards_the_helper_and_in_it() {
    run(points::HELPER, || Stage::new(true), |stage| stage.daemon.pid());
    run(points::HELPERS, || Stage::new(true), Stage::helper);
}

/// A daemon whose start meets the fault.
fn start(point: &Point, more: &str) {
    let lab = Lab::new();
    let config = stage::config(more);
    lab.configure(&config);
    let record = lab.dir().join("strace");
    let command = lab.daemon_command(&["--interface", "wan"]);
    let program: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let on = stage::path(&lab, point.on);
    let mut line = words(point, on.as_deref(), &record);
    // The daemon is our own child and strace its grandchild.
    line.insert(0, "-D".to_owned());
    // Behind `ip netns exec NAME`: that program's calls do not count.
    line.extend(program.into_iter().skip(3));
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let mut daemon = Daemon::spawn(lab.command(Place::Router, "strace", &line), &config);
    let strikes = |record: &std::path::Path| wait_for("the fault", SOON, || has_struck(record).then_some(()));
    match point.outcome {
        Outcome::Ends(word) => {
            let status = daemon.wait_exit();
            let log = daemon.finish();
            assert_eq!((status.code(), log.lines().count()), (Some(1), 1), "{log}");
            assert!(log.contains(word), "{word} is not in {log}");
            assert_eq!(lab.elements(), []);
            strikes(&record);
        }
        Outcome::Warns(words) => {
            wait_for("the control socket", SOON, || lab.socket().exists().then_some(()));
            let mut stage = Stage::over(lab, daemon, config);
            // Some words come only where a knock has to be remembered.
            stage.fresh_knock_opens();
            wait_for(words, SOON, || stage.daemon.log().contains(words).then_some(()));
            strikes(&record);
        }
        Outcome::Done => {
            daemon.wait_ready();
            strikes(&record);
            let mut stage = Stage::over(lab, daemon, config);
            stage.fresh_knock_opens();
        }
        outcome => panic!("{outcome:?} is no outcome of a start"),
    }
}

#[test]
fn while_the_daemon_starts() {
    let mut faults = Vec::new();
    let with_helper = points::HELPER_STARTS.iter().map(|point| (point, stage::FOR_HELPER));
    for (point, more) in points::STARTS.iter().map(|point| (point, "")).chain(with_helper) {
        let begun = Instant::now();
        let started = catch_unwind(|| start(point, more));
        eprintln!("{point}: {} in {:.1?}", if started.is_ok() { "as it has to be" } else { "FAILED" }, begun.elapsed());
        if started.is_err() {
            faults.push(point.to_string());
        }
    }
    assert!(faults.is_empty(), "{} points:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_document_is_made_from_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/failing-calls.md");
    let text = document::text();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("write the document");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, text, "run UPDATE_DOCS=1 cargo test --test failing document");
}
