//! A stranger's first packet: what is known of it wherever a rule may look.

use std::cell::Cell as Asked;
use std::net::IpAddr;

use super::bits::{Cell, Origin};
use super::numbers::{IPV4, IPV6, ct, fib, header, meta};
use crate::net::Port;

/// Bytes of an interface name, `IFNAMSIZ`.
const INTERFACE: usize = 16;
/// The source port of an ordinary client.
pub(super) const CLIENT_PORT: [u8; 2] = 50_000_u16.to_be_bytes();
/// TCP's flags of a connection's first packet.
const SYN: u8 = 2;
/// The states of conntrack, as bits: the first packet of a connection, and one that is not tracked.
pub(super) const NEW: u32 = 8;
const UNTRACKED: u32 = 64;
/// The bit of a connection whose destination was translated, and those that a first packet cannot have.
const DST_NAT: u32 = 0x20;
const LATER: u32 = 0x0f;
/// Address types of routes.
const UNICAST: u32 = 1;
const LOCAL: u32 = 2;

/// Where a packet goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// To this machine.
    Own,
    /// Out by this device.
    Out(String),
    /// Nobody knows.
    Unknown,
}

/// The packet, and what rules have done to it.
#[derive(Clone, Debug)]
pub(super) struct Packet<'a> {
    /// The device where it arrives; not known where all are captured.
    pub(super) device: Option<&'a str>,
    /// The device's number.
    pub(super) index: Option<u32>,
    pub(super) v6: bool,
    /// Protocol and destination port, as they are now.
    pub(super) port: Port,
    /// The destination as it is now.
    pub(super) destination: Option<IpAddr>,
    /// Whether that is this machine.
    pub(super) way: Way,
    /// Destination and port as the stranger wrote them.
    pub(super) original: (Option<IpAddr>, u16),
    pub(super) translated: bool,
    pub(super) tracked: bool,
    pub(super) mark: [Cell; 4],
    pub(super) ct_mark: [Cell; 4],
    /// Whether a rule asked for the destination address.
    pub(super) asked: Asked<bool>,
}

/// What an expression loads: so many bytes of which each is looked up.
pub(super) type Field = Vec<Cell>;

fn known(bytes: &[u8]) -> Field {
    bytes.iter().map(|&byte| Cell::known(byte)).collect()
}

fn unknown(length: usize, origin: Origin) -> Field {
    vec![Cell::unknown(origin); length]
}

fn name(text: &str) -> Field {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(INTERFACE, 0);
    known(&bytes)
}

impl<'a> Packet<'a> {
    /// A packet to a port, on its way to an address of this machine or through it.
    pub(super) fn new(
        device: Option<(&'a str, Option<u32>)>,
        port: Port,
        v6: bool,
        to: Option<IpAddr>,
        way: Way,
    ) -> Self {
        Self {
            device: device.map(|(name, _)| name),
            index: device.and_then(|(_, index)| index),
            v6,
            port,
            destination: to,
            way,
            original: (to, port.number.get()),
            translated: false,
            tracked: true,
            mark: [Cell::known(0); 4],
            ct_mark: [Cell::known(0); 4],
            asked: Asked::new(false),
        }
    }

    fn family(&self) -> u8 {
        if self.v6 { IPV6 } else { IPV4 }
    }

    fn address_length(&self) -> usize {
        if self.v6 { 16 } else { 4 }
    }

    fn address(&self, address: Option<IpAddr>) -> Field {
        self.asked.set(true);
        match address {
            Some(IpAddr::V4(v4)) => known(&v4.octets()),
            Some(IpAddr::V6(v6)) => known(&v6.octets()),
            None => unknown(self.address_length(), Origin::Differs),
        }
    }

    /// What `meta` loads.
    pub(super) fn meta(&self, key: u32) -> Field {
        match key {
            meta::PROTOCOL => known(if self.v6 { &[0x86, 0xdd] } else { &[8, 0] }),
            meta::MARK => self.mark.to_vec(),
            meta::IIF => self.index.map_or_else(|| unknown(4, Origin::Differs), |index| known(&index.to_ne_bytes())),
            meta::OIF if self.way == Way::Own => known(&[0; 4]),
            meta::IIFNAME => self.device.map_or_else(|| unknown(INTERFACE, Origin::Differs), name),
            meta::OIFNAME => match &self.way {
                Way::Own => name(""),
                Way::Out(device) => name(device),
                Way::Unknown => unknown(INTERFACE, Origin::Differs),
            },
            meta::NFPROTO => known(&[self.family()]),
            meta::L4PROTO => known(&[self.port.proto.number()]),
            // It is for this host, and came by no IPsec.
            meta::PKTTYPE | meta::SECPATH => known(&[0]),
            _ => unknown(INTERFACE, Origin::Differs),
        }
    }

    /// What `ct` loads; `reply` where the other direction is asked for.
    pub(super) fn ct(&self, key: u32, reply: bool) -> Field {
        match key {
            ct::STATE => known(&(if self.tracked { NEW } else { UNTRACKED }).to_ne_bytes()),
            ct::DIRECTION => known(&[0]),
            ct::STATUS => {
                let status = if self.translated { DST_NAT } else { 0 };
                let cells = status.to_ne_bytes().into_iter().zip((DST_NAT | LATER).to_ne_bytes());
                cells.map(|(value, known)| Cell { value, known, origin: Origin::Differs }).collect()
            }
            ct::MARK => self.ct_mark.to_vec(),
            ct::L3PROTOCOL => known(&[self.family()]),
            ct::PROTOCOL => known(&[self.port.proto.number()]),
            ct::DESTINATION | ct::DESTINATION_V4 | ct::DESTINATION_V6 if !reply => self.address(self.original.0),
            ct::DESTINATION_PORT if !reply => known(&self.original.1.to_be_bytes()),
            ct::SOURCE_PORT if !reply => known(&CLIENT_PORT),
            ct::SOURCE | ct::SOURCE_V4 | ct::SOURCE_V6 if !reply => unknown(INTERFACE, Origin::Source),
            _ => unknown(INTERFACE, Origin::Differs),
        }
    }

    /// What `fib` loads: one's own source has a route, and the destination is this machine or not.
    pub(super) fn fib(&self, result: u32, flags: u32) -> Field {
        if flags & fib::DESTINATION != 0 && result == fib::ADDRESS_TYPE {
            return known(&(if self.way == Way::Own { LOCAL } else { UNICAST }).to_ne_bytes());
        }
        if flags & fib::SOURCE != 0 && flags & fib::PRESENT != 0 {
            return known(&[1]);
        }
        unknown(INTERFACE, Origin::Differs)
    }

    /// What `payload` loads.
    pub(super) fn payload(&self, base: u32, offset: usize, length: usize) -> Field {
        let whole = match base {
            header::NETWORK => self.network(),
            header::TRANSPORT => self.transport(),
            _ => Vec::new(),
        };
        let byte = |at: usize| whole.get(at).copied().unwrap_or(Cell::unknown(Origin::Differs));
        let length = length.min(64);
        let destination = if self.v6 { 24 } else { 16 };
        if base == header::NETWORK && offset.saturating_add(length) > destination {
            self.asked.set(true);
        }
        (offset..offset.saturating_add(length)).map(byte).collect()
    }

    fn network(&self) -> Field {
        let differs = |length| unknown(length, Origin::Differs);
        let asked = self.asked.get();
        let destination = self.address(self.destination);
        self.asked.set(asked);
        let protocol = [Cell::known(self.port.proto.number())];
        let source = unknown(self.address_length(), Origin::Source);
        if self.v6 {
            let first = [Cell { value: 0x60, known: 0xf0, origin: Origin::Differs }];
            return [&first[..], &differs(5), &protocol, &differs(1), &source, &destination].concat();
        }
        // It is no fragment, whether it may become one or not.
        let fragment = [Cell { value: 0, known: 0xbf, origin: Origin::Differs }, Cell::known(0)];
        [&known(&[0x45])[..], &differs(5), &fragment, &differs(1), &protocol, &differs(2), &source, &destination]
            .concat()
    }

    fn transport(&self) -> Field {
        let mut bytes = known(&CLIENT_PORT);
        bytes.extend(known(&self.port.number.get().to_be_bytes()));
        if self.port.proto == crate::net::Proto::Tcp {
            bytes.extend(unknown(4, Origin::Differs));
            bytes.extend(known(&[0; 4]));
            bytes.extend(unknown(1, Origin::Differs));
            bytes.extend(known(&[SYN]));
        }
        bytes
    }
}
