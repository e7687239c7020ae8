//! What the daemon may still do after its start, and that it needs no more: a day in its life, recorded and replayed.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper that does not get what it needs ends the test, with its words"
)]
#![cfg_attr(
    not(all(feature = "seccomp", target_arch = "x86_64", target_env = "gnu")),
    allow(dead_code, unused_imports, reason = "the recording is that of x86-64 and glibc")
)]

mod lab;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::ask::{STANDALONE, config, failed};
use lab::client::Keys;
use lab::daemon::{Daemon, program};
use lab::{FRIEND, Lab, Place, ROUTER, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use spa_knockd::daemon::privileges::FALLBACK_ID;
use spa_knockd::daemon::syscalls::{HELPING, SERVING, STARTING, Syscall};

const SOON: Duration = Duration::from_secs(5);
const NOBODY: u32 = 65534;
const DOOR: [&str; 3] = ["203.0.113.2", "tcp", "22"];
const KNOCK: [&str; 4] = ["-A", "tcp/22", "-a", "203.0.113.2"];

/// The configuration of the day: both ways to knock, and a command.
fn text(keys: &Keys) -> String {
    config(keys, &format!("{STANDALONE}\toption tcp_listen '62202'\n"))
        + "\tlist command 'nothing=/bin/true'\n\nconfig otp 'carol'\n\tlist open 'tcp/9'\n\nconfig page 'page'\n\
           \toption enabled '1'\n"
}

/// Writes the configuration as the init script does, for this user.
fn configure(lab: &Lab, text: &str, user: u32) {
    lab.configure(text);
    chown(lab.config_file(), Some(user), Some(user)).expect("chown");
}

/// The lines of /proc/PID/status.
fn status_of(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("read /proc");
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The living children of a process.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// What lacks for the process to be nobody's without any capability, now and for ever.
fn rights_left(pid: u32) -> Vec<String> {
    let status = status_of(pid);
    let sets = ["CapInh", "CapPrm", "CapEff", "CapAmb"].map(|set| format!("{set}: 0000000000000000"));
    let others = [format!("Uid: {NOBODY} {NOBODY} {NOBODY} {NOBODY}"), "NoNewPrivs: 1".to_owned()];
    sets.into_iter().chain(others).filter(|line| !status.contains(line)).collect()
}

/// Demands that the process has these rights and no others.
fn is_confined(pid: u32, user: u32, bounding: bool) {
    let status = status_of(pid);
    let mut wanted = vec![
        format!("Uid: {user} {user} {user} {user}"),
        format!("Gid: {user} {user} {user} {user}"),
        "Groups:".to_owned(),
        "CapInh: 0000000000000000".to_owned(),
        "CapPrm: 0000000000003000".to_owned(),
        "CapEff: 0000000000003000".to_owned(),
        "CapAmb: 0000000000000000".to_owned(),
        "NoNewPrivs: 1".to_owned(),
        format!("Seccomp: {}", if cfg!(feature = "seccomp") { 2 } else { 0 }),
    ];
    if bounding {
        wanted.push("CapBnd: 0000000000000000".to_owned());
    }
    for line in wanted {
        assert!(status.contains(&line), "{line} is not in {status:#?}");
    }
}

/// Makes carol's one-time passwords while the daemon runs, and gives the one that is next.
fn carols_password(lab: &Lab) -> String {
    let state = lab.state_dir().to_string_lossy().into_owned();
    let chain = ["--sequence", "99", "--seed", "ke1234"];
    let next = ["--sequence", "98", "--seed", "ke1234"];
    let [_, said] = [
        &[&["otp", "add", "carol", "--state-dir", &state], &chain[..]].concat(),
        &[&["otp", "calc"], &next[..]].concat(),
    ]
    .map(|words| {
        let mut command = Command::new(program());
        let mut child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("run otp");
        child.stdin.take().expect("its input").write_all(b"This is a test.\n").expect("tell it");
        String::from_utf8(child.wait_with_output().expect("wait for it").stdout).expect("text")
    });
    said.lines().nth(1).expect("the password in hex").to_owned()
}

/// Runs the daemon through everything that it does but start: knocks of all kinds, requests, reloads, others' changes
/// of devices and firewall, and its end.
fn a_day(lab: &Lab, keys: &Keys, daemon: Daemon, user: u32) {
    let state = lab.state_dir().join("state.json");
    let password = carols_password(lab);
    let visit = |what: String| {
        let mut stream = UnixStream::connect(lab.run_dir().join("web.sock")).expect("connect to the page");
        let visit = "{\"peer\":\"203.0.113.66\",\"forwarded\":null,\"tls\":true,\"host\":null}";
        stream.write_all(format!("{{\"v\":1,\"visit\":{visit},\"what\":{what}}}\n").as_bytes()).expect("ask");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("an answer");
        line
    };
    let mut follower = UnixStream::connect(lab.socket()).expect("connect");
    follower.set_read_timeout(Some(SOON)).expect("limit the wait");
    follower.write_all(b"{\"v\":1,\"request\":\"events\",\"follow\":true}\n").expect("ask");
    let mut news = BufReader::new(follower).lines().map_while(Result::ok);
    assert!(news.next().is_some_and(|line| line.contains("\"ok\":true")));

    // Knocks: a good one, the same again, one with another key, one over TCP, one for a command.
    let packet = lab.packet(keys, &KNOCK);
    lab.send_packet(FRIEND, ROUTER, &packet);
    lab.wait_element("spa_in4_v1", &DOOR);
    assert!(news.next().is_some_and(|line| line.contains("\"kind\":\"grant\"")));
    let refused = |reason: &str| lab.asked(&["status"])["refused"][reason].as_u64().expect("a count");
    lab.send_packet(FRIEND, ROUTER, &packet);
    wait_for("the replay", SOON, || (refused("replay") == 1).then_some(()));
    lab.knock(&lab::daemon::keygen(), &KNOCK);
    wait_for("the wrong key", SOON, || (refused("hmac") == 1).then_some(()));
    lab.knock(keys, &["-A", "tcp/9", "-a", "203.0.113.2", "-P", "tcp", "-p", "62202"]);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "9"]);
    lab.knock(keys, &["-C", "nothing", "-a", "203.0.113.2"]);
    wait_for("the command", SOON, || daemon.log().contains("command nothing run").then_some(()));
    wait_for("the state file", SOON, || fs::read_to_string(&state).ok().filter(|text| text.contains("alice")));

    // The page: a wrong password and the right one.
    for (response, outcome) in [("0123456789abcdef", "\"refused\""), (&password, "{\"opened\"")] {
        let form = visit("{\"form\":{\"user\":\"carol\"}}".to_owned());
        let token = form.split("\"token\":\"").nth(1).and_then(|rest| rest.get(..32)).expect("a token");
        let told = visit(format!(
            "{{\"login\":{{\"token\":\"{token}\",\"user\":\"carol\",\"response\":\"{response}\",\"address\":null,\
             \"services\":null,\"sign_off\":false}}}}"
        ));
        assert!(told.contains(outcome), "{told}");
    }

    // Every request, as people ask.
    for words in [&["status"][..], &["grants"], &["events"]] {
        lab.told(words);
    }
    lab.run(Place::Router, "nft", &["delete", "table", "inet", "spa_knockd"]);
    lab.wait_element("spa_in4_v1", &DOOR);
    let _ssh = lab.tcp_echo(Place::Router, 22);
    let _session = lab.connect(Place::Wan, FRIEND, std::net::SocketAddr::new(ROUTER, 22)).expect("the door is open");
    let killed = lab.asked(&["revoke", "--all", "--kill"])["killed"].as_u64();
    assert_eq!(killed, Some(1), "and the connection of the knock over TCP was not let in by a door");

    // The configuration is read again: on request with another ring, by a signal, and where it is bad.
    configure(lab, &text(keys).replacen("\tlist device", "\toption ring_kib '512'\n\tlist device", 1), user);
    lab.told(&["reload"]);
    configure(lab, &text(keys), user);
    kill_process(daemon_pid(&daemon), Signal::HUP).expect("SIGHUP");
    wait_for("two reloads", SOON, || (daemon.log().matches("was read again").count() == 2).then_some(()));
    configure(lab, &text(keys).replace("'tcp/22'", "'tcp/65536'"), user);
    assert!(failed(&lab.ask(&["reload"])).contains("tcp/65536"));

    // The device goes and comes back; the capture is opened again without root.
    lab.run(Place::Router, "ip", &["link", "delete", "wan"]);
    wait_for("the lost capture", SOON, || daemon.log().contains("wan: there is no such network device").then_some(()));
    let wan = lab.netns(Place::Wan);
    for (place, line) in [
        (Place::Router, format!("link add wan type veth peer name wan0 netns {wan}")),
        (Place::Router, "address add 203.0.113.1/24 dev wan".to_owned()),
        (Place::Wan, "address add 203.0.113.2/24 dev wan0".to_owned()),
        (Place::Wan, "link set wan0 up".to_owned()),
        (Place::Router, "link set wan up".to_owned()),
    ] {
        lab.run(place, "ip", &line.split(' ').collect::<Vec<_>>());
    }
    wait_for("the capture", SOON, || daemon.log().contains("wan: capturing again").then_some(()));
    let before = fs::read_to_string(&state).expect("the state");
    lab.knock(keys, &KNOCK);
    lab.wait_element("spa_in4_v1", &DOOR);
    wait_for("the state file", SOON, || fs::read_to_string(&state).ok().filter(|text| *text != before));
    let log = daemon.stop();
    assert!(!log.contains("not permitted"), "the filter denied what the daemon needs:\n{log}");
}

fn daemon_pid(daemon: &Daemon) -> Pid {
    Pid::from_raw(i32::try_from(daemon.pid()).expect("a pid")).expect("a pid")
}

#[test]
fn a_user_that_does_not_exist_is_a_number_and_all_works_without_root() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    configure(&lab, &text(&keys), FALLBACK_ID);
    let run = lab.daemon_command(&[]);
    let mut command = Command::new(run.get_program());
    command.args(run.get_args().map(|word| if word == "nobody" { "no.such-user".as_ref() } else { word }));
    let mut daemon = Daemon::spawn(command, &text(&keys));
    daemon.wait_ready();
    assert!(daemon.log().contains("there is no user 'no.such-user'; going on as number 62201"));
    is_confined(daemon.pid(), FALLBACK_ID, true);
    let sandbox = &lab.asked(&["status"])["sandbox"];
    assert_eq!(sandbox["uid"], FALLBACK_ID);
    assert_eq!(sandbox["capabilities"], serde_json::json!(["net_admin", "net_raw"]));
    assert_eq!(sandbox["no_new_privs"], true);
    assert_eq!(sandbox["seccomp"], if cfg!(feature = "seccomp") { "own" } else { "none" });
    let rights = "rights     user 62201, net_admin and net_raw, ";
    assert!(lab.told(&["status"]).contains(rights), "{}", lab.told(&["status"]));
    a_day(&lab, &keys, daemon, FALLBACK_ID);
}

#[test]
fn an_unprivileged_start_keeps_two_capabilities_and_hands_none_on() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let server = lab.name_server(&[]);
    let helped = "\toption allow_nat '1'\n\toption nat_dns '1'\n\tlist command 'hang=/bin/sleep 600'\n";
    let text = config(&keys, STANDALONE) + helped;
    configure(&lab, &text, NOBODY);
    // The build directory may lie where only root may look.
    let copy = lab.dir().join("spa-knockd");
    fs::copy(program(), &copy).expect("copy the program");
    for directory in [lab.state_dir(), lab.run_dir()] {
        fs::create_dir(&directory).expect("mkdir");
        chown(&directory, Some(NOBODY), Some(NOBODY)).expect("chown");
    }
    let jail = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let given = ["--inh-caps=-all,+net_admin,+net_raw,+net_bind_service", "--ambient-caps=-all,+net_admin,+net_raw"];
    let run = lab.daemon_command(&[]);
    // Behind `ip netns exec NAME PROGRAM`.
    let words: Vec<String> = run.get_args().skip(4).map(|word| word.to_string_lossy().into_owned()).collect();
    let all = [&["setpriv"], &jail[..], &given, &["--", copy.to_str().expect("a path")]].concat();
    let all: Vec<String> = all.into_iter().map(str::to_owned).chain(words).collect();
    let mut daemon = Daemon::spawn(lab.with_names("127.0.0.1 localhost\n", &all), &text);
    daemon.wait_ready();
    is_confined(daemon.pid(), NOBODY, false);
    lab.knock(&keys, &KNOCK);
    lab.wait_element("spa_in4_v1", &DOOR);
    assert_eq!(lab.asked(&["status"])["honoured"], 1);

    // Neither the helper, nor what it starts.
    lab.knock(&keys, &["-C", "hang", "-a", "203.0.113.2"]);
    lab.knock(&keys, &["-A", "tcp/22", "-N", "hang.example:22", "-a", "203.0.113.2"]);
    server.wait_asked("hang.example");
    let helper = children(daemon.pid());
    let [helper] = helper[..] else { panic!("one helper, not {helper:?}") };
    let started = wait_for("command and look-up", SOON, || Some(children(helper)).filter(|started| started.len() == 2));
    for pid in started.into_iter().chain([helper]) {
        assert_eq!(rights_left(pid), [""; 0]);
    }
    daemon.stop();

    // Nor does a look-up rely on the helper; it waits for its name.
    let alone = [&jail[..], &given, &["--", copy.to_str().expect("a path"), "run-resolver"]].concat();
    let mut command = Command::new("setpriv");
    command.args(alone).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut lookup = command.spawn().expect("start a look-up");
    wait_for("a look-up without rights", SOON, || rights_left(lookup.id()).is_empty().then_some(()));
    lookup.stdin.take().expect("its input").write_all(b"127.0.0.1").expect("tell it");
    assert!(!lookup.wait().expect("its end").success(), "this is no host name");
}

#[test]
fn root_may_ask_a_daemon_in_a_pid_namespace_of_its_own() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let text = config(&keys, STANDALONE);
    configure(&lab, &text, NOBODY);
    let run = lab.daemon_command(&[]);
    let words: Vec<String> = run.get_args().skip(3).map(|word| word.to_string_lossy().into_owned()).collect();
    let mut all = vec!["--pid", "--fork", "--"];
    all.extend(words.iter().map(String::as_str));
    let mut daemon = Daemon::spawn(lab.command(Place::Router, "unshare", &all), &text);
    daemon.wait_ready();
    let pid = daemon.pid();
    let inner = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("the children of unshare");
    let inner = inner.trim().parse().ok().and_then(Pid::from_raw).expect("one child");
    let reply = lab.ask(&["status", "--json"]);
    kill_process(inner, Signal::TERM).expect("SIGTERM");
    assert!(daemon.wait_exit().success());
    let reply: serde_json::Value = serde_json::from_slice(&reply.stdout).unwrap_or_default();
    assert_eq!(reply["ready"], true, "{reply}");
}

/// The names of the system calls of the daemon's own threads in the recording: until its `main`, until the filter,
/// and after.
struct Recording {
    starting: Vec<String>,
    serving: Vec<String>,
    /// Lines after the filter that it denied.
    denied: Vec<String>,
}

fn read_recording(text: &str, pid: u32) -> Recording {
    let mut recording = Recording { starting: Vec::new(), serving: Vec::new(), denied: Vec::new() };
    let (mut is_main, mut is_filtered) = (false, false);
    let mut threads = vec![pid.to_string()];
    let mut is_making_one = false;
    for line in text.lines() {
        let Some((who, what)) = line.split_once(char::is_whitespace) else { continue };
        let what = what.trim_start();
        if !threads.iter().any(|thread| thread == who) || what.starts_with("---") || what.starts_with("+++") {
            continue;
        }
        is_making_one |= what.contains("CLONE_THREAD");
        if is_making_one && let Some((_, thread)) = what.rsplit_once(" = ") {
            threads.push(thread.to_owned());
            is_making_one = false;
        }
        let resumed = what.strip_prefix("<... ").and_then(|rest| rest.split_once(' ')).map(|(name, _)| name);
        let name = resumed.or_else(|| what.split_once('(').map(|(name, _)| name)).expect("a name").to_owned();
        if resumed == Some("seccomp") {
            // The end of the call that put the filter in force.
            continue;
        }
        // `ip netns exec` comes before; Rust's runtime begins with a look at the three standard descriptors.
        is_main |= what.starts_with("poll([{fd=0") && what.contains("{fd=2");
        if is_filtered {
            if what.ends_with("(Operation not permitted)") {
                recording.denied.push(what.to_owned());
            }
            recording.serving.push(name);
        } else if is_main {
            is_filtered = what.starts_with("seccomp(SECCOMP_SET_MODE_FILTER");
            recording.starting.push(name);
        }
    }
    assert!(is_main && is_filtered, "the recording lacks main or the filter:\n{text}");
    recording
}

fn names(table: &[Syscall]) -> Vec<&'static str> {
    table.iter().map(|call| call.name).collect()
}

#[test]
#[cfg(all(feature = "seccomp", target_arch = "x86_64", target_env = "gnu"))]
fn the_tables_of_system_calls_are_those_that_a_day_shows() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    configure(&lab, &text(&keys), NOBODY);
    let trace = lab.dir().join("trace");
    let run = lab.daemon_command(&[]);
    let mut command = Command::new("strace");
    // -D: the daemon is our own child and strace its grandchild, so that signals go to the daemon.
    command.args(["-D", "-f", "-qq", "-o"]).arg(&trace).arg(run.get_program()).args(run.get_args());
    let mut daemon = Daemon::spawn(command, &text(&keys));
    daemon.wait_ready();
    let pid = daemon.pid();
    is_confined(pid, NOBODY, true);
    a_day(&lab, &keys, daemon, NOBODY);
    let ended = || {
        let text = fs::read_to_string(&trace).ok()?;
        text.lines().any(|line| line.starts_with(&pid.to_string()) && line.contains("exit_group(0")).then_some(text)
    };
    let recording = read_recording(&wait_for("the end of the recording", SOON, ended), pid);

    let (serving, starting) = (names(SERVING), names(STARTING));
    let helping = names(HELPING);
    let after = "then run `UPDATE_DOCS=1 cargo test --test docs`";
    let mut faults = Vec::new();
    let mut fault = |line: String| {
        if !faults.contains(&line) {
            faults.push(line);
        }
    };
    for name in &recording.serving {
        if !serving.contains(&name.as_str()) {
            fault(format!(
                "{name} is called after the filter and denied: add `call(\"{name}\", \"what for\")` to \
                 src/daemon/syscalls/serving.rs (and take it out of starting.rs) and `{name} SYS_{name}` to \
                 src/daemon/sandbox/filter.rs, {after}; or do without it"
            ));
        }
    }
    for line in &recording.denied {
        fault(format!(
            "denied after the filter: {line}: add the call, or these arguments to its `only`, in \
             src/daemon/syscalls/serving.rs"
        ));
    }
    for name in &recording.starting {
        if ![&serving, &starting, &helping].into_iter().any(|table| table.contains(&name.as_str())) {
            fault(format!(
                "{name} is called while the daemon starts: add `call(\"{name}\", \"what for\")` to \
                 src/daemon/syscalls/starting.rs (to HELPING there, if only the helper's start makes it), {after}"
            ));
        }
    }
    for (table, file, recorded) in [
        (SERVING, "serving", &recording.serving),
        (STARTING, "starting", &recording.starting),
        (HELPING, "starting", &recording.starting),
    ] {
        for call in table.iter().filter(|call| call.elsewhere.is_none()) {
            if !recorded.iter().any(|name| name == call.name) {
                fault(format!(
                    "{} is in src/daemon/syscalls/{file}.rs and was not called: remove it, or say `.elsewhere(…)` where it \
                     is needed",
                    call.name
                ));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
