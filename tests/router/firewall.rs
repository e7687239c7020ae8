//! The drop-ins: for which zones, and what becomes of them when fw4 cannot read them.

use super::machine::{Router, zone};
use super::{OF_WAN, config, simple};

/// The main section where nothing else guards.
const STANDALONE: &str = "\tlist network 'wan'\n\toption firewall 'standalone'\n";

/// Starts, and gives the zones that have drop-ins.
fn zones(router: &Router) -> Vec<String> {
    router.init("start");
    let place =
        |place: &String| place.strip_prefix("chain-pre/input_").map(|rest| rest.replace("/10-spa-knockd.nft", ""));
    router.drop_ins().iter().filter_map(place).collect()
}

#[test]
fn rules_are_checked_once_and_loaded_once() {
    let router = Router::new(&simple());
    router.init("start");
    assert_eq!(router.fw4_calls(), "check reload");
    let rules = router.good("nft list chain inet fw4 input_wan");
    assert!(rules.contains("@spa_in4_v1 counter packets 0 bytes 0 accept"), "{rules}");
    assert!(!router.good("nft list chain inet fw4 input_lan").contains("spa_"));
    // The flash is not written again, and fw4 not asked.
    let written = router.good("cd /usr/share/nftables.d && find . -type f -exec ls -i {} ';' | sort");
    router.init("reload");
    router.init("restart");
    assert_eq!(router.fw4_calls(), "");
    assert_eq!(router.good("cd /usr/share/nftables.d && find . -type f -exec ls -i {} ';' | sort"), written);
    // A newer package brings other rules.
    let template = "usr/share/spa-knockd/nftables/zone/input.nft";
    router.write(template, &(router.read(template) + "counter comment \"newer\"\n"));
    router.init("start");
    assert_eq!(router.fw4_calls(), "check reload");
    assert!(router.good("nft list chain inet fw4 input_wan").contains("newer"));
}

#[test]
fn zones_are_those_of_the_networks_and_devices_or_those_that_are_named() {
    let router = Router::new(&config("\tlist network 'wan6'\n"));
    router.up("wan6", "eth1");
    assert_eq!(zones(&router), ["wan"]);
    for (main, expected) in [
        ("\tlist network 'wan'\n\tlist network 'lan'\n", vec!["lan", "wan"]),
        ("\tlist network 'wan'\n\tlist zone 'lan'\n", vec!["lan"]),
        // fw4 knows in which zone a device is.
        ("\tlist device 'eth1'\n", vec!["wan"]),
    ] {
        router.up("lan", "eth2");
        router.configure(&config(main));
        assert_eq!(zones(&router), expected, "{main}");
    }
    // A zone may name devices, and names may be written in one option.
    let by_device = "config zone\n\toption name 'dmz'\n\toption device 'tun0 eth2'\n\nconfig zone\n\toption name 'wan'\n\
                     \toption network 'wan wan6'\n";
    router.write("etc/config/firewall", by_device);
    router.configure(&config("\tlist network 'wan'\n\tlist device 'eth2'\n"));
    assert_eq!(zones(&router), ["dmz", "wan"]);
}

#[test]
fn a_zone_that_was_renamed_gets_the_rules_and_the_old_one_loses_them() {
    let router = Router::new(&simple());
    router.init("start");
    let daemon = router.serving();
    router.write("etc/config/firewall", &(zone("lan", "lan") + &zone("guest-net.2", "wan")));
    router.init("reload");
    let places = router.drop_ins();
    assert!(places.contains(&"chain-pre/input_guest-net.2/10-spa-knockd.nft".to_owned()), "{places:?}");
    assert_eq!(places.len(), OF_WAN.len());
    assert!(!router.at("usr/share/nftables.d/chain-pre/input_wan").exists());
    assert!(router.good("nft list chain inet fw4 input_guest-net.2").contains("@spa_in4_v1"));
    assert_eq!(router.serving(), daemon);
}

#[test]
fn the_dot_of_a_zone_stands_for_itself_alone() {
    let router = Router::new(&simple());
    router.write("etc/config/firewall", &zone("a.b", "wan"));
    assert_eq!(zones(&router), ["a.b"]);
    router.write("etc/config/firewall", &zone("a-b", "wan"));
    assert_eq!(zones(&router), ["a-b"]);
}

#[test]
fn a_zone_that_is_missing_is_named_and_without_any_the_service_refuses() {
    let router = Router::new(&config("\tlist network 'wan'\n\tlist zone 'wan'\n\tlist zone 'guest'\n"));
    router.init("start");
    let daemon = router.serving();
    let missing = "err there is no zone 'guest' in /etc/config/firewall; correct list zone, or make the zone\n";
    assert_eq!(router.log(), missing);
    assert_eq!(router.drop_ins(), OF_WAN);
    // None is left: what runs goes on, a start is refused.
    router.write(
        "etc/config/firewall",
        &(zone("lan", "lan") + &zone("wan", "wan").replace("\toption", "\toption enabled '0'\n\toption")),
    );
    router.refused("reload");
    assert_eq!(router.serving(), daemon);
    let (code, words) = router.status();
    assert!(code == 0 && words.starts_with("running by its former configuration"), "{words}");
    assert!(words.contains("there is no zone 'wan'") && words.contains("no zone of the firewall in which"), "{words}");
    router.init("stop");
    router.wait("end", || !router.running());
    router.refused("start");
    assert_eq!(router.status().0, 3);
    router.write("etc/config/firewall", &zone("wan", "wan"));
    router.init("reload");
    router.serving();
}

#[test]
fn a_network_in_no_zone_is_no_reason_to_open_another_one() {
    let router = Router::new(&simple());
    router.write("etc/config/firewall", &zone("lan", "lan"));
    router.refused("start");
    assert!(router.drop_ins().is_empty());
    let (code, words) = router.status();
    assert!(code == 3 && words.contains("device 'eth1' of wan is in no zone of the firewall"), "{words}");
}

#[test]
fn no_section_of_ours_lends_its_options_to_a_zone() {
    // Sections of the same names, of which the zone's says less.
    let router = Router::new(&simple().replace("'alice'", "'inner'"));
    let named =
        "config zone 'main'\n\toption name 'lan'\n\nconfig zone 'inner'\n\toption name 'wan'\n\tlist network 'wan'\n";
    router.write("etc/config/firewall", named);
    assert_eq!(zones(&router), ["wan"]);
}

#[test]
fn a_name_that_leads_out_of_the_directory_is_refused() {
    for name in ["../../../etc/x", "a/b", "x lan", "wan;x", &"n".repeat(33)] {
        let router = Router::new(&simple());
        router.write("etc/config/firewall", &zone(name, "wan"));
        router.refused("start");
        assert!(router.status().1.contains("only 1 to 32 letters"), "{name}: {}", router.status().1);
        assert!(router.drop_ins().is_empty() && !router.at("etc/x").exists());
    }
}

#[test]
fn rules_that_fw4_cannot_read_are_taken_away_again() {
    let router = Router::new(&simple());
    let template = "usr/share/spa-knockd/nftables/zone/input.nft";
    let good = router.read(template);
    router.write(template, "this is no rule\n");
    router.refused("start");
    assert!(router.drop_ins().is_empty());
    assert_eq!((router.fw4_calls().as_str(), router.starts()), ("check check", 0));
    let (code, words) = router.status();
    assert!(code == 3 && words.contains("cannot read our rules, so they were taken away again:\n"), "{words}");
    assert!(words.contains("input_wan/10-spa-knockd.nft:1:"), "{words}");
    // Those that were good come back.
    router.write(template, &good);
    router.init("start");
    let daemon = router.serving();
    router.fw4_calls();
    router.write(template, "nonsense\n");
    router.write("etc/config/firewall", &(zone("wan", "wan") + &zone("lan", "lan")));
    router.refused("reload");
    assert_eq!((router.drop_ins(), router.fw4_calls()), (OF_WAN.map(str::to_owned).to_vec(), "check check".to_owned()));
    assert_eq!(router.read("usr/share/nftables.d/chain-pre/input_wan/10-spa-knockd.nft"), good);
    assert_eq!(router.serving(), daemon);
}

#[test]
fn a_ruleset_that_was_broken_before_is_not_blamed_on_us() {
    let router = Router::new(&simple());
    router.write("etc/nftables.d/10-own.nft", "chain x { nonsense }\n");
    router.refused("start");
    assert!(router.drop_ins().is_empty());
    let words = router.status().1;
    assert!(words.contains("its own rules, with or without ours") && words.contains("10-own.nft"), "{words}");
}

#[test]
fn an_exchange_that_was_cut_short_is_undone_before_the_next_one() {
    let router = Router::new(&simple());
    router.init("start");
    // The power went when a bad file stood there already.
    let places = "usr/share/nftables.d/chain-pre/input_wan/10-spa-knockd.nft";
    let good = router.read(places);
    router.write(&format!("{places}.old"), &good);
    router.write(places, "half a ru");
    let fresh = "usr/share/nftables.d/chain-pre/input_lan";
    std::fs::create_dir(router.at(fresh)).expect("mkdir");
    router.write(&format!("{fresh}/10-spa-knockd.nft"), "half");
    router.write(&format!("{fresh}/10-spa-knockd.nft.none"), "");
    router.init("start");
    assert_eq!((router.drop_ins(), router.read(places)), (OF_WAN.map(str::to_owned).to_vec(), good));
}

#[test]
fn a_firewall_that_is_stopped_finds_the_rules_when_it_starts() {
    let router = Router::new(&simple());
    router.good("rm /var/run/fw4.state; nft delete table inet fw4");
    router.init("start");
    router.serving();
    assert_eq!(router.drop_ins(), OF_WAN);
    assert!(router.good("spa-knockd status").contains("table inet fw4 is missing"));
    let (code, words) = router.status();
    assert!(code == 0 && words.starts_with("running\n  not ready  table inet fw4 is missing"), "{words}");
    router.good("fw4 start");
    router.wait("table", || !router.good("spa-knockd status").contains("is missing"));
}

#[test]
fn standalone_mode_needs_no_fw4_and_leaves_nothing_in_it() {
    let router = Router::new(&simple());
    router.init("start");
    router.serving();
    router.configure(&config(STANDALONE));
    router.init("reload");
    router.serving();
    assert_eq!(router.drop_ins().len(), 0);
    let ruleset = router.good("nft list ruleset");
    assert!(!ruleset.split("table inet spa_knockd").next().expect("a text").contains("spa_"), "{ruleset}");
    assert!(ruleset.contains("table inet spa_knockd"));
    assert_eq!(router.starts(), 2);
    assert_eq!(router.log(), "notice the new configuration needs a restart of the daemon\n");
    // And back: the guard would go on rejecting what fw4 lets in.
    router.configure(&simple());
    router.init("reload");
    router.serving();
    assert!(!router.good("nft list tables").contains("spa_knockd"));
    assert!(router.log().ends_with("notice the table of standalone mode was removed, for fw4 guards now\n"));
    assert_eq!(router.drop_ins(), OF_WAN);
}

#[test]
fn the_guard_of_standalone_mode_outlives_the_service_and_that_is_said() {
    let router = Router::new(&config(STANDALONE));
    router.remove("sbin/fw4");
    router.init("start");
    router.serving();
    router.configure(&config(STANDALONE).replace("enabled '1'", "enabled '0'"));
    router.init("reload");
    router.wait("end", || !router.running());
    assert!(router.good("nft list tables").contains("spa_knockd"));
    let log = router.log();
    assert!(log.ends_with("stays closed until `spa-knockd firewall remove`\n"), "{log}");
    // On an old router, fw4 mode says what it lacks.
    router.configure(&simple());
    router.refused("start");
    assert!(router.status().1.contains("there is no fw4 on this router"));
}
