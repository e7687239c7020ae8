//! The network layer: an IPv4 or IPv6 packet becomes a datagram, or the reason why it does not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bytes::{array, be16, byte, enclosed, from};
use super::transport::{Message, protocol};
use super::{Datagram, Transport};
use crate::limits::EXTENSION_HEADERS_MAX;
use crate::reason::Reason;

/// The IPv4 header of RFC 791.
pub(super) mod v4 {
    /// The version and the header length in 32-bit words.
    pub(in crate::capture) const VERSION: usize = 0;
    pub(in crate::capture) const TOTAL_LENGTH: usize = 2;
    /// Three flags and the fragment offset.
    pub(in crate::capture) const FRAGMENT: usize = 6;
    pub(in crate::capture) const PROTOCOL: usize = 9;
    pub(in crate::capture) const SOURCE: usize = 12;
    pub(in crate::capture) const DESTINATION: usize = 16;
    pub(in crate::capture) const HEADER_MIN: usize = 20;
    /// "More fragments" and the offset: any of these bits makes a fragment.
    pub(in crate::capture) const FRAGMENT_MASK: u16 = 0x3fff;
}

/// The IPv6 header of RFC 8200.
pub(super) mod v6 {
    pub(in crate::capture) const VERSION: usize = 0;
    pub(in crate::capture) const PAYLOAD_LENGTH: usize = 4;
    pub(in crate::capture) const NEXT_HEADER: usize = 6;
    pub(in crate::capture) const SOURCE: usize = 8;
    pub(in crate::capture) const DESTINATION: usize = 24;
    pub(in crate::capture) const HEADER: usize = 40;
}

/// Numbers of the IPv6 extension headers of RFC 8200 and RFC 4302.
pub(super) mod extension {
    pub(in crate::capture) const HOP_BY_HOP: u8 = 0;
    pub(in crate::capture) const ROUTING: u8 = 43;
    pub(in crate::capture) const FRAGMENT: u8 = 44;
    pub(in crate::capture) const AUTHENTICATION: u8 = 51;
    pub(in crate::capture) const DESTINATION: u8 = 60;
    /// Those that are walked.
    pub(in crate::capture) const WALKED: [u8; 4] = [HOP_BY_HOP, ROUTING, AUTHENTICATION, DESTINATION];
    /// The shortest of them, in bytes.
    pub(in crate::capture) const LENGTH_MIN: usize = 8;
}

/// Reads whichever family the version field names.
pub(super) fn either(packet: &[u8]) -> Result<Datagram<'_>, Reason> {
    match byte(packet, v4::VERSION)? >> 4 {
        4 => ipv4(packet),
        6 => ipv6(packet),
        _ => Err(Reason::FrameNotIp),
    }
}

/// Reads an IPv4 packet; what follows its total length is padding and ignored.
pub(super) fn ipv4(packet: &[u8]) -> Result<Datagram<'_>, Reason> {
    let first = byte(packet, v4::VERSION)?;
    let header = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header < v4::HEADER_MIN {
        return Err(Reason::FrameMalformed);
    }
    let total = usize::from(be16(packet, v4::TOTAL_LENGTH)?);
    if total < header {
        return Err(Reason::FrameMalformed);
    }
    let payload = packet.get(header..total).ok_or(Reason::FrameCut)?;
    if be16(packet, v4::FRAGMENT)? & v4::FRAGMENT_MASK != 0 {
        return Err(Reason::Fragment);
    }
    let transport = match byte(packet, v4::PROTOCOL)? {
        protocol::UDP => Transport::Udp,
        protocol::TCP => Transport::Tcp,
        protocol::ICMP => Transport::Icmp,
        _ => return Err(Reason::FrameTransport),
    };
    let message = enclosed(Message::read(transport, payload))?;
    Ok(datagram(
        Ipv4Addr::from(array::<4>(packet, v4::SOURCE)?).into(),
        Ipv4Addr::from(array::<4>(packet, v4::DESTINATION)?).into(),
        &message,
    ))
}

/// Reads an IPv6 packet; what follows its payload length is padding and ignored.
///
/// A jumbogram (RFC 2675) says that it has no payload and then needs a hop-by-hop header in it: malformed.
pub(super) fn ipv6(packet: &[u8]) -> Result<Datagram<'_>, Reason> {
    if byte(packet, v6::VERSION)? >> 4 != 6 {
        return Err(Reason::FrameMalformed);
    }
    let length = usize::from(be16(packet, v6::PAYLOAD_LENGTH)?);
    let payload = from(packet, v6::HEADER)?.get(..length).ok_or(Reason::FrameCut)?;
    let (number, payload) = enclosed(walk(byte(packet, v6::NEXT_HEADER)?, payload))?;
    let transport = match number {
        protocol::UDP => Transport::Udp,
        protocol::TCP => Transport::Tcp,
        protocol::ICMPV6 => Transport::Icmp,
        _ => return Err(Reason::FrameTransport),
    };
    let message = enclosed(Message::read(transport, payload))?;
    Ok(datagram(
        Ipv6Addr::from(array::<16>(packet, v6::SOURCE)?).into(),
        Ipv6Addr::from(array::<16>(packet, v6::DESTINATION)?).into(),
        &message,
    ))
}

/// Steps over the extension headers; gives the number of the first other header, and where it begins.
///
/// Even an atomic fragment is refused: no client sends one, and two ways to write a packet are one too many.
fn walk(first: u8, payload: &[u8]) -> Result<(u8, &[u8]), Reason> {
    let (mut number, mut rest) = (first, payload);
    for walked in 0..=EXTENSION_HEADERS_MAX {
        let (unit, more) = match number {
            extension::FRAGMENT => return Err(Reason::Fragment),
            extension::AUTHENTICATION => (4, 2),
            number if extension::WALKED.contains(&number) => (8, 1),
            _ => return Ok((number, rest)),
        };
        // RFC 8200, section 4.1: hop-by-hop options stand first or not at all.
        if walked == EXTENSION_HEADERS_MAX || (number == extension::HOP_BY_HOP && walked > 0) {
            break;
        }
        number = byte(rest, 0)?;
        rest = from(rest, unit * (usize::from(byte(rest, 1)?) + more))?;
    }
    Err(Reason::FrameMalformed)
}

fn datagram<'a>(source: IpAddr, destination: IpAddr, message: &Message<'a>) -> Datagram<'a> {
    Datagram {
        source,
        destination,
        transport: message.transport,
        source_port: message.source_port,
        destination_port: message.destination_port,
        payload: message.payload,
    }
}
