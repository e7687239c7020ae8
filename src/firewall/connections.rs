//! The kernel's tracked connections: which of them came in by an element, and their end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;

use super::doors::Doors;
use super::element::{Element, Translation};
use super::error::FirewallError;
use super::numbers::{DUMP, V4, V6, conntrack};
use super::sets::Set;
use super::socket::{Requests, failed};
use super::wire::{Attributes, Writer};
use crate::net::{Port, Proto};

/// Connections that are remembered while the table is read, to be ended then.
const PASS: usize = 4_096;
/// How often a connection is told that its time is up before it counts as one that cannot be ended.
const EXPIRE_TRIES: usize = 3;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const ICMP6: u8 = 58;

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

/// Reads the connections of a family that these doors let in, up to some number of them, no longer than `until`.
pub(super) fn find(doors: &mut Doors<'_>, v6: bool, until: Instant) -> Result<Found, FirewallError> {
    let mut found = Found { doomed: Vec::new(), late: false };
    let family = if v6 { V6 } else { V4 };
    // Its choice by IPv6 addresses leaves out just those that were asked for: seen with Linux 6.18.
    let sources = if v6 { Vec::new() } else { doors.sources() };
    let whole = sources.is_empty();
    for source in sources {
        if read(doors, family, Some(source), until, &mut found).is_err() {
            // Whoever filters in another way gives all of them.
            return read(doors, family, None, until, &mut found).map(|()| found);
        }
    }
    if whole {
        read(doors, family, None, until, &mut found)?;
    }
    Ok(found)
}

/// What was found of the connections that are to be ended.
pub(super) struct Found {
    pub(super) doomed: Vec<Doomed>,
    /// Whether there was no time to read them all.
    pub(super) late: bool,
}

/// Reads those that `source` began, where the kernel can choose (Linux 5.8), or else all.
fn read(
    doors: &mut Doors<'_>,
    family: u8,
    source: Option<Ipv4Addr>,
    until: Instant,
    found: &mut Found,
) -> Result<(), FirewallError> {
    let pick = |_, _, attributes: Attributes<'_>| {
        found.doomed.extend(Doomed::read(attributes, doors));
        found.late |= Instant::now() >= until;
        if found.late || found.doomed.len() >= PASS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let body = |writer: &mut Writer| {
        if let Some(source) = source {
            began_by(source, writer);
        }
    };
    // A reading that is broken off leaves a socket that is worth nothing more.
    let mut requests = Requests::open()?;
    requests.exchange_until(conntrack::GET, DUMP, family, body, pick).map_err(failed("read the connections"))?;
    Ok(())
}

/// Has the kernel choose the connections that this address began.
fn began_by(source: Ipv4Addr, writer: &mut Writer) {
    writer.nest(conntrack::FILTER, |writer| {
        // Of all numbers of this protocol, this one is in the byte order of the CPU.
        writer.attribute(conntrack::FILTER_ORIGINAL, &conntrack::FILTER_SOURCE.to_ne_bytes());
    });
    writer.nest(conntrack::ORIGINAL, |writer| {
        writer.nest(conntrack::ADDRESSES, |writer| writer.attribute(conntrack::V4_SOURCE, &source.octets()));
    });
}

/// A connection that is to be ended.
pub(super) struct Doomed {
    name: Name,
    connection: Connection,
    /// The stanza of the grant that let it in.
    pub(super) access: Arc<str>,
}

impl Doomed {
    fn read(attributes: Attributes<'_>, doors: &mut Doors<'_>) -> Option<Self> {
        let connection = Connection::read(attributes)?;
        let access = Arc::clone(&doors.letting_in(&connection)?.access);
        Some(Self { name: Name::read(attributes)?, connection, access })
    }

    /// The element that matches what its inside end sends; `None` where there can be none, or need be none.
    pub(super) fn cut(&self) -> Option<Element> {
        self.connection.cut().filter(|_| self.resumable(true))
    }

    /// Whether a packet of its inside end would begin it anew; `loose` tells whether a TCP session may begin with any.
    pub(super) fn resumable(&self, loose: bool) -> bool {
        self.connection.resumable(loose)
    }

    /// Ends it.
    pub(super) fn end(&self, requests: &mut Requests) -> Result<Fate, FirewallError> {
        let family = if self.connection.source.is_ipv6() { V6 } else { V4 };
        let fate = match self.name.delete(requests, family) {
            Ok(()) => Ok(Fate::Ended),
            Err(Errno::NOENT) => Ok(Fate::Gone),
            Err(Errno::BUSY) => self.name.expire(requests, family),
            Err(errno) => Err(errno),
        };
        fate.map_err(failed("end the connections of what was revoked"))
    }
}

/// What came of the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// We ended it.
    Ended,
    /// It had ended by itself, or another one took its place.
    Gone,
    /// Its flow is offloaded, and the kernel, older than Linux 6.4, held on to it.
    Offloaded,
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
        requests.exchange(conntrack::DELETE, 0, family, |writer| self.write(writer), |_, _| ()).map(|_| ())
    }

    /// Ends a connection that the kernel refuses to delete because its flow is offloaded: its time is set to be up, and
    /// then the kernel is asked for it, which removes what it finds expired. The kernel's own housekeeping may give an
    /// offloaded connection new time between the two, so it is tried again.
    fn expire(&self, requests: &mut Requests, family: u8) -> Result<Fate, Errno> {
        for _ in 0..EXPIRE_TRIES {
            let body = |writer: &mut Writer| {
                self.write(writer);
                writer.attribute(conntrack::TIMEOUT, &[0; 4]);
            };
            let found = requests
                .exchange(conntrack::CHANGE, 0, family, body, |_, _| ())
                .and_then(|_| requests.exchange(conntrack::GET, 0, family, |writer| self.write(writer), |_, _| ()));
            match found {
                Err(Errno::NOENT) => return Ok(Fate::Ended),
                // It ended meanwhile.
                Err(Errno::TIME) => return Ok(Fate::Gone),
                Ok(_) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(Fate::Offloaded)
    }

    fn write(&self, writer: &mut Writer) {
        writer.nested(conntrack::ORIGINAL, &self.original);
        for (kind, value) in [(conntrack::ID, &self.id), (conntrack::ZONE, &self.zone)] {
            if let Some(value) = value {
                writer.attribute(kind, value);
            }
        }
    }
}

/// What of a connection elements speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    /// Who began it.
    pub(super) source: IpAddr,
    protocol: u8,
    /// The port that was connected to; 0 in protocols without ports.
    outside: u16,
    /// Who answers, after destination NAT.
    pub(super) target: IpAddr,
    /// From which port.
    port: u16,
    /// Where to: who began it, or this router where its source is translated.
    answered: SocketAddr,
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
            source: address(original, conntrack::V4_SOURCE, conntrack::V6_SOURCE)?,
            protocol: *original.nest(conntrack::PROTOCOL)?.get(conntrack::PROTOCOL_NUMBER)?.first()?,
            outside: number(original, conntrack::DESTINATION_PORT).unwrap_or(0),
            target: address(reply, conntrack::V4_SOURCE, conntrack::V6_SOURCE)?,
            port: number(reply, conntrack::SOURCE_PORT).unwrap_or(0),
            answered: SocketAddr::new(
                address(reply, conntrack::V4_DESTINATION, conntrack::V6_DESTINATION)?,
                number(reply, conntrack::DESTINATION_PORT).unwrap_or(0),
            ),
        })
    }

    /// What its inside end sends; `None` where the packets have no ports that a rule could compare.
    fn cut(&self) -> Option<Element> {
        let proto = [Proto::Tcp, Proto::Udp].into_iter().find(|proto| proto.number() == self.protocol)?;
        Some(Element {
            set: if self.target.is_ipv6() { Set::Cut6 } else { Set::Cut4 },
            port: Some(Port { proto, number: NonZeroU16::new(self.answered.port())? }),
            destination: Some(self.answered.ip()),
            first: self.target,
            last: self.target,
            source_port: Some(NonZeroU16::new(self.port)?),
            translation: None,
        })
    }

    /// Whether a packet of the inside end would begin it anew. It is not so where that packet goes to the router, which
    /// knows nobody any more to whom it should be passed on, and of ICMP, of which no answer begins anything.
    fn resumable(&self, loose: bool) -> bool {
        self.answered.ip() == self.source
            && match self.protocol {
                ICMP | ICMP6 => false,
                TCP => loose,
                _ => true,
            }
    }

    /// Whether the element let it in. It is the translated connection that the filters see; `is_own` tells whether it
    /// ends at the router, which is where the sets without a destination are looked up.
    pub(super) fn came_by(&self, element: &Element, is_own: impl FnOnce() -> bool) -> bool {
        let seen = if element.set == Set::Dnat4 { self.outside } else { self.port };
        let leads = match element.translation {
            Some(Translation::Destination(to)) => self.target == *to.ip() && self.port == to.port(),
            Some(Translation::Source(_)) | None => true,
        };
        leads
            && (element.first..=element.last).contains(&self.source)
            && element.destination.is_none_or(|destination| destination == self.target)
            && element.port.is_none_or(|port| port.proto.number() == self.protocol && port.number.get() == seen)
            && (element.set == Set::Dnat4 || element.destination.is_some() || is_own())
    }
}

/// An address of a tuple, by its numbers in the two families.
fn address(tuple: Attributes<'_>, v4: u16, v6: u16) -> Option<IpAddr> {
    let addresses = tuple.nest(conntrack::ADDRESSES)?;
    if let Some(v4) = addresses.get(v4) {
        return Some(Ipv4Addr::from(<[u8; 4]>::try_from(v4).ok()?).into());
    }
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(addresses.get(v6)?).ok()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::revoke::Ended;

    fn element(set: Set, source: &str, destination: Option<&str>, port: Option<&str>) -> Element {
        let (first, last) = source.split_once('-').unwrap_or((source, source));
        Element {
            set,
            port: port.map(|port| port.parse().unwrap()),
            destination: destination.map(|to| to.parse().unwrap()),
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
            source_port: None,
            translation: None,
        }
    }

    fn connection(source: &str, protocol: u8, outside: u16, target: &str, port: u16) -> Connection {
        let source = source.parse().unwrap();
        let answered = SocketAddr::new(source, 40_000);
        Connection { source, protocol, outside, target: target.parse().unwrap(), port, answered }
    }

    fn tuple(writer: &mut Writer, kind: u16, source: [u8; 4], destination: [u8; 4], ports: [u16; 2]) {
        writer.nest(kind, |writer| {
            writer.nest(conntrack::ADDRESSES, |writer| {
                writer.attribute(conntrack::V4_SOURCE, &source);
                writer.attribute(conntrack::V4_DESTINATION, &destination);
            });
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
        tuple(&mut writer, conntrack::ORIGINAL, [192, 0, 2, 1], [198, 51, 100, 1], [40_000, 2222]);
        let half = writer.bytes().len();
        tuple(&mut writer, conntrack::REPLY, [10, 0, 0, 2], [192, 0, 2, 1], [22, 40_000]);
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
            (element(Set::In4, "192.0.2.1", None, Some("tcp/22")), &[own][..]),
            (element(Set::In4, "192.0.2.2", None, Some("tcp/22")), &[]),
            (element(Set::In4, "192.0.2.1", None, Some("udp/22")), &[]),
            (element(Set::In6, "2001:db8::1", None, Some("udp/53")), &[udp6]),
            (element(Set::Net4, "192.0.2.0-192.0.2.255", None, Some("udp/53")), &[]),
            (element(Set::Net4, "192.0.2.0-192.0.2.255", None, Some("tcp/22")), &[own]),
            (element(Set::Net4, "192.0.2.2-192.0.2.255", None, Some("udp/53")), &[]),
            (element(Set::To4, "192.0.2.1", Some("10.0.0.2"), Some("tcp/22")), &[inside]),
            (element(Set::All4, "192.0.2.1", Some("10.0.0.2"), None), &[inside, other, ping]),
            (Element { translation: to("10.0.0.2:22"), ..dnat }, &[inside]),
            (Element { translation: to("10.0.0.3:22"), ..dnat }, &[]),
        ] {
            let ended = [Ended { element, access: "alice".into() }];
            let is_own = |target: IpAddr| ["198.51.100.1", "2001:db8::2"].contains(&&*target.to_string());
            let mut doors = Doors::new(&ended, &is_own);
            let found: Vec<_> = all.into_iter().filter(|connection| doors.letting_in(connection).is_some()).collect();
            assert_eq!(found, expected, "{element}");
        }
    }

    #[test]
    fn what_the_inside_end_sends_is_cut_where_it_can_be_taken_up() {
        let cut = |connection: Connection| connection.cut().map(|element| (element.set, element.to_string()));
        let tcp = connection("192.0.2.1", 6, 2222, "10.0.0.2", 22);
        let said = "the cut from port 22 of 10.0.0.2 to 192.0.2.1 tcp/40000".to_owned();
        assert_eq!(cut(tcp), Some((Set::Cut4, said)));
        let udp6 = connection("2001:db8::1", 17, 53, "2001:db8::2", 53);
        let said = "the cut from port 53 of 2001:db8::2 to 2001:db8::1 udp/40000".to_owned();
        assert_eq!(cut(udp6), Some((Set::Cut6, said)));
        let sctp = Connection { protocol: 132, ..tcp };
        let ping = Connection { protocol: 1, ..tcp };
        let nowhere = Connection { answered: SocketAddr::new(tcp.source, 0), ..udp6 };
        assert_eq!([sctp, ping, nowhere].map(cut), [None, None, None]);
        let masqueraded = Connection { answered: "10.0.0.1:40000".parse().unwrap(), ..tcp };
        let all = [tcp, udp6, sctp, ping, masqueraded];
        assert_eq!(all.map(|connection| connection.resumable(true)), [true, true, true, false, false]);
        assert_eq!(all.map(|connection| connection.resumable(false)), [false, true, true, false, false]);
    }
}
