//! Named commands: what the real client can have run, as whom, and what the daemon does when one misbehaves.

#![allow(clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

mod lab;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::ask::context_switches;
use lab::client::Keys;
use lab::daemon::{Daemon, program, spa_knockd};
use lab::{Lab, Place, wait_for};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use rustix::process::{Pid, Signal, kill_process};

const SOON: Duration = Duration::from_secs(5);

/// A lab with keys, and a directory where every user may write.
fn lab() -> (Lab, Keys) {
    let lab = Lab::new();
    fs::create_dir(lab.dir().join("out")).expect("make the directory");
    fs::set_permissions(lab.dir().join("out"), fs::Permissions::from_mode(0o777)).expect("open the directory");
    let script = lab.dir().join("tell");
    let text = "#!/bin/sh\n\
                { id -u; id -G; pwd; grep -E 'CapEff|NoNewPrivs' /proc/self/status; env; } > \"$1.new\"\n\
                mv \"$1.new\" \"$1\"\n";
    fs::write(&script, text).expect("write the script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("make the script a program");
    (lab, lab::daemon::keygen())
}

/// The file that the script writes.
fn told(lab: &Lab) -> PathBuf {
    lab.dir().join("out/told")
}

/// A configuration whose stanza opens tcp/22, and has these lines.
fn config(keys: &Keys, lines: &str) -> String {
    format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n\toption firewall 'standalone'\n\
         \nconfig access 'alice'\n{}\tlist open 'tcp/22'\n{lines}",
        keys.uci()
    )
}

/// The line that names the script.
fn tell(lab: &Lab) -> String {
    format!("\tlist command 'tell={} {}'\n", lab.dir().join("tell").display(), told(lab).display())
}

/// Has the real client ask for a command.
fn ask(lab: &Lab, keys: &Keys, command: &str) {
    lab.knock(keys, &["-C", command, "-a", "203.0.113.2", "--spoof-user", "root"]);
}

/// What the script wrote; it is removed.
fn read_told(lab: &Lab) -> Vec<String> {
    let text = wait_for("word of the command", SOON, || fs::read_to_string(told(lab)).ok());
    fs::remove_file(told(lab)).expect("remove what was told");
    text.lines().map(str::to_owned).collect()
}

/// The living children of a process.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Whether the process lives; one that nobody waited for does not.
fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits until the helper runs so many commands, and gives them.
fn wait_running(daemon: &Daemon, count: usize) -> Vec<u32> {
    let helper = children(daemon.pid());
    assert_eq!(helper.len(), 1);
    wait_for("running commands", SOON, || Some(children(*helper.first()?)).filter(|running| running.len() == count))
}

fn wait_line(daemon: &Daemon, line: &str, deadline: Duration) {
    wait_for(line, deadline, || daemon.log().contains(line).then_some(()));
}

#[test]
fn commands_and_hooks_run_as_nobody_with_the_grant_in_their_environment() {
    let (lab, keys) = lab();
    let daemon = lab.daemon(&config(&keys, &format!("{}\toption on_open 'tell'\n", tell(&lab))));
    let nobody = lab.run(Place::Router, "id", &["-u", "nobody"]);
    let group = lab.run(Place::Router, "id", &["-g", "nobody"]);
    for (args, event, ports, timeout) in
        [(["-C", "tell"], "command", "", "0"), (["-A", "tcp/22"], "open", "tcp/22", "30")]
    {
        let how = ["-a", "203.0.113.2", "--spoof-user", "root"];
        lab.knock(&keys, &[&args[..], &how[..]].concat());
        let told = read_told(&lab);
        assert_eq!(told.get(..3).expect("three lines"), [nobody.trim(), group.trim(), "/"]);
        for line in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1"] {
            assert!(told.iter().any(|told| told == line), "{told:#?}");
        }
        let mut variables: Vec<_> = told.iter().filter(|line| line.starts_with("SPA_")).cloned().collect();
        variables.sort();
        let wanted = [
            "SPA_ACCESS=alice".to_owned(),
            "SPA_COMMAND=tell".to_owned(),
            format!("SPA_EVENT={event}"),
            "SPA_FORWARDS=".to_owned(),
            "SPA_KNOCKER=203.0.113.2".to_owned(),
            format!("SPA_PORTS={ports}"),
            "SPA_REASON=".to_owned(),
            "SPA_SOURCE=203.0.113.2".to_owned(),
            format!("SPA_TIMEOUT={timeout}"),
            "SPA_USER=root".to_owned(),
        ];
        assert_eq!(variables, wanted);
        assert!(!told.iter().any(|line| line.starts_with("HOME=") || line.starts_with("USER=")), "{told:#?}");
    }
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
    let log = daemon.stop();
    assert!(
        log.contains("grant alice: 203.0.113.2 has command tell run, user 'root', knock from 203.0.113.2"),
        "{log}"
    );
    let line =
        "grant alice: 203.0.113.2 may reach tcp/22 for 30 s, user 'root', knock from 203.0.113.2, command tell runs";
    assert!(log.contains(line), "{log}");
}

#[test]
fn what_is_not_named_does_not_run() {
    let (lab, keys) = lab();
    let daemon = lab.daemon(&config(&keys, &tell(&lab)));
    for (count, command) in ["id", "TELL", "tell x", "tell;id", "/bin/true"].into_iter().enumerate() {
        ask(&lab, &keys, command);
        let refusals = || daemon.log().matches("refused alice: command_not_allowed").count();
        wait_for("refusal", SOON, || (refusals() == count + 1).then_some(()));
    }
    lab.knock(&keys, &["-C", "tell", "-s"]);
    wait_line(&daemon, "source_address_required", SOON);
    assert!(!told(&lab).exists());
    ask(&lab, &keys, "tell");
    read_told(&lab);
}

#[test]
fn commands_that_hang_or_flood_block_nobody_and_are_killed() {
    let (lab, keys) = lab();
    let lines = "\tlist command 'hang=/bin/sleep 600'\n\tlist command 'flood=/usr/bin/yes'\n\
                 \tlist command 'none=/does/not/exist'\n";
    let daemon = lab.daemon(&config(&keys, &format!("{}{lines}", tell(&lab))));
    ask(&lab, &keys, "none");
    wait_line(&daemon, "command none of alice does not run", SOON);
    ask(&lab, &keys, "flood");
    for _ in 1..8 {
        ask(&lab, &keys, "hang");
    }
    wait_running(&daemon, 8);
    ask(&lab, &keys, "tell");
    wait_line(&daemon, "command tell of alice does not run: 8 commands are running", SOON);
    lab.knock(&keys, &["-A", "tcp/22", "-a", "203.0.113.2"]);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
    wait_line(&daemon, "command flood of alice ran longer than it may and is killed", Duration::from_secs(40));
    wait_running(&daemon, 0);
    ask(&lab, &keys, "tell");
    read_told(&lab);
}

#[test]
fn the_helper_and_its_commands_go_with_the_daemon() {
    let (lab, keys) = lab();
    let text = config(&keys, "\tlist command 'hang=/bin/sleep 600'\n");
    for crash in [false, true] {
        let daemon = lab.daemon(&text);
        let mut gone = children(daemon.pid());
        ask(&lab, &keys, "hang");
        gone.extend(wait_running(&daemon, 1));
        assert_eq!(gone.len(), 2);
        if crash {
            daemon.kill()
        } else {
            daemon.stop()
        };
        wait_for("end of the helper", SOON, || (!gone.iter().any(|pid| lives(*pid))).then_some(()));
    }
    let daemon = lab.daemon(&config(&keys, ""));
    assert_eq!(children(daemon.pid()), [0; 0], "without commands there is no helper");
}

#[test]
fn without_its_helper_the_daemon_opens_doors_and_refuses_commands() {
    let (lab, keys) = lab();
    let daemon = lab.daemon(&config(&keys, &format!("{}\toption on_open 'tell'\n", tell(&lab))));
    let helper = children(daemon.pid()).first().and_then(|pid| i32::try_from(*pid).ok()).and_then(Pid::from_raw);
    kill_process(helper.expect("the helper"), Signal::KILL).expect("kill the helper");
    wait_for("end of the helper", SOON, || {
        let helper = helper.map(Pid::as_raw_nonzero).and_then(|pid| u32::try_from(pid.get()).ok());
        (!lives(helper.expect("a number"))).then_some(())
    });
    wait_line(
        &daemon,
        "the helper process has ended: no command runs and no name is looked up until the service is restarted",
        SOON,
    );
    let status = lab.asked(&["status"]);
    assert!(status["ready"] == false && status["not_ready"].to_string().contains("helper"), "{status}");
    // It still has to see that we have gone.
    std::thread::sleep(Duration::from_millis(200));
    let idle = context_switches(daemon.pid());
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(context_switches(daemon.pid()), idle, "the dead helper keeps the daemon awake");
    ask(&lab, &keys, "tell");
    wait_line(&daemon, "refused alice: helper, user 'root'", SOON);
    lab.knock(&keys, &["-A", "tcp/22", "-a", "203.0.113.2"]);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
    wait_line(&daemon, "command tell of alice does not run: the helper process has ended", SOON);
}

#[test]
fn a_user_that_is_not_there_and_another_table_need_a_start() {
    let (lab, keys) = lab();
    let unknown = config(&keys, &format!("{}\toption command_user 'no.such-user'\n", tell(&lab)));
    let (status, log) = lab.daemon_that_fails(&unknown, &["--interface", "wan"]);
    assert!(!status.success() && log.contains("'no.such-user': this machine has no such user"), "{log}");
    let checked = spa_knockd(&["check", "--config", &lab.config_file().to_string_lossy()]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success() && said.contains("warning: access 'alice', option command_user"), "{said}");
    let daemon = lab.daemon(&config(&keys, &tell(&lab)));
    lab.configure(&config(&keys, "\tlist command 'tell=/bin/true'\n"));
    fs::set_permissions(lab.config_file(), fs::Permissions::from_mode(0o644)).expect("let the daemon read it");
    kill_process(Pid::from_raw(i32::try_from(daemon.pid()).expect("a number")).expect("a process"), Signal::HUP)
        .expect("ask for a reload");
    wait_line(&daemon, "list command or option command_user cannot change while the daemon runs", SOON);
    ask(&lab, &keys, "tell");
    read_told(&lab);
}

#[test]
fn the_helper_serves_nobody_who_speaks_otherwise() {
    let run = |stdin: Stdio| {
        let mut command = Command::new(program());
        command.arg("run-helper").stdin(stdin).output().expect("run the helper")
    };
    let out = run(Stdio::null());
    assert!(String::from_utf8_lossy(&out.stderr).contains("for the daemon itself"), "{out:?}");
    let order = r#"["run","0","0","","","","","","","","","",""]"#;
    let ready = r#"["ready","INFO","0","0"]"#;
    let long = " ".repeat(20_000) + ready;
    for (messages, good) in [
        (vec![], true),
        (vec![ready], true),
        (vec![ready, order], true),
        (vec![order], false),
        (vec!["{"], false),
        (vec![ready, ready], false),
        (vec![ready, r#"["run","-1","0"]"#], false),
        (vec![long.as_str()], false),
    ] {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("two sockets");
        for message in &messages {
            send(&ours, message.as_bytes(), SendFlags::empty()).expect("tell the helper");
        }
        drop(ours);
        let out = run(Stdio::from(theirs));
        assert_eq!(out.status.success(), good, "{messages:?}: {out:?}");
    }
}
