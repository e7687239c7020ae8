//! Raw frames of every link type: what is read out of them, and that the kernel's filter agrees.

#![cfg(test)]

mod bpf;
mod build;
mod cases;
mod reference;

use std::net::IpAddr;

use bpf::{Kernel, run, view};
use build::{Envelope, PORT, envelopes, icmp, ipv4, ipv4_with, ipv6, ipv6_chain, sll, sll2, tcp, udp, udp_to};
use cases::{Expected, cases};
use proptest::prelude::*;
use spa_knockd::capture::filter::Filter;
use spa_knockd::capture::link::{LinkType, decode};
use spa_knockd::capture::{Datagram, Instruction, Transport};
use spa_knockd::reason::Reason;

fn filters() -> Vec<Filter> {
    let all = [Transport::Udp, Transport::Tcp, Transport::Icmp];
    let many: Vec<_> = (0..40).map(|n| n * 50..=n * 50).chain([PORT..=PORT]).collect();
    vec![
        Filter::new(&[PORT..=PORT], &[Transport::Udp]),
        Filter::new(&[1000..=2000, PORT..=PORT, 1..=1], &all),
        Filter::new(&[0..=65535], &[Transport::Tcp]),
        Filter::new(&[], &[Transport::Icmp]),
        Filter::new(&many, &all),
        Filter::new(&[PORT..=PORT], &all).without_tcp(PORT),
        Filter::new(&[1000..=65535], &all).without_tcp(PORT),
    ]
}

/// A filter's program, on our machine and in the kernel.
struct Program {
    filter: Filter,
    link: LinkType,
    steps: Vec<Instruction>,
    kernel: Kernel,
}

impl Program {
    fn new(filter: Filter, link: LinkType) -> Self {
        let steps = filter.program(link);
        let kernel = Kernel::new(&steps);
        Self { filter, link, steps, kernel }
    }

    fn all(link: LinkType) -> Vec<Self> {
        filters().into_iter().map(|filter| Self::new(filter, link)).collect()
    }

    /// Whether the frame gets through; the kernel must say the same where it can be asked.
    fn passes(&self, frame: &[u8]) -> bool {
        let Some(view) = view(self.link, frame) else {
            return false;
        };
        let kept = run(&self.steps, &view);
        assert!(kept == 0 || kept == 1900);
        if !matches!(self.link, LinkType::LinuxSll | LinkType::LinuxSll2) {
            let expected = usize::try_from(kept).unwrap().min(frame.len());
            assert_eq!(self.kernel.run(frame), expected, "the kernel has another opinion: {frame:02x?}");
        }
        kept > 0
    }
}

fn wanted(filter: &Filter, verdict: &Result<Datagram<'_>, Reason>) -> bool {
    verdict.is_ok_and(|datagram| filter.matches(&datagram))
}

fn outline(verdict: Result<Datagram<'_>, Reason>) -> Expected {
    verdict.map(|datagram| (datagram.transport, datagram.destination_port, datagram.payload.len()))
}

fn only_family(link: LinkType, packet: &[u8]) -> Vec<Envelope> {
    let mut all = envelopes();
    let family = if packet[0] >> 4 == 6 { LinkType::Ipv6 } else { LinkType::Ipv4 };
    all.push(Envelope { name: "one family".to_owned(), link: family, wrap: Box::new(<[u8]>::to_vec) });
    all.retain(|envelope| envelope.link == link);
    all
}

#[test]
fn every_packet_is_read_out_of_every_envelope_and_the_kernel_agrees() {
    for link in LinkType::ALL {
        let programs = Program::all(link);
        let mut seen = 0;
        for case in cases() {
            for envelope in only_family(link, &case.packet) {
                let frame = (envelope.wrap)(&case.packet);
                let verdict = decode(link, &frame);
                assert_eq!(outline(verdict), case.expected, "{} in {}", case.name, envelope.name);
                for (position, program) in programs.iter().enumerate() {
                    let passed = program.passes(&frame);
                    let told = format!("{} in {}, filter {position}: {verdict:?}", case.name, envelope.name);
                    if wanted(&program.filter, &verdict) {
                        assert!(passed, "lost: {told}");
                        seen += 1;
                    } else if passed {
                        let loose = case.extended || verdict == Err(Reason::FrameMalformed);
                        assert!(loose, "let through: {told}");
                    }
                }
            }
        }
        assert!(seen > 50, "{link:?}: {seen}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_kernel_lets_through_what_is_wanted_and_nothing_else(
        kind in 0_usize..6,
        port in prop_oneof![any::<u16>(), 999_u16..=1001, 1999_u16..=2001, 62200_u16..=62202, 0_u16..=2],
        length in prop_oneof![0_usize..=1600, 138_usize..=142, 1498_usize..=1502],
        options in 0_u8..=10,
        tcp_options in 0_u8..=10,
        extensions in proptest::collection::vec(prop_oneof![Just(43_u8), Just(51), Just(60)], 0..4),
        envelope in any::<prop::sample::Index>(),
        chosen in any::<prop::sample::Index>(),
    ) {
        let mut segment = tcp(tcp_options, length);
        segment[2..4].copy_from_slice(&port.to_be_bytes());
        let packet = match kind {
            0 => ipv4_with(17, options, 0x4000, &udp_to(port, length)),
            1 => ipv4_with(6, options, 0, &segment),
            2 => ipv4_with(1, options, 0, &icmp(8, length)),
            3 => ipv6_chain(&extensions, 17, &udp_to(port, length)),
            4 => ipv6_chain(&extensions, 6, &segment),
            _ => ipv6_chain(&extensions, 58, &icmp(128, length)),
        };
        let all = envelopes();
        let envelope = envelope.get(&all);
        let frame = (envelope.wrap)(&packet);
        let program = Program::new(chosen.get(&filters()).clone(), envelope.link);
        let wanted = wanted(&program.filter, &decode(envelope.link, &frame));
        let passed = program.passes(&frame);
        if kind < 3 || extensions.is_empty() {
            prop_assert_eq!(passed, wanted, "{}", envelope.name);
        } else {
            prop_assert!(passed || !wanted, "lost: {}", envelope.name);
        }
    }
}

#[test]
fn addresses_ports_and_payload_come_out() {
    let frame = ipv4(17, &udp(200));
    let datagram = decode(LinkType::Raw, &frame).unwrap();
    assert_eq!(datagram.source, "192.0.2.1".parse::<IpAddr>().unwrap());
    assert_eq!(datagram.destination, "198.51.100.2".parse::<IpAddr>().unwrap());
    assert_eq!(datagram.source_port, 40000);
    assert_eq!(datagram.payload, [b'A'; 200]);
    let frame = ipv6_chain(&[0, 51], 6, &tcp(2, 200));
    let datagram = decode(LinkType::Ipv6, &frame).unwrap();
    assert_eq!(datagram.source, "2001:db8::1".parse::<IpAddr>().unwrap());
    assert_eq!(datagram.destination, "2001:db8::2".parse::<IpAddr>().unwrap());
    assert_eq!(datagram.source_port, 40000);
    assert_eq!(datagram.payload, [b'A'; 200]);
}

#[test]
fn every_cut_is_told() {
    for packet in [ipv4_with(17, 2, 0, &udp(140)), ipv6_chain(&[0, 60], 17, &udp(140)), ipv4(6, &tcp(1, 5))] {
        for link in LinkType::ALL {
            let programs = Program::all(link);
            for envelope in only_family(link, &packet) {
                let frame = (envelope.wrap)(&packet);
                let trailer = if envelope.name.contains("trailer 4") { 4 } else { 0 };
                let start = frame.len() - trailer - packet.len();
                for cut in 0..frame.len() - trailer {
                    let verdict = decode(link, &frame[..cut]);
                    assert_eq!(verdict, Err(Reason::FrameCut), "{} cut to {cut}", envelope.name);
                    // Without the protocol's number, there is nothing to judge by.
                    let passed = programs.iter().filter(|program| program.passes(&frame[..cut])).count();
                    assert!(passed == 0 || cut > start + 6, "{} cut to {cut}", envelope.name);
                }
            }
        }
    }
}

#[test]
fn frames_without_ip_are_told() {
    let packet = ipv4(17, &udp(200));
    let ethernet = |kind: [u8; 2]| [&[2; 12], &kind[..], &packet].concat();
    let tags = [0x81, 0, 0, 1].repeat(4);
    let four_tags = [&[2; 12], &tags[..], &[8, 0], &packet].concat();
    let discovery = [&[2; 12], &[0x88, 0x64, 0x11, 0x09, 0, 1, 0, 2][..], &packet].concat();
    let lcp = [&[0xff, 0x03, 0xc0, 0x21][..], &packet].concat();
    for (link, frame) in [
        (LinkType::Ethernet, ethernet([8, 6])),
        (LinkType::Ethernet, ethernet([0, 228])),
        (LinkType::Ethernet, ethernet([0x88, 0x63])),
        (LinkType::Ethernet, four_tags),
        (LinkType::Ethernet, discovery),
        (LinkType::Ppp, lcp),
        (LinkType::Raw, [&[0x50], &packet[1..]].concat()),
        (LinkType::Null, [&[0, 0, 0, 7], &packet[..]].concat()),
        (LinkType::Loop, [&[2, 0, 0, 0], &packet[..]].concat()),
    ] {
        assert_eq!(decode(link, &frame), Err(Reason::FrameNotIp), "{link:?}");
        assert!(!Program::all(link).iter().any(|program| program.passes(&frame)), "{link:?}");
    }
    for (link, frame) in [
        (LinkType::Ethernet, [&[2; 12], &[0x86, 0xdd][..], &packet].concat()),
        (LinkType::Ipv6, packet.clone()),
        (LinkType::Ipv4, ipv6(17, &udp(200))),
        (LinkType::Loop, [&[0, 0, 0, 24], &packet[..]].concat()),
        // A PPPoE length that ends inside the packet, while the frame goes on.
        (LinkType::PppEther, [&[0x11, 0, 0, 1, 0, 100, 0, 0x21], &packet[..]].concat()),
    ] {
        assert_eq!(decode(link, &frame), Err(Reason::FrameMalformed), "{link:?}");
    }
}

#[test]
fn what_this_host_sent_is_no_knock() {
    for packet in [ipv4(17, &udp(200)), ipv6(17, &udp(200))] {
        for (link, frame) in
            [(LinkType::LinuxSll, sll(4, &[0x8100], &packet)), (LinkType::LinuxSll2, sll2(4, &[], &packet))]
        {
            assert_eq!(decode(link, &frame), Err(Reason::FrameOutgoing));
            assert!(!Program::all(link).iter().any(|program| program.passes(&frame)));
        }
    }
}

#[test]
fn changed_frames_never_panic_leave_the_frame_or_get_lost_in_the_kernel() {
    let mut state = 0x9e37_79b9_u32;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        usize::try_from(state).unwrap() % below
    };
    let cases = cases();
    for link in LinkType::ALL {
        let programs = Program::all(link);
        let (mut passed, mut honoured) = (0, 0);
        for _ in 0..2_500 {
            let case = &cases[random(cases.len())];
            let envelopes = only_family(link, &case.packet);
            let Some(envelope) = envelopes.get(random(envelopes.len().max(1))) else {
                continue;
            };
            let mut frame = (envelope.wrap)(&case.packet);
            let headers = frame.len().min(110);
            for _ in 0..random(3) {
                frame[random(headers)] = u8::try_from(random(256)).unwrap();
            }
            if random(4) == 0 {
                frame.truncate(random(frame.len()));
            }
            let verdict = decode(link, &frame);
            if let Ok(datagram) = &verdict {
                let (outer, inner) = (frame.as_ptr_range(), datagram.payload.as_ptr_range());
                assert!(outer.start <= inner.start && inner.end <= outer.end);
            }
            for program in &programs {
                let through = program.passes(&frame);
                passed += usize::from(through);
                if wanted(&program.filter, &verdict) {
                    honoured += 1;
                    assert!(through, "lost: {}: {frame:02x?}", envelope.name);
                }
                if through {
                    assert!(!matches!(verdict, Err(Reason::FrameNotIp | Reason::FrameOutgoing)), "{}", envelope.name);
                }
            }
        }
        assert!(honoured > 500 && passed > honoured, "{link:?}: {honoured} of {passed}");
    }
}
