//! The firewall under our feet: tables go, come back and are rewritten while knocks arrive and grants live.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

#[path = "../common/mod.rs"]
mod common;
mod kernel;
mod knocks;
#[path = "../lab/mod.rs"]
mod lab;
mod ledger;
mod random;
mod storm;
mod trouble;

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use lab::fw4::FW4;
use lab::{Place, events};
use storm::Storm;

/// How long a storm lasts.
const STORM: Duration = Duration::from_secs(9);

/// The kinds of change that somebody makes, by number.
const CHANGES: u32 = 8;

/// One change of fw4's table, as its own commands make them and as others do.
fn change_fw4(storm: &Storm, change: u32) {
    let pause = || thread::sleep(Duration::from_millis(storm.random.lock().unwrap().below(300).into()));
    let absent = |delete: &str| {
        let begun = Instant::now();
        assert!(storm.nft(delete));
        pause();
        storm.lab.fw4_start();
        storm.ledger.lock().unwrap().absences.push((begun, Instant::now()));
    };
    match change {
        0 | 1 => absent("delete table inet fw4"),
        2 => absent("flush ruleset"),
        3 => (0..3).for_each(|_| absent("delete table inet fw4")),
        // As `fw4 reload`.
        4 => storm.lab.nft(&format!("table inet fw4\nflush table inet fw4\n{FW4}")),
        5 => storm.lab.nft(&format!("table inet fw4\ndelete table inet fw4\n{FW4}")),
        6 => assert!(storm.nft("flush table inet fw4")),
        _ => storm.hand(),
    }
}

/// One change of the table that is ours.
fn change_ours(storm: &Storm, change: u32) {
    if change == 7 {
        return storm.hand();
    }
    let watcher = storm.lab.watch();
    let begun = Instant::now();
    let gap = thread::scope(|scope| {
        // Awaited while nft runs: what counts is when each report comes.
        let gap = scope.spawn(|| {
            let patience = Duration::from_secs(1);
            let gone = watcher.wait(events::DELETE_RULE, patience).expect("the end of the guard");
            watcher.wait(events::NEW_RULE, patience).expect("the guard") - gone
        });
        dismantle(storm, change);
        gap.join().expect("a gap")
    });
    storm.figures.lock().unwrap().gaps.push(gap);
    storm.ledger.lock().unwrap().absences.push((begun, Instant::now()));
}

fn dismantle(storm: &Storm, change: u32) {
    let ours = "inet spa_knockd";
    match change {
        0 | 1 => assert!(storm.nft(&format!("delete table {ours}"))),
        2 => assert!(storm.nft("flush ruleset")),
        // The others may come before it is there again.
        3 => assert!((0..3).fold(false, |deleted, _| deleted | storm.nft(&format!("delete table {ours}")))),
        4 => assert!(storm.nft(&format!("flush chain {ours} guard_input"))),
        5 => storm.lab.nft(&format!("delete table {ours}\ntable {ours} {{ }}")),
        _ => assert!(storm.nft(&format!("flush table {ours}"))),
    }
}

fn storm(mode: &str, table: &'static str, change: fn(&Storm, u32)) {
    let storm = Storm::new(mode, table);
    let guard = || storm.lab.run(Place::Router, "nft", &["list", "chain", "inet", "spa_knockd", "guard_input"]);
    let guarded = (mode == "standalone").then(guard);
    storm.while_knocking(|| {
        let begun = Instant::now();
        while begun.elapsed() < STORM {
            let number = storm.random.lock().unwrap().below(CHANGES);
            change(&storm, number);
            storm.figures.lock().unwrap().operations += 1;
            storm.agree(Instant::now());
            if let Some(guarded) = &guarded {
                assert_eq!(guard(), *guarded, "after change {number}");
            }
            thread::sleep(Duration::from_millis(storm.random.lock().unwrap().below(60).into()));
        }
    });
    storm.end();
    // The table is gone and back once more: nothing rises from the dead.
    thread::sleep(Duration::from_secs(3));
    change(&storm, 0);
    storm.agree(Instant::now());
    // What people are told is what is there.
    let begun = Instant::now();
    loop {
        let listed = storm.lab.asked(&["grants"]);
        let listed = listed["grants"].as_array().unwrap().iter();
        let listed: BTreeSet<String> = listed.map(|grant| grant["source"].as_str().unwrap().to_owned()).collect();
        let held: BTreeSet<String> = kernel::snapshot(&storm.lab, table).held.into_keys().collect();
        if listed == held {
            break;
        }
        let differ: Vec<_> = listed.symmetric_difference(&held).collect();
        assert!(begun.elapsed() < Duration::from_secs(3), "listed or held: {differ:?}");
    }
    storm.daemon.stop();
}

#[test]
fn fw4_is_restarted_again_and_again() {
    storm("fw4", "fw4", change_fw4);
}

#[test]
fn a_table_of_our_own_is_deleted_again_and_again() {
    storm("standalone", "spa_knockd", change_ours);
}
