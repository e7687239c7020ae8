//! Which living grants have a command run at their end (`on_close`), and which of them have ended.
//!
//! A grant ends when the last of its elements is gone, whoever's name it bears by then: another knock may have made
//! it live longer. So a record knows its elements, and until when they live is asked of the firewall.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::facts::{Facts, Why};
use crate::access::Grant;
use crate::config::Config;
use crate::firewall::{Element, LivingGrant, Set, grant};
use crate::limits::CLOSINGS_MAX;
use crate::sorted::{SortedMap, once_each};

/// How long after a grant's last moment, by our clock, the kernel is asked whether it is over: the kernel's begins a
/// little later, and goes by ticks.
const MARGIN: Duration = Duration::from_millis(100);

/// How long until the kernel is asked again where it gave no answer.
const RETRY: Duration = Duration::from_secs(1);

/// How many commands the helper is told in one go, and how long it then gets to read them.
const BATCH: usize = 32;
const PAUSE: Duration = Duration::from_millis(100);

/// What was granted: the stanza and the elements, in their order.
pub(super) type Granted = (Arc<str>, Vec<Element>);

/// What a stanza has run at the end of its grants.
#[derive(Debug)]
struct Hook {
    command: String,
    match_destination: bool,
}

/// A living grant.
#[derive(Debug)]
struct Record {
    facts: Facts,
    /// When its last element ends, as far as is known; [`Duration::MAX`] where somebody took its timeout away.
    end: Duration,
    /// When the kernel is to be asked.
    due: Duration,
}

impl Record {
    /// Whether the grant seems to be over, where the last of its elements lives until then: it went before its time,
    /// or its time is up by a margin.
    fn is_over(&self, now: Duration, until: Option<Duration>) -> bool {
        until.is_none_or(|end| end <= now) && (now < self.end || now >= self.due)
    }
}

/// The stanza and the sources of an element.
fn whose<'a>(living: &LivingGrant<'a>) -> (&'a str, IpAddr, IpAddr) {
    (living.access, living.element.first, living.element.last)
}

/// A grant that has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) facts: Facts,
    pub(super) command: String,
    pub(super) why: Why,
}

/// All grants whose end matters.
#[derive(Debug, Default)]
pub(super) struct Closing {
    hooks: SortedMap<String, Hook>,
    records: SortedMap<Granted, Record>,
    /// What ended and of which the helper does not know yet.
    ended: VecDeque<Ended>,
    due: Option<Duration>,
}

impl Closing {
    /// Takes over what a configuration says. Of stanzas that have a command for the end only now, the elements that
    /// live are taken for grants: what one source has and what ends together is one. Whether there was room for all.
    pub(super) fn configure<'a>(
        &mut self,
        config: &Config,
        living: impl Iterator<Item = LivingGrant<'a>>,
        now: Duration,
    ) -> bool {
        let with = config.access.iter().filter_map(|access| {
            let command = access.commands.on_close.clone()?;
            Some((access.name.clone(), Hook { command, match_destination: access.match_destination }))
        });
        let old = std::mem::replace(&mut self.hooks, with.collect());
        self.records.retain(|(access, _), _| self.hooks.contains_key(&**access));
        let is_new = |access: &str| self.hooks.contains_key(access) && !old.contains_key(access);
        let mut elements: Vec<LivingGrant<'a>> =
            living.filter(|living| is_new(living.access) && living.remaining != Duration::MAX).collect();
        elements.sort_by_key(|living| (whose(living), living.remaining));
        let together = |one: &LivingGrant<'_>, two: &LivingGrant<'_>| {
            whose(one) == whose(two) && two.remaining.saturating_sub(one.remaining) < MARGIN
        };
        let mut room = true;
        for group in elements.chunk_by(together) {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            let mut elements: Vec<Element> = group.iter().map(|living| *living.element).collect();
            elements.sort_unstable();
            let access: Arc<str> = first.access.into();
            let match_destination = self.hooks.get(first.access).is_some_and(|hook| hook.match_destination);
            let facts = Facts::of_elements(&access, &elements, match_destination);
            room &= self.remember((access, elements), facts, now.saturating_add(last.remaining));
        }
        self.mind();
        room
    }

    /// What is to be remembered of a grant; `None` where nothing runs at its end.
    pub(super) fn granted(&self, grant: &Grant) -> Option<Granted> {
        self.hooks.get(&*grant.access)?;
        // What has no elements is refused by the firewall.
        Some((Arc::clone(&grant.access), grant::elements(grant).ok()?))
    }

    /// Whether a grant can be remembered: it is already, or there is room for one more.
    pub(super) fn has_room(&self, granted: &Granted) -> bool {
        self.records.contains_key(granted) || self.records.len().saturating_add(self.ended.len()) < CLOSINGS_MAX
    }

    /// Remembers a grant, or that it was renewed; whether there was room.
    pub(super) fn remember(&mut self, granted: Granted, facts: Facts, end: Duration) -> bool {
        let room = self.has_room(&granted);
        if room {
            let due = end.saturating_add(MARGIN);
            self.records.insert(granted, Record { facts, end, due });
            self.mind();
        }
        room
    }

    /// When [`Self::look`] is due; never while no such grant lives.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// The sets that the kernel must be asked for before grants that seem to be over can be believed to be;
    /// `until` says when the last of some elements ends.
    pub(super) fn doubtful(&self, now: Duration, until: impl Fn(&[Element]) -> Option<Duration>) -> Vec<Set> {
        let over = self.records.iter().filter(|((_, elements), record)| record.is_over(now, until(elements)));
        let mut sets = over.flat_map(|((_, elements), _)| elements.iter().map(|element| element.set)).collect();
        once_each(&mut sets);
        sets
    }

    /// Looks which grants have ended; `asked` says whether the kernel was asked about the doubtful ones. What ends
    /// before its time ends for the reason `early`.
    pub(super) fn look(
        &mut self,
        now: Duration,
        early: Why,
        asked: bool,
        until: impl Fn(&[Element]) -> Option<Duration>,
    ) {
        let Self { hooks, records, ended, .. } = self;
        records.retain(|(access, elements), record| {
            let until = until(elements);
            if let Some(end) = until.filter(|end| *end > now) {
                (record.end, record.due) = (end, end.saturating_add(MARGIN));
                return true;
            }
            if !record.is_over(now, until) {
                return true;
            }
            if !asked {
                record.due = now.saturating_add(RETRY);
                return true;
            }
            if let Some(hook) = hooks.get(&**access) {
                let why = if now < record.end { early } else { Why::Expired };
                let (facts, command) = (record.facts.clone(), hook.command.clone());
                ended.push_back(Ended { facts, command, why });
            }
            false
        });
        self.mind();
    }

    /// Some of what has ended; the rest is due a moment later.
    pub(super) fn take(&mut self, now: Duration) -> Vec<Ended> {
        let taken = std::iter::from_fn(|| self.ended.pop_front()).take(BATCH).collect();
        self.mind();
        if !self.ended.is_empty() {
            let pause = now.saturating_add(PAUSE);
            self.due = Some(self.due.map_or(pause, |due| due.min(pause)));
        }
        taken
    }

    /// How many grants have ended by now of which the helper was not told.
    pub(super) fn untold(&self, now: Duration) -> usize {
        let over = self.records.values().filter(|record| record.end <= now).count();
        self.ended.len().saturating_add(over)
    }

    /// Finds out when something is due next.
    fn mind(&mut self) {
        let dues = self.records.values().map(|record| record.due);
        self.due = dues.filter(|due| *due != Duration::MAX).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Opening;
    use crate::config;

    const NOW: Duration = Duration::from_secs(1_000);

    /// The time so many milliseconds later.
    fn at(milliseconds: u64) -> Duration {
        NOW + Duration::from_millis(milliseconds)
    }

    fn config(stanzas: &[(&str, &str)]) -> Config {
        let mut text = "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n".to_owned();
        for (name, line) in stanzas {
            text += &format!(
                "config access '{name}'\n\toption key 'k{name}'\n\toption hmac_key 'h{name}'\n\tlist open 'tcp/22'\n\
                 \tlist command 'a=/a'\n\tlist command 'b=/b'\n\t{line}\n"
            );
        }
        config::parse(text.as_bytes(), "config").unwrap().config
    }

    /// A closing for the stanza alice alone.
    fn closing() -> Closing {
        let mut closing = Closing::default();
        assert!(closing.configure(&config(&[("alice", "option on_close 'a'"), ("bob", "")]), std::iter::empty(), NOW));
        closing
    }

    fn grant_of(access: &str, source: &str, ports: &[&str]) -> Grant {
        let door =
            |port: &&str| Opening { source: source.parse().unwrap(), destination: None, port: port.parse().unwrap() };
        let openings = ports.iter().map(door).collect();
        Grant { access: access.into(), openings, forwards: Vec::new(), command: None, timeout: 30 }
    }

    fn facts(user: &str) -> Facts {
        Facts::of(&grant_of("alice", "192.0.2.1", &["tcp/22"]), user, "192.0.2.1".parse().unwrap())
    }

    /// Remembers a grant of alice's for these ports of one source.
    fn remember(closing: &mut Closing, source: &str, ports: &[&str], user: &str, end: Duration) -> bool {
        let granted = closing.granted(&grant_of("alice", source, ports)).unwrap();
        closing.remember(granted, facts(user), end)
    }

    /// What a look finds, where elements live as this says and the kernel answers.
    fn look(closing: &mut Closing, now: Duration, until: Option<Duration>) -> Vec<(String, Why)> {
        closing.look(now, Why::Revoked, true, |_| until);
        closing.take(now).into_iter().map(|ended| (ended.facts.user, ended.why)).collect()
    }

    #[test]
    fn without_such_grants_nothing_is_ever_due() {
        let mut closing = closing();
        assert_eq!(closing.granted(&grant_of("bob", "192.0.2.1", &["tcp/22"])), None);
        assert_eq!(closing.due(), None);
        remember(&mut closing, "192.0.2.1", &["tcp/22"], "one", at(0));
        assert_eq!(look(&mut closing, at(100), None).len(), 1);
        assert_eq!(closing.due(), None);
    }

    #[test]
    fn a_grant_ends_once_and_never_before_the_kernel_was_asked() {
        let mut closing = closing();
        remember(&mut closing, "192.0.2.1", &["tcp/22"], "one", at(1000));
        assert_eq!(closing.due(), Some(at(1100)));
        assert_eq!(look(&mut closing, at(500), Some(at(1000))), []);
        assert_eq!((closing.untold(at(999)), closing.untold(at(1000))), (0, 1));
        assert_eq!(look(&mut closing, at(1000), None), []);
        assert_eq!(look(&mut closing, at(1099), None), []);
        assert!(closing.doubtful(at(1099), |_| None).is_empty());
        assert_eq!(closing.doubtful(at(1100), |_| None), [Set::In4]);
        closing.look(at(1100), Why::Deleted, false, |_| None);
        assert_eq!((closing.take(at(1100)), closing.due()), (vec![], Some(at(2100))));
        // The kernel has the last word.
        assert_eq!(look(&mut closing, at(2100), Some(at(2107))), []);
        assert_eq!(closing.due(), Some(at(2207)));
        assert_eq!(look(&mut closing, at(2207), None), [("one".to_owned(), Why::Expired)]);
        assert_eq!(look(&mut closing, at(2208), None), []);
    }

    #[test]
    fn a_renewed_grant_is_one_and_ends_with_the_latest_knock_s_words() {
        let mut closing = closing();
        remember(&mut closing, "192.0.2.1", &["tcp/22", "tcp/80"], "one", at(1000));
        remember(&mut closing, "192.0.2.1", &["tcp/80", "tcp/22"], "two", at(3000));
        assert_eq!((closing.records.len(), closing.due()), (1, Some(at(3100))));
        assert_eq!(look(&mut closing, at(1100), Some(at(3000))), []);
        assert_eq!(look(&mut closing, at(3100), None), [("two".to_owned(), Why::Expired)]);
    }

    #[test]
    fn what_goes_before_its_time_has_its_reason_and_no_margin() {
        let mut closing = closing();
        remember(&mut closing, "192.0.2.1", &["tcp/22"], "one", at(1000));
        closing.look(at(10), Why::Deleted, false, |_| None);
        assert_eq!(closing.take(at(10)), [], "the kernel gave no answer");
        assert_eq!(look(&mut closing, at(20), None), [("one".to_owned(), Why::Revoked)]);
        // Somebody took the timeout away, and then the element.
        remember(&mut closing, "192.0.2.1", &["tcp/22"], "two", at(1000));
        assert_eq!(look(&mut closing, at(30), Some(Duration::MAX)), []);
        assert_eq!(closing.due(), None);
        assert_eq!(look(&mut closing, at(40), None), [("two".to_owned(), Why::Revoked)]);
    }

    #[test]
    fn the_number_of_grants_is_bounded_and_the_helper_gets_time_to_read() {
        let mut closing = closing();
        let source = |host: usize| format!("10.0.{}.{}", host / 256, host % 256);
        for host in 0..=CLOSINGS_MAX {
            let room = remember(&mut closing, &source(host), &["tcp/22"], "one", at(1000));
            assert_eq!(room, host < CLOSINGS_MAX);
        }
        assert!(remember(&mut closing, &source(0), &["tcp/22"], "two", at(1000)), "a renewal needs no room");
        assert_eq!(look(&mut closing, at(1100), None).len(), BATCH);
        assert_eq!(closing.due(), Some(at(1200)));
        assert_eq!(closing.untold(at(1200)), CLOSINGS_MAX - BATCH);
        for _ in 0..8 {
            remember(&mut closing, "192.0.2.1", &["tcp/22"], "one", at(9000));
            remember(&mut closing, "192.0.2.1", &["tcp/80"], "one", at(9000));
        }
        let mut rest = 0;
        for _ in 0..CLOSINGS_MAX / BATCH {
            rest += closing.take(at(1200)).len();
        }
        assert_eq!((rest, closing.due()), (CLOSINGS_MAX - BATCH, Some(at(9100))));
    }

    #[test]
    fn elements_of_an_earlier_process_are_taken_for_grants() {
        let elements: Vec<Element> =
            [("192.0.2.1", "tcp/22"), ("192.0.2.1", "tcp/80"), ("192.0.2.1", "tcp/443"), ("192.0.2.2", "tcp/22")]
                .into_iter()
                .flat_map(|(source, port)| grant::elements(&grant_of("", source, &[port])).unwrap())
                .collect();
        let living = |access: &'static str, index: usize, milliseconds| LivingGrant {
            element: &elements[index],
            access,
            remaining: Duration::from_millis(milliseconds),
        };
        let all = [
            living("alice", 0, 1000),
            living("alice", 1, 1004),
            living("alice", 2, 5000),
            living("alice", 3, 1000),
            living("bob", 0, 1000),
            living("carol", 0, 1000),
            LivingGrant { remaining: Duration::MAX, ..living("alice", 3, 0) },
        ];
        let mut closing = Closing::default();
        let one = config(&[("alice", "option on_close 'a'"), ("bob", "")]);
        closing.configure(&one, all.into_iter(), NOW);
        let found: Vec<_> =
            closing.records.values().map(|record| (&*record.facts.source, &*record.facts.ports, record.end)).collect();
        assert_eq!(
            found,
            [
                ("192.0.2.1", "tcp/22 tcp/80", at(1004)),
                ("192.0.2.2", "tcp/22", at(1000)),
                ("192.0.2.1", "tcp/443", at(5000)),
            ]
        );
        // A reload: of what was known, the new command runs; of what is gone, nothing.
        let two = config(&[("alice", "option on_close 'b'"), ("bob", "option on_close 'a'")]);
        closing.configure(&two, all.into_iter(), NOW);
        assert_eq!(closing.records.len(), 4);
        closing.look(at(9000), Why::Deleted, true, |_| None);
        let ran: Vec<_> =
            closing.take(at(9000)).into_iter().map(|ended| (ended.facts.access.to_string(), ended.command)).collect();
        assert_eq!(ran.iter().filter(|(access, command)| access == "alice" && command == "b").count(), 3);
        assert_eq!(ran.iter().filter(|(access, command)| access == "bob" && command == "a").count(), 1);
        closing.configure(&two, all.into_iter(), NOW);
        assert_eq!(closing.records.len(), 0, "nothing is new");
        remember(&mut closing, "192.0.2.1", &["tcp/22"], "one", at(1000));
        closing.configure(&config(&[("alice", "")]), std::iter::empty(), NOW);
        assert_eq!((closing.records.len(), closing.due()), (0, None));
    }
}
