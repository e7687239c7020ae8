//! The bytes of an element's key and data as the kernel holds them: fields in network order, padded to whole words.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::net::Proto;

/// The longest key: two IPv6 addresses, a protocol and two ports, each in whole words.
const KEY_MAX: usize = 44;

/// The bytes of a key, or of an element's data.
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
    pub(super) fn push_address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => self.push(&v4.octets()),
            IpAddr::V6(v6) => self.push(&v6.octets()),
        }
    }

    pub(super) fn push_proto(&mut self, proto: Proto) {
        self.push(&[proto.number(), 0, 0, 0]);
    }

    pub(super) fn push_port(&mut self, port: u16) {
        let [high, low] = port.to_be_bytes();
        self.push(&[high, low, 0, 0]);
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

/// Takes field by field from the kernel's bytes; `None` where they are cut, or not as we write them.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn address(&mut self, v6: bool) -> Option<IpAddr> {
        if v6 { Some(IpAddr::V6(Ipv6Addr::from(self.take::<16>()?))) } else { self.v4().map(IpAddr::V4) }
    }

    pub(super) fn v4(&mut self) -> Option<Ipv4Addr> {
        Some(Ipv4Addr::from(self.take::<4>()?))
    }

    pub(super) fn proto(&mut self) -> Option<Proto> {
        let [number, 0, 0, 0] = self.take()? else { return None };
        [Proto::Tcp, Proto::Udp].into_iter().find(|proto| proto.number() == number)
    }

    pub(super) fn port(&mut self) -> Option<u16> {
        let [high, low, 0, 0] = self.take()? else { return None };
        Some(u16::from_be_bytes([high, low]))
    }

    /// `Some` where nothing is left.
    pub(super) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }
}
