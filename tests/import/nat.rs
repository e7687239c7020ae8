//! Forwards and NAT of both files.

use spa_knockd::access::Snat;
use spa_knockd::config::{Access, Open};

use super::{KEYS, both, configuration, demand};

/// The only stanza that these lines become, and the notes.
fn stanza(lines: &str, server: &str) -> (Access, Vec<String>) {
    let imported = both(&format!("SOURCE ANY\n{KEYS}{lines}\n"), server).unwrap();
    (configuration(&imported).access.remove(0), imported.notes)
}

fn forwards(access: &Access) -> Vec<String> {
    let outside =
        |port: Option<_>| port.map_or_else(|| "any".to_owned(), |port: spa_knockd::net::Port| port.to_string());
    access.forward.iter().map(|way| format!("{}={}", outside(way.outside), way.to)).collect()
}

fn has_note(notes: &[String], start: &str) -> bool {
    notes.iter().any(|note| note.starts_with(start))
}

#[test]
fn the_switches_of_the_server_are_those_of_every_stanza() {
    let (access, notes) = stanza("OPEN_PORTS tcp/22", "ENABLE_IPT_FORWARDING Y;\n");
    assert_eq!((access.allow_nat, access.allow_local_nat, access.snat), (true, false, None));
    assert_eq!(access.nat_target, []);
    assert!(has_note(&notes, "ENABLE_IPT_FORWARDING: fwknop lets its clients name any host"), "{notes:?}");
    assert!(access.nat_dns && has_note(&notes, "ENABLE_NAT_DNS: host names"), "{notes:?}");
    let (access, notes) = stanza("OPEN_PORTS tcp/22", "ENABLE_FIREWD_LOCAL_NAT Y;\nENABLE_NAT_DNS N;\n");
    assert_eq!((access.allow_nat, access.allow_local_nat, access.nat_dns), (false, true, false));
    assert!(!has_note(&notes, "ENABLE_NAT_DNS"), "{notes:?}");
    assert!(has_note(&notes, "ENABLE_FIREWD_LOCAL_NAT: "), "{notes:?}");
    let (access, notes) = stanza("OPEN_PORTS tcp/22", "ENABLE_IPT_FORWARDING N;\nENABLE_IPT_SNAT Y;\n");
    assert_eq!((access.allow_nat, access.nat_dns, access.snat), (false, false, None));
    assert!(!has_note(&notes, "ENABLE_NAT_DNS"), "{notes:?}");
    let (access, _) = stanza("OPEN_PORTS tcp/22", "ENABLE_IPT_FORWARDING Y\nENABLE_IPT_SNAT Y\n");
    assert_eq!(access.snat, Some(Snat::Masquerade));
    let server = "ENABLE_IPT_FORWARDING Y\nENABLE_IPT_SNAT Y\nSNAT_TRANSLATE_IP 192.168.1.1\n";
    assert_eq!(stanza("OPEN_PORTS tcp/22", server).0.snat, Some(Snat::Address("192.168.1.1".parse().unwrap())));
    assert_eq!(stanza("OPEN_PORTS tcp/22\nFORCE_MASQUERADE Y\nFORWARD_ALL Y", server).0.snat, Some(Snat::Masquerade));
}

#[test]
fn a_forced_target_is_a_forward_of_each_port() {
    let server = "ENABLE_IPT_FORWARDING Y\n";
    let (access, _) = stanza("OPEN_PORTS tcp/22,udp/53,tcp/80\nRESTRICT_PORTS tcp/80\nFORCE_NAT 10.1.2.3 443", server);
    assert_eq!(forwards(&access), ["tcp/22=10.1.2.3:443", "udp/53=10.1.2.3:443"]);
    assert_eq!((access.open, access.allow_nat), (Open::Ports(Vec::new()), false), "nothing else is left to the client");
    let (access, _) = stanza("FORCE_NAT  10.1.2.3\t443", "ENABLE_IPT_LOCAL_NAT Y\n");
    assert_eq!(forwards(&access), ["any=10.1.2.3:443"]);
    assert_eq!((access.open, access.allow_local_nat), (Open::Ports(Vec::new()), false));
    let (access, notes) = stanza("FORCE_NAT 10.1.2.3 443\nFORWARD_ALL Y\nDISABLE_DNAT Y\nFORCE_SNAT 10.1.2.1", server);
    assert!(access.forward_all && access.disable_dnat);
    assert_eq!(access.snat, Some(Snat::Address("10.1.2.1".parse().unwrap())));
    assert!(has_note(&notes, "FORWARD_ALL: Y opens everything") && has_note(&notes, "DISABLE_DNAT: Y: "), "{notes:?}");
}

#[test]
fn what_would_forward_every_host_says_what_is_left_of_it() {
    let (access, notes) = stanza("FORWARD_ALL Y\nDISABLE_DNAT Y\nFORCE_MASQUERADE Y", "ENABLE_IPT_FORWARDING Y\n");
    assert!(access.allow_nat && access.forward_all && access.disable_dnat);
    assert!(has_note(&notes, "FORCE_MASQUERADE: beside FORWARD_ALL"), "{notes:?}");
    let (access, notes) = stanza("OPEN_PORTS tcp/22\nFORWARD_ALL Y", "");
    assert!(!access.forward_all && has_note(&notes, "FORWARD_ALL: Y has no effect"), "{notes:?}");
}

#[test]
fn what_cannot_be_honoured_is_named() {
    let on = "ENABLE_IPT_FORWARDING Y\n";
    for (lines, server, variable, fragment) in [
        ("FORCE_NAT 10.1.2.3 443", "", "FORCE_NAT", "needs ENABLE_IPT_FORWARDING"),
        ("FORCE_NAT 10.1.2.3", on, "FORCE_NAT", "an IPv4 address and a port"),
        ("FORCE_NAT 10.1.2.3 443 x", on, "FORCE_NAT", "an IPv4 address and a port"),
        ("FORCE_NAT 10.1.2.300 443", on, "FORCE_NAT", "an IPv4 address and a port"),
        ("FORCE_NAT 10.1.2.3 0", on, "FORCE_NAT", "an IPv4 address and a port"),
        ("FORCE_NAT 2001:db8::1 443", on, "FORCE_NAT", "an IPv4 address and a port"),
        ("FORCE_NAT 127.0.0.1 443", on, "FORCE_NAT", "no host can be reached"),
        ("FORCE_SNAT 10.1.1.1", on, "FORCE_SNAT", "needs FORCE_NAT or FORWARD_ALL"),
        ("FORCE_MASQUERADE Y", on, "FORCE_MASQUERADE", "needs FORCE_NAT or FORWARD_ALL"),
        ("FORWARD_ALL Y\nFORCE_MASQUERADE Y", "", "FORCE_MASQUERADE", "needs ENABLE_IPT_FORWARDING"),
        ("FORCE_NAT 10.1.2.3 443\nFORCE_SNAT nas", on, "FORCE_SNAT", "neither 'masquerade' nor"),
    ] {
        let line = 4 + u32::try_from(lines.matches('\n').count()).unwrap();
        demand(both(&format!("SOURCE ANY\n{KEYS}{lines}\n"), server), line, Some(variable), fragment);
    }
    let text = format!("SOURCE ANY\n{KEYS}OPEN_PORTS tcp/22\n");
    let server = "ENABLE_IPT_FORWARDING Y\nENABLE_DESTINATION_RULE Y\n";
    demand(both(&text, server), 2, Some("ENABLE_DESTINATION_RULE"), "cannot stand beside");
    let server = "ENABLE_IPT_FORWARDING Y\nENABLE_IPT_SNAT Y\nSNAT_TRANSLATE_IP ::1\n";
    demand(both(&text, server), 3, Some("SNAT_TRANSLATE_IP"), "neither 'masquerade' nor");
}
