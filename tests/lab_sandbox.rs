//! first recording
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "x")]
mod lab;
use lab::ask::{STANDALONE, config};
use lab::daemon::Daemon;
use lab::{Lab, Place, wait_for};
use std::process::Command;
use std::time::Duration;

#[test]
fn record() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let text = config(&keys, STANDALONE);
    lab.reconfigure(&text);
    let inner = lab.daemon_command(&[]);
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-o", "/tmp/sbx.trace"]).arg(inner.get_program()).args(inner.get_args());
    let mut daemon = Daemon::spawn(command, &text);
    daemon.wait_ready();
    lab.knock(&keys, &["-A", "tcp/22", "-a", "203.0.113.2"]);
    lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
    lab.run(Place::Router, "ip", &["link", "delete", "wan"]);
    let lost = || lab.told(&["status"]).contains("wan: the capture is lost").then_some(());
    wait_for("the lost capture", Duration::from_secs(3), lost);
    lab.run(Place::Router, "ip", &["link", "add", "wan", "type", "veth", "peer", "name", "wan9"]);
    lab.run(Place::Router, "ip", &["link", "set", "wan", "up"]);
    let back = || (!lab.told(&["status"]).contains("wan: the capture is lost")).then_some(());
    wait_for("back", Duration::from_secs(3), back);
    lab.told(&["reload"]);
    println!("{} {}", daemon.pid(), std::fs::read_to_string(format!("/proc/{}/comm", daemon.pid())).expect("comm"));
    daemon.stop();
}
