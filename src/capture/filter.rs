//! What is captured at all: the same question put to the kernel as a program, and to a decoded datagram.

use std::ops::RangeInclusive;

use super::link::LinkType;
use super::program::{Instruction, Wanted, program};
use super::{Datagram, Transport};
use crate::limits::{PACKET_MAX, PACKET_MIN};

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

    /// The kernel's program that lets through every frame of this link type that [`Filter::matches`].
    ///
    /// It drops nearly everything else. What it cannot judge without a loop, IPv6 extension headers, it leaves to the caller;
    /// so it does with lengths that contradict each other. With [`PORT_RANGES_MAX`](crate::limits::PORT_RANGES_MAX)
    /// ranges, it fits into the memory that the oldest of kernels grants it.
    #[must_use]
    pub fn program(&self, link: LinkType) -> Vec<Instruction> {
        let of = |transport, ports| if self.transports.contains(&transport) { ports } else { &[][..] };
        let wanted = Wanted {
            udp: of(Transport::Udp, &self.ports),
            tcp: of(Transport::Tcp, &self.tcp_ports),
            icmp: self.transports.contains(&Transport::Icmp),
        };
        program(link, &wanted)
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
    use crate::limits::PORT_RANGES_MAX;
    use std::net::Ipv4Addr;

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
        let all = [Transport::Udp, Transport::Tcp, Transport::Icmp];
        let one = Filter::new(&[62201..=62201], &[Transport::Udp]);
        let ports: Vec<_> = (0..PORT_RANGES_MAX).map(|n| u16::try_from(100 * n).unwrap()).map(|n| n..=n + 1).collect();
        for link in LinkType::ALL {
            let sizes = [&one, &Filter::new(&ports, &all)].map(|filter| filter.program(link).len());
            // Eight bytes each; the kernel takes 4096 of them where it has the memory.
            assert!(sizes[0] <= 138 && sizes[1] <= 348, "{link:?}: {sizes:?}");
        }
    }

    #[test]
    fn a_filter_without_ports_or_transports_lets_nothing_through() {
        for filter in [Filter::new(&[], &[Transport::Udp, Transport::Tcp]), Filter::new(&[1..=2], &[])] {
            for link in LinkType::ALL {
                assert_eq!(filter.program(link), [Instruction { code: 6, jt: 0, jf: 0, k: 0 }]);
            }
        }
    }
}
