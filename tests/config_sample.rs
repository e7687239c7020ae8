//! The sample configuration names every option, and shows nothing that the parser would not take.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;

use spa_knockd::capture::Transport;
use spa_knockd::config::options::{ACCESS, Known, MAIN, OTP, PAGE};
use spa_knockd::config::{Commands, Config, FirewallMode, Open, parse};

const SAMPLE: &str = include_str!("../files/etc/config/spa-knockd");
const KEY: &str = "HmUuwVLQv81lGQ/8YEwJM9BCM4HeJsgtnLJVzBJMMGw=";
const HMAC_KEY: &str = "At2sZkbjbxMevd5dOrRvFS13uPAK5xxBSz7zh4QxD3I";

/// The sample as its owner would complete it.
fn completed() -> String {
    SAMPLE
        .replace("enabled '0'", "enabled '1'")
        .replace("option key_base64 ''", &format!("option key_base64 '{KEY}'"))
        .replace("option hmac_key_base64 ''", &format!("option hmac_key_base64 '{HMAC_KEY}'"))
}

/// The sample's options, also the commented ones, of the section at this place.
fn named(section: usize) -> BTreeSet<(String, bool)> {
    let text = SAMPLE.split("\nconfig ").nth(section).unwrap();
    let lines = text.lines().map(|line| line.trim_start_matches('#').trim_start_matches('\t'));
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    words
        .filter(|words| words.len() > 2 && words[2].starts_with('\'') && ["option", "list"].contains(&words[0]))
        .map(|words| (words[1].to_owned(), words[0] == "list"))
        .collect()
}

/// The options of a table whose feature is there.
fn present(table: &[Known]) -> BTreeSet<(String, bool)> {
    let there = |known: &&Known| known.off.is_none() || known.name == "format";
    table.iter().filter(there).map(|known| (known.name.to_owned(), known.list)).collect()
}

#[test]
fn the_sample_names_every_option_and_no_other() {
    assert_eq!(named(1), present(MAIN));
    assert_eq!(named(2), present(ACCESS));
    assert_eq!(named(3), present(OTP));
    assert_eq!(named(4), present(PAGE));
}

#[test]
fn the_sample_is_switched_off_and_holds_no_key() {
    let faults = parse(SAMPLE.as_bytes(), "sample").unwrap_err();
    let problems: Vec<_> = faults.iter().map(|fault| fault.problem.as_str()).collect();
    assert_eq!(problems, ["the daemon is switched off", "no access section is switched on"]);
    // A path to a key is none.
    let is_key = |line: &&str| line.contains("option") && line.contains("key") && !line.contains("/uhttpd.key");
    for line in SAMPLE.lines().filter(is_key) {
        assert!(line.ends_with("''"), "{line}");
    }
}

#[test]
fn the_completed_sample_needs_no_further_word() {
    let loaded = parse(completed().as_bytes(), "sample").unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.access[0].open, Open::Ports(vec!["tcp/22".parse().unwrap()]));
}

/// Everything that a configuration says by keeping silent.
fn shortest() -> Config {
    let text = format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist network 'wan'\n\nconfig access 'alice'\n\
         \toption key_base64 '{KEY}'\n\toption hmac_key_base64 '{HMAC_KEY}'\n\tlist open 'tcp/22'\n\nconfig otp 'carol'\n\tlist open 'tcp/22'\n\nconfig page 'page'\n\toption enabled '1'\n"
    );
    parse(text.as_bytes(), "short").unwrap().config
}

#[test]
fn what_the_sample_shows_are_the_defaults() {
    assert_eq!(parse(completed().as_bytes(), "sample").unwrap().config, shortest());
    let examples = [
        "device",
        "zone",
        "protect",
        "restrict",
        "list forward",
        "nat_target",
        "option snat",
        "list command",
        "on_open",
        "on_close",
        "expires",
        "tcp_listen",
        "require_username",
        "next_",
        "override_range",
        "listen '",
        "option cert",
        "uhttpd.key",
        "plain_network",
        "plain_from",
        "list host",
        "list proxy",
        "option key ",
        "option hmac_key ",
    ];
    let shown: Vec<String> = completed()
        .lines()
        .map(|line| match line.strip_prefix("#\t") {
            Some(option) if !examples.iter().any(|example| line.contains(example)) => {
                format!("\t{option}")
            }
            _ => line.to_owned(),
        })
        .collect();
    assert!(shown.iter().any(|line| line == "\toption prefix_v6 '128'"));
    assert_eq!(parse(shown.join("\n").as_bytes(), "sample").unwrap().config, shortest());
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let Config { main, access, otp, page } = shortest();
    let page = page.unwrap();
    assert_eq!((page.port.map(std::num::NonZeroU16::get), page.plain_port), (Some(8443), None));
    assert_eq!((page.cert, page.key), (None, None));
    assert!(page.listen.is_empty() && page.hosts.is_empty() && page.proxies.is_empty());
    assert!(page.plain_from.is_empty() && page.plain_networks.is_empty());
    assert_eq!(main.networks, ["wan"]);
    assert_eq!((main.devices.len(), main.zones.len(), main.protect.len()), (0, 0, 0));
    assert_eq!((main.ports, main.max_age, main.max_timeout, main.ring_kib), (vec![62_201..=62_201], 120, 3600, 2048));
    assert_eq!((main.transports, main.http, main.tcp_listen), (vec![Transport::Udp], None, None));
    assert_eq!((main.firewall, main.log_level), (FirewallMode::Fw4, log::LevelFilter::Info));
    let alice = &access[0];
    let all = ["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
    assert_eq!((&alice.source[..], &alice.destination[..]), (&all[..], &all[..]));
    assert_eq!((alice.timeout, alice.max_timeout, alice.prefix_v4, alice.prefix_v6), (30, 300, 32, 128));
    assert_eq!((alice.require_source_address, alice.match_destination), (true, false));
    assert_eq!((alice.require_username.as_deref(), alice.expires, alice.restrict.len()), (None, None, 0));
    assert_eq!((alice.forward.len(), alice.nat_target.len(), alice.snat), (0, 0, None));
    assert!(!(alice.allow_nat || alice.allow_local_nat || alice.nat_dns || alice.forward_all || alice.disable_dnat));
    assert_eq!(alice.commands, Commands::default());
    assert_eq!(alice.commands.user, "nobody");
    assert_eq!((alice.keys.len(), alice.keys[0].mode.name()), (1, "cbc"));
    assert_eq!(alice.keys[0].hmac.as_ref().unwrap().0.name(), "sha256");
    let carol = &otp[0];
    assert_eq!((carol.access.timeout, carol.access.keys.len(), &carol.access.source[..]), (300, 0, &all[..]));
    assert_eq!((carol.allow_override, carol.override_range.len(), carol.allow_md4), (false, 0, false));
    assert!(!carol.allow_new_chain);
    assert_eq!((carol.access.prefix_v4, carol.access.prefix_v6, carol.access.expires), (32, 128, None));
    assert_eq!(carol.services(), ["tcp/22".parse().unwrap()]);
}
