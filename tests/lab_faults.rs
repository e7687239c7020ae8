//! What cannot work says so in one line and exit status 1, and never with a secret in it.

mod lab;

use std::fs;
use std::os::unix::fs::chown;
use std::thread;
use std::time::Duration;

use lab::client::Keys;
use lab::daemon::{Daemon, program, spa_knockd};
use lab::disk::Tmpfs;
use lab::{Lab, Place, wait_for};

/// Stands in for the key material: a fault that prints it fails the test.
const KEY: &str = "RHVtbXlLZXlPZlRoaXJ0eVR3b0J5dGVzRm9yVGVzdHM=";
const HMAC_KEY: &str = "RHVtbXlITUFDS2V5T2ZUaGlydHlUd29CeXRlc1RvVGU=";

const KNOCK: [&str; 4] = ["-A", "tcp/22", "-a", "203.0.113.2"];

fn keys() -> Keys {
    Keys::base64(KEY, HMAC_KEY)
}

fn config() -> String {
    format!(
        "config spa-knockd 'main'\n\
         \toption enabled '1'\n\
         \tlist device 'wan'\n\
         \toption firewall 'standalone'\n\
         \n\
         config access 'alice'\n{}\
         \tlist open 'tcp/22'\n",
        keys().uci()
    )
}

/// Runs the daemon, which must give up with status 1 and one line that holds all of these words.
fn gives_up(lab: &Lab, config: &str, extra: &[&str], words: &[&str]) {
    let (status, log) = lab.daemon_that_fails(config, extra);
    one_line(status.code(), &log, words);
}

fn one_line(status: Option<i32>, log: &str, words: &[&str]) {
    assert_eq!(status, Some(1), "{log}");
    assert_eq!(log.trim_end().lines().count(), 1, "one line, please:\n{log}");
    for word in words {
        assert!(log.to_lowercase().contains(&word.to_lowercase()), "{word} is not in: {log}");
    }
}

#[test]
fn an_interface_that_cannot_be() {
    let lab = Lab::new();
    for name in ["a-name-of-16-chr", "wan/0", "wan 0", ""] {
        gives_up(&lab, &config(), &["--interface", name], &[name, "no name of a network device"]);
    }
    let config = config().replace("'wan'", "'a-name-of-16-chr'");
    gives_up(&lab, &config, &[], &["a-name-of-16-chr", "device"]);
}

#[test]
fn a_firewall_that_is_not_there_is_awaited() {
    let lab = Lab::new();
    let config = config().replace("'standalone'", "'fw4'");
    lab.configure(&config);
    let mut daemon = Daemon::spawn(lab.daemon_command(&["--interface", "wan"]), &config);
    daemon.wait_log("missing");
    daemon.wait_log("filters");
    let log = daemon.log();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 2, "one line each, please:\n{log}");
    assert!(lines[0].contains("table inet fw4") && lines[1].contains("nothing filters what arrives on wan"), "{log}");

    // A table without our sets helps no more: the drop-ins are missing.
    lab.nft("table inet fw4 {\n chain input_wan {\n }\n}\n");
    lab.knock(&keys(), &KNOCK);
    lab.fw4_stop();
    lab.fw4_start();
    daemon.wait_ready();
    assert_eq!(lab.elements(), [], "a knock of before was honoured afterwards");
    lab.knock(&keys(), &KNOCK);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
}

#[test]
fn a_run_directory_that_cannot_be_made_opens_nothing() {
    let lab = Lab::new();
    fs::write(lab.run_dir(), "a file in its place").expect("occupy the name");
    lab.configure(&config());
    let mut daemon = Daemon::spawn(lab.daemon_command(&["--interface", "wan"]), &config());
    daemon.wait_log("journal");
    lab.knock(&keys(), &KNOCK);
    daemon.wait_log("refused");
    assert_eq!(lab.elements(), []);
    let (log, run) = (daemon.log(), lab.run_dir());
    assert!(log.contains(&*run.to_string_lossy()), "{log}");
    assert!(!daemon.has_said("ready"), "ready, although nothing can be remembered:\n{log}");
}

#[test]
fn a_full_run_directory_ends_the_honours_not_the_daemon() {
    let lab = Lab::new();
    fs::create_dir(lab.run_dir()).expect("mkdir");
    let _small = Tmpfs::mount(lab.run_dir(), 16);
    let config = config().replace("list open 'tcp/22'", "list open 'any'") + "\toption timeout '300'\n";
    let config = config.replace("\n\nconfig access", "\n\tlist protect 'tcp/22'\n\nconfig access");
    let daemon = lab.daemon(&config);
    fs::write(lab.run_dir().join("filler"), [0; 65536]).expect_err("a disk that is full now");
    // What is left of the journal's last page holds a few knocks more, but not a hundred.
    let port = (1..=100).find(|port| {
        lab.knock(&keys(), &["-A", &format!("tcp/{port}"), "-a", "203.0.113.2"]);
        let opened = || lab.element("spa_in4_v1", &["203.0.113.2", "tcp", &port.to_string()]).is_some();
        !wait_for("verdict", Duration::from_secs(3), || match opened() {
            true => Some(true),
            false => daemon.has_said("refused").then_some(false),
        })
    });
    let port = port.expect("a hundred knocks were honoured on a full disk");
    assert!(port > 1, "the disk was full too early to tell");
    assert!(daemon.has_said("journal"), "{}", daemon.log());
    assert!(lab.element("spa_in4_v1", &["203.0.113.2", "tcp", &port.to_string()]).is_none());

    fs::remove_file(lab.run_dir().join("filler")).expect("make room");
    lab.knock(&keys(), &["-A", "tcp/2222", "-a", "203.0.113.2"]);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "2222"]);
    daemon.stop();
}

#[test]
fn a_journal_that_goes_away_stops_the_grants() {
    let lab = Lab::new();
    let daemon = &mut lab.daemon(&config());
    fs::remove_dir_all(lab.run_dir()).expect("wipe the run directory");
    lab.knock(&keys(), &KNOCK);
    daemon.wait_log("journal");
    assert_eq!(lab.elements(), []);

    fs::create_dir(lab.run_dir()).expect("make the run directory");
    chown(lab.run_dir(), Some(65534), Some(65534)).expect("chown");
    lab.knock(&keys(), &KNOCK);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
}

#[test]
fn a_clock_that_was_wrongly_in_the_future_is_forgotten_on_demand() {
    let lab = Lab::new();
    fs::create_dir(lab.state_dir()).expect("mkdir");
    let state = lab.state_dir().join("state.json");
    // The year 2065, as a router without NTP might have had it when it honoured a knock.
    let future = r#"{"format":1,"clock_floor":3000000000,"newest":{"alice":3000000000},"journal":"","knocks":0}"#;
    fs::write(&state, future).expect("write the state");
    lab.configure(&config());
    let mut daemon = Daemon::spawn(lab.daemon_command(&["--interface", "wan"]), &config());
    daemon.wait_log("clock");
    lab.knock(&keys(), &KNOCK);
    daemon.wait_log("clock_not_set");
    assert_eq!(lab.elements(), []);

    let (state_dir, run_dir) = (lab.state_dir(), lab.run_dir());
    let places = ["--state-dir", &*state_dir.to_string_lossy(), "--run-dir", &*run_dir.to_string_lossy()];
    let reset = spa_knockd(&[&["state", "reset"], &places[..]].concat());
    assert_eq!(reset.status.code(), Some(1), "the daemon still runs");
    daemon.stop();
    let shown = spa_knockd(&[&["state", "show"], &places[..]].concat());
    assert!(String::from_utf8_lossy(&shown.stdout).contains("3000000000"), "{shown:?}");
    let reset = spa_knockd(&[&["state", "reset"], &places[..]].concat());
    assert!(reset.status.success(), "{reset:?}");
    let _daemon = lab.daemon(&config());
    lab.knock(&keys(), &KNOCK);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
}

#[test]
fn a_damaged_state_file_costs_max_age_and_no_more() {
    let lab = Lab::new();
    fs::create_dir(lab.state_dir()).expect("mkdir");
    fs::write(lab.state_dir().join("state.json"), r#"{"format":1,"clock_fl"#).expect("write the state");
    let config = config().replace("option enabled '1'", "option enabled '1'\n\toption max_age '2'");
    let mut daemon = lab.daemon(&config);
    assert!(daemon.log().contains("state.json"), "{}", daemon.log());
    lab.knock(&keys(), &KNOCK);
    daemon.wait_log("not_newer");
    assert_eq!(lab.elements(), []);
    thread::sleep(Duration::from_secs(3));
    lab.knock(&keys(), &KNOCK);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
}

#[test]
fn a_kernel_that_lets_us_capture_but_not_open() {
    let lab = Lab::new();
    lab.configure(&config());
    chown(lab.config_file(), Some(65534), Some(65534)).expect("chown");
    let copy = lab.dir().join("spa-knockd");
    fs::copy(program(), &copy).expect("copy the program");
    let rights = ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+net_raw", "--ambient-caps=+net_raw"];
    let mut command = lab.command(Place::Router, "setpriv", &[&rights[..], &["--"]].concat());
    command.arg(copy).args(["run", "--interface", "wan", "--config"]).arg(lab.config_file());
    command.arg("--state-dir").arg(lab.dir());
    let mut daemon = Daemon::spawn(command, &config());
    let status = daemon.wait_exit();
    one_line(status.code(), &daemon.finish(), &["CAP_NET_ADMIN"]);
}

#[test]
fn a_user_who_may_not() {
    let lab = Lab::new();
    lab.configure(&config());
    chown(lab.config_file(), Some(65534), Some(65534)).expect("chown");
    for dir in [lab.state_dir(), lab.run_dir()] {
        fs::create_dir(&dir).expect("mkdir");
        chown(&dir, Some(65534), Some(65534)).expect("chown");
    }
    // The build directory may lie where only root may look.
    let copy = lab.dir().join("spa-knockd");
    fs::copy(program(), &copy).expect("copy the program");
    let mut command =
        lab.command(Place::Router, "setpriv", &["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    command
        .arg(copy)
        .args(["run", "--user", "nobody", "--interface", "wan", "--config"])
        .arg(lab.config_file())
        .arg("--state-dir")
        .arg(lab.state_dir())
        .arg("--run-dir")
        .arg(lab.run_dir());
    let mut daemon = Daemon::spawn(command, &config());
    let status = daemon.wait_exit();
    let log = daemon.finish();
    one_line(status.code(), &log, &[]);
    assert!(log.contains("root") || log.contains("CAP_NET"), "no remedy in: {log}");
}

#[test]
fn a_configuration_that_is_not_there() {
    let lab = Lab::new();
    let config = config();
    lab.configure(&config);
    let path = lab.config_file();
    let command = lab.daemon_command(&["--interface", "wan"]);
    fs::remove_file(&path).expect("remove the configuration");
    let mut daemon = Daemon::spawn(command, &config);
    let status = daemon.wait_exit();
    one_line(status.code(), &daemon.finish(), &[&path.to_string_lossy()]);
}

#[test]
fn configurations_with_faults() {
    let lab = Lab::new();
    let file = lab.config_file();
    let file = file.to_string_lossy();
    for (from, to, words) in [
        ("'tcp/22'", "'tcp/65536'", &["alice", "open", "tcp/65536"][..]),
        ("\tlist open 'tcp/22'\n", "\tlist open 'tcp/22'\n\tlist opne 'tcp/23'\n", &["alice", "opne"]),
        ("\tlist open 'tcp/22'\n", "", &["alice", "open"]),
        ("'standalone'", "'iptables'", &["firewall", "iptables"]),
        ("RHVtbXlLZXl", "!!notBase64", &["alice", "key_base64"]),
        ("config access 'alice'", "config access 'al\tice'", &[":6:"]),
        ("list open 'tcp/22'", "list open 'tcp/22", &[":9:"]),
        ("config access", "config acces 'bob'\n\nconfig access", &["acces"]),
    ] {
        assert!(config().contains(from), "{from}");
        let config = config().replace(from, to);
        gives_up(&lab, &config, &["--interface", "wan"], &[&[&*file], words].concat());
    }
}
