//! The link layer: strips what stands before the IP packet, for every kind of device and savefile.

use super::Datagram;
use super::bytes::{array, be16, byte, enclosed, from};
use super::ip;
use crate::limits::VLAN_TAGS_MAX;
use crate::reason::Reason;

/// The kinds of link-layer header that are understood (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// Ethernet, with VLAN tags or PPPoE where the frame has them.
    Ethernet,
    /// Linux cooked capture, version 1: PPP devices, and `any`.
    LinuxSll,
    /// Linux cooked capture, version 2.
    LinuxSll2,
    /// An IP packet of either family and nothing before it: tunnels and modems.
    Raw,
    /// An IPv4 packet and nothing before it.
    Ipv4,
    /// An IPv6 packet and nothing before it.
    Ipv6,
    /// PPP, with or without address and control bytes.
    Ppp,
    /// A PPPoE session without its Ethernet header.
    PppEther,
    /// BSD loopback: the address family in the byte order of the capturing host.
    Null,
    /// OpenBSD loopback: the address family in network byte order.
    Loop,
}

impl LinkType {
    /// Every link type.
    pub const ALL: [Self; 10] = [
        Self::Ethernet,
        Self::LinuxSll,
        Self::LinuxSll2,
        Self::Raw,
        Self::Ipv4,
        Self::Ipv6,
        Self::Ppp,
        Self::PppEther,
        Self::Null,
        Self::Loop,
    ];

    /// The link type of a libpcap number, as `pcap_datalink` gives it; `None` for those that are not understood.
    #[must_use]
    pub fn from_dlt(dlt: i32) -> Option<Self> {
        Some(match dlt {
            0 => Self::Null,
            1 => Self::Ethernet,
            9 | 50 => Self::Ppp,
            12 | 101 => Self::Raw,
            51 => Self::PppEther,
            108 => Self::Loop,
            113 => Self::LinuxSll,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            276 => Self::LinuxSll2,
            _ => return None,
        })
    }

    /// The libpcap number: of several, the one that Linux uses.
    #[must_use]
    pub fn dlt(self) -> i32 {
        match self {
            Self::Null => 0,
            Self::Ethernet => 1,
            Self::Ppp => 9,
            Self::Raw => 12,
            Self::PppEther => 51,
            Self::Loop => 108,
            Self::LinuxSll => 113,
            Self::Ipv4 => 228,
            Self::Ipv6 => 229,
            Self::LinuxSll2 => 276,
        }
    }
}

/// Numbers of the `EtherType` field that lead to an IP packet.
pub(super) mod ethertype {
    pub(in crate::capture) const IPV4: u16 = 0x0800;
    pub(in crate::capture) const IPV6: u16 = 0x86dd;
    pub(in crate::capture) const PPPOE_SESSION: u16 = 0x8864;
    /// 802.1Q, 802.1ad, and what came before the latter.
    pub(in crate::capture) const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
    /// A tag: two bytes of priority and VLAN, then the next `EtherType`.
    pub(in crate::capture) const TAG: usize = 4;
    /// Where in a tag the next `EtherType` stands.
    pub(in crate::capture) const TAG_NEXT: usize = 2;
}

/// Where a link-layer header has its `EtherType`, and how long it is.
pub(super) struct Layout {
    pub(super) ethertype: usize,
    pub(super) header: usize,
}

/// Ethernet II: two addresses and the type.
pub(super) const ETHERNET: Layout = Layout { ethertype: 12, header: 14 };
/// `LINKTYPE_LINUX_SLL`.
pub(super) const SLL: Layout = Layout { ethertype: 14, header: 16 };
/// `LINKTYPE_LINUX_SLL2`.
pub(super) const SLL2: Layout = Layout { ethertype: 0, header: 20 };

/// Where cooked captures say who sent the frame to whom: two bytes, one byte, and "sent by us".
pub(super) const SLL_PACKET_TYPE: usize = 0;
pub(super) const SLL2_PACKET_TYPE: usize = 10;
pub(super) const SENT_BY_US: u8 = 4;

/// The session header of RFC 2516.
pub(super) mod pppoe {
    /// Version and type, then the code: session data has these.
    pub(in crate::capture) const VERSION_CODE: usize = 0;
    pub(in crate::capture) const SESSION_DATA: u16 = 0x1100;
    /// The length of the PPP frame, protocol field included.
    pub(super) const LENGTH: usize = 4;
    pub(in crate::capture) const HEADER: usize = 6;
}

/// PPP protocol numbers; one byte where RFC 1661's compression is in use, else two.
pub(super) mod ppp {
    pub(in crate::capture) const IPV4: u8 = 0x21;
    pub(in crate::capture) const IPV6: u8 = 0x57;
    /// RFC 1662's address and control field.
    pub(in crate::capture) const ADDRESS_CONTROL: [u8; 2] = [0xff, 0x03];
}

/// Loopback headers: four bytes of address family.
pub(super) mod family {
    pub(in crate::capture) const HEADER: usize = 4;
    pub(in crate::capture) const IPV4: u32 = 2;
    /// Linux; NetBSD and OpenBSD; FreeBSD; macOS.
    pub(in crate::capture) const IPV6: [u32; 4] = [10, 24, 28, 30];
}

/// Reads one frame: headers stripped, every length checked, nothing copied.
///
/// # Errors
///
/// One of the reasons of the stage [`Frame`](crate::reason::Stage::Frame).
pub fn decode(link: LinkType, frame: &[u8]) -> Result<Datagram<'_>, Reason> {
    match link {
        LinkType::Ethernet => typed(&ETHERNET, frame),
        LinkType::LinuxSll => {
            if be16(frame, SLL_PACKET_TYPE)? == u16::from(SENT_BY_US) {
                return Err(Reason::FrameOutgoing);
            }
            typed(&SLL, frame)
        }
        LinkType::LinuxSll2 => {
            if byte(frame, SLL2_PACKET_TYPE)? == SENT_BY_US {
                return Err(Reason::FrameOutgoing);
            }
            typed(&SLL2, frame)
        }
        LinkType::Raw => ip::either(frame),
        LinkType::Ipv4 => ip::ipv4(frame),
        LinkType::Ipv6 => ip::ipv6(frame),
        LinkType::Ppp => from_ppp(frame.strip_prefix(&ppp::ADDRESS_CONTROL).unwrap_or(frame)),
        LinkType::PppEther => from_pppoe(frame),
        LinkType::Null => {
            let field = array(frame, 0)?;
            let (big, little) = (u32::from_be_bytes(field), u32::from_le_bytes(field));
            // Every known family fits one byte, so that only one of the two orders can be meant.
            of_family(big.min(little), frame)
        }
        LinkType::Loop => of_family(u32::from_be_bytes(array(frame, 0)?), frame),
    }
}

/// A header with an `EtherType`, then tags, then IP or PPPoE.
fn typed<'a>(layout: &Layout, frame: &'a [u8]) -> Result<Datagram<'a>, Reason> {
    let mut kind = be16(frame, layout.ethertype)?;
    let mut rest = from(frame, layout.header)?;
    for _ in 0..VLAN_TAGS_MAX {
        if !ethertype::TAGS.contains(&kind) {
            break;
        }
        kind = be16(rest, ethertype::TAG_NEXT)?;
        rest = from(rest, ethertype::TAG)?;
    }
    match kind {
        ethertype::IPV4 => ip::ipv4(rest),
        ethertype::IPV6 => ip::ipv6(rest),
        ethertype::PPPOE_SESSION => from_pppoe(rest),
        _ => Err(Reason::FrameNotIp),
    }
}

fn from_pppoe(session: &[u8]) -> Result<Datagram<'_>, Reason> {
    if be16(session, pppoe::VERSION_CODE)? != pppoe::SESSION_DATA {
        return Err(Reason::FrameNotIp);
    }
    let length = usize::from(be16(session, pppoe::LENGTH)?);
    let frame = from(session, pppoe::HEADER)?.get(..length).ok_or(Reason::FrameCut)?;
    enclosed(from_ppp(frame))
}

fn from_ppp(frame: &[u8]) -> Result<Datagram<'_>, Reason> {
    let (number, packet) = match frame {
        // A compressed number is odd, and the first byte of an uncompressed one is even.
        // The last is half an address and control field.
        [] | [0] | [0xff] => return Err(Reason::FrameCut),
        [0, number, packet @ ..] | [number, packet @ ..] => (*number, packet),
    };
    match number {
        ppp::IPV4 => ip::ipv4(packet),
        ppp::IPV6 => ip::ipv6(packet),
        _ => Err(Reason::FrameNotIp),
    }
}

fn of_family(number: u32, frame: &[u8]) -> Result<Datagram<'_>, Reason> {
    let packet = from(frame, family::HEADER)?;
    match number {
        family::IPV4 => ip::ipv4(packet),
        number if family::IPV6.contains(&number) => ip::ipv6(packet),
        _ => Err(Reason::FrameNotIp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_types_and_their_numbers_agree() {
        for link in LinkType::ALL {
            assert_eq!(LinkType::from_dlt(link.dlt()), Some(link));
        }
        assert_eq!(LinkType::from_dlt(50), Some(LinkType::Ppp));
        assert_eq!(LinkType::from_dlt(101), Some(LinkType::Raw));
        for unknown in [-1, 105, 127, i32::MAX] {
            assert_eq!(LinkType::from_dlt(unknown), None);
        }
    }
}
