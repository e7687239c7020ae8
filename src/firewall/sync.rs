//! Keeping up with what others do to the table: refill after a restart, no refill after a deletion by hand.

use std::fmt;
use std::time::Duration;

use rustix::io::Errno;

use super::batch::{Batch, comment};
use super::element::Element;
use super::error::FirewallError;
use super::events::{Transaction, read_element};
use super::living::{FOREVER, Life};
use super::numbers::attr;
use super::sets::Set;
use super::wire::{Attributes, Messages};
use super::{Firewall, by_now, standalone};
use crate::config::FirewallMode;

/// Datagrams that one call reads, more than the socket has room for: what was done before a grant is known before it.
const DATAGRAMS_MAX: usize = 4096;
/// Elements of one transaction that changes many: the kernel's refusals of all of them fit the socket.
pub(super) const CHUNK: usize = 64;

/// What somebody else's change of the firewall led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The table was deleted; grants are refused until it comes back.
    TableGone,
    /// The table came back and got so many living grants.
    Restored(usize),
    /// Somebody deleted this element; the grant of this stanza ends.
    Revoked(Element, String),
    /// Somebody deleted rules, chains or sets of our own table; they were made again.
    Mended,
    /// Notifications were lost, and the sets were read anew.
    Resynced,
    /// The table could not be made, or living grants not be put back; this is tried again after a pause, and when the
    /// table changes.
    Failed(FirewallError),
    /// Notifications cannot be read; after a pause they are listened to anew.
    Deaf(FirewallError),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TableGone => f.write_str("the firewall table was deleted"),
            Self::Restored(count) => {
                let s = if *count == 1 { "" } else { "s" };
                write!(f, "the firewall table is back with {count} living grant{s}")
            }
            Self::Revoked(element, access) => {
                write!(f, "{element} of {access} was deleted by hand")
            }
            Self::Mended => f.write_str("the rules of the firewall table were changed by hand, and made again"),
            Self::Resynced => f.write_str("firewall notifications were lost; the sets were read anew"),
            Self::Failed(error) => write!(f, "living grants could not be put back: {error}"),
            Self::Deaf(error) => write!(f, "{error}; it is tried again"),
        }
    }
}

impl Firewall {
    /// Reads pending notifications and does what they call for; `now` is `CLOCK_BOOTTIME`.
    ///
    /// It reads a bounded number: where more wait, the descriptor stays readable.
    pub fn on_events(&mut self, now: Duration) -> Vec<Event> {
        self.drain(now);
        std::mem::take(&mut self.news)
    }

    /// Whether somebody else changed chains, rules or sets, or elements that count, since this was last asked; see
    /// [`Firewall::mind_sets`].
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.watch.touched)
    }

    /// Names the sets whose elements count as a change of the ruleset; those of all others do not.
    pub fn mind_sets(&mut self, names: Vec<Box<str>>) {
        self.watch.minded = names;
    }

    pub(super) fn drain(&mut self, now: Duration) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut lost = false;
        for _ in 0..DATAGRAMS_MAX {
            match self.events.receive(&mut buffer, now) {
                Ok(Some(length)) => {
                    for message in Messages(buffer.get(..length).unwrap_or_default()) {
                        let living = &self.living;
                        let ended = self.watch.read(&message, |element| living.contains(element));
                        match ended {
                            Some(ended) if lost => self.take_note(&ended, now),
                            Some(ended) => self.apply(&ended, now),
                            None => {}
                        }
                    }
                }
                Ok(None) => break,
                // What was heard before the loss is still to be read, and tells what must not come back.
                Err(Errno::NOBUFS) => lost = true,
                Err(errno) => {
                    let error = FirewallError::kernel("read nftables events", errno);
                    self.news.push(Event::Deaf(error));
                    break;
                }
            }
        }
        self.buffer = buffer;
        if lost {
            let unfinished = self.watch.cut();
            self.take_note(&unfinished, now);
            let result = self.resync(now);
            if result.is_err() {
                self.events.doubt(now);
            }
            self.news.push(result.map_or_else(Event::Failed, |()| Event::Resynced));
        }
    }

    /// Learns what somebody did to the table, and leaves the kernel as it is.
    fn take_note(&mut self, ended: &Transaction, now: Duration) {
        if ended.deleted {
            self.lose_table();
        } else {
            for element in &ended.revoked {
                self.deleted_by_hand(element, now);
            }
            for &set in &ended.dropped {
                let gone: Vec<Element> = self.elements_of(set).map(|(element, _)| *element).collect();
                gone.iter().for_each(|element| self.deleted_by_hand(element, now));
            }
        }
        if ended.created.is_some() {
            self.handle = ended.created;
            self.unfilled = true;
        }
    }

    fn apply(&mut self, ended: &Transaction, now: Duration) {
        self.take_note(ended, now);
        // Also where somebody else made the table: its guard must be ours.
        let remade = ended.deleted || ended.created.is_some();
        if self.mode == FirewallMode::Standalone && (remade || ended.dismantled) {
            match self.remake() {
                Ok(()) if remade => {}
                Ok(()) => self.news.push(Event::Mended),
                Err(error) => {
                    self.events.doubt(now);
                    self.news.push(Event::Failed(error));
                }
            }
        }
        let declared = ended.declared || ended.created.is_some();
        if self.unfilled && self.handle.is_some() && (declared || ended.deleted) {
            self.refill(now);
        }
    }

    /// The table is gone: what the owner had put there for ever is not ours to bring back.
    fn lose_table(&mut self) {
        self.handle = None;
        self.unfilled = true;
        self.living.retain(|_, life| life.expiry != FOREVER);
        self.news.push(Event::TableGone);
    }

    fn deleted_by_hand(&mut self, element: &Element, now: Duration) {
        if let Some(life) = self.living.forget(element).filter(|life| life.expiry > now) {
            self.news.push(Event::Revoked(*element, life.access.to_string()));
        }
    }

    fn elements_of(&self, set: Set) -> impl Iterator<Item = (&Element, &Life)> {
        self.living.iter().filter(move |(element, _)| element.set == set)
    }

    /// Makes the standalone table, or renews its rules; does nothing in fw4 mode.
    pub(super) fn make_standalone(&mut self) -> Result<(), FirewallError> {
        if self.mode != FirewallMode::Standalone {
            return Ok(());
        }
        let Self { guard, requests, .. } = self;
        let made = requests.commit_again(|sequence| standalone::batch(guard, sequence));
        made.map_err(|refusal| FirewallError::kernel("make the table", refusal.errno))
    }

    fn remake(&mut self) -> Result<(), FirewallError> {
        self.make_standalone()?;
        self.handle = self.requests.table(self.table())?;
        Ok(())
    }

    /// Puts the living grants back, with the time that is left to each.
    fn refill(&mut self, now: Duration) {
        self.living.prune(now);
        let table = self.table();
        let mut restored = 0;
        let mut failure = None;
        // The ended connections, which come last, must be there first: what they send is taken up at once.
        for set in Set::ALL.into_iter().rev() {
            let elements: Vec<(Element, Life)> = self
                .elements_of(set)
                .filter(|(_, life)| life.expiry != FOREVER)
                .map(|(element, life)| (*element, life.clone()))
                .collect();
            for chunk in elements.chunks(CHUNK) {
                let now = by_now(now);
                let lives =
                    chunk.iter().filter_map(|(element, life)| Some((element, life.remaining(now)?, &life.access)));
                let count = lives.clone().count();
                let put_back = self.requests.commit_again(|sequence| {
                    let mut batch = Batch::new(table, sequence);
                    lives.clone().for_each(|(element, timeout, access)| batch.add_element(element, timeout, access));
                    batch
                });
                match put_back {
                    Ok(()) if set.is_cut() => {}
                    Ok(()) => restored += count,
                    Err(refusal) => {
                        failure = Some(refusal);
                        break;
                    }
                }
            }
        }
        self.unfilled = failure.is_some();
        self.news.push(Event::Restored(restored));
        if let Some(refusal) = failure {
            // What is missing is awaited; whatever else it is may pass unheard.
            if refusal.errno != Errno::NOENT {
                self.events.doubt(now);
            }
            let error = self.explain(refusal);
            self.news.push(Event::Failed(error));
        }
    }

    /// Reads the sets anew after notifications were lost.
    ///
    /// In the same table, what is not there was deleted or has expired; another table is refilled. The guard of
    /// standalone mode is made again: nobody knows what became of it.
    pub(super) fn resync(&mut self, now: Duration) -> Result<(), FirewallError> {
        let found = self.requests.table(self.table())?;
        let same = found.is_some() && found == self.handle && !self.unfilled;
        if found.is_none() && self.handle.is_some() {
            self.lose_table();
        }
        self.handle = found;
        if self.mode == FirewallMode::Standalone {
            self.remake()?;
        }
        if self.handle.is_none() {
            return Ok(());
        }
        if same {
            let before = std::mem::take(&mut self.living);
            return self.adopt(now).inspect_err(|_| self.living = before);
        }
        self.living.retain(|_, life| life.expiry != FOREVER);
        self.refill(now);
        Ok(())
    }

    /// Takes over what lives in the kernel's sets.
    pub(super) fn adopt(&mut self, now: Duration) -> Result<(), FirewallError> {
        if self.handle.is_none() {
            return Ok(());
        }
        for set in Set::ALL {
            self.adopt_set(set, now)?;
        }
        Ok(())
    }

    /// Takes over what lives in one set.
    pub(super) fn adopt_set(&mut self, set: Set, now: Duration) -> Result<(), FirewallError> {
        let table = self.table();
        let living = &mut self.living;
        self.requests.dump(table, set, |entry| {
            if let Some((element, life)) = read_living(set, entry, now) {
                living.adopt(element, life);
            }
        })?;
        living.prune(now);
        Ok(())
    }

    /// Empties a set and fills it with its living elements, in one transaction.
    pub(super) fn rebuild(&mut self, set: Set, now: Duration) -> Result<(), FirewallError> {
        self.adopt_set(set, now)?;
        let size = usize::try_from(set.size()).unwrap_or(usize::MAX);
        if self.elements_of(set).count() >= size {
            return Err(FirewallError::Full(set));
        }
        let mut batch = Batch::new(self.table(), self.requests.sequence());
        batch.flush_set(set);
        for (element, life) in self.elements_of(set) {
            if life.expiry == FOREVER {
                batch.add_endless_element(element, &life.access);
            } else if let Some(timeout) = life.remaining(now) {
                batch.add_element(element, timeout, &life.access);
            }
        }
        self.requests.commit(batch).map_err(|refusal| self.explain(refusal))
    }
}

/// Reads an element of a dump and the time that is left to it.
fn read_living(set: Set, entry: Attributes<'_>, now: Duration) -> Option<(Element, Life)> {
    let element = read_element(set, entry)?;
    let expiry = match entry.u64(attr::ELEMENT_EXPIRATION) {
        Some(left) => now + Duration::from_millis(left),
        None => FOREVER,
    };
    let access = entry.get(attr::ELEMENT_USERDATA).and_then(comment).map(String::from_utf8_lossy).unwrap_or_default();
    Some((element, Life { expiry, access: access.into() }))
}
