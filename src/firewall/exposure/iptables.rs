//! What the extensions of iptables-nft do to a stranger's packet, as far as their structures are understood.
//!
//! They come as the kernel has them (`linux/netfilter/xt_*.h`, `nf_nat.h`), numbers in the byte order of the CPU
//! but for addresses and the ports of translations. One that is cut, or of another revision, is not understood.

use std::net::IpAddr;
use std::num::NonZeroU16;

use super::bits::{Origin, Truth};
use super::expression::{Address, Effect, Target};
use super::numbers::verdict;
use super::packet::{CLIENT_PORT, NEW, Packet, Way};
use crate::net::Proto;

/// Flags of a translation: to an address, to a port, and what shifts them.
const TO_ADDRESS: u32 = 1;
const TO_PORT: u32 = 2;
const SHIFTS: u32 = 0x20 | 0x40;

/// `XT_CONNTRACK_STATE` and `XT_CONNTRACK_STATE_ALIAS`: nothing is asked but the state.
const ONLY_STATE: u16 = 1;
const ALIAS: u16 = 1 << 13;
/// `XT_CONNTRACK_STATE_DNAT` and `XT_CONNTRACK_STATE_UNTRACKED`.
const STATE_TRANSLATED: u16 = 1 << 7;
const STATE_UNTRACKED: u16 = 1 << 8;

/// `XT_ADDRTYPE_UNICAST` and `XT_ADDRTYPE_LOCAL`.
const UNICAST: u16 = 1 << 1;
const LOCAL: u16 = 1 << 2;
/// `XT_ADDRTYPE_INVERT_DEST`.
const INVERT: u32 = 2;

/// A ports' list with a mark for each that begins a range.
const PORTS: usize = 15;

/// An extension's name, revision and structure.
#[derive(Clone, Copy)]
pub(super) struct Extension<'a> {
    pub(super) name: &'a [u8],
    pub(super) revision: u32,
    pub(super) info: &'a [u8],
}

impl Extension<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.info.get(at).copied()
    }

    fn short(&self, at: usize) -> Option<u16> {
        Some(u16::from_ne_bytes(*self.info.get(at..)?.first_chunk()?))
    }

    fn long(&self, at: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(*self.info.get(at..)?.first_chunk()?))
    }

    /// Whether it looks at the destination port.
    pub(super) fn tests_port(&self) -> bool {
        matches!(self.name, b"tcp" | b"udp" | b"multiport")
    }

    /// Whether a match holds for the packet; `None` where it is not understood.
    pub(super) fn holds(&self, packet: &Packet<'_>) -> Option<Truth> {
        match (self.name, self.revision) {
            (b"comment", _) => Some(Truth::Yes),
            (b"tcp" | b"udp", 0) => self.ports(packet),
            (b"multiport", 1) => self.many_ports(packet),
            (b"conntrack", 2 | 3) => self.state(packet),
            (b"addrtype", 1) => self.address_type(packet),
            _ => None,
        }
    }

    /// `struct xt_tcp` and `xt_udp`: two ranges of ports, for TCP also flags.
    fn ports(&self, packet: &Packet<'_>) -> Option<Truth> {
        let is_tcp = self.name == b"tcp";
        let inverted = self.byte(if is_tcp { 11 } else { 8 })?;
        let within = |at, port: u16| Some((self.short(at)?..=self.short(at + 2)?).contains(&port));
        let client = u16::from_be_bytes(CLIENT_PORT);
        let mut holds = packet.port.proto == if is_tcp { Proto::Tcp } else { Proto::Udp }
            && within(0, client)? != (inverted & 1 != 0)
            && within(4, packet.port.number.get())? != (inverted & 2 != 0);
        if is_tcp {
            const SYN: u8 = 2;
            holds &= (SYN & self.byte(9)? == self.byte(10)?) != (inverted & 4 != 0);
            if holds && self.byte(8)? != 0 {
                return Some(Truth::Unknown(Origin::Differs));
            }
        }
        Some(Truth::of(holds))
    }

    /// The only port that it names, of `xt_tcp` and `xt_udp`.
    pub(super) fn only_port(&self) -> Option<NonZeroU16> {
        let inverted = self.byte(match self.name {
            b"tcp" => 11,
            b"udp" => 8,
            _ => return None,
        })?;
        let port = self.short(4)?;
        if inverted & 2 == 0 && port == self.short(6)? { NonZeroU16::new(port) } else { None }
    }

    /// `struct xt_multiport_v1`.
    fn many_ports(&self, packet: &Packet<'_>) -> Option<Truth> {
        const MARKS: usize = 2 + 2 * PORTS;
        let count = usize::from(self.byte(1)?).min(PORTS);
        let inverted = self.byte(MARKS + PORTS)? != 0;
        let (client, port) = (u16::from_be_bytes(CLIENT_PORT), packet.port.number.get());
        let of_source = |range: &std::ops::RangeInclusive<u16>| range.contains(&client);
        let of_destination = |range: &std::ops::RangeInclusive<u16>| range.contains(&port);
        let mut found = false;
        let mut at = 0;
        while at < count {
            let first = self.short(2 + 2 * at)?;
            let is_range = self.byte(MARKS + at)? != 0;
            at += usize::from(is_range);
            let last = if is_range && at < PORTS { self.short(2 + 2 * at)? } else { first };
            at += 1;
            let range = first..=last;
            found |= match self.byte(0)? {
                0 => of_source(&range),
                1 => of_destination(&range),
                2 => of_source(&range) || of_destination(&range),
                _ => return None,
            };
        }
        Some(Truth::of(found != inverted))
    }

    /// `struct xt_conntrack_mtinfo2` and 3, where nothing but the state is asked for.
    fn state(&self, packet: &Packet<'_>) -> Option<Truth> {
        let (asked, inverted, states) = (self.short(146)?, self.short(148)?, self.short(150)?);
        if asked & !ALIAS != ONLY_STATE {
            return None;
        }
        let is = if packet.tracked { NEW } else { u32::from(STATE_UNTRACKED) };
        let is = u16::try_from(is).ok()? | if packet.translated { STATE_TRANSLATED } else { 0 };
        Some(Truth::of((states & is != 0) != (inverted & ONLY_STATE != 0)))
    }

    /// `struct xt_addrtype_info_v1`, where nothing but the destination is asked for.
    fn address_type(&self, packet: &Packet<'_>) -> Option<Truth> {
        let (source, destination, flags) = (self.short(0)?, self.short(2)?, self.long(4)?);
        if source != 0 || flags & !INVERT != 0 {
            return None;
        }
        let is = if packet.way == Way::Own { LOCAL } else { UNICAST };
        Some(Truth::of((destination & is != 0) != (flags & INVERT != 0)))
    }

    /// What a target does to the packet; `None` where it is not understood.
    pub(super) fn acts(&self, packet: &Packet<'_>) -> Option<Effect> {
        Some(match self.name {
            b"REJECT" => Effect::Verdict(verdict::DROP, None),
            b"LOG" | b"NFLOG" | b"MARK" | b"CONNMARK" | b"TCPMSS" | b"CLASSIFY" | b"DSCP" | b"TRACE" => {
                Effect::Test(Truth::Yes)
            }
            b"SNAT" | b"MASQUERADE" => Effect::Verdict(verdict::ACCEPT, None),
            b"DNAT" | b"REDIRECT" => self.target(packet.v6).map_or(Effect::Led, Effect::Translate),
            b"NETMAP" => Effect::Led,
            _ => return None,
        })
    }

    /// Where `DNAT` or `REDIRECT` leads.
    fn target(&self, v6: bool) -> Option<Target> {
        let is_redirect = self.name == b"REDIRECT";
        // The old structure of IPv4 (`nf_nat_ipv4_multi_range_compat`), or the one of both (`nf_nat_range`, `_range2`).
        let (flags_at, address_at, port_at) = match (self.revision, v6) {
            (0, false) => (4, 8, 16),
            (0, true) if is_redirect => (0, 4, 36),
            (1 | 2, _) if !is_redirect => (0, 4, 36),
            _ => return None,
        };
        let flags = self.long(flags_at)?;
        if flags & SHIFTS != 0 {
            return None;
        }
        let octets = self.info.get(address_at..)?;
        let address = match (is_redirect, flags & TO_ADDRESS != 0, v6) {
            (true, ..) => Address::Own,
            (_, false, _) => Address::Same,
            (_, true, false) => Address::To(IpAddr::from(*octets.first_chunk::<4>()?)),
            (_, true, true) => Address::To(IpAddr::from(*octets.first_chunk::<16>()?)),
        };
        let port = u16::from_be_bytes(*self.info.get(port_at..)?.first_chunk()?);
        let port = if flags & TO_PORT != 0 { Some(NonZeroU16::new(port)?) } else { None };
        Some(Target { address, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(port: &str, v6: bool) -> Packet<'static> {
        Packet::new(None, port.parse().unwrap(), v6, None, Way::Own)
    }

    fn shorts(values: &[u16]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_ne_bytes()).collect()
    }

    fn holds(name: &str, revision: u32, info: &[u8], port: &str) -> Option<Truth> {
        Extension { name: name.as_bytes(), revision, info }.holds(&packet(port, false))
    }

    #[test]
    fn ports_are_compared_one_by_one_and_as_ranges() {
        let mut many = vec![1, 3];
        many.extend(shorts(&[22, 80, 90]));
        many.resize(32, 0);
        many.extend([0, 1, 0]);
        many.resize(48, 0);
        for (port, found) in [("tcp/22", true), ("udp/85", true), ("tcp/91", false), ("tcp/23", false)] {
            assert_eq!(holds("multiport", 1, &many, port), Some(Truth::of(found)), "{port}");
        }
        many[47] = 1;
        assert_eq!(holds("multiport", 1, &many, "tcp/22"), Some(Truth::No));
        assert_eq!(holds("multiport", 0, &many, "tcp/22"), None);
        let mut tcp = shorts(&[0, u16::MAX, 22, 25]);
        tcp.extend([0, 0x17, 2, 0]);
        assert_eq!(holds("tcp", 0, &tcp, "tcp/22"), Some(Truth::Yes));
        assert_eq!(holds("tcp", 0, &tcp, "tcp/26"), Some(Truth::No));
        assert_eq!(holds("tcp", 0, &tcp, "udp/22"), Some(Truth::No));
        assert_eq!(holds("udp", 0, &tcp, "udp/22"), Some(Truth::Yes));
        for (name, revision, whole, needed) in [("multiport", 1, &many, 48), ("tcp", 0, &tcp, 12)] {
            for cut in 0..needed {
                assert_eq!(holds(name, revision, &whole[..cut], "tcp/22"), None, "{name} {cut}");
            }
        }
    }

    #[test]
    fn only_a_state_that_is_all_that_is_asked_for_is_understood() {
        let info = |asked: u16, inverted: u16, states: u16| {
            let mut info = vec![0; 146];
            info.extend(shorts(&[asked, inverted, states, 0]));
            info
        };
        let new = u16::try_from(NEW).unwrap();
        assert_eq!(holds("conntrack", 3, &info(1, 0, new), "tcp/22"), Some(Truth::Yes));
        assert_eq!(holds("conntrack", 3, &info(ALIAS | 1, 0, 6), "tcp/22"), Some(Truth::No));
        assert_eq!(holds("conntrack", 2, &info(1, 1, 6), "tcp/22"), Some(Truth::Yes));
        assert_eq!(holds("conntrack", 3, &info(1 | 2, 0, new), "tcp/22"), None);
        assert_eq!(holds("conntrack", 1, &info(1, 0, new), "tcp/22"), None);
    }

    #[test]
    fn a_translation_is_read_in_each_of_its_structures_and_at_no_cut() {
        let mut old = 1_u32.to_ne_bytes().to_vec();
        old.extend(3_u32.to_ne_bytes());
        old.extend([192, 0, 2, 1, 192, 0, 2, 1, 0, 22, 0, 22]);
        let mut new = 3_u32.to_ne_bytes().to_vec();
        new.extend([[192, 0, 2, 1], [0; 4], [0; 4], [0; 4]].concat().repeat(2));
        new.extend([0, 22, 0, 22, 0, 0]);
        let target =
            |name: &str, revision, info: &[u8], v6| Extension { name: name.as_bytes(), revision, info }.target(v6);
        let port = NonZeroU16::new(22);
        let to = Some(Target { address: Address::To("192.0.2.1".parse().unwrap()), port });
        assert_eq!(target("DNAT", 0, &old, false), to);
        assert_eq!(target("DNAT", 2, &new, false), to);
        let v6 = Address::To("c000:201::".parse().unwrap());
        assert_eq!(target("DNAT", 1, &new, true), Some(Target { address: v6, port }));
        let own = Some(Target { address: Address::Own, port });
        assert_eq!(target("REDIRECT", 0, &old, false), own);
        assert_eq!(target("REDIRECT", 0, &new, true), own);
        for (revision, whole, needed) in [(0, &old, 18), (2, &new, 38)] {
            for cut in 0..needed {
                assert_eq!(target("DNAT", revision, &whole[..cut], false), None, "{cut}");
            }
        }
        let mut shifted = new.clone();
        shifted[..4].copy_from_slice(&0x23_u32.to_ne_bytes());
        assert_eq!(target("DNAT", 2, &shifted, false), None);
        assert_eq!(target("DNAT", 3, &new, false), None);
    }
}
