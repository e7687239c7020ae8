//! `spa-knockd grants`: what is open now, for whom, and for how long.

use std::path::PathBuf;

use argh::FromArgs;
use serde_json::{Value, json};

use super::ask::{ask, connect, list, number, request, table, text};
use super::{Failure, say, say_json};

/// the living grants with the time that is left to each
#[derive(FromArgs)]
#[argh(subcommand, name = "grants")]
pub(super) struct Arguments {
    /// the daemon's control socket (default /var/run/spa-knockd/control.sock)
    #[argh(option)]
    socket: Option<PathBuf>,
    /// print one JSON object
    #[argh(switch)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut client = connect(arguments.socket.as_ref())?;
    let mut grants = Vec::new();
    loop {
        let page = ask(&mut client, &request("grants", &[("skip", grants.len().into())]))?;
        let more = list(&page, "grants");
        grants.extend_from_slice(more);
        if more.is_empty() || u64::try_from(grants.len()).is_ok_and(|count| count >= number(&page, "total")) {
            break;
        }
    }
    if arguments.json {
        return say_json(&json!({ "grants": grants }));
    }
    if grants.is_empty() {
        return say("no living grants\n");
    }
    let head = ["ACCESS", "SOURCE", "MAY REACH", "LEFT"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(grants.iter().map(row)).collect();
    say(&table(&rows))
}

fn row(grant: &Value) -> Vec<String> {
    let mut reach = match text(grant, "port") {
        port if port.is_empty() => "all".to_owned(),
        port => port,
    };
    for (word, field) in [(" at ", "destination"), (" via ", "translation")] {
        if grant.get(field).is_some_and(Value::is_string) {
            reach = reach + word + &text(grant, field);
        }
    }
    let left = match grant.get("remaining").and_then(Value::as_u64) {
        Some(seconds) => format!("{seconds} s"),
        None => "for ever".to_owned(),
    };
    vec![text(grant, "access"), text(grant, "source"), reach, left]
}
