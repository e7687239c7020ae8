//! Grants as the kernel has them, read back with nft in network namespaces.
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

use netns::{alone, elements, fw4, grant, guard, load, now, on_fw4, run, towards};
use rustix::thread::CapabilitySet;
use spa_knockd::config::FirewallMode;
use spa_knockd::firewall::{Firewall, FirewallError, Set, remove_standalone, script};

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn every_kind_of_grant_is_listed_with_its_stanza() {
    alone(|| {
        let mut firewall = on_fw4();
        assert_eq!(firewall.missing().unwrap(), []);
        for (source, to, port, set, key) in [
            ("192.0.2.1", None, "tcp/22", "spa_in4_v1", "192.0.2.1 . tcp . 22"),
            ("2001:db8::1", None, "udp/1194", "spa_in6_v1", "2001:db8::1 . udp . 1194"),
            ("192.0.2.1", Some("198.51.100.7"), "tcp/22", "spa_to4_v1", "192.0.2.1 . 198.51.100.7 . tcp . 22"),
            ("2001:db8::1", Some("2001:db8::2"), "tcp/22", "spa_to6_v1", "2001:db8::1 . 2001:db8::2 . tcp . 22"),
            ("192.0.2.0/24", None, "tcp/22", "spa_net4_v1", "192.0.2.0/24 . tcp . 22"),
            ("2001:db8:1::/48", None, "tcp/22", "spa_net6_v1", "2001:db8:1::/48 . tcp . 22"),
        ] {
            firewall.grant(&towards("alice", source, to, port, 30), now()).unwrap();
            let listed = elements("fw4", set);
            let (comment, left) = &listed[key];
            assert_eq!((listed.len(), comment.as_str()), (1, "alice"), "{set}");
            assert!((29_000..=30_000).contains(left), "{set}: {left} ms");
        }
        assert_eq!(firewall.living(now()).count(), 6);
        assert_eq!(firewall.on_events(now()), []);
    });
}

#[test]
fn openings_of_one_knock_open_together_or_not_at_all() {
    alone(|| {
        let mut firewall = on_fw4();
        let mut both = grant("alice", "192.0.2.1", "tcp/22", 30);
        both.openings.extend(grant("alice", "192.0.2.1", "udp/1194", 30).openings);
        firewall.grant(&both, now()).unwrap();
        assert_eq!(elements("fw4", "spa_in4_v1").len(), 2);
        run("nft", "flush set inet fw4 spa_in4_v1");
        let mut half = both.clone();
        half.openings.extend(towards("alice", "192.0.2.1", Some("2001:db8::1"), "tcp/22", 30).openings);
        assert!(matches!(firewall.grant(&half, now()), Err(FirewallError::Opening(_))));
        half.openings.pop();
        half.timeout = 0;
        assert!(matches!(firewall.grant(&half, now()), Err(FirewallError::Opening(_))));
        assert_eq!(elements("fw4", "spa_in4_v1").len(), 0);
    });
}

#[test]
fn a_grant_ends_on_time() {
    alone(|| {
        let mut firewall = on_fw4();
        firewall.grant(&grant("alice", "192.0.2.1", "tcp/22", 1), now()).unwrap();
        sleep(MS(600));
        assert_eq!(elements("fw4", "spa_in4_v1").len(), 1);
        sleep(MS(500));
        assert_eq!(elements("fw4", "spa_in4_v1").len(), 0);
        assert_eq!(firewall.living(now()).count(), 0);
        firewall.expire(now());
    });
}

#[test]
fn a_renewal_extends_and_never_shortens() {
    alone(|| {
        let mut firewall = on_fw4();
        for source in ["192.0.2.1", "192.0.2.0/24"] {
            let set = if source.contains('/') { "spa_net4_v1" } else { "spa_in4_v1" };
            let key = format!("{source} . tcp . 22");
            for (timeout, at_least) in [(30, 29_000), (5, 29_000), (60, 59_000), (60, 59_500)] {
                firewall.grant(&grant("alice", source, "tcp/22", timeout), now()).unwrap();
                let left = elements("fw4", set)[&key].1;
                assert!((at_least..=60_000).contains(&left), "{key}: {left} ms");
            }
        }
    });
}

#[test]
fn a_renewal_around_the_moment_of_expiry_never_fails_and_never_closes_early() {
    alone(|| {
        let mut firewall = on_fw4();
        for (net, set) in [("", "spa_in4_v1"), ("/30", "spa_net4_v1")] {
            let source = |host: u64| format!("192.0.2.{}{net}", host * 4);
            let knocks: Vec<_> = (0..50).map(|host| grant("alice", &source(host), "tcp/22", 1)).collect();
            let begin: Vec<_> = knocks
                .iter()
                .map(|knock| {
                    let begin = now();
                    firewall.grant(knock, begin).unwrap();
                    begin
                })
                .collect();
            // From 25 ms before the end to 24 ms behind it, each a little later.
            for (shift, (knock, begin)) in (0..).zip(knocks.iter().zip(begin)) {
                sleep((begin + MS(975 + shift)).saturating_sub(now()));
                firewall.grant(knock, now()).unwrap();
            }
            let listed = elements("fw4", set);
            assert_eq!(listed.len(), 50, "{set}");
            assert!(listed.values().all(|(_, left)| *left > 300), "{listed:?}");
        }
    });
}

#[test]
fn overlapping_networks_keep_what_each_grant_gave() {
    alone(|| {
        let mut firewall = on_fw4();
        firewall.grant(&grant("narrow", "192.0.2.16/28", "tcp/22", 90), now()).unwrap();
        firewall.grant(&grant("wide", "192.0.2.0/24", "tcp/22", 30), now()).unwrap();
        firewall.grant(&grant("other", "192.0.2.0/24", "tcp/23", 30), now()).unwrap();
        let listed = elements("fw4", "spa_net4_v1");
        let keys: Vec<_> = listed.iter().map(|(key, (access, _))| (key.as_str(), access.as_str())).collect();
        assert_eq!(
            keys,
            [
                ("192.0.2.0/24 . tcp . 23", "other"),
                ("192.0.2.0/28 . tcp . 22", "wide"),
                ("192.0.2.16/28 . tcp . 22", "narrow"),
                ("192.0.2.32-192.0.2.255 . tcp . 22", "wide"),
            ]
        );
        assert!(listed["192.0.2.16/28 . tcp . 22"].1 > 80_000);
        assert!(listed["192.0.2.32-192.0.2.255 . tcp . 22"].1 <= 30_000);

        firewall.grant(&grant("long", "192.0.2.0/25", "tcp/22", 60), now()).unwrap();
        let listed = elements("fw4", "spa_net4_v1");
        assert_eq!(listed["192.0.2.32-192.0.2.127 . tcp . 22"].0, "long");
        assert!(listed["192.0.2.128/25 . tcp . 22"].1 <= 30_000);
        assert!(listed["192.0.2.16/28 . tcp . 22"].1 > 80_000);

        firewall.grant(&grant("all", "192.0.0.0/16", "tcp/22", 120), now()).unwrap();
        let listed = elements("fw4", "spa_net4_v1");
        assert_eq!(listed.len(), 2);
        assert_eq!(listed["192.0.0.0/16 . tcp . 22"].0, "all");
    });
}

#[test]
fn a_strangers_overlapping_range_is_taken_into_account() {
    alone(|| {
        let mut firewall = on_fw4();
        run("nft", "add element inet fw4 spa_net4_v1 { 192.0.2.0/28 . tcp . 22 timeout 90s }");
        firewall.grant(&grant("wide", "192.0.2.0/24", "tcp/22", 30), now()).unwrap();
        let listed = elements("fw4", "spa_net4_v1");
        assert_eq!(listed.len(), 2);
        assert!(listed["192.0.2.0/28 . tcp . 22"].1 > 80_000);
        assert_eq!(listed["192.0.2.16-192.0.2.255 . tcp . 22"].0, "wide");
    });
}

#[test]
fn an_element_that_the_owner_made_for_ever_stays_so() {
    alone(|| {
        load(&fw4());
        run("nft", "add element inet fw4 spa_in4_v1 { 192.0.2.1 . tcp . 22 }");
        let mut firewall = Firewall::open(FirewallMode::Fw4, None, now()).unwrap();
        firewall.grant(&grant("alice", "192.0.2.1", "tcp/22", 1), now()).unwrap();
        let (comment, left) = &elements("fw4", "spa_in4_v1")["192.0.2.1 . tcp . 22"];
        assert_eq!((comment.as_str(), *left), ("", 0));
    });
}

#[test]
fn a_full_set_is_told_and_expired_ranges_do_not_keep_it_full() {
    alone(|| {
        let tiny = fw4().replace("include \"", "#").replacen(
            "chain input {",
            "set spa_in4_v1 { type ipv4_addr . inet_proto . inet_service; flags timeout; size 2; }
             set spa_net4_v1 { type ipv4_addr . inet_proto . inet_service; flags interval, timeout; size 2; }
             chain input {",
            1,
        );
        load(&tiny);
        let mut firewall = Firewall::open(FirewallMode::Fw4, None, now()).unwrap();
        for (tail, set) in [("", Set::In4), ("/28", Set::Net4)] {
            for (host, timeout) in [("192.0.2.0", 30), ("192.0.2.32", 1)] {
                firewall.grant(&grant("a", &format!("{host}{tail}"), "tcp/22", timeout), now()).unwrap();
            }
            let third = grant("a", &format!("192.0.2.64{tail}"), "tcp/22", 30);
            assert_eq!(firewall.grant(&third, now()), Err(FirewallError::Full(set)));
            assert_eq!(firewall.living(now()).filter(|living| living.element.set == set).count(), 2);
            firewall.grant(&grant("a", &format!("192.0.2.0{tail}"), "tcp/22", 60), now()).unwrap();
            sleep(MS(2_500));
            firewall.grant(&third, now()).unwrap();
            assert_eq!(elements("fw4", set.name()).len(), 2);
        }
    });
}

#[test]
fn a_missing_table_and_a_missing_set_are_told_apart() {
    alone(|| {
        let knock = grant("alice", "192.0.2.1", "tcp/22", 30);
        let missing = |set| FirewallError::Missing { table: "fw4", set };
        let mut firewall = Firewall::open(FirewallMode::Fw4, None, now()).unwrap();
        assert_eq!(firewall.missing().unwrap(), [missing(None)]);
        assert_eq!(firewall.grant(&knock, now()), Err(missing(None)));
        load("table inet fw4 { }");
        assert_eq!(firewall.missing().unwrap(), Set::ALL.map(|set| missing(Some(set))));
        assert_eq!(firewall.grant(&knock, now()), Err(missing(Some(Set::In4))));
        load(&fw4());
        assert_eq!(firewall.missing().unwrap(), []);
        firewall.grant(&knock, now()).unwrap();
        assert_eq!(elements("fw4", "spa_in4_v1").len(), 1);
    });
}

#[test]
fn without_the_capability_the_kernel_denies_it() {
    alone(|| {
        let mut firewall = on_fw4();
        let mut sets = rustix::thread::capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::NET_ADMIN);
        sets.permitted.remove(CapabilitySet::NET_ADMIN);
        rustix::thread::set_capabilities(None, sets).unwrap();
        let knock = grant("alice", "192.0.2.1", "tcp/22", 30);
        assert_eq!(firewall.grant(&knock, now()), Err(FirewallError::Denied));
        let again = Firewall::open(FirewallMode::Standalone, None, now());
        assert_eq!(again.unwrap_err(), FirewallError::Denied);
        assert_eq!(remove_standalone(), Err(FirewallError::Denied));
    });
}

#[test]
fn a_restarted_daemon_takes_over_what_lives() {
    alone(|| {
        let mut firewall = on_fw4();
        firewall.grant(&grant("alice", "192.0.2.1", "tcp/22", 30), now()).unwrap();
        firewall.grant(&grant("bob", "2001:db8::/64", "udp/53", 60), now()).unwrap();
        drop(firewall);
        let firewall = Firewall::open(FirewallMode::Fw4, None, now()).unwrap();
        let living: Vec<_> = firewall.living(now()).collect();
        let names: Vec<_> = living.iter().map(|living| (living.element.to_string(), living.access)).collect();
        assert_eq!(
            names,
            [
                ("192.0.2.1 to tcp/22".to_owned(), "alice"),
                ("2001:db8::-2001:db8::ffff:ffff:ffff:ffff to udp/53".to_owned(), "bob"),
            ]
        );
        assert!(living[0].remaining > MS(29_000) && living[0].remaining <= MS(30_000));
    });
}

#[test]
fn many_grants_are_adopted() {
    alone(|| {
        let mut firewall = on_fw4();
        for host in 0..2_000u16 {
            let [high, low] = host.to_be_bytes();
            firewall.grant(&grant("a", &format!("10.0.{high}.{low}"), "tcp/22", 600), now()).unwrap();
        }
        let again = Firewall::open(FirewallMode::Fw4, None, now()).unwrap();
        assert_eq!(again.living(now()).count(), 2_000);
    });
}

#[test]
fn the_script_of_standalone_mode_makes_the_very_table() {
    alone(|| {
        let shown = || {
            let text = run("nft", "-j list table inet spa_knockd");
            let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
            strip_handles(&mut json);
            json
        };
        load(&script(FirewallMode::Standalone, &guard()));
        let by_nft = shown();
        remove_standalone().unwrap();
        let missing = FirewallError::Missing { table: "spa_knockd", set: None };
        assert_eq!(remove_standalone(), Err(missing));
        for _ in 0..2 {
            Firewall::open(FirewallMode::Standalone, Some(guard()), now()).unwrap();
            assert_eq!(shown(), by_nft);
        }
        load(&script(FirewallMode::Fw4, &guard()));
        assert_eq!(Firewall::open(FirewallMode::Fw4, None, now()).unwrap().missing().unwrap(), []);
    });
}

fn strip_handles(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Array(list) => list.iter_mut().for_each(strip_handles),
        serde_json::Value::Object(map) => {
            map.remove("handle");
            map.values_mut().for_each(strip_handles);
        }
        _ => {}
    }
}
