//! A router whose wall clock the test sets while the daemon runs, and which can be switched off and on again.
//!
//! libfaketime stands before the daemon alone and reads the clock from a file; the time since boot stays the machine's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use spa_knockd::knock::fwknop::encode::encode_fresh;
use spa_knockd::knock::fwknop::fields::{Fields, MessageType};
use spa_knockd::knock::fwknop::keys::{DigestType, KeySet, Mode, Secret};

use crate::lab::ask::STANDALONE;
use crate::lab::daemon::{Daemon, program};
use crate::lab::{FRIEND, Lab, Place, ROUTER, wait_for};

/// A moment behind every build date of this program: 2033.
pub(crate) const NOW: u64 = 2_000_000_000;

/// A year, nearly.
pub(crate) const YEAR: u64 = 31_556_952;

/// How long after a knock was honoured its floor may still be on its way to flash (DESIGN D7).
const STATE_WRITTEN: Duration = Duration::from_secs(1);

/// Which file the kernel's identifier of the boot is read from.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// How the power goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Off {
    /// `reboot`: procd sends SIGTERM, at once.
    Orderly,
    /// The plug is pulled, when the state file has been written.
    Cut,
}

/// The router: its disks, its firewall, and the daemon while it is on.
pub(crate) struct Router {
    pub(crate) lab: Lab,
    config: String,
    boots: u32,
    daemon: Option<Daemon>,
}

/// A configuration with these lines in its first section, and these stanzas: name, key, further lines.
pub(crate) fn config(main: &str, stanzas: &[(&str, &str, &str)]) -> String {
    let mut text = format!("config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n{STANDALONE}{main}");
    for (name, key, more) in stanzas {
        let timeout = if more.contains("timeout") { "" } else { "\toption timeout '300'\n" };
        text.push_str(&format!(
            "\nconfig access '{name}'\n\toption key '{key}-encryption'\n\toption hmac_key '{key}-authentication'\n\
             \tlist open 'tcp/22'\n{timeout}{more}"
        ));
    }
    text
}

/// The usual one: alice and bob, each with a key.
pub(crate) fn two() -> String {
    config("", &[("alice", "alice", ""), ("bob", "bob", "")])
}

/// The payload of a knock that a phone with this key and this clock makes for a port.
pub(crate) fn knock_for(port: &str, key: &str, timestamp: u64) -> Vec<u8> {
    let fields = Fields {
        random: 1_234_567_890_123_456,
        user: "phone".to_owned(),
        timestamp,
        version: "3.0.0".to_owned(),
        message_type: MessageType::Access,
        message: format!("{FRIEND},{port}"),
        nat: None,
        server_auth: None,
        client_timeout: None,
        digest_type: DigestType::Sha256,
    };
    let keys = KeySet {
        mode: Mode::Cbc,
        key: Secret::new(format!("{key}-encryption").into()),
        hmac: Some((DigestType::Sha256, Secret::new(format!("{key}-authentication").into()))),
    };
    encode_fresh(&fields, &keys).expect("a packet").as_bytes().to_vec()
}

/// A knock for the door that every stanza opens.
pub(crate) fn knock(key: &str, timestamp: u64) -> Vec<u8> {
    knock_for("tcp/22", key, timestamp)
}

/// Where Debian puts it, whatever the machine.
fn libfaketime() -> PathBuf {
    let places = fs::read_dir("/usr/lib").expect("read /usr/lib").flatten();
    let mut found = places.map(|place| place.path().join("faketime/libfaketime.so.1")).filter(|path| path.exists());
    found.next().expect("libfaketime is missing: run tests/setup.sh lab")
}

impl Router {
    /// A new router, switched on with this clock.
    pub(crate) fn new(config: &str, clock: u64) -> Self {
        let mut router = Self { lab: Lab::new(), config: config.to_owned(), boots: 0, daemon: None };
        router.lab.configure(config);
        router.switch_on(clock);
        router
    }

    fn clock_file(&self) -> PathBuf {
        self.lab.dir().join("clock")
    }

    /// Sets the clock, as NTP does while everything runs. It stands still then, so that edges can be tried.
    pub(crate) fn set_clock(&self, unix: u64) {
        let new = self.lab.dir().join("clock.new");
        // libfaketime takes a line of less than four digits for none.
        fs::write(&new, format!("{unix:012}\n")).expect("write the clock");
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).expect("let the daemon read it");
        fs::rename(&new, self.clock_file()).expect("set the clock");
        if self.daemon.is_some() {
            assert_eq!(self.clock()["unix"], unix, "the daemon does not see the test's clock");
        }
    }

    /// A program of this router, with its clock and its boot's identifier.
    fn command(&self, program: &str, words: &[String]) -> Command {
        let id = self.lab.dir().join("boot_id");
        fs::write(&id, format!("00000000-0000-4000-8000-{:012}\n", self.boots)).expect("write the boot's identifier");
        // The mounts of what `ip netns exec` runs are its own. libfaketime leaves files behind in /dev/shm.
        let script = format!("mount --bind \"$0\" {BOOT_ID} && mount -t tmpfs none /dev/shm && exec env \"$@\"");
        let mut command = self.lab.command(Place::Router, "sh", &["-c", &script, &id.to_string_lossy()]);
        command
            .arg(format!("LD_PRELOAD={}", libfaketime().display()))
            .arg(format!("FAKETIME_TIMESTAMP_FILE={}", self.clock_file().display()))
            .args(["FAKETIME_FMT=%s", "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"])
            .arg(program)
            .args(words);
        command
    }

    /// Starts the daemon in a boot that has begun.
    pub(crate) fn start(&mut self) {
        let run = self.lab.daemon_command(&[]);
        // What stands behind `ip netns exec NAMESPACE`.
        let words: Vec<String> = run.get_args().skip(3).map(|word| word.to_string_lossy().into_owned()).collect();
        let (program, words) = words.split_first().expect("a program");
        let mut daemon = Daemon::spawn(self.command(program, words), &self.config);
        daemon.wait_ready();
        self.daemon = Some(daemon);
    }

    /// Switches on: a new boot, nothing in memory.
    pub(crate) fn switch_on(&mut self, clock: u64) {
        let _ = fs::remove_dir_all(self.lab.run_dir());
        self.lab.nft("table inet spa_knockd {}\ndelete table inet spa_knockd\n");
        self.boots += 1;
        self.set_clock(clock);
        self.start();
    }

    /// Ends the daemon as `reboot` and `service stop` do.
    pub(crate) fn stop(&mut self) {
        self.daemon.take().expect("a daemon").stop();
    }

    /// Kills the daemon, as a crash does.
    pub(crate) fn kill(&mut self) {
        self.daemon.take().expect("a daemon").kill();
    }

    /// Off and on again.
    pub(crate) fn reboot(&mut self, off: Off, clock: u64) {
        match off {
            Off::Orderly => self.stop(),
            Off::Cut => {
                thread::sleep(STATE_WRITTEN);
                self.kill();
            }
        }
        self.switch_on(clock);
    }

    /// The daemon's log of this start.
    pub(crate) fn log(&self) -> String {
        self.daemon.as_ref().expect("a daemon").log()
    }

    /// Waits until the log says this: its lines may come a moment after the counters.
    pub(crate) fn wait_said(&self, words: &str) {
        wait_for(words, Duration::from_secs(3), || self.log().contains(words).then_some(()));
    }

    /// Runs a subcommand on this router.
    pub(crate) fn spa_knockd(&self, words: &[&str]) -> Output {
        let words: Vec<String> = words.iter().copied().map(str::to_owned).collect();
        self.command(&program().to_string_lossy(), &words).output().expect("run spa-knockd")
    }

    /// `state show` or `state reset` of this router.
    pub(crate) fn state(&self, words: &[&str]) -> Output {
        let (state, run) = (self.lab.state_dir(), self.lab.run_dir());
        let places = ["--state-dir", &state.to_string_lossy(), "--run-dir", &run.to_string_lossy()];
        self.spa_knockd(&[&["state"], words, &places].concat())
    }

    /// Has the daemon judge this packet: nothing, or the code of the reason why not. What the kernel holds agrees.
    pub(crate) fn judge(&self, packet: &[u8]) -> Result<(), String> {
        let counted = || {
            let status = self.lab.asked(&["status"]);
            (status["honoured"].as_u64().expect("a count"), status["refused"].clone())
        };
        let (before, held) = (counted(), self.held());
        self.lab.send_packet(FRIEND, ROUTER, packet);
        let (honoured, refused) = wait_for("a judgement", Duration::from_secs(3), || {
            let after = counted();
            (after != before).then_some(after)
        });
        let now_held = self.held();
        if honoured > before.0 {
            assert!(now_held.is_some(), "honoured, and nothing is open");
            return Ok(());
        }
        assert!(now_held <= held, "refused, and something was opened or prolonged");
        let refused = refused.as_object().expect("counts");
        let reason = refused.iter().find(|(code, count)| before.1[code] != **count).expect("a reason");
        Err(reason.0.clone())
    }

    /// What is left of the door's life, in seconds, where it is open.
    pub(crate) fn held(&self) -> Option<u64> {
        self.lab.element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]).map(|element| element.expires)
    }

    /// What `status` says of the clock: unix, set, why.
    pub(crate) fn clock(&self) -> Value {
        self.lab.asked(&["status"])["clock"].clone()
    }
}

/// A refusal.
pub(crate) fn refused(code: &str) -> Result<(), String> {
    Err(code.to_owned())
}
