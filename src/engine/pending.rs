//! A knock that may have what it asks for as soon as a host name has an address: what is kept of it, and its end.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Clock, Engine, Listener, Verdict};
use crate::access::{Grant, Judgement, Place, Surroundings, judge};
use crate::capture::{Datagram, Transport};
use crate::knock::fwknop::fields::Fields;
use crate::knock::fwknop::http::ForwardedFor;
use crate::knock::fwknop::message::{Request, RequestKind};
use crate::reason::Reason;
use crate::replay::Entry;

/// A genuine, fresh knock of which nothing is left to judge but the addresses of a host name.
#[derive(Clone, Debug)]
pub struct Pending {
    /// In the order of the stanzas, at least one; all are of the same packet.
    claims: Vec<Claim>,
    name: String,
    entry: Entry,
    source: IpAddr,
    destination: IpAddr,
    transport: Transport,
    ports: (u16, u16),
    forwarded_for: Option<ForwardedFor>,
}

impl Pending {
    /// The name to look up: letters, digits, hyphens and dots.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the name is to be one of the router itself.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.claims.iter().any(|claim| matches!(claim.request.kind, RequestKind::LocalNat { .. }))
    }

    /// The stanzas that would grant it.
    pub(crate) fn stanzas(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().map(|claim| &*claim.like.access)
    }

    /// Whether it would open anything for this address.
    pub(crate) fn is_for(&self, source: IpAddr) -> bool {
        let of = |claim: &Claim| claim.like.forwards.iter().any(|forward| forward.source == source);
        self.claims.iter().any(of)
    }

    /// What the first stanza would grant, but that its forward leads to the unspecified address: for people.
    #[must_use]
    pub fn like(&self) -> Option<&Grant> {
        self.claims.first().map(|claim| &claim.like)
    }
}

/// What one stanza would grant.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) fields: Fields,
    pub(super) request: Request,
    pub(super) like: Grant,
}

/// What all stanzas would grant that were asked so far.
#[derive(Default)]
pub(super) struct Claims(Vec<Claim>);

impl Claims {
    pub(super) fn extend(&mut self, claim: Option<Claim>) {
        self.0.extend(claim);
    }

    /// Has a refused knock wait where a stanza would grant it.
    pub(super) fn wait(self, verdict: &mut Verdict, datagram: &Datagram<'_>, forwarded_for: Option<ForwardedFor>) {
        let Some(first) = self.0.first() else { return };
        let (Some(name), Some(entry)) = (first.request.host_name(), verdict.entry) else { return };
        let name = name.to_owned();
        verdict.outcome = Err(Reason::NatUnresolved);
        verdict.access = Some(Arc::clone(&first.like.access));
        verdict.fields = Some(first.fields.clone());
        verdict.awaits = Some(Pending {
            claims: self.0,
            name,
            entry,
            source: datagram.source,
            destination: datagram.destination,
            transport: datagram.transport,
            ports: (datagram.source_port, datagram.destination_port),
            forwarded_for,
        });
    }
}

impl Engine {
    /// Judges a knock that waited by what its name stands for; no address: it has none. Each address is judged as if
    /// the knock had named it, those of the family that it opens for first, and the first permitted one is taken. The
    /// verdict is final, and its entry is what [`Engine::handle`] has remembered already.
    pub fn resolved(
        &self,
        pending: Pending,
        addresses: &[IpAddr],
        clock: Clock,
        place_of: &dyn Fn(IpAddr) -> Place,
        each: &mut Listener<'_>,
    ) -> Verdict {
        let datagram = Datagram {
            source: pending.source,
            destination: pending.destination,
            transport: pending.transport,
            source_port: pending.ports.0,
            destination_port: pending.ports.1,
            payload: &[],
        };
        let surroundings =
            Surroundings { max_timeout: self.max_timeout, forwarded_for: pending.forwarded_for, place_of };
        let mut last = Verdict {
            outcome: Err(Reason::NatUnresolved),
            access: None,
            fields: None,
            entry: Some(pending.entry),
            awaits: None,
        };
        for claim in pending.claims {
            let outcome = self.settle_claim(&claim, addresses, &datagram, clock, &surroundings);
            each(&claim.like.access, outcome.as_ref().map(|_| ()).map_err(|reason| *reason));
            // Of refusals the first one counts, as everywhere.
            if outcome.is_ok() || last.access.is_none() {
                last.access = Some(claim.like.access);
                last.fields = Some(claim.fields);
                last.outcome = outcome;
            }
            if last.outcome.is_ok() {
                break;
            }
        }
        last
    }

    /// One stanza's judgement, by what holds now.
    fn settle_claim(
        &self,
        claim: &Claim,
        addresses: &[IpAddr],
        datagram: &Datagram<'_>,
        clock: Clock,
        surroundings: &Surroundings<'_>,
    ) -> Result<Grant, Reason> {
        let named = |stanza: &&super::Stanza| stanza.name == claim.like.access;
        let stanza = self.stanzas.iter().find(named).ok_or(Reason::NatUnresolved)?;
        let plausible = self.is_plausible(clock);
        stanza.is_for(datagram, plausible.then_some(clock.unix))?;
        stanza.is_still_fresh(claim.fields.timestamp, clock.unix, plausible, self.max_age)?;
        let is_v4 = claim.like.forwards.first().is_some_and(|forward| forward.source.is_ipv4());
        let of_family = addresses.iter().filter(|address| address.is_ipv4() == is_v4);
        let others = addresses.iter().filter(|address| address.is_ipv4() != is_v4);
        let mut refused = Reason::NatUnresolved;
        for (index, address) in of_family.chain(others).enumerate() {
            let request = claim.request.clone().at(*address);
            match judge(&stanza.access, &stanza.name, &claim.fields, &request, datagram, surroundings) {
                Ok(Judgement::Grant(grant)) => return Ok(grant),
                Err(reason) if index == 0 => refused = reason,
                Ok(Judgement::Awaits(_)) | Err(_) => {}
            }
        }
        Err(refused)
    }
}
