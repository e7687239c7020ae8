//! Which way through may a knock have? What the stanza forwards by itself, and what it lets a client name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Forward, Place, Surroundings, judge_ports};
use crate::config::Access;
use crate::knock::fwknop::message::{NatHost, NatTarget};
use crate::net::{Port, is_forbidden};
use crate::reason::Reason;

/// The ways through that one knock can earn.
pub(super) struct Ways<'a> {
    /// The stanza.
    pub(super) access: &'a Access,
    /// Who may come in.
    pub(super) source: IpAddr,
    /// The world.
    pub(super) surroundings: &'a Surroundings<'a>,
}

impl Ways<'_> {
    /// Where the stanza itself forwards this outside port, whatever the knock says of it; `None` where it does not.
    pub(super) fn of_stanza(&self, port: Port) -> Result<Option<Forward>, Reason> {
        let named = self.access.forward.iter().filter(|forward| forward.outside == Some(port));
        let others = self.access.forward.iter().filter(|forward| forward.outside.is_none());
        let mut ways = named.chain(others).peekable();
        if ways.peek().is_none() {
            return Ok(None);
        }
        // A port that the stanza forwards for the other family alone is no door of the router instead.
        let way = ways.find(|way| way.to.is_ipv4() == self.source.is_ipv4()).ok_or(Reason::Family)?;
        Ok(Some(self.forward(port, way.to, (self.surroundings.place_of)(way.to.ip()))))
    }

    /// A forward to a host behind the router, as message types 2 and 4 ask for it.
    pub(super) fn to_a_host(&self, ports: &[Port], target: &NatTarget) -> Result<Forward, Reason> {
        let is_permitted = |address, place: Place| match self.access.nat_target.as_slice() {
            [] => place == Place::Inside,
            networks => place.is_other_host() && networks.iter().any(|network| network.contains(address)),
        };
        let refusal = (!self.access.allow_nat).then_some(Reason::NatNotAllowed);
        self.named(ports, target, refusal, Place::Inside, is_permitted)
    }

    /// A redirect to another port of the router itself, as message types 5 and 6 ask for it.
    pub(super) fn to_the_router(&self, ports: &[Port], target: &NatTarget) -> Result<Forward, Reason> {
        let refusal = (!self.access.allow_local_nat).then_some(Reason::LocalNatNotAllowed);
        self.named(ports, target, refusal, Place::Own, |_, place| place == Place::Own)
    }

    /// The stanza's own forward of the first port, or what the client names. As in fwknop, every port of the list
    /// is judged and only the first one counts. What a host name stands for counts as `if_named`, and all that needs
    /// no address is judged before anybody looks it up.
    fn named(
        &self,
        ports: &[Port],
        target: &NatTarget,
        refusal: Option<Reason>,
        if_named: Place,
        is_permitted: impl Fn(IpAddr, Place) -> bool,
    ) -> Result<Forward, Reason> {
        let first = *ports.first().ok_or(Reason::Message)?;
        if let Some(forward) = self.of_stanza(first)? {
            return judge_ports(self.access, ports).map(|()| forward);
        }
        refusal.map_or(Ok(()), Err)?;
        judge_ports(self.access, ports)?;
        let service = Port { proto: first.proto, number: target.port };
        let (address, place) = match &target.host {
            NatHost::Address(address) => self.permitted(*address, service, is_permitted)?,
            NatHost::Name(_) if !self.access.nat_dns => return Err(Reason::NatName),
            NatHost::Name(_) => (unspecified_beside(self.source), if_named),
        };
        let forward = self.forward(first, SocketAddr::new(address, target.port.get()), place);
        if forward.outside.is_none() {
            // Without translation the outside connects to the service's own port.
            judge_ports(self.access, &[service])?;
        }
        Ok(forward)
    }

    /// An address that the client named, itself or by a host name, and where it is.
    fn permitted(
        &self,
        address: IpAddr,
        service: Port,
        is_permitted: impl Fn(IpAddr, Place) -> bool,
    ) -> Result<(IpAddr, Place), Reason> {
        let place = (self.surroundings.place_of)(address);
        if is_forbidden(address) || !is_permitted(address, place) {
            return Err(Reason::NatTarget);
        }
        if address.is_ipv4() != self.source.is_ipv4() {
            return Err(Reason::Family);
        }
        if place == Place::Own && self.access.restrict.contains(&service) {
            // What may never be opened on the router is not to be had by another port either.
            return Err(Reason::PortRestricted);
        }
        Ok((address, place))
    }

    /// The way of an outside port to a service, with what the stanza says of all its forwards.
    fn forward(&self, port: Port, to: SocketAddr, place: Place) -> Forward {
        let behind = place.is_other_host();
        let translated = to.is_ipv4() && !self.access.disable_dnat;
        Forward {
            source: self.source,
            proto: port.proto,
            outside: translated.then_some(port.number),
            to,
            all: self.access.forward_all && behind,
            snat: self.access.snat.filter(|_| behind && to.is_ipv4()),
        }
    }
}

/// The unspecified address of the other one's family.
fn unspecified_beside(address: IpAddr) -> IpAddr {
    if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}
