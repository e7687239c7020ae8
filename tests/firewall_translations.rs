//! Forward grants as the kernel has them: one transaction, renewal, moving, and what others do to the maps.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod netns;

use std::thread::sleep;
use std::time::Duration;

use netns::{alone, elements, fw4, grant, load, now, on_fw4, run, through, way};
use spa_knockd::access::{Forward, Grant, Snat};
use spa_knockd::config::FirewallMode;
use spa_knockd::firewall::{Event, Firewall, FirewallError, Set};

const MS: fn(u64) -> Duration = Duration::from_millis;
const SOURCE: &str = "192.0.2.1";
const DNAT: &str = "192.0.2.1 . tcp . 2222";

/// One element of each of the sets for forwards: key and data as nft lists them.
const EVERY: [(&str, &str); 7] = [
    ("spa_to4_v1", "192.0.2.1 . 10.0.0.2 . tcp . 22"),
    ("spa_to6_v1", "2001:db8::1 . 2001:db8:1::2 . tcp . 22"),
    ("spa_all4_v1", "192.0.2.1 . 10.0.0.3"),
    ("spa_all6_v1", "2001:db8::1 . 2001:db8:1::3"),
    ("spa_dnat4_v1", "192.0.2.1 . tcp . 2222 : 10.0.0.2 . 22"),
    ("spa_snat4_v1", "192.0.2.1 . 10.0.0.2 . tcp . 22 : 10.0.0.1"),
    ("spa_masq4_v1", "192.0.2.1 . 10.0.0.3 . tcp . 23"),
];

/// The grant that these make true.
fn every(timeout: u32) -> Grant {
    let all = |source, to| Forward { all: true, ..way(source, None, to) };
    let address = Snat::Address("10.0.0.1".parse().unwrap());
    let forwards = [
        Forward { snat: Some(address), ..way(SOURCE, Some(2222), "10.0.0.2:22") },
        Forward { snat: Some(Snat::Masquerade), ..all(SOURCE, "10.0.0.3:23") },
        way("2001:db8::1", None, "[2001:db8:1::2]:22"),
        all("2001:db8::1", "[2001:db8:1::3]:23"),
    ];
    through("alice", &forwards, timeout)
}

fn moved(timeout: u32, to: &str) -> Grant {
    through("alice", &[way(SOURCE, Some(2222), to)], timeout)
}

/// Where the only translated port leads, whose it is, and what is left in milliseconds.
fn dnat() -> (String, String, u64) {
    let listed = elements("fw4", "spa_dnat4_v1");
    assert_eq!(listed.len(), 1, "{listed:?}");
    let (key, (comment, left)) = listed.into_iter().next().unwrap();
    (key.strip_prefix(DNAT).unwrap().trim_start_matches(" : ").to_owned(), comment, left)
}

#[test]
fn all_elements_of_a_grant_are_listed_with_its_stanza_and_its_time() {
    alone(|| {
        let mut firewall = on_fw4();
        let both = Grant { openings: grant("", SOURCE, "tcp/80", 1).openings, ..every(30) };
        firewall.grant(&both, now()).unwrap();
        for (set, key) in EVERY.into_iter().chain([("spa_in4_v1", "192.0.2.1 . tcp . 80")]) {
            let listed = elements("fw4", set);
            let (comment, left) = listed.get(key).unwrap_or_else(|| panic!("{set}: {listed:?}"));
            assert_eq!((listed.len(), comment.as_str()), (1, "alice"), "{set}");
            assert!((29_000..=30_000).contains(left), "{set}: {left} ms");
        }
        assert_eq!(firewall.living(now()).count(), 8);
        assert_eq!(firewall.on_events(now()), []);
    });
}

#[test]
fn a_way_opens_whole_or_not_at_all() {
    alone(|| {
        let to = "set spa_to4_v1 { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags timeout; }";
        let map = "map spa_dnat4_v1 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; \
                   flags timeout; size 1; }";
        load(&format!("table inet fw4 {{ {to}\n}}"));
        let mut firewall = Firewall::open(FirewallMode::Fw4, None, now()).unwrap();
        let missing = FirewallError::Missing { table: "fw4", set: Some(Set::Dnat4) };
        assert!(firewall.missing().unwrap().contains(&missing));
        assert_eq!(firewall.grant(&moved(30, "10.0.0.2:22"), now()), Err(missing));
        load(&format!("table inet fw4 {{ {map}\n}}"));
        firewall.grant(&moved(30, "10.0.0.2:22"), now()).unwrap();
        let another = through("bob", &[way("192.0.2.9", Some(2222), "10.0.0.2:22")], 30);
        assert_eq!(firewall.grant(&another, now()), Err(FirewallError::Full(Set::Dnat4)));
        assert_eq!(elements("fw4", "spa_to4_v1").len(), 1);
        // What is there may still be renewed and moved.
        firewall.grant(&moved(60, "10.0.0.2:22"), now()).unwrap();
        firewall.grant(&moved(60, "10.0.0.3:22"), now()).unwrap();
        assert_eq!(dnat().0, "10.0.0.3 . 22");
        assert_eq!(firewall.living(now()).count(), 3);
    });
}

#[test]
fn a_renewal_never_shortens_and_another_target_moves_the_port_for_its_own_time() {
    alone(|| {
        let mut firewall = on_fw4();
        for (timeout, at_least) in [(30, 29_000), (5, 29_000), (60, 59_000)] {
            firewall.grant(&every(timeout), now()).unwrap();
            for (set, key) in EVERY {
                let left = elements("fw4", set)[key].1;
                assert!((at_least..=60_000).contains(&left), "{set}: {left} ms");
            }
        }
        firewall.grant(&moved(30, "10.0.0.9:22"), now()).unwrap();
        let (to, access, left) = dnat();
        assert_eq!((to.as_str(), access.as_str()), ("10.0.0.9 . 22", "alice"));
        assert!((29_000..=30_000).contains(&left));
        let leads: Vec<_> = firewall
            .living(now())
            .filter(|living| living.element.set == Set::Dnat4)
            .map(|living| living.element.to_string())
            .collect();
        assert_eq!(leads, ["192.0.2.1 to tcp/2222 forwarded to 10.0.0.9:22"]);
    });
}

#[test]
fn renewing_and_moving_around_the_moment_of_expiry_never_fail() {
    alone(|| {
        let mut firewall = on_fw4();
        let knock =
            |host: u64, to, timeout| through("alice", &[way(&format!("192.0.2.{host}"), Some(2222), to)], timeout);
        let begin: Vec<_> = (0..50)
            .map(|host| {
                let begin = now();
                firewall.grant(&knock(host, "10.0.0.2:22", 1), begin).unwrap();
                begin
            })
            .collect();
        // From 25 ms before the end to 24 ms behind it, each a little later.
        for (host, begin) in (0..).zip(begin) {
            sleep((begin + MS(975 + host)).saturating_sub(now()));
            let to = if host % 2 == 0 { "10.0.0.2:22" } else { "10.0.0.3:22" };
            firewall.grant(&knock(host, to, 30), now()).unwrap();
        }
        let listed = elements("fw4", "spa_dnat4_v1");
        assert_eq!(listed.len(), 50);
        assert!(listed.values().all(|(_, left)| *left > 20_000), "{listed:?}");
        assert_eq!(listed.keys().filter(|key| key.ends_with("10.0.0.3 . 22")).count(), 25);
    });
}

#[test]
fn a_strangers_translation_gives_way_to_a_grant_and_an_endless_one_of_the_same_target_stays() {
    alone(|| {
        let mut firewall = on_fw4();
        for timeout in ["timeout 90s", ""] {
            run("nft", "flush map inet fw4 spa_dnat4_v1");
            run("nft", &format!("add element inet fw4 spa_dnat4_v1 {{ {DNAT} {timeout} : 10.0.0.9 . 22 }}"));
            firewall.grant(&moved(30, "10.0.0.2:22"), now()).unwrap();
            let (to, access, left) = dnat();
            assert_eq!((to.as_str(), access.as_str()), ("10.0.0.2 . 22", "alice"));
            assert!(left <= 30_000);
        }
        load(&format!("delete table inet fw4\n{}", fw4()));
        run("nft", &format!("add element inet fw4 spa_dnat4_v1 {{ {DNAT} : 10.0.0.2 . 22 }}"));
        let mut firewall = Firewall::open(FirewallMode::Fw4, None, now()).unwrap();
        firewall.grant(&moved(30, "10.0.0.2:22"), now()).unwrap();
        assert_eq!(dnat(), ("10.0.0.2 . 22".to_owned(), String::new(), 0));
    });
}

#[test]
fn a_restarted_daemon_takes_over_every_way_and_a_restarted_firewall_gets_them_back() {
    alone(|| {
        let mut firewall = on_fw4();
        firewall.grant(&every(30), now()).unwrap();
        let said = |firewall: &Firewall| -> Vec<_> {
            firewall.living(now()).map(|living| (*living.element, living.access.to_owned())).collect()
        };
        let before = said(&firewall);
        assert_eq!(before.len(), EVERY.len());
        drop(firewall);
        let mut firewall = Firewall::open(FirewallMode::Fw4, None, now()).unwrap();
        assert_eq!(said(&firewall), before);
        load(&format!("delete table inet fw4\n{}", fw4()));
        assert_eq!(firewall.on_events(now()), [Event::TableGone, Event::Restored(EVERY.len())]);
        for (set, key) in EVERY {
            assert!(elements("fw4", set)[key].1 > 28_000, "{set}");
        }
    });
}

#[test]
fn a_translation_that_the_owner_deletes_stays_deleted() {
    alone(|| {
        let mut firewall = on_fw4();
        firewall.grant(&every(30), now()).unwrap();
        run("nft", &format!("delete element inet fw4 spa_dnat4_v1 {{ {DNAT} }}"));
        run("nft", "flush set inet fw4 spa_all6_v1");
        let revoked: Vec<_> = firewall.on_events(now()).iter().map(Event::to_string).collect();
        assert_eq!(
            revoked,
            [
                "192.0.2.1 to tcp/2222 forwarded to 10.0.0.2:22 of alice was deleted by hand",
                "2001:db8::1 to 2001:db8:1::3 all ports of alice was deleted by hand",
            ]
        );
        load(&format!("delete table inet fw4\n{}", fw4()));
        assert_eq!(firewall.on_events(now()), [Event::TableGone, Event::Restored(EVERY.len() - 2)]);
        assert_eq!(elements("fw4", "spa_dnat4_v1").len(), 0);
    });
}

#[test]
fn what_cannot_be_translated_is_refused_before_the_kernel_is_asked() {
    alone(|| {
        let mut firewall = on_fw4();
        for forward in [
            way("2001:db8::1", Some(2222), "[2001:db8:1::2]:22"),
            Forward { snat: Some(Snat::Masquerade), ..way("2001:db8::1", None, "[2001:db8:1::2]:22") },
            way(SOURCE, Some(2222), "10.0.0.2:0"),
            way(SOURCE, None, "[2001:db8:1::2]:22"),
        ] {
            let knock = Grant { openings: grant("", SOURCE, "tcp/80", 1).openings, ..through("a", &[forward], 30) };
            assert!(matches!(firewall.grant(&knock, now()), Err(FirewallError::Opening(_))), "{forward:?}");
        }
        assert_eq!(elements("fw4", "spa_in4_v1").len(), 0);
    });
}
