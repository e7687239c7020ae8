//! The end of connections that revoked grants let in, so that it stays their end.
//!
//! An entry of conntrack that is deleted comes back when the inside end speaks next: its packet is taken for the start
//! of a connection from inside, which the policy allows. So what it would send is dropped from before the end on.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Firewall;
use super::connections::{self, Doomed, Fate};
use super::doors::Doors;
use super::element::Element;
use super::error::Unrevoked;
use super::living::Life;
use super::revoke::Ended;
use super::sync::CHUNK;
use super::{FirewallError, Refusal};
use crate::input::text_of;
use crate::limits;
use crate::sorted::once_each;

/// How often the connections are read until there are none: far more than the kernel usually tracks.
const PASSES_MAX: usize = 64;
/// Whether conntrack takes a TCP session that it does not know for one that began with the packet it sees.
const LOOSE: &str = "/proc/sys/net/netfilter/nf_conntrack_tcp_loose";

/// How connections are ended, and how much of that one request does.
pub struct Kill<'a> {
    /// Whether what is sent to an address ends at this router.
    pub is_own: &'a dyn Fn(IpAddr) -> bool,
    /// How long connections are ended.
    pub ending: Duration,
    /// How long the whole may take, reading included.
    pub reading: Duration,
    /// How many connections are kept from being taken up again.
    pub cuts: usize,
}

impl<'a> Kill<'a> {
    /// As [`limits`] has it.
    #[must_use]
    pub fn new(is_own: &'a dyn Fn(IpAddr) -> bool) -> Self {
        Self {
            is_own,
            ending: Duration::from_millis(limits::KILL_TIME),
            reading: Duration::from_millis(limits::KILL_READ_TIME),
            cuts: limits::CUTS_MAX,
        }
    }
}

impl fmt::Debug for Kill<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ending, reading, cuts, .. } = self;
        write!(f, "Kill(ending {ending:?}, reading {reading:?}, {cuts} cuts)")
    }
}

/// What became of the connections that revoked grants had let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Killed {
    /// How many were ended.
    pub connections: usize,
    /// Why some may go on all the same; `None` where all that were found have ended for good.
    pub why: Option<String>,
}

impl Killed {
    /// Adds a reason, once.
    fn because(&mut self, reason: &str) {
        match &mut self.why {
            None => self.why = Some(reason.to_owned()),
            Some(why) if why.contains(reason) => {}
            Some(why) => *why = format!("{why}; {reason}"),
        }
    }
}

/// What is left to one request.
struct Left {
    ending: Duration,
    until: Instant,
    cuts: usize,
    killed: Killed,
}

impl Firewall {
    /// As [`Firewall::revoke`], and then ends the tracked connections that the deleted elements let in, for
    /// [`limits::CUT_TIME`]. How many elements ended, and what became of the connections. It takes a bounded time; what
    /// is left then is remembered, and goes on with the next request that means the same stanza and source.
    ///
    /// # Errors
    /// [`FirewallError::Connections`] where the kernel cannot end connections: nothing was revoked then. As
    /// [`Firewall::revoke`]; no connection was ended then. That one cannot be ended is told in [`Killed::why`].
    pub fn revoke_and_kill(
        &mut self,
        access: Option<&str>,
        source: Option<IpAddr>,
        now: Duration,
        kill: &Kill<'_>,
    ) -> Result<(usize, Killed), Unrevoked> {
        let until = Instant::now() + kill.reading;
        connections::probe(&mut self.requests)?;
        let (ended, error) = self.end(access, source, now)?;
        let elements = ended.len();
        let (mut wanted, others): (Vec<Ended>, _) =
            std::mem::take(&mut self.unfinished).into_iter().partition(|ended| ended.is_meant(access, source));
        self.unfinished = others;
        wanted.extend(ended);
        once_each(&mut wanted);
        let mut left = Left { ending: kill.ending, until, cuts: kill.cuts, killed: Killed::default() };
        if let Some(error) = error {
            self.remember(wanted, &mut left.killed);
            return Err(Unrevoked { elements, error });
        }
        let mut doors = Doors::new(&wanted, kill.is_own);
        let mut is_done = true;
        for v6 in [false, true] {
            if doors.has(v6) {
                is_done &= self.kill(&mut doors, v6, now, &mut left).unwrap_or_else(|error| {
                    left.killed.because(&format!("{error}; ask again"));
                    false
                });
            }
        }
        if !is_done {
            self.remember(wanted, &mut left.killed);
        }
        Ok((elements, left.killed))
    }

    /// Keeps what a later request is to go on with.
    fn remember(&mut self, wanted: Vec<Ended>, killed: &mut Killed) {
        let room = limits::UNFINISHED_MAX.saturating_sub(self.unfinished.len());
        if wanted.len() > room {
            killed.because("some grants are too many to be remembered: end their connections with conntrack -D");
        }
        self.unfinished.extend(wanted.into_iter().take(room));
        once_each(&mut self.unfinished);
    }

    /// Ends the connections of a family until none is found: one may be on its way in while they are read. Whether
    /// there is nothing left for another request.
    fn kill(&mut self, doors: &mut Doors<'_>, v6: bool, now: Duration, left: &mut Left) -> Result<bool, FirewallError> {
        for _ in 0..PASSES_MAX {
            let found = connections::find(doors, v6, left.until)?;
            let mut offloaded = 0;
            for chunk in found.doomed.chunks(CHUNK) {
                let begun = Instant::now();
                if left.ending.is_zero() || begun >= left.until {
                    left.killed.because("there are more than could be ended at once; ask again");
                    return Ok(false);
                }
                self.cut(chunk, now, left);
                for doomed in chunk {
                    match doomed.end(&mut self.requests)? {
                        Fate::Ended => left.killed.connections += 1,
                        Fate::Gone => {}
                        Fate::Offloaded => offloaded += 1,
                    }
                }
                left.ending = left.ending.saturating_sub(begun.elapsed());
            }
            if offloaded > 0 {
                left.killed.because("the kernel, older than Linux 6.4, held on to offloaded flows");
            }
            if found.late {
                left.killed.because("the kernel tracks more connections than could be read in time; ask again, for one source, or use conntrack -D");
                return Ok(false);
            }
            if offloaded == found.doomed.len() {
                return Ok(true);
            }
        }
        left.killed.because("new ones came in as fast as they were ended; ask again");
        Ok(false)
    }

    /// Has dropped what the inside ends of these connections may send. Where that fails, the end goes on without.
    fn cut(&mut self, doomed: &[Doomed], now: Duration, left: &mut Left) {
        let expiry = now + Duration::from_secs(limits::CUT_TIME);
        let loose = text_of(LOOSE).map_or(true, |value| value.trim_ascii() != "0");
        let mut cuts: Vec<(Element, Life)> = Vec::new();
        for doomed in doomed {
            let refusal = match doomed.cut() {
                Some(_) if left.cuts == 0 => "there are more than are kept from being taken up again at once",
                Some(cut) => {
                    left.cuts -= 1;
                    cuts.push((cut, Life { expiry, access: doomed.access.clone() }));
                    continue;
                }
                None => "the protocol of some has no ports to know them by",
            };
            if doomed.resumable(loose) {
                left.killed.because(refusal);
            }
        }
        if self.try_cut(&cuts, now).is_ok() {
            return;
        }
        // One that does not fit in keeps no other out.
        for cut in cuts.chunks(1) {
            let Err(refusal) = self.try_cut(cut, now) else { continue };
            if doomed.iter().any(|doomed| doomed.resumable(loose)) {
                let error = self.explain(refusal);
                left.killed.because(&error.to_string());
            }
        }
    }

    fn try_cut(&mut self, cuts: &[(Element, Life)], now: Duration) -> Result<(), Refusal> {
        self.try_live(cuts.iter().map(|(element, life)| (element, life)), now)
    }
}
