//! The daemon is asked over its control socket, with the real program at both ends.

mod lab;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lab::client::Keys;
use lab::daemon::{Daemon, program, spa_knockd};
use lab::{FRIEND, Lab, Place, ROUTER, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const DOOR: [&str; 3] = ["203.0.113.2", "tcp", "22"];
const KNOCK: [&str; 4] = ["-A", "tcp/22", "-a", "203.0.113.2"];
const NOBODY: u32 = 65534;

fn config(keys: &Keys, main: &str) -> String {
    format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n{main}\nconfig access 'alice'\n{}\
         \tlist open 'tcp/22'\n\tlist open 'tcp/9'\n",
        keys.uci()
    )
}

const STANDALONE: &str = "\toption firewall 'standalone'\n";

impl Lab {
    fn socket(&self) -> PathBuf {
        self.run_dir().join("control.sock")
    }

    /// Runs a subcommand that asks this lab's daemon.
    fn ask(&self, words: &[&str]) -> Output {
        spa_knockd(&[words, &["--socket", &self.socket().to_string_lossy()]].concat())
    }

    /// The good JSON reply to a subcommand.
    fn asked(&self, words: &[&str]) -> Value {
        let out = self.ask(&[words, &["--json"]].concat());
        assert!(out.status.success(), "{words:?}: {out:?}");
        serde_json::from_slice(&out.stdout).expect("one JSON object")
    }

    /// What people read; no line may be wider than a terminal.
    fn told(&self, words: &[&str]) -> String {
        let out = self.ask(words);
        assert!(out.status.success(), "{words:?}: {out:?}");
        let text = String::from_utf8(out.stdout).expect("text");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        text
    }

    /// Rewrites the configuration as the init script does: readable by the daemon's user.
    fn reconfigure(&self, config: &str) {
        self.configure(config);
        chown(self.config_file(), Some(NOBODY), Some(NOBODY)).expect("chown");
    }

    fn honoured(&self) -> u64 {
        self.asked(&["status"])["honoured"].as_u64().expect("a count")
    }
}

fn failed(out: &Output) -> String {
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    String::from_utf8_lossy(&out.stderr).into_owned()
}

fn raw(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("connect to the control socket");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("limit the wait");
    stream
}

/// Sends bytes and gives the first line that comes back.
fn first_line(stream: &UnixStream, sent: &[u8]) -> Value {
    let mut writer = stream;
    writer.write_all(sent).expect("send");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("a reply");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

fn context_switches(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("read /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).expect("the counter");
    line.trim().parse().expect("a number")
}

#[test]
fn status_and_grants_tell_how_it_is() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let daemon = lab.daemon(&config(&keys, STANDALONE));
    assert_eq!(fs::metadata(lab.socket()).expect("the socket").permissions().mode() & 0o777, 0o600);
    assert_eq!(lab.told(&["grants"]), "no living grants\n");
    let stranger = lab::daemon::keygen();
    for _ in 0..3 {
        lab.knock(&stranger, &KNOCK);
    }
    lab.knock(&keys, &["-A", "tcp/23", "-a", "203.0.113.2"]);
    lab.knock(&keys, &KNOCK);
    lab.wait_element("spa_in4_v1", &DOOR);

    let status = lab.asked(&["status"]);
    assert_eq!((&status["v"], &status["ok"], &status["ready"]), (&1.into(), &true.into(), &true.into()));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["config"], *lab.config_file().to_string_lossy());
    assert_eq!((&status["honoured"], &status["grants"], &status["stanzas"]), (&1.into(), &1.into(), &1.into()));
    let refused = &status["refused"];
    assert_eq!((&refused["hmac"], &refused["port_not_allowed"]), (&3.into(), &1.into()));
    assert_eq!(refused.as_object().map(serde_json::Map::len), Some(spa_knockd::reason::Reason::ALL.len()));
    assert_eq!((&status["remembered"], &status["clock"]["set"]), (&2.into(), &true.into()));
    let device = &status["devices"][0];
    assert_eq!((&device["device"], &device["capturing"]), (&"wan".into(), &true.into()));
    assert!(device["received"].as_u64() >= Some(5) && device["dropped"] == 0, "{device}");
    let told = lab.told(&["status"]);
    for words in ["ready", "udp 62201 on wan", "hmac 3, port_not_allowed 1", "1 living, 1 knocks honoured"] {
        assert!(told.contains(words), "{told}");
    }

    let grant = lab.asked(&["grants"])["grants"][0].clone();
    let left = lab.element("spa_in4_v1", &DOOR).expect("the element").expires;
    let said = grant["remaining"].as_u64().expect("seconds");
    assert!(said.abs_diff(left) <= 1, "{said} s said, {left} s left");
    assert_eq!((&grant["access"], &grant["source"]), (&"alice".into(), &"203.0.113.2".into()));
    assert_eq!((&grant["port"], &grant["set"]), (&"tcp/22".into(), &"spa_in4_v1".into()));
    thread::sleep(Duration::from_millis(1100));
    assert!(lab.asked(&["grants"])["grants"][0]["remaining"].as_u64() < Some(said), "no countdown");
    assert!(lab.told(&["grants"]).contains("alice   203.0.113.2  tcp/22"));

    let pid = daemon.pid();
    let idle = context_switches(pid);
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(context_switches(pid), idle, "an idle daemon woke up");
    daemon.stop();
    assert!(!lab.socket().exists(), "the socket outlived its daemon");
    let error = failed(&lab.ask(&["status"]));
    assert!(error.contains("no daemon listens at") && error.contains("is spa-knockd running?"), "{error}");
}

#[test]
fn followers_see_a_knock_and_revoking_closes_the_door() {
    let lab = Lab::new();
    let _ssh = lab.tcp_echo(Place::Router, 22);
    let keys = lab::daemon::keygen();
    let daemon = lab.daemon(&config(&keys, STANDALONE));
    let mut follower = std::process::Command::new(program())
        .args(["events", "--follow", "--json", "--socket", &lab.socket().to_string_lossy()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start the follower");
    let mut news = BufReader::new(follower.stdout.take().expect("a pipe")).lines();
    let mut next = || -> Value {
        serde_json::from_str(&news.next().expect("an event").expect("a line")).expect("one JSON object a line")
    };
    // The follower is connected once the daemon has seen its request.
    thread::sleep(Duration::from_millis(300));
    let idle = context_switches(daemon.pid());
    thread::sleep(Duration::from_secs(1));
    assert_eq!(context_switches(daemon.pid()), idle, "a follower keeps the daemon awake");

    lab.knock(&keys, &["-A", "tcp/22", "-a", "203.0.113.2", "--spoof-user", "alice.b"]);
    let event = next();
    assert_eq!(
        (&event["kind"], &event["access"], &event["user"]),
        (&"grant".into(), &"alice".into(), &"alice.b".into())
    );
    assert_eq!((&event["source"], &event["from"]), (&"203.0.113.2".into(), &"203.0.113.2".into()));
    assert_eq!((&event["opened"][0], &event["timeout"]), (&"tcp/22".into(), &30.into()));
    lab.knock(&keys, &["-A", "tcp/23", "-a", "203.0.113.2"]);
    let event = next();
    assert_eq!((&event["kind"], &event["reason"]), (&"refuse".into(), &"port_not_allowed".into()));

    let ssh = std::net::SocketAddr::new(ROUTER, 22);
    assert_eq!(lab.try_connect(Place::Wan, FRIEND, ssh), lab::wire::Door::Open);
    assert!(failed(&lab.ask(&["revoke"])).contains("--all"));
    assert_eq!(lab.asked(&["revoke", "--access", "bob"])["revoked"], 0);
    assert_eq!(lab.asked(&["revoke", "--access", "alice", "--source", "203.0.113.66"])["revoked"], 0);
    assert_eq!(lab.told(&["revoke", "--access", "alice", "--source", "203.0.113.2"]), "revoked: 1 set element\n");
    assert_eq!(lab.element("spa_in4_v1", &DOOR), None);
    assert_eq!(lab.try_connect(Place::Wan, FRIEND, ssh), lab::wire::Door::Refused);
    let last = (0..3).map(|_| next()).last().expect("the events of three requests");
    assert_eq!(last["kind"], "revoke");

    lab.knock(&keys, &KNOCK);
    lab.wait_element("spa_in4_v1", &DOOR);
    assert_eq!(lab.asked(&["revoke", "--all"])["revoked"], 1);
    assert_eq!(lab.told(&["grants"]), "no living grants\n");
    let told = lab.told(&["events"]);
    assert!(told.contains("203.0.113.2 may reach tcp/22 for 30 s, user 'alice.b'"), "{told}");
    daemon.stop();
    let status = follower.wait().expect("the follower's end");
    assert_eq!(status.code(), Some(1));
}

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
                "{STANDALONE}\toption ring_kib '{}'\n\tlist port '62201'\n\tlist port '6{round}'\n",
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
        let error = failed(&lab.ask(&["reload"]));
        assert!(error.contains(word) && error.contains("restart the service"), "{error}");
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
    lab.reconfigure(&both.replacen("'lan'", "'nosuch0'", 1));
    assert!(failed(&lab.ask(&["reload"])).contains("nosuch0"));
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

#[test]
fn bad_requests_get_a_plain_answer() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let daemon = lab.daemon(&config(&keys, STANDALONE));
    let socket = lab.socket();
    let oversized = [b'x'; 5000];
    for (sent, words) in [
        (&b"hello\n"[..], "not a JSON object"),
        (b"{\"v\":1,\"request\":\"shutdown\"}\n", "no request 'shutdown'"),
        (b"{\"v\":9,\"request\":\"status\"}\n", "version"),
        (b"\xff\xfe\0\n", "not a JSON object"),
        (&oversized, "longer than 4096"),
    ] {
        let reply = first_line(&raw(&socket), sent);
        assert!(reply["v"] == 1 && reply["ok"] == false, "{reply}");
        assert!(reply["error"].as_str().is_some_and(|error| error.contains(words)), "{reply}");
    }
    let stream = raw(&socket);
    (&stream).write_all(b"{\"v\":1,\"request\":\"status\"").expect("send");
    stream.shutdown(std::net::Shutdown::Write).expect("end");
    assert!(first_line(&stream, b"")["error"].as_str().is_some_and(|error| error.contains("was cut")));
    // A bad request does not end the conversation, and leaves no trace.
    let stream = raw(&socket);
    assert_eq!(first_line(&stream, b"nonsense\n")["ok"], false);
    assert_eq!(first_line(&stream, b"{\"v\":1,\"request\":\"status\"}\n")["ready"], true);
    assert!(!daemon.log().contains("nonsense"));
}

#[test]
fn the_ninth_client_waits_and_the_idle_and_the_unreading_have_to_go() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let _daemon = lab.daemon(&config(&keys, STANDALONE));
    let socket = lab.socket();
    let mut follower = raw(&socket);
    assert_eq!(first_line(&follower, b"{\"v\":1,\"request\":\"events\",\"follow\":true}\n")["ok"], true);
    // Asks for more than its socket holds and never reads.
    let unreading = raw(&socket);
    unreading.set_nonblocking(true).expect("do not wait");
    let flood = b"{\"v\":1,\"request\":\"status\"}\n".repeat(1000);
    for _ in 0..200 {
        let _ = (&unreading).write(&flood);
        thread::sleep(Duration::from_millis(2));
    }
    let start = Instant::now();
    let mut idle: Vec<UnixStream> = (0..6).map(|_| raw(&socket)).collect();
    let reply = first_line(&raw(&socket), b"");
    assert!(reply["error"].as_str().is_some_and(|error| error.contains("8 clients")), "{reply}");
    assert!(failed(&lab.ask(&["status"])).contains("8 clients"));
    // None of them is in a knock's way.
    lab.knock(&keys, &KNOCK);
    lab.wait_element("spa_in4_v1", &DOOR);

    for stream in &mut idle {
        stream.set_read_timeout(Some(Duration::from_secs(13))).expect("limit the wait");
        assert_eq!(stream.read(&mut [0; 16]).expect("the end of the connection"), 0);
    }
    assert!(start.elapsed() > Duration::from_secs(9), "closed after {:?}", start.elapsed());
    wait_for("the end of who does not read", Duration::from_secs(4), || {
        let mut buffer = [0; 65536];
        loop {
            match (&unreading).read(&mut buffer) {
                Ok(0) => return Some(()),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return None,
                Err(_) => return Some(()),
            }
        }
    });
    // The follower is still there, and has seen the knock.
    assert_eq!(lab.asked(&["status"])["grants"], 1);
    let mut line = [0; 512];
    let length = follower.read(&mut line).expect("an event");
    assert!(String::from_utf8_lossy(&line[..length]).contains("\"kind\":\"grant\""));
}

#[test]
fn only_root_and_the_daemon_itself_may_ask() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let socket = lab.dir().join("ask.sock");
    let socket_text = socket.to_string_lossy().into_owned();
    lab.configure(&config(&keys, STANDALONE));
    let start = || {
        let command = lab.daemon_command(&["--interface", "wan", "--socket", &socket_text]);
        let mut daemon = Daemon::spawn(command, "");
        daemon.wait_ready();
        daemon
    };
    let daemon = start();
    // The build directory may lie where only root may look.
    let copy = lab.dir().join("spa-knockd");
    fs::copy(program(), &copy).expect("copy the program");
    let copy = copy.to_string_lossy().into_owned();
    let ask = |uid: &str| {
        let user = format!("--reuid={uid}");
        let words = [&*user, "--clear-groups", "--", &copy, "status", "--socket", &socket_text];
        lab.command(Place::Router, "setpriv", &words).output().expect("run setpriv")
    };
    assert!(failed(&ask("12345")).contains("ask as root"));
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).expect("chmod");
    assert!(failed(&ask("12345")).contains("only root and the daemon's own user"));
    assert!(ask("65534").status.success());
    assert!(ask("0").status.success());

    // A crash leaves the socket, and the next start replaces it; one that is in use, or no socket, stays.
    daemon.kill();
    assert!(socket.exists());
    let daemon = start();
    assert!(ask("0").status.success());
    let mut command = lab.command(Place::Router, &copy, &["run", "--user", "nobody", "--interface", "wan"]);
    command.arg("--config").arg(lab.config_file());
    command.arg("--state-dir").arg(lab.dir().join("other")).args(["--socket", &socket_text]);
    let mut other = Daemon::spawn(command, "");
    assert_eq!(other.wait_exit().code(), Some(1));
    assert!(other.finish().contains("another daemon listens"), "{}", other.log());
    daemon.stop();
    fs::remove_file(&socket).expect("remove the socket");
    fs::write(&socket, "precious").expect("write a file");
    let mut refused = Daemon::spawn(lab.daemon_command(&["--interface", "wan", "--socket", &socket_text]), "");
    assert_eq!(refused.wait_exit().code(), Some(1));
    assert_eq!(fs::read_to_string(&socket).expect("the file"), "precious");
}
