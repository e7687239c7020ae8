//! Where a daemon is killed: after a random moment, or by a fault hook just before one of its system calls.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::lab::daemon::Daemon;
use crate::lab::{Lab, Place};

/// A point at which the kernel kills the daemon.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Point {
    /// So many microseconds after the last knock was sent.
    After(u64),
    /// As [`Self::After`]; the doors must close while nobody lives.
    AfterAndWait(u64),
    /// Before this system call for the n-th time.
    Before(&'static str, usize),
    /// Before this system call for the n-th time when the daemon writes the state file.
    Saving(&'static str, usize),
    /// After all knocks, and once more before this system call of the next start.
    Starting(&'static str, usize),
}

impl Point {
    /// How many daemons die of it.
    pub(crate) fn kills(self) -> usize {
        if matches!(self, Self::Starting(..)) { 2 } else { 1 }
    }

    /// How many of the knocks must have opened then, and how many must be remembered, where that is certain. A knock
    /// is a question after the address to the kernel's routes and its answer, a write to the journal, a transaction
    /// and its answer, with the ruleset's news read before and after, and a write to the log.
    pub(crate) fn exactly(self, sent: usize) -> Option<(usize, usize)> {
        match self {
            Self::Before("write", n) => Some((n / 2, n / 2)),
            Self::Before("sendto", n) => Some(((n - 1) / 2, n / 2)),
            Self::Before("recvfrom", n @ 1..=3) => Some((n / 3, n / 2)),
            Self::Saving(..) | Self::Starting(..) => Some((sent, sent)),
            _ => None,
        }
    }
}

/// A hundred kills, where `random` gives a number below its argument.
pub(crate) fn hundred(knocks: usize, mut random: impl FnMut(u64) -> u64) -> Vec<Point> {
    let mut points = Vec::new();
    points.extend((0..32).map(|_| Point::After(random(4000))));
    points.extend((0..4).map(|_| Point::AfterAndWait(random(4000))));
    points.extend((1..=2 * knocks).map(|n| Point::Before("sendto", n)));
    points.extend((1..=2 * knocks).map(|n| Point::Before("write", n)));
    points.extend((1..=knocks).chain([3; 4]).map(|n| Point::Before("recvfrom", n)));
    let saving = [("openat", 1), ("write", 1), ("fsync", 1), (RENAME, 1), ("fsync", 2)];
    points.extend(saving.repeat(2).into_iter().map(|(call, n)| Point::Saving(call, n)));
    let starting = [("fsync", 1), (RENAME, 1), ("fsync", 2), ("sendto", 1), ("sendto", 3)];
    points.extend(starting.map(|(call, n)| Point::Starting(call, n)));
    // In any order: one crash must not depend on what the last one left.
    for last in (1..points.len()).rev() {
        let other = usize::try_from(random(u64::try_from(last).unwrap() + 1)).unwrap();
        points.swap(last, other);
    }
    points
}

/// What a rename is called on the machines that there are.
const RENAME: &str = "?rename,?renameat,?renameat2";

/// Has the kernel kill the running daemon before the n-th such call, from now on, of the thread that the point is about.
pub(crate) fn arm(daemon: &Daemon, point: Point, call: &str, n: usize) -> Tracer {
    let thread = if matches!(point, Point::Saving(..)) { writer(daemon.pid()) } else { daemon.pid() };
    let mut strace = Command::new("strace")
        .args(hook(call, n))
        .args(["-p", &thread.to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .expect("run strace: is it installed?");
    let mut said = String::new();
    let mut stderr = BufReader::new(strace.stderr.take().expect("strace's stderr"));
    stderr.read_line(&mut said).expect("a line of strace");
    assert!(said.contains("attached"), "{said}");
    Tracer(strace)
}

/// The thread that writes the state file.
fn writer(pid: u32) -> u32 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the daemon's threads");
    let is_it = |task: &fs::DirEntry| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name == "state\n");
    let task = tasks.flatten().find(is_it).expect("the thread that writes the state file");
    task.file_name().to_string_lossy().parse().expect("a number")
}

/// Starts a daemon that dies before its n-th such call; panics if it does not.
pub(crate) fn start_and_die(lab: &Lab, config: &str, call: &str, n: usize) {
    let command = lab.daemon_command(&["--interface", "wan"]);
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    // Behind `ip netns exec NAME`: that program's calls do not count.
    let words: Vec<&str> = words.iter().skip(3).map(String::as_str).collect();
    let hook = hook(call, n);
    let hook: Vec<&str> = hook.iter().map(String::as_str).collect();
    let mut daemon = Daemon::spawn(lab.command(Place::Router, "strace", &[&hook[..], &words].concat()), config);
    let status = daemon.wait_exit();
    assert!(!status.success() && !daemon.has_said("ready"), "{status} before {call} {n}: {}", daemon.log());
}

/// The words that make strace a fault hook.
fn hook(call: &str, n: usize) -> Vec<String> {
    let inject = format!("inject={call}:signal=KILL:when={n}");
    ["-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject].map(str::to_owned).to_vec()
}

/// The hook; it goes with the daemon.
#[derive(Debug)]
pub(crate) struct Tracer(Child);

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
