//! `spa-knockd run`: open everything, give up root, then wait for what happens.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::clock::{since_boot, wall};
use super::listener::Listener;
use super::logger::NOTICE;
use super::own::Routes;
use super::pace::Pace;
use super::privileges::{FALLBACK_ID, User, is_root};
use super::report::{Refusal, Report};
use super::signals::Signals;
use super::store::{Places, Store, load};
use crate::capture::filter::Filter;
use crate::capture::live::Live;
use crate::capture::{Datagram, Transport};
use crate::config::{Config, FirewallMode};
use crate::engine::{Clock, Engine};
use crate::firewall::{Event, Firewall, Guard};
use crate::reason::Reason;

/// Packets that one device may deliver before the others have their turn.
const TURN: usize = 256;

/// How long until a lost capture is opened again.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// What the command line says besides the configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// Devices to capture on, instead of the configuration's.
    pub interfaces: Vec<String>,
    /// Where state and journal are.
    pub places: Places,
    /// Whom to become.
    pub user: String,
    /// Where the configuration was read from, for messages.
    pub config: PathBuf,
}

/// One device, and its capture while there is one.
struct Ear {
    device: String,
    live: Option<Live>,
    reopen_at: Duration,
}

/// All that a knock passes through behind the capture.
struct Door {
    engine: Engine,
    store: Store,
    firewall: Firewall,
    report: Report,
    routes: Routes,
    /// Where knocks are awaited, for people.
    awaited: String,
    /// Whether people know that a knock would be honoured.
    ready: bool,
    /// Whether the ruleset was changed by ourselves since it was looked at.
    granted: bool,
    /// The wall clock when the captures were last looked at: one look serves all packets of a turn.
    clock: Clock,
    /// The time since boot at that look.
    now: Duration,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// One line that says what is missing and what helps; nothing is left half-started.
pub fn run(config: &Config, options: &Options) -> Result<(), String> {
    let devices = if options.interfaces.is_empty() { &config.main.devices } else { &options.interfaces };
    if devices.is_empty() {
        return Err(format!(
            "no device to capture on: name one with --interface or `list device` in {}",
            options.config.display()
        ));
    }
    let filter = config.main.filter();
    let mut signals = Signals::listen().map_err(|error| format!("signals: {error}"))?;
    let mut ears = Vec::with_capacity(devices.len());
    for (index, device) in devices.iter().enumerate() {
        if devices.iter().take(index).any(|earlier| earlier == device) {
            continue;
        }
        let live = Live::open(device, config.main.ring_kib, &filter).map_err(|error| error.to_string())?;
        ears.push(Ear { device: device.clone(), live: Some(live), reopen_at: Duration::ZERO });
    }
    let mut listener = config.main.tcp_listen.map(Listener::open).transpose()?;
    let _lock = options.places.lock()?;
    let guard = (config.main.firewall == FirewallMode::Standalone)
        .then(|| Guard { interfaces: devices.clone(), protect: config.main.protect.clone() });
    let firewall = Firewall::open(config.main.firewall, guard, since_boot()).map_err(|error| error.to_string())?;
    give_up_root(options)?;
    let found = load(&options.places);
    for warning in &found.warnings {
        log::warn!("{warning}");
    }
    let mut engine = Engine::new(config, found.memory);
    engine.settle(wall());
    let mut store = Store::open(options.places.clone(), &engine);
    if found.unsaved {
        store.honoured(since_boot());
    }
    let mut door = Door {
        engine,
        store,
        firewall,
        report: Report::new(since_boot()),
        routes: Routes::open(devices).map_err(|error| format!("routes: {error}"))?,
        awaited: awaited(config, devices),
        ready: false,
        granted: false,
        clock: wall(),
        now: since_boot(),
    };
    if config.main.max_age > 0 && !door.engine.is_plausible(wall()) {
        log::warn!("the clock is not set; knocks are refused until it is");
    }
    door.announce();
    let outcome = watch(config, &filter, &mut signals, &mut ears, &mut listener, &mut door);
    door.store.save(None, &door.engine);
    outcome
}

/// Becomes the user, and says where that is not the named one.
fn give_up_root(options: &Options) -> Result<(), String> {
    if !is_root() {
        return Ok(());
    }
    let user = User::find(&options.user);
    if !user.is_known() {
        log::warn!("there is no user '{}'; going on as number {FALLBACK_ID}", options.user);
    }
    user.hand_over(&options.places.state);
    user.hand_over(&options.places.run);
    user.become_it().map_err(|error| format!("cannot give up root: {error}"))
}

/// The one poll.
fn watch(
    config: &Config,
    filter: &Filter,
    signals: &mut Signals,
    ears: &mut [Ear],
    listener: &mut Option<Listener>,
    door: &mut Door,
) -> Result<(), String> {
    let mut pace = Pace::default();
    loop {
        let ready = wait(signals, ears, listener.as_ref(), door)?;
        if ready.stop {
            return Ok(());
        }
        if ready.hangup {
            signals.take_hangup();
            log::warn!("SIGHUP: restart the service to read the configuration again");
        }
        (door.clock, door.now) = (wall(), since_boot());
        let captured: usize = ears.iter_mut().map(|ear| ear.listen(config, filter, door)).sum();
        let accepted = match listener {
            Some(listener) if ready.listener || listener.due().is_some_and(|due| door.now >= due) => {
                listener.turn(door.now, |datagram| door.knocked(Ok(datagram)))
            }
            _ => 0,
        };
        door.mind_the_firewall(ready.firewall);
        let now = since_boot();
        door.report.say_summary(now);
        door.store.save(Some(now), &door.engine);
        door.store.tidy(&door.engine);
        if let Some(rest) = pace.rest(now, captured.saturating_add(accepted)) {
            std::thread::sleep(rest);
        }
    }
}

/// What woke the poll; captures are simply asked.
struct Ready {
    stop: bool,
    hangup: bool,
    firewall: bool,
    listener: bool,
}

/// Sleeps until a descriptor is readable or something is due; without either, for ever.
fn wait(signals: &Signals, ears: &[Ear], listener: Option<&Listener>, door: &Door) -> Result<Ready, String> {
    let captures = ears.iter().filter_map(|ear| ear.live.as_ref().map(Live::fd));
    let fixed = [signals.stop(), signals.hangup(), door.firewall.event_fd()];
    let mut fds: Vec<PollFd<'_>> = fixed
        .into_iter()
        .chain(listener.into_iter().flat_map(Listener::fds))
        .chain(captures)
        .map(|fd: BorrowedFd<'_>| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    let lost = ears.iter().filter(|ear| ear.live.is_none()).map(|ear| ear.reopen_at);
    let due = lost
        .chain(door.store.state_due())
        .chain(door.report.summary_due())
        .chain(listener.and_then(Listener::due))
        .min()
        .map(|due| due.saturating_sub(since_boot()));
    let timeout = due.and_then(|due| Timespec::try_from(due).ok());
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(format!("poll: {error}")),
    }
    let readable = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
    let heard = listener.map_or(0, |listener| listener.fds().count());
    Ok(Ready {
        stop: readable(0),
        hangup: readable(1),
        firewall: readable(2),
        listener: (fixed.len()..).take(heard).any(readable),
    })
}

impl Ear {
    /// Takes what the device has captured and says how many packets that were, or opens its capture again.
    fn listen(&mut self, config: &Config, filter: &Filter, door: &mut Door) -> usize {
        let Some(live) = &mut self.live else {
            self.reopen(config, filter);
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
    fn reopen(&mut self, config: &Config, filter: &Filter) {
        let now = since_boot();
        if now < self.reopen_at {
            return;
        }
        match Live::open(&self.device, config.main.ring_kib, filter) {
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

impl Door {
    /// Says that knocks are awaited, or what they wait for.
    fn announce(&mut self) {
        let awaited = &self.awaited;
        match self.firewall.missing() {
            Ok(missing) => match missing.first() {
                None if !self.store.is_open() => {}
                None => {
                    self.ready = true;
                    log::info!(target: NOTICE, "ready: knocks are awaited at {awaited}");
                }
                Some(missing) => log::warn!("{missing}; knocks at {awaited} are refused until it is there"),
            },
            Err(error) => log::warn!("{error}"),
        }
    }

    /// One captured frame goes the whole way.
    fn knocked(&mut self, captured: Result<Datagram<'_>, Reason>) {
        let datagram = match captured {
            Ok(datagram) => datagram,
            Err(reason) => {
                self.report.refused(reason, &Refusal::default(), self.now);
                return;
            }
        };
        let clock = self.clock;
        let place_of = |address| self.routes.place_of(address);
        let mut verdict = self.engine.handle(&datagram, clock, &place_of, &mut |_, _| {});
        let honouring = verdict.outcome.as_ref().ok().map(|grant| &*grant.access);
        let mut trouble = None;
        if let Some(entry) = verdict.entry
            && let Err(line) = self.store.record(entry, clock.unix, honouring, &self.engine)
            && verdict.outcome.is_ok()
        {
            verdict.outcome = Err(Reason::Journal);
            trouble = Some(line);
        }
        if let Ok(grant) = &verdict.outcome {
            let now = since_boot();
            self.granted = true;
            match self.firewall.grant(grant, now) {
                Ok(()) => {
                    self.engine.honoured(&verdict, clock);
                    self.store.honoured(now);
                    self.report.granted(grant, &verdict, datagram.source);
                }
                Err(error) => {
                    trouble = Some(error.to_string());
                    verdict.outcome = Err(error.reason());
                }
            }
        }
        if let Err(reason) = verdict.outcome {
            let refusal = Refusal { verdict: Some(&verdict), knocker: Some(datagram.source), trouble };
            self.report.refused(reason, &refusal, self.now);
        } else if !self.ready {
            self.announce();
        }
    }

    /// Keeps up with what others do to the ruleset; `readable` tells that somebody did something. A grant reads
    /// their news too, so after one there may be some although nothing is readable any more.
    fn mind_the_firewall(&mut self, readable: bool) {
        if !std::mem::take(&mut self.granted) && !readable {
            return;
        }
        for event in self.firewall.on_events(since_boot()) {
            self.ready &= event != Event::TableGone;
            log::warn!("{event}");
        }
        if !self.ready && self.firewall.missing().is_ok_and(|missing| missing.is_empty()) {
            self.announce();
        }
    }
}

/// Ports, transports and devices, for people.
fn awaited(config: &Config, devices: &[String]) -> String {
    let transports = config.main.transports.iter().map(|transport| match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Icmp => "icmp",
    });
    let ports = config.main.ports.iter().map(|range| match (range.start(), range.end()) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    });
    let http = config.main.http.map(|_| "http");
    let (transports, ports) = (transports.chain(http).collect::<Vec<_>>(), ports.collect::<Vec<_>>());
    let listener =
        config.main.tcp_listen.map(|port| format!(", and by the listener at tcp {port}")).unwrap_or_default();
    format!("{} {} on {}{listener}", transports.join(","), ports.join(","), devices.join(", "))
}
