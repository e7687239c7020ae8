//! The end of living grants by the owner's word, in the kernel.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod netns;

use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use netns::{alone, elements, fw4, grant, load, now, on_fw4, run, through, way};
use spa_knockd::access::{Forward, Snat};
use spa_knockd::firewall::{Event, Firewall, FirewallError, Kill, Set};

const SOURCE: &str = "192.0.2.1";

fn source(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

/// Two stanzas, two families, doors, a range, and a way through.
fn filled() -> Firewall {
    let mut firewall = on_fw4();
    for (access, from) in [("alice", SOURCE), ("alice", "192.0.2.2"), ("alice", "192.0.2.0/24"), ("bob", "2001:db8::1")]
    {
        firewall.grant(&grant(access, from, "tcp/22", 30), now()).unwrap();
    }
    let inside = Forward { snat: Some(Snat::Masquerade), ..way(SOURCE, Some(2222), "10.0.0.2:22") };
    firewall.grant(&through("bob", &[inside], 30), now()).unwrap();
    firewall
}

/// How many elements each set of the kernel holds, where it holds any.
fn held() -> Vec<(&'static str, usize)> {
    let counts = Set::ALL.map(|set| (set.name(), elements("fw4", set.name()).len()));
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}

#[test]
fn a_stanza_a_source_or_everything_is_closed() {
    alone(|| {
        let mut firewall = filled();
        assert_eq!(firewall.revoke(Some("carol"), None, now()), Ok(0));
        assert_eq!(firewall.revoke(None, source("198.51.100.1"), now()), Ok(0));
        assert_eq!(firewall.revoke(Some("alice"), source("192.0.2.2"), now()), Ok(2));
        let bobs = [("spa_to4_v1", 1), ("spa_dnat4_v1", 1), ("spa_masq4_v1", 1)];
        assert_eq!(held(), [&[("spa_in4_v1", 1), ("spa_in6_v1", 1)][..], &bobs].concat());
        assert_eq!(firewall.revoke(None, source(SOURCE), now()), Ok(4));
        assert_eq!(held(), [("spa_in6_v1", 1)]);
        assert_eq!(firewall.living(now()).count(), 1);

        let mut firewall = filled();
        assert_eq!(firewall.revoke(Some("bob"), None, now()), Ok(4));
        assert_eq!(held(), [("spa_in4_v1", 2), ("spa_net4_v1", 1)]);
        assert_eq!(firewall.revoke(None, None, now()), Ok(3));
        assert_eq!(held(), []);
        assert_eq!(firewall.living(now()).count(), 0);

        // What we do ourselves is no news, and nothing of it comes back.
        assert_eq!(firewall.on_events(now()), []);
        load(&format!("delete table inet fw4\n{}", fw4()));
        assert_eq!(firewall.on_events(now()), [Event::TableGone, Event::Restored(0)]);
        firewall.grant(&grant("alice", SOURCE, "tcp/22", 5), now()).unwrap();
        assert!(elements("fw4", "spa_in4_v1")["192.0.2.1 . tcp . 22"].1 <= 5_000);
    });
}

#[test]
fn what_expires_meanwhile_keeps_nothing_open() {
    alone(|| {
        let mut firewall = on_fw4();
        for host in 0..150u8 {
            let timeout = if host % 3 == 0 { 1 } else { 30 };
            firewall.grant(&grant("alice", &format!("192.0.2.{host}"), "tcp/22", timeout), now()).unwrap();
        }
        firewall.grant(&grant("alice", "198.51.100.0/24", "tcp/22", 1), now()).unwrap();
        let at = now();
        sleep(Duration::from_millis(1_100));
        assert_eq!(elements("fw4", "spa_in4_v1").len(), 100);
        // As if it had been asked just before some expired.
        assert_eq!(firewall.revoke(Some("alice"), None, at), Ok(151));
        assert_eq!(held(), []);
        assert_eq!(firewall.living(at).count(), 0);
    });
}

#[test]
fn what_somebody_put_there_by_hand_is_closed_too() {
    alone(|| {
        let mut firewall = on_fw4();
        run("nft", "add element inet fw4 spa_in4_v1 { 192.0.2.1 . tcp . 22 timeout 90s }");
        run("nft", "add element inet fw4 spa_dnat4_v1 { 192.0.2.1 . tcp . 2222 : 10.0.0.2 . 22 }");
        run("nft", "add element inet fw4 spa_in4_v1 { 192.0.2.7 . tcp . 22 timeout 90s }");
        assert_eq!(firewall.revoke(None, source(SOURCE), now()), Ok(2));
        assert_eq!(held(), [("spa_in4_v1", 1)]);
    });
}

#[test]
fn what_is_revoked_while_the_table_is_gone_does_not_come_back() {
    alone(|| {
        let mut firewall = filled();
        run("nft", "delete table inet fw4");
        assert_eq!(firewall.revoke(Some("alice"), None, now()), Ok(3));
        load(&fw4());
        assert_eq!(firewall.on_events(now()), [Event::TableGone, Event::Restored(4)]);
        assert_eq!(firewall.living(now()).filter(|living| living.access == "alice").count(), 0);
    });
}

#[test]
fn what_the_kernel_denies_is_told_and_lives_on() {
    alone(|| {
        let mut firewall = filled();
        let mut sets = rustix::thread::capabilities(None).unwrap();
        sets.effective.remove(rustix::thread::CapabilitySet::NET_ADMIN);
        rustix::thread::set_capabilities(None, sets).unwrap();
        assert_eq!(firewall.revoke(None, None, now()), Err(FirewallError::Denied.into()));
        let kill = Kill::new(&|_| true);
        assert_eq!(firewall.revoke_and_kill(None, None, now(), &kill), Err(FirewallError::Denied.into()));
        assert_eq!(firewall.living(now()).count(), 7);
    });
}
