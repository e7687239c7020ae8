//! The power goes while the drop-ins are exchanged: the router gets its firewall back, whatever becomes of the service.

use super::machine::{Router, zone};
use super::{OF_WAN, config, simple};

/// Where a drop-in of ours is.
const INPUT: &str = "usr/share/nftables.d/chain-pre/input_wan/10-spa-knockd.nft";

/// The router boots: fw4 starts before us, and what was in memory is gone.
fn boot(router: &Router) {
    router.good("rm -rf /var/run/* /var/etc /tmp/procd; nft delete table inet fw4; fw4 start >/dev/null 2>&1");
    router.fw4_calls();
}

/// Ends the service, and has half of a file where a rule was.
fn cut(router: &Router) {
    router.init("start");
    router.serving();
    router.init("stop");
    router.wait("end", || !router.running());
    router.good(&format!("mv /{INPUT} /{INPUT}.old && echo 'half a ru' >/{INPUT}"));
    boot(router);
    assert_eq!(router.good("nft list tables"), "");
}

/// What runs on the router guards it, with the rules of the zone.
fn guarded(router: &Router) {
    assert!(router.good("nft list chain inet fw4 input").contains("policy drop"));
}

#[test]
fn an_exchange_that_was_cut_short_is_undone_in_every_state() {
    let wrong = simple().replace("tcp/22", "tcp/65536");
    let off = simple().replace("enabled '1'", "enabled '0'");
    for (text, kept) in [(off, 0), (wrong, OF_WAN.len()), (config("\tlist network 'lte'\n"), OF_WAN.len())] {
        let router = Router::new(&simple());
        cut(&router);
        router.configure(&text);
        router.run("/etc/init.d/spa-knockd start");
        guarded(&router);
        assert_eq!((router.drop_ins().len(), router.starts()), (kept, 0), "{text}");
        assert!(!router.read("tmp/fw4.new").contains("half"));
    }
    let router = Router::new(&simple());
    cut(&router);
    router.init("start");
    router.serving();
    guarded(&router);
    assert!(router.good("nft list chain inet fw4 input_wan").contains("@spa_in4_v1"));
}

#[test]
fn rules_of_ours_that_keep_the_firewall_from_starting_are_taken_away() {
    for text in [simple(), simple().replace("tcp/22", "tcp/65536")] {
        let router = Router::new(&simple());
        router.init("start");
        router.serving();
        router.init("stop");
        router.wait("end", || !router.running());
        // Nothing beside it says that it is not whole.
        router.write(INPUT, "ip saddr . meta l4pro");
        boot(&router);
        assert_eq!(router.good("nft list tables"), "");
        router.configure(&text);
        router.run("/etc/init.d/spa-knockd start");
        guarded(&router);
        let lines = router.log();
        let line = "err the firewall could not read our rules as they lay there, so they were taken away\n";
        assert!(lines.contains(line), "{lines}");
        // The templates are good, so the service goes on with them where it may.
        let (rules, calls) =
            if text == simple() { (7, "check check reload check reload") } else { (0, "check check reload") };
        assert_eq!((router.drop_ins().len(), router.fw4_calls().as_str()), (rules, calls));
    }
}

#[test]
fn templates_that_broke_the_firewall_do_not_break_it_again() {
    let router = Router::new(&simple());
    router.init("start");
    router.serving();
    router.init("stop");
    router.wait("end", || !router.running());
    router.write("usr/share/spa-knockd/nftables/zone/input.nft", "nonsense\n");
    router.write(INPUT, "nonsense\n");
    boot(&router);
    router.refused("start");
    guarded(&router);
    assert!(router.drop_ins().is_empty());
    let (code, words) = router.status();
    assert!(code == 3 && words.contains("cannot read our rules, so they were taken away again"), "{words}");
}

#[test]
fn the_owners_mistake_keeps_our_rules_and_the_daemon_awaits_the_firewall() {
    let router = Router::new(&simple());
    router.init("start");
    router.serving();
    router.init("stop");
    router.wait("end", || !router.running());
    router.write("etc/nftables.d/10-own.nft", "chain x { nonsense }\n");
    boot(&router);
    router.init("start");
    router.serving();
    assert_eq!(router.drop_ins(), OF_WAN);
    let words = router.status().1;
    assert!(words.starts_with("running\n  the firewall cannot read its own rules, with or without ours;"), "{words}");
    router.remove("etc/nftables.d/10-own.nft");
    router.good("fw4 -q reload");
    router.wait("table", || !router.good("spa-knockd status").contains("is missing"));
    // A firewall that its owner has stopped is not started.
    router.good("rm /var/run/fw4.state; nft delete table inet fw4");
    router.init("reload");
    assert_eq!(router.good("nft list tables"), "");
}

#[test]
fn new_files_are_on_the_flash_before_they_get_their_names_and_old_ones_go_last() {
    let router = Router::new(&simple());
    router.init("start");
    router.serving();
    let syncs = router.read("tmp/syncs");
    let (before, after) = syncs.trim_start_matches("sync\n").split_once("sync\n").expect("two of them");
    for place in OF_WAN {
        let line = |text: &str, name: &str| {
            text.lines().find_map(|line| line.strip_suffix(&format!(" ./{place}{name}"))).map(str::to_owned)
        };
        assert_eq!((line(before, ""), line(before, ".none")), (None, Some("0".to_owned())), "{syncs}");
        assert!(line(before, ".new").is_some_and(|bytes| bytes != "0"), "{syncs}");
        assert!(
            line(after, "").is_some() && line(after, ".none").is_some() && line(after, ".new").is_none(),
            "{syncs}"
        );
    }
    assert!(!after.contains("sync"), "{syncs}");
    // Nothing is written, nothing is waited for; a zone that goes is no new file.
    router.write("tmp/syncs", "");
    router.init("reload");
    assert_eq!(router.read("tmp/syncs"), "");
    router.write("etc/config/firewall", &zone("inner", "wan"));
    router.init("reload");
    let syncs = router.read("tmp/syncs");
    assert_eq!(syncs.matches("sync\n").count(), 2, "{syncs}");
}
