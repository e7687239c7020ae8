//! The running daemon reads its configuration again, and nothing is lost.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a helper that does not get what it needs ends the test, with its words"
)]

mod lab;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use lab::ask::{STANDALONE, config, failed};
use lab::daemon::Daemon;
use lab::{FRIEND, Lab, Place, ROUTER, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const DOOR: [&str; 3] = ["203.0.113.2", "tcp", "22"];
const KNOCK: [&str; 4] = ["-A", "tcp/22", "-a", "203.0.113.2"];

#[test]
fn a_reload_keeps_grants_and_loses_no_knock() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    lab.reconfigure(&config(&keys, STANDALONE));
    let mut daemon = Daemon::spawn(lab.daemon_command(&[]), &config(&keys, STANDALONE));
    daemon.wait_ready();
    let first = lab.packet(&keys, &KNOCK);
    lab.send_packet(FRIEND, ROUTER, &first);
    let before = lab.wait_element("spa_in4_v1", &DOOR);

    // A new stanza, another port, another ring: every capture is opened anew while knocks arrive.
    let bob = lab::daemon::keygen();
    let more = format!("\nconfig access 'bob'\n{}\tlist open 'tcp/9'\n", bob.uci());
    let packets: Vec<Vec<u8>> = (0..24).map(|_| lab.packet(&keys, &["-A", "tcp/9", "-a", "203.0.113.2"])).collect();
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for packet in &packets {
                lab.send_packet(FRIEND, ROUTER, packet);
                thread::sleep(Duration::from_millis(20));
            }
        });
        for round in 0..8 {
            let main = format!(
                "{STANDALONE}\tlist network 'uplink'\n\toption ring_kib '{}'\n\tlist port '62201'\n\tlist port '6{round}'\n",
                512 + round
            );
            lab.reconfigure(&(config(&keys, &main) + &more));
            let took = Instant::now();
            assert_eq!(lab.told(&["reload"]), "reloaded, 2 access stanzas enabled\n");
            assert!(took.elapsed() < Duration::from_secs(1));
        }
        sender.join().expect("the sender");
    });
    wait_for("25 honoured knocks", Duration::from_secs(3), || (lab.honoured() == 25).then_some(()));
    let after = lab.element("spa_in4_v1", &DOOR).expect("the living grant");
    assert!(after.expires <= before.expires && after.comment == "alice");
    lab.knock(&bob, &["-A", "tcp/9", "-a", "203.0.113.66"]);
    assert_eq!(lab.wait_element("spa_in4_v1", &["203.0.113.66", "tcp", "9"]).comment, "bob");
    let status = lab.asked(&["status"]);
    assert_eq!((&status["stanzas"], &status["awaited"]), (&2.into(), &"udp 62201,67 on wan".into()));
    assert_eq!(status["networks"], serde_json::json!(["uplink"]));

    // What was seen before stays seen.
    let seen = status["refused"]["replay"].as_u64().expect("a count");
    lab.send_packet(FRIEND, ROUTER, &first);
    wait_for("the replay", Duration::from_secs(3), || {
        (lab.asked(&["status"])["refused"]["replay"].as_u64() == Some(seen + 1)).then_some(())
    });

    // A bad one changes nothing, and says why in the reply and in the log.
    lab.reconfigure(&config(&keys, STANDALONE).replace("'tcp/22'", "'tcp/65536'"));
    let error = failed(&lab.ask(&["reload"]));
    assert!(error.contains("tcp/65536") && error.contains("stays as it was"), "{error}");
    assert!(daemon.log().contains("tcp/65536"));
    let events = lab.told(&["events"]).split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, fault) = events.rsplit_once("the configuration stays as it was: ").expect("an event");
    assert!(fault.contains("tcp/65536"), "{fault}");
    // SIGHUP does the same.
    kill_process(Pid::from_raw(i32::try_from(daemon.pid()).expect("a pid")).expect("a pid"), Signal::HUP)
        .expect("SIGHUP");
    wait_for("a second refusal", Duration::from_secs(3), || (daemon.log().matches("65536").count() >= 2).then_some(()));
    let reply = lab.ask(&["reload", "--json"]);
    assert_eq!(reply.status.code(), Some(1));
    let reply: Value = serde_json::from_slice(&reply.stdout).expect("one JSON object");
    assert!(
        reply["ok"] == false && reply["faults"][0].as_str().is_some_and(|fault| fault.contains("65536")),
        "{reply}"
    );
    assert_eq!(lab.asked(&["status"])["stanzas"], 2);
    let log = daemon.stop();
    assert!(log.contains("the configuration was read again"), "{log}");
}

#[test]
fn what_only_a_start_can_change_is_refused_with_that_word() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    lab.reconfigure(&config(&keys, STANDALONE));
    let mut daemon = Daemon::spawn(lab.daemon_command(&[]), &config(&keys, STANDALONE));
    daemon.wait_ready();
    for (from, to, word) in [
        ("'standalone'", "'fw4'", "firewall"),
        ("'wan'", "'lan'", "device"),
        ("\tlist open 'tcp/9'\n", "\tlist open 'tcp/10'\n", "guard"),
    ] {
        lab.reconfigure(&config(&keys, STANDALONE).replacen(from, to, 1));
        let out = lab.ask(&["reload"]);
        let error = String::from_utf8_lossy(&out.stderr);
        assert!(error.contains(word) && error.contains("restart the service"), "{error}");
        assert_eq!(out.status.code(), Some(3));
    }
    // As root left it, the daemon cannot read it any more.
    lab.configure(&config(&keys, STANDALONE));
    let error = failed(&lab.ask(&["reload"]));
    assert!(error.contains("gave up root") && error.contains("65534"), "{error}");
    fs::remove_file(lab.config_file()).expect("remove the configuration");
    assert!(failed(&lab.ask(&["reload"])).contains("cannot be read"));
    lab.knock(&keys, &KNOCK);
    lab.wait_element("spa_in4_v1", &DOOR);
}

#[test]
fn a_reload_adds_and_removes_devices() {
    let lab = Lab::new();
    lab.fw4_start();
    let keys = lab::daemon::keygen();
    let wan = config(&keys, "");
    lab.reconfigure(&wan);
    let mut daemon = Daemon::spawn(lab.daemon_command(&[]), &wan);
    daemon.wait_ready();
    let both = wan.replacen("\tlist device 'wan'\n", "\tlist device 'wan'\n\tlist device 'lan'\n", 1);
    lab.reconfigure(&both.replacen("'lan'", "'a-name-of-16-chr'", 1));
    assert!(failed(&lab.ask(&["reload"])).contains("a-name-of-16-chr"));
    lab.reconfigure(&both);
    lab.told(&["reload"]);
    let inside = std::net::SocketAddr::new("192.168.77.1".parse().expect("an address"), 62201);
    let knock = |packet: &[u8]| lab.send_udp(Place::Lan, lab::LAN_HOST, inside, packet);
    knock(&lab.packet(&keys, &["-A", "tcp/22", "-a", "192.168.77.10"]));
    lab.wait_element("spa_in4_v1", &["192.168.77.10", "tcp", "22"]);
    lab.reconfigure(&wan);
    lab.told(&["reload"]);
    knock(&lab.packet(&keys, &["-A", "tcp/9", "-a", "192.168.77.10"]));
    lab.knock(&keys, &KNOCK);
    lab.wait_element("spa_in4_v1", &DOOR);
    assert_eq!(lab.element("spa_in4_v1", &["192.168.77.10", "tcp", "9"]), None);
    assert_eq!(lab.asked(&["status"])["devices"].as_array().map(Vec::len), Some(1));
}
