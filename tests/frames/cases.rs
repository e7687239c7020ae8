//! IP packets, good and bad, and what must be read out of them.

use spa_knockd::capture::Transport;
use spa_knockd::reason::Reason;

use crate::build::{PORT, icmp, ipv4, ipv4_with, ipv6, ipv6_chain, tcp, udp, udp_claiming, udp_to};

/// Transport, destination port and payload length, or the refusal.
pub(crate) type Expected = Result<(Transport, u16, usize), Reason>;

/// An IP packet, what must be read out of it, and whether the kernel leaves it to us for its extension headers.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) packet: Vec<u8>,
    pub(crate) expected: Expected,
    pub(crate) extended: bool,
}

/// The packet with some of its bytes replaced.
fn patched(mut packet: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    packet
}

pub(crate) fn cases() -> Vec<Case> {
    use Reason::{Fragment, FrameMalformed, FrameTransport};
    use Transport::{Icmp, Tcp, Udp};
    let mut all = Vec::new();
    let mut add = |name, packet, expected, extended| {
        all.push(Case { name, packet, expected, extended });
    };
    for length in [139, 140, 200, 1500, 1501] {
        add("udp", ipv4(17, &udp(length)), Ok((Udp, PORT, length)), false);
        add("udp6", ipv6(17, &udp(length)), Ok((Udp, PORT, length)), false);
        add("icmp", ipv4(1, &icmp(8, length)), Ok((Icmp, 0, length)), false);
        add("icmp6", ipv6(58, &icmp(128, length)), Ok((Icmp, 0, length)), false);
        add("tcp", ipv4(6, &tcp(0, length)), Ok((Tcp, PORT, length)), false);
        add("tcp6", ipv6(6, &tcp(3, length)), Ok((Tcp, PORT, length)), false);
        add("options", ipv4_with(17, 1, 0, &udp(length)), Ok((Udp, PORT, length)), false);
        add("all options", ipv4_with(17, 10, 0, &udp(length)), Ok((Udp, PORT, length)), false);
        add("one header", ipv6_chain(&[60], 17, &udp(length)), Ok((Udp, PORT, length)), true);
    }
    for length in [0, 1] {
        add("short tcp", ipv4(6, &tcp(10, length)), Ok((Tcp, PORT, length)), false);
        add("short tcp6", ipv6(6, &tcp(0, length)), Ok((Tcp, PORT, length)), false);
        add("short udp", ipv4(17, &udp(length)), Ok((Udp, PORT, length)), false);
    }
    for port in [0, 1, 999, 1000, 1010, 2000, 2001, 62200, 62202, 65535] {
        add("other port", ipv4(17, &udp_to(port, 200)), Ok((Udp, port, 200)), false);
        add("other port 6", ipv6(17, &udp_to(port, 200)), Ok((Udp, port, 200)), false);
        add("other port, options", ipv4_with(17, 2, 0, &udp_to(port, 200)), Ok((Udp, port, 200)), false);
    }
    add("tcp with options in ip", ipv4_with(6, 3, 0, &tcp(2, 1)), Ok((Tcp, PORT, 1)), false);
    add("icmp with options", ipv4_with(1, 3, 0, &icmp(0, 140)), Ok((Icmp, 0, 140)), false);
    add("evil bit", ipv4_with(17, 0, 0x8000, &udp(200)), Ok((Udp, PORT, 200)), false);
    add("first fragment", ipv4_with(17, 0, 0x2000, &udp(200)), Err(Fragment), false);
    add("last fragment", ipv4_with(17, 0, 0x00b9, &udp(200)), Err(Fragment), false);
    add("fragment with options", ipv4_with(17, 4, 0x2000, &udp(200)), Err(Fragment), false);
    add("atomic fragment 6", ipv6_chain(&[44], 17, &udp(200)), Err(Fragment), false);
    add("fragment behind a header", ipv6_chain(&[0, 44], 17, &udp(200)), Err(Fragment), true);
    let chains: [&[u8]; 6] = [&[0], &[43], &[51], &[0, 60, 43, 51, 60], &[0, 60, 60, 60, 60, 60, 60, 60], &[51, 51]];
    for headers in chains {
        add("chain, udp", ipv6_chain(headers, 17, &udp(140)), Ok((Udp, PORT, 140)), true);
        add("chain, tcp", ipv6_chain(headers, 6, &tcp(0, 1)), Ok((Tcp, PORT, 1)), true);
        add("chain, icmp", ipv6_chain(headers, 58, &icmp(128, 1500)), Ok((Icmp, 0, 1500)), true);
        add("chain, port", ipv6_chain(headers, 17, &udp_to(9, 140)), Ok((Udp, 9, 140)), true);
        add("chain, nothing", ipv6_chain(headers, 59, &udp(140)), Err(FrameTransport), true);
    }
    add("nine headers", ipv6_chain(&[60; 9], 17, &udp(140)), Err(FrameMalformed), true);
    add("late hop-by-hop", ipv6_chain(&[60, 0], 17, &udp(140)), Err(FrameMalformed), true);
    add("endless header", patched(ipv6_chain(&[60], 17, &udp(140)), 41, &[255]), Err(FrameMalformed), true);
    add("jumbogram", patched(ipv6_chain(&[0], 17, &udp(140)), 4, &[0, 0]), Err(FrameMalformed), false);
    add("gre", ipv4(47, &udp(200)), Err(FrameTransport), false);
    add("icmp 6 in 4", ipv4(58, &icmp(128, 200)), Err(FrameTransport), false);
    add("icmp 4 in 6", ipv6(1, &icmp(8, 200)), Err(FrameTransport), false);
    add("esp 6", ipv6(50, &udp(200)), Err(FrameTransport), false);
    add("udp shorter than ip", ipv4(17, &udp_claiming(PORT, 158, 190)), Ok((Udp, PORT, 150)), false);
    add("udp shorter than ip 6", ipv6(17, &udp_claiming(PORT, 158, 190)), Ok((Udp, PORT, 150)), false);
    add("udp longer than ip", ipv4(17, &udp_claiming(PORT, 300, 200)), Err(FrameMalformed), false);
    add("udp longer than ip 6", ipv6(17, &udp_claiming(PORT, 300, 200)), Err(FrameMalformed), false);
    add("udp length 7", ipv4(17, &udp_claiming(PORT, 7, 200)), Err(FrameMalformed), false);
    add("udp length 0", ipv6(17, &udp_claiming(PORT, 0, 200)), Err(FrameMalformed), false);
    add("half a udp header", ipv4(17, &udp(0)[..7]), Err(FrameMalformed), false);
    add("half an icmp header", ipv6(58, &icmp(128, 0)[..7]), Err(FrameMalformed), false);
    add("tcp offset 4", patched(ipv4(6, &tcp(0, 200)), 32, &[0x40]), Err(FrameMalformed), false);
    add("tcp offset 15", patched(ipv4(6, &tcp(0, 30)), 32, &[0xf0]), Err(FrameMalformed), false);
    add("header length 4", patched(ipv4(17, &udp(200)), 0, &[0x44]), Err(FrameMalformed), false);
    add("header longer than total", patched(ipv4_with(17, 1, 0, &udp(200)), 2, &[0, 20]), Err(FrameMalformed), false);
    add("total length 0", patched(ipv4(17, &udp(200)), 2, &[0, 0]), Err(FrameMalformed), false);
    all
}
