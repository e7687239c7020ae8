//! Raw frames of every link type: what is read out of them, and that the kernel's filter agrees.

#![cfg(test)]

mod build;
mod cases;

use std::net::IpAddr;

use build::{Envelope, PORT, envelopes, ipv4, ipv4_with, ipv6, ipv6_chain, sll, sll2, tcp, udp};
use cases::{Expected, cases};
use pcap::{BpfProgram, Capture, Linktype};
use spa_knockd::capture::filter::Filter;
use spa_knockd::capture::link::{LinkType, decode};
use spa_knockd::capture::{Datagram, Transport};
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

fn compile(filter: &Filter, link: LinkType) -> BpfProgram {
    let capture = Capture::dead(Linktype(link.dlt())).unwrap();
    capture.compile(&filter.expression(link), true).unwrap()
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
        let programs: Vec<_> = filters().into_iter().map(|filter| (compile(&filter, link), filter)).collect();
        let mut seen = 0;
        for case in cases() {
            for envelope in only_family(link, &case.packet) {
                let frame = (envelope.wrap)(&case.packet);
                let verdict = decode(link, &frame);
                assert_eq!(outline(verdict), case.expected, "{} in {}", case.name, envelope.name);
                for (position, (program, filter)) in programs.iter().enumerate() {
                    let passed = program.filter(&frame);
                    let told = format!("{} in {}, filter {position}: {verdict:?}", case.name, envelope.name);
                    if wanted(filter, &verdict) {
                        assert!(passed, "lost: {told}");
                        seen += 1;
                    } else if passed {
                        let loose = case.variable_header || verdict == Err(Reason::FrameMalformed) || position == 4;
                        assert!(loose, "let through: {told}");
                    }
                }
            }
        }
        assert!(seen > 50, "{link:?}: {seen}");
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
            for envelope in only_family(link, &packet) {
                let frame = (envelope.wrap)(&packet);
                let trailer = if envelope.name.contains("trailer 4") { 4 } else { 0 };
                for cut in 0..frame.len() - trailer {
                    let verdict = decode(link, &frame[..cut]);
                    assert_eq!(verdict, Err(Reason::FrameCut), "{} cut to {cut}", envelope.name);
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
        assert!(!filters().iter().any(|filter| compile(filter, link).filter(&frame)), "{link:?}");
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
            assert!(!filters().iter().any(|filter| compile(filter, link).filter(&frame)));
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
        let programs: Vec<_> = filters().into_iter().map(|filter| (compile(&filter, link), filter)).collect();
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
            for (program, filter) in &programs {
                let through = program.filter(&frame);
                passed += usize::from(through);
                if wanted(filter, &verdict) {
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
