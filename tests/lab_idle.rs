//! Idle is asleep: in silence no thread of the daemon and of its helper runs at all.
//!
//! The silence lasts 5 seconds, or as many as `SPA_IDLE_SECONDS` says.
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![expect(clippy::print_stdout, reason = "`make bench-idle` shows the figures")]

mod lab;
#[allow(dead_code, reason = "the benchmarks use the rest")]
#[path = "../benches/spine/meter.rs"]
mod meter;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use lab::ask::STANDALONE;
use lab::client::Keys;
use lab::daemon::{Daemon, keygen, program};
use lab::{Lab, wait_for};
use meter::Meter;
use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything that a change of the ruleset or a grant leaves to be done takes to be due.
const SETTLED: Duration = Duration::from_secs(7);

/// A daemon that has nothing to do any more.
struct Case {
    name: &'static str,
    /// Daemon and helper.
    meters: Vec<Meter>,
    follower: Option<Child>,
    _daemon: Daemon,
    lab: Lab,
}

impl Drop for Case {
    fn drop(&mut self) {
        if let Some(follower) = &mut self.follower {
            let _ = follower.kill();
            let _ = follower.wait();
        }
    }
}

/// What a case differs in from a plain daemon in standalone mode.
struct Recipe {
    name: &'static str,
    fw4: bool,
    absent: bool,
    follower: bool,
    /// More lines of the first section and of the stanza.
    main: &'static str,
    stanza: &'static str,
    /// How many seconds the grants of the knocks live; none are sent without.
    seconds: Option<&'static str>,
    /// Whether the configuration is read again, and the daemon asked.
    asked: bool,
}

const RECIPES: [Recipe; 9] = [
    Recipe { name: "standalone mode, just started", ..PLAIN },
    Recipe { name: "fw4 mode, just started", fw4: true, ..PLAIN },
    Recipe { name: "standalone mode, grants over, reloaded and asked", asked: true, seconds: Some("1"), ..PLAIN },
    Recipe { name: "fw4 mode, grants over, reloaded and asked", fw4: true, asked: true, seconds: Some("1"), ..PLAIN },
    Recipe { name: "living grants", seconds: Some("300"), ..PLAIN },
    Recipe { name: "a helper for commands, hooks and names, grants over", stanza: HELPED, seconds: Some("1"), ..PLAIN },
    Recipe { name: "a follower and a TCP listener", follower: true, main: LISTENER, seconds: Some("1"), ..PLAIN },
    Recipe { name: "no device", absent: true, asked: true, ..PLAIN },
    // The last one, so that it is not yet over when all are settled.
    Recipe { name: "grants that end within the silence", seconds: Some("9"), ..PLAIN },
];

const PLAIN: Recipe =
    Recipe { name: "", fw4: false, absent: false, follower: false, main: "", stanza: "", seconds: None, asked: false };
const HELPED: &str = "\toption allow_nat '1'\n\toption nat_dns '1'\n\tlist command 'tell=/bin/true'\n\
                      \toption on_open 'tell'\n\toption on_close 'tell'\n";
const LISTENER: &str = "\toption tcp_listen '62201'\n";

impl Recipe {
    fn config(&self, keys: &Keys) -> String {
        let mode = if self.fw4 { "" } else { STANDALONE };
        format!(
            "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n{mode}{}\nconfig access 'alice'\n{}\
             \tlist open 'tcp/22'\n\tlist open 'tcp/9'\n\tlist open 'udp/53'\n{}",
            self.main,
            keys.uci(),
            self.stanza
        )
    }

    /// Makes the lab, and lets happen what happens before the silence.
    fn make(&self) -> Case {
        let (lab, keys) = (Lab::new(), keygen());
        if self.fw4 {
            lab.fw4_start();
        }
        if self.absent {
            lab.unplug();
        }
        let config = self.config(&keys);
        lab.reconfigure(&config);
        let mut daemon = Daemon::spawn(lab.daemon_command(&[]), &config);
        daemon.wait_log(if self.absent { "awaited" } else { "ready" });
        let follower = self.follower.then(|| follow(&lab));
        if self.asked {
            let pid = Pid::from_raw(i32::try_from(daemon.pid()).expect("a number")).expect("the daemon");
            kill_process(pid, Signal::HUP).expect("SIGHUP");
            daemon.wait_log("again");
            for words in ["reload", "status", "grants", "events"] {
                lab.told(&[words]);
            }
        }
        if let Some(seconds) = self.seconds {
            for port in ["tcp/22", "tcp/9", "udp/53"] {
                lab.knock(&keys, &["-A", port, "-a", "203.0.113.2", "-f", seconds]);
            }
            wait_for("the grants", Duration::from_secs(5), || (lab.honoured() == 3).then_some(()));
        }
        let helper = children(daemon.pid());
        assert_eq!(helper.len(), usize::from(!self.stanza.is_empty()), "{}", self.name);
        let meters = helper.into_iter().chain([daemon.pid()]).map(Meter::new).collect();
        Case { name: self.name, meters, follower, _daemon: daemon, lab }
    }
}

/// Follows the daemon's events, unheard.
fn follow(lab: &Lab) -> Child {
    let mut command = Command::new(program());
    command.args(["events", "--follow", "--json", "--socket", &lab.socket().to_string_lossy()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("start the follower")
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("the daemon is gone");
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn nothing_wakes_in_silence() {
    let seconds = std::env::var("SPA_IDLE_SECONDS").ok();
    let silence = Duration::from_secs(seconds.map_or(5, |text| text.parse().expect("SPA_IDLE_SECONDS: a number")));
    let cases: Vec<Case> = RECIPES.iter().map(Recipe::make).collect();
    sleep(SETTLED);
    let count = |case: &Case| case.meters.iter().map(Meter::wakeups).sum::<u64>();
    let before: Vec<u64> = cases.iter().map(count).collect();
    sleep(silence);
    let mut woken = Vec::new();
    for (case, before) in cases.iter().zip(before) {
        let (wakeups, threads) = (count(case) - before, case.meters.iter().map(Meter::threads).sum::<usize>());
        println!("{}: {wakeups} wake-ups of {threads} threads in {silence:?}", case.name);
        if wakeups > 0 {
            woken.push(case.name);
        }
    }
    assert_eq!(woken, [""; 0], "woken although nothing happened");

    // What wakes a daemon would have been seen.
    for case in &cases {
        let asleep = count(case);
        case.lab.told(&["status"]);
        assert!(count(case) > asleep, "{}", case.name);
    }
}
