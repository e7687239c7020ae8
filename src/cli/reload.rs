//! `spa-knockd reload`: the running daemon reads its configuration again.

use std::path::PathBuf;
use std::process::ExitCode;

use argh::FromArgs;
use serde_json::Value;
use spa_knockd::control::client::good;

use super::ask::{connect, list, number, request};
use super::{Failure, complain, count, finish, say, say_json};

/// What the exit status says where the configuration is good, and only a restart takes it over.
const RESTART: u8 = 3;

/// have the running daemon read its configuration again; grants and knocks in flight are kept. Exit status 3: the
/// configuration is good, but only a restart takes it over
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

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let reply = connect(arguments.socket.as_ref()).and_then(|mut client| client.ask(&request("reload", vec![])));
    let restart = reply.as_ref().is_ok_and(|reply| reply.get("restart") == Some(&Value::Bool(true)));
    let status = finish(reply.and_then(|reply| tell(arguments, reply)));
    if restart { ExitCode::from(RESTART) } else { status }
}

/// Says what the daemon replied.
fn tell(arguments: &Arguments, reply: Value) -> Result<(), Failure> {
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
    let users = match usize::try_from(number(&reply, "otp")).unwrap_or(usize::MAX) {
        0 => String::new(),
        users => format!(" and {}", count(users, "one-time-password user")),
    };
    say(&format!("reloaded, {}{users} enabled\n", count(stanzas, "access stanza")))
}
