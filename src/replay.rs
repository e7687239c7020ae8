//! The knocks already seen: bounded, ordered by their timestamps, forgetful only of what can never be fresh again.

use crate::limits::REPLAY_MAX;
use crate::reason::Reason;

/// What identifies a knock: the first half of the SHA-256 of its authenticated bytes.
pub type Key = [u8; 16];

/// One remembered knock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The knock's own timestamp, in Unix seconds.
    pub timestamp: u64,
    /// Its identity.
    pub key: Key,
}

/// The memory of knocks already seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayMemory {
    /// In their order. New ones are nearly always the newest, so hardly any is moved.
    entries: Vec<Entry>,
    horizon: u64,
}

impl ReplayMemory {
    /// Whether the knock was seen before, or may have been: a timestamp at or below the horizon belongs to a
    /// knock that could have been forgotten.
    #[must_use]
    pub fn has_seen(&self, entry: Entry) -> bool {
        entry.timestamp <= self.horizon || self.entries.binary_search(&entry).is_ok()
    }

    /// Remembers a knock.
    ///
    /// # Errors
    /// [`Reason::Replay`] for one that [`Self::has_seen`], [`Reason::ReplayFull`] where every entry is still needed.
    pub fn remember(&mut self, entry: Entry) -> Result<(), Reason> {
        match self.entries.binary_search(&entry) {
            Err(place) if entry.timestamp > self.horizon => {
                if self.entries.len() >= REPLAY_MAX {
                    return Err(Reason::ReplayFull);
                }
                self.entries.insert(place, entry);
                Ok(())
            }
            _ => Err(Reason::Replay),
        }
    }

    /// Forgets the entries that are older than `max_age` at the time `now`, and raises the horizon to the newest
    /// of them: a clock that is set back later must not make them fresh again.
    pub fn forget_stale(&mut self, now: u64, max_age: u64) {
        let stale = self.entries.partition_point(|entry| entry.timestamp.saturating_add(max_age) < now);
        let newest = self.entries.drain(..stale).next_back();
        if let Some(newest) = newest {
            self.raise_horizon(newest.timestamp);
        }
    }

    /// Makes room by forgetting the oldest entries, where a per-stanza counter keeps their replays out.
    pub fn forget_counted(&mut self) {
        let excess = (self.entries.len() + 1).saturating_sub(REPLAY_MAX);
        self.entries.drain(..excess);
    }

    /// Timestamps up to this one are refused.
    #[must_use]
    pub fn horizon(&self) -> u64 {
        self.horizon
    }

    /// Refuses timestamps up to this one from now on; the horizon never sinks.
    pub fn raise_horizon(&mut self, timestamp: u64) {
        self.horizon = self.horizon.max(timestamp);
    }

    /// The remembered knocks, oldest timestamp first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry> + '_ {
        self.entries.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(timestamp: u64, id: u8) -> Entry {
        Entry { timestamp, key: [id; 16] }
    }

    #[test]
    fn a_knock_is_remembered_once() {
        let mut memory = ReplayMemory::default();
        assert_eq!(memory.remember(entry(1000, 1)), Ok(()));
        assert_eq!(memory.remember(entry(1000, 1)), Err(Reason::Replay));
        assert_eq!(memory.remember(entry(1000, 2)), Ok(()));
    }

    #[test]
    fn an_entry_lives_until_its_timestamp_plus_max_age() {
        let mut memory = ReplayMemory::default();
        memory.remember(entry(1000, 1)).unwrap();
        memory.forget_stale(1120, 120);
        assert_eq!(memory.entries().len(), 1);
        memory.forget_stale(1121, 120);
        assert_eq!(memory.entries().len(), 0);
        assert_eq!(memory.horizon(), 1000);
    }

    #[test]
    fn what_was_forgotten_stays_refused_when_the_clock_goes_back() {
        let mut memory = ReplayMemory::default();
        memory.remember(entry(1000, 1)).unwrap();
        memory.forget_stale(2000, 120);
        assert_eq!(memory.remember(entry(1000, 1)), Err(Reason::Replay));
        assert_eq!(memory.remember(entry(999, 7)), Err(Reason::Replay));
        assert_eq!(memory.remember(entry(1001, 7)), Ok(()));
    }

    #[test]
    fn a_full_memory_refuses_and_keeps_what_it_has() {
        let mut memory = ReplayMemory::default();
        for timestamp in 1..=u64::try_from(REPLAY_MAX).unwrap() {
            memory.remember(entry(timestamp, 0)).unwrap();
        }
        assert_eq!(memory.remember(entry(9_999_999, 1)), Err(Reason::ReplayFull));
        assert_eq!(memory.remember(entry(1, 0)), Err(Reason::Replay));
        memory.forget_counted();
        assert_eq!(memory.remember(entry(9_999_999, 1)), Ok(()));
        assert_eq!(memory.horizon(), 0);
    }
}
