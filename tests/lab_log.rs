//! The log lines that docs/logging.md promises to people and to fail2ban.
#![allow(clippy::expect_used, reason = "a helper that does not get what it needs ends the test, with its words")]

mod lab;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::{FRIEND, FRIEND6, Lab, ROUTER, ROUTER6, wait_for};

/// A pattern of docs/logging.md; `<HOST>` is any address, as in fail2ban.
fn pattern(name: &str) -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/logging.md")).expect("the page");
    let start = format!("    {name} = ");
    let line = page.lines().find_map(|line| line.strip_prefix(&start)).expect("the pattern");
    line.replace("<HOST>", r"(?:[0-9.]+|[0-9a-f:]+(?=[,: /]))")
}

/// The lines that the pattern finds.
fn found(pattern: &str, log: &str) -> Vec<String> {
    let mut grep = Command::new("grep")
        .args(["-P", pattern])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("run grep");
    grep.stdin.take().expect("a pipe").write_all(log.as_bytes()).expect("write to grep");
    let out = grep.wait_with_output().expect("wait for grep");
    assert!(out.status.code() < Some(2), "the pattern is none: {pattern}");
    String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn the_documented_patterns_find_their_lines_and_no_others() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let config = format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n\toption firewall 'standalone'\n\n\
         config access 'alice'\n{}\tlist open 'tcp/22'\n",
        keys.uci()
    );
    let daemon = lab.daemon(&config);
    lab.knock(&lab::daemon::keygen(), &["-A", "tcp/22", "-a", "203.0.113.2"]);
    let name = "o'neil knock from 192.0.2.9";
    let packet = lab.packet(&keys, &["-A", "tcp/22", "-a", "203.0.113.2", "--spoof-user", name]);
    lab.send_packet(FRIEND, ROUTER, &packet);
    lab.send_packet(FRIEND, ROUTER, &packet);
    lab.send_packet(FRIEND6, ROUTER6, &packet);
    lab.knock(&keys, &["-A", "tcp/23", "-a", "203.0.113.2"]);
    wait_for("the last line", Duration::from_secs(3), || daemon.has_said("port_not_allowed").then_some(()));
    let log = daemon.stop();

    let grants = found(&pattern("grantregex"), &log);
    assert_eq!(
        grants,
        [format!(
            "spa-knockd: grant alice: 203.0.113.2 may reach tcp/22 for 30 s, user '{name}', knock from 203.0.113.2"
        )]
    );
    let refused = found(&pattern("failregex"), &log);
    assert_eq!(refused.len(), 2, "{log}");
    for (line, from) in refused.iter().zip(["203.0.113.2", "2001:db8:1::2"]) {
        let start = format!("spa-knockd: warning: refused alice: replay, user '{name}', knock from {from}: ");
        assert!(line.starts_with(&start), "{line}");
    }
    assert!(log.contains("spa-knockd: refused: hmac, packet from 203.0.113.2: "), "{log}");
    assert!(
        log.contains("spa-knockd: warning: refused alice: port_not_allowed, user 'root', knock from 203.0.113.2: "),
        "{log}"
    );
    // The same lines as a system log shows them.
    let syslog = log.replace("spa-knockd: ", "Nov 22 02:03:04 router spa-knockd[77]: ");
    assert_eq!(found(&pattern("failregex"), &syslog).len(), 2);
}
