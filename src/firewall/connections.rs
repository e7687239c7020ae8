//! The kernel's tracked connections: which of them came in by an element, and their end.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::io::Errno;

use super::element::{Element, Translation};
use super::error::FirewallError;
use super::numbers::{DUMP, V4, V6, conntrack};
use super::sets::Set;
use super::socket::{Requests, failed};
use super::wire::Attributes;
use crate::net::Proto;

/// Connections that are remembered while the table is read, to be ended then.
const PASS: usize = 4_096;
/// How often the table is read: far more connections than it usually holds.
const PASSES_MAX: usize = 64;

/// Asks whether connections can be ended at all.
pub(super) fn probe(requests: &mut Requests) -> Result<(), FirewallError> {
    match requests.exchange(conntrack::GET_STATISTICS, 0, 0, |_| (), |_, _| ()) {
        Ok(_) => Ok(()),
        Err(errno @ (Errno::INVAL | Errno::OPNOTSUPP | Errno::NOENT | Errno::PROTONOSUPPORT)) => {
            Err(FirewallError::Connections(errno))
        }
        Err(errno) => Err(FirewallError::kernel("ask for the connections", errno)),
    }
}

/// Ends the connections that these elements let in, and says how many.
pub(super) fn kill(requests: &mut Requests, elements: &[Element]) -> Result<usize, FirewallError> {
    let failed = failed("end the connections of what was revoked");
    let doors = Doors::new(elements);
    let mut killed = 0;
    for (family, v6) in [(V4, false), (V6, true)] {
        if !elements.iter().any(|element| element.set.is_v6() == v6) {
            continue;
        }
        for _ in 0..PASSES_MAX {
            let mut doomed = Vec::new();
            let pick = |_, attributes: Attributes<'_>| {
                if doomed.len() < PASS && Connection::read(attributes).is_some_and(|found| doors.let_in(&found)) {
                    doomed.extend(Name::read(attributes));
                }
            };
            requests.exchange(conntrack::GET, DUMP, family, |_| (), pick).map_err(&failed)?;
            for name in &doomed {
                match name.delete(requests, family) {
                    Ok(()) => killed += 1,
                    // It has ended by itself, or another one took its place.
                    Err(Errno::NOENT) => {}
                    Err(errno) => return Err(failed(errno)),
                }
            }
            if doomed.len() < PASS {
                break;
            }
        }
    }
    Ok(killed)
}

/// By what the kernel finds a connection again, as it wrote that itself.
struct Name {
    original: Vec<u8>,
    id: Option<Vec<u8>>,
    zone: Option<Vec<u8>>,
}

impl Name {
    fn read(attributes: Attributes<'_>) -> Option<Self> {
        let copy = |kind| attributes.get(kind).map(<[u8]>::to_vec);
        Some(Self { original: copy(conntrack::ORIGINAL)?, id: copy(conntrack::ID), zone: copy(conntrack::ZONE) })
    }

    /// The tuple is always in the message: without one, the kernel would end every connection.
    fn delete(&self, requests: &mut Requests, family: u8) -> Result<(), Errno> {
        let body = |writer: &mut super::wire::Writer| {
            writer.nested(conntrack::ORIGINAL, &self.original);
            for (kind, value) in [(conntrack::ID, &self.id), (conntrack::ZONE, &self.zone)] {
                if let Some(value) = value {
                    writer.attribute(kind, value);
                }
            }
        };
        requests.exchange(conntrack::DELETE, 0, family, body, |_, _| ()).map(|_| ())
    }
}

/// What of a connection elements speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Connection {
    /// Who began it.
    source: IpAddr,
    protocol: u8,
    /// The port that was connected to; 0 in protocols without ports.
    outside: u16,
    /// Who answers, after destination NAT.
    target: IpAddr,
    /// From which port.
    port: u16,
}

impl Connection {
    fn read(attributes: Attributes<'_>) -> Option<Self> {
        let original = attributes.nest(conntrack::ORIGINAL)?;
        let reply = attributes.nest(conntrack::REPLY)?;
        let number = |tuple: Attributes<'_>, kind| {
            let value = tuple.nest(conntrack::PROTOCOL)?.get(kind)?;
            value.first_chunk().copied().map(u16::from_be_bytes)
        };
        Some(Self {
            source: source(original)?,
            protocol: *original.nest(conntrack::PROTOCOL)?.get(conntrack::PROTOCOL_NUMBER)?.first()?,
            outside: number(original, conntrack::DESTINATION_PORT).unwrap_or(0),
            target: source(reply)?,
            port: number(reply, conntrack::SOURCE_PORT).unwrap_or(0),
        })
    }

    /// Whether the element let it in. It is the translated connection that the filters see.
    fn came_by(&self, element: &Element) -> bool {
        let protocol = |proto| match proto {
            Proto::Tcp => 6,
            Proto::Udp => 17,
        };
        let seen = if element.set == Set::Dnat4 { self.outside } else { self.port };
        let leads = match element.translation {
            Some(Translation::Destination(to)) => self.target == *to.ip() && self.port == to.port(),
            Some(Translation::Source(_)) | None => true,
        };
        leads
            && (element.first..=element.last).contains(&self.source)
            && element.destination.is_none_or(|destination| destination == self.target)
            && element.port.is_none_or(|port| protocol(port.proto) == self.protocol && port.number.get() == seen)
    }
}

/// The source address of a tuple.
fn source(tuple: Attributes<'_>) -> Option<IpAddr> {
    let addresses = tuple.nest(conntrack::ADDRESSES)?;
    if let Some(v4) = addresses.get(conntrack::V4_SOURCE) {
        return Some(Ipv4Addr::from(<[u8; 4]>::try_from(v4).ok()?).into());
    }
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(addresses.get(conntrack::V6_SOURCE)?).ok()?).into())
}

/// Elements by their source, because there may be as many of them as connections.
struct Doors<'a> {
    single: BTreeMap<IpAddr, Vec<&'a Element>>,
    ranges: Vec<&'a Element>,
}

impl<'a> Doors<'a> {
    fn new(elements: &'a [Element]) -> Self {
        let mut doors = Self { single: BTreeMap::new(), ranges: Vec::new() };
        for element in elements {
            if element.first == element.last {
                doors.single.entry(element.first).or_default().push(element);
            } else {
                doors.ranges.push(element);
            }
        }
        doors
    }

    fn let_in(&self, connection: &Connection) -> bool {
        let mut single = self.single.get(&connection.source).into_iter().flatten();
        single.any(|element| connection.came_by(element))
            || self.ranges.iter().any(|element| connection.came_by(element))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::wire::Writer;

    fn element(set: Set, source: &str, destination: Option<&str>, port: Option<&str>) -> Element {
        let (first, last) = source.split_once('-').unwrap_or((source, source));
        Element {
            set,
            port: port.map(|port| port.parse().unwrap()),
            destination: destination.map(|to| to.parse().unwrap()),
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
            translation: None,
        }
    }

    fn connection(source: &str, protocol: u8, outside: u16, target: &str, port: u16) -> Connection {
        Connection { source: source.parse().unwrap(), protocol, outside, target: target.parse().unwrap(), port }
    }

    fn tuple(writer: &mut Writer, kind: u16, source: &[u8], ports: [u16; 2]) {
        writer.nest(kind, |writer| {
            let address = if source.len() == 4 { conntrack::V4_SOURCE } else { conntrack::V6_SOURCE };
            writer.nest(conntrack::ADDRESSES, |writer| writer.attribute(address, source));
            writer.nest(conntrack::PROTOCOL, |writer| {
                writer.attribute(conntrack::PROTOCOL_NUMBER, &[6]);
                writer.attribute(conntrack::SOURCE_PORT, &ports[0].to_be_bytes());
                writer.attribute(conntrack::DESTINATION_PORT, &ports[1].to_be_bytes());
            });
        });
    }

    #[test]
    fn a_connection_is_read_and_every_cut_is_none() {
        let mut writer = Writer::default();
        tuple(&mut writer, conntrack::ORIGINAL, &[192, 0, 2, 1], [40_000, 2222]);
        let half = writer.bytes().len();
        tuple(&mut writer, conntrack::REPLY, &[10, 0, 0, 2], [22, 40_000]);
        let read = |bytes| Connection::read(Attributes(bytes));
        assert_eq!(read(writer.bytes()), Some(connection("192.0.2.1", 6, 2222, "10.0.0.2", 22)));
        for cut in 0..writer.bytes().len() {
            assert_eq!(read(&writer.bytes()[..cut]), None, "{cut}");
        }
        assert!(Name::read(Attributes(&writer.bytes()[half..])).is_none());
    }

    #[test]
    fn each_set_names_its_connections_and_no_others() {
        let own = connection("192.0.2.1", 6, 22, "198.51.100.1", 22);
        let inside = connection("192.0.2.1", 6, 2222, "10.0.0.2", 22);
        let other = connection("192.0.2.1", 17, 53, "10.0.0.2", 53);
        let ping = connection("192.0.2.1", 1, 0, "10.0.0.2", 0);
        let udp6 = connection("2001:db8::1", 17, 53, "2001:db8::2", 53);
        let all = [own, inside, other, ping, udp6];
        let to = |text: &str| Some(Translation::Destination(text.parse().unwrap()));
        let dnat = element(Set::Dnat4, "192.0.2.1", None, Some("tcp/2222"));
        for (element, expected) in [
            (element(Set::In4, "192.0.2.1", None, Some("tcp/22")), &[own, inside][..]),
            (element(Set::In4, "192.0.2.2", None, Some("tcp/22")), &[]),
            (element(Set::In4, "192.0.2.1", None, Some("udp/22")), &[]),
            (element(Set::In6, "2001:db8::1", None, Some("udp/53")), &[udp6]),
            (element(Set::Net4, "192.0.2.0-192.0.2.255", None, Some("udp/53")), &[other]),
            (element(Set::Net4, "192.0.2.2-192.0.2.255", None, Some("udp/53")), &[]),
            (element(Set::To4, "192.0.2.1", Some("10.0.0.2"), Some("tcp/22")), &[inside]),
            (element(Set::All4, "192.0.2.1", Some("10.0.0.2"), None), &[inside, other, ping]),
            (Element { translation: to("10.0.0.2:22"), ..dnat }, &[inside]),
            (Element { translation: to("10.0.0.3:22"), ..dnat }, &[]),
        ] {
            let elements = [element];
            let doors = Doors::new(&elements);
            let found: Vec<_> = all.into_iter().filter(|connection| doors.let_in(connection)).collect();
            assert_eq!(found, expected, "{element}");
        }
    }
}
