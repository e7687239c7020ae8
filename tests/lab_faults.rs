//! What cannot work says so in one line and exit status 1, and never with a secret in it.

mod lab;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};

use lab::client::Keys;
use lab::daemon::{Daemon, program};
use lab::{Lab, Place};

/// Stands in for the key material: a fault that prints it fails the test.
const KEY: &str = "RHVtbXlLZXlPZlRoaXJ0eVR3b0J5dGVzRm9yVGVzdHM=";
const HMAC_KEY: &str = "RHVtbXlITUFDS2V5T2ZUaGlydHlUd29CeXRlc1RvVGU=";

fn config() -> String {
    format!(
        "config spa-knockd 'main'\n\
         \toption enabled '1'\n\
         \tlist device 'wan'\n\
         \toption firewall 'standalone'\n\
         \n\
         config access 'alice'\n{}\
         \tlist open 'tcp/22'\n",
        Keys::base64(KEY, HMAC_KEY).uci()
    )
}

/// Runs the daemon, which must give up with status 1 and one line that holds all of these words.
fn gives_up(lab: &Lab, config: &str, extra: &[&str], words: &[&str]) {
    let (status, log) = lab.daemon_that_fails(config, extra);
    one_line(status.code(), &log, words);
}

fn one_line(status: Option<i32>, log: &str, words: &[&str]) {
    assert_eq!(status, Some(1), "{log}");
    let lines: Vec<_> = log.trim_end().lines().collect();
    assert!(
        lines.iter().all(|line| words.first().is_none_or(|place| line.contains(place))),
        "each line names the place:\n{log}"
    );
    assert!((1..=2).contains(&lines.len()), "a fault is one line, and may have one consequence:\n{log}");
    for word in words {
        assert!(log.to_lowercase().contains(&word.to_lowercase()), "{word} is not in: {log}");
    }
}

#[test]
fn an_interface_that_is_not_there() {
    let lab = Lab::new();
    gives_up(&lab, &config(), &["--interface", "nosuch0"], &["nosuch0"]);
}

/// Keys that the real client can use too, in `config()`.
fn keys() -> Keys {
    Keys::base64(KEY, HMAC_KEY)
}

#[test]
fn a_firewall_that_is_not_there_is_awaited() {
    let lab = Lab::new();
    lab.configure(&config().replace("'standalone'", "'fw4'"));
    let mut daemon = Daemon::spawn(lab.daemon_command(&["--interface", "wan"]), &config());
    daemon.wait_log("missing");
    assert!(daemon.log().contains("table inet fw4 is missing"), "{}", daemon.log());
    lab.knock(&keys(), &["-A", "tcp/22", "-a", "203.0.113.2"]);
    daemon.wait_log("firewall_missing");
    assert!(!daemon.log().contains("ready"), "{}", daemon.log());

    // A table without our sets helps no more; with them, knocks are honoured without a restart.
    lab.nft("table inet fw4 {\n chain input_wan {\n }\n}\n");
    lab.fw4_stop();
    lab.fw4_start();
    daemon.wait_ready();
    lab.knock(&keys(), &["-A", "tcp/22", "-a", "203.0.113.2"]);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
    daemon.stop();
}

#[test]
fn without_a_journal_nothing_opens_and_with_it_all_recovers() {
    let lab = Lab::new();
    fs::write(lab.run_dir(), "a file in its place").expect("occupy the name");
    lab.configure(&config());
    let mut daemon = Daemon::spawn(lab.daemon_command(&["--interface", "wan"]), &config());
    daemon.wait_log("cannot");
    let run = lab.run_dir();
    assert!(daemon.log().contains(&*run.to_string_lossy()), "{}", daemon.log());
    lab.knock(&keys(), &["-A", "tcp/22", "-a", "203.0.113.2"]);
    daemon.wait_log("refused");
    daemon.wait_log("knock");
    assert!(!daemon.log().contains("ready") && !daemon.log().contains("grant "), "{}", daemon.log());
    assert_eq!(lab.element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]), None);
    daemon.stop();

    fs::remove_file(&run).expect("free the name");
    lab.daemon(&config());
}

#[test]
fn a_journal_that_goes_away_stops_the_grants() {
    let lab = Lab::new();
    let daemon = &mut lab.daemon(&config());
    fs::remove_dir_all(lab.run_dir()).expect("wipe the run directory");
    lab.knock(&keys(), &["-A", "tcp/22", "-a", "203.0.113.2"]);
    daemon.wait_log("journal");
    assert_eq!(lab.element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]), None);

    fs::create_dir(lab.run_dir()).expect("make the run directory");
    chown(lab.run_dir(), Some(65534), Some(65534)).expect("chown");
    lab.knock(&keys(), &["-A", "tcp/22", "-a", "203.0.113.2"]);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
}

#[test]
fn a_user_who_may_not() {
    let lab = Lab::new();
    lab.configure(&config());
    fs::set_permissions(lab.config_file(), fs::Permissions::from_mode(0o644)).expect("chmod");
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
    one_line(status.code(), &log, &["permission"]);
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
        ("list open", "list opne", &["alice", "opne"]),
        ("\tlist open 'tcp/22'\n", "", &["alice", "open"]),
        ("'standalone'", "'iptables'", &["firewall", "iptables"]),
        ("RHVtbXlLZXl", "!!notBase64", &["alice", "key_base64"]),
        ("\toption key_base64", "\toption keys_base64", &["alice", "keys_base64"]),
        ("config access 'alice'", "config access 'al\tice'", &["config:6:"]),
        ("list open 'tcp/22'", "list open 'tcp/22", &["config:9:"]),
        ("config access", "config acces", &["acces"]),
    ] {
        assert!(config().contains(from), "{from}");
        let config = config().replace(from, to);
        gives_up(&lab, &config, &["--interface", "wan"], &[&[&*file], words].concat());
    }
}
