//! What the one poll does for the desk: policy, firewall, log.

use std::sync::Arc;
use std::time::Duration;

use super::errand::{Done, Errand, Note, Want, Wish};
use super::front::ENDED;
use crate::access::login::{self, judge_login};
use crate::access::{Grant, Surroundings};
use crate::daemon::clock::{since_boot, wall};
use crate::daemon::run::Daemon;
use crate::firewall::grant::elements;
use crate::reason::Reason;

/// Errands of one turn; captures have theirs in between.
const TURN: usize = 16;

impl Daemon {
    /// Runs the desk's errands; `woken` tells that it rang.
    pub(in crate::daemon) fn mind_the_desk(&mut self, woken: bool) {
        if let Some(desk) = &mut self.desk
            && woken
            && desk.hush()
        {
            log::warn!("{ENDED}");
        }
        for _ in 0..TURN {
            let Some(Errand { number, until, want }) = self.desk.as_mut().and_then(super::Front::take) else { return };
            // What nobody waits for any more is not done behind the visitor's back.
            if since_boot() >= until {
                continue;
            }
            let done = self.run_errand(want);
            if let (Some(done), Some(desk)) = (done, &self.desk) {
                desk.reply(number, done);
            }
        }
    }

    /// Runs one errand; `None` where nobody waits for an answer.
    fn run_errand(&mut self, want: Want) -> Option<Done> {
        self.door.tick();
        Some(match want {
            Want::Judge(wish) => match self.judge_wish(&wish) {
                Ok(_) => Done::Allowed(self.unix()),
                Err(reason) => self.turn_away(&wish, reason, why(reason)),
            },
            Want::Weigh(wish) => {
                let _ = self.judge_wish(&wish);
                Done::Allowed(self.unix())
            }
            Want::Open(wish) => {
                let judged = self.judge_wish(&wish).map_err(|reason| (reason, why(reason).to_owned()));
                match judged.and_then(|grant| self.door.let_in(&grant, wish.visitor).map(|()| grant)) {
                    Ok(grant) => {
                        let left = self.left(&grant).unwrap_or(Duration::from_secs(grant.timeout.into()));
                        Done::Opened(grant, left)
                    }
                    Err((reason, line)) => self.turn_away(&wish, reason, &format!("{line}; the password is spent")),
                }
            }
            Want::Close { section, address } => match self.door.revoke(Some(&section), Some(address), false) {
                Ok(revoked) => Done::Closed(revoked.revoked),
                Err(line) => {
                    log::warn!("what {section} has open for {address} is not closed: {line}");
                    Done::Refused
                }
            },
            Want::Look(grant) => Done::Left(self.left(&grant)),
            Want::Renewed { section, visitor } => {
                self.door.report.renewed(&section, visitor, self.door.clock.unix);
                return None;
            }
            Want::Note(Note { section, visitor, code, text }) => {
                let (now, time) = (self.door.now, self.door.clock.unix);
                self.door.report.turned_away(section.as_deref(), code, &text, visitor, now, time);
                return None;
            }
        })
    }

    /// What the section's policy says.
    fn judge_wish(&self, wish: &Wish) -> Result<Grant, Reason> {
        let named = |otp: &&crate::config::Otp| otp.access.name == wish.section;
        // It was there when the desk looked; a reload may have taken it away.
        let otp = self.config.otp.iter().find(named).ok_or(Reason::PortNotAllowed)?;
        let place_of = |address| self.door.routes.place_of(address);
        let max_timeout = self.config.main.max_timeout;
        let world = Surroundings { max_timeout, forwarded_for: None, place_of: &place_of };
        let asked = login::Wish { visitor: wish.visitor, instead: wish.instead, ports: wish.ports.as_deref() };
        judge_login(otp, &Arc::from(wish.section.as_str()), asked, &world)
    }

    /// Says a refusal.
    fn turn_away(&mut self, wish: &Wish, reason: Reason, line: &str) -> Done {
        let (now, time) = (self.door.now, self.door.clock.unix);
        self.door.report.turned_away(Some(&wish.section), reason.code(), line, wish.visitor, now, time);
        Done::Refused
    }

    /// The wall clock, where it is set.
    fn unix(&self) -> Option<u64> {
        let clock = wall();
        self.door.engine.doubt(clock).is_none().then_some(clock.unix)
    }

    /// How long something of a grant is open still.
    fn left(&self, grant: &Grant) -> Option<Duration> {
        let until = self.door.firewall.until(&elements(grant).ok()?)?;
        let left = until.saturating_sub(since_boot());
        (!left.is_zero()).then_some(left)
    }
}

/// What a refusal by the section's policy means and what helps.
fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::AddressForbidden => {
            "that address is nobody's or the router's own, or may not be named: see `allow_override` and `override_range`"
        }
        Reason::PortNotAllowed => "a service was asked for that the section does not open",
        Reason::Family => "the section has nothing that can be opened for an address of this family",
        other => other.text(),
    }
}
