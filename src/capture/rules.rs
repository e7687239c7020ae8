//! The network and transport part of the libpcap expression, for an IP packet at a known offset.

use std::ops::RangeInclusive;

use super::Transport;
use super::filter::PAYLOAD;
use super::ip::{extension, v4, v6};
use super::transport::{DESTINATION_PORT, ICMP_HEADER, protocol, tcp, udp};

/// Writes tests of IP packets; the cheapest that tells most strangers apart comes first.
pub(super) struct Rules<'a> {
    udp: &'a [RangeInclusive<u16>],
    tcp: &'a [RangeInclusive<u16>],
    transports: Vec<Transport>,
}

impl<'a> Rules<'a> {
    /// Rules for these sorted ranges; `None` where nothing could ever match.
    pub(super) fn new(
        udp: &'a [RangeInclusive<u16>],
        tcp: &'a [RangeInclusive<u16>],
        transports: &[Transport],
    ) -> Option<Self> {
        let mut transports = transports.to_vec();
        transports.retain(|transport| match transport {
            Transport::Udp => !udp.is_empty(),
            Transport::Tcp => !tcp.is_empty(),
            Transport::Icmp => true,
        });
        (!transports.is_empty()).then_some(Self { udp, tcp, transports })
    }

    /// An IPv4 packet at `at`, where nothing before it tells the family.
    pub(super) fn versioned_ipv4(&self, at: usize) -> String {
        format!("(link[{}] & 0xf0 = 0x40 and {})", at + v4::VERSION, self.ipv4(at))
    }

    /// An IPv6 packet at `at`, where nothing before it tells the family.
    pub(super) fn versioned_ipv6(&self, at: usize) -> String {
        format!("(link[{}] & 0xf0 = 0x60 and {})", at + v6::VERSION, self.ipv6(at))
    }

    /// An IPv4 packet at `at` that is no fragment; with options, only its length is judged.
    pub(super) fn ipv4(&self, at: usize) -> String {
        let version = at + v4::VERSION;
        let number = at + v4::PROTOCOL;
        let total = format!("link[{}:2]", at + v4::TOTAL_LENGTH);
        let alternatives: Vec<String> = self
            .transports
            .iter()
            .map(|&transport| {
                let value = match transport {
                    Transport::Udp => protocol::UDP,
                    Transport::Tcp => protocol::TCP,
                    Transport::Icmp => protocol::ICMP,
                };
                let plain = self.fits(transport, at + v4::HEADER_MIN, &total, v4::HEADER_MIN);
                let shortest = v4::HEADER_MIN + v4::OPTIONS_MIN + message_min(transport);
                format!(
                    "(link[{number}] = {value} and ((link[{version}] = 0x45 and {plain}) \
                     or (link[{version}] > 0x45 and {total} >= {shortest})))"
                )
            })
            .collect();
        format!("(({}) and link[{}:2] & {} = 0)", alternatives.join(" or "), at + v4::FRAGMENT, v4::FRAGMENT_MASK)
    }

    /// An IPv6 packet at `at`; behind extension headers, only its length is judged.
    pub(super) fn ipv6(&self, at: usize) -> String {
        let number = at + v6::NEXT_HEADER;
        let length = format!("link[{}:2]", at + v6::PAYLOAD_LENGTH);
        let mut alternatives: Vec<String> = self
            .transports
            .iter()
            .map(|&transport| {
                let value = match transport {
                    Transport::Udp => protocol::UDP,
                    Transport::Tcp => protocol::TCP,
                    Transport::Icmp => protocol::ICMPV6,
                };
                let plain = self.fits(transport, at + v6::HEADER, &length, 0);
                format!("(link[{number}] = {value} and {plain})")
            })
            .collect();
        let headers: Vec<String> =
            extension::WALKED.iter().map(|header| format!("link[{number}] = {header}")).collect();
        let message = self.transports.iter().copied().map(message_min).min().unwrap_or(0);
        let shortest = extension::LENGTH_MIN + message;
        alternatives.push(format!("(({}) and {length} >= {shortest})", headers.join(" or ")));
        format!("({})", alternatives.join(" or "))
    }

    /// Port and payload length of a message at `at`; `length` is an IP length field, `before` what it counts besides.
    fn fits(&self, transport: Transport, at: usize, length: &str, before: usize) -> String {
        let (least, most) = (PAYLOAD.start(), PAYLOAD.end());
        let (measure, header) = match transport {
            Transport::Udp => (format!("link[{}:2]", at + udp::LENGTH), udp::HEADER),
            Transport::Tcp => {
                // A header longer than the packet makes this a huge number: BPF counts modulo 2^32.
                let header = format!("((link[{}] & 0xf0) >> 2)", at + tcp::DATA_OFFSET);
                (format!("({length} - {header})"), before)
            }
            Transport::Icmp => (length.to_owned(), before + ICMP_HEADER),
        };
        let sized = format!("{measure} >= {} and {measure} <= {}", header + least, header + most);
        let ports = match transport {
            Transport::Udp => self.udp,
            Transport::Tcp => self.tcp,
            Transport::Icmp => return format!("({sized})"),
        };
        format!("({} and {sized})", one_of(ports, at + DESTINATION_PORT))
    }
}

/// One of the ports at `at`.
fn one_of(ports: &[RangeInclusive<u16>], at: usize) -> String {
    let ranges: Vec<String> = ports
        .iter()
        .map(|range| match (range.start(), range.end()) {
            (start, end) if start == end => format!("link[{at}:2] = {start}"),
            (start, end) => format!("(link[{at}:2] >= {start} and link[{at}:2] <= {end})"),
        })
        .collect();
    format!("({})", ranges.join(" or "))
}

/// The shortest message with a knock: header and payload.
fn message_min(transport: Transport) -> usize {
    let header = match transport {
        Transport::Udp => udp::HEADER,
        Transport::Tcp => tcp::HEADER_MIN,
        Transport::Icmp => ICMP_HEADER,
    };
    header + PAYLOAD.start()
}
