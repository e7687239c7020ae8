//! Phones whose clocks are off: the floor of the clock is the router's own, never a packet's timestamp.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::lab::client::Keys;
use crate::router::{NOW, Off, Router, knock, refused, two};

#[test]
fn a_fast_phone_locks_neither_the_router_nor_the_other_phones() {
    let mut router = Router::new(&two(), NOW);
    assert_eq!(router.judge(&knock("alice", NOW + 120)), Ok(()), "fast by max_age");
    assert_eq!(router.judge(&knock("alice", NOW + 1)), Ok(()), "another phone of the stanza, which is right");
    router.reboot(Off::Cut, NOW + 20);
    let show = router.state(&["show"]);
    let text = String::from_utf8_lossy(&show.stdout);
    assert!(text.contains(&format!("last honoured knock: {NOW}\n")), "{text}");
    assert_eq!(router.clock()["set"], true);
    assert_eq!(router.judge(&knock("bob", NOW + 20)), Ok(()), "another stanza");
    assert_eq!(router.judge(&knock("alice", NOW + 20 + 120)), Ok(()), "the fast phone itself");
    // What it costs: phones of the same stanza that are right wait, at most max_age from the fast one's knock on.
    router.set_clock(NOW + 120);
    assert_eq!(router.judge(&knock("alice", NOW + 120)), refused("not_newer"));
    router.set_clock(NOW + 121);
    assert_eq!(router.judge(&knock("alice", NOW + 121)), Ok(()));
}

#[test]
fn a_phone_that_is_off_by_more_than_max_age_moves_nothing() {
    let router = Router::new(&two(), NOW);
    assert_eq!(router.judge(&knock("alice", NOW + 121)), refused("too_new"));
    assert_eq!(router.judge(&knock("alice", NOW - 121)), refused("too_old"));
    assert_eq!(router.lab.asked(&["status"])["remembered"], 0);
    assert_eq!(router.judge(&knock("alice", NOW - 120)), Ok(()), "slow by max_age");
}

#[test]
fn the_real_client_with_its_clock_off() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let router = Router::new(&two(), now);
    let keys = Keys::passphrases("alice-encryption", "alice-authentication");
    for (offset, expected) in [
        (["--time-offset-plus", "3M"], refused("too_new")),
        (["--time-offset-minus", "3M"], refused("too_old")),
        (["--time-offset-plus", "90"], Ok(())),
        (["--time-offset-minus", "60"], Ok(())),
    ] {
        let packet = router.lab.packet(&keys, &[&["-A", "tcp/22", "-a", "203.0.113.2"], &offset[..]].concat());
        assert_eq!(router.judge(&packet), expected, "{offset:?}");
    }
}
