//! What stands in the place of journal and state file, or is done to them while the daemon runs.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::lab::daemon::{Daemon, spa_knockd};
use super::lab::{Lab, wait_for};
use super::{SOON, honoured, knock, state_file, text, verdict};

fn start(lab: &Lab, config: &str) -> Daemon {
    lab.configure(config);
    Daemon::spawn(lab.daemon_command(&["--interface", "wan"]), config)
}

/// Waits until the daemon can be asked, ready or not.
fn wait_asked(lab: &Lab) {
    wait_for("the control socket", SOON, || lab.ask(&["status"]).status.success().then_some(()));
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
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).expect("chmod");
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
