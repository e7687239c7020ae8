//! What is left when the package goes, and what an upgrade finds.

use super::machine::Router;
use super::{OF_WAN, config, simple};

#[test]
fn a_cleanup_leaves_nothing_in_nft_and_memory_and_every_file_of_the_user() {
    let router = Router::new(&simple());
    router.write("etc/nftables.d/10-own.nft", "set spare { type ipv4_addr; elements = { 192.0.2.9 } }\n");
    router.init("start");
    router.serving();
    router.good("nft add element inet fw4 spa_in4_v1 '{ 192.0.2.1 . tcp . 22 timeout 60s }'");
    // One of an older version, which no rule names.
    router.good("nft add set inet fw4 spa_in4_v0 '{ type ipv4_addr; flags timeout; }'");
    let before = router.read("etc/config/spa-knockd");
    router.init("cleanup");
    assert!(!router.running());
    let ruleset = router.good("nft list ruleset");
    assert!(!ruleset.contains("spa_") && ruleset.contains("set spare") && ruleset.contains("192.0.2.9"), "{ruleset}");
    assert!(router.drop_ins().is_empty());
    for gone in
        ["usr/share/nftables.d/table-pre", "var/etc/spa-knockd", "var/run/spa-knockd", "var/run/spa-knockd.status"]
    {
        assert!(!router.at(gone).exists(), "{gone}");
    }
    assert_eq!(router.read("etc/config/spa-knockd"), before);
    assert!(router.at("etc/spa-knockd/state").is_dir());
    // As default_prerm does after it, and somebody who is not sure.
    for again in ["stop", "cleanup"] {
        router.init(again);
    }
}

#[test]
fn a_cleanup_ends_the_guard_of_standalone_mode_too() {
    let router = Router::new(&config("\tlist network 'wan'\n\toption firewall 'standalone'\n"));
    router.init("start");
    router.serving();
    router.wait("guard", || router.good("nft list tables").contains("spa_knockd"));
    router.init("cleanup");
    assert!(!router.good("nft list ruleset").contains("spa_"));
}

#[test]
fn a_cleanup_with_a_firewall_that_is_stopped_removes_the_files() {
    let router = Router::new(&simple());
    router.init("start");
    router.good("rm /var/run/fw4.state; nft delete table inet fw4");
    router.init("cleanup");
    assert!(router.drop_ins().is_empty());
}

#[test]
fn other_peoples_drop_ins_stay() {
    let router = Router::new(&simple());
    let theirs = "usr/share/nftables.d/chain-pre/input_wan";
    std::fs::create_dir_all(router.at(theirs)).expect("mkdir");
    router.write(&format!("{theirs}/20-other.nft"), "counter comment \"other\"\n");
    router.init("start");
    router.init("cleanup");
    assert_eq!(router.drop_ins(), ["chain-pre/input_wan/20-other.nft"]);
    assert!(router.good("nft list chain inet fw4 input_wan").contains("other"));
}

#[test]
fn an_upgrade_and_a_downgrade_bring_the_rules_of_their_version() {
    let router = Router::new(&simple());
    router.init("start");
    router.serving();
    let templates = "usr/share/spa-knockd/nftables";
    let (sets, rules) = (format!("{templates}/table-pre.nft"), format!("{templates}/zone/input.nft"));
    let (old_sets, old_rules) = (router.read(&sets), router.read(&rules));
    // As the package managers do it: stop, other files, start.
    router.init("stop");
    router.write(&sets, &old_sets.replace("spa_in4_v1 { type ipv4_addr", "spa_in4_v2 { type ipv6_addr"));
    router.write(
        &rules,
        &old_rules.replace(
            "ip saddr . meta l4proto . th dport @spa_in4_v1",
            "ip6 saddr . meta l4proto . th dport @spa_in4_v2",
        ),
    );
    router.init("start");
    assert!(router.good("nft list chain inet fw4 input_wan").contains("@spa_in4_v2"));
    router.init("stop");
    router.write(&sets, &old_sets);
    router.write(&rules, &old_rules);
    router.init("start");
    router.serving();
    assert!(router.good("nft list chain inet fw4 input_wan").contains("@spa_in4_v1"));
    assert_eq!(router.drop_ins(), OF_WAN);
    router.init("cleanup");
    assert!(!router.good("nft list ruleset").contains("spa_"));
}

#[test]
fn an_option_of_a_later_version_is_refused_by_name_after_a_downgrade() {
    let router = Router::new(&config("\tlist network 'wan'\n\toption invented_later '1'\n"));
    router.refused("start");
    let (code, words) = router.status();
    assert!(code == 3 && words.contains("/etc/config/spa-knockd:4: ") && words.contains("invented_later"), "{words}");
}

/// Someone has come in by a knock.
fn open_a_door(router: &Router) {
    router.init("start");
    router.serving();
    router.good("nft add element inet fw4 spa_in4_v1 '{ 192.0.2.1 . tcp . 22 timeout 60s }'");
    router.good("nft add element inet fw4 spa_dnat4_v1 '{ 192.0.2.1 . tcp . 22 timeout 60s : 192.168.1.2 . 22 }'");
}

/// How a door is shut for good, and what its script says to it.
const SHUT: [(&str, &str); 2] = [("0", "reload"), ("1", "cleanup")];

#[test]
fn doors_are_shut_where_fw4_cannot_reload() {
    for (enabled, action) in SHUT {
        let router = Router::new(&simple());
        open_a_door(&router);
        router.write("etc/nftables.d/10-own.nft", "chain x { nonsense }\n");
        router.configure(&simple().replace("enabled '1'", &format!("enabled '{enabled}'")));
        // nft names the mistake of others, for the stand-in does not hide it.
        let out = router.run(&format!("/etc/init.d/spa-knockd {action}"));
        assert_eq!(out.status.success(), action == "reload");
        let ruleset = router.good("nft list ruleset");
        assert!(!ruleset.contains("192.0.2.1") && ruleset.contains("set spa_in4_v1"), "{action}: {ruleset}");
        assert!(router.drop_ins().is_empty());
        let log = router.log();
        assert!(log.contains("err our rules and sets stay in table inet fw4") && log.contains("are empty"), "{log}");
        // The mistake is mended, and nothing of ours is left to be found in files.
        router.remove("etc/nftables.d/10-own.nft");
        router.init(action);
        assert!(!router.good("nft list ruleset").contains("spa_"), "{action}");
    }
}

#[test]
fn doors_are_shut_where_the_flash_is_read_only() {
    for (enabled, action) in SHUT {
        let router = Router::new(&simple());
        open_a_door(&router);
        let place = router.at("usr/share/nftables.d");
        let place = place.to_str().expect("UTF-8");
        router.outside(&["mount", "--bind", place, place]);
        router.outside(&["mount", "-o", "remount,bind,ro", place]);
        router.configure(&simple().replace("enabled '1'", &format!("enabled '{enabled}'")));
        if action == "reload" {
            router.init(action);
        } else {
            router.refused(action);
        }
        let ruleset = router.good("nft list ruleset");
        assert!(!ruleset.contains("192.0.2.1") && ruleset.contains("set spa_in4_v1"), "{action}: {ruleset}");
        assert_eq!(router.drop_ins(), OF_WAN);
        let log = router.log();
        let line = "err the rules cannot be removed from /usr/share/nftables.d; is the flash read-only?\n";
        assert_eq!(log.matches(line).count(), 1, "{action}: {log}");
        assert!(!log.contains("may still be open"), "{action}: {log}");
    }
}

#[test]
fn doors_are_shut_where_the_files_went_before() {
    let router = Router::new(&simple());
    open_a_door(&router);
    router.good("rm -r /usr/share/nftables.d/*");
    router.configure(&simple().replace("enabled '1'", "enabled '0'"));
    router.init("reload");
    assert!(!router.good("nft list ruleset").contains("spa_"));
}

#[test]
fn doors_that_cannot_be_shut_are_spoken_of() {
    let router = Router::new(&simple());
    open_a_door(&router);
    // An nft that only looks.
    router.good(
        "mv /usr/sbin/nft /usr/sbin/nft.real && printf '%s\\n' '#!/bin/sh' \
         'case \"$1 $2\" in \"-f -\") echo no such luck >&2; exit 1 ;; delete*) exit 1 ;; esac' 'exec nft.real \"$@\"' \
         >/usr/sbin/nft && chmod 755 /usr/sbin/nft",
    );
    router.refused("cleanup");
    let log = router.log();
    assert!(log.contains("err what knocks opened may still be open") && log.contains("err no such luck\n"), "{log}");
    assert!(!log.contains("are empty"), "{log}");
}
