//! The captured devices: taking what they have captured, following them as they come and go, changing them on reload.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::door::Door;
use super::ear::{Ear, Wish};
use super::links::Links;
use crate::capture::filter::Filter;
use crate::capture::live::{Live, OpenError};
use crate::config::Main;
use crate::control::reply::Device;

/// All captured devices.
pub(super) struct Ears {
    ears: Vec<Ear>,
    links: Links,
    filter: Filter,
    ring_kib: u32,
}

impl Ears {
    /// Opens a capture on each device that is there and up, and awaits the others.
    ///
    /// # Errors
    /// One line, where a device cannot be captured on even when it is there.
    pub(super) fn open(devices: &[String], main: &Main) -> Result<Self, String> {
        // Before the devices are looked at, so that nothing is missed.
        let links = Links::open().map_err(|error| format!("cannot hear of network devices: {error}"))?;
        let filter = main.filter();
        let wish = Wish { filter: &filter, ring_kib: main.ring_kib };
        let open = |device: &String| Ear::open(device, &wish, &links);
        let ears =
            each_once(devices).map(open).collect::<Result<_, _>>().map_err(|error: OpenError| error.to_string())?;
        Ok(Self { ears, links, filter, ring_kib: main.ring_kib })
    }

    /// Takes what was captured and says how many packets that were.
    pub(super) fn listen(&mut self, door: &mut Door) -> usize {
        self.ears.iter_mut().map(|ear| ear.listen(door)).sum()
    }

    /// Follows the devices: all of them where the kernel has news, else those whose time has come or whose capture
    /// broke off.
    pub(super) fn follow(&mut self, news: bool, door: &mut Door) {
        let Self { ears, links, filter, ring_kib } = self;
        let now = door.now;
        let all = links.hear(news, now);
        let mut looked = false;
        for ear in ears.iter_mut().filter(|ear| all || ear.wants_a_look(now)) {
            ear.look(&Wish { filter, ring_kib: *ring_kib }, links, door);
            looked = true;
        }
        if looked {
            door.hear(self.heard());
        }
    }

    /// The open captures' descriptors.
    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.ears.iter().filter_map(|ear| ear.live().map(Live::fd))
    }

    /// The descriptor of the kernel's news.
    pub(super) fn links_fd(&self) -> Option<BorrowedFd<'_>> {
        self.links.fd()
    }

    /// When something is tried again.
    pub(super) fn due(&self) -> Option<Duration> {
        self.ears.iter().filter_map(Ear::due).chain(self.links.due()).min()
    }

    /// The devices that are captured on now.
    pub(super) fn heard(&self) -> Vec<String> {
        self.ears.iter().filter(|ear| ear.live().is_some()).map(|ear| ear.device().to_owned()).collect()
    }

    /// A line for each device that is awaited.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.ears.iter().filter_map(|ear| Some(format!("{}: {}", ear.device(), ear.why()?))).collect()
    }

    /// How each capture is.
    pub(super) fn devices(&mut self) -> Vec<Device> {
        let Self { ears, links, .. } = self;
        ears.iter_mut().map(|ear| ear.report(links)).collect()
    }

    /// Captures on these devices from now on. Where filter and ring stay the same, so does an open capture; a new
    /// one is opened before the old one is emptied and closed, so that no knock falls between them. (One that
    /// falls into both is refused there as seen before.) On failure all is as it was.
    pub(super) fn change(&mut self, devices: &[String], main: &Main, door: &mut Door) -> Result<(), OpenError> {
        let filter = main.filter();
        let wish = Wish { filter: &filter, ring_kib: main.ring_kib };
        let same = filter == self.filter && main.ring_kib == self.ring_kib;
        let mut opened = Vec::with_capacity(devices.len());
        for device in each_once(devices) {
            let known = self.ears.iter().find(|ear| ear.device() == device);
            // One without a capture goes on waiting.
            let kept = known.is_some_and(|ear| same || ear.live().is_none());
            opened.push(if kept { None } else { Some(Ear::open(device, &wish, &self.links)?) });
        }
        let mut old = std::mem::take(&mut self.ears);
        for (device, ear) in each_once(devices).zip(opened) {
            let kept = || old.iter().position(|ear| ear.device() == device).map(|place| old.swap_remove(place));
            self.ears.extend(ear.or_else(kept));
        }
        old.iter_mut().for_each(|ear| ear.empty(door));
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
