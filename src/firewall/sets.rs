//! The sets: their names, key types and declarations, the same in both modes.
//!
//! A name ends in the version of its type: the kernel refuses another type under a living name.

use std::fmt::Write;
use std::net::IpAddr;

use crate::limits;

/// One of our sets. Sets for forwards (all protocols, DNAT, SNAT) join this list when they are granted.
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
    pub const ALL: [Self; 6] = [Self::In4, Self::In6, Self::To4, Self::To6, Self::Net4, Self::Net6];

    /// The sets that are looked up for what is forwarded.
    pub const FORWARD: [Self; 2] = [Self::To4, Self::To6];

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
        matches!(self, Self::In6 | Self::To6 | Self::Net6)
    }

    /// Whether the key has a destination.
    #[must_use]
    pub fn has_destination(self) -> bool {
        matches!(self, Self::To4 | Self::To6)
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
            Self::In4 | Self::Net4 => &[4, 1, 2],
            Self::In6 | Self::Net6 => &[16, 1, 2],
            Self::To4 => &[4, 4, 1, 2],
            Self::To6 => &[16, 16, 1, 2],
        }
    }

    /// The bytes of a key: each field takes whole words of four.
    #[must_use]
    pub fn key_length(self) -> u32 {
        self.fields().iter().map(|&field| u32::from(field).next_multiple_of(4)).sum()
    }

    /// The key's type as nft numbers it, for `nft list`.
    #[must_use]
    pub fn key_type(self) -> u32 {
        let address = if self.is_v6() { datatype::IPV6 } else { datatype::IPV4 };
        let destination = self.has_destination().then_some(address);
        [Some(address), destination, Some(datatype::PROTOCOL), Some(datatype::SERVICE)]
            .into_iter()
            .flatten()
            .fold(0, |number, field| (number << datatype::BITS) | field)
    }

    /// The declaration inside a table, as nft reads it, one line.
    #[must_use]
    pub fn declaration(self) -> String {
        let address = if self.is_v6() { "ipv6_addr" } else { "ipv4_addr" };
        let mut text = format!("set {} {{ type {address}", self.name());
        if self.has_destination() {
            text = text + " . " + address;
        }
        let flags = if self.is_interval() { "interval, timeout" } else { "timeout" };
        // Writing into a String does not fail.
        let _ = write!(text, " . inet_proto . inet_service; flags {flags}; size {}; }}", self.size());
        text
    }

    /// The match of a rule that looks a packet up in the set, as nft reads it.
    #[must_use]
    pub fn lookup(self) -> String {
        let family = if self.is_v6() { "ip6" } else { "ip" };
        let destination = if self.has_destination() { format!(" . {family} daddr") } else { String::new() };
        format!("{family} saddr{destination} . meta l4proto . th dport @{}", self.name())
    }
}

/// The declarations of all sets, one a line, for the drop-in of fw4.
#[must_use]
pub fn declarations() -> String {
    Set::ALL.into_iter().map(|set| format!("\t{}\n", set.declaration())).collect()
}

/// The rules that accept what is in these sets, one a line, for the drop-ins of fw4.
#[must_use]
pub fn rules(sets: &[Set]) -> String {
    sets.iter().map(|set| format!("{} counter accept comment \"spa-knockd\"\n", set.lookup())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drop_ins_say_the_same() {
        let body =
            |text: &str| -> String { text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect() };
        let table = include_str!("../../files/usr/share/nftables.d/table-pre/10-spa-knockd.nft");
        let input = include_str!("../../files/usr/share/nftables.d/chain-pre/input_wan/10-spa-knockd.nft");
        let forward = include_str!("../../files/usr/share/nftables.d/chain-pre/forward_wan/10-spa-knockd.nft");
        assert_eq!(body(table), declarations());
        assert_eq!(body(input), rules(&Set::ALL));
        assert_eq!(body(forward), rules(&Set::FORWARD));
    }

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
        assert_eq!(Set::To4.key_type(), 0x1c_730d);
    }
}
