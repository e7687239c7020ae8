//! After a reboot: the floors hold, whatever the clock says.

use std::fs;

use crate::router::{NOW, Off, Router, config, knock, refused, two};

#[test]
fn a_stanza_refuses_what_is_not_newer_than_the_newest_it_honoured() {
    for off in [Off::Orderly, Off::Cut] {
        let mut router = Router::new(&two(), NOW);
        let recorded = knock("alice", NOW);
        assert_eq!(router.judge(&recorded), Ok(()));
        router.reboot(off, NOW + 10);
        assert_eq!(router.held(), None);
        assert_eq!(router.judge(&recorded), refused("not_newer"), "{off:?}");
        assert_eq!(router.judge(&knock("alice", NOW)), refused("not_newer"), "{off:?}: another of the same second");
        assert_eq!(router.judge(&knock("alice", NOW - 100)), refused("not_newer"), "{off:?}");
        assert_eq!(router.judge(&knock("bob", NOW - 100)), Ok(()), "{off:?}: bob has honoured nothing");
        assert_eq!(router.judge(&knock("alice", NOW + 1)), Ok(()), "{off:?}");
        // The floor does not come down by more reboots.
        router.reboot(off, NOW + 12);
        assert_eq!(router.judge(&recorded), refused("not_newer"), "{off:?}");
        assert_eq!(router.judge(&knock("alice", NOW + 1)), refused("not_newer"), "{off:?}");
    }
}

#[test]
fn a_journal_of_another_boot_vouches_for_nothing() {
    // A run directory that is not in memory outlives the boot.
    let mut router = Router::new(&two(), NOW);
    let recorded = knock("alice", NOW);
    assert_eq!(router.judge(&recorded), Ok(()));
    let (run, kept) = (router.lab.run_dir(), router.lab.dir().join("kept"));
    router.kill();
    fs::rename(&run, &kept).expect("keep the run directory");
    router.switch_on(NOW + 1);
    router.stop();
    fs::remove_dir_all(&run).expect("remove the new run directory");
    fs::rename(&kept, &run).expect("put the old one back");
    router.start();
    assert_eq!(router.judge(&recorded), refused("replay"), "the journal still knows it");
    assert_eq!(router.judge(&knock("alice", NOW - 1)), refused("not_newer"));
    assert_eq!(router.judge(&knock("alice", NOW + 1)), Ok(()));
}

#[test]
fn without_a_reboot_an_older_knock_that_was_never_seen_is_as_good() {
    let mut router = Router::new(&two(), NOW);
    let recorded = knock("alice", NOW);
    assert_eq!(router.judge(&recorded), Ok(()));
    router.kill();
    router.start();
    assert_eq!(router.judge(&recorded), refused("replay"));
    assert_eq!(router.judge(&knock("alice", NOW - 100)), Ok(()));
}

#[test]
fn a_stanza_that_shares_the_key_refuses_the_same() {
    let apart = config("", &[("home", "k", "\tlist source '192.0.2.0/24'\n"), ("away", "k", "")]);
    let mut router = Router::new(&apart, NOW);
    let recorded = knock("k", NOW);
    assert_eq!(router.judge(&recorded), Ok(()), "away honours it");
    router.stop();
    // The owner lets home in from everywhere; it has honoured nothing yet.
    let together = config("", &[("home", "k", ""), ("away", "k", "\tlist source '192.0.2.0/24'\n")]);
    router.lab.configure(&together);
    router.switch_on(NOW + 10);
    assert_eq!(router.judge(&recorded), refused("not_newer"));
    assert_eq!(router.judge(&knock("k", NOW + 1)), Ok(()));
}

#[test]
fn a_clock_that_sysfixtime_set_hours_ago_opens_no_recorded_knock() {
    // The last honoured knock is younger than the newest file under /etc: the clock is plainly behind it.
    let mut router = Router::new(&two(), NOW);
    let recorded = knock("alice", NOW);
    assert_eq!(router.judge(&recorded), Ok(()));
    let stale = NOW - 2 * 3600;
    router.reboot(Off::Cut, stale);
    assert!(router.log().contains("the clock is not set"), "the owner is told at the start: {}", router.log());
    assert!(router.lab.told(&["status"]).contains("not ready"), "and whenever he asks");
    for (key, timestamp) in [("alice", stale), ("bob", stale), ("bob", NOW + 60)] {
        assert_eq!(router.judge(&knock(key, timestamp)), refused("clock_not_set"), "{key} {timestamp}");
    }
    assert_eq!(router.judge(&recorded), refused("clock_not_set"));
    router.set_clock(NOW + 60);
    assert_eq!(router.judge(&recorded), refused("not_newer"), "NTP has set the clock");
    assert_eq!(router.judge(&knock("alice", NOW + 60)), Ok(()));
}

#[test]
fn a_clock_hours_old_that_looks_right_opens_no_recorded_knock() {
    // The last knock was honoured yesterday, so nothing tells that the clock is three hours late.
    let yesterday = NOW - 86_400;
    let mut router = Router::new(&two(), yesterday);
    let recorded = knock("alice", yesterday);
    assert_eq!(router.judge(&recorded), Ok(()));
    let late = NOW - 3 * 3600;
    router.reboot(Off::Cut, late);
    assert_eq!(router.clock()["set"], true);
    assert_eq!(router.judge(&recorded), refused("too_old"));
    assert_eq!(router.judge(&knock("alice", NOW)), refused("too_new"), "a phone that is right");
    // Wherever the clock stands between the two, the floor holds.
    router.set_clock(yesterday - 100);
    assert_eq!(router.judge(&recorded), refused("not_newer"));
    router.set_clock(NOW);
    assert_eq!(router.judge(&recorded), refused("too_old"));
    assert_eq!(router.judge(&knock("alice", NOW)), Ok(()), "NTP has set the clock");
}
