//! What would happen to a packet and why, as data: for `explain`, and for the page that asks over rpcd.

use std::net::IpAddr;
use std::path::Path;

use serde::Serialize;
use spa_knockd::capture::savefile::Savefile;
use spa_knockd::capture::{Datagram, Transport};
use spa_knockd::config::Main;
use spa_knockd::daemon::resolver;
use spa_knockd::engine::{Clock, Engine, Verdict};
use spa_knockd::reason::{Reason, Stage};

use super::Failure;
use super::opened::{Opened, grants, grants_by_name, place_of};

/// What is said of one packet.
#[derive(Serialize)]
pub(super) struct Explanation {
    pub(super) packet: String,
    pub(super) captured: bool,
    pub(super) verdict: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) format: Option<&'static str>,
    pub(super) access: Option<String>,
    /// The host name whose address the grant depends on.
    pub(super) awaits: Option<String>,
    pub(super) stanzas: Vec<StanzaReason>,
    pub(super) fields: Option<Fields>,
    pub(super) grants: Vec<Opened>,
}

/// What every packet goes through.
pub(super) struct Explainer<'a> {
    pub(super) main: &'a Main,
    pub(super) engine: &'a mut Engine,
    pub(super) resolve: bool,
}

/// One stanza's own reason.
#[derive(Serialize)]
pub(super) struct StanzaReason {
    pub(super) access: String,
    pub(super) reason: Option<&'static str>,
}

/// What the knock says.
#[derive(Serialize)]
pub(super) struct Fields {
    pub(super) user: String,
    pub(super) timestamp: u64,
    pub(super) version: String,
    #[serde(rename = "type")]
    pub(super) message_type: u8,
    pub(super) message: String,
    pub(super) nat: Option<String>,
    pub(super) client_timeout: Option<u32>,
    pub(super) digest: &'static str,
}

/// How a payload is said to have arrived.
pub(super) struct Arrival {
    pub(super) source: IpAddr,
    pub(super) destination: Option<IpAddr>,
    pub(super) transport: Transport,
    pub(super) port: Option<u16>,
}

impl Arrival {
    /// The datagram that holds this payload; without a destination one of the family of the source, without a port
    /// the first configured one.
    pub(super) fn datagram<'a>(&self, payload: &'a [u8], main: &Main) -> Result<Datagram<'a>, Failure> {
        let ours = if self.source.is_ipv6() {
            IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 2])
        } else {
            IpAddr::from([192, 0, 2, 2])
        };
        let destination = self.destination.unwrap_or(ours);
        if destination.is_ipv4() != self.source.is_ipv4() {
            return Err("source and destination are of different families".to_owned());
        }
        let first_port = main.ports.first().map_or(0, |range| *range.start());
        Ok(Datagram {
            source: self.source,
            destination,
            transport: self.transport,
            source_port: 0,
            destination_port: self.port.unwrap_or(first_port),
            payload,
        })
    }
}

/// Hands on what is said of each frame of a capture file, at its own time; `name` is what people call the file.
pub(super) fn explain_savefile(
    path: &Path,
    name: &str,
    explainer: &mut Explainer<'_>,
    mut each: impl FnMut(&Explanation) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut savefile = Savefile::open(path).map_err(|error| error.to_string())?;
    let mut number = 0_u64;
    while let Some(frame) = savefile.next() {
        let (unix, captured) = frame.map_err(|error| error.to_string())?;
        number += 1;
        let packet = format!("{name} frame {number}");
        let explanation = match captured {
            Ok(datagram) => explain(packet, &datagram, Clock { unix, given: true }, explainer),
            Err(reason) => Explanation {
                packet,
                captured: false,
                verdict: "refuse",
                reason: Some(reason.code()),
                format: None,
                access: None,
                awaits: None,
                stanzas: Vec::new(),
                fields: None,
                grants: Vec::new(),
            },
        };
        each(&explanation)?;
    }
    Ok(())
}

/// Puts one datagram through the engine; what hangs on the address of a name is a grant unless `resolve` finds a
/// reason against it.
pub(super) fn explain(packet: String, datagram: &Datagram<'_>, clock: Clock, with: &mut Explainer<'_>) -> Explanation {
    let mut stanzas = Vec::new();
    let place_of = |address| place_of(address, datagram);
    let mut verdict = with.engine.handle(datagram, clock, &place_of, &mut |access, outcome: Result<(), Reason>| {
        stanzas.push(StanzaReason { access: access.to_string(), reason: outcome.err().map(Reason::code) });
    });
    if with.resolve
        && let Some(pending) = verdict.awaits.take()
    {
        let addresses = resolver::addresses_of(pending.name()).unwrap_or_default();
        verdict = with.engine.resolved(pending, &addresses, clock, &place_of, &mut |access, outcome| {
            let asked = stanzas.iter_mut().find(|stanza| *stanza.access == **access);
            asked.into_iter().for_each(|stanza| stanza.reason = outcome.err().map(Reason::code));
        });
    }
    let awaits = verdict.awaits.as_ref();
    if awaits.is_some() {
        let waiting = stanzas.iter_mut().filter(|stanza| stanza.reason == Some(Reason::NatUnresolved.code()));
        waiting.for_each(|stanza| stanza.reason = None);
    }
    let reason = verdict.outcome.as_ref().err().copied().filter(|_| awaits.is_none());
    if reason.is_none() {
        with.engine.honoured(&verdict, clock);
    }
    Explanation {
        packet,
        captured: with.main.filter().matches(datagram) || with.main.listens_to(datagram),
        verdict: if reason.is_none() { "grant" } else { "refuse" },
        reason: reason.map(Reason::code),
        format: reason.is_none_or(|reason| reason.stage() > Stage::Outer).then_some("fwknop"),
        access: verdict.access.as_deref().map(str::to_owned),
        awaits: awaits.map(|pending| pending.name().to_owned()),
        stanzas,
        fields: fields(&verdict),
        grants: match (&verdict.outcome, awaits) {
            (_, Some(pending)) => grants_by_name(pending, datagram),
            (Ok(grant), None) => grants(grant, datagram),
            (Err(_), None) => Vec::new(),
        },
    }
}

/// What the knock says, where its keys fitted.
fn fields(verdict: &Verdict) -> Option<Fields> {
    verdict.fields.as_ref().map(|fields| Fields {
        user: fields.user.clone(),
        timestamp: fields.timestamp,
        version: fields.version.clone(),
        message_type: fields.message_type.number(),
        message: fields.message.clone(),
        nat: fields.nat.clone(),
        client_timeout: fields.client_timeout,
        digest: fields.digest_type.name(),
    })
}

impl Explanation {
    /// The refusal in words, with what helps.
    pub(super) fn words(&self) -> Option<&'static str> {
        let code = self.reason?;
        Reason::ALL.iter().find(|reason| reason.code() == code).map(|reason| reason.text())
    }
}
