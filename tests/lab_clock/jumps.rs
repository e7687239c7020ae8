//! A clock that jumps while the daemon runs: what was forgotten stays refused, and no grant lives longer or shorter.

use std::thread;
use std::time::{Duration, Instant};

use crate::router::{NOW, Router, YEAR, config, knock, knock_for, refused, two};

#[test]
fn a_forgotten_knock_is_refused_after_the_clock_was_set_back() {
    let mut router = Router::new(&two(), NOW);
    let recorded = knock("alice", NOW);
    let remembered = |router: &Router| router.lab.asked(&["status"])["remembered"].as_u64().expect("a count");
    assert_eq!(router.judge(&recorded), Ok(()));
    router.set_clock(NOW + 120);
    assert_eq!(router.judge(&knock("bob", NOW + 120)), Ok(()));
    assert_eq!(remembered(&router), 2, "an entry lives until its timestamp and max_age are over");
    router.set_clock(NOW + 121);
    assert_eq!(router.judge(&knock("bob", NOW + 121)), Ok(()));
    assert_eq!(remembered(&router), 2, "the first was forgotten");
    for restarted in [false, true] {
        if restarted {
            router.kill();
            router.start();
        }
        router.set_clock(NOW + 20);
        assert_eq!(router.judge(&recorded), refused("replay"), "restarted {restarted}");
        if !restarted {
            assert_eq!(router.judge(&knock("bob", NOW)), refused("replay"), "no newer than what was forgotten");
        }
        assert_eq!(router.judge(&knock("alice", NOW + 10 + u64::from(restarted))), Ok(()), "what is fresh opens");
    }
}

#[test]
fn a_jump_in_which_nothing_was_honoured_leaves_no_trace() {
    let router = Router::new(&two(), NOW);
    assert_eq!(router.judge(&knock("alice", NOW)), Ok(()));
    for wrong in [NOW + 10 * YEAR, NOW + 3600, NOW - 3600, 0, u64::from(u32::MAX) + YEAR] {
        router.set_clock(wrong);
        let reason = if wrong > NOW { "too_old" } else { "clock_not_set" };
        assert_eq!(router.judge(&knock("alice", NOW + 1)), refused(reason), "{wrong}");
        router.set_clock(NOW);
        assert_eq!(router.clock()["set"], true, "{wrong}");
    }
    assert_eq!(router.judge(&knock("alice", NOW + 1)), Ok(()));
}

#[test]
fn grants_live_by_the_time_since_boot() {
    let stanzas = [("alice", "alice", "\tlist open 'tcp/9'\n"), ("short", "short", "\toption timeout '2'\n")];
    let router = Router::new(&config("", &stanzas), NOW);
    let (long, short) = (knock_for("tcp/9", "alice", NOW), knock("short", NOW));
    router.lab.send_packet(crate::lab::FRIEND, crate::lab::ROUTER, &long);
    router.lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "9"]);
    let began = Instant::now();
    assert_eq!(router.judge(&short), Ok(()));
    let opened = Instant::now();
    for clock in [NOW + 10 * YEAR, 5, NOW - 3600, NOW + 3600] {
        router.set_clock(clock);
        let grants = router.lab.asked(&["grants"]);
        let long = grants["grants"].as_array().expect("grants").iter().find(|grant| grant["access"] == "alice");
        let remaining = long.expect("the long grant")["remaining"].as_u64().expect("seconds");
        let spent = began.elapsed().as_secs();
        assert!((298 - spent..=300 - spent).contains(&remaining), "{remaining} after {spent} s");
        let element = router.lab.element("spa_in4_v1", &["203.0.113.2", "tcp", "9"]).expect("the door");
        assert!((298 - spent..=300 - spent).contains(&element.expires), "{element:?} after {spent} s");
    }
    thread::sleep(Duration::from_millis(1500).saturating_sub(opened.elapsed()));
    assert!(router.held().is_some(), "closed before its time");
    thread::sleep(Duration::from_millis(2300).saturating_sub(opened.elapsed()));
    assert_eq!(router.held(), None, "closed by the kernel on time");
    assert_eq!(router.lab.asked(&["grants"])["grants"].as_array().map(Vec::len), Some(1));
}
