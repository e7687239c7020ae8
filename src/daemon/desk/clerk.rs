//! What is answered to whom: the visit first, then the form, then the policy, and only then the password.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::errand::{Done, Note, Want, Wish};
use super::house::Host;
use super::snapshot::Snapshot;
use super::tickets::{Kept, Tickets};
use super::tokens::Tokens;
use super::{Rules, visit};
use crate::access::Grant;
use crate::config::{Otp, Page};
use crate::daemon::clock::wall;
use crate::daemon::report;
use crate::net::Port;
use crate::otp::desk::{Attempt, Desk, Refused};
use crate::otp::store::{Accepted, Refusal};
use crate::web::wire::{Answer, Ask, Form, Login, Opened, Outcome, VERSION, What};

/// Where the one poll did not answer in time.
const NOBODY_ANSWERS: &str = "the rest of the daemon was too busy to answer in time";

/// The clerk at the desk.
#[derive(Debug)]
pub(super) struct Clerk<H> {
    rules: Arc<Rules>,
    desk: Desk,
    tokens: Tokens,
    tickets: Tickets,
    house: H,
    accepted: u32,
    refused: u32,
}

impl<H: Host> Clerk<H> {
    pub(super) fn new(rules: Arc<Rules>, desk: Desk, tokens: Tokens, house: H) -> Self {
        Self { rules, desk, tokens, tickets: Tickets::default(), house, accepted: 0, refused: 0 }
    }

    /// Who does what the desk cannot.
    pub(super) fn house(&self) -> &H {
        &self.house
    }

    /// Goes on by another configuration.
    pub(super) fn configure(&mut self, rules: Arc<Rules>) {
        self.rules = rules;
    }

    /// Forgets what was tried at this user's.
    pub(super) fn forgive(&mut self, user: &str) {
        self.desk.throttle().forget(user);
    }

    /// How it is.
    pub(super) fn snapshot(&mut self, now: Duration) -> Snapshot {
        let throttle = self.desk.throttle();
        let (paused, throttled) = (throttle.paused(now), throttle.waiting(now));
        Snapshot { paused, throttled, accepted: self.accepted, refused: self.refused }
    }

    /// Answers a question that came at this time since boot.
    pub(super) fn answer(&mut self, ask: &Ask, now: Duration) -> Answer {
        let rules = Arc::clone(&self.rules);
        let tls = ask.visit.tls;
        let Some(page) = rules.page.as_ref().filter(|_| !rules.otp.is_empty()) else {
            return Answer { v: VERSION, visitor: None, tls, outcome: Outcome::Off };
        };
        let visitor = visit::visitor(page, &ask.visit);
        let outcome = self.outcome(&rules, page, ask, visitor, now);
        Answer { v: VERSION, visitor, tls, outcome }
    }

    fn outcome(&mut self, rules: &Rules, page: &Page, ask: &Ask, visitor: Option<IpAddr>, now: Duration) -> Outcome {
        if !visit::is_our_host(page, &ask.visit) {
            return Outcome::Host;
        }
        if !visit::is_private(page, &ask.visit) {
            return Outcome::Plain;
        }
        let Some(visitor) = visitor else {
            let text = "the proxy does not say whom it stands for: X-Forwarded-For is missing, or names no address";
            self.note(None, ask.visit.peer, "otp_proxy", text.to_owned());
            return Outcome::Malformed;
        };
        match &ask.what {
            What::Entry => Outcome::Entry,
            What::Form { user } => self.form(rules, user, visitor, now).map_or(Outcome::Refused, Outcome::Form),
            What::Login(login) => self.login(rules, login, visitor, now),
            What::Ticket { ticket } => self.look(ticket, now),
            What::Close { ticket } => self.close(ticket, now),
        }
    }

    /// The form for a name; none where the store has trouble.
    fn form(&mut self, rules: &Rules, user: &str, visitor: IpAddr, now: Duration) -> Option<Form> {
        let shown = self.desk.challenge(user, &names(rules), wall().unix);
        let shown = shown.and_then(|challenge| Ok((challenge, self.shown(rules, user)?)));
        let (challenge, otp) = match shown {
            Ok((challenge, otp)) => (challenge.to_string(), otp?),
            Err(refusal) => {
                let refused = Refused::Store(refusal);
                self.note(section(rules, user), visitor, refused.code(), refused.text());
                return None;
            }
        };
        let Otp { access, allow_override, .. } = otp;
        Some(Form {
            user: user.to_owned(),
            challenge,
            services: otp.services().iter().map(Port::to_string).collect(),
            may_override: *allow_override,
            timeout: access.timeout,
            token: self.tokens.token(visitor, now),
        })
    }

    /// The section of a name, or the one that it seems to be.
    fn shown<'a>(&self, rules: &'a Rules, user: &str) -> Result<Option<&'a Otp>, Refusal> {
        if let Some(known) = section(rules, user) {
            return Ok(Some(known));
        }
        Ok(self.desk.like(user, &names(rules))?.and_then(|other| section(rules, other)))
    }

    fn login(&mut self, rules: &Rules, login: &Login, visitor: IpAddr, now: Duration) -> Outcome {
        if !self.tokens.is_of(&login.token, visitor, now) {
            return self.form(rules, &login.user, visitor, now).map_or(Outcome::Refused, Outcome::Stale);
        }
        let Ok(instead) = login.address.as_deref().map(|text| text.trim().parse()).transpose() else {
            return self.form(rules, &login.user, visitor, now).map_or(Outcome::Refused, Outcome::Address);
        };
        let Ok(ports) =
            login.services.as_ref().map(|ports| ports.iter().map(|port| port.parse()).collect()).transpose()
        else {
            return Outcome::Malformed;
        };
        let section = section(rules, &login.user);
        let ports = if login.sign_off { None } else { ports };
        let wish = Wish { section: login.user.clone(), visitor, instead, ports };
        // What the section forbids spends no password. For a name that nobody has, another section is asked, lest the
        // time that it takes tells who is known.
        let want = match (section, self.shown(rules, &login.user)) {
            (Some(_), _) => Want::Judge(wish.clone()),
            (None, Ok(Some(like))) => Want::Weigh(Wish { section: like.access.name.clone(), ..wish.clone() }),
            (None, Ok(None)) => return self.refuse(),
            (None, Err(refusal)) => {
                let refused = Refused::Store(refusal);
                self.note(None, visitor, refused.code(), refused.text());
                return self.refuse();
            }
        };
        let unix = match self.house.ask(want) {
            Some(Done::Allowed(clock)) => clock,
            Some(_) => {
                self.desk.pretend(login.response.text());
                return self.refuse();
            }
            None => return self.nobody_answers(section, visitor),
        };
        let (user, text) = (login.user.as_str(), login.response.text());
        match self.desk.verify(&Attempt { user, section, text, source: visitor, boot: now, unix }) {
            Ok(accepted) => {
                self.accepted = self.accepted.saturating_add(1);
                // Also where nothing opens or something is closed: it is how a thief would stay.
                if accepted.renewed {
                    self.house.tell(Want::Renewed { section: login.user.clone(), visitor });
                }
                if login.sign_off { self.sign_off(&wish) } else { self.open(wish, &accepted, section, now) }
            }
            Err(refused) => {
                self.note(section, visitor, refused.code(), refused.text());
                self.refuse()
            }
        }
    }

    /// Opens what a password is good for that was right and is spent by now.
    fn open(&mut self, wish: Wish, accepted: &Accepted, section: Option<&Otp>, now: Duration) -> Outcome {
        let (user, address, visitor) = (wish.section.clone(), wish.address(), wish.visitor);
        let (grant, left) = match self.house.ask(Want::Open(wish)) {
            Some(Done::Opened(grant, left)) => (grant, left),
            Some(_) => return Outcome::Spent,
            None => {
                self.note(section, visitor, "otp_busy", format!("{NOBODY_ANSWERS}; the password is spent"));
                return Outcome::Spent;
            }
        };
        let kept = Kept { user, address, grant: grant.clone(), until: now.saturating_add(left) };
        let user = kept.user.clone();
        // Without random bytes there is no ticket; what is open closes by itself.
        let ticket = self.tickets.give(kept, now).unwrap_or_default();
        let passwords_left = accepted.left.map(u32::from);
        Outcome::Opened(Opened { passwords_left, new_chain: accepted.renewed, ..opened(user, &grant, left, ticket) })
    }

    /// Closes what the user has open for the address.
    fn sign_off(&mut self, wish: &Wish) -> Outcome {
        self.end(&wish.section, wish.address()).map_or(Outcome::Spent, |count| Outcome::Closed { count })
    }

    /// What a ticket's grant has open still.
    fn look(&mut self, ticket: &str, now: Duration) -> Outcome {
        let Some(kept) = self.tickets.find(ticket, now) else { return Outcome::Gone };
        let (user, grant) = (kept.user.clone(), kept.grant.clone());
        match self.house.ask(Want::Look(grant.clone())) {
            Some(Done::Left(Some(left))) => Outcome::Opened(opened(user, &grant, left, ticket.to_owned())),
            Some(_) => Outcome::Gone,
            None => Outcome::Busy,
        }
    }

    /// Closes what a ticket's grant has open.
    fn close(&mut self, ticket: &str, now: Duration) -> Outcome {
        let Some(kept) = self.tickets.find(ticket, now) else { return Outcome::Gone };
        let (section, address) = (kept.user.clone(), kept.address);
        self.end(&section, address).map_or(Outcome::Busy, |count| Outcome::Closed { count })
    }

    /// Ends what a section has open for an address, and the tickets for it; `None` where nobody could say that it is.
    fn end(&mut self, section: &str, address: IpAddr) -> Option<u32> {
        match self.house.ask(Want::Close { section: section.to_owned(), address })? {
            Done::Closed(count) => {
                self.tickets.end(section, address);
                Some(u32::try_from(count).unwrap_or(u32::MAX))
            }
            _ => None,
        }
    }

    fn nobody_answers(&mut self, section: Option<&Otp>, visitor: IpAddr) -> Outcome {
        self.note(section, visitor, "otp_busy", NOBODY_ANSWERS.to_owned());
        self.refuse()
    }

    fn refuse(&mut self) -> Outcome {
        self.refused = self.refused.saturating_add(1);
        Outcome::Refused
    }

    fn note(&mut self, section: Option<&Otp>, visitor: IpAddr, code: &'static str, text: String) {
        let section = section.map(|otp| otp.access.name.clone());
        self.house.tell(Want::Note(Note { section, visitor, code, text }));
    }
}

/// The section of this name.
fn section<'a>(rules: &'a Rules, name: &str) -> Option<&'a Otp> {
    rules.otp.iter().find(|otp| otp.access.name == name)
}

/// The names of all sections.
fn names(rules: &Rules) -> Vec<&str> {
    rules.otp.iter().map(|otp| otp.access.name.as_str()).collect()
}

/// What is open, for people.
fn opened(user: String, grant: &Grant, left: Duration, ticket: String) -> Opened {
    Opened {
        user,
        source: report::source(grant),
        opened: report::doors(grant),
        seconds: u32::try_from(left.as_secs()).unwrap_or(u32::MAX),
        passwords_left: None,
        ticket,
        new_chain: false,
    }
}

#[cfg(test)]
mod tests;
