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
    assert_eq!(log.trim_end().lines().count(), 1, "one line, please:\n{log}");
    for word in words {
        assert!(log.to_lowercase().contains(&word.to_lowercase()), "{word} is not in: {log}");
    }
}

#[test]
fn an_interface_that_is_not_there() {
    let lab = Lab::new();
    gives_up(&lab, &config(), &["--interface", "nosuch0"], &["nosuch0"]);
}

#[test]
fn a_firewall_that_is_not_there() {
    let lab = Lab::new();
    let config = config().replace("'standalone'", "'fw4'");
    gives_up(&lab, &config, &["--interface", "wan"], &["fw4"]);
    // A table without our sets helps no more: the drop-ins are missing.
    lab.nft("table inet fw4 { chain input_wan { } }");
    gives_up(&lab, &config, &["--interface", "wan"], &["fw4", "spa_in4_v1"]);
}

#[test]
fn a_run_directory_that_cannot_be_made() {
    let lab = Lab::new();
    fs::write(lab.run_dir(), "a file in its place").expect("occupy the name");
    let run = lab.run_dir();
    gives_up(&lab, &config(), &["--interface", "wan"], &[&run.to_string_lossy()]);
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
        ("list open", "list opne", &["alice", "opne"]),
        ("\tlist open 'tcp/22'\n", "", &["alice", "open"]),
        ("'standalone'", "'iptables'", &["firewall", "iptables"]),
        ("RHVtbXlLZXl", "!!notBase64", &["alice", "key_base64"]),
        ("\toption key_base64", "\toption keys_base64", &["alice", "keys_base64"]),
        ("config access 'alice'", "config access 'al\tice'", &["line 6"]),
        ("list open 'tcp/22'", "list open 'tcp/22", &["line 9"]),
        ("config access", "config acces", &["acces"]),
    ] {
        assert!(config().contains(from), "{from}");
        let config = config().replace(from, to);
        gives_up(&lab, &config, &["--interface", "wan"], &[&[&*file], words].concat());
    }
}
