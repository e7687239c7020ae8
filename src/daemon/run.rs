//! `spa-knockd run`: open everything, give up root, then wait for what happens.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::awaited::Awaited;
use super::clock::{since_boot, wall};
use super::desk::{self, Front, PageSocket};
use super::door::Door;
use super::ears::Ears;
use super::listener::Listener;
use super::orders::Helper;
use super::own::Routes;
use super::pace::Pace;
use super::privileges::{FALLBACK_ID, User, confine, is_root, open_to};
use super::sandbox;
use super::signals::Signals;
use super::store::{Places, Store, load};
use super::wait::{Part, Wait};
use crate::config::{Config, FirewallMode};
use crate::control::{self, reply::Sandbox, server::Control};
use crate::engine::Engine;
use crate::firewall::{Firewall, Guard};
use crate::otp;

/// What the command line says besides the configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// Devices to capture on, instead of the configuration's.
    pub interfaces: Vec<String>,
    /// Where state and journal are.
    pub places: Places,
    /// Where the control socket is to be, instead of the run directory.
    pub socket: Option<PathBuf>,
    /// Whom to become.
    pub user: String,
    /// Whether the log goes to syslog.
    pub syslog: bool,
    /// Where the configuration was read from; a reload reads it again.
    pub config: PathBuf,
}

/// All that runs, but for what wakes it.
pub(super) struct Daemon {
    pub(super) config: Config,
    pub(super) path: PathBuf,
    /// The devices of the command line; none where the configuration's count.
    pub(super) interfaces: Vec<String>,
    pub(super) ears: Ears,
    /// The TCP listener, where there is one; only a start makes it.
    listener: Option<Listener>,
    pub(super) door: Door,
    /// The desk of the one-time-password page, where there is one; only a start makes it.
    pub(super) desk: Option<Front>,
    pub(super) started: Duration,
    /// What the process has given up.
    pub(super) sandbox: Sandbox,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// One line that says what is missing and what helps; nothing is left half-started.
pub fn run(config: Config, options: &Options) -> Result<(), String> {
    let devices = if options.interfaces.is_empty() { &config.main.devices } else { &options.interfaces };
    if devices.is_empty() {
        return Err(format!(
            "no device to capture on: name one with --interface or `list device` in {}",
            options.config.display()
        ));
    }
    let helper = Helper::start(&config, options.syslog)?;
    let mut signals = Signals::listen().map_err(|error| format!("signals: {error}"))?;
    let ears = Ears::open(devices, &config.main)?;
    let listener = config.main.tcp_listen.map(Listener::open).transpose()?;
    let _lock = options.places.lock()?;
    let guard = (config.main.firewall == FirewallMode::Standalone)
        .then(|| Guard { interfaces: devices.clone(), protect: config.main.protect.clone() });
    let firewall = Firewall::open(config.main.firewall, guard, since_boot()).map_err(|error| error.to_string())?;
    let mut control = open_control(options)?;
    let page = open_page(&config, options);
    give_up_root(options, control.as_ref(), page.as_ref())?;
    let found = load(&options.places);
    for warning in ears.warnings().iter().chain(&found.warnings) {
        log::warn!("{warning}");
    }
    let lost = found.memory.lost;
    let mut engine = Engine::new(&config, found.memory);
    let clock = wall();
    engine.settle(clock);
    let mut store = Store::open(options.places.clone(), &engine);
    store.write_elsewhere();
    if found.unsaved {
        store.honoured(since_boot());
    }
    let routes = Routes::open(devices).map_err(|error| format!("routes: {error}"))?;
    let awaited = Awaited::new(&config, devices, ears.heard());
    let mut door = Door::new(engine, store, firewall, helper, routes, awaited);
    door.configure(&config);
    door.lookout.aim(&config, devices, since_boot());
    if lost {
        door.doubt(clock);
    }
    let desk = page
        .and_then(|page| desk::start(&config, &options.places.state, page).map_err(|line| log::warn!("{line}")).ok());
    let mut daemon = Daemon {
        desk,
        config,
        path: options.config.clone(),
        interfaces: options.interfaces.clone(),
        ears,
        listener,
        door,
        started: since_boot(),
        // Everything is open, and the helper runs: from here on only what serving needs.
        sandbox: sandbox::enter(),
    };
    if daemon.config.main.max_age > 0
        && let Some(why) = daemon.door.engine.doubt(wall())
    {
        log::warn!("the clock is not set: {why}; knocks are refused until it is");
    }
    daemon.door.announce();
    let outcome = watch(&mut daemon, &mut signals, control.as_mut());
    daemon.door.store.save(None, &daemon.door.engine);
    daemon.door.leave();
    outcome
}

impl Daemon {
    /// Lets the listener do what is to do, and says how many knocks that were.
    fn accept(&mut self, readable: bool) -> usize {
        let Self { listener, door, .. } = self;
        match listener {
            Some(listener) if readable || listener.due().is_some_and(|due| door.now >= due) => {
                listener.turn(door.now, |datagram| door.knocked(Ok(datagram)))
            }
            _ => 0,
        }
    }
}

/// The control socket; only one that was asked for by name is worth no start without it.
fn open_control(options: &Options) -> Result<Option<Control>, String> {
    let path = options.socket.clone().unwrap_or_else(|| options.places.run.join(control::FILE));
    match Control::bind(&path) {
        Ok(control) => Ok(Some(control)),
        Err(line) if options.socket.is_some() => Err(line),
        Err(line) => {
            log::warn!("{line}; the daemon cannot be asked");
            Ok(None)
        }
    }
}

/// The page's socket, where there is a page; knocks are worth a start without it.
fn open_page(config: &Config, options: &Options) -> Option<PageSocket> {
    if !config.has_page() {
        return None;
    }
    let bound = PageSocket::bind(&options.places.run).map_err(|line| log::warn!("{line}; there is no page")).ok();
    if let Some(warning) = bound.as_ref().and_then(PageSocket::warning) {
        log::warn!("{warning}");
    }
    bound
}

/// Makes the store of one-time passwords, which a serving daemon may not make, and gives it to whom the state
/// directory belongs to.
fn prepare_store(state: &Path) {
    let store = otp::store::Store::new(state);
    // Where that fails, everybody is refused, and the log says why.
    let _ = store.challenge("", &[], 0);
    let _ = store.hand_over();
}

/// Becomes the user, and says where that is not the named one.
fn give_up_root(options: &Options, control: Option<&Control>, page: Option<&PageSocket>) -> Result<(), String> {
    if !is_root() {
        if let Some(page) = page {
            open_to(&options.places.run, page.path(), page.gid()).unwrap_or_else(|line| log::warn!("{line}"));
            prepare_store(&options.places.state);
        }
        return confine().map_err(|error| format!("cannot give up rights: {error}"));
    }
    let user = User::find(&options.user);
    if !user.is_known() {
        log::warn!("there is no user '{}'; going on as number {FALLBACK_ID}", options.user);
    } else if user.is_in_roots_group() {
        log::warn!("user '{}' is in root's group, which is not kept; going on in group {FALLBACK_ID}", options.user);
    }
    for directory in [&options.places.state, &options.places.run] {
        user.hand_over(directory).unwrap_or_else(|line| log::warn!("{line}"));
    }
    if let Some(control) = control {
        user.hand_over_socket(control.path());
    }
    if let Some(page) = page {
        // Behind the directory, which was handed over whole.
        user.hand_over_socket(page.path());
        open_to(&options.places.run, page.path(), page.gid()).unwrap_or_else(|line| log::warn!("{line}"));
        prepare_store(&options.places.state);
    }
    user.become_it().map_err(|error| format!("cannot give up root: {error}"))
}

/// The one poll.
fn watch(daemon: &mut Daemon, signals: &mut Signals, mut control: Option<&mut Control>) -> Result<(), String> {
    let mut pace = Pace::default();
    loop {
        let woken = wait(signals, daemon, control.as_deref()).sleep()?;
        if woken.by(Part::Stop) {
            return Ok(());
        }
        daemon.door.tick();
        let captured = daemon.ears.listen(&mut daemon.door);
        daemon.ears.follow(woken.by(Part::Links), &mut daemon.door);
        let accepted = daemon.accept(woken.by(Part::Listener));
        daemon.door.mind_the_lookups();
        let due = daemon.door.firewall.due().is_some_and(|due| due <= daemon.door.now);
        daemon.door.mind_the_firewall(due || woken.by(Part::Firewall));
        if woken.by(Part::Helper) {
            daemon.door.lose_helper();
        }
        if woken.by(Part::Hangup) {
            signals.take_hangup();
            // What came of it is logged.
            let _ = daemon.reload();
        }
        let more = daemon.desk.as_ref().is_some_and(|desk| desk.due().is_some());
        if more || woken.by(Part::Desk) {
            daemon.mind_the_desk(woken.by(Part::Desk));
        }
        let now = since_boot();
        if let Some(control) = &mut control {
            if woken.by(Part::Control) || control.due().is_some_and(|due| due <= now) {
                control.serve(now, &mut |request| daemon.answer(request));
            }
            control.publish(daemon.door.report.events(), now);
        }
        let door = &mut daemon.door;
        door.report.say_summary(now);
        door.look_out(now, false);
        door.store.save(Some(now), &door.engine);
        door.store.tidy(&door.engine);
        if let Some(rest) = pace.rest(now, captured.saturating_add(accepted)) {
            std::thread::sleep(rest);
        }
    }
}

/// What the daemon sleeps on.
fn wait<'a>(signals: &'a Signals, daemon: &'a Daemon, control: Option<&'a Control>) -> Wait<'a> {
    let door = &daemon.door;
    let mut wait = Wait::default();
    wait.readable(Part::Stop, [signals.stop()]);
    wait.readable(Part::Hangup, [signals.hangup()]);
    wait.readable(Part::Captures, daemon.ears.fds());
    wait.readable(Part::Links, daemon.ears.links_fd());
    wait.until(daemon.ears.due());
    let firewall_due = door.firewall.due();
    wait.readable(Part::Firewall, firewall_due.is_none().then(|| door.firewall.event_fd()));
    wait.until(firewall_due);
    wait.until(door.store.state_due());
    wait.until(door.report.summary_due());
    let helper = door.helper.as_ref().and_then(Helper::fd);
    wait.hung_up(Part::Helper, helper);
    wait.readable(Part::Lookups, helper.filter(|_| door.lookup_due().is_some()));
    wait.until(door.lookup_due());
    wait.until(door.closing.due());
    wait.until(door.lookout.due());
    if let Some(listener) = &daemon.listener {
        wait.readable(Part::Listener, listener.fds());
        wait.until(listener.due());
    }
    if let Some(desk) = &daemon.desk {
        wait.readable(Part::Desk, desk.fd());
        wait.until(desk.due());
    }
    if let Some(control) = control {
        wait.any(Part::Control, control.poll_fds());
        wait.until(control.due());
    }
    wait
}
