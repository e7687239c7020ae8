//! Files and disks that go wrong under a real daemon: it starts, says which file it is, opens nothing twice, and goes on
//! without a restart where it may.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

mod common;
mod lab;

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lab::ask::{STANDALONE, config};
use lab::client::Keys;
use lab::daemon::{Daemon, spa_knockd};
use lab::disk::Tmpfs;
use lab::{FRIEND, Lab, ROUTER, wait_for};

/// The daemon's user, `nobody`.
const NOBODY: u32 = 65534;
/// How long a judgement may take.
const SOON: Duration = Duration::from_secs(3);

fn text(main: &str) -> String {
    let keys = common::keys(1);
    let (_, hmac) = keys.hmac.as_ref().expect("an HMAC key");
    config(&Keys::base64(&keys.key.to_base64(), &hmac.to_base64()), &format!("{STANDALONE}{main}"))
}

/// A knock of this moment for this host's port 22.
fn knock(host: u8) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    common::packet(now, &format!("10.88.0.{host},tcp/22"), &common::keys(1))
}

/// Sends a packet and gives the code by which it was refused, or none where it was honoured.
fn verdict(lab: &Lab, packet: &[u8]) -> Option<String> {
    let judged = || {
        let status = lab.asked(&["status"]);
        let refused = status["refused"].as_object().expect("the reasons").clone();
        (status["honoured"].as_u64().expect("a count"), refused)
    };
    let (honoured, refused) = judged();
    lab.send_packet(FRIEND, ROUTER, packet);
    wait_for("verdict", SOON, || {
        let (now_honoured, now_refused) = judged();
        let code = now_refused.into_iter().find(|(code, count)| refused.get(code) != Some(count));
        if now_honoured > honoured { Some(None) } else { code.map(|(code, _)| Some(code)) }
    })
}

/// Knocks that must be honoured, for hosts from this one on.
fn honoured(lab: &Lab, hosts: std::ops::Range<u8>) -> Vec<Vec<u8>> {
    let packets: Vec<_> = hosts.map(knock).collect();
    for packet in &packets {
        assert_eq!(verdict(lab, packet), None);
    }
    packets
}

fn start(lab: &Lab, config: &str) -> Daemon {
    lab.configure(config);
    Daemon::spawn(lab.daemon_command(&["--interface", "wan"]), config)
}

/// Waits until the daemon can be asked, ready or not.
fn wait_asked(lab: &Lab) {
    wait_for("the control socket", SOON, || lab.ask(&["status"]).status.success().then_some(()));
}

fn state_file(lab: &Lab) -> PathBuf {
    lab.state_dir().join("state.json")
}

fn run(program: &str, args: &[&str], path: &Path) {
    assert!(Command::new(program).args(args).arg(path).status().is_ok_and(|status| status.success()), "{program}");
}

/// Does something to a file.
type Harm = fn(&Path);

const HARMS: [(&str, Harm); 6] = [
    ("a FIFO", |path| {
        fs::remove_file(path).expect("remove");
        run("mkfifo", &["-m", "666"], path);
    }),
    ("a directory", |path| {
        fs::remove_file(path).expect("remove");
        fs::create_dir(path).expect("mkdir");
    }),
    ("4 GiB of nothing", |path| {
        File::options().write(true).open(path).expect("open").set_len(4 << 30).expect("a sparse file");
    }),
    ("64 KiB of noise", |path| {
        let mut noise = vec![0; 65536];
        getrandom::fill(&mut noise).expect("noise");
        fs::write(path, noise).expect("write");
    }),
    ("a file that nobody may read", |path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0)).expect("chmod");
    }),
    ("a file of somebody else", |path| chown(path, Some(12345), Some(12345)).expect("chown")),
];

/// The largest size that the process had, in KiB.
fn peak(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("read /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Harms one of the files between two lives of the daemon.
fn harmed(path_of: fn(&Lab) -> PathBuf) {
    // A short memory, so that one that was lost is soon made up for.
    let config = text("\toption max_age '2'\n");
    for (what, harm) in HARMS {
        let lab = Lab::new();
        let daemon = lab.daemon(&config);
        let size = peak(&daemon);
        let old = honoured(&lab, 1..3);
        wait_for("the state file", SOON, || state_file(&lab).exists().then_some(()));
        daemon.kill();
        let path = path_of(&lab);
        harm(&path);

        let daemon = start(&lab, &config);
        wait_asked(&lab);
        for packet in &old {
            let code = verdict(&lab, packet).unwrap_or_else(|| panic!("{what}: a replay was honoured"));
            assert!(["replay", "not_newer", "too_old"].contains(&&*code), "{what}: {code}");
        }
        let log = daemon.log();
        // A file of another owner is taken back at the start.
        assert!(what.contains("somebody") || log.contains(&*path.to_string_lossy()), "{what}: {log}");
        assert!(peak(&daemon) < size + 16_384, "{what}: {} KiB, {size} KiB before", peak(&daemon));
        if what == "a directory" && path.ends_with("journal") {
            wait_for("refusal", Duration::from_secs(6), || {
                thread::sleep(Duration::from_millis(300));
                let code = verdict(&lab, &knock(3)).unwrap_or_else(|| panic!("honoured without a journal"));
                (code == "journal").then_some(())
            });
            fs::remove_dir(&path).expect("rmdir");
        }
        wait_for("open door", Duration::from_secs(6), || {
            thread::sleep(Duration::from_millis(300));
            verdict(&lab, &knock(4)).is_none().then_some(())
        });
        daemon.stop();
    }
}

#[test]
fn whatever_stands_in_the_place_of_the_journal() {
    harmed(|lab| lab.run_dir().join("journal"));
}

#[test]
fn whatever_stands_in_the_place_of_the_state_file() {
    harmed(state_file);
}

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

#[test]
fn a_journal_that_somebody_takes_away_is_written_anew_before_the_next_door_opens() {
    let harms: [(&str, Harm); 4] = [
        ("deleted", |path| fs::remove_file(path).expect("remove")),
        ("moved", |path| fs::rename(path, path.with_extension("old")).expect("rename")),
        ("replaced", |path| {
            fs::copy(path, path.with_extension("copy")).expect("copy");
            fs::rename(path.with_extension("copy"), path).expect("rename");
        }),
        ("emptied", |path| fs::write(path, "").expect("empty")),
    ];
    let lab = Lab::new();
    let mut old = Vec::new();
    for (host, (what, harm)) in (0..).step_by(2).zip(harms) {
        let daemon = lab.daemon(&text(""));
        old.extend(honoured(&lab, host + 1..host + 2));
        harm(&lab.run_dir().join("journal"));
        old.extend(honoured(&lab, host + 2..host + 3));
        daemon.kill();
        let daemon = lab.daemon(&text(""));
        assert_eq!(daemon.log().lines().count(), 1, "{what}: {}", daemon.log());
        for packet in &old {
            assert_eq!(verdict(&lab, packet).as_deref(), Some("replay"), "{what}");
        }
        daemon.stop();
    }
    let (state, run) = (lab.state_dir(), lab.run_dir());
    let shown =
        spa_knockd(&["state", "show", "--state-dir", &state.to_string_lossy(), "--run-dir", &run.to_string_lossy()]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("knocks remembered: 8"), "{shown:?}");
}
