//! What the running daemon answers to each request of the control socket.

use super::clock::{since_boot, wall};
use super::orders::{ENDED, Helper};
use super::reload::Refusal;
use super::run::Daemon;
use crate::config::FirewallMode;
use crate::control::GRANTS_PAGE;
use crate::control::reply::{self, Clock, Events, Exposed, Grant, Grants, Refused, Reply, Status};
use crate::control::request::Request;
use crate::control::server::Answer;
use crate::limits::REPLAY_MAX;

impl Daemon {
    /// Answers one request.
    pub(super) fn answer(&mut self, request: Request) -> Answer {
        let line = match request {
            Request::Status => Reply::good(self.status()).line(),
            Request::Grants { skip } => Reply::good(self.grants(skip)).line(),
            Request::Events { follow } => return self.events(follow),
            Request::Revoke { access, source, kill } => match self.door.revoke(access.as_deref(), source, kill) {
                Ok(revoked) => match access.filter(|access| revoked.revoked == 0 && !self.knows(access)) {
                    Some(unknown) => reply::error(format!(
                        "no enabled access stanza and nothing open is called '{unknown}': nothing was revoked; \
                         `spa-knockd grants` lists what is open"
                    )),
                    None => Reply::good(revoked).line(),
                },
                Err(words) => reply::error(words),
            },
            Request::Reload => match self.reload() {
                Ok(reloaded) => Reply::good(reloaded).line(),
                Err(Refusal { faults, restart }) => {
                    let error = "the configuration stays as it was".to_owned();
                    Reply::bad(Refused { error, faults, restart }).line()
                }
            },
        };
        Answer { line, follow: None }
    }

    /// Whether a stanza, or what one opened before it went away, has this name.
    fn knows(&self, access: &str) -> bool {
        let mut living = self.door.firewall.living(since_boot());
        self.config.access.iter().any(|known| known.name == access) || living.any(|grant| grant.access == access)
    }

    fn status(&mut self) -> Status {
        self.door.mind_the_firewall(true);
        self.door.look_out(since_boot(), true);
        let devices = self.ears.devices();
        let wall = wall();
        let door = &mut self.door;
        let why = door.engine.doubt(wall);
        let missing = door.firewall.missing().unwrap_or_else(|error| vec![error]);
        let (refusing, rest): (Vec<_>, Vec<_>) = missing.iter().partition(|missing| missing.refuses_knocks());
        let mut not_ready: Vec<String> = refusing.iter().map(ToString::to_string).collect();
        let warnings = rest.iter().map(ToString::to_string).collect();
        if !door.store.is_open() {
            not_ready.push("the journal in the run directory cannot be written".to_owned());
        }
        if door.helper.as_ref().is_some_and(Helper::has_ended) {
            not_ready.push(ENDED.to_owned());
        }
        not_ready
            .extend(devices.iter().filter_map(|device| Some(format!("{}: {}", device.device, device.why.as_ref()?))));
        if let Some(why) = why.filter(|_| self.config.main.max_age > 0) {
            not_ready.push(format!("the clock is not set: {why}"));
        }
        let now = since_boot();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime: now.saturating_sub(self.started).as_secs(),
            config: self.path.display().to_string(),
            ready: not_ready.is_empty(),
            not_ready,
            warnings,
            clock: Clock { unix: wall.unix, set: why.is_none(), why },
            awaited: door.awaited.all(),
            networks: self.config.main.networks.clone(),
            devices,
            firewall: match self.config.main.firewall {
                FirewallMode::Fw4 => "fw4",
                FirewallMode::Standalone => "standalone",
            },
            exposed: door.lookout.seen.open.iter().map(Exposed::from).collect(),
            not_examined: door.lookout.seen.not_examined.clone(),
            stanzas: door.engine.stanzas(),
            honoured: door.report.honoured(),
            refused: door.report.refused_by_code(),
            grants: door.firewall.living(now).count(),
            remembered: door.engine.remembered(),
            remembered_max: REPLAY_MAX,
            sandbox: self.sandbox.clone(),
        }
    }

    /// A page of the living grants, after others' changes of the sets were taken in.
    fn grants(&mut self, skip: usize) -> Grants<'_> {
        self.door.mind_the_firewall(true);
        let now = since_boot();
        let living = || self.door.firewall.living(now);
        Grants {
            total: living().count(),
            skip,
            grants: living().skip(skip).take(GRANTS_PAGE).map(Grant::from).collect(),
        }
    }

    fn events(&self, follow: bool) -> Answer {
        let ring = self.door.report.events();
        let line = Reply::good(Events { events: ring.since(0).collect() }).line();
        Answer { line, follow: follow.then_some(ring.next()) }
    }
}
