//! The machine's own addresses, as far as strangers may connect to them.

use std::net::IpAddr;

use rustix::io::{self, Errno};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

use crate::firewall::wire::{Attributes, Message, Messages};
use crate::net::is_forbidden;

/// `RTM_GETADDR` of linux/rtnetlink.h, and the answer, `RTM_NEWADDR`.
const GET_ADDRESS: u16 = 22;
const NEW_ADDRESS: u16 = 20;
/// `NLMSG_DONE`.
const DONE: u16 = 3;
/// `NLM_F_REQUEST` and `NLM_F_DUMP`.
const DUMP: u16 = 0x301;
/// Bytes of the header and of `struct ifaddrmsg`.
const REQUEST: u32 = 24;
const ADDRESS_HEADER: usize = 8;
/// `IFA_ADDRESS`, and `IFA_LOCAL` where the link has two ends.
const ADDRESS: u16 = 1;
const OWN_END: u16 = 2;
/// Room for one datagram of a dump, and datagrams that are read.
const DATAGRAM: usize = 32 * 1024;
const DATAGRAMS_MAX: usize = 64;

/// Asks the kernel for them; needs no rights.
///
/// # Errors
/// What the system says.
pub fn own_addresses() -> io::Result<Vec<IpAddr>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    let mut question = REQUEST.to_ne_bytes().to_vec();
    question.extend(GET_ADDRESS.to_ne_bytes());
    question.extend(DUMP.to_ne_bytes());
    question.extend([0; 16]);
    sendto(&socket, &question, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = vec![0; DATAGRAM];
    let mut found = Vec::new();
    for _ in 0..DATAGRAMS_MAX {
        let (length, _) = match recv(&socket, &mut answer[..], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN) => break,
            read => read?,
        };
        for message in Messages(answer.get(..length).unwrap_or_default()) {
            if message.kind == DONE {
                return Ok(found);
            }
            found.extend(address(&message).filter(|address| !is_forbidden(*address)));
        }
    }
    Ok(found)
}

/// The address in one answer.
fn address(message: &Message<'_>) -> Option<IpAddr> {
    if message.kind != NEW_ADDRESS {
        return None;
    }
    let attributes = Attributes(message.payload.get(ADDRESS_HEADER..)?);
    let octets = attributes.get(OWN_END).or_else(|| attributes.get(ADDRESS))?;
    match octets.len() {
        4 => Some(IpAddr::from(*octets.first_chunk::<4>()?)),
        16 => Some(IpAddr::from(*octets.first_chunk::<16>()?)),
        _ => None,
    }
}
