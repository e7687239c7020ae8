//! The sets and maps: their names, types and declarations, the same in both modes.
//!
//! A name ends in the version of its type: the kernel refuses another type under a living name.

use std::fmt::Write;
use std::net::IpAddr;

use crate::limits;

/// One of our sets; a map is a set whose elements have data beside their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Set {
    /// IPv4 source, protocol, port.
    In4,
    /// IPv6 source, protocol, port.
    In6,
    /// IPv4 source and destination, protocol, port.
    To4,
    /// IPv6 source and destination, protocol, port.
    To6,
    /// IPv4 network, protocol, port.
    Net4,
    /// IPv6 network, protocol, port.
    Net6,
    /// IPv4 source and destination: all protocols and ports.
    All4,
    /// IPv6 source and destination: all protocols and ports.
    All6,
    /// IPv4 source, protocol, port to the address and port that the destination becomes.
    Dnat4,
    /// IPv4 source and destination, protocol, port to the address that the source becomes.
    Snat4,
    /// IPv4 source and destination, protocol, port: the source becomes the device's address.
    Masq4,
    /// IPv4 source and destination, protocol, source port, port: what an ended connection's inside end sends.
    Cut4,
    /// IPv6 source and destination, protocol, source port, port: what an ended connection's inside end sends.
    Cut6,
}

/// The numbers of nft's data types, which its set declarations name.
mod datatype {
    pub(super) const IPV4: u32 = 7;
    pub(super) const IPV6: u32 = 8;
    pub(super) const PROTOCOL: u32 = 12;
    pub(super) const SERVICE: u32 = 13;
    /// Bits of one type in the number of a concatenation.
    pub(super) const BITS: u32 = 6;
}

impl Set {
    /// Every set, in the order in which they are declared and looked up.
    pub const ALL: [Self; 13] = [
        Self::In4,
        Self::In6,
        Self::To4,
        Self::To6,
        Self::Net4,
        Self::Net6,
        Self::All4,
        Self::All6,
        Self::Dnat4,
        Self::Snat4,
        Self::Masq4,
        Self::Cut4,
        Self::Cut6,
    ];

    /// The sets that are looked up for what comes to the router itself.
    pub const INPUT: [Self; 6] = [Self::In4, Self::In6, Self::To4, Self::To6, Self::Net4, Self::Net6];

    /// The sets that are looked up for what is forwarded.
    pub const FORWARD: [Self; 4] = [Self::To4, Self::To6, Self::All4, Self::All6];

    /// The maps that are looked up before routing, for the first packet of a connection.
    pub const DESTINATION_NAT: [Self; 1] = [Self::Dnat4];

    /// The sets that are looked up after routing, for the first packet of a connection; the first match decides.
    pub const SOURCE_NAT: [Self; 2] = [Self::Snat4, Self::Masq4];

    /// The sets that are looked up for what leaves the router or is forwarded, before anything is accepted: they hold
    /// no grants, but the ended connections that must not be taken up again.
    pub const CUTS: [Self; 2] = [Self::Cut4, Self::Cut6];

    /// The name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::In4 => "spa_in4_v1",
            Self::In6 => "spa_in6_v1",
            Self::To4 => "spa_to4_v1",
            Self::To6 => "spa_to6_v1",
            Self::Net4 => "spa_net4_v1",
            Self::Net6 => "spa_net6_v1",
            Self::All4 => "spa_all4_v1",
            Self::All6 => "spa_all6_v1",
            Self::Dnat4 => "spa_dnat4_v1",
            Self::Snat4 => "spa_snat4_v1",
            Self::Masq4 => "spa_masq4_v1",
            Self::Cut4 => "spa_cut4_v1",
            Self::Cut6 => "spa_cut6_v1",
        }
    }

    /// The set of this name.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name().as_bytes() == name)
    }

    /// Whether the addresses are IPv6.
    #[must_use]
    pub fn is_v6(self) -> bool {
        matches!(self, Self::In6 | Self::To6 | Self::Net6 | Self::All6 | Self::Cut6)
    }

    /// Whether the key has a destination.
    #[must_use]
    pub fn has_destination(self) -> bool {
        matches!(self, Self::To4 | Self::To6 | Self::All4 | Self::All6 | Self::Snat4 | Self::Masq4) || self.is_cut()
    }

    /// Whether its elements are ended connections rather than grants.
    #[must_use]
    pub fn is_cut(self) -> bool {
        matches!(self, Self::Cut4 | Self::Cut6)
    }

    /// Whether the key has a protocol and a port.
    #[must_use]
    pub fn has_port(self) -> bool {
        !matches!(self, Self::All4 | Self::All6)
    }

    /// Whether its elements have data: it is a map.
    #[must_use]
    pub fn is_map(self) -> bool {
        !self.data_fields().is_empty()
    }

    /// Whether an element is a range of sources.
    #[must_use]
    pub fn is_interval(self) -> bool {
        matches!(self, Self::Net4 | Self::Net6)
    }

    /// Whether an address is of the set's family.
    #[must_use]
    pub fn takes(self, address: IpAddr) -> bool {
        self.is_v6() == address.is_ipv6()
    }

    /// How many elements it holds.
    #[must_use]
    pub fn size(self) -> u32 {
        if self.is_interval() { limits::WIDENED_SET_SIZE } else { limits::SET_SIZE }
    }

    /// The bytes of each field of the key, without padding.
    #[must_use]
    pub fn fields(self) -> &'static [u8] {
        match self {
            Self::In4 | Self::Net4 | Self::Dnat4 => &[4, 1, 2],
            Self::In6 | Self::Net6 => &[16, 1, 2],
            Self::To4 | Self::Snat4 | Self::Masq4 => &[4, 4, 1, 2],
            Self::To6 => &[16, 16, 1, 2],
            Self::All4 => &[4, 4],
            Self::All6 => &[16, 16],
            Self::Cut4 => &[4, 4, 1, 2, 2],
            Self::Cut6 => &[16, 16, 1, 2, 2],
        }
    }

    /// The bytes of each field of the data, without padding; none where it is no map.
    fn data_fields(self) -> &'static [u8] {
        match self {
            Self::Dnat4 => &[4, 2],
            Self::Snat4 => &[4],
            _ => &[],
        }
    }

    /// The bytes of a key: each field takes whole words of four.
    #[must_use]
    pub fn key_length(self) -> u32 {
        padded(self.fields())
    }

    /// The bytes of an element's data, in the same way; 0 where it is no map.
    #[must_use]
    pub fn data_length(self) -> u32 {
        padded(self.data_fields())
    }

    /// The key's type as nft numbers it, for `nft list`.
    #[must_use]
    pub fn key_type(self) -> u32 {
        let address = if self.is_v6() { datatype::IPV6 } else { datatype::IPV4 };
        let mut types = vec![address];
        types.extend(self.has_destination().then_some(address));
        if self.has_port() {
            types.extend([datatype::PROTOCOL, datatype::SERVICE]);
        }
        if self.is_cut() {
            types.push(datatype::SERVICE);
        }
        concatenated(&types)
    }

    /// The data's type as nft numbers it; 0 where it is no map.
    #[must_use]
    pub fn data_type(self) -> u32 {
        match self {
            Self::Dnat4 => concatenated(&[datatype::IPV4, datatype::SERVICE]),
            Self::Snat4 => datatype::IPV4,
            _ => 0,
        }
    }

    /// The declaration inside a table, as nft reads it, one line.
    #[must_use]
    pub fn declaration(self) -> String {
        let address = if self.is_v6() { "ipv6_addr" } else { "ipv4_addr" };
        let kind = if self.is_map() { "map" } else { "set" };
        let mut text = format!("{kind} {} {{ type {address}", self.name());
        if self.has_destination() {
            text = text + " . " + address;
        }
        if self.has_port() {
            text.push_str(" . inet_proto . inet_service");
        }
        if self.is_cut() {
            text.push_str(" . inet_service");
        }
        text.push_str(match self {
            Self::Dnat4 => " : ipv4_addr . inet_service",
            Self::Snat4 => " : ipv4_addr",
            _ => "",
        });
        let flags = if self.is_interval() { "interval, timeout" } else { "timeout" };
        // Writing into a String does not fail.
        let _ = write!(text, "; flags {flags}; size {}; }}", self.size());
        text
    }

    /// The match of a rule that looks a packet up in the set, as nft reads it.
    #[must_use]
    pub fn lookup(self) -> String {
        format!("{} @{}", self.key(), self.name())
    }

    /// What of a packet is looked up, as nft reads it.
    fn key(self) -> String {
        let family = if self.is_v6() { "ip6" } else { "ip" };
        let destination = if self.has_destination() { format!(" . {family} daddr") } else { String::new() };
        let port = match (self.has_port(), self.is_cut()) {
            (_, true) => " . meta l4proto . th sport . th dport",
            (true, false) => " . meta l4proto . th dport",
            (false, false) => "",
        };
        format!("{family} saddr{destination}{port}")
    }

    /// The whole rule that does with a packet what the set is for, as nft reads it.
    #[must_use]
    pub fn rule(self) -> String {
        match self {
            // Only towards the router's own addresses: what goes elsewhere is somebody else's connection.
            Self::Dnat4 => {
                format!("fib daddr type local dnat ip addr . port to {} map @{}", self.key(), self.name())
            }
            Self::Snat4 => format!("snat ip to {} map @{}", self.key(), self.name()),
            Self::Masq4 => format!("{} masquerade", self.lookup()),
            // What belongs to a known connection was let in again, by a new grant.
            Self::Cut4 | Self::Cut6 => format!("ct state invalid,new {} drop", self.lookup()),
            _ => format!("{} accept", self.lookup()),
        }
    }
}

/// The bytes of concatenated fields: each takes whole words of four.
fn padded(fields: &[u8]) -> u32 {
    fields.iter().map(|&field| u32::from(field).next_multiple_of(4)).sum()
}

/// The number of a concatenation of types.
fn concatenated(types: &[u32]) -> u32 {
    types.iter().fold(0, |number, field| (number << datatype::BITS) | field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_sets() {
        for set in Set::ALL {
            assert_eq!(Set::from_name(set.name().as_bytes()), Some(set));
            assert!(set.name().ends_with("_v1"));
        }
        assert_eq!(Set::from_name(b"spa_in4"), None);
    }

    #[test]
    fn declarations_and_lookups_read_as_nft_writes_them() {
        assert_eq!(
            Set::To6.declaration(),
            "set spa_to6_v1 { type ipv6_addr . ipv6_addr . inet_proto . inet_service; flags timeout; size 16384; }"
        );
        assert_eq!(
            Set::Net4.declaration(),
            "set spa_net4_v1 { type ipv4_addr . inet_proto . inet_service; flags interval, timeout; size 1024; }"
        );
        assert_eq!(Set::To4.lookup(), "ip saddr . ip daddr . meta l4proto . th dport @spa_to4_v1");
        assert_eq!((Set::In4.key_length(), Set::To6.key_length()), (12, 40));
        assert_eq!(
            Set::Dnat4.declaration(),
            "map spa_dnat4_v1 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; \
             flags timeout; size 16384; }"
        );
        assert_eq!(
            Set::All6.declaration(),
            "set spa_all6_v1 { type ipv6_addr . ipv6_addr; flags timeout; size 16384; }"
        );
        assert_eq!(Set::All6.rule(), "ip6 saddr . ip6 daddr @spa_all6_v1 accept");
        // As `nft --debug=mnl` shows them.
        assert_eq!((Set::To4.key_type(), Set::All4.key_type(), Set::Dnat4.key_type()), (0x1c_730d, 0x1c7, 0x730d));
        assert_eq!((Set::Cut4.key_type(), Set::Cut4.key_length(), Set::Cut6.key_length()), (0x71c_c34d, 20, 44));
        assert_eq!(
            Set::Cut6.rule(),
            "ct state invalid,new ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport @spa_cut6_v1 drop"
        );
        assert_eq!((Set::Dnat4.data_type(), Set::Dnat4.data_length()), (0x1cd, 8));
        assert_eq!((Set::Snat4.data_type(), Set::Snat4.data_length(), Set::Masq4.data_length()), (7, 4, 0));
    }
}
