//! What one set element stands for, and its keys as the kernel holds them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use super::error::FirewallError;
use super::sets::Set;
use crate::access::Opening;
use crate::net::{Port, Proto};

/// The longest key: two IPv6 addresses, a protocol and a port, each in whole words.
const KEY_MAX: usize = 40;

/// One element of one set: who may reach which port, and at which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Element {
    /// The set that holds it.
    pub set: Set,
    /// The port that it opens.
    pub port: Port,
    /// The only destination, in the sets that have one.
    pub destination: Option<IpAddr>,
    /// The first source that may come in.
    pub first: IpAddr,
    /// The last source that may come in; the first one again outside the sets of ranges.
    pub last: IpAddr,
}

impl Element {
    /// The element that makes an opening true.
    ///
    /// # Errors
    /// Where no set can say it: the families differ, or a widened source has a destination.
    pub fn of(opening: &Opening) -> Result<Self, FirewallError> {
        let source = opening.source;
        let v6 = source.address().is_ipv6();
        let set = match (opening.destination, source.is_single()) {
            (Some(_), false) => {
                return Err(FirewallError::Opening("a widened source has no set with a destination"));
            }
            (Some(to), true) if to.is_ipv6() != v6 => {
                return Err(FirewallError::Opening("source and destination are of two families"));
            }
            (Some(_), true) if v6 => Set::To6,
            (Some(_), true) => Set::To4,
            (None, true) if v6 => Set::In6,
            (None, true) => Set::In4,
            (None, false) if v6 => Set::Net6,
            (None, false) => Set::Net4,
        };
        Ok(Self {
            set,
            port: opening.port,
            destination: opening.destination,
            first: source.address(),
            last: source.last(),
        })
    }

    /// The key: each field in network order, padded to whole words of four bytes.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key_from(self.first)
    }

    /// The key of the range's end, in the sets of ranges.
    #[must_use]
    pub fn key_end(&self) -> Option<Key> {
        self.set.is_interval().then(|| self.key_from(self.last))
    }

    fn key_from(&self, source: IpAddr) -> Key {
        let mut key = Key::default();
        key.push_address(source);
        if let Some(destination) = self.destination {
            key.push_address(destination);
        }
        key.push(&[self.port.proto.number(), 0, 0, 0]);
        let [high, low] = self.port.number.get().to_be_bytes();
        key.push(&[high, low, 0, 0]);
        key
    }

    /// Reads an element of `set` from its key and, in the sets of ranges, the key of its end.
    ///
    /// `None` for what we never write: other lengths, protocols, ports or ranges.
    #[must_use]
    pub fn from_keys(set: Set, key: &[u8], end: Option<&[u8]>) -> Option<Self> {
        let (first, destination, port) = split(set, key)?;
        let last = match end.filter(|_| set.is_interval()) {
            Some(end) => {
                let (last, _, end_port) = split(set, end)?;
                (end_port == port && last >= first).then_some(last)?
            }
            None => first,
        };
        Some(Self { set, port, destination, first, last })
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.last != self.first {
            write!(f, "-{}", self.last)?;
        }
        write!(f, " to ")?;
        if let Some(destination) = self.destination {
            write!(f, "{destination} ")?;
        }
        write!(f, "{}", self.port)
    }
}

/// The fields of a key.
fn split(set: Set, key: &[u8]) -> Option<(IpAddr, Option<IpAddr>, Port)> {
    let (first, rest) = take_address(set, key)?;
    let (destination, rest) = if set.has_destination() {
        let (destination, rest) = take_address(set, rest)?;
        (Some(destination), rest)
    } else {
        (None, rest)
    };
    let &[protocol, 0, 0, 0, high, low, 0, 0] = rest else {
        return None;
    };
    let proto = [Proto::Tcp, Proto::Udp].into_iter().find(|proto| proto.number() == protocol)?;
    let number = NonZeroU16::new(u16::from_be_bytes([high, low]))?;
    Some((first, destination, Port { proto, number }))
}

fn take_address(set: Set, key: &[u8]) -> Option<(IpAddr, &[u8])> {
    if set.is_v6() {
        let (octets, rest) = key.split_first_chunk::<16>()?;
        Some((IpAddr::V6(Ipv6Addr::from(*octets)), rest))
    } else {
        let (octets, rest) = key.split_first_chunk::<4>()?;
        Some((IpAddr::V4(Ipv4Addr::from(*octets)), rest))
    }
}

/// The bytes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    bytes: [u8; KEY_MAX],
    length: usize,
}

impl Default for Key {
    fn default() -> Self {
        Self { bytes: [0; KEY_MAX], length: 0 }
    }
}

impl Key {
    fn push_address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => self.push(&v4.octets()),
            IpAddr::V6(v6) => self.push(&v6.octets()),
        }
    }

    fn push(&mut self, field: &[u8]) {
        let end = self.length + field.len();
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(field);
            self.length = end;
        }
    }

    /// The bytes, without what is unused.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(source: &str, destination: Option<&str>) -> Opening {
        Opening {
            source: source.parse().unwrap(),
            destination: destination.map(|text| text.parse().unwrap()),
            port: "udp/1194".parse().unwrap(),
        }
    }

    #[test]
    fn every_opening_finds_its_set_and_comes_back_from_its_keys() {
        for (source, destination, set) in [
            ("192.0.2.1", None, Set::In4),
            ("2001:db8::1", None, Set::In6),
            ("192.0.2.1", Some("198.51.100.1"), Set::To4),
            ("2001:db8::1", Some("2001:db8::2"), Set::To6),
            ("192.0.2.0/24", None, Set::Net4),
            ("2001:db8::/64", None, Set::Net6),
        ] {
            let element = Element::of(&opening(source, destination)).unwrap();
            assert_eq!(element.set, set);
            let (key, end) = (element.key(), element.key_end());
            assert_eq!(u32::try_from(key.bytes().len()), Ok(set.key_length()));
            let read = Element::from_keys(set, key.bytes(), end.as_ref().map(Key::bytes));
            assert_eq!(read, Some(element));
            for cut in 0..key.bytes().len() {
                assert_eq!(Element::from_keys(set, &key.bytes()[..cut], None), None);
            }
        }
    }

    #[test]
    fn a_key_is_network_order_in_padded_words() {
        let element = Element::of(&opening("192.0.2.1", None)).unwrap();
        assert_eq!(element.key().bytes(), [192, 0, 2, 1, 17, 0, 0, 0, 4, 170, 0, 0]);
    }

    #[test]
    fn what_no_set_can_say_is_refused() {
        assert!(Element::of(&opening("192.0.2.0/24", Some("198.51.100.1"))).is_err());
        assert!(Element::of(&opening("192.0.2.1", Some("2001:db8::2"))).is_err());
    }

    #[test]
    fn keys_that_we_never_write_are_not_ours() {
        let key = |proto, port| [192, 0, 2, 1, proto, 0, 0, 0, 0, port, 0, 0];
        assert!(Element::from_keys(Set::In4, &key(6, 22), None).is_some());
        assert!(Element::from_keys(Set::In4, &key(132, 22), None).is_none());
        assert!(Element::from_keys(Set::In4, &key(6, 0), None).is_none());
        assert!(Element::from_keys(Set::Net4, &key(6, 22), Some(&key(17, 22))).is_none());
    }
}
