//! The core that joins knock, replay and access: a datagram and a clock go in, a verdict comes out.
//!
//! It touches no socket, no clock and no file. What must outlive the process is handed over as [`Memory`].

mod pending;

use std::cmp::Reverse;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::access::{Grant, Judgement, Place, Surroundings, judge};
use crate::capture::{Datagram, Transport};

use crate::config::{Access, Config};
use crate::knock::fwknop::fields::Fields;
use crate::knock::fwknop::http::{self, Http};
use crate::knock::fwknop::text::SpaText;
use crate::knock::fwknop::verify::{Opened, Sealed, Verifier};
use crate::limits::{PACKET_MAX, STANZAS_MAX};
use crate::reason::Reason;
use crate::replay::{Entry, ReplayMemory};
use crate::sorted::SortedMap;

pub use pending::Pending;
use pending::{Claim, Claims};

/// When the program was made, in Unix seconds: a clock that stands before it is not set.
pub const BUILD_EPOCH: u64 = parse_decimal(env!("SPA_KNOCKD_BUILD_EPOCH"));

/// The wall clock at the moment of a knock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Unix seconds.
    pub unix: u64,
    /// Whether somebody vouches for it (`--now`, a capture file's times): such a clock is set.
    pub given: bool,
}

/// What of the engine outlives the process, and in part the reboot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The knocks already seen.
    pub replay: ReplayMemory,
    /// The router's own clock at the last honoured knock, in Unix seconds.
    pub clock_floor: u64,
    /// For each stanza the newest timestamp that it honoured.
    pub newest: SortedMap<String, u64>,
    /// For each stanza the timestamp up to which it refuses since the last reboot.
    pub floors: SortedMap<String, u64>,
    /// Whether a part of the memory is known to be lost: what was honoured before must be kept out by time.
    pub lost: bool,
}

impl Memory {
    /// The memory after a clock that was wrongly in the future, or after a loss: what stands ahead of this clock comes
    /// down to it, and everything made before it stays refused as it was. A clock before the build date tells
    /// nothing, so all floors go. The knocks already seen are kept in either case.
    #[must_use]
    pub fn reset(self, clock: Clock) -> Self {
        let now = if clock.unix < BUILD_EPOCH { 0 } else { clock.unix };
        // A knock of this very second is one that was made after the reset.
        let highest = now.saturating_sub(1);
        let lower = |timestamps: SortedMap<String, u64>| -> SortedMap<String, u64> {
            let lowered = timestamps.into_iter().map(|(name, timestamp)| (name, timestamp.min(highest)));
            lowered.filter(|(_, timestamp)| *timestamp > 0).collect()
        };
        let horizon = if self.lost { highest } else { self.replay.horizon().min(highest) };
        let mut replay = ReplayMemory::default();
        for entry in self.replay.entries() {
            // It came from a memory of the same size.
            let _ = replay.remember(entry);
        }
        replay.raise_horizon(horizon);
        Self {
            replay,
            clock_floor: self.clock_floor.min(now),
            newest: lower(self.newest),
            floors: lower(self.floors),
            lost: false,
        }
    }
}

/// What the engine thinks of one datagram.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The grant, or the reason of the stanza that got furthest, the first on a tie.
    pub outcome: Result<Grant, Reason>,
    /// The name of that stanza, where any stanza was asked.
    pub access: Option<Arc<str>>,
    /// What the knock said, where its keys fitted.
    pub fields: Option<Fields>,
    /// What has to be in the journal before anything opens.
    pub entry: Option<Entry>,
    /// What waits for the address of a host name: the outcome is not final then, and reads as the refusal that it
    /// becomes unless [`Engine::resolved`] finds a better one.
    pub awaits: Option<Pending>,
}

/// Hears of each stanza that was asked, and what it said.
pub type Listener<'a> = dyn FnMut(&Arc<str>, Result<(), Reason>) + 'a;

/// One enabled stanza, ready to judge.
struct Stanza {
    access: Access,
    name: Arc<str>,
    verifiers: Vec<Verifier>,
    newest: u64,
    floor: u64,
}

/// The sans-IO core of the daemon, of `explain`, of the tests and of the benchmarks.
pub struct Engine {
    stanzas: Vec<Stanza>,
    http: Option<Http>,
    max_age: u64,
    max_timeout: u32,
    replay: ReplayMemory,
    clock_floor: u64,
    removed: SortedMap<String, u64>,
    removed_floors: SortedMap<String, u64>,
    lost: bool,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("stanzas", &self.stanzas.len()).finish_non_exhaustive()
    }
}

/// How far one stanza took a datagram before it refused.
struct Attempt {
    fields: Option<Fields>,
    outcome: Result<Grant, Reason>,
    /// What it would grant as soon as a name has an address; the outcome is a refusal then.
    claim: Option<Claim>,
}

impl Engine {
    /// An engine for this configuration that goes on from what an earlier process left.
    #[must_use]
    pub fn new(config: &Config, memory: Memory) -> Self {
        let configured = |name: &str| config.access.iter().any(|access| access.name == name);
        let of_removed = |floors: &SortedMap<String, u64>| {
            let gone = floors.iter().filter(|(name, _)| !configured(name));
            gone.map(|(_, &timestamp)| timestamp).max().unwrap_or(0)
        };
        // A renamed stanza must not forget what it honoured under its old name.
        let newest_removed = of_removed(&memory.newest);
        let floor_removed = of_removed(&memory.floors);
        // Nor may one that was given another's key open what the other honoured.
        let of = |access: &Access, timestamps: &SortedMap<String, u64>, removed| {
            let related = config.access.iter().filter(|other| share_a_key(access, other));
            let related = related.filter_map(|other| timestamps.get(&other.name).copied()).max().unwrap_or(0);
            timestamps.get(&access.name).copied().unwrap_or(removed).max(related)
        };
        let stanzas = config
            .access
            .iter()
            .map(|access| Stanza {
                name: Arc::from(access.name.as_str()),
                verifiers: access.keys.iter().map(Verifier::new).collect(),
                newest: of(access, &memory.newest, newest_removed),
                floor: of(access, &memory.floors, floor_removed),
                access: access.clone(),
            })
            .collect();
        let gone = |timestamps: SortedMap<String, u64>| newest_of(timestamps, |name| !configured(name));
        let (removed, removed_floors) = (gone(memory.newest), gone(memory.floors));
        Self {
            stanzas,
            http: config.main.http,
            max_age: config.main.max_age,
            max_timeout: config.main.max_timeout,
            replay: memory.replay,
            clock_floor: memory.clock_floor,
            removed,
            removed_floors,
            lost: memory.lost,
        }
    }

    /// What has to outlive the process.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let mut floors = self.removed_floors.clone();
        let floored = self.stanzas.iter().filter(|stanza| stanza.floor > 0);
        floors.extend(floored.map(|stanza| (stanza.name.to_string(), stanza.floor)));
        Memory {
            replay: self.replay.clone(),
            clock_floor: self.clock_floor,
            newest: self.newest(|stanza| stanza.newest),
            floors,
            lost: self.lost,
        }
    }

    /// The clock floor and, for each stanza, the newest timestamp that it honoured or may have honoured: what must
    /// survive a reboot.
    #[must_use]
    pub fn floors(&self) -> (u64, SortedMap<String, u64>) {
        (self.clock_floor, self.newest(|stanza| stanza.newest.max(stanza.floor)))
    }

    /// This timestamp of each stanza that has one, and those of the stanzas that are gone.
    fn newest(&self, of: impl Fn(&Stanza) -> u64) -> SortedMap<String, u64> {
        let mut newest = self.removed.clone();
        let stamped = self.stanzas.iter().map(|stanza| (stanza.name.to_string(), of(stanza)));
        newest.extend(stamped.filter(|(_, timestamp)| *timestamp > 0));
        newest
    }

    /// Whether a part of the memory is lost and not yet made up for: see [`Self::settle`].
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// How many knocks are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.replay.entries().len()
    }

    /// Whether this clock can be believed (DESIGN D6).
    #[must_use]
    pub fn is_plausible(&self, clock: Clock) -> bool {
        self.doubt(clock).is_none()
    }

    /// Why this clock cannot be believed, for people.
    #[must_use]
    pub fn doubt(&self, clock: Clock) -> Option<&'static str> {
        if clock.given {
            None
        } else if clock.unix < BUILD_EPOCH {
            Some("it is older than this program")
        } else if clock.unix.saturating_add(self.max_age) < self.clock_floor {
            Some("over max_age behind the last honoured knock")
        } else {
            None
        }
    }

    /// How many stanzas are asked.
    #[must_use]
    pub fn stanzas(&self) -> usize {
        self.stanzas.len()
    }

    /// Where memory was lost: keeps out by time all that can have been honoured before, once the clock can be
    /// believed. A counting stanza (`max_age` 0), which needs no clock, stays shut until `spa-knockd state reset`.
    pub fn settle(&mut self, clock: Clock) {
        if !self.lost || (self.max_age > 0 && !self.is_plausible(clock)) {
            return;
        }
        let floor = if self.max_age == 0 { u64::MAX } else { clock.unix.saturating_add(self.max_age) };
        for stanza in &mut self.stanzas {
            stanza.floor = stanza.floor.max(floor);
        }
        self.lost = false;
    }

    /// Makes up for a loss once more, where the clock by which that was done turns out to have been late.
    pub fn settle_again(&mut self, clock: Clock) {
        self.lost = true;
        self.settle(clock);
    }

    /// Judges one datagram. `place_of` tells where an address is; `each` hears every stanza's own reason.
    pub fn handle(
        &mut self,
        datagram: &Datagram<'_>,
        clock: Clock,
        place_of: &dyn Fn(IpAddr) -> Place,
        each: &mut Listener<'_>,
    ) -> Verdict {
        let mut verdict = Verdict { outcome: Err(Reason::Size), access: None, fields: None, entry: None, awaits: None };
        let mut room;
        let (mut payload, mut forwarded_for) = (datagram.payload, None);
        if let Some(http) = self.http
            && datagram.transport == Transport::Tcp
            && http::is_request(payload)
        {
            room = [0; PACKET_MAX];
            match http.undress(payload, &mut room) {
                Ok(undressed) => (payload, forwarded_for) = (undressed.text, undressed.forwarded_for),
                Err(reason) => {
                    verdict.outcome = Err(reason);
                    return verdict;
                }
            }
        }
        let text = match SpaText::parse(payload) {
            Ok(text) => text,
            Err(reason) => {
                verdict.outcome = Err(reason);
                return verdict;
            }
        };
        self.settle(clock);
        // Where no stanza is asked, nobody's keys fit.
        verdict.outcome = Err(Reason::Hmac);
        let surroundings = Surroundings { max_timeout: self.max_timeout, forwarded_for, place_of };
        let mut furthest = None;
        let mut claims = Claims::default();
        for index in 0..self.stanzas.len() {
            let attempt = self.consider(index, &text, datagram, clock, &surroundings, &mut verdict.entry);
            let Some(stanza) = self.stanzas.get(index) else { break };
            let reason = attempt.outcome.as_ref().err().copied();
            each(&stanza.name, reason.map_or(Ok(()), Err));
            claims.extend(attempt.claim);
            let stage = reason.map(Reason::stage);
            if reason.is_none() || furthest.is_none_or(|best| stage > best) {
                furthest = Some(stage);
                verdict.access = Some(Arc::clone(&stanza.name));
                verdict.fields = attempt.fields;
                verdict.outcome = attempt.outcome;
            }
            if reason.is_none() {
                return verdict;
            }
        }
        claims.wait(&mut verdict, datagram, forwarded_for);
        verdict
    }

    /// Takes note of a knock that opened its doors: the floors rise, also those of other stanzas that could open
    /// the same packet once the replay memory is gone.
    pub fn honoured(&mut self, verdict: &Verdict, clock: Clock) {
        let (Some(access), Some(entry)) = (&verdict.access, verdict.entry) else { return };
        self.clock_floor = self.clock_floor.max(clock.unix);
        let Some(honouring) = self.stanzas.iter().find(|stanza| stanza.name == *access) else { return };
        let shares: Vec<bool> =
            self.stanzas.iter().map(|stanza| share_a_key(&stanza.access, &honouring.access)).collect();
        for (stanza, _) in self.stanzas.iter_mut().zip(shares).filter(|(_, shares)| *shares) {
            stanza.newest = stanza.newest.max(entry.timestamp);
        }
    }

    /// One stanza's judgement, in the order of DESIGN D4.
    fn consider(
        &mut self,
        index: usize,
        text: &SpaText<'_>,
        datagram: &Datagram<'_>,
        clock: Clock,
        surroundings: &Surroundings<'_>,
        remembered: &mut Option<Entry>,
    ) -> Attempt {
        let refuse = |reason| Attempt { fields: None, outcome: Err(reason), claim: None };
        let plausible = self.is_plausible(clock);
        let Some(stanza) = self.stanzas.get_mut(index) else {
            return refuse(Reason::Source);
        };
        if let Err(reason) = stanza.is_for(datagram, plausible.then_some(clock.unix)) {
            return refuse(reason);
        }
        let opened = match stanza.open(*text) {
            Ok(opened) => opened,
            Err(reason) => return refuse(reason),
        };
        let entry = entry_of(&opened);
        let outcome = match remembered {
            Some(_) => stanza.is_fresh(entry, clock.unix, plausible, self.max_age, None),
            None => stanza.is_fresh(entry, clock.unix, plausible, self.max_age, Some(&self.replay)).and_then(|()| {
                if self.max_age == 0 {
                    self.replay.forget_counted();
                } else {
                    self.replay.forget_stale(clock.unix, self.max_age);
                }
                self.replay.remember(entry)
            }),
        };
        let judgement = outcome.and_then(|()| {
            *remembered = Some(entry);
            if self.max_age == 0 {
                stanza.newest = stanza.newest.max(entry.timestamp);
            }
            judge(&stanza.access, &stanza.name, &opened.fields, &opened.request, datagram, surroundings)
        });
        let Opened { fields, request, .. } = opened;
        match judgement {
            Ok(Judgement::Awaits(like)) => {
                let claim = Claim { fields: fields.clone(), request, like };
                Attempt { fields: Some(fields), outcome: Err(Reason::NatUnresolved), claim: Some(claim) }
            }
            Ok(Judgement::Grant(grant)) => Attempt { fields: Some(fields), outcome: Ok(grant), claim: None },
            Err(reason) => Attempt { fields: Some(fields), outcome: Err(reason), claim: None },
        }
    }
}

impl Stanza {
    /// The gate that costs nothing: addresses, and the end of the stanza where the clock can be believed.
    fn is_for(&self, datagram: &Datagram<'_>, now: Option<u64>) -> Result<(), Reason> {
        let holds = |list: &[crate::net::Prefix], address| list.iter().any(|prefix| prefix.contains(address));
        if !holds(&self.access.source, datagram.source) {
            return Err(Reason::Source);
        }
        if !holds(&self.access.destination, datagram.destination) {
            return Err(Reason::Destination);
        }
        match (self.access.expires, now) {
            (Some(expires), Some(now)) if now >= expires => Err(Reason::Expired),
            _ => Ok(()),
        }
    }

    /// Verifies, then decrypts, with the present keys and with the next ones.
    fn open(&self, text: SpaText<'_>) -> Result<Opened, Reason> {
        let mut furthest = Reason::Hmac;
        for verifier in &self.verifiers {
            match verifier.authenticate(text).and_then(Sealed::open) {
                Ok(opened) => return Ok(opened),
                Err(reason) => furthest = furthest.max(reason),
            }
        }
        Err(furthest)
    }

    /// Whether a genuine knock is of now and, where `replay` is given, was not seen before.
    fn is_fresh(
        &self,
        entry: Entry,
        now: u64,
        plausible: bool,
        max_age: u64,
        replay: Option<&ReplayMemory>,
    ) -> Result<(), Reason> {
        self.is_timely(entry.timestamp, now, plausible, max_age)?;
        if replay.is_some_and(|replay| replay.has_seen(entry)) {
            return Err(Reason::Replay);
        }
        if entry.timestamp <= self.floor || (max_age == 0 && entry.timestamp <= self.newest) {
            return Err(Reason::NotNewer);
        }
        Ok(())
    }

    /// Whether a knock that was fresh, and is remembered as such, still is: the clock and the floor may have changed.
    fn is_still_fresh(&self, timestamp: u64, now: u64, plausible: bool, max_age: u64) -> Result<(), Reason> {
        self.is_timely(timestamp, now, plausible, max_age)?;
        if timestamp <= self.floor { Err(Reason::NotNewer) } else { Ok(()) }
    }

    /// Whether a knock is neither too old nor too new, by a clock that can be believed where one is needed.
    fn is_timely(&self, timestamp: u64, now: u64, plausible: bool, max_age: u64) -> Result<(), Reason> {
        if !plausible && (max_age > 0 || self.access.expires.is_some()) {
            return Err(Reason::ClockNotSet);
        }
        if max_age > 0 {
            if timestamp.saturating_add(max_age) < now {
                return Err(Reason::TooOld);
            }
            if timestamp > now.saturating_add(max_age) {
                return Err(Reason::TooNew);
            }
        }
        Ok(())
    }
}

/// Whether a packet for the one stanza can be a packet for the other.
fn share_a_key(one: &Access, other: &Access) -> bool {
    one.keys.iter().any(|one| other.keys.iter().any(|two| one.key == two.key))
}

/// The timestamps of the stanzas that `is_gone` names; of too many the newest, which hold for the older ones too.
fn newest_of(timestamps: SortedMap<String, u64>, is_gone: impl Fn(&str) -> bool) -> SortedMap<String, u64> {
    let mut kept: Vec<(String, u64)> = timestamps.into_iter().filter(|(name, _)| is_gone(name)).collect();
    kept.sort_unstable_by_key(|&(_, timestamp)| Reverse(timestamp));
    kept.truncate(STANZAS_MAX);
    kept.into_iter().collect()
}

/// What the replay memory keeps of a knock.
fn entry_of(opened: &Opened) -> Entry {
    let mut key = [0; 16];
    key.iter_mut().zip(opened.replay_key).for_each(|(to, from)| *to = from);
    Entry { timestamp: opened.fields.timestamp, key }
}

/// Reads the decimal number that the build script wrote.
const fn parse_decimal(text: &str) -> u64 {
    match u64::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => 0,
    }
}
