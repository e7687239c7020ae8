//! Which addresses are this router's own: they are never granted.

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::io::{self, Errno};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

use crate::firewall::wire::{Message, Messages};

/// `RTM_GETROUTE` of linux/rtnetlink.h: by which route would a packet to this address go?
const GET_ROUTE: u16 = 26;
/// `RTM_NEWROUTE`: the answer.
const NEW_ROUTE: u16 = 24;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `RTA_DST`: the address asked for.
const DESTINATION: u16 = 1;
/// `RTN_UNICAST`: a route to somebody else. Every other kind leads to ourselves, to all, or nowhere.
const UNICAST: u8 = 1;
/// Where the kind of route stands in `struct rtmsg`.
const ROUTE_KIND_AT: usize = 7;
/// An answer about one route is far shorter.
const ANSWER: usize = 1024;

/// Asks the kernel's routing tables.
#[derive(Debug)]
pub struct Routes {
    socket: OwnedFd,
}

impl Routes {
    /// Opens a socket to ask by; needs no rights.
    ///
    /// # Errors
    /// What the system says.
    pub fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Without a protocol: NETLINK_ROUTE is number 0.
        Ok(Self { socket: socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)? })
    }

    /// Whether a packet to this address would stay on this host: the address is one of its own, or the broadcast
    /// address of one of its networks. Where the kernel gives no clear answer, it is yes.
    #[must_use]
    pub fn is_own(&self, address: IpAddr) -> bool {
        match self.ask(address) {
            Ok(Some(kind)) => kind != UNICAST,
            // No route: a packet there would go nowhere, so it would not stay either.
            Err(Errno::NETUNREACH | Errno::HOSTUNREACH) => false,
            Ok(None) | Err(_) => true,
        }
    }

    /// The kind of the route to this address; the kernel answers inside our `sendto`.
    fn ask(&self, address: IpAddr) -> io::Result<Option<u8>> {
        let question = question(address);
        sendto(&self.socket, &question, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut answer = [0; ANSWER];
        let (length, _) = recv(&self.socket, &mut answer[..], RecvFlags::DONTWAIT)?;
        let mut messages = Messages(answer.get(..length).unwrap_or_default());
        match messages.next() {
            Some(Message { kind: NEW_ROUTE, payload, .. }) => Ok(payload.get(ROUTE_KIND_AT).copied()),
            Some(message) => match message.error() {
                Some(error) if error < 0 => Err(Errno::from_raw_os_error(error.saturating_neg())),
                _ => Ok(None),
            },
            None => Ok(None),
        }
    }
}

/// The request: netlink header, `struct rtmsg`, the address.
fn question(address: IpAddr) -> Vec<u8> {
    let (family, octets) = match address {
        IpAddr::V4(v4) => (AddressFamily::INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (AddressFamily::INET6, v6.octets().to_vec()),
    };
    let [family, _] = family.as_raw().to_le_bytes();
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let attribute: u16 = if address.is_ipv4() { 8 } else { 20 };
    let length: u32 = 28 + u32::from(attribute);
    let mut question = Vec::with_capacity(48);
    question.extend(length.to_ne_bytes());
    question.extend(GET_ROUTE.to_ne_bytes());
    question.extend(REQUEST.to_ne_bytes());
    question.extend([0; 8]);
    question.extend([family, bits, 0, 0, 0, 0, 0, 0]);
    question.extend([0; 4]);
    question.extend(attribute.to_ne_bytes());
    question.extend(DESTINATION.to_ne_bytes());
    question.extend(octets);
    question
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_own_addresses_from_others() {
        let routes = Routes::open().unwrap();
        for (address, own) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("192.0.2.77", false),
            ("2001:db8::77", false),
            ("127.0.0.1", true),
        ] {
            assert_eq!(routes.is_own(address.parse().unwrap()), own, "{address}");
        }
    }
}
