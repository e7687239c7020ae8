//! Where an address is, by the kernel's routing tables: on this router, behind it, or elsewhere.

use std::cell::Cell;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::io::{self, Errno, retry_on_intr};
use rustix::net::netdevice::{index_to_name, name_to_index};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

use crate::access::Place;
use crate::capture::live::ANY;
use crate::firewall::exposure::Way;
use crate::firewall::wire::{Attributes, Message, Messages};

/// `RTM_GETROUTE` of linux/rtnetlink.h: by which route would a packet to this address go?
const GET_ROUTE: u16 = 26;
/// `RTM_NEWROUTE`: the answer.
const NEW_ROUTE: u16 = 24;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `RTM_F_FIB_MATCH`: answer with the table's entry, not with what it means for this address.
const TABLE_ENTRY: u32 = 0x2000;
/// `RTA_DST`: the address asked for.
const DESTINATION: u16 = 1;
/// `RTA_OIF`: the device, by its number.
const DEVICE: u16 = 4;
/// `RTA_GATEWAY`, `RTA_MULTIPATH` and `RTA_VIA`: the address is not attached, others stand between.
const GATEWAYS: [u16; 3] = [5, 9, 18];
/// `RTN_UNICAST`: a route to somebody else.
const UNICAST: u8 = 1;
/// `RTN_LOCAL`: a route to ourselves. Every other kind leads to all, or nowhere.
const LOCAL: u8 = 2;
/// Where the entry's prefix length and the kind of route stand in `struct rtmsg`, and how long that is.
const PREFIX_AT: usize = 1;
const KIND_AT: usize = 7;
const ROUTE: usize = 12;
/// An answer about one route is far shorter.
const ANSWER: usize = 1024;
/// Answers to earlier questions that are passed over: they stay behind where reading them failed.
const STALE_MAX: usize = 4;

/// Asks the kernel's routing tables.
#[derive(Debug)]
pub struct Routes {
    socket: OwnedFd,
    captured: Vec<String>,
    /// The number of the last question.
    sequence: Cell<u32>,
}

/// What the kernel says of the way to an address.
struct Route {
    kind: u8,
    /// How many bits the table's entry fixes; 0 for the default route.
    prefix: u8,
    device: Option<u32>,
    has_gateway: bool,
}

impl Routes {
    /// Opens a socket to ask by; needs no rights. Behind the captured devices is the outside.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(captured: &[String]) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Without a protocol: NETLINK_ROUTE is number 0.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        Ok(Self { socket, captured: captured.to_vec(), sequence: Cell::new(0) })
    }

    /// Where the address is; [`Place::Unknown`] where the kernel gives no clear answer, and for the broadcast
    /// address of a network.
    #[must_use]
    pub fn place_of(&self, address: IpAddr) -> Place {
        match self.ask(address, 0) {
            Ok(Some(Route { kind: LOCAL, .. })) => Place::Own,
            Ok(Some(route)) if route.kind == UNICAST => {
                if self.is_inside(&route, address) {
                    Place::Inside
                } else {
                    Place::Elsewhere
                }
            }
            // No route: a packet there would go nowhere.
            Err(Errno::NETUNREACH | Errno::HOSTUNREACH) => Place::Elsewhere,
            Ok(_) | Err(_) => Place::Unknown,
        }
    }

    /// Where a packet to the address goes, as far as the tables say.
    #[must_use]
    pub fn way(&self, address: IpAddr) -> Way {
        match self.ask(address, 0) {
            Ok(Some(Route { kind: LOCAL, .. })) => Way::Own,
            Ok(Some(Route { kind: UNICAST, device: Some(device), .. })) => {
                index_to_name(&self.socket, device).map_or(Way::Unknown, Way::Out)
            }
            Ok(_) | Err(_) => Way::Unknown,
        }
    }

    /// The number of a device that is there.
    #[must_use]
    pub fn index(&self, device: &str) -> Option<u32> {
        name_to_index(&self.socket, device).ok()
    }

    /// Whether the route ends at a network of our own that is not captured.
    fn is_inside(&self, route: &Route, address: IpAddr) -> bool {
        let Some(device) = route.device.filter(|_| !route.has_gateway) else { return false };
        // By name, because a device that went and came back has another number.
        let is_ours = index_to_name(&self.socket, device)
            .is_ok_and(|name| !self.captured.iter().any(|captured| *captured == name || captured == ANY));
        is_ours && matches!(self.ask(address, TABLE_ENTRY), Ok(Some(entry)) if entry.prefix > 0)
    }

    /// The route to this address; the kernel answers inside our `sendto`.
    fn ask(&self, address: IpAddr, flags: u32) -> io::Result<Option<Route>> {
        let sequence = self.sequence.get().wrapping_add(1);
        self.sequence.set(sequence);
        let question = question(address, flags, sequence);
        sendto(&self.socket, &question, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        for _ in 0..=STALE_MAX {
            let mut answer = [0; ANSWER];
            let (length, _) = retry_on_intr(|| recv(&self.socket, &mut answer[..], RecvFlags::DONTWAIT))?;
            // The answer to another question would tell where another address is.
            match Messages(answer.get(..length).unwrap_or_default()).next() {
                Some(message) if message.sequence != sequence => {}
                Some(Message { kind: NEW_ROUTE, payload, .. }) => return Ok(route(payload)),
                Some(message) => {
                    return match message.outcome() {
                        Some(Err(error)) => Err(error),
                        _ => Ok(None),
                    };
                }
                None => return Ok(None),
            }
        }
        Err(Errno::PROTO)
    }
}

/// The request: netlink header, `struct rtmsg`, the address.
fn question(address: IpAddr, flags: u32, sequence: u32) -> Vec<u8> {
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
    question.extend(sequence.to_ne_bytes());
    question.extend([0; 4]);
    question.extend([family, bits, 0, 0, 0, 0, 0, 0]);
    question.extend(flags.to_ne_bytes());
    question.extend(attribute.to_ne_bytes());
    question.extend(DESTINATION.to_ne_bytes());
    question.extend(octets);
    question
}

/// The answer: `struct rtmsg` and attributes.
fn route(payload: &[u8]) -> Option<Route> {
    let (header, attributes) = payload.split_at_checked(ROUTE)?;
    let attributes = || Attributes(attributes);
    Some(Route {
        kind: *header.get(KIND_AT)?,
        prefix: *header.get(PREFIX_AT)?,
        device: attributes().get(DEVICE).and_then(|value| value.try_into().ok()).map(u32::from_ne_bytes),
        has_gateway: GATEWAYS.into_iter().any(|kind| attributes().get(kind).is_some()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_own_addresses_from_others() {
        let routes = Routes::open(&[]).unwrap();
        for (address, own) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("192.0.2.77", false),
            ("2001:db8::77", false),
            ("127.0.0.1", true),
        ] {
            assert_eq!(routes.place_of(address.parse().unwrap()) == Place::Own, own, "{address}");
        }
    }

    #[test]
    fn the_answer_to_a_question_that_was_given_up_is_not_taken_for_another_ones() {
        let routes = Routes::open(&[]).unwrap();
        let (own, other) = ("127.0.0.1".parse().unwrap(), "192.0.2.77".parse().unwrap());
        for left_behind in 1..=STALE_MAX {
            for _ in 0..left_behind {
                let question = question(own, 0, routes.sequence.get());
                sendto(&routes.socket, &question, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).unwrap();
            }
            assert_ne!(routes.place_of(other), Place::Own, "{left_behind} answers were left behind");
            assert_eq!(routes.place_of(own), Place::Own);
        }
    }

    #[test]
    fn a_cut_answer_says_nothing() {
        assert!(route(&[0; ROUTE - 1]).is_none());
        let mut answer = vec![0; ROUTE];
        for value in [8, DEVICE] {
            answer.extend(value.to_ne_bytes());
        }
        answer.extend(3_u32.to_ne_bytes());
        assert_eq!(route(&answer).unwrap().device, Some(3));
        assert_eq!(route(&answer[..ROUTE + 7]).unwrap().device, None);
    }
}
