//! What runs at the end of a grant (`on_close`): when, how often, and with which words.

#![allow(clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

mod lab;

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use lab::ask::context_switches;
use lab::client::Keys;
use lab::daemon::Daemon;
use lab::{Lab, wait_for};

const SOON: Duration = Duration::from_secs(5);
/// Long enough for a hook that must not run.
const QUIET: Duration = Duration::from_millis(700);

/// A lab with keys, and a script that writes down how often the kernel's ruleset names the friend while it runs.
fn lab() -> (Lab, Keys) {
    let lab = Lab::new();
    let script = lab.dir().join("tell");
    let text = "#!/bin/sh\n\
                open=$(nft list ruleset | grep -c 203.0.113.2)\n\
                echo \"$SPA_EVENT|$SPA_REASON|$SPA_USER|$SPA_SOURCE|$SPA_KNOCKER|$SPA_PORTS|$SPA_FORWARDS|\
                $SPA_TIMEOUT|$open\" >> \"$1\"\n";
    fs::write(&script, text).expect("write the script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("make the script a program");
    (lab, lab::daemon::keygen())
}

/// A configuration with a stanza that opens what is asked, and has these lines.
fn config(lab: &Lab, keys: &Keys, mode: &str, lines: &str) -> String {
    let (script, told) = (lab.dir().join("tell"), lab.dir().join("told"));
    format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n\toption firewall '{mode}'\n\
         \tlist protect 'tcp/22'\n\nconfig access 'alice'\n{}\tlist open 'any'\n\toption allow_nat '1'\n\
         \tlist command 'tell={} {}'\n\tlist command 'hang=/bin/sleep 600'\n\tlist command 'flood=/usr/bin/yes'\n\
         \toption command_user 'root'\n{lines}",
        keys.uci(),
        script.display(),
        told.display()
    )
}

/// The hook at the end alone.
const AT_END: &str = "\toption on_close 'tell'\n";

/// What the script wrote so far.
fn told(lab: &Lab) -> Vec<String> {
    let text = fs::read_to_string(lab.dir().join("told")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits until the script has run so often, and then whether it runs once more.
fn wait_told(lab: &Lab, count: usize) -> Vec<String> {
    wait_for("word of the hook", SOON, || (told(lab).len() >= count).then_some(()));
    std::thread::sleep(QUIET);
    let told = told(lab);
    assert_eq!(told.len(), count, "{told:#?}");
    told
}

/// Has the real client knock for these ports and seconds.
fn knock(lab: &Lab, keys: &Keys, ports: &str, seconds: &str) {
    lab.knock(keys, &["-A", ports, "-a", "203.0.113.2", "-f", seconds, "--spoof-user", "root"]);
}

/// Knocks for tcp/22 and waits until the door is open.
fn open(lab: &Lab, keys: &Keys, seconds: &str) {
    knock(lab, keys, "tcp/22", seconds);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
}

/// The living children of a process.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// How many commands the daemon's helper runs.
fn running(daemon: &Daemon) -> usize {
    children(daemon.pid()).first().map_or(0, |helper| children(*helper).len())
}

/// Puts so many elements of the stanza into the set, as an earlier daemon would have left them.
fn fill(lab: &Lab, count: u32) {
    let element = |host: u32| {
        let address = Ipv4Addr::from_bits(0x0a00_0001 + host);
        format!("{address} . tcp . 22 timeout 300s comment \"alice\"")
    };
    let elements: Vec<String> = (0..count).map(element).collect();
    lab.nft(&format!("add element inet spa_knockd spa_in4_v1 {{ {} }}\n", elements.join(", ")));
}

#[test]
fn a_grant_s_end_runs_once_after_the_last_renewal_when_all_is_closed() {
    let (lab, keys) = lab();
    let _daemon = lab.daemon(&config(&lab, &keys, "standalone", "\toption on_open 'tell'\n\toption on_close 'tell'\n"));
    let start = Instant::now();
    knock(&lab, &keys, "tcp/22,udp/53", "2");
    assert_eq!(wait_told(&lab, 1)[0], "open||root|203.0.113.2|203.0.113.2|tcp/22 udp/53||2|2");
    knock(&lab, &keys, "tcp/22,udp/53", "3");
    let renewed = Instant::now();
    wait_told(&lab, 2);
    let told = wait_told(&lab, 3);
    assert!(start.elapsed() > Duration::from_secs(3) && renewed.elapsed() < Duration::from_secs(6));
    assert_eq!(told[2], "close|expired|root|203.0.113.2|203.0.113.2|tcp/22 udp/53||3|0");
}

#[test]
fn what_ends_before_its_time_says_so_at_once() {
    let (lab, keys) = lab();
    let daemon = lab.daemon(&config(&lab, &keys, "standalone", AT_END));
    open(&lab, &keys, "30");
    lab.asked(&["revoke", "--access", "alice"]);
    assert_eq!(wait_told(&lab, 1)[0], "close|revoked|root|203.0.113.2|203.0.113.2|tcp/22||30|0");
    let ways = [
        "delete element inet spa_knockd spa_in4_v1 { 203.0.113.2 . tcp . 22 }\n",
        "flush set inet spa_knockd spa_in4_v1\n",
    ];
    for (count, ruleset) in (2..).zip(ways) {
        // Of two doors, the one that is left is the grant's.
        knock(&lab, &keys, "tcp/22,udp/53", "30");
        lab.wait_element("spa_in4_v1", &["203.0.113.2", "udp", "53"]);
        lab.nft("delete element inet spa_knockd spa_in4_v1 { 203.0.113.2 . udp . 53 }\n");
        wait_told(&lab, count - 1);
        lab.nft(ruleset);
        let told = wait_told(&lab, count);
        assert_eq!(told[count - 1], "close|deleted|root|203.0.113.2|203.0.113.2|tcp/22 udp/53||30|0");
    }
    let log = daemon.stop();
    assert!(log.contains("end alice: a grant for 203.0.113.2 is revoked, command tell runs"), "{log}");
}

#[test]
fn a_grant_that_outlives_the_daemon_ends_as_its_elements_tell() {
    let (lab, keys) = lab();
    lab.fw4_start();
    let text = config(&lab, &keys, "fw4", AT_END);
    for crash in [true, false] {
        let daemon = lab.daemon(&text);
        knock(&lab, &keys, "tcp/22,udp/53", "4");
        lab.knock(&keys, &["-A", "tcp/2222", "-N", "192.168.77.10:22", "-a", "203.0.113.2", "-f", "6"]);
        lab.wait_element("spa_in4_v1", &["203.0.113.2", "udp", "53"]);
        wait_for("the way", SOON, || lab.elements().into_iter().find(|element| element.set == "spa_dnat4_v1"));
        if crash {
            daemon.kill()
        } else {
            daemon.stop()
        };
        assert_eq!(told(&lab), [""; 0], "a daemon that ends closes nothing");
        let daemon = lab.daemon(&text);
        wait_for("the first end", Duration::from_secs(8), || (told(&lab).len() == 1).then_some(()));
        wait_for("the second end", Duration::from_secs(8), || (told(&lab).len() == 2).then_some(()));
        // The way, with two elements, is still there at the first end.
        assert_eq!(told(&lab)[0], "close|expired||203.0.113.2||tcp/22 udp/53|||2");
        assert_eq!(told(&lab)[1], "close|expired||203.0.113.2|||tcp/2222=192.168.77.10:22||0");
        fs::remove_file(lab.dir().join("told")).expect("remove what was told");
        drop(daemon);
    }
}

#[test]
fn a_table_that_comes_back_is_no_end() {
    for mode in ["standalone", "fw4"] {
        let (lab, keys) = lab();
        if mode == "fw4" {
            lab.fw4_start();
        }
        let _daemon = lab.daemon(&config(&lab, &keys, mode, AT_END));
        open(&lab, &keys, "4");
        if mode == "fw4" {
            lab.fw4_stop();
            std::thread::sleep(QUIET);
            lab.fw4_start();
        } else {
            lab.nft("delete table inet spa_knockd\n");
        }
        lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
        std::thread::sleep(QUIET);
        assert_eq!(told(&lab), [""; 0], "{mode}");
        assert_eq!(wait_told(&lab, 1)[0], "close|expired|root|203.0.113.2|203.0.113.2|tcp/22||4|0", "{mode}");
    }
}

#[test]
fn hooks_that_hang_or_flood_wait_for_each_other_and_for_nobody_else() {
    let (lab, keys) = lab();
    for hook in ["hang", "flood"] {
        let text = config(&lab, &keys, "standalone", &format!("\toption on_close '{hook}'\n"));
        let daemon = lab.daemon(&text);
        for port in 1..=6 {
            knock(&lab, &keys, &format!("tcp/{port}"), "30");
            lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", &port.to_string()]);
        }
        lab.asked(&["revoke", "--all"]);
        wait_for("hooks", SOON, || (running(&daemon) == 4).then_some(()));
        open(&lab, &keys, "120");
        lab.knock(&keys, &["-C", "tell", "-a", "203.0.113.2"]);
        wait_for("the command", SOON, || told(&lab).pop().filter(|line| line.starts_with("command|")));
        fs::remove_file(lab.dir().join("told")).expect("remove what was told");
        if hook == "flood" {
            // Killed when their time is up, they make room for the two that wait.
            wait_for("their end", Duration::from_secs(40), || (running(&daemon) == 2).then_some(()));
        }
        let log = daemon.stop();
        assert!(!log.contains("does not run"), "{log}");
        lab.nft("flush set inet spa_knockd spa_in4_v1\n");
    }
}

#[test]
fn commands_that_hang_hold_no_end_off() {
    let (lab, keys) = lab();
    let daemon = lab.daemon(&config(&lab, &keys, "standalone", AT_END));
    for count in 1..=8 {
        lab.knock(&keys, &["-C", "hang", "-a", "203.0.113.2"]);
        wait_for("hanging commands", SOON, || (running(&daemon) == count).then_some(()));
    }
    open(&lab, &keys, "30");
    lab.asked(&["revoke", "--all"]);
    assert!(wait_told(&lab, 1)[0].starts_with("close|revoked|"));
    assert_eq!(running(&daemon), 8);
    daemon.stop();
}

#[test]
fn a_stop_says_what_it_cuts_off() {
    let (lab, keys) = lab();
    let daemon = lab.daemon(&config(&lab, &keys, "standalone", "\toption on_close 'hang'\n"));
    for port in 1..=6 {
        knock(&lab, &keys, &format!("tcp/{port}"), "30");
        lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", &port.to_string()]);
    }
    lab.asked(&["revoke", "--all"]);
    wait_for("hooks", SOON, || (running(&daemon) == 4).then_some(()));
    let log = daemon.stop();
    assert!(log.contains("the daemon has ended: on_close commands that do not run: 2; killed: 4"), "{log}");
    assert!(!log.contains("grants have ended whose"), "{log}");
    // Some of these the helper was not even told of.
    fill(&lab, 1000);
    let daemon = lab.daemon(&config(&lab, &keys, "standalone", AT_END));
    lab.asked(&["revoke", "--all"]);
    let log = daemon.stop();
    let line = log.lines().find(|line| line.contains("grants have ended whose on_close does not run any more"));
    let count = line.and_then(|line| line.split(' ').find_map(|word| word.parse::<usize>().ok()));
    assert!(count.is_some_and(|count| (1..1000).contains(&count)), "{log}");
}

#[test]
fn many_ends_at_once_all_run_and_what_could_not_end_does_not_begin() {
    let (lab, keys) = lab();
    let text = config(&lab, &keys, "standalone", AT_END);
    lab.daemon(&text).stop();
    fill(&lab, 50);
    let daemon = lab.daemon(&text);
    lab.asked(&["revoke", "--all"]);
    assert!(wait_told(&lab, 50).iter().all(|line| line.starts_with("close|revoked||10.0.0.")));
    daemon.stop();
    fill(&lab, 1025);
    let mut daemon = lab.daemon(&text);
    daemon.wait_log("1024");
    knock(&lab, &keys, "tcp/22", "30");
    wait_for("the refusal", SOON, || daemon.has_said("closing_full").then_some(()));
    assert_eq!(lab.element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]), None);
    lab.asked(&["revoke", "--source", "10.0.0.1"]);
    wait_told(&lab, 51);
    open(&lab, &keys, "30");
}

#[test]
fn a_daemon_with_such_a_stanza_sleeps_until_something_ends() {
    let (lab, keys) = lab();
    let daemon = lab.daemon(&config(&lab, &keys, "standalone", AT_END));
    for living in [false, true] {
        if living {
            open(&lab, &keys, "30");
        }
        // The state file is written half a second after a grant.
        std::thread::sleep(Duration::from_secs(1));
        let idle = context_switches(daemon.pid());
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(context_switches(daemon.pid()), idle, "living: {living}");
    }
    lab.asked(&["revoke", "--all"]);
    wait_told(&lab, 1);
}

#[test]
fn what_runs_at_the_end_is_what_the_configuration_says_then() {
    let (lab, keys) = lab();
    let with = config(&lab, &keys, "standalone", AT_END);
    let without = config(&lab, &keys, "standalone", "");
    let reload = |text: &str| {
        lab.reconfigure(text);
        lab.asked(&["reload"]);
    };
    let _daemon = lab.daemon(&without);
    open(&lab, &keys, "30");
    reload(&with);
    lab.asked(&["revoke", "--all"]);
    assert_eq!(wait_told(&lab, 1)[0], "close|revoked||203.0.113.2||tcp/22|||0", "a hook that is new");
    open(&lab, &keys, "30");
    reload(&with);
    lab.asked(&["revoke", "--all"]);
    assert_eq!(wait_told(&lab, 2)[1], "close|revoked|root|203.0.113.2|203.0.113.2|tcp/22||30|0", "the same");
    open(&lab, &keys, "30");
    reload(&without);
    lab.asked(&["revoke", "--all"]);
    wait_told(&lab, 2);
}
