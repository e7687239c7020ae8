//! The way of a knock behind the capture: engine, journal, firewall, log.

use std::net::IpAddr;
use std::time::Duration;

use super::clock::{since_boot, wall};
use super::logger::NOTICE;
use super::orders::Helper;
use super::own::Routes;
use super::report::{Refusal, Report};
use super::store::Store;
use crate::access::Grant;
use crate::capture::{Datagram, Transport};
use crate::config::Config;
use crate::control::reply::Revoked;
use crate::control::ring::Kind;
use crate::engine::{Clock, Engine, Verdict};
use crate::firewall::{Event, Firewall, FirewallError};
use crate::reason::Reason;

/// All that a knock passes through behind the capture.
pub(super) struct Door {
    pub(super) engine: Engine,
    pub(super) store: Store,
    pub(super) firewall: Firewall,
    /// Who runs commands, where there are any.
    helper: Option<Helper>,
    pub(super) report: Report,
    pub(super) routes: Routes,
    /// Where knocks are awaited, for people.
    pub(super) awaited: String,
    /// Whether people know that a knock would be honoured.
    ready: bool,
    /// Whether the ruleset was changed by ourselves since it was looked at.
    changed: bool,
    /// The wall clock when the captures were last looked at: one look serves all packets of a turn.
    pub(super) clock: Clock,
    /// The time since boot at that look.
    pub(super) now: Duration,
}

impl Door {
    /// A door whose parts are ready.
    pub(super) fn new(
        engine: Engine,
        store: Store,
        firewall: Firewall,
        helper: Option<Helper>,
        routes: Routes,
        awaited: String,
    ) -> Self {
        let now = since_boot();
        Self {
            engine,
            store,
            firewall,
            helper,
            report: Report::new(now),
            routes,
            awaited,
            ready: false,
            changed: false,
            clock: wall(),
            now,
        }
    }

    /// Looks at the clocks.
    pub(super) fn tick(&mut self) {
        (self.clock, self.now) = (wall(), since_boot());
    }

    /// Says that knocks are awaited, or what they wait for.
    pub(super) fn announce(&mut self) {
        let awaited = &self.awaited;
        match self.firewall.missing() {
            Ok(missing) => match missing.iter().find(|missing| missing.refuses_knocks()) {
                None if !self.store.is_open() => {}
                None => {
                    self.ready = true;
                    log::info!(target: NOTICE, "ready: knocks are awaited at {awaited}");
                    for missing in missing {
                        log::warn!("{missing}; until then, what `revoke --kill` ends may be taken up again");
                    }
                }
                Some(missing) => log::warn!("{missing}; knocks at {awaited} are refused until it is there"),
            },
            Err(error) => log::warn!("{error}"),
        }
    }

    /// One captured frame goes the whole way.
    pub(super) fn knocked(&mut self, captured: Result<Datagram<'_>, Reason>) {
        let datagram = match captured {
            Ok(datagram) => datagram,
            Err(reason) => {
                self.report.refused(reason, &Refusal::default(), self.now, self.clock.unix);
                return;
            }
        };
        let clock = self.clock;
        let place_of = |address| self.routes.place_of(address);
        let mut verdict = self.engine.handle(&datagram, clock, &place_of, &mut |_, _| {});
        let honouring = verdict.outcome.as_ref().ok().map(|grant| &*grant.access);
        let mut trouble = None;
        if let Some(entry) = verdict.entry
            && let Err(line) = self.store.record(entry, clock.unix, honouring, &self.engine)
            && verdict.outcome.is_ok()
        {
            verdict.outcome = Err(Reason::Journal);
            trouble = Some(line);
        }
        if let Ok(grant) = &verdict.outcome {
            let now = since_boot();
            match self.open(grant, &verdict, datagram.source, now) {
                Ok(()) => {
                    self.engine.honoured(&verdict, clock);
                    self.store.honoured(now);
                    self.report.granted(grant, &verdict, datagram.source, clock.unix);
                }
                Err((reason, line)) => {
                    trouble = Some(line);
                    verdict.outcome = Err(reason);
                }
            }
        }
        if let Err(reason) = verdict.outcome {
            let refusal = Refusal { verdict: Some(&verdict), knocker: Some(datagram.source), trouble };
            self.report.refused(reason, &refusal, self.now, clock.unix);
        } else if !self.ready {
            self.announce();
        }
    }

    /// Opens what the grant opens, then has its command run. A door stays open although its `on_open` fails.
    fn open(
        &mut self,
        grant: &Grant,
        verdict: &Verdict,
        knocker: IpAddr,
        now: Duration,
    ) -> Result<(), (Reason, String)> {
        let opens = !(grant.openings.is_empty() && grant.forwards.is_empty());
        if opens {
            self.changed = true;
            self.firewall.grant(grant, now).map_err(|error| (error.reason(), error.to_string()))?;
        }
        let Some(run) = &grant.command else { return Ok(()) };
        let user = verdict.fields.as_ref().map(|fields| fields.user.as_str()).unwrap_or_default();
        let ordered = match &mut self.helper {
            Some(helper) => helper.order(grant, run, user, knocker),
            None => Err("there is no helper process; restart the service".to_owned()),
        };
        match ordered {
            Err(line) if opens => log::warn!("command {} of {} does not run: {line}", run.name, grant.access),
            Err(line) => return Err((Reason::Helper, line)),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Ends living grants, and with `kill` the connections that they let in; see [`Firewall::revoke_and_kill`].
    pub(super) fn revoke(
        &mut self,
        access: Option<&str>,
        source: Option<IpAddr>,
        kill: bool,
    ) -> Result<Revoked, String> {
        self.changed = true;
        let now = since_boot();
        let ended = if kill {
            self.firewall.revoke_and_kill(access, source, now).map(|(revoked, killed)| (revoked, Some(killed)))
        } else {
            self.firewall.revoke(access, source, now).map(|revoked| (revoked, None))
        };
        let (revoked, killed) = ended.map_err(|error| error.to_string())?;
        let of = access.map(|access| format!(" of {access}")).unwrap_or_default();
        let for_whom = source.map(|source| format!(" for {source}")).unwrap_or_default();
        let and = killed.as_ref().map(|killed| format!(" and {} connections", killed.connections)).unwrap_or_default();
        let why = killed.as_ref().and_then(|killed| killed.why.clone());
        let but = why.as_ref().map(|why| format!("; some may go on: {why}")).unwrap_or_default();
        let line = format!("revoked on request: {revoked} set elements{of}{for_whom}{and}{but}");
        log::info!("{line}");
        self.report.note(Kind::Revoke, self.clock.unix, access.map(str::to_owned), line);
        let resumable = killed.as_ref().map(|killed| killed.why.is_some());
        Ok(Revoked { revoked, killed: killed.map(|killed| killed.connections), resumable, why })
    }

    /// Keeps up with what others do to the ruleset; `readable` tells that somebody did something. A grant reads
    /// their news too, so after one there may be some although nothing is readable any more.
    pub(super) fn mind_the_firewall(&mut self, readable: bool) {
        if !std::mem::take(&mut self.changed) && !readable {
            return;
        }
        for event in self.firewall.on_events(since_boot()) {
            self.ready &= event != Event::TableGone;
            log::warn!("{event}");
            let (kind, access) = match &event {
                Event::Revoked(_, access) => (Kind::Revoke, Some(access.clone())),
                _ => (Kind::Firewall, None),
            };
            self.report.note(kind, self.clock.unix, access, event.to_string());
        }
        if !self.ready
            && self.firewall.missing().is_ok_and(|missing| !missing.iter().any(FirewallError::refuses_knocks))
        {
            self.announce();
        }
    }
}

/// Ports, transports and devices, for people.
pub(super) fn awaited(config: &Config, devices: &[String]) -> String {
    let transports = config.main.transports.iter().map(|transport| match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Icmp => "icmp",
    });
    let ports = config.main.ports.iter().map(|range| match (range.start(), range.end()) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    });
    let http = config.main.http.map(|_| "http");
    let (transports, ports) = (transports.chain(http).collect::<Vec<_>>(), ports.collect::<Vec<_>>());
    let listener =
        config.main.tcp_listen.map(|port| format!(", and by the listener at tcp {port}")).unwrap_or_default();
    format!("{} {} on {}{listener}", transports.join(","), ports.join(","), devices.join(", "))
}
