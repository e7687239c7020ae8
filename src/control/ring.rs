//! What happened lately: a bounded memory of grants, refusals of genuine knocks, and changes by hand.

use std::collections::VecDeque;
use std::net::IpAddr;

use serde::Serialize;

use super::EVENTS_MAX;

/// Refusals that may push out something else: whoever plays old knocks again must not wipe the memory of grants.
const REFUSALS_MAX: usize = EVENTS_MAX / 2;

/// What kind of event it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A knock opened something.
    Grant,
    /// A genuine knock opened nothing.
    Refuse,
    /// A grant ended before its time.
    Revoke,
    /// The configuration was read again.
    Reload,
    /// Somebody changed the firewall.
    Firewall,
    /// A new chain of one-time passwords was begun with the last one.
    Renew,
}

/// One event; what does not apply is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Counts up from 0 since the daemon's start.
    pub number: u64,
    /// The router's wall clock, in Unix seconds.
    pub time: u64,
    /// What kind of event it was.
    pub kind: Kind,
    /// The stanza.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
    /// The user that the knock named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where the packet came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// For which address or network the grant is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What the grant opened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub opened: Vec<String>,
    /// The grant's life, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// What a refused knock asked for, as it says itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// The code of the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The rest, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Event {
    /// An event of which only the kind and the time are known; the ring gives it its number.
    #[must_use]
    pub fn new(kind: Kind, time: u64) -> Self {
        Self {
            number: 0,
            time,
            kind,
            access: None,
            user: None,
            from: None,
            source: None,
            opened: Vec::new(),
            timeout: None,
            asked: None,
            reason: None,
            text: None,
        }
    }
}

/// The last [`EVENTS_MAX`] events.
#[derive(Debug, Default)]
pub struct Ring {
    events: VecDeque<Event>,
    refusals: usize,
    next: u64,
}

impl Ring {
    /// Remembers an event and forgets one where there are too many: the oldest, or the oldest refusal where most
    /// are refusals.
    pub fn push(&mut self, mut event: Event) {
        if self.events.len() >= EVENTS_MAX {
            let is_refusal = |event: &Event| event.kind == Kind::Refuse;
            let place = if self.refusals > REFUSALS_MAX { self.events.iter().position(is_refusal) } else { None };
            if self.events.remove(place.unwrap_or(0)).as_ref().is_some_and(is_refusal) {
                self.refusals = self.refusals.saturating_sub(1);
            }
        }
        if event.kind == Kind::Refuse {
            self.refusals = self.refusals.saturating_add(1);
        }
        event.number = self.next;
        self.next = self.next.wrapping_add(1);
        self.events.push_back(event);
    }

    /// The number that the next event will have.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The events from this number on, as far as they are remembered, oldest first.
    pub fn since(&self, number: u64) -> impl Iterator<Item = &Event> {
        let start = self.events.partition_point(|event| event.number < number);
        self.events.range(start..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_bounded_and_counts_on() {
        let mut ring = Ring::default();
        for time in 0..1000 {
            ring.push(Event::new(Kind::Grant, time));
        }
        let kept: Vec<_> = ring.since(0).map(|event| (event.number, event.time)).collect();
        assert_eq!((kept.len(), kept[0], kept[255]), (256, (744, 744), (999, 999)));
        assert_eq!((ring.next(), ring.since(990).count(), ring.since(1000).count()), (1000, 10, 0));
    }

    #[test]
    fn refusals_do_not_wipe_the_memory_of_grants() {
        let mut ring = Ring::default();
        for time in 0..100 {
            ring.push(Event::new(Kind::Grant, time));
        }
        for time in 100..10_000 {
            ring.push(Event::new(Kind::Refuse, time));
        }
        assert_eq!(ring.since(0).filter(|event| event.kind == Kind::Grant).count(), 100);
        for time in 0..300 {
            ring.push(Event::new(Kind::Grant, time));
        }
        assert_eq!((ring.since(0).count(), ring.events.len()), (256, 256));
        assert_eq!(ring.refusals, ring.since(0).filter(|event| event.kind == Kind::Refuse).count());
    }
}
