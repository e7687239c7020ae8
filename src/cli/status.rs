//! `spa-knockd status`: how the running daemon is.

use std::path::PathBuf;

use argh::FromArgs;
use serde_json::Value;

use super::ask::{ask, connect, list, number, request, table, text};
use super::{Failure, say, say_json};

/// how the running daemon is: ready or why not, captures, clock, counters
#[derive(FromArgs)]
#[argh(subcommand, name = "status")]
pub(super) struct Arguments {
    /// the daemon's control socket (default /var/run/spa-knockd/control.sock)
    #[argh(option)]
    socket: Option<PathBuf>,
    /// print the daemon's reply, one JSON object
    #[argh(switch)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let status = ask(&mut connect(arguments.socket.as_ref())?, &request("status", vec![]))?;
    if arguments.json { say_json(&status) } else { say(&table(&rows(&status))) }
}

fn rows(status: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    row("version", format!("{}, up for {}", text(status, "version"), duration(number(status, "uptime"))));
    if status.get("ready").and_then(Value::as_bool) == Some(true) {
        row("ready", "yes".to_owned());
    }
    for why in list(status, "not_ready") {
        row("not ready", why.as_str().unwrap_or_default().to_owned());
    }
    for warning in list(status, "warnings") {
        row("warning", warning.as_str().unwrap_or_default().to_owned());
    }
    row("knocks at", text(status, "awaited"));
    row("config", format!("{}, access stanzas: {}", text(status, "config"), number(status, "stanzas")));
    if number(status, "otp") > 0 {
        row("one-time", format!("password users: {}", number(status, "otp")));
    }
    row("firewall", text(status, "firewall"));
    let clock = status.get("clock").unwrap_or(&Value::Null);
    let is_set = clock.get("set").and_then(Value::as_bool) == Some(true);
    for open in list(status, "exposed") {
        row("EXPOSED", text(open, "text"));
    }
    for unsure in list(status, "not_examined") {
        row("unsure", unsure.as_str().unwrap_or_default().to_owned());
    }
    row("clock", if is_set { "set".to_owned() } else { format!("not set: {}", text(clock, "why")) });
    for device in list(status, "devices") {
        let capturing = device.get("capturing").and_then(Value::as_bool) == Some(true);
        let counted = format!("received {}, dropped {}", number(device, "received"), number(device, "dropped"));
        let how = if capturing { counted } else { text(device, "why") };
        row("device", format!("{}: {how}", text(device, "device")));
    }
    row("grants", format!("{} living, knocks honoured: {}", number(status, "grants"), number(status, "honoured")));
    row(
        "replays",
        format!("knocks remembered: {} of {}", number(status, "remembered"), number(status, "remembered_max")),
    );
    row("rights", rights(status.get("sandbox").unwrap_or(&Value::Null)));
    let refused = status.get("refused").and_then(Value::as_object);
    let counted = refused.into_iter().flatten().filter_map(|(reason, count)| Some((reason, count.as_u64()?)));
    let mut counted: Vec<(&String, u64)> = counted.filter(|(_, count)| *count > 0).collect();
    counted.sort_unstable_by(|one, two| (two.1, one.0).cmp(&(one.1, two.0)));
    let counted: Vec<String> = counted.into_iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    row("refused", if counted.is_empty() { "none".to_owned() } else { counted.join(", ") });
    rows
}

/// What the daemon may still do.
fn rights(sandbox: &Value) -> String {
    let held: Vec<&str> = list(sandbox, "capabilities").iter().filter_map(Value::as_str).collect();
    let held = if held.is_empty() { "no capabilities".to_owned() } else { held.join(" and ") };
    let filter = match sandbox.get("seccomp").and_then(Value::as_str) {
        Some("own") => "its own filter of system calls",
        Some("outer") => "a filter of system calls",
        _ => "no filter of system calls",
    };
    let more = if sandbox.get("no_new_privs").and_then(Value::as_bool) == Some(true) { "" } else { ", not confined" };
    format!("user {}, {held}, {filter}{more}", number(sandbox, "uid"))
}

/// Seconds as the two largest units.
fn duration(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}
