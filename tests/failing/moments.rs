//! What the daemon is made to do while a call fails, and what is seen of it.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use spa_knockd::knock::fwknop::fields::MessageType;

use super::lab::Place;
use super::points::Moment;
use super::stage::{Counts, Knock, SOON, Stage};

/// How long after a knock its state file is there at the latest.
const SAVED: Duration = Duration::from_millis(1200);

/// What was seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Done,
    Refused(String),
    /// Whoever asked was told this.
    Told(String),
    /// It did not come about, and nobody was told.
    Nothing,
}

impl Stage {
    /// Sees to it that there is something to lose.
    pub(crate) fn prepare(&mut self, moment: Moment) {
        match moment {
            Moment::Revoke | Moment::Change | Moment::Refill => self.fresh_knock_opens(),
            Moment::Reload | Moment::Hangup => {
                self.rings += 1;
                let ring = format!("\toption ring_kib '{}'\n\toption tcp_listen", 512 + self.rings);
                self.lab.reconfigure(&self.config.replacen("\toption tcp_listen", &ring, 1));
            }
            Moment::Stop => {
                self.fresh_knock_opens();
            }
            _ => {}
        }
    }

    /// Has the daemon do it, and waits so long for the outcome; gives the knock, where it was one.
    /// `before` holds the counts of a moment ago: to ask for them now might be what fails.
    pub(crate) fn act(&mut self, moment: Moment, before: &Counts, patience: Duration) -> (Seen, Option<Knock>) {
        match moment {
            Moment::Start => unreachable!("a start has a daemon of its own"),
            Moment::Idle | Moment::Knock => {
                let knock = self.plain();
                self.knocked(knock, before, patience, Self::send)
            }
            Moment::TcpKnock => {
                let knock = self.plain();
                self.knocked(knock, before, patience, Self::send_over_tcp)
            }
            Moment::Command => {
                let ended = self.daemon.times_said("command nothing of alice does not run");
                let knock = self.knock(MessageType::Command, "nothing");
                let (seen, knock) = self.knocked(knock, before, patience, Self::send);
                if let Some(knock) = &knock {
                    // A command opens nothing.
                    self.open.remove(&knock.address);
                }
                thread::sleep(Duration::from_millis(50));
                let runs = self.daemon.times_said("command nothing of alice does not run") == ended;
                (if seen == Seen::Done && !runs { Seen::Nothing } else { seen }, knock)
            }
            Moment::Name => {
                let knock = self.knock(MessageType::NatAccess, "tcp/2222");
                self.knocked(knock, before, patience, Self::send)
            }
            Moment::Status => (self.asked(&["status"]), None),
            Moment::Reload => (self.asked(&["reload"]), None),
            Moment::Revoke => {
                let seen = self.asked(&["revoke", "--all"]);
                if seen == Seen::Done {
                    self.open.clear();
                }
                (seen, None)
            }
            Moment::Hangup => {
                let before = self.daemon.times_said("was read again");
                self.signal(Signal::HUP);
                (until(patience, || self.daemon.times_said("was read again") > before), None)
            }
            Moment::Change => {
                for verb in ["add", "delete"] {
                    self.lab.run(Place::Router, "nft", &[verb, "table", "inet", "foreign"]);
                }
                (self.refilled(patience), None)
            }
            Moment::Refill => (self.refilled(patience), None),
            Moment::Device => {
                self.lab.unplug();
                thread::sleep(Duration::from_millis(20));
                self.lab.lay_wire();
                self.lab.wan_up();
                self.lab.wait_carrier();
                let end = Instant::now() + patience;
                loop {
                    let knock = self.plain();
                    let before = self.counts();
                    let (seen, knock) = self.knocked(knock, &before, Duration::from_millis(150), Self::send);
                    if seen == Seen::Done || Instant::now() >= end {
                        return (seen, knock);
                    }
                }
            }
            Moment::Save => {
                let state = self.lab.state_dir().join("state.json");
                let before = fs::read(&state).unwrap_or_default();
                self.fresh_knock_opens();
                (until(SAVED, || fs::read(&state).is_ok_and(|text| text != before)), None)
            }
            Moment::Stop => {
                self.signal(Signal::TERM);
                let status = self.daemon.wait_exit();
                (if status.success() { Seen::Done } else { Seen::Told(status.to_string()) }, None)
            }
        }
    }

    fn knocked(
        &mut self,
        knock: Knock,
        before: &Counts,
        patience: Duration,
        send: fn(&Self, &Knock),
    ) -> (Seen, Option<Knock>) {
        send(self, &knock);
        let seen = match self.verdict(before, &knock, patience) {
            Some(code) if code.is_empty() => Seen::Done,
            Some(code) => Seen::Refused(code),
            None => Seen::Nothing,
        };
        (seen, Some(knock))
    }

    fn asked(&self, words: &[&str]) -> Seen {
        let out = self.lab.ask(words);
        if out.status.success() { Seen::Done } else { Seen::Told(String::from_utf8_lossy(&out.stderr).into_owned()) }
    }

    fn refilled(&self, patience: Duration) -> Seen {
        self.lab.run(Place::Router, "nft", &["delete", "table", "inet", "spa_knockd"]);
        until(patience, || self.opened() == self.open)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.daemon.pid()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("signal the daemon");
    }

    /// A daemon in the place of one that has ended.
    pub(crate) fn start_again(&mut self) {
        self.daemon = self.lab.daemon(&self.config);
    }

    /// Waits until nothing is put off.
    pub(crate) fn is_whole(&self) {
        super::lab::wait_for("every capture", SOON, || {
            let status = self.lab.asked(&["status"]);
            let devices = status["devices"].as_array().expect("the devices");
            devices.iter().all(|device| device["capturing"] == true).then_some(())
        });
    }
}

fn until(patience: Duration, mut is_so: impl FnMut() -> bool) -> Seen {
    let end = Instant::now() + patience;
    while !is_so() {
        if Instant::now() >= end {
            return Seen::Nothing;
        }
        thread::sleep(Duration::from_millis(10));
    }
    Seen::Done
}
