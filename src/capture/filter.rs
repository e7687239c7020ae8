//! What is captured at all: the same question put to the kernel as a libpcap expression, and to a decoded datagram.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::link::{self, LinkType, ethertype, family, ppp, pppoe};
use super::rules::Rules;
use super::{Datagram, Transport};
use crate::limits::{PACKET_MAX, PACKET_MIN, VLAN_TAGS_MAX};

/// Port ranges that the kernel tells apart; of more than these it checks only the lowest and the highest port.
const KERNEL_RANGES_MAX: usize = 16;

/// The payload lengths that can be a knock, in bytes: it comes in one datagram, segment or message, whatever its dress.
pub(super) const PAYLOAD: RangeInclusive<usize> = PACKET_MIN..=PACKET_MAX;

/// Ports and transports that may carry a knock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    ports: Vec<RangeInclusive<u16>>,
    tcp_ports: Vec<RangeInclusive<u16>>,
    transports: Vec<Transport>,
}

impl Filter {
    /// A filter for these destination ports and transports; ICMP has no ports. Order and overlaps do not matter.
    #[must_use]
    pub fn new(ports: &[RangeInclusive<u16>], transports: &[Transport]) -> Self {
        let mut transports = transports.to_vec();
        transports.sort_unstable();
        transports.dedup();
        let ports = merge(ports);
        Self { tcp_ports: ports.clone(), ports, transports }
    }

    /// The same filter without one TCP port: a listener hears itself what comes there.
    #[must_use]
    pub fn without_tcp(mut self, port: u16) -> Self {
        let around = |range: &RangeInclusive<u16>| {
            let below = port.checked_sub(1).map(|last| *range.start()..=last.min(*range.end()));
            let above = port.checked_add(1).map(|first| first.max(*range.start())..=*range.end());
            [below, above]
        };
        let left: Vec<_> = self.tcp_ports.iter().flat_map(around).flatten().collect();
        self.tcp_ports = merge(&left);
        self
    }

    /// Whether a knock may come in this datagram: transport, destination port and payload length fit.
    #[must_use]
    pub fn matches(&self, datagram: &Datagram<'_>) -> bool {
        let among =
            |ports: &[RangeInclusive<u16>]| ports.iter().any(|range| range.contains(&datagram.destination_port));
        self.transports.contains(&datagram.transport)
            && PAYLOAD.contains(&datagram.payload.len())
            && match datagram.transport {
                Transport::Udp => among(&self.ports),
                Transport::Tcp => among(&self.tcp_ports),
                Transport::Icmp => true,
            }
    }

    /// The libpcap expression that lets through every frame of this link type that [`Filter::matches`].
    ///
    /// It drops nearly everything else. What the kernel cannot judge without a loop, it leaves to the caller: headers
    /// of variable length (IPv4 options, IPv6 extension headers), and more than 16 separate port ranges.
    ///
    /// All offsets are absolute, because the `vlan` and `pppoes` keywords would shift those of the rest of the
    /// expression. A load behind the end of a frame drops the frame, whatever alternatives are left; so each load
    /// stands behind a test of the field that says what is there, and no two such tests hold for one frame. A tag that
    /// the network card or the kernel has taken off a live frame is not missed: the frame looks untagged then.
    #[must_use]
    pub fn expression(&self, link: LinkType) -> String {
        let (udp, tcp) = (for_kernel(&self.ports), for_kernel(&self.tcp_ports));
        let Some(rules) = Rules::new(&udp, &tcp, &self.transports) else {
            return "len = 0".to_owned();
        };
        match link {
            LinkType::Ethernet => typed(&rules, link::ETHERNET.ethertype, link::ETHERNET.header, VLAN_TAGS_MAX),
            LinkType::LinuxSll => {
                let typed = typed(&rules, link::SLL.ethertype, link::SLL.header, VLAN_TAGS_MAX);
                format!("link[{}:2] != {} and {typed}", link::SLL_PACKET_TYPE, link::SENT_BY_US)
            }
            LinkType::LinuxSll2 => {
                let typed = typed(&rules, link::SLL2.ethertype, link::SLL2.header, VLAN_TAGS_MAX);
                format!("link[{}] != {} and {typed}", link::SLL2_PACKET_TYPE, link::SENT_BY_US)
            }
            LinkType::Raw => format!("({} or {})", rules.versioned_ipv4(0), rules.versioned_ipv6(0)),
            LinkType::Ipv4 => rules.versioned_ipv4(0),
            LinkType::Ipv6 => rules.versioned_ipv6(0),
            LinkType::Ppp => {
                let [address, control] = ppp::ADDRESS_CONTROL;
                let number = u16::from_be_bytes([address, control]);
                format!("((link[0:2] = {number} and {}) or {})", in_ppp(&rules, 2), in_ppp(&rules, 0))
            }
            LinkType::PppEther => in_pppoe(&rules, 0),
            LinkType::Null => of_family(&rules, &[|number| number, u32::swap_bytes]),
            LinkType::Loop => of_family(&rules, &[|number| number]),
        }
    }
}

/// The alternatives behind an `EtherType` at `at` whose payload begins at `next`, with up to `tags` more tags.
fn typed(rules: &Rules<'_>, at: usize, next: usize, tags: usize) -> String {
    let mut alternatives = format!(
        "(link[{at}:2] = {} and {}) or (link[{at}:2] = {} and {}) or (link[{at}:2] = {} and {})",
        ethertype::IPV4,
        rules.ipv4(next),
        ethertype::IPV6,
        rules.ipv6(next),
        ethertype::PPPOE_SESSION,
        in_pppoe(rules, next),
    );
    if let Some(tags) = tags.checked_sub(1) {
        let [q, ad, old] = ethertype::TAGS;
        let inner = typed(rules, next + ethertype::TAG_NEXT, next + ethertype::TAG, tags);
        alternatives +=
            &format!(" or ((link[{at}:2] = {q} or link[{at}:2] = {ad} or link[{at}:2] = {old}) and {inner})");
    }
    format!("({alternatives})")
}

fn in_pppoe(rules: &Rules<'_>, at: usize) -> String {
    let code = at + pppoe::VERSION_CODE;
    format!("(link[{code}:2] = {} and {})", pppoe::SESSION_DATA, in_ppp(rules, at + pppoe::HEADER))
}

fn in_ppp(rules: &Rules<'_>, at: usize) -> String {
    format!(
        "((link[{at}:2] = {v4} and {}) or (link[{at}:2] = {v6} and {}) or (link[{at}] = {v4} and {}) or (link[{at}] = {v6} and {}))",
        rules.ipv4(at + 2),
        rules.ipv6(at + 2),
        rules.ipv4(at + 1),
        rules.ipv6(at + 1),
        v4 = ppp::IPV4,
        v6 = ppp::IPV6,
    )
}

fn of_family(rules: &Rules<'_>, orders: &[fn(u32) -> u32]) -> String {
    let is = |family: u32| {
        let numbers: Vec<String> = orders.iter().map(|order| format!("link[0:4] = {}", order(family))).collect();
        numbers.join(" or ")
    };
    let v6: Vec<String> = family::IPV6.iter().map(|number| is(*number)).collect();
    format!(
        "((({}) and {}) or (({}) and {}))",
        is(family::IPV4),
        rules.ipv4(family::HEADER),
        v6.join(" or "),
        rules.ipv6(family::HEADER),
    )
}

/// The ports, or where they are too many the range around them.
fn for_kernel(ports: &[RangeInclusive<u16>]) -> Cow<'_, [RangeInclusive<u16>]> {
    match ports {
        [first, .., last] if ports.len() > KERNEL_RANGES_MAX => vec![*first.start()..=*last.end()].into(),
        ports => ports.into(),
    }
}

/// The same ports as sorted ranges with gaps between them.
fn merge(ports: &[RangeInclusive<u16>]) -> Vec<RangeInclusive<u16>> {
    let mut sorted: Vec<(u16, u16)> =
        ports.iter().filter(|range| !range.is_empty()).map(|range| (*range.start(), *range.end())).collect();
    sorted.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::with_capacity(sorted.len());
    for (start, end) in sorted {
        match merged.last_mut() {
            Some((_, last)) if start <= last.saturating_add(1) => *last = end.max(*last),
            _ => merged.push((start, end)),
        }
    }
    merged.into_iter().map(|(start, end)| start..=end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap::{Capture, Linktype};
    use std::net::Ipv4Addr;

    fn instructions(filter: &Filter, link: LinkType) -> usize {
        let capture = Capture::dead(Linktype(link.dlt())).unwrap();
        let program = capture.compile(&filter.expression(link), true).unwrap();
        program.get_instructions().len()
    }

    #[test]
    fn ranges_are_merged() {
        assert_eq!(merge(&[5..=7, 1..=2, 8..=9, 6..=6, 65535..=65535, 3..=3]), [1..=3, 5..=9, 65535..=65535]);
        #[expect(clippy::reversed_empty_ranges, reason = "it must not match anything")]
        let reversed = merge(&[9..=1]);
        assert!(reversed.is_empty());
    }

    #[test]
    fn a_datagram_matches_by_transport_port_and_length() {
        let bytes = [0; 1501];
        let datagram = |transport, destination_port, length| Datagram {
            source: Ipv4Addr::LOCALHOST.into(),
            destination: Ipv4Addr::LOCALHOST.into(),
            transport,
            source_port: 9,
            destination_port,
            payload: &bytes[..length],
        };
        let udp = Filter::new(&[10..=20, 62201..=62201], &[Transport::Udp]);
        for (port, length, expected) in [
            (62201, 140, true),
            (62201, 1500, true),
            (62201, 139, false),
            (62201, 1501, false),
            (10, 140, true),
            (20, 140, true),
            (9, 140, false),
            (21, 140, false),
        ] {
            assert_eq!(udp.matches(&datagram(Transport::Udp, port, length)), expected, "{port} {length}");
        }
        assert!(!udp.matches(&datagram(Transport::Tcp, 62201, 140)));
        assert!(!udp.matches(&datagram(Transport::Icmp, 0, 140)));
        let others = Filter::new(&[10..=20], &[Transport::Icmp, Transport::Tcp]);
        assert!(others.matches(&datagram(Transport::Tcp, 10, 140)));
        assert!(!others.matches(&datagram(Transport::Tcp, 10, 139)));
        assert!(others.matches(&datagram(Transport::Icmp, 0, 140)));
        assert!(!others.matches(&datagram(Transport::Udp, 10, 140)));
    }

    #[test]
    fn a_listeners_port_is_left_to_it() {
        let both = [Transport::Udp, Transport::Tcp];
        let left = |ports: &[RangeInclusive<u16>], port| Filter::new(ports, &both).without_tcp(port).tcp_ports;
        assert_eq!(left(&[10..=20, 30..=30], 15), [10..=14, 16..=20, 30..=30]);
        assert_eq!(left(&[10..=20, 30..=30], 10), [11..=20, 30..=30]);
        assert_eq!(left(&[10..=20, 30..=30], 20), [10..=19, 30..=30]);
        assert_eq!(left(&[10..=20, 30..=30], 30), [10..=20]);
        assert_eq!(left(&[10..=20, 30..=30], 25), [10..=20, 30..=30]);
        assert_eq!(left(&[0..=65535], 0), [1..=65535]);
        assert_eq!(left(&[0..=65535], 65535), [0..=65534]);
        let filter = Filter::new(&[7..=7], &both).without_tcp(7);
        assert_eq!((filter.ports, filter.tcp_ports.len()), (vec![7..=7], 0));
    }

    #[test]
    fn programs_stay_small() {
        let one = Filter::new(&[62201..=62201], &[Transport::Udp]);
        let ports: Vec<_> = (0..200).map(|n| 100 * n..=100 * n + n % 2).collect();
        let all = [Transport::Udp, Transport::Tcp, Transport::Icmp];
        for link in LinkType::ALL {
            let sizes = [
                instructions(&one, link),
                instructions(&Filter::new(&ports[..10], &[Transport::Udp]), link),
                instructions(&Filter::new(&ports[..16], &all), link),
                instructions(&Filter::new(&ports, &all), link),
            ];
            // The kernel takes 4096.
            eprintln!("{link:?} {sizes:?}");
            assert!(sizes[0] < 500 && sizes[1] < 1500 && sizes.iter().all(|size| *size < 3500), "{link:?}: {sizes:?}");
        }
    }

    #[test]
    fn a_filter_without_ports_or_transports_lets_nothing_through() {
        for filter in [Filter::new(&[], &[Transport::Udp, Transport::Tcp]), Filter::new(&[1..=2], &[])] {
            for link in LinkType::ALL {
                let capture = Capture::dead(Linktype(link.dlt())).unwrap();
                let program = capture.compile(&filter.expression(link), true).unwrap();
                assert!(!program.filter(&[0; 64]));
            }
        }
    }
}
