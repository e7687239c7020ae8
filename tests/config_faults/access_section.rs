//! Mistakes in `config access`, keys apart.

use super::{demand, keyed, load_text, opening, text};

#[test]
fn faults_of_an_access_section() {
    for (line, option, fragment) in [
        ("option hmackey 'OpenSesame'", "hmackey", "did you mean 'hmac_key'?"),
        ("option ring_kib '512'", "ring_kib", "belongs to config spa-knockd 'main'"),
        ("option keyphrase 'OpenSesame'", "keyphrase", "no such option"),
        ("list timeout '1'", "timeout", "no list"),
        ("option timeout '0'", "timeout", "1 to 8388608"),
        ("option max_timeout '8388609'", "max_timeout", "1 to 8388608"),
        ("option encryption_mode 'gcm'", "encryption_mode", "cbc cfb ofb"),
        ("option encryption_mode 'asymmetric'", "encryption_mode", "cbc cfb ofb"),
        ("option hmac_digest 'sha224'", "hmac_digest", "sha3_256"),
        ("option require_source_address '2'", "require_source_address", "must be 1 or 0"),
        ("option require_username 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", "require_username", "48 bytes"),
        ("option require_username 'office\\bob'", "require_username", "no packet can carry"),
        ("option require_username 'zoë'", "require_username", "no packet can carry"),
        ("option prefix_v4 '7'", "prefix_v4", "8 to 32"),
        ("option prefix_v4 '33'", "prefix_v4", "8 to 32"),
        ("option prefix_v6 '15'", "prefix_v6", "16 to 128"),
        ("option prefix_v6 '129'", "prefix_v6", "16 to 128"),
        ("option match_destination '1'\n\toption prefix_v4 '24'", "match_destination", "prefix_v4 below 32"),
        ("option match_destination '1'\n\toption prefix_v6 '64'", "match_destination", "prefix_v6 below 128"),
        ("option expires '2025-02-29'", "expires", "no date"),
        ("option expires '12/31/2030'", "expires", "no date"),
        ("option expires 'never'", "expires", "no date"),
        ("list source 'localhost'", "source", "IPv4 or IPv6 address"),
        ("list source '10.0.0.0/33'", "source", "at most 32"),
        ("list source '!10.0.0.0/8'", "source", "no negation"),
        ("list source 'ANY'", "source", "IPv4 or IPv6 address"),
        ("list source '010.0.0.1'", "source", "IPv4 or IPv6 address"),
        ("list source '10.0.0.0/255.0.0.0'", "source", "is a number"),
        ("list source '::ffff:192.0.2.1'", "source", "dress of IPv6"),
        ("list source '::ffff:192.0.2.0/120'", "source", "dress of IPv6"),
        ("list destination '::ffff:0:0/96'", "destination", "dress of IPv6"),
        ("list source 'fe80::1%eth0'", "source", "IPv4 or IPv6 address"),
        ("list destination '2001:db8::/129'", "destination", "at most 32"),
        ("list restrict 'any'", "restrict", "leave nothing"),
        ("list restrict 'icmp/8'", "restrict", "tcp or udp"),
        ("list restrict 'tcp/22'", "restrict", "grants nothing"),
        ("option format 'native'", "format", "not yet"),
        ("option format 'gpg'", "format", "no such format"),
        ("list command 'reboot=sbin/reboot'", "command", "absolute path"),
        ("list command 're boot=/sbin/reboot'", "command", "letters, digits"),
        ("list command '/sbin/reboot'", "command", "NAME=PROGRAM"),
        ("list command 'say=/bin/echo \"a b\"'", "command", "quotes"),
        ("option command_user 'no body'", "command_user", "no name of a user"),
        ("option on_open 'hook'", "on_open", "no command of this name"),
        ("option on_close 'hook'", "on_close", "no command of this name"),
    ] {
        demand(&keyed(line), Some(10), Some(option), fragment);
    }
    let many: Vec<_> = (0..17).map(|number| format!("list command 'n{number}=/x'")).collect();
    demand(&keyed(&many.join("\n\t")), Some(26), Some("command"), "more than 16");
    demand(&keyed("list command 'a=/x'\n\tlist command 'a=/y'"), Some(11), Some("command"), "given twice");
    demand(&keyed("list source 'any'\n\tlist source '10.0.0.1'"), Some(11), Some("source"), "'any' stands beside");
    demand(
        &keyed("option source '10.0.0.2'\n\tlist source '10.0.0.1'"),
        Some(11),
        Some("source"),
        "as an option and again",
    );
}

#[test]
fn faults_of_the_open_list() {
    demand(&opening("", ""), Some(6), Some("open"), "grants nothing");
    demand(&opening("list open ''", ""), Some(6), Some("open"), "grants nothing");
    demand(&opening("list open '22'", ""), Some(7), Some("open"), "tcp/22 or udp/1194");
    for many in ["tcp/20-25", "tcp/22,tcp/80", "tcp/22,80", "udp/20:25"] {
        let wanted = "is more than one port; write one port per list line, as in 'tcp/22'; no ranges";
        demand(&opening(&format!("list open '{many}'"), ""), Some(7), Some("open"), wanted);
    }
    demand(&opening("list open 'TCP/22'", ""), Some(7), Some("open"), "lower case");
    demand(&opening("list open 'tcp/22'", "list open 'any'"), Some(10), Some("open"), "'any' stands beside");
}

#[test]
fn a_stanza_that_is_off_is_checked_but_needs_no_keys() {
    let second = "\nconfig access 'bob'\n\toption enabled '0'\n\toption key '__CHANGEME__'\n";
    let loaded = load_text(&format!("{}{second}", keyed(""))).unwrap();
    assert_eq!((loaded.config.access.len(), loaded.warnings.len()), (1, 0));
    demand(&format!("{}{second}\toption timeout 'x'\n", keyed("")), Some(15), Some("timeout"), "1 to 8388608");
}

#[test]
fn what_uci_users_write_is_understood() {
    for yes in ["1", "on", "true", "yes", "enabled"] {
        assert!(load_text(&keyed("").replace("enabled '1'", &format!("enabled '{yes}'"))).is_ok(), "{yes}");
    }
    for no in ["0", "off", "false", "no", "disabled"] {
        let lines =
            format!("option require_source_address '{no}'\n\toption allow_nat '{no}'\n\toption forward_all '{no}'");
        assert!(!load_text(&keyed(&lines)).unwrap().config.access[0].require_source_address, "{no}");
    }
    let off = "option snat ''\n\tlist forward ''\n\toption command_user 'nobody'\n\toption format 'fwknop'\n\tlist restrict ''";
    assert_eq!(load_text(&keyed(off)).unwrap().warnings, []);
    let loaded = load_text(&opening(
        "option open 'udp/1194'",
        "option expires '2030-12-31'\n\tlist source '2001:db8::/32'\n\tlist source '10.1.2.3/8'",
    ));
    let alice = loaded.unwrap().config.access.remove(0);
    assert_eq!(alice.expires, Some(1_924_905_600));
    assert_eq!(alice.source, ["2001:db8::/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()]);
    let main = load_text(&text("list port '1-5'\n\tlist port '62201'", "option key 'OpenSesame'")).unwrap().config.main;
    assert_eq!(main.ports, [1..=5, 62_201..=62_201]);
}
