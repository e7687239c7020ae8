//! The helper process: it stays root where it is, learns the named commands at its start, and runs them as their users.
//!
//! The daemon, which gives up root, can only point at a command and fill in the values of a fixed environment.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::thread::set_no_new_privs;

use super::clock::since_boot;
use super::logger;
use super::message::{Answer, Message, Order, Row};
use super::privileges::{is_root, renounce};
use super::resolver::Lookups;
use super::wait::is_ready;
use crate::limits::{CLOSINGS_MAX, CLOSINGS_RUNNING_MAX, COMMAND_TIME, HELPER_MESSAGE_MAX, LOOKUP_TIME, RUNNING_MAX};

/// The hidden argument that makes the program a helper.
pub const ARGUMENT: &str = "run-helper";

/// The variables of a command's environment, in the order of an order's values.
pub(super) const VARIABLES: [&str; 10] = [
    "SPA_ACCESS",
    "SPA_USER",
    "SPA_SOURCE",
    "SPA_KNOCKER",
    "SPA_PORTS",
    "SPA_FORWARDS",
    "SPA_TIMEOUT",
    "SPA_COMMAND",
    "SPA_EVENT",
    "SPA_REASON",
];

/// Where a script finds its programs.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// How often running commands are looked after; without any, the helper sleeps.
const TICK: Duration = Duration::from_millis(100);

/// How long is slept where the kernel has no memory to wait with.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves the daemon at the other end of standard input until that is closed; then kills what still runs. Without root
/// it can become nobody else, and gives up all rights that it was started with: no command and no look-up is to have
/// them.
///
/// # Errors
/// One line: there is no daemon to serve, or it says what no daemon says.
pub fn serve() -> Result<(), String> {
    let socket = rustix::stdio::stdin();
    let mut rows = Vec::new();
    let looks_up = loop {
        match receive(socket)? {
            Some(Message::Row(row)) => rows.push(row),
            Some(Message::Ready { log_level, syslog, looks_up }) => {
                logger::start(log_level.parse().unwrap_or(log::LevelFilter::Info), syslog)?;
                break looks_up;
            }
            Some(Message::Run(_) | Message::Look { .. }) => {
                return Err("an order came before the table was whole".to_owned());
            }
            None => return Ok(()),
        }
    };
    let confined = if is_root() { set_no_new_privs(true) } else { renounce() };
    confined.map_err(|error| format!("cannot give up rights: {error}"))?;
    let mut running = Running::new(Duration::from_secs(COMMAND_TIME));
    let mut waiting = VecDeque::new();
    let mut lookups = Lookups::new(Duration::from_secs(LOOKUP_TIME));
    loop {
        let watched = std::iter::once(socket).chain(lookups.fds());
        let mut fds: Vec<_> = watched.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let is_idle = running.jobs.is_empty() && lookups.is_empty();
        match ppoll(&mut fds, (!is_idle).then_some(TimeSpec::from(TICK)), None) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            // For want of memory; what is ready then still is after a short sleep.
            Err(nix::Error::ENOMEM | nix::Error::EAGAIN) => std::thread::sleep(PAUSE),
            Err(error) => return Err(format!("poll: {}", std::io::Error::from(error))),
        }
        let is_told = fds.first().is_some_and(is_ready);
        running.tend(since_boot());
        while running.has_room(true)
            && let Some(order) = waiting.pop_front()
        {
            follow(&order, &rows, &mut running);
        }
        lookups.tend(since_boot(), |id, addresses| answer(socket, &Answer { id, addresses }));
        if !is_told {
            continue;
        }
        match receive(socket)? {
            Some(Message::Run(order)) if order.waits && !running.has_room(true) => {
                if waiting.len() < CLOSINGS_MAX {
                    waiting.push_back(order);
                } else {
                    log::warn!("{} does not run: {CLOSINGS_MAX} are waiting", what(&order, &rows));
                }
            }
            Some(Message::Run(order)) => follow(&order, &rows, &mut running),
            Some(Message::Look { id, name }) if looks_up => {
                if let Err(why) = lookups.start(id, &name, since_boot()) {
                    log::warn!("a name is not looked up: {why}");
                    answer(socket, &Answer { id, addresses: Vec::new() });
                }
            }
            Some(Message::Look { .. }) => return Err("no stanza has names looked up".to_owned()),
            Some(_) => return Err("the table of commands cannot change any more".to_owned()),
            None => {
                let (unrun, killed) = (waiting.len(), running.count(true));
                if unrun > 0 || killed > 0 {
                    log::warn!("the daemon has ended: on_close commands that do not run: {unrun}; killed: {killed}");
                }
                return Ok(());
            }
        }
    }
}

/// The next message; `None` where the daemon has gone.
fn receive(socket: BorrowedFd<'_>) -> Result<Option<Message>, String> {
    let mut room = [0; HELPER_MESSAGE_MAX];
    let length = match retry_on_intr(|| recv(socket, &mut room[..], RecvFlags::empty())) {
        Ok((0, _)) | Err(Errno::CONNRESET) => return Ok(None),
        Ok((length, _)) => length,
        Err(Errno::NOTSOCK) => return Err(format!("{ARGUMENT} is for the daemon itself")),
        Err(error) => return Err(format!("cannot hear the daemon: {error}")),
    };
    let bytes = room.get(..length).unwrap_or_default();
    Message::read(bytes).map(Some).ok_or_else(|| "that is no message of the daemon".to_owned())
}

/// The command that the order points at, for people.
fn what(order: &Order, rows: &[Row]) -> String {
    match rows.get(order.row) {
        Some(row) => format!("command {} of {}", row.name, row.stanza),
        None => format!("command {}", order.row),
    }
}

/// Tells the daemon; one that does not listen has stopped waiting, or will.
fn answer(socket: BorrowedFd<'_>, answer: &Answer) {
    let _ = send(socket, &answer.bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
}

/// Runs what the order points at, or says why not.
fn follow(order: &Order, rows: &[Row], running: &mut Running) {
    let what = what(order, rows);
    let Some(row) = rows.get(order.row) else {
        log::warn!("helper: there is no {what}");
        return;
    };
    let mut command = Command::new(&row.program);
    // With the user, std also clears the supplementary groups.
    command.args(&row.arguments).uid(row.uid).gid(row.gid).current_dir("/").env_clear().env("PATH", PATH);
    command.envs(VARIABLES.into_iter().zip(&order.values));
    if let Err(why) = running.start(&mut command, what.clone(), order.waits, since_boot()) {
        log::warn!("{what} does not run: {why}");
    }
}

/// A command that runs.
struct Job {
    child: Child,
    what: String,
    /// Whether it runs at the end of a grant.
    closes: bool,
    until: Duration,
    killed: bool,
}

/// All that run.
struct Running {
    jobs: Vec<Job>,
    limit: Duration,
}

impl Running {
    fn new(limit: Duration) -> Self {
        Self { jobs: Vec::new(), limit }
    }

    /// How many run at the ends of grants, or for other reasons.
    fn count(&self, closes: bool) -> usize {
        self.jobs.iter().filter(|job| job.closes == closes).count()
    }

    /// Whether one more may run: the ends of grants never wait for what others have started, nor these for them.
    fn has_room(&self, closes: bool) -> bool {
        self.count(closes) < if closes { CLOSINGS_RUNNING_MAX } else { RUNNING_MAX }
    }

    /// Starts one more in a process group of its own; nobody hears its output.
    fn start(&mut self, command: &mut Command, what: String, closes: bool, now: Duration) -> Result<(), String> {
        if !self.has_room(closes) {
            return Err(format!("{} commands are running", self.count(closes)));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let child = command.spawn().map_err(|error| error.to_string())?;
        self.jobs.push(Job { child, what, closes, until: now.saturating_add(self.limit), killed: false });
        Ok(())
    }

    /// Says which have ended, and kills those whose time is up.
    fn tend(&mut self, now: Duration) {
        self.jobs.retain_mut(|job| match job.child.try_wait() {
            Ok(None) => {
                if now >= job.until && !job.killed {
                    log::warn!("{} ran longer than it may and is killed", job.what);
                    job.kill();
                }
                true
            }
            Ok(Some(status)) => {
                if job.killed || status.success() {
                    log::debug!("{} ended: {status}", job.what);
                } else {
                    log::warn!("{} ended: {status}", job.what);
                }
                false
            }
            Err(error) => {
                log::warn!("{}: {error}", job.what);
                false
            }
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.jobs.iter_mut().for_each(Job::kill);
    }
}

impl Job {
    /// Kills the whole group. It has not been waited for, so the number is still its own.
    fn kill(&mut self) {
        self.killed = true;
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Tends until nothing runs; the clock of the jobs stands still.
    fn wait_for_end(running: &mut Running, now: Duration) {
        let start = Instant::now();
        while !running.jobs.is_empty() {
            assert!(start.elapsed() < Duration::from_secs(10), "a job does not end");
            running.tend(now);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn what_runs_too_long_is_killed_with_its_children() {
        let mut running = Running::new(Duration::from_secs(30));
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 600 & sleep 600"]);
        command.env_clear().env("PATH", PATH);
        running.start(&mut command, "hang".into(), false, Duration::from_secs(1)).unwrap();
        let group = Pid::from_child(&running.jobs[0].child);
        running.tend(Duration::from_secs(30));
        assert!(!running.jobs[0].killed);
        running.tend(Duration::from_secs(31));
        assert!(running.jobs[0].killed);
        wait_for_end(&mut running, Duration::from_secs(31));
        let start = Instant::now();
        while rustix::process::test_kill_process_group(group).is_ok() {
            assert!(start.elapsed() < Duration::from_secs(10), "a child of the command lives");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn so_many_run_at_once_and_no_more() {
        for order in [[false, true], [true, false]] {
            let mut running = Running::new(Duration::ZERO);
            for closes in order {
                let most = if closes { CLOSINGS_RUNNING_MAX } else { RUNNING_MAX };
                for count in 0..=most {
                    assert_eq!(running.has_room(closes), count < most);
                    let mut command = Command::new("/bin/sleep");
                    let started = running.start(command.arg("600"), String::new(), closes, Duration::ZERO);
                    assert_eq!(started.is_ok(), count < most, "closes: {closes}");
                }
            }
            wait_for_end(&mut running, Duration::ZERO);
        }
        let mut running = Running::new(Duration::ZERO);
        assert!(running.start(&mut Command::new("/does/not/exist"), String::new(), false, Duration::ZERO).is_err());
        assert!(running.jobs.is_empty());
    }
}
