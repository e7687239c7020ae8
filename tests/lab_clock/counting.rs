//! `max_age '0'`: no window, no clock; timestamps must rise, stanza by stanza, also over a reboot.

use crate::router::{NOW, Off, Router, YEAR, config, knock, refused};

fn counting() -> String {
    config("\toption max_age '0'\n", &[("alice", "alice", ""), ("bob", "bob", "")])
}

#[test]
fn without_a_clock_timestamps_must_rise_also_over_reboots() {
    let mut router = Router::new(&counting(), 5);
    assert!(!router.log().contains("not set"), "{}", router.log());
    assert_eq!(router.lab.asked(&["status"])["ready"], true);
    let recorded = knock("alice", NOW);
    assert_eq!(router.judge(&recorded), Ok(()), "at 1970");
    assert_eq!(router.judge(&recorded), refused("replay"));
    assert_eq!(router.judge(&knock("alice", NOW)), refused("not_newer"));
    assert_eq!(router.judge(&knock("bob", NOW - YEAR)), Ok(()), "each stanza counts alone");
    assert_eq!(router.judge(&knock("alice", NOW + YEAR)), Ok(()), "there is no window");
    assert_eq!(router.judge(&knock("alice", NOW + YEAR - 1)), refused("not_newer"));
    router.kill();
    router.start();
    assert_eq!(router.judge(&knock("alice", NOW + YEAR)), refused("not_newer"), "after a crash");
    for (round, off) in (1..).zip([Off::Orderly, Off::Cut]) {
        router.reboot(off, 5);
        assert_eq!(router.judge(&recorded), refused("not_newer"), "{off:?}");
        assert_eq!(router.judge(&knock("alice", NOW + YEAR + round - 1)), refused("not_newer"), "{off:?}");
        assert_eq!(router.judge(&knock("alice", NOW + YEAR + round)), Ok(()), "{off:?}");
        assert_eq!(router.judge(&knock("bob", NOW - YEAR + round)), Ok(()), "{off:?}");
    }
    // The clock may jump as it likes.
    for (round, clock) in (3..).zip([NOW, 0, NOW + 10 * YEAR, 7]) {
        router.set_clock(clock);
        assert_eq!(router.judge(&knock("alice", NOW + YEAR + round)), Ok(()), "{clock}");
    }
}

#[test]
fn a_phone_that_was_once_in_the_future_needs_the_reset() {
    let mut router = Router::new(&counting(), NOW);
    assert_eq!(router.judge(&knock("alice", NOW)), Ok(()));
    assert_eq!(router.judge(&knock("alice", NOW + 10 * YEAR)), Ok(()));
    assert_eq!(router.judge(&knock("alice", NOW + 60)), refused("not_newer"));
    router.wait_said("`spa-knockd state reset` is the remedy");
    router.reboot(Off::Orderly, NOW + 60);
    router.stop();
    assert_eq!(router.state(&["reset"]).status.code(), Some(0));
    router.start();
    assert_eq!(router.judge(&knock("alice", NOW)), refused("not_newer"), "what was made before the reset");
    assert_eq!(router.judge(&knock("alice", NOW + 60)), Ok(()));
}

#[test]
fn check_warns_of_it() {
    let router = Router::new(&counting(), NOW);
    let out = router.spa_knockd(&["check", "--config", &router.lab.config_file().to_string_lossy()]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}");
    assert!(said.contains("warning: ") && said.contains("max_age") && said.contains("do not grow old"), "{said}");
}
