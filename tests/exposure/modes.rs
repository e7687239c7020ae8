//! What hangs on the family of a translation, and on the guard that a configuration would make.

use spa_knockd::config::FirewallMode;
use spa_knockd::firewall::exposure::At;
use spa_knockd::firewall::{Guard, script};

use super::netns::{self, alone, load, run};
use super::{foresee, look};

#[test]
fn a_translation_is_for_its_own_family_only() {
    alone(|| {
        let table = |translation: &str| {
            format!(
                "table inet t {{\nchain pre {{\ntype nat hook prerouting priority dstnat; policy accept;\n\
                 iifname wan0 {translation}\n}}\nchain in {{\ntype filter hook input priority filter; policy drop;\n\
                 tcp dport 22 accept\n}}\nchain forward {{\ntype filter hook forward priority filter; policy drop;\n}}\n}}\n"
            )
        };
        for (translation, families) in [
            ("tcp dport 22 dnat ip to 192.168.1.10:22", &["ipv6"][..]),
            ("tcp dport 22 dnat ip6 to [2001:db8:2::10]:22", &["ipv4"]),
            ("tcp dport 22 redirect to :2200", &[]),
            ("tcp dport 22 dnat to :2200", &[]),
        ] {
            load(&table(translation));
            let found = look(At::Router);
            run("nft", "flush ruleset");
            assert_eq!(
                found.open.iter().map(|one| one.families.as_slice()).collect::<Vec<_>>(),
                [families; 1][..usize::from(!families.is_empty())],
                "{translation}"
            );
            assert!(found.open.iter().all(|one| one.redirect.is_none()), "{found:?}");
        }
        // Over IPv6 it is no way to an address that nobody wrote.
        load(
            &table("tcp dport 8022 dnat ip to 192.168.1.10:22")
                .replace("priority filter; policy drop", "priority filter; policy accept"),
        );
        let found = look(At::Outside("192.168.1.10:22".parse().unwrap()));
        assert_eq!(found.open.len(), 1, "{found:?}");
        assert!(found.open[0].to_string().contains("over IPv4 to 192.168.1.10:22"), "{found:?}");
    });
}

#[test]
fn the_guard_that_a_configuration_would_make_counts_and_not_the_old_one() {
    alone(|| {
        let guard = netns::guard();
        let other = Guard { protect: vec!["tcp/23".parse().unwrap()], ..guard.clone() };
        for living in [None, Some(&guard), Some(&other)] {
            if let Some(living) = living {
                load(&script(FirewallMode::Standalone, living));
            }
            assert_eq!(foresee(At::Router, Some(&guard)).open, []);
            assert_eq!(foresee(At::Router, Some(&other)).open.len(), 1);
            run("nft", "flush ruleset");
        }
        load(
            "table ip x {\nchain pre {\ntype nat hook prerouting priority -150; policy accept;\ntcp dport 22 redirect to :2200\n}\n}\n",
        );
        assert_eq!(foresee(At::Router, Some(&guard)).open.len(), 1);
    });
}
