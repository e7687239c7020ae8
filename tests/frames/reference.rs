//! The same filter in libpcap's language, compiled and run by libpcap: what both say of each frame must be the same.

use pcap::{Capture, Linktype};
use spa_knockd::capture::Transport;
use spa_knockd::capture::filter::Filter;
use spa_knockd::capture::link::{LinkType, decode};
use spa_knockd::reason::Reason;

use crate::bpf::{run, view};
use crate::build::envelopes;
use crate::cases::cases;

/// Link types and envelopes that libpcap's language has words for, and these words.
const KNOWN: [(LinkType, &str, &str); 14] = [
    (LinkType::Ethernet, "ethernet, tags [], session None, trailer 0", ""),
    (LinkType::Ethernet, "ethernet, tags [], session None, trailer 4", ""),
    (LinkType::Ethernet, "ethernet, tags [8100], session None, trailer 0", "vlan and "),
    (LinkType::Ethernet, "ethernet, tags [9100], session None, trailer 0", "vlan and "),
    (LinkType::Ethernet, "ethernet, tags [88a8, 8100], session None, trailer 4", "vlan and vlan and "),
    (LinkType::Ethernet, "ethernet, tags [88a8, 9100, 8100], session None, trailer 0", "vlan and vlan and vlan and "),
    (LinkType::Ethernet, "ethernet, tags [], session Some(false), trailer 0", "pppoes and "),
    (LinkType::Ethernet, "ethernet, tags [8100], session Some(false), trailer 0", "vlan and pppoes and "),
    (LinkType::LinuxSll, "sll, tags []", ""),
    (LinkType::LinuxSll2, "sll2, tags []", ""),
    (LinkType::Raw, "raw", ""),
    (LinkType::Ppp, "ppp with address, false", ""),
    // libpcap expects this host's order of bytes.
    (
        LinkType::Null,
        if cfg!(target_endian = "big") { "Null, 10, big endian true" } else { "Null, 10, big endian false" },
        "",
    ),
    (LinkType::Loop, "Loop, 10, big endian true", ""),
];

/// `udp` or `tcp`, for the port 1, those from 1000 to 2000, and the one of the built messages.
fn ports(transport: &str) -> String {
    format!(
        "({transport} dst port 1 or {transport} dst portrange 1000-2000 or {transport} dst port {port})",
        port = crate::build::PORT
    )
}

fn sized(length: &str) -> String {
    format!("{length} >= 140 and {length} <= 1500")
}

fn expression() -> String {
    let header = "((ip[0] & 0xf) << 2)";
    let v4 = [
        format!("({} and {})", ports("udp"), sized("udp[4:2] - 8")),
        format!("({} and {})", ports("tcp"), sized(&format!("ip[2:2] - {header} - ((tcp[12] & 0xf0) >> 2)"))),
        format!("(icmp and {})", sized(&format!("ip[2:2] - {header} - 8"))),
    ];
    let v6 = [
        format!("(ip6[6] = 17 and {} and {})", ports("udp"), sized("ip6[44:2] - 8")),
        format!("(ip6[6] = 6 and {} and {})", ports("tcp"), sized("ip6[4:2] - ((ip6[52] & 0xf0) >> 2)")),
        format!("(ip6[6] = 58 and {})", sized("ip6[4:2] - 8")),
    ];
    format!("((ip and ip[6:2] & 0x3fff = 0 and ({})) or (ip6 and ({})))", v4.join(" or "), v6.join(" or "))
}

#[test]
fn libpcaps_compiler_agrees() {
    let all = [Transport::Udp, Transport::Tcp, Transport::Icmp];
    let filter = Filter::new(&[1000..=2000, crate::build::PORT..=crate::build::PORT, 1..=1], &all);
    let envelopes = envelopes();
    for (link, name, words) in KNOWN {
        let envelope = envelopes.iter().find(|envelope| envelope.name == name).unwrap();
        let program = filter.program(link);
        let capture = Capture::dead(Linktype(link.dlt())).unwrap();
        let reference = capture.compile(&format!("{words}{}", expression()), true).unwrap();
        let (mut through, mut dropped) = (0, 0);
        for case in cases() {
            let frame = (envelope.wrap)(&case.packet);
            let verdict = decode(link, &frame);
            // Neither judges lengths that contradict each other, and libpcap no extension headers.
            if case.extended || verdict == Err(Reason::FrameMalformed) {
                continue;
            }
            let passed = run(&program, &view(link, &frame).unwrap()) > 0;
            assert_eq!(passed, reference.filter(&frame), "{} in {name}: {verdict:?}", case.name);
            *(if passed { &mut through } else { &mut dropped }) += 1;
        }
        assert!(through > 20 && dropped > 20, "{name}: {through} and {dropped}");
    }
}
