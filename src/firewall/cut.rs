//! The end of connections that revoked grants let in, so that it stays their end.
//!
//! An entry of conntrack that is deleted comes back when the inside end speaks next: its packet is taken for the start
//! of a connection from inside, which the policy allows. So what it would send is dropped from before the end on.

use std::net::IpAddr;
use std::time::Duration;

use super::connections::{self, Doomed, Doors, Fate};
use super::element::Element;
use super::error::FirewallError;
use super::living::Life;
use super::sync::CHUNK;
use super::{Firewall, revoke};
use crate::limits;

/// How often the connections are read until there are none: far more than the kernel usually tracks.
const PASSES_MAX: usize = 64;
/// Whether conntrack takes a TCP session that it does not know for one that began with the packet it sees.
const LOOSE: &str = "/proc/sys/net/netfilter/nf_conntrack_tcp_loose";

/// What became of the connections that revoked grants had let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Killed {
    /// How many were ended.
    pub connections: usize,
    /// Why some may go on all the same; `None` where all that were found have ended for good.
    pub why: Option<String>,
}

impl Firewall {
    /// As [`Firewall::revoke`], and then ends the tracked connections that the deleted elements let in, for
    /// [`limits::CUT_TIME`]. How many elements ended, and what became of the connections.
    ///
    /// # Errors
    /// [`FirewallError::Connections`] where the kernel cannot end connections: nothing was revoked then. As
    /// [`Firewall::revoke`]; and why connections could not be ended although the elements are deleted.
    pub fn revoke_and_kill(
        &mut self,
        access: Option<&str>,
        source: Option<IpAddr>,
        now: Duration,
    ) -> Result<(usize, Killed), FirewallError> {
        connections::probe(&mut self.requests)?;
        let ended = self.end(access, source, now)?;
        let mut killed = Killed::default();
        for v6 in [false, true] {
            if ended.iter().any(|ended| ended.element.set.is_v6() == v6) {
                self.kill(&ended, v6, now, &mut killed)?;
            }
        }
        Ok((ended.len(), killed))
    }

    /// Ends the connections of a family until none is found: one may be on its way in while they are read.
    fn kill(
        &mut self,
        ended: &[revoke::Ended],
        v6: bool,
        now: Duration,
        killed: &mut Killed,
    ) -> Result<(), FirewallError> {
        let doors = Doors::new(ended);
        for _ in 0..PASSES_MAX {
            let doomed = connections::find(&mut self.requests, &doors, v6)?;
            self.cut(&doomed, now, killed);
            let mut offloaded = 0;
            for doomed in &doomed {
                match doomed.end(&mut self.requests)? {
                    Fate::Ended => killed.connections += 1,
                    Fate::Gone => {}
                    Fate::Offloaded => offloaded += 1,
                }
            }
            if offloaded > 0 {
                killed
                    .why
                    .get_or_insert_with(|| "the kernel, older than Linux 6.4, held on to offloaded flows".to_owned());
            }
            if offloaded == doomed.len() {
                break;
            }
        }
        Ok(())
    }

    /// Has dropped what the inside ends of these connections may send. Where that fails, the end goes on without.
    fn cut(&mut self, doomed: &[Doomed], now: Duration, killed: &mut Killed) {
        let expiry = now + Duration::from_secs(limits::CUT_TIME);
        let loose = !std::fs::read(LOOSE).is_ok_and(|value| value.trim_ascii() == b"0");
        let mut cuts: Vec<(Element, Life)> = Vec::new();
        for doomed in doomed {
            match doomed.cut() {
                Some(cut) => cuts.push((cut, Life { expiry, access: doomed.access.clone() })),
                None if doomed.resumable(loose) => {
                    killed.why.get_or_insert_with(|| "the protocol of some has no ports to know them by".to_owned());
                }
                None => {}
            }
        }
        for chunk in cuts.chunks(CHUNK) {
            if self.try_cut(chunk, now).is_ok() {
                continue;
            }
            // One that does not fit in keeps no other out.
            for cut in chunk {
                let Err(refusal) = self.try_cut(std::slice::from_ref(cut), now) else { continue };
                let error = self.explain(refusal);
                if doomed.iter().any(|doomed| doomed.resumable(loose)) {
                    killed.why.get_or_insert_with(|| error.to_string());
                }
                return;
            }
        }
    }

    fn try_cut(&mut self, cuts: &[(Element, Life)], now: Duration) -> Result<(), super::Refusal> {
        self.try_live(cuts.iter().map(|(element, life)| (element, life)), now)
    }
}
