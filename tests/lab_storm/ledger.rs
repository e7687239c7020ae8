//! What was knocked for, what of it the daemon says it honoured, and what the owner took away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// One knock: from just before it was sent to just after the daemon told that it was honoured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knock {
    pub(crate) sent: Instant,
    /// When its line was found in the log; `None` while it was not.
    pub(crate) told: Option<Instant>,
}

/// The earliest and the latest moment at which a door may close.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) earliest: Instant,
    pub(crate) latest: Instant,
}

/// All knocks, by source and by the seconds that each asked for, which no two for the same source share.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) knocks: BTreeMap<String, BTreeMap<u32, Knock>>,
    /// Sources whose elements were deleted by hand while they lived.
    pub(crate) revoked: BTreeSet<String>,
    /// Those of which nobody knows whether they were there when a set was flushed.
    pub(crate) doubtful: BTreeSet<String>,
    /// When there was no table.
    pub(crate) absences: Vec<(Instant, Instant)>,
    read: usize,
}

impl Ledger {
    pub(crate) fn sent(&mut self, source: &str, timeout: u32) {
        let knock = Knock { sent: Instant::now(), told: None };
        let before = self.knocks.entry(source.to_owned()).or_default().insert(timeout, knock);
        assert!(before.is_none(), "two knocks of {timeout} s for {source}");
    }

    /// Reads what is new in the daemon's log.
    pub(crate) fn read(&mut self, log: &str) {
        let now = Instant::now();
        let new = &log[self.read..];
        let Some(end) = new.rfind('\n') else { return };
        self.read += end;
        for line in new[..end].lines() {
            let Some((_, grant)) = line.split_once("grant ") else { continue };
            let words: Vec<&str> = grant.split_whitespace().collect();
            let ["alice:" | "wide:", source, "may", "reach", "tcp/22", "for", seconds, ..] = words[..] else {
                panic!("{line}");
            };
            let knock = self.knocks.get_mut(source).and_then(|knocks| knocks.get_mut(&seconds.parse().unwrap()));
            let before = knock.unwrap_or_else(|| panic!("nobody knocked: {line}")).told.replace(now);
            assert!(before.is_none(), "honoured twice: {line}");
        }
    }

    /// When the door for this source closes, as far as was told by a moment; `None` where no knock for it was honoured.
    pub(crate) fn end(&self, source: &str, by: Instant) -> Option<End> {
        let knocks = self.knocks.get(source)?.iter();
        let honoured = knocks.filter_map(|(seconds, knock)| {
            let life = Duration::from_secs((*seconds).into());
            let told = knock.told?;
            // What was told later may have come too late to count, or not.
            Some((knock.sent + if told <= by { life } else { Duration::ZERO }, told + life))
        });
        let honoured = honoured.reduce(|one, other| (one.0.max(other.0), one.1.max(other.1)));
        honoured.map(|(earliest, latest)| End { earliest, latest })
    }

    /// The sources whose doors must be open at this moment and some time after it.
    pub(crate) fn open(&self, until: Instant) -> BTreeSet<String> {
        let sources = self.knocks.keys().filter(|source| !self.revoked.contains(*source));
        let sources = sources.filter(|source| !self.doubtful.contains(*source));
        let now = Instant::now();
        sources.filter(|source| self.end(source, now).is_some_and(|end| end.earliest > until)).cloned().collect()
    }

    /// How many knocks were sent, and how many of them were honoured.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let knocks = || self.knocks.values().flat_map(BTreeMap::values);
        (knocks().count(), knocks().filter(|knock| knock.told.is_some()).count())
    }

    /// The knocks that were not honoured although there was a table when they came.
    pub(crate) fn lost(&self) -> Vec<&String> {
        // On a busy machine a knock is made, sent and judged some time after it was noted.
        let slack = Duration::from_secs(1);
        let absent = |sent| self.absences.iter().any(|(from, to)| sent + slack >= *from && sent <= *to);
        let lost = |knock: &&Knock| knock.told.is_none() && !absent(knock.sent);
        let knocks = self.knocks.iter();
        knocks.flat_map(|(source, knocks)| knocks.values().filter(lost).map(move |_| source)).collect()
    }
}
