//! What one set element stands for, and its key and data as the kernel holds them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU16;

use super::error::FirewallError;
use super::key::{Fields, Key};
use super::sets::Set;
use crate::access::Opening;
use crate::net::Port;

/// One element of one set or map: who may reach what, and how it is translated; or which ended connection stays ended.
///
/// The order of the fields matters: elements of one key are neighbours, and the one without data comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Element {
    /// The set that holds it.
    pub set: Set,
    /// The port that it opens or translates; `None` in the sets of all protocols and ports. In the sets of ended
    /// connections, the client's port.
    pub port: Option<Port>,
    /// The only destination, in the sets that have one.
    pub destination: Option<IpAddr>,
    /// The first source that may come in.
    pub first: IpAddr,
    /// The last source that may come in; the first one again outside the sets of ranges.
    pub last: IpAddr,
    /// The inside end's port, in the sets of ended connections.
    pub source_port: Option<NonZeroU16>,
    /// The data, in the maps.
    pub translation: Option<Translation>,
}

/// What a map makes of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Translation {
    /// The connection goes to this address and port.
    Destination(SocketAddrV4),
    /// The connection comes from this address.
    Source(Ipv4Addr),
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
            port: Some(opening.port),
            destination: opening.destination,
            first: source.address(),
            last: source.last(),
            source_port: None,
            translation: None,
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
        if let Some(port) = self.port {
            key.push_proto(port.proto);
            if let Some(number) = self.source_port {
                key.push_port(number.get());
            }
            key.push_port(port.number.get());
        }
        key
    }

    /// The data, in the maps.
    #[must_use]
    pub fn data(&self) -> Option<Key> {
        let mut data = Key::default();
        match self.translation? {
            Translation::Destination(to) => {
                data.push_address((*to.ip()).into());
                data.push_port(to.port());
            }
            Translation::Source(address) => data.push_address(address.into()),
        }
        Some(data)
    }

    /// The same key, without data.
    #[must_use]
    pub fn bare(self) -> Self {
        Self { translation: None, ..self }
    }

    /// Reads an element of `set` from its key, in the sets of ranges the key of its end, and in the maps its data.
    ///
    /// `None` for what we never write: other lengths, protocols, ports or ranges.
    #[must_use]
    pub fn from_kernel(set: Set, key: &[u8], end: Option<&[u8]>, data: Option<&[u8]>) -> Option<Self> {
        let said = Said::read(set, key)?;
        let last = match end.filter(|_| set.is_interval()) {
            Some(end) => {
                let end = Said::read(set, end)?;
                (end.port == said.port && end.source >= said.source).then_some(end.source)?
            }
            None => said.source,
        };
        let translation = if set.is_map() { Some(Translation::read(set, data?)?) } else { None };
        let Said { source: first, destination, source_port, port } = said;
        Some(Self { set, port, destination, first, last, source_port, translation })
    }
}

impl Translation {
    fn read(set: Set, data: &[u8]) -> Option<Self> {
        let mut fields = Fields(data);
        let address = fields.v4()?;
        let read = if set == Set::Snat4 {
            Self::Source(address)
        } else {
            Self::Destination(SocketAddrV4::new(address, fields.port()?))
        };
        fields.end()?;
        Some(read)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.source_port {
            write!(f, "the cut from port {number} of ")?;
        }
        write!(f, "{}", self.first)?;
        if self.last != self.first {
            write!(f, "-{}", self.last)?;
        }
        f.write_str(" to")?;
        if let Some(destination) = self.destination {
            write!(f, " {destination}")?;
        }
        match self.port {
            Some(port) => write!(f, " {port}")?,
            None => f.write_str(" all ports")?,
        }
        match self.translation {
            Some(Translation::Destination(to)) => write!(f, " forwarded to {to}"),
            Some(Translation::Source(address)) => write!(f, " from {address}"),
            None if self.set == Set::Masq4 => f.write_str(" masqueraded"),
            None => Ok(()),
        }
    }
}

/// What one key says.
struct Said {
    source: IpAddr,
    destination: Option<IpAddr>,
    source_port: Option<NonZeroU16>,
    port: Option<Port>,
}

impl Said {
    fn read(set: Set, key: &[u8]) -> Option<Self> {
        let mut fields = Fields(key);
        let source = fields.address(set.is_v6())?;
        let destination = if set.has_destination() { Some(fields.address(set.is_v6())?) } else { None };
        let proto = if set.has_port() { Some(fields.proto()?) } else { None };
        let source_port = if set.is_cut() { Some(NonZeroU16::new(fields.port()?)?) } else { None };
        let port = match proto {
            Some(proto) => Some(Port { proto, number: NonZeroU16::new(fields.port()?)? }),
            None => None,
        };
        fields.end()?;
        Some(Self { source, destination, source_port, port })
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
            let read = Element::from_kernel(set, key.bytes(), end.as_ref().map(Key::bytes), None);
            assert_eq!(read, Some(element));
            for cut in 0..key.bytes().len() {
                assert_eq!(Element::from_kernel(set, &key.bytes()[..cut], None, None), None);
            }
        }
    }

    #[test]
    fn an_ended_connection_comes_back_from_its_key_and_from_no_part_of_it() {
        for (set, inside, client) in [(Set::Cut4, "10.0.0.2", "192.0.2.1"), (Set::Cut6, "2001:db8::2", "2001:db8::1")] {
            let first = inside.parse().unwrap();
            let element = Element {
                set,
                port: Some("tcp/40000".parse().unwrap()),
                destination: Some(client.parse().unwrap()),
                first,
                last: first,
                source_port: NonZeroU16::new(22),
                translation: None,
            };
            assert_eq!(element.to_string(), format!("the cut from port 22 of {inside} to {client} tcp/40000"));
            let key = element.key();
            assert_eq!(key.bytes()[key.bytes().len() - 12..], [6, 0, 0, 0, 0, 22, 0, 0, 0x9c, 0x40, 0, 0]);
            assert_eq!(Element::from_kernel(set, key.bytes(), None, None), Some(element));
            for cut in 0..key.bytes().len() {
                assert_eq!(Element::from_kernel(set, &key.bytes()[..cut], None, None), None);
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
        assert!(Element::from_kernel(Set::In4, &key(6, 22), None, None).is_some());
        assert!(Element::from_kernel(Set::In4, &key(132, 22), None, None).is_none());
        assert!(Element::from_kernel(Set::In4, &key(6, 0), None, None).is_none());
        assert!(Element::from_kernel(Set::Net4, &key(6, 22), Some(&key(17, 22)), None).is_none());
    }
}
