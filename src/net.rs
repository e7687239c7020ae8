//! Addresses, prefixes, protocols and ports, as configurations and knocks write them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

/// The transport protocols whose ports can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proto {
    /// TCP, protocol number 6.
    Tcp,
    /// UDP, protocol number 17.
    Udp,
}

impl Proto {
    /// The protocol number of IANA's registry.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// One port of one protocol, written `tcp/22`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The protocol.
    pub proto: Proto,
    /// The port number, never 0.
    pub number: NonZeroU16,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.proto, self.number)
    }
}

impl FromStr for Port {
    type Err = &'static str;

    /// Reads `tcp/PORT` or `udp/PORT` in lower case, the port in 1 to 5 digits.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (proto, number) = text.split_once('/').ok_or("write it as tcp/22 or udp/1194")?;
        let proto = match proto {
            "tcp" => Proto::Tcp,
            "udp" => Proto::Udp,
            _ => return Err("the protocol is tcp or udp, in lower case"),
        };
        let number = parse_port(number).ok_or("the port is a number from 1 to 65535")?;
        Ok(Self { proto, number })
    }
}

/// Reads a port from 1 to 5 digits; `None` for 0, signs, blanks or anything above 65535.
#[must_use]
pub fn parse_port(text: &str) -> Option<NonZeroU16> {
    if !(1..=5).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// An address range in CIDR form; host bits are cleared. A single address has the full length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// The range of `length` leading bits around `address`; `None` where the family has fewer bits.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        if length > family_bits(address) {
            return None;
        }
        Some(Self { address: mask(address, length), length })
    }

    /// The range that holds this address alone.
    #[must_use]
    pub fn single(address: IpAddr) -> Self {
        Self { address, length: family_bits(address) }
    }

    /// The first address of the range.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// The last address of the range.
    #[must_use]
    pub fn last(self) -> IpAddr {
        match self.address {
            IpAddr::V4(v4) => {
                let host = u32::MAX.checked_shr(self.length.into()).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() | host))
            }
            IpAddr::V6(v6) => {
                let host = u128::MAX.checked_shr(self.length.into()).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() | host))
            }
        }
    }

    /// How many leading bits are fixed.
    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }

    /// Whether the range holds exactly one address.
    #[must_use]
    pub fn is_single(self) -> bool {
        self.length == family_bits(self.address)
    }

    /// Whether the address lies in the range; never across families.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && mask(address, self.length) == self.address
    }

    /// Whether every address of `other` lies in this range.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.length <= other.length && self.contains(other.address)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_single() { write!(f, "{}", self.address) } else { write!(f, "{}/{}", self.address, self.length) }
    }
}

impl FromStr for Prefix {
    type Err = &'static str;

    /// Reads an address or `ADDRESS/LENGTH`; host bits are ignored, leading zeros and names refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ADDRESS: &str = "write an IPv4 or IPv6 address, with /LENGTH for a network";
        let Some((address, length)) = text.split_once('/') else {
            return text.parse().map(Self::single).map_err(|_| ADDRESS);
        };
        let address: IpAddr = address.parse().map_err(|_| ADDRESS)?;
        if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("the prefix length is a number");
        }
        length
            .parse()
            .ok()
            .and_then(|length| Self::new(address, length))
            .ok_or("the prefix length is at most 32 for IPv4 and 128 for IPv6")
    }
}

/// How many bits an address of this family has.
fn family_bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with everything behind the first `length` bits cleared.
fn mask(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let host = u32::MAX.checked_shr(length.into()).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & !host))
        }
        IpAddr::V6(v6) => {
            let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !host))
        }
    }
}

/// Whether a grant for this address can never be meant: unspecified, loopback, link-local,
/// multicast, broadcast, reserved, or IPv4 dressed up as IPv6 (RFC 6890, RFC 4291).
#[must_use]
pub fn is_forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let first = v4.octets()[0];
            first == 0 || first == 127 || first >= 224 || v4.is_link_local()
        }
        IpAddr::V6(v6) => {
            v6.is_unspecified()
                || v6.is_loopback()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
                || v6.to_ipv4().is_some()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_clear_host_bits_and_know_what_they_hold() {
        let net: Prefix = "10.1.2.3/8".parse().unwrap();
        assert_eq!(net.to_string(), "10.0.0.0/8");
        assert!(net.contains("10.255.0.1".parse().unwrap()));
        assert!(!net.contains("11.0.0.1".parse().unwrap()));
        assert!(!net.contains("::a00:1".parse().unwrap()));
        assert_eq!(net.last().to_string(), "10.255.255.255");
        let all: Prefix = "::/0".parse().unwrap();
        assert!(all.contains("2001:db8::1".parse().unwrap()));
        assert_eq!(all.last().to_string(), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        assert!(net.covers("10.3.0.0/16".parse().unwrap()));
        assert!(!net.covers("10.0.0.0/7".parse().unwrap()));
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in [
            "",
            "any",
            "10.0.0",
            "010.0.0.1",
            "10.0.0.1/33",
            "10.0.0.1/",
            "10.0.0.1/+8",
            "::1/129",
            "!10.0.0.0/8",
            "10.0.0.1/8/9",
            "localhost",
        ] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn ports_are_strict() {
        assert_eq!("tcp/22".parse::<Port>().unwrap().to_string(), "tcp/22");
        for text in ["tcp/0", "tcp/65536", "TCP/22", "tcp/", "tcp", "icmp/8", "tcp/+2", "tcp/000022", " tcp/22"] {
            assert!(text.parse::<Port>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_nobody_can_be_granted() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "169.254.1.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "ff02::1",
            "::ffff:192.0.2.1",
            "::192.0.2.1",
        ] {
            assert!(is_forbidden(text.parse().unwrap()), "{text}");
        }
        for text in ["192.0.2.1", "10.0.0.1", "2001:db8::1", "fd00::1"] {
            assert!(!is_forbidden(text.parse().unwrap()), "{text}");
        }
    }
}
