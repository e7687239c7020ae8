//! May this knock have that? A stanza's policy turns a genuine, fresh knock into a grant.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;

use crate::capture::Datagram;
use crate::config::{Access, Open};
use crate::knock::fwknop::fields::Fields;
use crate::knock::fwknop::message::{AllowAddress, Request, RequestKind};
use crate::net::{Port, Prefix, Proto, is_forbidden};
use crate::reason::Reason;

/// One door: who may reach which port, and at which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opening {
    /// Who may come in: one address, or a network where the stanza widens.
    pub source: Prefix,
    /// The only destination address, of the source's family; any address of the router where absent.
    pub destination: Option<IpAddr>,
    /// The port.
    pub port: Port,
}

/// How a forwarded connection's source address is translated, so that answers come back this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Snat {
    /// To the address of the device by which it leaves.
    Masquerade,
    /// To this address.
    Address(Ipv4Addr),
}

/// A way to a host behind the router, or to another port of the router itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Forward {
    /// Who may come in.
    pub source: IpAddr,
    /// The protocol.
    pub proto: Proto,
    /// The port that the outside connects to and that is translated to `to` (destination NAT, IPv4 only); without
    /// it the outside connects to `to` itself.
    pub outside: Option<NonZeroU16>,
    /// The service, of the source's family.
    pub to: SocketAddr,
    /// Whether every protocol and port of the host may be reached, not just this service (`FORWARD_ALL`).
    pub all: bool,
    /// Source NAT of connections to `to`, IPv4 only; with `all`, too, only of those.
    pub snat: Option<Snat>,
}

/// What a knock earned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The stanza that granted it; the comment of the set elements.
    pub access: Arc<str>,
    /// The doors, all with the same life, without repetition; none only where there are forwards.
    pub openings: Vec<Opening>,
    /// The ways through, with the same life, without repetition.
    pub forwards: Vec<Forward>,
    /// How long the doors stay open, in seconds.
    pub timeout: u32,
}

/// What policy must know of the world besides the knock.
pub struct Surroundings<'a> {
    /// The longest life of any grant, in seconds.
    pub max_timeout: u32,
    /// Whether an address is one of the router's own.
    pub is_own: &'a dyn Fn(IpAddr) -> bool,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("max_timeout", &self.max_timeout).finish_non_exhaustive()
    }
}

/// Judges a genuine, fresh knock by its stanza.
///
/// # Errors
/// The first rule of the stanza that the knock offends, a reason of [`crate::reason::Stage::Policy`].
pub fn judge(
    access: &Access,
    name: &Arc<str>,
    fields: &Fields,
    request: &Request,
    datagram: &Datagram<'_>,
    surroundings: &Surroundings<'_>,
) -> Result<Grant, Reason> {
    let source = source_address(access, request, datagram, surroundings)?;
    if let Some(required) = &access.require_username
        && *required != fields.user
    {
        return Err(Reason::Username);
    }
    let ports = match &request.kind {
        RequestKind::Access(ports) => ports,
        RequestKind::Command(_) => return Err(Reason::CommandNotAllowed),
        RequestKind::Nat { .. } => return Err(Reason::NatNotAllowed),
        RequestKind::LocalNat { .. } => return Err(Reason::LocalNatNotAllowed),
    };
    judge_ports(access, ports)?;
    let destination = access.match_destination.then_some(datagram.destination);
    if destination.is_some_and(|destination| destination.is_ipv4() != source.address().is_ipv4()) {
        return Err(Reason::Family);
    }
    let mut openings: Vec<Opening> = Vec::with_capacity(ports.len());
    for &port in ports {
        let opening = Opening { source, destination, port };
        if !openings.contains(&opening) {
            openings.push(opening);
        }
    }
    Ok(Grant {
        access: Arc::clone(name),
        openings,
        forwards: Vec::new(),
        timeout: lifetime(access, fields.client_timeout).min(surroundings.max_timeout),
    })
}

/// The address or network to open for (DESIGN: families agree, and some addresses are never granted).
fn source_address(
    access: &Access,
    request: &Request,
    datagram: &Datagram<'_>,
    surroundings: &Surroundings<'_>,
) -> Result<Prefix, Reason> {
    let address = match request.address {
        AllowAddress::PacketSource if access.require_source_address => {
            return Err(Reason::SourceAddressRequired);
        }
        AllowAddress::PacketSource => datagram.source,
        AllowAddress::Address(address) => address,
    };
    if address.is_ipv6() && datagram.source.is_ipv4() {
        return Err(Reason::Family);
    }
    if is_forbidden(address) || (surroundings.is_own)(address) {
        return Err(Reason::AddressForbidden);
    }
    let length = if address.is_ipv4() { access.prefix_v4 } else { access.prefix_v6 };
    Ok(Prefix::new(address, length).unwrap_or_else(|| Prefix::single(address)))
}

/// A request is allowed whole or not at all; `restrict` wins over `open`.
fn judge_ports(access: &Access, ports: &[Port]) -> Result<(), Reason> {
    if ports.iter().any(|port| access.restrict.contains(port)) {
        return Err(Reason::PortRestricted);
    }
    match &access.open {
        Open::Any => Ok(()),
        Open::Ports(open) if ports.iter().all(|port| open.contains(port)) => Ok(()),
        Open::Ports(_) => Err(Reason::PortNotAllowed),
    }
}

/// The client's wish up to the stanza's cap, or the stanza's own timeout where the client has none.
fn lifetime(access: &Access, wish: Option<u32>) -> u32 {
    match wish {
        Some(wish) if wish > 0 => wish.min(access.max_timeout),
        _ => access.timeout,
    }
}
