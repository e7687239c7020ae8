//! No theatre: the running daemon says when a guarded port is open to everybody, and when it no longer is.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a helper that does not get what it needs ends the test, with its words"
)]

#[path = "netns/fw4_full.rs"]
mod fw4_full;
mod lab;

use std::thread::sleep;
use std::time::{Duration, Instant};

use fw4_full::{Owner, full};
use lab::ask::{STANDALONE, config, context_switches};
use lab::daemon::{Daemon, program};
use lab::{FRIEND, Lab, Place, ROUTER, wait_for};
use serde_json::Value;

/// What the owner of the router left there.
const ALLOW: &str = "tcp dport 22 counter accept comment \"!fw4: Allow-SSH\"";

/// Waits until the log holds this so many times.
fn wait_log(daemon: &Daemon, words: &str, times: usize) {
    wait_for(words, Duration::from_secs(10), || (daemon.log().matches(words).count() >= times).then_some(()));
}

fn exposed(lab: &Lab) -> Vec<Value> {
    lab.asked(&["status"])["exposed"].as_array().expect("a list").clone()
}

/// Adds the rule to the living chain.
fn allow(lab: &Lab) {
    lab.nft(&format!("insert rule inet fw4 input_wan {ALLOW}\n"));
}

#[test]
fn an_open_guarded_port_is_said_once_and_so_is_its_end() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    lab.nft(&full("wan", 18, Owner { input: ALLOW, ..Owner::default() }));
    lab.reconfigure(&config(&keys, ""));
    let mut daemon = Daemon::spawn(lab.daemon_command(&[]), &config(&keys, ""));
    daemon.wait_ready();
    let opened = "tcp/22 is open to everybody on wan: rule \"!fw4: Allow-SSH\" (inet fw4 input_wan, handle ";
    let mended = "tcp/22 is not open to everybody on wan any more";
    wait_log(&daemon, opened, 1);
    assert!(daemon.log().contains("accepts it; remove it, or the knock guards nothing"));
    let found = exposed(&lab);
    assert_eq!(found.len(), 1);
    let handle = found[0]["rule"]["handle"].as_u64().expect("a handle");
    assert_eq!(
        (&found[0]["device"], &found[0]["proto"], &found[0]["port"]),
        (&"wan".into(), &"tcp".into(), &22.into())
    );
    assert_eq!(found[0]["families"], serde_json::json!(["ipv4", "ipv6"]));
    assert_eq!(found[0]["rule"]["comment"], "!fw4: Allow-SSH");
    let told = lab.told(&["status"]);
    assert!(told.contains("EXPOSED") && told.contains("Allow-SSH"), "{told}");

    // The rule goes, and comes back.
    lab.run(Place::Router, "nft", &["delete", "rule", "inet", "fw4", "input_wan", "handle", &handle.to_string()]);
    wait_log(&daemon, mended, 1);
    assert_eq!(exposed(&lab), [Value::Null; 0]);
    allow(&lab);
    // Who asks need not wait for the log.
    assert_eq!(exposed(&lab).len(), 1);
    wait_log(&daemon, opened, 2);

    // A reload of the firewall gives it another handle, which is no news; grants are none either.
    let reload = "flush chain inet fw4 input_wan\n".to_owned() + &format!("add rule inet fw4 input_wan {ALLOW}\n");
    lab.nft(&reload);
    let before = context_switches(daemon.pid());
    wait_for("the new handle", Duration::from_secs(9), || {
        (exposed(&lab)[0]["rule"]["handle"].as_u64() > Some(handle)).then_some(())
    });
    lab.knock(&keys, &["-A", "tcp/9", "-a", "203.0.113.2"]);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "9"]);
    sleep(Duration::from_secs(2));
    assert!(context_switches(daemon.pid()) - before < 60);
    let log = daemon.log();
    assert_eq!((log.matches(opened).count(), log.matches(mended).count()), (2, 1), "{log}");
    // All is quiet again.
    let before = context_switches(daemon.pid());
    sleep(Duration::from_secs(2));
    assert_eq!(context_switches(daemon.pid()), before);
}

#[test]
fn a_redirect_goes_round_standalone_mode_and_check_says_so_too() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    lab.reconfigure(&config(&keys, STANDALONE));
    let check = || {
        let program = program().to_string_lossy().into_owned();
        let file = lab.config_file().to_string_lossy().into_owned();
        let out = lab.command(Place::Router, &program, &["check", "--config", &file]).output().expect("run check");
        assert!(out.status.success(), "{out:?}");
        String::from_utf8(out.stderr).expect("text")
    };
    // The daemon will make the guard; a firewall of another's it cannot start.
    assert_eq!(check(), "");
    lab.reconfigure(&config(&keys, ""));
    lab.nft("flush ruleset\n");
    assert!(check().contains("table inet fw4 is not there: knocks are refused"), "{}", check());
    lab.reconfigure(&config(&keys, STANDALONE));
    let mut daemon = Daemon::spawn(lab.daemon_command(&[]), &config(&keys, STANDALONE));
    daemon.wait_ready();
    assert_eq!(exposed(&lab), [Value::Null; 0]);
    lab.nft(
        "table ip mine {\nchain pre {\ntype nat hook prerouting priority -150; policy accept;\n\
         tcp dport 22 redirect to :2222 comment \"nas\"\n}\n}\n",
    );
    let line =
        "tcp/22 leads everybody on wan over IPv4 to port 2222 of this machine: rule \"nas\" (ip mine pre, handle ";
    wait_log(&daemon, line, 1);
    assert!(exposed(&lab)[0]["text"].as_str().expect("text").starts_with(line));
    assert!(check().contains(&format!("warning: {line}")));
    // Somebody who may not look is told so.
    let out = lab
        .command(
            Place::Router,
            "setpriv",
            &["--reuid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"],
        )
        .args([program().as_os_str(), "check".as_ref(), "--config".as_ref(), lab.config_file().as_os_str()])
        .output()
        .expect("run check without rights");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success() && said.contains("was not examined: not permitted"), "{said}");
    lab.run(Place::Router, "nft", &["delete", "table", "ip", "mine"]);
    wait_log(&daemon, "tcp/22 is not open to everybody on wan any more", 1);
}

#[test]
fn a_storm_of_changes_is_looked_at_seldom_and_knocks_are_honoured_at_once() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let config = config(&keys, "");
    lab.nft(&full("wan", 18, Owner { input: ALLOW, ..Owner::default() }));
    let mut daemon = lab.daemon(&config);
    daemon.wait_ready();
    let packets: Vec<Vec<u8>> = (0..10).map(|_| lab.packet(&keys, &["-A", "tcp/9", "-a", "203.0.113.2"])).collect();
    let begin = Instant::now();
    for (round, packet) in packets.iter().enumerate() {
        lab.nft("insert rule inet fw4 input_wan tcp dport 5 accept\n");
        lab.send_packet(FRIEND, ROUTER, packet);
        wait_for("the grant", Duration::from_secs(1), || (lab.honoured() > u64::try_from(round).ok()?).then_some(()));
    }
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert_eq!(daemon.log().matches("is open to everybody").count(), 1, "{}", daemon.log());
}

#[test]
fn a_machine_without_rules_is_told_so_in_one_line() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    lab.reconfigure(&config(&keys, ""));
    let daemon = Daemon::spawn(lab.daemon_command(&[]), &config(&keys, ""));
    let line =
        "nothing filters what arrives on wan, no chain of any table: open to everybody: tcp/9, tcp/22; the knock";
    wait_log(&daemon, line, 1);
    assert_eq!(exposed(&lab).len(), 2);
    lab.fw4_start();
    wait_log(&daemon, "tcp/22 is not open to everybody on wan any more", 1);
}
