//! spa-knockd as a process of the router, driven through its command line alone.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Lab, Place, wait_for};

/// How long the daemon may take to start and to stop; an emulated machine is slow.
const DEADLINE: Duration = Duration::from_secs(15);

/// The program under test, which cargo builds beside the tests.
pub(crate) fn program() -> PathBuf {
    if let Some(path) = option_env!("CARGO_BIN_EXE_spa-knockd") {
        return path.into();
    }
    // An example stands in a directory below the program's.
    let exe = std::env::current_exe().expect("the name of this program");
    let path = exe.parent().and_then(std::path::Path::parent).expect("the build directory").join("spa-knockd");
    assert!(path.exists(), "{} is missing: run `cargo build`", path.display());
    path
}

/// Runs `spa-knockd` outside the lab to its end.
pub(crate) fn spa_knockd(args: &[&str]) -> Output {
    Command::new(program()).args(args).stdin(Stdio::null()).output().expect("run spa-knockd")
}

/// Two fresh keys from `spa-knockd keygen`.
pub(crate) fn keygen() -> super::client::Keys {
    let out = spa_knockd(&["keygen"]);
    assert!(out.status.success(), "keygen: {out:?}");
    let text = String::from_utf8(out.stdout).expect("text from keygen");
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .unwrap_or_else(|| panic!("keygen printed no {name}"))
    };
    super::client::Keys::base64(value("KEY_BASE64"), value("HMAC_KEY_BASE64"))
}

/// A running daemon; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    secrets: Vec<String>,
}

impl Lab {
    /// The configuration file of this lab's daemon.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.dir().join("config")
    }

    /// The daemon's state directory.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir().join("state")
    }

    /// The daemon's run directory.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.dir().join("run")
    }

    /// Writes the configuration, readable by root alone.
    pub(crate) fn configure(&self, config: &str) {
        let _ = fs::remove_file(self.config_file());
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.config_file())
            .expect("create the configuration");
        std::io::Write::write_all(&mut file, config.as_bytes()).expect("write the configuration");
    }

    /// `spa-knockd run` on the router's WAN device with the lab's directories.
    pub(crate) fn daemon_command(&self, extra: &[&str]) -> Command {
        let program = program();
        let (config, state, run) = (self.config_file(), self.state_dir(), self.run_dir());
        let mut command = self.command(Place::Router, &program.to_string_lossy(), &["run"]);
        command
            .arg("--config")
            .arg(config)
            .arg("--state-dir")
            .arg(state)
            .arg("--run-dir")
            .arg(run)
            .args(["--user", "nobody"])
            .args(extra);
        command
    }

    /// Starts the daemon with this configuration and waits until it is ready.
    pub(crate) fn daemon(&self, config: &str) -> Daemon {
        self.configure(config);
        let mut daemon = Daemon::spawn(self.daemon_command(&["--interface", "wan"]), config);
        daemon.wait_ready();
        daemon
    }

    /// Runs the daemon where it must give up by itself; panics if it does not.
    pub(crate) fn daemon_that_fails(&self, config: &str, extra: &[&str]) -> (ExitStatus, String) {
        self.configure(config);
        let mut daemon = Daemon::spawn(self.daemon_command(extra), config);
        let status = daemon.wait_exit();
        (status, daemon.finish())
    }
}

impl Daemon {
    /// Starts the command and collects what it prints.
    pub(crate) fn spawn(mut command: Command, config: &str) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("start the daemon");
        let stderr = child.stderr.take().expect("the daemon's stderr");
        let log = Arc::new(Mutex::new(String::new()));
        let reader = thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                    let mut log = log.lock().expect("the log");
                    log.push_str(&String::from_utf8_lossy(&line));
                    log.push('\n');
                }
            }
        });
        Self { child, log, reader: Some(reader), secrets: secrets(config) }
    }

    /// Waits for the line that says that a knock would be honoured.
    pub(crate) fn wait_ready(&mut self) {
        self.wait_log("ready");
    }

    /// Waits until a line of the log holds this word.
    pub(crate) fn wait_log(&mut self, word: &str) {
        let start = std::time::Instant::now();
        loop {
            if self.has_said(word) {
                return;
            }
            if let Some(status) = self.child.try_wait().expect("look after the daemon") {
                panic!("the daemon ended with {status} before it said {word}:\n{}", self.finish());
            }
            assert!(start.elapsed() < DEADLINE, "the daemon never said {word}:\n{}", self.log());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether a line of the log so far holds this word.
    pub(crate) fn has_said(&self, word: &str) -> bool {
        let log = self.log();
        log.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|found| found == word)
    }

    /// What the daemon has printed so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// The daemon's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks the daemon to end, waits for it and gives its log.
    pub(crate) fn stop(mut self) -> String {
        self.signal(rustix::process::Signal::TERM);
        let status = self.wait_exit();
        let log = self.finish();
        assert!(status.success(), "the daemon ended with {status}:\n{log}");
        log
    }

    /// Kills the daemon as a crash would, and gives its log.
    pub(crate) fn kill(mut self) -> String {
        self.signal(rustix::process::Signal::KILL);
        self.wait_exit();
        self.finish()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("signal the daemon");
    }

    /// Waits until the daemon has ended by itself.
    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        wait_for("end of the daemon", DEADLINE, || self.child.try_wait().expect("look after the daemon"))
    }

    /// The whole log of a daemon that has ended; panics if a secret is in it.
    pub(crate) fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader of the log");
        }
        let log = self.log();
        for secret in &self.secrets {
            assert!(!log.contains(secret.as_str()), "a secret stands in the log:\n{log}");
        }
        log
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log.lock().map(|log| log.clone()).unwrap_or_default();
            eprintln!("the daemon's log:\n{log}");
        } else {
            self.finish();
        }
    }
}

/// The values of all key options of a configuration.
fn secrets(config: &str) -> Vec<String> {
    config
        .lines()
        .filter(|line| line.contains("key"))
        .filter_map(|line| line.split('\'').nth(1))
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .collect()
}
