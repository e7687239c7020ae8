//! A router with a page, two users with a card and one with an app, and visitors who ask by JSON.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::lab::ask::STANDALONE;
use crate::lab::daemon::{Daemon, program};

/// What alice and bob thought of.
pub(crate) const PASSPHRASE: &str = "This is a test.\n";

/// The secret of phone's app, in base32.
pub(crate) const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// The first address of a friend, over IPv4.
pub(crate) const FRIEND: &str = "203.0.113.2";

/// Over IPv6.
pub(crate) const FRIEND6: &str = "2001:db8:1::2";

/// Somebody else.
pub(crate) const OTHER: &str = "198.51.100.7";

/// The user that the daemon becomes.
const NOBODY: u32 = 65_534;

/// A router with its page.
pub(crate) struct Page {
    pub(crate) lab: Lab,
    config: String,
    pub(crate) daemon: Option<Daemon>,
}

/// The configuration: `alice` is added to her section, `page` to the page's.
pub(crate) fn config(alice: &str, page: &str) -> String {
    format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n{STANDALONE}\nconfig otp 'alice'\n\
         \tlist open 'tcp/22'\n\tlist open 'udp/9'\n{alice}\nconfig otp 'bob'\n\tlist open 'tcp/80'\n\
         \nconfig otp 'phone'\n\tlist open 'tcp/22'\n\nconfig page 'page'\n\toption enabled '1'\n{page}\n"
    )
}

impl Page {
    /// A router that is on.
    pub(crate) fn new(alice: &str, page: &str) -> Self {
        let mut this = Self::off(&config(alice, page));
        this.start();
        this
    }

    /// A router that is off, with all users.
    pub(crate) fn off(config: &str) -> Self {
        let lab = Lab::new();
        lab.reconfigure(config);
        let this = Self { lab, config: config.to_owned(), daemon: None };
        for (user, sequence) in [("alice", "99"), ("bob", "50")] {
            this.otp(&["add", user, "--sequence", sequence, "--seed", "ke1234"], PASSPHRASE);
        }
        this.otp(&["add", "phone", "--totp", "--secret"], &format!("{SECRET}\n"));
        this
    }

    pub(crate) fn start(&mut self) {
        let mut daemon = Daemon::spawn(self.lab.daemon_command(&[]), &self.config);
        daemon.wait_ready();
        self.daemon = Some(daemon);
    }

    /// Ends the daemon, and gives its log.
    pub(crate) fn stop(&mut self) -> String {
        self.daemon.take().expect("a daemon").stop()
    }

    /// What the daemon has said so far.
    pub(crate) fn log(&self) -> String {
        self.daemon.as_ref().expect("a daemon").log()
    }

    /// Demands that the daemon says this in time.
    pub(crate) fn wait_said(&self, words: &str) {
        let said = || self.log().contains(words).then_some(());
        let deadline = Duration::from_secs(5);
        let start = std::time::Instant::now();
        while said().is_none() {
            assert!(start.elapsed() < deadline, "{words:?} is not in:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// `spa-knockd otp` with these words and this on its input.
    pub(crate) fn otp(&self, words: &[&str], input: &str) -> String {
        let mut command = Command::new(program());
        command.arg("otp").args(words);
        if words[0] != "calc" {
            command.arg("--state-dir").arg(self.lab.state_dir());
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("run spa-knockd otp");
        child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("tell it");
        let output = child.wait_with_output().expect("wait for it");
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The file of a user.
    pub(crate) fn record(&self, user: &str) -> PathBuf {
        self.lab.state_dir().join("otp").join(user)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.lab.run_dir().join("web.sock")
    }

    /// What comes back for these bytes.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        exchange(&UnixStream::connect(self.socket()).expect("connect to the page's socket"), bytes)
    }

    /// The answer to a question.
    pub(crate) fn ask(&self, visit: &Value, what: &Value) -> Value {
        let line = format!("{}\n", json!({ "v": 1, "visit": visit, "what": what }));
        let answer = self.raw(line.as_bytes());
        assert!(answer.ends_with('\n'), "{what}: {answer:?}");
        serde_json::from_str(&answer).expect("one JSON object")
    }

    /// What came of a question by a visitor with TLS.
    pub(crate) fn outcome(&self, peer: &str, what: &Value) -> Value {
        self.ask(&visit(peer), what)["outcome"].clone()
    }

    /// The form for a name.
    pub(crate) fn form(&self, peer: &str, user: &str) -> Value {
        let outcome = self.outcome(peer, &json!({ "form": { "user": user } }));
        outcome.get("form").unwrap_or_else(|| panic!("no form, but {outcome}")).clone()
    }

    /// The form for a name, filled in with a response and other fields.
    pub(crate) fn filled(&self, peer: &str, user: &str, response: &str, more: &Value) -> Value {
        let mut login = json!({
            "token": self.form(peer, user)["token"], "user": user, "response": response,
            "address": null, "services": null, "sign_off": false,
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            login[name] = value.clone();
        }
        json!({ "login": login })
    }

    /// What comes of a form.
    pub(crate) fn login(&self, peer: &str, user: &str, response: &str, more: &Value) -> Value {
        self.outcome(peer, &self.filled(peer, user, response, more))
    }

    /// Whether an element lets this address to this port.
    pub(crate) fn is_open(&self, set: &str, key: &[&str]) -> bool {
        self.lab.element(set, key).is_some()
    }

    /// How many elements there are in all sets.
    pub(crate) fn elements(&self) -> usize {
        self.lab.elements().len()
    }
}

/// A visit over TLS.
pub(crate) fn visit(peer: &str) -> Value {
    json!({ "peer": peer, "forwarded": null, "tls": true, "host": "knock.example:8443" })
}

/// The hex and the words of a password of the chain that alice and bob have.
pub(crate) fn password(page: &Page, number: u32) -> (String, String) {
    let said = page.otp(&["calc", "--sequence", &number.to_string(), "--seed", "ke1234"], PASSPHRASE);
    let mut lines = said.lines().map(str::to_owned);
    let words = lines.next().expect("words");
    (lines.next().expect("hex"), words)
}

/// What Debian's oathtool computes for this moment of the app.
pub(crate) fn code(unix: u64) -> String {
    let now = format!("--now=@{unix}");
    let output = Command::new("oathtool").args(["--totp", "--base32", &now, SECRET]).output().expect("run oathtool");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// What comes back on a connection for these bytes, up to its end.
pub(crate) fn exchange(mut stream: &UnixStream, bytes: &[u8]) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("limit the wait");
    // Who is turned away may be so before it has said anything.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("text")
}

/// Runs the closure as another user: of this thread alone, for good.
pub(crate) fn as_user<T: Send>(uid: u32, gid: u32, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
            set_thread_groups(&[]).expect("no other group");
            set_thread_res_gid(group, group, group).expect("the group");
            set_thread_res_uid(user, user, user).expect("the user");
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Gives a file to the daemon's user.
pub(crate) fn give(path: &std::path::Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).expect("chown");
}
