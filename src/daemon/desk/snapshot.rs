//! Who is locked out, and what came of the visits: left by the desk where the one poll finds it at any time.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::control::reply::{OneTime, Paused};

/// How it is at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// Users whose single codes are not looked at, and until when, a time since boot.
    pub(super) paused: Vec<(String, Duration)>,
    /// Sources of which no code is looked at, and until when.
    pub(super) throttled: Vec<(IpAddr, Duration)>,
    /// Passwords accepted.
    pub(super) accepted: u32,
    /// Attempts refused.
    pub(super) refused: u32,
}

/// Leaves it there.
pub(super) fn publish(place: &Mutex<Snapshot>, snapshot: Snapshot) {
    *place.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
}

/// What is to be said of it.
pub(super) fn read(place: &Mutex<Snapshot>, now: Duration, running: bool) -> OneTime {
    let Snapshot { paused, throttled, accepted, refused } =
        place.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let left = |until: Duration| until.saturating_sub(now);
    OneTime {
        running,
        paused: paused
            .into_iter()
            .filter(|(_, until)| *until > now)
            .map(|(user, until)| Paused { user, seconds: left(until).as_secs().max(1) })
            .collect(),
        throttled: throttled.iter().filter(|(_, until)| *until > now).count(),
        accepted,
        refused,
    }
}
