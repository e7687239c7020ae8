//! Disks that are full, read-only or gone.

use std::fs;
use std::os::unix::fs::chown;
use std::thread;
use std::time::Duration;

use super::lab::daemon::Daemon;
use super::lab::disk::Tmpfs;
use super::lab::{FRIEND, Lab, ROUTER, wait_for};
use super::{SOON, honoured, knock, state_file, text, verdict};

#[test]
fn a_read_only_run_directory_opens_nothing_and_forgets_nothing() {
    let lab = Lab::new();
    fs::create_dir(lab.run_dir()).expect("mkdir");
    let disk = Tmpfs::mount(lab.run_dir(), 64);
    let socket = lab.dir().join("control.sock");
    let daemon = lab.daemon(&text(""));
    let mut old = honoured(&lab, 1..3);
    daemon.kill();
    disk.remount("ro", std::process::id());

    lab.configure(&text(""));
    let mut command = lab.daemon_command(&["--interface", "wan", "--socket"]);
    command.arg(&socket);
    let mut daemon = Daemon::spawn(command, &text(""));
    daemon.wait_log("journal");
    assert!(daemon.log().contains(&*lab.run_dir().join("journal").to_string_lossy()), "{}", daemon.log());
    let before = lab.elements().len();
    for packet in old.iter().chain([&knock(3)]) {
        lab.send_packet(FRIEND, ROUTER, packet);
    }
    wait_for("refusals", SOON, || (daemon.log().matches("refused").count() == 3).then_some(()));
    let log = daemon.log();
    assert_eq!((log.matches("refused alice: replay").count(), log.matches("refused alice: journal").count()), (2, 1));
    assert_eq!((lab.elements().len(), daemon.has_said("ready")), (before, false));

    disk.remount("rw", daemon.pid());
    let fresh = knock(4);
    lab.send_packet(FRIEND, ROUTER, &fresh);
    lab.wait_element("spa_in4_v1", &["10.88.0.4", "tcp", "22"]);
    daemon.wait_ready();
    daemon.kill();
    let daemon = lab.daemon(&text(""));
    old.push(fresh);
    for packet in &old {
        assert_eq!(verdict(&lab, packet).as_deref(), Some("replay"));
    }
    daemon.stop();
}

#[test]
fn a_record_that_did_not_fit_spoils_none_of_the_later_ones() {
    let lab = Lab::new();
    fs::create_dir(lab.run_dir()).expect("mkdir");
    let disk = Tmpfs::mount(lab.run_dir(), 32);
    let daemon = lab.daemon(&text(""));
    let mut old = honoured(&lab, 1..4);
    disk.fill();
    let mut refused = None;
    for host in 10..120 {
        let packet = knock(host);
        match verdict(&lab, &packet) {
            None => old.push(packet),
            code => {
                refused = code;
                break;
            }
        }
    }
    assert_eq!(refused.as_deref(), Some("journal"));
    let journal = fs::read(lab.run_dir().join("journal")).expect("the journal");
    assert_eq!(journal.last(), Some(&b'\n'), "a half record stayed");
    let end_of_page = 4096 - journal.len() % 4096;
    assert!(
        (1..journal.len() / old.len()).contains(&end_of_page),
        "the record did not meet the end: {}",
        journal.len()
    );
    disk.empty();
    old.extend(honoured(&lab, 200..204));
    daemon.kill();

    let daemon = lab.daemon(&text(""));
    assert_eq!(daemon.log().lines().count(), 1, "a warning: {}", daemon.log());
    for packet in &old {
        assert_eq!(verdict(&lab, packet).as_deref(), Some("replay"));
    }
    daemon.stop();
}

/// The daemon's user, `nobody`.
const NOBODY: u32 = 65534;

/// Longer than until the state file is due.
const SAVED: Duration = Duration::from_millis(800);

#[test]
fn no_owner_is_locked_out_by_an_overlay_that_takes_no_more() {
    for what in ["full", "read-only", "gone"] {
        let lab = Lab::new();
        fs::create_dir(lab.state_dir()).expect("mkdir");
        let disk = (what != "gone").then(|| Tmpfs::mount(lab.state_dir(), 16));
        let broken = |broken: bool, daemon: &Daemon| match &disk {
            Some(disk) if what == "full" && broken => disk.fill(),
            Some(disk) if what == "full" => disk.empty(),
            Some(disk) => disk.remount(if broken { "ro" } else { "rw" }, daemon.pid()),
            None if broken => fs::remove_dir_all(lab.state_dir()).expect("remove the state directory"),
            None => {
                fs::create_dir(lab.state_dir()).expect("mkdir");
                chown(lab.state_dir(), Some(NOBODY), Some(NOBODY)).expect("chown");
            }
        };
        let mut daemon = lab.daemon(&text(""));
        broken(true, &daemon);
        let mut old = Vec::new();
        for host in 1..4 {
            old.extend(honoured(&lab, host..host + 1));
            thread::sleep(SAVED);
        }
        let warned = |daemon: &Daemon| {
            let log = daemon.log();
            let lines: Vec<_> = log.lines().filter(|line| line.contains("warning")).collect();
            assert_eq!(lines.len(), 1, "{what}: {log}");
            assert!(
                lines[0].contains(&*state_file(&lab).to_string_lossy()) && lines[0].contains("grants go on"),
                "{log}"
            );
        };
        warned(&daemon);
        assert!(!state_file(&lab).exists());
        if disk.is_some() {
            // The journal is all there is, and enough until the next boot.
            daemon.kill();
            daemon = lab.daemon(&text(""));
            for host in 4..6 {
                old.extend(honoured(&lab, host..host + 1));
                thread::sleep(SAVED);
            }
            warned(&daemon);
            for packet in &old {
                assert_eq!(verdict(&lab, packet).as_deref(), Some("replay"), "{what}");
            }
        }

        // It is written as soon as there is something to write again, and at the latest at the end.
        broken(false, &daemon);
        honoured(&lab, 10..11);
        daemon.wait_log("written");
        let saved = fs::read(state_file(&lab)).expect("the state file");
        broken(true, &daemon);
        honoured(&lab, 11..12);
        thread::sleep(SAVED);
        broken(false, &daemon);
        daemon.stop();
        assert_ne!(fs::read(state_file(&lab)).expect("the state file"), saved, "{what}");
    }
}
