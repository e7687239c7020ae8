//! Options about forwards and NAT, and what they cannot stand beside.

use spa_knockd::access::Snat;

use super::{check, demand, keyed, load_text, opening};

#[test]
fn faults_of_the_values() {
    let service = "names are not resolved";
    let nobody = "no host can be reached";
    for (line, option, fragment) in [
        ("list forward 'tcp/2222'", "forward", "no '='"),
        ("list forward '2222=192.168.1.10:22'", "forward", "tcp/22 or udp/1194"),
        ("list forward 'tcp/0=192.168.1.10:22'", "forward", "1 to 65535"),
        ("list forward 'ANY=192.168.1.10:22'", "forward", "tcp/22 or udp/1194"),
        ("list forward 'tcp/2222=192.168.1.10'", "forward", service),
        ("list forward 'tcp/2222=192.168.1.10:0'", "forward", service),
        ("list forward 'tcp/2222=192.168.1.10:65536'", "forward", service),
        ("list forward 'tcp/2222=192.168.1.10:'", "forward", service),
        ("list forward 'tcp/2222=192.168.01.10:22'", "forward", service),
        ("list forward 'tcp/2222=nas.lan:22'", "forward", service),
        ("list forward 'tcp/22=2001:db8::10:22'", "forward", service),
        ("list forward 'tcp/22=[2001:db8::10]22'", "forward", service),
        ("list forward 'tcp/22=[fe80::10%3]:22'", "forward", service),
        ("list forward 'tcp/22=[2001:db8::10]:23'", "forward", "not translated"),
        ("list forward 'any=[2001:db8::10]:22'", "forward", "not translated"),
        ("list forward 'tcp/22=127.0.0.1:22'", "forward", nobody),
        ("list forward 'tcp/22=0.0.0.0:22'", "forward", nobody),
        ("list forward 'tcp/22=169.254.1.1:22'", "forward", nobody),
        ("list forward 'tcp/22=239.1.1.1:22'", "forward", nobody),
        ("list forward 'tcp/22=255.255.255.255:22'", "forward", nobody),
        ("list forward 'tcp/22=[::1]:22'", "forward", nobody),
        ("list forward 'tcp/22=[fe80::10]:22'", "forward", nobody),
        ("list forward 'tcp/22=[ff02::1]:22'", "forward", nobody),
        ("list forward 'tcp/22=[::ffff:192.168.1.10]:22'", "forward", nobody),
        ("option allow_nat 'maybe'", "allow_nat", "must be 1 or 0"),
        ("option allow_local_nat '2'", "allow_local_nat", "must be 1 or 0"),
        ("option nat_dns 'Y'", "nat_dns", "must be 1 or 0"),
        ("option forward_all ' '", "forward_all", "must be 1 or 0"),
        ("option disable_dnat 'y'", "disable_dnat", "must be 1 or 0"),
        ("option snat 'MASQUERADE'", "snat", "neither 'masquerade' nor"),
        ("option snat '2001:db8::1'", "snat", "neither 'masquerade' nor"),
        ("option snat '127.0.0.1'", "snat", "can come from"),
        ("option snat '0.0.0.0'", "snat", "can come from"),
    ] {
        demand(&keyed(line), Some(10), Some(option), fragment);
    }
    for network in
        ["nas.lan", "any", "192.168.1.0/33", "127.0.0.0/8", "224.0.0.0/4", "169.254.0.0/16", "fe80::/10", "::1"]
    {
        let lines = format!("list nat_target '{network}'\n\toption allow_nat '1'");
        demand(&keyed(&lines), Some(10), Some("nat_target"), "write a network behind the router");
    }
}

#[test]
fn faults_between_the_options() {
    const FORWARD: &str = "list forward 'tcp/2222=192.168.1.10:22'";
    const FORWARD_V6: &str = "list forward 'tcp/22=[2001:db8::10]:22'";
    for (lines, line, option, fragment) in [
        ("list forward 'tcp/2222=192.168.1.11:22'", 11, "forward", "tcp/2222 is forwarded to two places"),
        ("list restrict 'tcp/2222'", 10, "forward", "restrict forbids the outside port tcp/2222"),
        ("option prefix_v4 '24'", 11, "prefix_v4", "cannot be widened"),
        ("option match_destination '1'", 11, "match_destination", "beside forward"),
    ] {
        demand(&keyed(&format!("{FORWARD}\n\t{lines}")), Some(line), Some(option), fragment);
    }
    for flag in ["allow_nat", "allow_local_nat"] {
        for (lines, option, fragment) in [
            ("option prefix_v4 '31'", "prefix_v4", "cannot be widened"),
            ("option prefix_v6 '64'", "prefix_v6", "cannot be widened"),
            ("option match_destination '1'", "match_destination", "beside forward"),
        ] {
            demand(&keyed(&format!("option {flag} '1'\n\t{lines}")), Some(11), Some(option), fragment);
        }
    }
    let two_any = "list forward 'any=192.168.1.10:22'\n\tlist forward 'any=192.168.1.11:22'";
    demand(&keyed(two_any), Some(11), Some("forward"), "any is forwarded to two places");
    demand(&keyed(&format!("{FORWARD_V6}\n\toption prefix_v6 '64'")), Some(11), Some("prefix_v6"), "widened");
    for line in
        ["option snat 'masquerade'", "option snat '192.168.1.1'", "option forward_all '1'", "option disable_dnat '1'"]
    {
        let option = line.split(' ').nth(1);
        demand(&keyed(line), Some(10), option, "the stanza forwards nothing");
    }
    for line in ["option snat 'masquerade'", "option forward_all '1'"] {
        let text = keyed(&format!("option allow_local_nat '1'\n\t{line}"));
        demand(&text, Some(11), line.split(' ').nth(1), "the stanza forwards nothing");
    }
    demand(&opening("", "option allow_nat '1'"), Some(6), Some("open"), "grants nothing");
    // Each family may have its own forward of a port, and widening the other one does no harm.
    for lines in [
        format!("{FORWARD_V6}\n\tlist forward 'tcp/22=192.168.1.10:22'"),
        format!("{FORWARD_V6}\n\toption prefix_v4 '24'"),
        format!("{FORWARD_V6}\n\toption match_destination '1'"),
        format!("{FORWARD}\n\toption prefix_v6 '64'"),
        "option allow_local_nat '1'\n\toption disable_dnat '1'".to_owned(),
    ] {
        assert_eq!(load_text(&keyed(&lines)).unwrap().warnings, [], "{lines}");
    }
}

#[test]
fn a_stanza_may_only_forward() {
    let text = opening(
        "list forward 'tcp/2222=192.168.1.10:22'\n\tlist forward 'any=192.168.1.11:80'",
        "option snat '192.168.1.1'\n\toption forward_all 'yes'",
    );
    let loaded = load_text(&text).unwrap();
    assert_eq!(loaded.warnings, []);
    let alice = &loaded.config.access[0];
    let [ssh, web] = alice.forward[..] else { panic!("{:?}", alice.forward) };
    assert_eq!((ssh.outside, ssh.to), (Some("tcp/2222".parse().unwrap()), "192.168.1.10:22".parse().unwrap()));
    assert_eq!((web.outside, web.to), (None, "192.168.1.11:80".parse().unwrap()));
    assert_eq!((alice.snat, alice.forward_all), (Some(Snat::Address("192.168.1.1".parse().unwrap())), true));
}

#[test]
fn warnings_about_what_has_no_effect() {
    for (text, line, option, fragment) in [
        (keyed("list nat_target '192.168.1.0/24'"), 10, "nat_target", "may name no target"),
        (keyed("option nat_dns '1'"), 10, "nat_dns", "may name no target"),
        (
            opening("list forward 'tcp/2222=192.168.1.10:22'", "option allow_nat '1'"),
            10,
            "allow_nat",
            "open names no outside port",
        ),
    ] {
        let warnings = load_text(&text).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        check(&warnings[0], Some(line), Some(option), fragment, &text);
    }
}

#[test]
fn standalone_mode_guards_outside_ports_too() {
    let standalone =
        |text: String| text.replace("list network 'wan'", "option firewall 'standalone'\n\tlist device 'eth0'");
    let text = standalone(keyed("list forward 'tcp/2222=192.168.1.10:22'"));
    let ports = ["tcp/22".parse().unwrap(), "tcp/2222".parse().unwrap()];
    assert_eq!(load_text(&text).unwrap().config.main.protect, ports);
    let any = standalone(opening("list forward 'any=192.168.1.10:22'", ""));
    demand(&any, Some(1), None, "cannot know what to guard");
}
