//! The way of a knock behind the capture: engine, journal, firewall, log.

use std::net::IpAddr;
use std::time::Duration;

use super::again::Again;
use super::awaited::Awaited;
use super::clock::{since_boot, wall};
use super::closing::{Closing, Ended};
use super::facts::{Facts, Occasion, Why};
use super::logger::NOTICE;
use super::lookout::Lookout;
use super::lookup::Waiting;
use super::orders::{ENDED, Helper};
use super::own::Routes;
use super::report::{Refusal, Report};
use super::store::Store;
use crate::access::{Grant, Place};
use crate::capture::Datagram;
use crate::config::Config;
use crate::control::reply::Revoked;
use crate::control::ring::Kind;
use crate::engine::{Clock, Engine, Verdict};
use crate::firewall::{Event, Firewall, FirewallError, Kill};
use crate::limits::CLOSINGS_MAX;
use crate::reason::Reason;

/// All that a knock passes through behind the capture.
pub(super) struct Door {
    pub(super) engine: Engine,
    pub(super) store: Store,
    pub(super) firewall: Firewall,
    /// Who runs commands and looks names up, where any are.
    pub(super) helper: Option<Helper>,
    /// The grants whose end has a command run.
    pub(super) closing: Closing,
    /// The knocks that wait for the address of a name.
    pub(super) waiting: Waiting,
    pub(super) report: Report,
    pub(super) routes: Routes,
    /// Whether a guarded port is open already.
    pub(super) lookout: Lookout,
    /// Where knocks are awaited, for people.
    pub(super) awaited: Awaited,
    /// Whether people know that a knock would be honoured.
    ready: bool,
    /// Whether the ruleset was changed by ourselves since it was looked at.
    changed: bool,
    /// The wall clock when the captures were last looked at: one look serves all packets of a turn.
    pub(super) clock: Clock,
    /// The time since boot at that look.
    pub(super) now: Duration,
    /// The packet that was just refused as a replay.
    again: Option<Again>,
    /// Where memory was lost: by how many seconds the wall clock was ahead of the time since boot, at the most.
    ahead: Option<u64>,
}

impl Door {
    /// A door whose parts are ready.
    pub(super) fn new(
        engine: Engine,
        store: Store,
        firewall: Firewall,
        helper: Option<Helper>,
        routes: Routes,
        awaited: Awaited,
    ) -> Self {
        let now = since_boot();
        Self {
            engine,
            store,
            firewall,
            helper,
            closing: Closing::default(),
            waiting: Waiting::default(),
            report: Report::new(now),
            routes,
            lookout: Lookout::default(),
            awaited,
            ready: false,
            changed: false,
            clock: wall(),
            now,
            again: None,
            ahead: None,
        }
    }

    /// Takes over what a configuration says of the end of grants, also of those that live already.
    pub(super) fn configure(&mut self, config: &Config) {
        self.again = None;
        let now = since_boot();
        if !self.closing.configure(config, self.firewall.living(now), now) {
            log::warn!("there are more than {CLOSINGS_MAX} living grants with an on_close: some end without it");
        }
    }

    /// Looks at the clocks.
    pub(super) fn tick(&mut self) {
        (self.clock, self.now) = (wall(), since_boot());
        // It holds what the knock says.
        self.again.take_if(|again| again.is_over(self.clock));
        let ahead = self.clock.unix.saturating_sub(self.now.as_secs());
        // Both are cut to whole seconds; what NTP does in small steps, it does to both.
        if self.ahead.is_some_and(|most| ahead > most.saturating_add(1)) {
            self.ahead = Some(ahead);
            self.engine.settle_again(self.clock);
            self.store.settled(&self.engine, self.now);
        }
    }

    /// Takes note that memory was lost, and made up for by this clock: where that was late, as
    /// sysfixtime's is, it is to be made up for again when NTP has set it.
    pub(super) fn doubt(&mut self, clock: Clock) {
        self.ahead = Some(clock.unix.saturating_sub(self.now.as_secs()));
    }

    /// Says that knocks are awaited, or what they wait for.
    pub(super) fn announce(&mut self) {
        match self.firewall.missing() {
            Ok(missing) => match missing.iter().find(|missing| missing.refuses_knocks()) {
                None if !self.store.is_open() => {}
                // What is waited for was said when a device turned out not to be there.
                None => {
                    if let Some(awaited) = self.awaited.now() {
                        self.ready = true;
                        log::info!(target: NOTICE, "ready: knocks are awaited at {awaited}");
                        for missing in missing {
                            log::warn!("{missing}; until then, what `revoke --kill` ends may be taken up again");
                        }
                    }
                }
                Some(missing) => {
                    log::warn!("{missing}; knocks at {} are refused until it is there", self.awaited.all());
                }
            },
            Err(error) => log::warn!("{error}"),
        }
    }

    /// Says that knocks are awaited, if people do not know that and nothing is missing.
    fn announce_at_last(&mut self) {
        if !self.ready
            && self.firewall.missing().is_ok_and(|missing| !missing.iter().any(FirewallError::refuses_knocks))
        {
            self.announce();
        }
    }

    /// Knocks are heard on these devices from now on.
    pub(super) fn hear(&mut self, devices: Vec<String>) {
        let numbered = devices.iter().map(|device| (device.clone(), self.routes.index(device))).collect();
        self.lookout.heard(numbered, since_boot());
        self.awaited.hear(devices);
        self.ready &= self.awaited.now().is_some();
        self.announce_at_last();
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
        if let Some(again) = self.again.as_ref().filter(|again| again.is(&datagram, clock)) {
            let refusal = Refusal { verdict: Some(&again.verdict), knocker: Some(datagram.source), trouble: None };
            self.report.refused(Reason::Replay, &refusal, self.now, clock.unix);
            return;
        }
        let place_of = |address| self.routes.place_of(address);
        let mut verdict = self.engine.handle(&datagram, clock, &place_of, &mut |_, _| {});
        // A knock that waits may be honoured, as far as one knows after a crash.
        let honours = verdict.outcome.is_ok() || verdict.awaits.is_some();
        let honouring = verdict.access.as_deref().filter(|_| honours);
        self.again = Again::of(&datagram, clock, &verdict).or(self.again.take());
        let mut trouble = None;
        if let Some(entry) = verdict.entry
            && let Err(line) = self.store.record(entry, clock.unix, honouring, &self.engine)
            && honours
        {
            verdict.outcome = Err(Reason::Journal);
            verdict.awaits = None;
            trouble = Some(line);
        }
        match verdict.awaits.take() {
            Some(pending) => self.look_up(pending, datagram.source),
            None => self.conclude(verdict, datagram.source, trouble),
        }
    }

    /// The end of a knock that is remembered and judged: what it was granted opens, and people are told.
    pub(super) fn conclude(&mut self, mut verdict: Verdict, knocker: IpAddr, mut trouble: Option<String>) {
        let clock = self.clock;
        if let Ok(grant) = &verdict.outcome {
            let now = since_boot();
            let user = verdict.fields.as_ref().map(|fields| fields.user.as_str()).unwrap_or_default();
            match self.open(grant, user, knocker, now) {
                Ok(()) => {
                    self.engine.honoured(&verdict, clock);
                    self.store.honoured(now);
                    self.report.granted(grant, &verdict, knocker, clock.unix);
                }
                Err((reason, line)) => {
                    trouble = Some(line);
                    verdict.outcome = Err(reason);
                }
            }
        }
        if let Err(reason) = verdict.outcome {
            let refusal = Refusal { verdict: Some(&verdict), knocker: Some(knocker), trouble };
            self.report.refused(reason, &refusal, self.now, clock.unix);
        } else if !self.ready {
            self.announce();
        }
    }

    /// Opens what a one-time password earned, and tells people.
    pub(super) fn let_in(&mut self, grant: &Grant, visitor: IpAddr) -> Result<(), (Reason, String)> {
        self.open(grant, "", visitor, since_boot())?;
        self.report.let_in(grant, visitor, self.clock.unix);
        Ok(())
    }

    /// Opens what the grant opens, then has its command run. A door stays open although its `on_open` fails.
    fn open(&mut self, grant: &Grant, user: &str, knocker: IpAddr, now: Duration) -> Result<(), (Reason, String)> {
        let opens = !(grant.openings.is_empty() && grant.forwards.is_empty());
        let facts = Facts::of(grant, user, knocker);
        if opens {
            let closing = self.closing.granted(grant);
            if closing.as_ref().is_some_and(|granted| !self.closing.has_room(granted)) {
                return Err((Reason::ClosingFull, Reason::ClosingFull.text().to_owned()));
            }
            self.changed = true;
            self.firewall.grant(grant, now).map_err(|error| (error.reason(), error.to_string()))?;
            if let Some(granted) = closing {
                let end = self.firewall.until(&granted.1).unwrap_or(now);
                self.closing.remember(granted, facts.clone(), end);
            }
        }
        let Some(run) = &grant.command else { return Ok(()) };
        let facts = Facts { source: run.source.to_string(), ..facts };
        let occasion = if opens { Occasion::Open } else { Occasion::Asked };
        match self.order(&facts, &run.name, occasion) {
            Err(line) if opens => log::warn!("command {} of {} does not run: {line}", run.name, grant.access),
            Err(line) => return Err((Reason::Helper, line)),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Has the helper run a command.
    fn order(&mut self, facts: &Facts, command: &str, occasion: Occasion) -> Result<(), String> {
        match &mut self.helper {
            Some(helper) => helper.order(facts, command, occasion),
            None => Err("there is no helper process; restart the service".to_owned()),
        }
    }

    /// Has run what is to run at the end of grants. One that is gone before its time ended for the reason `early`.
    fn close(&mut self, early: Why) {
        let now = since_boot();
        let doubtful = self.closing.doubtful(now, |elements| self.firewall.until(elements));
        let asked = self.firewall.ask(doubtful, now);
        if let Err(error) = &asked {
            log::warn!("whether grants have ended cannot be told yet: {error}");
        }
        let firewall = &self.firewall;
        self.closing.look(now, early, asked.is_ok(), |elements| firewall.until(elements));
        for Ended { facts, command, why } in self.closing.take(now) {
            let Facts { access, source, .. } = &facts;
            log::info!("end {access}: a grant for {source} is {}, command {command} runs", why.name());
            if let Err(line) = self.order(&facts, &command, Occasion::Close(why)) {
                log::warn!("command {command} of {access} does not run: {line}");
            }
        }
    }

    /// Says what a stop leaves undone: the next daemon does not learn of these ends.
    pub(super) fn leave(&self) {
        let untold = self.closing.untold(since_boot());
        if untold > 0 {
            log::warn!("{untold} grants have ended whose on_close does not run any more");
        }
    }

    /// Says once that the helper has ended.
    pub(super) fn lose_helper(&mut self) {
        if let Some(helper) = &mut self.helper {
            helper.end();
            log::warn!("{ENDED}");
        }
    }

    /// Ends living grants, and with `kill` the connections that they let in; see [`Firewall::revoke_and_kill`].
    pub(super) fn revoke(
        &mut self,
        access: Option<&str>,
        source: Option<IpAddr>,
        kill: bool,
    ) -> Result<Revoked, String> {
        self.forget_revoked(access, source);
        self.changed = true;
        let now = since_boot();
        let ended = if kill {
            // Where that cannot be told, the connection may be one of those.
            let is_own = |address| matches!(self.routes.place_of(address), Place::Own | Place::Unknown);
            let ended = self.firewall.revoke_and_kill(access, source, now, &Kill::new(&is_own));
            ended.map(|(revoked, killed)| (revoked, Some(killed)))
        } else {
            self.firewall.revoke(access, source, now).map(|revoked| (revoked, None))
        };
        self.close(Why::Revoked);
        let (revoked, killed, failed) = match ended {
            Ok((revoked, killed)) => (revoked, killed, None),
            Err(unrevoked) if unrevoked.elements == 0 => return Err(unrevoked.to_string()),
            Err(unrevoked) => (unrevoked.elements, None, Some(unrevoked)),
        };
        let of = access.map(|access| format!(" of {access}")).unwrap_or_default();
        let for_whom = source.map(|source| format!(" for {source}")).unwrap_or_default();
        let and = killed.as_ref().map(|killed| format!(" and {} connections", killed.connections)).unwrap_or_default();
        let why = killed.as_ref().and_then(|killed| killed.why.clone());
        let but = match (&why, &failed) {
            (Some(why), _) => format!("; some may go on: {why}"),
            (None, Some(failed)) => format!("; others live on: {}", failed.error),
            (None, None) => String::new(),
        };
        let elements = if revoked == 1 { "element" } else { "elements" };
        let line = format!("revoked on request: {revoked} set {elements}{of}{for_whom}{and}{but}");
        log::info!("{line}");
        self.report.note(Kind::Revoke, self.clock.unix, access.map(str::to_owned), line);
        if let Some(failed) = failed {
            return Err(failed.to_string());
        }
        let resumable = killed.as_ref().map(|killed| killed.why.is_some());
        Ok(Revoked { revoked, killed: killed.map(|killed| killed.connections), resumable, why })
    }

    /// Keeps up with what others do to the ruleset; `readable` tells that somebody did something. A grant reads
    /// their news too, so after one there may be some although nothing is readable any more.
    pub(super) fn mind_the_firewall(&mut self, readable: bool) {
        if !std::mem::take(&mut self.changed) && !readable {
            if self.closing.due().is_some_and(|due| due <= self.now) {
                self.close(Why::Deleted);
            }
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
        self.close(Why::Deleted);
        if self.firewall.take_changed() {
            self.lookout.changed(since_boot());
        }
        self.announce_at_last();
    }
}
