//! One captured device: its capture while there is one, and when to open it again where there is none.

use std::time::Duration;

use super::clock::since_boot;
use super::door::Door;
use super::links::{Identity, Link, Links};
use crate::capture::filter::Filter;
use crate::capture::live::{ANY, Live, OpenError, can_exist, is_permitted};
use crate::control::reply::Device;
use crate::retry::Retry;

/// Why nothing is heard on a device that is there.
const DOWN: &str = "the device is down; it is awaited";

/// Packets that one device may deliver before the others have their turn.
const TURN: usize = 256;

/// Turns that a capture gets before it is closed: more than the largest ring holds frames of the shortest knock.
const LAST_TURNS: usize = 2048;

/// How long that may take: a flood fills the ring again meanwhile.
const LAST_TIME: Duration = Duration::from_millis(100);

/// What a new capture is made of.
pub(super) struct Wish<'a> {
    pub(super) filter: &'a Filter,
    pub(super) ring_kib: u32,
}

/// Where a capture is, or why there is none.
enum State {
    Capturing(Live),
    /// There is no device of this name.
    Absent,
    /// The device is down.
    Down,
    /// The device is there and up, but cannot be captured on: why.
    Broken(String),
}

/// One device.
pub(super) struct Ear {
    device: String,
    state: State,
    /// What was last opened, or could not be; `None` where the device went away or down since, and for all at once.
    tried: Option<Identity>,
    /// When the same device is tried again; the kernel tells of any other change.
    retry: Retry,
    /// Whether the capture broke off since the device was looked at.
    broke_off: bool,
    /// What people know of why there is no capture.
    said: Option<String>,
}

impl Ear {
    /// Opens a capture, or waits for the device where that is absent or down; [`Ear::why`] then has to be said.
    pub(super) fn open(device: &str, wish: &Wish<'_>, links: &Links) -> Result<Self, OpenError> {
        if !can_exist(device) {
            return Err(OpenError::NoName(device.to_owned()));
        }
        let mut ear = Self {
            device: device.to_owned(),
            state: State::Absent,
            tried: None,
            retry: Retry::default(),
            broke_off: false,
            said: None,
        };
        if device != ANY {
            match links.look(device) {
                Ok(Some(Link { identity, up: true })) => ear.tried = Some(identity),
                Ok(Some(Link { up: false, .. })) => ear.state = State::Down,
                Ok(None) => {}
                Err(error) => return Err(OpenError::Other(device.to_owned(), error.to_string())),
            }
        }
        if device == ANY || ear.tried.is_some() {
            match Live::open(device, wish.ring_kib, wish.filter) {
                Ok(live) => ear.state = State::Capturing(live),
                // It went just now; the news of it wait already.
                Err(OpenError::NoSuchDevice(_)) => ear.wait_for(State::Absent),
                Err(OpenError::NotUp(_)) => ear.wait_for(State::Down),
                Err(error) => return Err(error),
            }
        } else if !is_permitted() {
            return Err(OpenError::Permission(device.to_owned()));
        }
        ear.said = ear.why();
        Ok(ear)
    }

    pub(super) fn device(&self) -> &str {
        &self.device
    }

    /// The capture while there is one.
    pub(super) fn live(&self) -> Option<&Live> {
        match &self.state {
            State::Capturing(live) => Some(live),
            _ => None,
        }
    }

    /// When the capture is tried again without news.
    pub(super) fn due(&self) -> Option<Duration> {
        self.retry.due()
    }

    /// Whether the device is to be looked at although there are no news.
    pub(super) fn wants_a_look(&self, now: Duration) -> bool {
        self.broke_off || self.retry.is_due(now)
    }

    /// Why there is no capture; `None` while there is one.
    pub(super) fn why(&self) -> Option<String> {
        match &self.state {
            State::Capturing(_) => None,
            State::Absent => Some("there is no such network device; it is awaited".to_owned()),
            State::Down => Some(DOWN.to_owned()),
            State::Broken(why) => Some(why.clone()),
        }
    }

    /// How the capture is, for the control socket. One whose device went down goes on when that comes up, and says
    /// nothing in the log; but who asks why no knock arrives is told.
    pub(super) fn report(&mut self, links: &Links) -> Device {
        let is_down = || matches!(links.look(&self.device), Ok(Some(Link { up: false, .. })));
        let is_deaf = self.device != ANY && self.live().is_some() && is_down();
        let why = self.why().or_else(|| is_deaf.then(|| DOWN.to_owned()));
        let counted = match &mut self.state {
            State::Capturing(live) if why.is_none() => live.statistics().ok(),
            _ => None,
        };
        Device {
            device: self.device.clone(),
            capturing: why.is_none(),
            why,
            received: counted.map(|counted| counted.received),
            dropped: counted.map(|counted| counted.dropped),
        }
    }

    /// Takes what the device has captured and says how many packets that were. A capture that breaks off waits to be
    /// looked at.
    pub(super) fn listen(&mut self, door: &mut Door) -> usize {
        let State::Capturing(live) = &mut self.state else { return 0 };
        live.drain(TURN, |captured| door.knocked(captured)).unwrap_or_else(|error| {
            self.broken(&error, door.now);
            self.broke_off = true;
            0
        })
    }

    /// Takes what was captured before the capture is closed; under a flood, not all of it.
    pub(super) fn empty(&mut self, door: &mut Door) {
        let until = since_boot().saturating_add(LAST_TIME);
        for _ in 0..LAST_TURNS {
            if self.listen(door) == 0 || since_boot() >= until {
                break;
            }
        }
    }

    /// Looks at the device and opens, closes or replaces the capture; tells people what has changed for them.
    pub(super) fn look(&mut self, wish: &Wish<'_>, links: &Links, door: &mut Door) {
        self.broke_off = false;
        let opened = if self.device == ANY {
            self.retry.is_due(door.now) && self.open_again(None, wish, door)
        } else {
            match links.look(&self.device) {
                Ok(Some(link)) => self.follow(link, wish, door),
                Ok(None) => self.close(State::Absent, door),
                // Nothing is known; a capture that lives is left alone.
                Err(_) if self.live().is_some() => false,
                Err(error) => {
                    self.broken(&error, door.now);
                    false
                }
            }
        };
        let why = self.why();
        match &why {
            None if opened => log::warn!("{}: capturing again", self.device),
            // That a device which came back is not yet up, or went again before it was, is in `status`.
            Some(words) if self.said.is_none() || matches!(self.state, State::Broken(_)) && self.said != why => {
                log::warn!("{}: {words}", self.device);
            }
            _ => {}
        }
        self.said = why;
    }

    /// The device is there; whether a capture was opened on it.
    fn follow(&mut self, link: Link, wish: &Wish<'_>, door: &mut Door) -> bool {
        let same = self.tried == Some(link.identity);
        match &self.state {
            // The kernel takes a capture up again when its device comes up.
            State::Capturing(_) if same => false,
            _ if !link.up => self.close(State::Down, door),
            // What failed on this very device is not tried without a pause.
            State::Broken(_) if same && !self.retry.is_due(door.now) => false,
            _ => {
                if !same {
                    self.retry = Retry::default();
                }
                self.open_again(Some(link.identity), wish, door)
            }
        }
    }

    /// Opens a capture in the place of the old one, which is emptied if it still lives.
    fn open_again(&mut self, identity: Option<Identity>, wish: &Wish<'_>, door: &mut Door) -> bool {
        let opened = Live::open(&self.device, wish.ring_kib, wish.filter);
        self.empty(door);
        self.retry.tried();
        self.tried = identity;
        match opened {
            Ok(live) => self.state = State::Capturing(live),
            Err(OpenError::NoSuchDevice(_)) => self.wait_for(State::Absent),
            Err(OpenError::NotUp(_)) => self.wait_for(State::Down),
            Err(error) => self.broken(&error, door.now),
        }
        self.broke_off = false;
        self.live().is_some()
    }

    /// Ends the capture, if there is one, with what it has still got, and waits for the kernel's news.
    fn close(&mut self, state: State, door: &mut Door) -> bool {
        self.empty(door);
        self.wait_for(state);
        self.broke_off = false;
        false
    }

    fn wait_for(&mut self, state: State) {
        (self.state, self.tried, self.retry) = (state, None, Retry::default());
    }

    /// Waits for a while, or for news of another device.
    fn broken(&mut self, why: &impl ToString, now: Duration) {
        let why = why.to_string();
        let words = why.strip_prefix(&format!("{}: ", self.device)).unwrap_or(&why);
        self.state = State::Broken(format!("{words}; it is tried again"));
        self.retry.failed(now);
    }
}
