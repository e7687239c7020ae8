//! The page behind real web servers, in a real browser, with the real daemon: from a card in the wallet to an open door.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a helper that does not get what it needs ends the test"
)]

#[path = "../lab/mod.rs"]
mod lab;

mod site;

use lab::Place;
use site::Site;

#[test]
fn a_person_with_a_browser_and_a_card_gets_in() {
    let site = Site::new("");
    let _services = [22, 443].map(|port| site.lab.tcp_echo(Place::Router, port));
    // The browser has one address of each kind to come from.
    let change = ["address", "change", "2001:db8:1::66/64", "dev", "wan0", "preferred_lft", "0"];
    site.lab.run(Place::Wan, "ip", &change);
    // Its last step ends the daemon.
    site.node("journey.test.mjs");
    let log = site.ended();
    for words in [
        "grant alice: 203.0.113.2 may reach tcp/22 for 15 s, one-time password from 203.0.113.2",
        "grant bob: 2001:db8:1::2 may reach tcp/22 for 15 s, one-time password from 2001:db8:1::2",
        "grant phone: 203.0.113.2 may reach tcp/22 for 300 s, one-time password from 203.0.113.2",
        "refused alice: otp_mismatch, one-time password from 203.0.113.2",
    ] {
        assert!(log.contains(words), "{words:?} is not in:\n{log}");
    }
    assert_eq!(log.matches("grant alice").count(), 1, "{log}");
    assert_eq!(log.matches(": refused ").count(), 1, "{log}");
}

#[test]
fn what_no_browser_sends_is_answered_and_spends_nothing() {
    let site = Site::new("\tlist host '203.0.113.1'\n");
    let _ssh = site.lab.tcp_echo(Place::Router, 22);
    // Whoever was wrong too often has to wait, so each has an address of its own.
    for last in 67..70 {
        site.lab.run(Place::Wan, "ip", &["address", "add", &format!("203.0.113.{last}/24"), "dev", "wan0"]);
    }
    site.node("requests.test.mjs");
    let log = site.stop();
    assert_eq!(log.matches("grant bob").count(), 1, "one password opens once:\n{log}");
}
