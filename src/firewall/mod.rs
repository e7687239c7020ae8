//! A grant becomes nftables set elements with timeouts, over netlink messages of our own.
//!
//! The kernel closes the doors by itself, also when this process is gone. In fw4 mode the package's
//! drop-ins declare the sets inside `table inet fw4`; in standalone mode we make a table of our own.
//! Elements that somebody else deletes stay deleted; a table that vanishes and comes back gets its
//! living grants back, with the time that is left to each.

pub mod batch;
mod connections;
mod cut;
mod doors;
pub mod drop_in;
pub mod element;
mod error;
mod events;
pub mod exposure;
mod expr;
pub mod grant;
mod hearing;
pub mod key;
mod living;
mod numbers;
mod revoke;
pub mod sets;
mod socket;
pub mod standalone;
mod sync;
pub mod wire;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use crate::access::Grant;
use crate::config::FirewallMode;

pub use self::cut::{Kill, Killed};
pub use self::element::{Element, Translation};
pub use self::error::{FirewallError, Unrevoked};
pub use self::sets::Set;
pub use self::standalone::Guard;
pub use self::sync::Event;

use self::batch::Batch;
use self::events::Watch;
use self::hearing::Hearing;
use self::living::{Life, Living, Undo};
use self::socket::{Refusal, Requests};

/// The table of OpenWrt's firewall, family inet.
pub const FW4_TABLE: &str = "fw4";

/// A grant that lives now, as `status` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivingGrant<'a> {
    /// What is open. A widened grant may be several ranges.
    pub element: &'a Element,
    /// The stanza that granted it.
    pub access: &'a str,
    /// How long it stays open.
    pub remaining: Duration,
}

/// The firewall, as far as it is ours.
#[derive(Debug)]
pub struct Firewall {
    mode: FirewallMode,
    guard: Guard,
    requests: Requests,
    events: Hearing,
    buffer: Vec<u8>,
    watch: Watch,
    living: Living,
    /// The handle of the table that holds our elements; `None` while there is no table.
    handle: Option<u64>,
    /// Whether living grants are not in the kernel yet.
    unfilled: bool,
    /// What happened while a grant was made, for the next [`Firewall::on_events`].
    news: Vec<Event>,
    /// Revoked grants whose connections are not all ended yet.
    unfinished: Vec<revoke::Ended>,
}

impl Firewall {
    /// Opens the netlink sockets and takes over the elements that live in our sets.
    ///
    /// In standalone mode this makes the table or renews its rules; `guard` is not used in fw4 mode,
    /// where table and sets may still be missing: see [`Firewall::missing`]. `now` is `CLOCK_BOOTTIME`.
    ///
    /// # Errors
    /// [`FirewallError::Denied`] without `CAP_NET_ADMIN`, [`FirewallError::Interface`] for a name that no
    /// rule can have, and the kernel's other errors.
    pub fn open(mode: FirewallMode, guard: Option<Guard>, now: Duration) -> Result<Self, FirewallError> {
        let guard = guard.unwrap_or_default();
        guard.check()?;
        let requests = Requests::open()?;
        let table = table_of(mode);
        let mut firewall = Self {
            mode,
            guard,
            watch: Watch::new(table, requests.port()),
            requests,
            events: Hearing::open()?,
            buffer: vec![0; socket::DATAGRAM],
            living: Living::default(),
            handle: None,
            unfilled: false,
            news: Vec::new(),
            unfinished: Vec::new(),
        };
        firewall.make_standalone()?;
        firewall.handle = firewall.requests.table(table)?;
        firewall.adopt(now)?;
        Ok(firewall)
    }

    /// What keeps grants from being made true: the table, or those of its sets that are not there.
    ///
    /// # Errors
    /// The kernel's errors.
    pub fn missing(&mut self) -> Result<Vec<FirewallError>, FirewallError> {
        let table = self.table();
        if self.requests.table(table)?.is_none() {
            return Ok(vec![FirewallError::Missing { table, set: None }]);
        }
        let mut missing = Vec::new();
        for set in Set::ALL {
            if !self.requests.has_set(table, set)? {
                let set = Some(set);
                missing.push(FirewallError::Missing { table, set });
            }
        }
        Ok(missing)
    }

    /// Makes a grant true: all its doors and ways through in one transaction, or none. `now` is `CLOCK_BOOTTIME`.
    ///
    /// What lives longer already stays as it is; a port that led elsewhere leads to the new place.
    ///
    /// # Errors
    /// Why the kernel refused; nothing was opened then.
    pub fn grant(&mut self, grant: &Grant, now: Duration) -> Result<(), FirewallError> {
        if grant.timeout == 0 {
            // The kernel would take it for an endless life.
            return Err(FirewallError::Opening("a timeout of 0 seconds"));
        }
        let elements = grant::elements(grant)?;
        // What others changed before this grant must not be taken for a change after it.
        self.drain(now);
        let now = by_now(now);
        let life = Life { expiry: now + Duration::from_secs(grant.timeout.into()), access: Arc::clone(&grant.access) };
        let lives = || elements.iter().map(|element| (element, &life));
        let Err(refusal) = self.try_live(lives(), now) else {
            return Ok(());
        };
        if !self.mend(refusal, now) {
            return Err(self.explain(refusal));
        }
        self.try_live(lives(), by_now(now)).map_err(|refusal| self.explain(refusal))
    }

    /// Makes elements live until their time, all of them in one transaction, or none.
    fn try_live<'a>(
        &mut self,
        lives: impl Iterator<Item = (&'a Element, &'a Life)>,
        now: Duration,
    ) -> Result<(), Refusal> {
        let mut batch = Batch::new(self.table(), self.requests.sequence());
        let mut undo = Undo::default();
        for (element, life) in lives {
            self.living.stage(element, life, now, &mut batch, &mut undo);
        }
        let result = self.requests.commit(batch);
        if result.is_err() {
            self.living.revert(undo);
        }
        result
    }

    /// Tries to remove the cause of a refusal; whether a second try makes sense.
    fn mend(&mut self, refusal: Refusal, now: Duration) -> bool {
        match (refusal.errno, refusal.subject) {
            _ if refusal.is_passing() => true,
            // Somebody else put a range or a translation of his own into our set.
            (Errno::EXIST | Errno::BUSY, Some(set)) => self.adopt_set(set, now).is_ok(),
            // On old kernels, an element may expire between its adding and its deletion.
            (Errno::NOENT, _) => self.mode == FirewallMode::Fw4 || self.resync(now).is_ok(),
            // The kernel drops expired ranges only when a transaction changes the set.
            (Errno::NFILE, Some(set)) if set.is_interval() => self.rebuild(set, now).is_ok(),
            _ => false,
        }
    }

    fn explain(&mut self, refusal: Refusal) -> FirewallError {
        let table = self.table();
        match (refusal.errno, refusal.subject) {
            (Errno::NFILE | Errno::NOSPC, Some(set)) => FirewallError::Full(set),
            (Errno::NOENT, subject) => match self.requests.table(table) {
                Ok(Some(_)) => FirewallError::Missing { table, set: subject },
                _ => FirewallError::Missing { table, set: None },
            },
            (errno, _) => FirewallError::kernel("change the sets", errno),
        }
    }

    /// Drops what has expired from memory; the kernel has closed it already. Never needed: memory is
    /// bounded without it. `now` is `CLOCK_BOOTTIME`.
    pub fn expire(&mut self, now: Duration) {
        self.living.prune(now);
    }

    /// The grants that live at `now`, a time of `CLOCK_BOOTTIME`, ordered by set, port and address.
    ///
    /// An element to which somebody gave no timeout has [`Duration::MAX`] left.
    pub fn living(&self, now: Duration) -> impl Iterator<Item = LivingGrant<'_>> {
        self.living.iter().filter(|(element, _)| !element.set.is_cut()).filter_map(move |(element, life)| {
            Some(LivingGrant { element, access: &life.access, remaining: life.remaining(now)? })
        })
    }

    /// When the last of what these elements opened ends, as far as is known and whoever granted it, a time of
    /// `CLOCK_BOOTTIME`: [`Duration::MAX`] where somebody took its timeout away, `None` where nothing of it lives.
    #[must_use]
    pub fn until(&self, elements: &[Element]) -> Option<Duration> {
        elements.iter().filter_map(|element| self.living.until(element)).max()
    }

    /// Takes over what lives in these sets; what is no longer there is not forgotten. `now` is `CLOCK_BOOTTIME`.
    ///
    /// # Errors
    /// The kernel's errors.
    pub fn ask(&mut self, sets: impl IntoIterator<Item = Set>, now: Duration) -> Result<(), FirewallError> {
        sets.into_iter().try_for_each(|set| self.adopt_set(set, now))
    }

    /// The socket that is readable when [`Firewall::on_events`] has something to do.
    #[must_use]
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// When [`Firewall::on_events`] has something to do although nothing is readable, on `CLOCK_BOOTTIME`: the socket
    /// failed and is to be replaced. Until then it is not to be polled.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        self.events.due()
    }

    fn table(&self) -> &'static str {
        table_of(self.mode)
    }
}

/// The time that it is by now, on `CLOCK_BOOTTIME`, where `then` was when our caller looked: the kernel may take a
/// fifth of a second to make a table, and what is put back after that must not outlive its time by as much.
fn by_now(then: Duration) -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).map_or(then, |clock| Duration::from(clock).max(then))
}

fn table_of(mode: FirewallMode) -> &'static str {
    match mode {
        FirewallMode::Fw4 => FW4_TABLE,
        FirewallMode::Standalone => standalone::TABLE,
    }
}

/// Deletes the table of standalone mode and all grants in it.
///
/// # Errors
/// [`FirewallError::Missing`] where there is none, and the kernel's other errors.
pub fn remove_standalone() -> Result<(), FirewallError> {
    let table = standalone::TABLE;
    let mut requests = Requests::open()?;
    let mut batch = Batch::new(table, requests.sequence());
    batch.delete_table();
    requests.commit(batch).map_err(|refusal| match refusal.errno {
        Errno::NOENT => FirewallError::Missing { table, set: None },
        errno => FirewallError::kernel("delete the table", errno),
    })
}

/// What we declare, as nft reads it: in fw4 mode the sets of the drop-in in their table, in standalone
/// mode the whole table.
#[must_use]
pub fn script(mode: FirewallMode, guard: &Guard) -> String {
    match mode {
        FirewallMode::Fw4 => format!("table inet {FW4_TABLE} {{\n{}}}\n", drop_in::declarations()),
        FirewallMode::Standalone => standalone::script(guard),
    }
}
