//! Knocks that wait for the address of a host name: asked of the helper, judged when it answers, refused in time.

use std::net::IpAddr;
use std::time::Duration;

use super::door::Door;
use super::orders::Heard;
use crate::engine::{Pending, Verdict};
use crate::limits::{LOOKUP_TIME, LOOKUPS_EACH_MAX, LOOKUPS_MAX};
use crate::reason::Reason;

/// How long a knock waits: a little longer than the helper lets a look-up take.
const PATIENCE: Duration = Duration::from_secs(LOOKUP_TIME + 1);

/// A knock, and who sent it.
struct Waiter {
    id: u32,
    pending: Pending,
    knocker: IpAddr,
    until: Duration,
}

/// All that wait, the oldest first.
#[derive(Default)]
pub(super) struct Waiting {
    waiters: Vec<Waiter>,
    last_id: u32,
}

impl Waiting {
    /// Whether one more may wait, or why not.
    fn has_room(&self, pending: &Pending) -> Result<(), String> {
        if self.waiters.len() >= LOOKUPS_MAX {
            return Err(format!("{LOOKUPS_MAX} knocks wait for a name already"));
        }
        let of = |stanza: &str| {
            self.waiters.iter().filter(|waiter| waiter.pending.stanzas().any(|name| name == stanza)).count()
        };
        match pending.stanzas().find(|stanza| of(stanza) >= LOOKUPS_EACH_MAX) {
            Some(stanza) => Err(format!("{LOOKUPS_EACH_MAX} knocks of {stanza} wait for a name already")),
            None => Ok(()),
        }
    }
}

impl Door {
    /// When the next knock has waited long enough; absent where none waits.
    pub(super) fn lookup_due(&self) -> Option<Duration> {
        self.waiting.waiters.first().map(|waiter| waiter.until)
    }

    /// Has the name looked up, without waiting for anything; or refuses the knock at once.
    pub(super) fn look_up(&mut self, pending: Pending, knocker: IpAddr) {
        let waiting = &mut self.waiting;
        waiting.last_id = waiting.last_id.wrapping_add(1);
        let id = waiting.last_id;
        let asked = waiting.has_room(&pending).and_then(|()| match &mut self.helper {
            Some(helper) => helper.look_up(id, pending.name()),
            None => Err("there is no helper process; restart the service".to_owned()),
        });
        match asked {
            Ok(()) => {
                log::debug!("{} is looked up, knock from {knocker}", pending.name());
                waiting.waiters.push(Waiter { id, pending, knocker, until: self.now.saturating_add(PATIENCE) });
            }
            Err(line) => self.settle(pending, knocker, &[], Some(line)),
        }
    }

    /// Takes the helper's answers, and refuses who has waited long enough.
    pub(super) fn mind_the_lookups(&mut self) {
        while !self.waiting.waiters.is_empty() {
            let Some(helper) = &mut self.helper else { break };
            match helper.hear() {
                Heard::Nothing => break,
                Heard::Answer(answer) => {
                    let waiters = &mut self.waiting.waiters;
                    // An answer that nobody waits for any more came too late.
                    if let Some(place) = waiters.iter().position(|waiter| waiter.id == answer.id) {
                        let Waiter { pending, knocker, .. } = waiters.remove(place);
                        self.settle(pending, knocker, &answer.addresses, None);
                    }
                }
                Heard::End(line) => {
                    self.forget_lookups(&line);
                    break;
                }
            }
        }
        while self.waiting.waiters.first().is_some_and(|waiter| waiter.until <= self.now) {
            let Waiter { pending, knocker, .. } = self.waiting.waiters.remove(0);
            self.settle(pending, knocker, &[], Some("the helper process does not answer".to_owned()));
        }
    }

    /// Refuses those that wait for what is revoked: of a stanza, for an address, of both, or all.
    pub(super) fn forget_revoked(&mut self, access: Option<&str>, source: Option<IpAddr>) {
        let is_it = |waiter: &mut Waiter| {
            access.is_none_or(|access| waiter.pending.stanzas().any(|stanza| stanza == access))
                && source.is_none_or(|source| waiter.pending.is_for(source))
        };
        let revoked: Vec<Waiter> = self.waiting.waiters.extract_if(.., is_it).collect();
        for Waiter { pending, knocker, .. } in revoked {
            self.settle(pending, knocker, &[], Some("revoked on request meanwhile".to_owned()));
        }
    }

    /// Refuses all that wait, because what they wait for will not come.
    pub(super) fn forget_lookups(&mut self, why: &str) {
        for Waiter { pending, knocker, .. } in std::mem::take(&mut self.waiting.waiters) {
            self.settle(pending, knocker, &[], Some(why.to_owned()));
        }
    }

    /// Goes on with a knock whose name stands for these addresses.
    fn settle(&mut self, pending: Pending, knocker: IpAddr, addresses: &[IpAddr], trouble: Option<String>) {
        let name = pending.name().to_owned();
        let place_of = |address| self.routes.place_of(address);
        let verdict: Verdict = self.engine.resolved(pending, addresses, self.clock, &place_of, &mut |_, _| {});
        let trouble = trouble.map(|line| format!("{name}: {line}")).or_else(|| match verdict.outcome {
            Err(reason @ (Reason::NatTarget | Reason::NatUnresolved)) => Some(why(&name, addresses, reason)),
            _ => None,
        });
        self.conclude(verdict, knocker, trouble);
    }
}

/// A refusal's words, with the name and what it stands for.
fn why(name: &str, addresses: &[IpAddr], reason: Reason) -> String {
    let found = match addresses {
        [] => String::new(),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            format!(" is {first}{more}")
        }
    };
    format!("{name}{found}: {}", reason.text())
}
