//! The daemon is asked over its control socket, with the real program at both ends.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that does not get what it needs ends the test, with its words"
)]

mod lab;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use lab::ask::{STANDALONE, config, context_switches, failed};
use lab::daemon::{Daemon, program};
use lab::{FRIEND, Lab, Place, ROUTER, wait_for};
use serde_json::Value;

const DOOR: [&str; 3] = ["203.0.113.2", "tcp", "22"];
const KNOCK: [&str; 4] = ["-A", "tcp/22", "-a", "203.0.113.2"];
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
    for words in ["ready", "udp 62201 on wan", "hmac 3, port_not_allowed 1", "1 living, knocks honoured: 1"] {
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
    assert!(lab.told(&["grants"]).contains("alice   203.0.113.2  port  tcp/22"));

    // It still has to see that we have gone.
    thread::sleep(Duration::from_millis(200));
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
    let unnamed = lab.ask(&["revoke"]);
    assert_eq!((unnamed.status.code(), unnamed.stdout.is_empty()), (Some(2), true), "{unnamed:?}");
    let typo = lab.ask(&["revoke", "--access", "alcie"]);
    assert_eq!((typo.status.code(), typo.stdout.is_empty()), (Some(1), true), "{typo:?}");
    assert!(String::from_utf8_lossy(&typo.stderr).contains("is called 'alcie': nothing was revoked"), "{typo:?}");
    assert_eq!(lab.asked(&["revoke", "--access", "alice", "--source", "203.0.113.66"])["revoked"], 0);
    assert_eq!(
        lab.told(&["revoke", "--access", "alice", "--source", "203.0.113.66"]),
        "nothing was open of alice for 203.0.113.66\n"
    );
    // What a stanza opened can be revoked after it went away.
    lab.nft("add element inet spa_knockd spa_in4_v1 { 203.0.113.99 . tcp . 22 timeout 9m comment \"gone\" }\n");
    assert_eq!(lab.asked(&["revoke", "--access", "gone"])["revoked"], 1);
    assert_eq!(lab.told(&["revoke", "--access", "alice", "--source", "203.0.113.2"]), "revoked: 1 set element\n");
    assert_eq!(lab.element("spa_in4_v1", &DOOR), None);
    assert_eq!(lab.try_connect(Place::Wan, FRIEND, ssh), lab::wire::Door::Refused);
    let last = (0..5).map(|_| next()).last().expect("the events of five requests");
    assert_eq!((&last["kind"], &last["access"]), (&"revoke".into(), &"alice".into()));

    lab.knock(&keys, &KNOCK);
    lab.wait_element("spa_in4_v1", &DOOR);
    assert_eq!(lab.asked(&["revoke", "--all"])["revoked"], 1);
    assert_eq!(lab.told(&["grants"]), "no living grants\n");
    // Lines are broken where the terminal ends.
    let told = lab.told(&["events"]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("203.0.113.2 may reach tcp/22 for 30 s, user 'alice.b'"), "{told}");
    daemon.stop();
    let status = follower.wait().expect("the follower's end");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn status_says_what_stands_against_a_knock() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    fs::create_dir(lab.state_dir()).expect("mkdir");
    let future = r#"{"format":1,"clock_floor":3000000000,"newest":{},"journal":"","knocks":0}"#;
    fs::write(lab.state_dir().join("state.json"), future).expect("write the state");
    lab.configure(&config(&keys, ""));
    let mut daemon = Daemon::spawn(lab.daemon_command(&["--interface", "wan"]), "");
    daemon.wait_log("fw4");
    let status = lab.asked(&["status"]);
    assert_eq!((&status["ready"], &status["clock"]["set"]), (&false.into(), &false.into()));
    let told = lab.told(&["status"]);
    assert!(told.contains("not ready") && told.contains("table inet fw4 is missing"), "{told}");
    assert!(told.contains("clock      not set: over max_age behind"), "{told}");

    lab.run(Place::Router, "ip", &["link", "delete", "wan"]);
    let lost = || lab.told(&["status"]).contains("wan: there is no such network device; it is awaited").then_some(());
    wait_for("the lost capture", Duration::from_secs(3), lost);
    assert_eq!(lab.asked(&["status"])["devices"][0]["received"], Value::Null);
}

#[test]
fn many_grants_come_in_pages() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    lab.daemon(&config(&keys, STANDALONE)).stop();
    let elements: Vec<String> = (0..600)
        .map(|host| format!("198.51.{}.{} . tcp . 22 timeout 9m comment \"alice\"", 100 + host / 256, host % 256))
        .collect();
    lab.nft(&format!("add element inet spa_knockd spa_in4_v1 {{ {} }}\n", elements.join(", ")));
    // A daemon takes over what an earlier one granted.
    let _daemon = lab.daemon(&config(&keys, STANDALONE));
    let grants = lab.asked(&["grants"])["grants"].as_array().expect("a list").clone();
    let mut sources: Vec<&str> = grants.iter().filter_map(|grant| grant["source"].as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    assert_eq!((grants.len(), sources.len()), (600, 600));
    let page = first_line(&raw(&lab.socket()), b"{\"v\":1,\"request\":\"grants\",\"skip\":512}\n");
    assert_eq!((&page["total"], page["grants"].as_array().map(Vec::len)), (&600.into(), Some(88)));
    let page = first_line(&raw(&lab.socket()), b"{\"v\":1,\"request\":\"grants\",\"skip\":9999}\n");
    assert_eq!(page["grants"].as_array().map(Vec::len), Some(0));
    assert_eq!(lab.told(&["revoke", "--source", "198.51.100.7"]), "revoked: 1 set element\n");
    assert_eq!(lab.told(&["revoke", "--all"]), "revoked: 599 set elements\n");
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
