//! What is rarer than a restart: no table for long, notifications that are lost, elements that others put in.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::kernel::{Held, snapshot};
use super::knocks::{Knocker, config};
use super::lab::fw4::FW4;
use super::lab::wait_for;
use super::storm::Storm;

const SECOND: Duration = Duration::from_secs(1);

impl Storm {
    /// A knock for this source, and the wait until it is open.
    fn open(&self, knocker: &Knocker, source: &str, timeout: u32) -> Held {
        knocker.send(source, timeout);
        self.wait_held(source)
    }

    fn held(&self, source: &str) -> Option<Held> {
        snapshot(&self.lab, self.table).held.remove(source)
    }

    fn wait_held(&self, source: &str) -> Held {
        wait_for(source, SECOND, || self.held(source))
    }

    /// Kills the daemon and starts another.
    fn reborn(self) -> Self {
        let Self { lab, daemon, table, ledger, random, figures } = self;
        daemon.kill();
        let daemon = lab.daemon(&config("fw4"));
        Self { lab, daemon, table, ledger, random, figures }
    }

    fn refused(&self) -> u64 {
        self.lab.asked(&["status"])["refused"]["firewall_missing"].as_u64().unwrap()
    }
}

#[test]
fn without_a_table_for_long_refusals_say_so_and_all_recovers() {
    let storm = Storm::new("fw4", "fw4");
    let knocker = Knocker::new(&storm.lab);
    let opened = Instant::now();
    storm.open(&knocker, "10.77.1.1", 30);
    storm.open(&knocker, "11.1.1.0/24", 30);
    storm.open(&knocker, "10.77.1.2", 3);
    storm.lab.fw4_stop();
    for number in 1..=80 {
        knocker.send(&format!("10.77.2.{number}"), 60);
        thread::sleep(Duration::from_millis(50));
    }
    wait_for("refusals", SECOND, || (storm.refused() == 80).then_some(()));
    let status = storm.lab.asked(&["status"]);
    assert_eq!((&status["ready"], &status["honoured"]), (&false.into(), &3.into()));
    let why = "table inet fw4 is missing: start the firewall with `fw4 restart`";
    let not_ready = status["not_ready"].as_array().expect("sentences");
    assert!(not_ready.len() == 1 && not_ready[0].as_str().expect("a sentence").starts_with(why), "{not_ready:?}");
    let log = storm.daemon.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("firewall_missing")).collect();
    assert!((1..=12).contains(&lines.len()), "{} lines for 80 refusals", lines.len());
    assert!(lines.iter().all(|line| line.contains(why)), "{lines:?}");
    let ready = |log: &str| log.lines().filter(|line| line.contains("ready: knocks are awaited")).count();
    assert_eq!(ready(&log), 1);

    storm.lab.fw4_start();
    for source in ["10.77.1.1", "11.1.1.0/24"] {
        let left = storm.wait_held(source).left.unwrap();
        let expected = Duration::from_secs(30).saturating_sub(opened.elapsed());
        assert!(left.abs_diff(expected) < SECOND, "{left:?} left, {expected:?} expected");
    }
    storm.open(&knocker, "10.77.1.3", 30);
    let held: Vec<String> = snapshot(&storm.lab, "fw4").held.into_keys().collect();
    assert_eq!(held, ["10.77.1.1", "10.77.1.3", "11.1.1.0/24"]);
    assert_eq!((ready(&storm.daemon.log()), storm.refused()), (2, 80));
    assert_eq!(storm.lab.asked(&["status"])["ready"], true);
}

#[test]
fn after_lost_notifications_memory_and_kernel_agree_within_a_second() {
    let storm = Storm::new("fw4", "fw4");
    let knocker = Knocker::new(&storm.lab);
    for source in ["10.77.1.1", "10.77.1.2", "10.77.1.3", "2001:db8:77::1"] {
        storm.open(&knocker, source, 60);
    }
    let pid = Pid::from_raw(storm.daemon.pid().try_into().unwrap()).unwrap();
    let rules: String =
        (0..3000).map(|port| format!("add rule inet fw4 input_wan tcp dport {port} counter\n")).collect();
    let replace = |delete: &str| storm.lab.nft(&format!("table inet fw4\n{delete} table inet fw4\n{FW4}\n{rules}"));
    let lost = || storm.daemon.log().lines().filter(|line| line.contains("notifications were lost")).count();

    // Another table by then, and a deletion by hand that was still heard.
    kill_process(pid, Signal::STOP).expect("SIGSTOP");
    assert!(storm.nft("delete element inet fw4 spa_in4_v1 { 10.77.1.2 . tcp . 22 }"));
    (0..6).for_each(|_| replace("delete"));
    knocker.send("10.77.1.4", 60);
    kill_process(pid, Signal::CONT).expect("SIGCONT");
    let expected = ["10.77.1.1", "10.77.1.3", "10.77.1.4", "2001:db8:77::1"];
    let agree = |expected: &[&str]| {
        wait_for("agreement", SECOND, || {
            let held: Vec<String> = snapshot(&storm.lab, "fw4").held.into_keys().collect();
            (held == expected).then_some(())
        });
        let listed = storm.lab.asked(&["grants"]);
        let listed = listed["grants"].as_array().unwrap().iter().map(|grant| grant["source"].as_str().unwrap());
        let mut listed: Vec<&str> = listed.collect();
        listed.sort_unstable();
        assert_eq!(listed, expected);
    };
    agree(&expected);
    let first = lost();
    assert!(first > 0, "{}", storm.daemon.log());

    // The same table, and a deletion that nobody heard.
    kill_process(pid, Signal::STOP).expect("SIGSTOP");
    (0..6).for_each(|_| replace("flush"));
    assert!(storm.nft("flush set inet fw4 spa_in6_v1"));
    kill_process(pid, Signal::CONT).expect("SIGCONT");
    let expected = ["10.77.1.1", "10.77.1.3", "10.77.1.4"];
    agree(&expected);
    assert!(lost() > first, "{}", storm.daemon.log());
    storm.lab.fw4_stop();
    storm.lab.fw4_start();
    agree(&expected);
}

#[test]
fn elements_of_others_are_shown_after_a_start_and_never_prolonged() {
    let storm = Storm::new("fw4", "fw4");
    let put = |source: &str, more: &str| format!("element inet fw4 spa_in4_v1 {{ {source} . tcp . 22 {more} }}");
    for (source, more) in [
        ("10.9.9.1", "timeout 8s comment \"alice\""),
        ("10.9.9.2", "timeout 8s"),
        ("10.9.9.3", "timeout 0s comment \"alice\""),
        ("10.9.9.4", "timeout 1h"),
    ] {
        assert!(storm.nft(&format!("add {}", put(source, more))), "{source}");
    }
    let put_at = Instant::now();
    assert_eq!(storm.lab.asked(&["grants"])["grants"].as_array().unwrap().len(), 0, "none is ours");
    // The next daemon takes over what it finds.
    let storm = storm.reborn();
    let listed = storm.lab.asked(&["grants"]);
    let listed: Vec<_> = (listed["grants"].as_array().unwrap().iter())
        .map(|grant| (grant["source"].as_str().unwrap(), grant["access"].as_str().unwrap()))
        .collect();
    assert_eq!(listed, [("10.9.9.1", "alice"), ("10.9.9.2", ""), ("10.9.9.3", "alice"), ("10.9.9.4", "")]);

    // A knock makes none of them longer than it asks for, nor shorter than it was.
    let knocker = Knocker::new(&storm.lab);
    knocker.send("10.9.9.3", 5);
    knocker.send("10.9.9.4", 5);
    wait_for("honours", SECOND, || (storm.lab.honoured() == 2).then_some(()));
    assert_eq!(storm.held("10.9.9.3").unwrap().left, None);
    assert!(storm.held("10.9.9.4").unwrap().left > Some(Duration::from_secs(3000)));

    storm.lab.fw4_stop();
    storm.lab.fw4_start();
    for source in ["10.9.9.1", "10.9.9.2"] {
        let left = storm.wait_held(source).left.unwrap();
        assert!(put_at.elapsed() + left < Duration::from_millis(8200), "{source}: {left:?} left");
    }
    assert_eq!(storm.held("10.9.9.3"), None, "what the owner put there for ever is his to put back");
    thread::sleep(Duration::from_secs(8).saturating_sub(put_at.elapsed()));
    thread::sleep(Duration::from_millis(100));
    let held: Vec<String> = snapshot(&storm.lab, "fw4").held.into_keys().collect();
    assert_eq!(held, ["10.9.9.4"]);
}
