//! A router with its page behind lighttpd and behind busybox's httpd, and what a visitor's side runs.
//!
//! ```text
//!  wan: Chromium, Node ── router: lighttpd, TLS, www-data :8443 ─┬─ open-sesame ── web.sock ── daemon
//!                                 busybox httpd, root     :80   ─┘
//! ```

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use crate::lab::ask::STANDALONE;
use crate::lab::daemon::{Daemon, program};
use crate::lab::{self, Lab, Place, ROUTER, ROUTER6};

/// What the users of a card thought of.
const PASSPHRASE: &str = "This is a test.\n";

/// The secret of phone's app, in base32.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// The router's accounts: a web server of its own right, and the page's user, with the group that may ask the daemon.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\n\
    spa-knock-web:x:627:628::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n";
const GROUP: &str = "root:x:0:\nwww-data:x:33:\nspa-knock-web:x:628:www-data\nnogroup:x:65534:\n";

/// What the web servers say.
const LOG: &str = "servers.log";

/// Gives a program these accounts and the daemon's run directory, which are nobody else's; $0 is the lab's directory.
const MOVE_IN: &str = "mount --bind \"$0/passwd\" /etc/passwd && mount --bind \"$0/group\" /etc/group &&
    mount -t tmpfs none /run && ln -s \"$0/run\" /run/spa-knockd && exec \"$@\"";

/// A router with its page, its web servers and its users.
pub(crate) struct Site {
    pub(crate) lab: Lab,
    daemon: Mutex<Option<Daemon>>,
    pid: u32,
    _servers: [Server; 2],
}

/// A web server; it is killed when this is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Site {
    /// A router that is on; `page` is added to the page's section.
    pub(crate) fn new(page: &str) -> Self {
        let lab = Lab::new();
        let config = format!(
            "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n{STANDALONE}\n\
             config otp 'alice'\n\tlist open 'tcp/22'\n\toption timeout '15'\n\n\
             config otp 'bob'\n\tlist open 'tcp/22'\n\toption timeout '15'\n\n\
             config otp 'carol'\n\tlist open 'tcp/22'\n\n\
             config otp 'phone'\n\tlist open 'tcp/22'\n\tlist open 'tcp/443'\n\n\
             config page 'page'\n\toption enabled '1'\n\tlist plain_from '2001:db8:1::/64'\n{page}"
        );
        lab.reconfigure(&config);
        for (name, text) in [("passwd", PASSWD), ("group", GROUP)] {
            fs::write(lab.dir().join(name), text).expect("the router's accounts");
        }
        for (user, algorithm) in [("alice", "md5"), ("bob", "sha1"), ("carol", "md5")] {
            let words = ["add", user, "--algorithm", algorithm, "--sequence", "99", "--seed", "ke1234"];
            otp(&lab, &words, PASSPHRASE);
        }
        otp(&lab, &["add", "phone", "--totp", "--secret"], &format!("{SECRET}\n"));
        let mut daemon = Daemon::spawn(housed(&lab, &lab.daemon_command(&[])), &config);
        daemon.wait_ready();
        let (pid, _servers) = (daemon.pid(), serve(&lab));
        Self { lab, daemon: Mutex::new(Some(daemon)), pid, _servers }
    }

    /// Runs the tests of a script on the visitor's side; panics with what they say unless they pass.
    pub(crate) fn node(&self, script: &str) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Whatever goes wrong has an end.
        let out = self
            .lab
            .command(Place::Wan, "timeout", &["240", "node", "--test", "--test-reporter=spec"])
            .arg(source.join("tests/page-browser").join(script))
            .env("LOG", self.lab.dir().join(LOG))
            .env("CERTIFICATE", self.lab.dir().join("server.pem"))
            .env("DAEMON", self.pid.to_string())
            .env("PASSPHRASE", PASSPHRASE)
            .env("SECRET", SECRET)
            .env("SHOTS", source.join("target/page-browser"))
            // What a browser leaves behind goes with the lab.
            .envs(["HOME", "TMPDIR"].map(|name| (name, self.lab.dir())))
            .env_remove("NODE_OPTIONS")
            .output()
            .expect("run node");
        let said = String::from_utf8_lossy(&out.stdout);
        eprintln!("{said}");
        assert!(
            out.status.success(),
            "{}\nthe web servers' log:\n{}",
            String::from_utf8_lossy(&out.stderr),
            fs::read_to_string(self.lab.dir().join(LOG)).unwrap_or_default()
        );
    }

    fn daemon(&self) -> Daemon {
        self.daemon.lock().expect("the daemon").take().expect("a daemon")
    }

    /// Ends the daemon, and gives its log.
    pub(crate) fn stop(&self) -> String {
        self.daemon().stop()
    }

    /// The log of a daemon that somebody else has ended.
    pub(crate) fn ended(&self) -> String {
        let mut daemon = self.daemon();
        let status = daemon.wait_exit();
        let log = daemon.finish();
        assert!(status.success(), "the daemon ended with {status}:\n{log}");
        log
    }
}

/// `spa-knockd otp` with these words and this on its input.
fn otp(lab: &Lab, words: &[&str], input: &str) {
    let mut command = Command::new(program());
    command.arg("otp").args(words).arg("--state-dir").arg(lab.state_dir()).stdout(Stdio::null());
    let mut child = command.stdin(Stdio::piped()).spawn().expect("run spa-knockd otp");
    std::io::Write::write_all(&mut child.stdin.take().expect("its input"), input.as_bytes()).expect("tell it");
    assert!(child.wait().expect("wait for it").success(), "{words:?}");
}

/// The same command, among the router's accounts.
fn housed(lab: &Lab, command: &Command) -> Command {
    let mut housed = lab.command(Place::Router, "sh", &["-c", MOVE_IN]);
    // Behind `ip netns exec NAME`.
    housed.arg(lab.dir()).args(command.get_args().skip(3));
    housed
}

/// Starts both web servers.
fn serve(lab: &Lab) -> [Server; 2] {
    let dir = lab.dir();
    // The build directory may lie where only root may look.
    let cgi = dir.join("www/cgi-bin");
    fs::create_dir_all(&cgi).expect("a directory");
    fs::copy(program(), cgi.join("spa-knockd")).expect("copy the program");
    let page = cgi.join("open-sesame");
    symlink("spa-knockd", &page).expect("link the program");
    certify(dir);
    let config = dir.join("lighttpd.conf");
    fs::write(&config, lighttpd(dir, &page)).expect("write lighttpd's configuration");
    let lighttpd = lab.command(Place::Router, "lighttpd", &["-D", "-f", &config.to_string_lossy()]);
    let busybox = lab.command(Place::Router, "busybox", &["httpd", "-f", "-p", "80", "-h"]);
    let servers = [(lighttpd, None), (busybox, Some(dir.join("www")))].map(|(mut command, rest)| {
        let mut command = housed(lab, command.args(rest));
        let log = fs::OpenOptions::new().create(true).append(true).open(dir.join(LOG)).expect("the servers' log");
        Server(command.stdout(Stdio::null()).stderr(log).spawn().expect("start a web server"))
    });
    for (address, port) in [(ROUTER, 8443), (ROUTER6, 8443), (ROUTER, 80), (ROUTER6, 80)] {
        let from = if address.is_ipv4() { lab::FRIEND } else { lab::FRIEND6 };
        let connects = || lab.connect(Place::Wan, from, SocketAddr::new(address, port)).ok();
        lab::wait_for("web server", Duration::from_secs(20), connects);
    }
    servers
}

/// What docs/page.md tells people to write, at the lab's places.
fn lighttpd(dir: &Path, page: &Path) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/page.md")).expect("docs/page.md");
    let lines = text.lines().skip_while(|line| !line.starts_with("    server.modules"));
    let told: Vec<&str> = lines.take_while(|line| line.starts_with("    ")).collect();
    let (pem, program) = ("/etc/lighttpd/server.pem", "/usr/lib/cgi-bin/open-sesame");
    let told = told.join("\n");
    assert!(told.contains(pem) && told.contains(program), "docs/page.md has no configuration of lighttpd:\n{told}");
    let told = told.replace(pem, &dir.join("server.pem").to_string_lossy()).replace(program, &page.to_string_lossy());
    // As Debian has it; the first socket is nobody's.
    format!(
        "server.document-root = \"{}/www\"\nserver.username = \"www-data\"\nserver.groupname = \"www-data\"\n\
         server.bind = \"127.0.0.1\"\nserver.port = 8080\n{told}\n",
        dir.display()
    )
}

/// Makes key and certificate, each in one file with both.
fn certify(dir: &Path) {
    let parts: [PathBuf; 2] = ["key.pem", "certificate.pem"].map(|name| dir.join(name));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=router", "-addext", &format!("subjectAltName=IP:{ROUTER},IP:{ROUTER6}"), "-keyout"])
        .arg(&parts[0])
        .arg("-out")
        .arg(&parts[1])
        .output()
        .expect("run openssl");
    assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    let text = parts.map(|part| fs::read_to_string(part).expect("what openssl made")).concat();
    fs::write(dir.join("server.pem"), text).expect("write the certificate");
}
