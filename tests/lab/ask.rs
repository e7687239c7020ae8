//! Asking the lab's daemon with the real program.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use super::Lab;
use super::client::Keys;
use super::daemon::spa_knockd;

/// The user that the lab's daemon becomes.
const NOBODY: u32 = 65534;

/// The line that chooses standalone mode.
pub(crate) const STANDALONE: &str = "\toption firewall 'standalone'\n";

/// A configuration of one stanza; `main` is added to its first section.
pub(crate) fn config(keys: &Keys, main: &str) -> String {
    format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n{main}\nconfig access 'alice'\n{}\
         \tlist open 'tcp/22'\n\tlist open 'tcp/9'\n",
        keys.uci()
    )
}

impl Lab {
    /// Where the daemon is asked.
    pub(crate) fn socket(&self) -> PathBuf {
        self.run_dir().join("control.sock")
    }

    /// Runs a subcommand that asks this lab's daemon.
    pub(crate) fn ask(&self, words: &[&str]) -> Output {
        spa_knockd(&[words, &["--socket", &self.socket().to_string_lossy()]].concat())
    }

    /// The good JSON reply to a subcommand.
    pub(crate) fn asked(&self, words: &[&str]) -> Value {
        let out = self.ask(&[words, &["--json"]].concat());
        assert!(out.status.success(), "{words:?}: {out:?}");
        serde_json::from_slice(&out.stdout).expect("one JSON object")
    }

    /// The JSON reply to a request that no subcommand makes.
    pub(crate) fn asked_raw(&self, request: &Value) -> Value {
        let mut stream = std::os::unix::net::UnixStream::connect(self.socket()).expect("connect to the control socket");
        std::io::Write::write_all(&mut stream, format!("{request}\n").as_bytes()).expect("ask");
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stream), &mut line).expect("a reply");
        serde_json::from_str(&line).expect("one JSON object")
    }

    /// What people read; no line may be wider than a terminal.
    pub(crate) fn told(&self, words: &[&str]) -> String {
        let out = self.ask(words);
        assert!(out.status.success(), "{words:?}: {out:?}");
        let text = String::from_utf8(out.stdout).expect("text");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        text
    }

    /// Rewrites the configuration as the init script does: readable by the daemon's user.
    pub(crate) fn reconfigure(&self, config: &str) {
        self.configure(config);
        chown(self.config_file(), Some(NOBODY), Some(NOBODY)).expect("chown");
    }

    /// Knocks honoured since the daemon started.
    pub(crate) fn honoured(&self) -> u64 {
        self.asked(&["status"])["honoured"].as_u64().expect("a count")
    }
}

/// What a subcommand that failed says.
pub(crate) fn failed(out: &Output) -> String {
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// How often a process has gone to sleep.
pub(crate) fn context_switches(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("read /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).expect("the counter");
    line.trim().parse().expect("a number")
}
