//! After a clock that was wrongly in the future: the log line names the remedy, and `state reset` is one.

use std::fs;

use serde_json::Value;

use crate::router::{NOW, Off, Router, YEAR, knock, knock_for, refused, two};

/// When everybody's clock was wrong.
const WRONG: u64 = NOW + 10 * YEAR;

/// What the log says where the floors are in the way.
const REMEDY: &str = "`spa-knockd state reset` is the remedy";

/// `state show --json`.
fn shown(router: &Router) -> Value {
    let out = router.state(&["show", "--json"]);
    assert!(out.status.success(), "{out:?}");
    serde_json::from_slice(&out.stdout).expect("one JSON object")
}

/// Resets with the daemon stopped, and starts it again.
fn reset(router: &mut Router) {
    let out = router.state(&["reset"]);
    assert_eq!(out.status.code(), Some(1), "reset beside the running daemon: {out:?}");
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(error.contains("another spa-knockd uses this directory; stop it first"), "{error}");
    router.stop();
    let out = router.state(&["reset"]);
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    router.start();
    assert!(!router.log().contains("warning"), "{}", router.log());
}

#[test]
fn a_clock_floor_in_the_future() {
    for rebooted in [false, true] {
        let mut router = Router::new(&two(), NOW);
        let (recorded, in_the_wrong_year) = (knock("alice", NOW), knock("alice", WRONG));
        assert_eq!(router.judge(&recorded), Ok(()));
        router.set_clock(WRONG);
        assert_eq!(router.judge(&in_the_wrong_year), Ok(()), "the phone has the time from the same server");
        router.set_clock(NOW + 60);
        if rebooted {
            router.reboot(Off::Orderly, NOW + 60);
        }
        for key in ["alice", "bob"] {
            assert_eq!(router.judge(&knock(key, NOW + 60)), refused("clock_not_set"), "rebooted {rebooted}");
        }
        router.wait_said(REMEDY);
        assert_eq!(shown(&router)["clock_floor"], WRONG);
        reset(&mut router);
        let show = shown(&router);
        assert_eq!((&show["clock_floor"], &show["newest"]["alice"]), (&(NOW + 60).into(), &(NOW + 59).into()));
        assert_eq!(router.clock()["set"], true);
        let reason = if rebooted { "not_newer" } else { "replay" };
        assert_eq!(router.judge(&recorded), refused(reason), "rebooted {rebooted}");
        assert_eq!(router.judge(&in_the_wrong_year), refused("too_new"));
        for key in ["alice", "bob"] {
            assert_eq!(router.judge(&knock(key, NOW + 60)), Ok(()), "rebooted {rebooted}: {key}");
        }
    }
}

#[test]
fn a_horizon_in_the_future() {
    let mut router = Router::new(&two(), WRONG);
    // Knocks for a port that the stanza does not open: remembered, forgotten, and never honoured.
    for timestamp in [WRONG, WRONG + 121] {
        router.set_clock(timestamp);
        assert!(router.judge(&knock_for("tcp/23", "alice", timestamp)).is_err());
    }
    router.set_clock(NOW);
    assert_eq!(shown(&router)["clock_floor"], 0);
    assert_eq!(router.judge(&knock("alice", NOW)), refused("replay"));
    router.wait_said(REMEDY);
    reset(&mut router);
    assert_eq!(router.judge(&knock("alice", NOW)), Ok(()));
}

#[test]
fn floors_of_a_lost_memory_in_the_future() {
    let mut router = Router::new(&two(), NOW);
    let recorded = knock("alice", NOW);
    assert_eq!(router.judge(&recorded), Ok(()));
    router.stop();
    fs::write(router.lab.state_dir().join("state.json"), "junk").expect("damage the state file");
    router.switch_on(WRONG);
    router.set_clock(NOW + 10);
    assert_eq!(router.judge(&knock("bob", NOW + 10)), refused("not_newer"));
    router.wait_said(REMEDY);
    reset(&mut router);
    assert_eq!(router.judge(&recorded), refused("not_newer"));
    assert_eq!(router.judge(&knock("bob", NOW + 10)), Ok(()));
}

#[test]
fn a_memory_that_was_lost_under_a_late_clock_is_made_up_for_again_when_ntp_sets_it() {
    for crash in [false, true] {
        let mut router = Router::new(&two(), NOW);
        let recorded = knock("alice", NOW);
        assert_eq!(router.judge(&recorded), Ok(()));
        router.stop();
        fs::write(router.lab.state_dir().join("state.json"), "junk").expect("damage the state file");
        router.switch_on(NOW - 3600);
        assert_eq!(router.judge(&recorded), refused("too_new"), "a late clock that looks right");
        router.set_clock(NOW + 30);
        assert_eq!(router.judge(&recorded), refused("not_newer"));
        if crash {
            router.kill();
            router.start();
            assert_eq!(router.judge(&recorded), refused("not_newer"));
        }
        assert_eq!(router.judge(&knock("alice", NOW + 30)), refused("not_newer"), "up to max_age after the step");
        assert_eq!(shown(&router)["lost"], false);
        reset(&mut router);
        assert_eq!(router.judge(&recorded), refused("not_newer"));
        assert_eq!(router.judge(&knock("alice", NOW + 30)), Ok(()));
    }
}

#[test]
fn a_reset_without_a_clock_forgets_the_floors_and_keeps_the_knocks_of_this_boot() {
    let mut router = Router::new(&two(), NOW);
    let recorded = knock("alice", NOW);
    assert_eq!(router.judge(&recorded), Ok(()));
    router.set_clock(5);
    router.stop();
    let out = router.state(&["reset"]);
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stdout).starts_with("The clock is not set"), "{out:?}");
    router.start();
    assert_eq!(shown(&router)["newest"], serde_json::json!({}));
    assert_eq!(router.judge(&knock("alice", 5)), refused("clock_not_set"), "a reset does not set the clock");
    router.set_clock(NOW + 1);
    assert_eq!(router.judge(&recorded), refused("replay"));
    assert_eq!(router.judge(&knock("alice", NOW + 1)), Ok(()));
}

#[test]
fn a_fresh_router_has_nothing_to_reset() {
    let mut router = Router::new(&two(), NOW);
    assert_eq!(shown(&router)["remembered"], 0);
    reset(&mut router);
    assert_eq!(router.judge(&knock("alice", NOW)), Ok(()));
}
