//! May this knock have that? A stanza's policy turns a genuine, fresh knock into a grant.

pub mod login;
mod nat;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;

use crate::capture::Datagram;
use crate::config::{Access, Open};
use crate::knock::fwknop::fields::Fields;
use crate::knock::fwknop::http::ForwardedFor;
use crate::knock::fwknop::message::{AllowAddress, Request, RequestKind};
use crate::net::{Port, Prefix, Proto, is_forbidden};
use crate::reason::Reason;
use nat::Ways;

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

impl fmt::Display for Forward {
    /// As log lines have it: `tcp/2222 to 192.168.1.10:22`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outside {
            Some(outside) => write!(f, "{}/{outside} to {}", self.proto, self.to)?,
            None => write!(f, "{}/{} at {}", self.proto, self.to.port(), self.to.ip())?,
        }
        if self.all {
            write!(f, " and all else of {}", self.to.ip())?;
        }
        match self.snat {
            Some(Snat::Masquerade) => f.write_str(" (masqueraded)"),
            Some(Snat::Address(address)) => write!(f, " (as {address})"),
            None => Ok(()),
        }
    }
}

/// A command that a grant has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The name of one of the stanza's commands.
    pub name: String,
    /// For whom.
    pub source: IpAddr,
}

/// What a knock earned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The stanza that granted it; the comment of the set elements.
    pub access: Arc<str>,
    /// The doors, all with the same life, without repetition; none only where there are forwards or a command.
    pub openings: Vec<Opening>,
    /// The ways through, with the same life, without repetition.
    pub forwards: Vec<Forward>,
    /// What runs: the stanza's `on_open` where there are doors or ways, else what the knock asked for.
    pub command: Option<Run>,
    /// How long the doors stay open, in seconds; 0 where there are none.
    pub timeout: u32,
}

/// Where an address is, as this router sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the router itself.
    Own,
    /// In a network behind the router: attached to a device that is not captured.
    Inside,
    /// Anywhere else: on the captured side, behind another gateway, or where no route leads.
    Elsewhere,
    /// At nobody in particular (a broadcast address), or the router could not tell.
    Unknown,
}

impl Place {
    /// Whether another host is there.
    fn is_other_host(self) -> bool {
        matches!(self, Self::Inside | Self::Elsewhere)
    }
}

/// What policy must know of the world besides the knock.
pub struct Surroundings<'a> {
    /// The longest life of any grant, in seconds.
    pub max_timeout: u32,
    /// Stands in for the packet's source where the knock names no address: what a trusted proxy said.
    pub forwarded_for: Option<ForwardedFor>,
    /// Where an address is.
    pub place_of: &'a dyn Fn(IpAddr) -> Place,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("max_timeout", &self.max_timeout).finish_non_exhaustive()
    }
}

/// What a stanza has for a knock that offends none of its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// All that it asks for.
    Grant(Grant),
    /// The same as soon as the request's host name has an address, and that address is permitted: until then the
    /// forward leads to the unspecified address, so nothing of it may be opened.
    Awaits(Grant),
}

/// Judges a genuine, fresh knock by its stanza.
///
/// # Errors
/// The first rule of the stanza that the knock offends, a reason of [`crate::reason::Stage::Policy`].
pub fn judge(
    access: &Access,
    stanza: &Arc<str>,
    fields: &Fields,
    request: &Request,
    datagram: &Datagram<'_>,
    surroundings: &Surroundings<'_>,
) -> Result<Judgement, Reason> {
    let source = source_address(access, request, datagram, surroundings)?;
    if let Some(required) = &access.require_username
        && *required != fields.user
    {
        return Err(Reason::Username);
    }
    let (mut openings, mut forwards) = (Vec::new(), Vec::new());
    let ways = Ways { access, source, surroundings };
    match &request.kind {
        RequestKind::Command(name) => return command(access, stanza, source, name).map(Judgement::Grant),
        RequestKind::Nat { ports, target } => forwards.push(ways.to_a_host(ports, target)?),
        RequestKind::LocalNat { ports, target } => forwards.push(ways.to_the_router(ports, target)?),
        RequestKind::Access(ports) => {
            judge_ports(access, ports)?;
            for &port in ports {
                match ways.of_stanza(port)? {
                    Some(forward) => push_new(&mut forwards, forward),
                    None => push_new(&mut openings, opening(access, source, port, Some(datagram.destination))?),
                }
            }
        }
    }
    let awaits = forwards.iter().any(|forward| forward.to.ip().is_unspecified());
    let grant = Grant {
        access: Arc::clone(stanza),
        openings,
        forwards,
        command: access.commands.on_open.clone().map(|name| Run { name, source }),
        timeout: lifetime(access, fields.client_timeout).min(surroundings.max_timeout),
    };
    Ok(if awaits { Judgement::Awaits(grant) } else { Judgement::Grant(grant) })
}

/// A command message must be exactly one of the stanza's names.
fn command(access: &Access, stanza: &Arc<str>, source: IpAddr, name: &str) -> Result<Grant, Reason> {
    if !access.commands.has(name) {
        return Err(Reason::CommandNotAllowed);
    }
    Ok(Grant {
        access: Arc::clone(stanza),
        openings: Vec::new(),
        forwards: Vec::new(),
        command: Some(Run { name: name.to_owned(), source }),
        timeout: 0,
    })
}

/// Adds what is not there yet: a request may name a port twice.
fn push_new<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
    }
}

/// The address to open for (DESIGN: families agree, and some addresses are never granted).
fn source_address(
    access: &Access,
    request: &Request,
    datagram: &Datagram<'_>,
    surroundings: &Surroundings<'_>,
) -> Result<IpAddr, Reason> {
    let address = match request.address {
        AllowAddress::PacketSource if access.require_source_address => {
            return Err(Reason::SourceAddressRequired);
        }
        AllowAddress::PacketSource => match surroundings.forwarded_for {
            None => datagram.source,
            Some(ForwardedFor::Address(address)) => address,
            // The packet's source would be the proxy.
            Some(ForwardedFor::Several) => return Err(Reason::SourceAddressRequired),
        },
        AllowAddress::Address(address) => address,
    };
    if address.is_ipv6() && datagram.source.is_ipv4() {
        return Err(Reason::Family);
    }
    if is_forbidden(address) || !(surroundings.place_of)(address).is_other_host() {
        return Err(Reason::AddressForbidden);
    }
    Ok(address)
}

/// A door of the router, as wide as the stanza has it.
fn opening(access: &Access, source: IpAddr, port: Port, knocked_at: Option<IpAddr>) -> Result<Opening, Reason> {
    let destination = knocked_at.filter(|_| access.match_destination);
    if destination.is_some_and(|destination| destination.is_ipv4() != source.is_ipv4()) {
        return Err(Reason::Family);
    }
    let length = if source.is_ipv4() { access.prefix_v4 } else { access.prefix_v6 };
    let source = Prefix::new(source, length).unwrap_or_else(|| Prefix::single(source));
    Ok(Opening { source, destination, port })
}

/// A request is allowed whole or not at all; `restrict` wins over `open`, and an outside port of `forward` is as
/// good as one of `open`.
fn judge_ports(access: &Access, ports: &[Port]) -> Result<(), Reason> {
    if ports.iter().any(|port| access.restrict.contains(port)) {
        return Err(Reason::PortRestricted);
    }
    let is_open = |port| match &access.open {
        Open::Any => true,
        Open::Ports(open) => open.contains(port),
    };
    let is_forwarded = |port| access.forward.iter().any(|forward| forward.is_for(port));
    if ports.iter().all(|port| is_open(port) || is_forwarded(*port)) { Ok(()) } else { Err(Reason::PortNotAllowed) }
}

/// The client's wish up to the stanza's cap, or the stanza's own timeout where the client has none.
fn lifetime(access: &Access, wish: Option<u32>) -> u32 {
    match wish {
        Some(wish) if wish > 0 => wish.min(access.max_timeout),
        _ => access.timeout,
    }
}
