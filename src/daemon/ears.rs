//! The captured devices: taking what they have captured, opening lost captures again, changing them on reload.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::clock::since_boot;
use super::door::Door;
use crate::capture::filter::Filter;
use crate::capture::live::{Live, OpenError};
use crate::config::Main;
use crate::control::reply::Device;

/// Packets that one device may deliver before the others have their turn.
const TURN: usize = 256;

/// Turns that a capture gets before it is closed: more than the largest ring holds frames of the shortest knock.
const LAST_TURNS: usize = 2048;

/// How long until a lost capture is opened again.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// One device, and its capture while there is one.
struct Ear {
    device: String,
    live: Option<Live>,
    reopen_at: Duration,
}

/// All captured devices.
pub(super) struct Ears {
    ears: Vec<Ear>,
    filter: Filter,
    ring_kib: u32,
}

impl Ears {
    /// Opens a capture on each device.
    pub(super) fn open(devices: &[String], main: &Main) -> Result<Self, OpenError> {
        let filter = main.filter();
        let open = |device: &String| Ear::open(device, main.ring_kib, &filter);
        let ears = each_once(devices).map(open).collect::<Result<_, _>>()?;
        Ok(Self { ears, filter, ring_kib: main.ring_kib })
    }

    /// Takes what was captured and says how many packets that were.
    pub(super) fn listen(&mut self, door: &mut Door) -> usize {
        let Self { ears, filter, ring_kib } = self;
        ears.iter_mut().map(|ear| ear.listen(*ring_kib, filter, door)).sum()
    }

    /// The open captures' descriptors.
    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.ears.iter().filter_map(|ear| ear.live.as_ref().map(Live::fd))
    }

    /// When lost captures are tried again.
    pub(super) fn due(&self) -> Option<Duration> {
        self.ears.iter().filter(|ear| ear.live.is_none()).map(|ear| ear.reopen_at).min()
    }

    /// How each capture is.
    pub(super) fn devices(&mut self) -> Vec<Device> {
        let device = |ear: &mut Ear| {
            let counted = ear.live.as_mut().and_then(|live| live.statistics().ok());
            Device {
                device: ear.device.clone(),
                capturing: ear.live.is_some(),
                received: counted.map(|counted| counted.received),
                dropped: counted.map(|counted| counted.dropped),
            }
        };
        self.ears.iter_mut().map(device).collect()
    }

    /// Captures on these devices from now on. Where filter and ring stay the same, so does an open capture; a new
    /// one is opened before the old one is emptied and closed, so that no knock falls between them. (One that
    /// falls into both is refused there as seen before.) On failure all is as it was.
    pub(super) fn change(&mut self, devices: &[String], main: &Main, door: &mut Door) -> Result<(), OpenError> {
        let filter = main.filter();
        let same = filter == self.filter && main.ring_kib == self.ring_kib;
        let mut opened = Vec::with_capacity(devices.len());
        for device in each_once(devices) {
            let known = self.ears.iter().find(|ear| ear.device == *device);
            opened.push(match known {
                Some(_) if same => None,
                // Lost already: it is tried again as before.
                Some(Ear { live: None, .. }) => Some(Ear::lost(device)),
                _ => Some(Ear::open(device, main.ring_kib, &filter)?),
            });
        }
        let mut old = std::mem::take(&mut self.ears);
        for (device, ear) in each_once(devices).zip(opened) {
            let kept = || old.iter().position(|ear| ear.device == *device).map(|place| old.swap_remove(place));
            self.ears.extend(ear.or_else(kept));
        }
        for mut ear in old {
            for _ in 0..LAST_TURNS {
                if ear.listen(self.ring_kib, &self.filter, door) == 0 {
                    break;
                }
            }
        }
        (self.filter, self.ring_kib) = (filter, main.ring_kib);
        Ok(())
    }
}

/// The devices without repetition: a device that is named twice is captured once.
fn each_once(devices: &[String]) -> impl Iterator<Item = &String> {
    devices
        .iter()
        .enumerate()
        .filter(|&(index, device)| !devices.iter().take(index).any(|earlier| earlier == device))
        .map(|(_, device)| device)
}

impl Ear {
    fn open(device: &str, ring_kib: u32, filter: &Filter) -> Result<Self, OpenError> {
        Ok(Self { live: Some(Live::open(device, ring_kib, filter)?), ..Self::lost(device) })
    }

    fn lost(device: &str) -> Self {
        Self { device: device.to_owned(), live: None, reopen_at: Duration::ZERO }
    }

    /// Takes what the device has captured and says how many packets that were, or opens its capture again.
    fn listen(&mut self, ring_kib: u32, filter: &Filter, door: &mut Door) -> usize {
        let Some(live) = &mut self.live else {
            self.reopen(ring_kib, filter);
            return 0;
        };
        live.drain(TURN, |captured| door.knocked(captured)).unwrap_or_else(|error| {
            log::warn!("{error}; the capture is opened again as soon as that works");
            self.live = None;
            // A device that opens and fails at once must not be tried without a pause.
            self.reopen_at = self.reopen_at.max(since_boot());
            0
        })
    }

    /// Tries to open a lost capture, not more often than [`REOPEN_AFTER`].
    fn reopen(&mut self, ring_kib: u32, filter: &Filter) {
        let now = since_boot();
        if now < self.reopen_at {
            return;
        }
        match Live::open(&self.device, ring_kib, filter) {
            Ok(live) => {
                log::warn!("{}: capturing again", self.device);
                self.live = Some(live);
                self.reopen_at = now.saturating_add(REOPEN_AFTER);
            }
            Err(error) => {
                log::debug!("{error}");
                self.reopen_at = now.saturating_add(REOPEN_AFTER);
            }
        }
    }
}
