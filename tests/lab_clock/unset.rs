//! A clock that is not set: every rule that looks at it refuses, and goes on by itself when NTP has set it.

use std::time::{Duration, Instant};

use spa_knockd::engine::BUILD_EPOCH;

use crate::router::{NOW, Off, Router, config, knock, refused, two};

#[test]
fn before_the_build_date_knocks_are_refused_and_the_first_one_after_ntp_opens() {
    let router = Router::new(&two(), 5);
    assert!(router.log().contains("the clock is not set"), "{}", router.log());
    for unix in [0, 5, 86_400 * 365, BUILD_EPOCH - 1] {
        router.set_clock(unix);
        assert_eq!(router.judge(&knock("alice", unix)), refused("clock_not_set"), "{unix}");
        assert_eq!(router.judge(&knock("alice", NOW)), refused("clock_not_set"), "{unix}");
        assert_eq!(router.judge(&knock("mallory", unix)), refused("hmac"), "a stranger learns nothing");
        let clock = router.clock();
        assert_eq!((&clock["unix"], &clock["set"]), (&unix.into(), &false.into()));
        assert_eq!(clock["why"], "it is older than this program");
    }
    router.wait_said("refused alice: clock_not_set");
    router.set_clock(NOW);
    let stepped = Instant::now();
    assert_eq!(router.judge(&knock("alice", NOW)), Ok(()), "the first knock after NTP, without a restart");
    assert!(stepped.elapsed() < Duration::from_secs(1), "{:?} after the clock was set", stepped.elapsed());
    assert_eq!(router.clock()["set"], true);
}

#[test]
fn at_the_build_date_the_clock_is_set() {
    let router = Router::new(&two(), BUILD_EPOCH);
    assert!(!router.log().contains("not set"), "{}", router.log());
    assert_eq!(router.clock()["set"], true);
    assert_eq!(router.judge(&knock("alice", BUILD_EPOCH)), Ok(()));
}

#[test]
fn more_than_max_age_below_the_last_honoured_knock_the_clock_is_not_set() {
    let mut router = Router::new(&two(), NOW);
    assert_eq!(router.judge(&knock("alice", NOW)), Ok(()));
    for restarted in [false, true] {
        if restarted {
            router.reboot(Off::Orderly, NOW - 121);
            assert!(router.log().contains("not set: over max_age behind"), "{}", router.log());
        }
        router.set_clock(NOW - 121);
        assert_eq!(router.judge(&knock("bob", NOW - 121)), refused("clock_not_set"));
        router.wait_said("`spa-knockd state reset` is the remedy");
        assert_eq!(router.clock()["set"], false);
        assert!(router.lab.told(&["status"]).contains("max_age behind the last honoured knock"));
        router.set_clock(NOW - 120);
        assert_eq!(router.clock()["set"], true, "exactly max_age below it is believed");
        assert_eq!(router.judge(&knock("bob", NOW - 120 + u64::from(restarted))), Ok(()));
        router.set_clock(NOW);
    }
}

#[test]
fn a_stanza_that_expires_needs_a_clock_also_where_knocks_do_not_grow_old() {
    for max_age in [120, 0] {
        let main = format!("\toption max_age '{max_age}'\n");
        let stanzas = [("guest", "guest", "\toption expires '2033-05-18'\n")];
        // The end is NOW less 3 h 33 min 20 s: midnight, UTC.
        let end = NOW - 12_800;
        let router = Router::new(&config(&main, &stanzas), 5);
        assert_eq!(router.judge(&knock("guest", 6)), refused("clock_not_set"), "max_age {max_age}");
        router.set_clock(end - 1);
        assert_eq!(router.judge(&knock("guest", end - 1)), Ok(()));
        router.set_clock(end);
        assert_eq!(router.judge(&knock("guest", end)), refused("expired"));
        router.set_clock(end - 200);
        assert_eq!(
            router.judge(&knock("guest", end + 1)),
            refused("clock_not_set"),
            "back below the last honoured knock"
        );
    }
}
