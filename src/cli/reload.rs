//! `spa-knockd reload`: the running daemon reads its configuration again.

use std::path::PathBuf;

use argh::FromArgs;
use serde_json::Value;
use spa_knockd::control::client::good;

use super::ask::{connect, list, number, request};
use super::{Failure, complain, count, say, say_json};

/// have the running daemon read its configuration again; grants and knocks in flight are kept
#[derive(FromArgs)]
#[argh(subcommand, name = "reload")]
pub(super) struct Arguments {
    /// the daemon's control socket (default /var/run/spa-knockd/control.sock)
    #[argh(option)]
    socket: Option<PathBuf>,
    /// print the daemon's reply, one JSON object
    #[argh(switch)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let reply = connect(arguments.socket.as_ref())?.ask(&request("reload", &[]))?;
    if arguments.json {
        say_json(&reply)?;
        return good(reply).map(drop).map_err(|_| Failure::new());
    }
    for fault in list(&reply, "faults").iter().filter_map(Value::as_str) {
        complain(fault);
    }
    for warning in list(&reply, "warnings").iter().filter_map(Value::as_str) {
        complain(&format!("warning: {warning}"));
    }
    let reply = good(reply)?;
    let stanzas = usize::try_from(number(&reply, "stanzas")).unwrap_or(usize::MAX);
    say(&format!("reloaded, {} enabled\n", count(stanzas, "access stanza")))
}
