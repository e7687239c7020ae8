//! `spa-knockd events`: what happened lately, and what happens.

use std::path::PathBuf;

use argh::FromArgs;
use serde_json::Value;
use spa_knockd::control::client::{Client, utc};

use super::ask::{ask, connect, list, number, request, table, text};
use super::{Failure, say, say_json};

/// recent grants, refusals of genuine knocks, and changes by hand; times are UTC
#[derive(FromArgs)]
#[argh(subcommand, name = "events")]
pub(super) struct Arguments {
    /// the daemon's control socket (default /var/run/spa-knockd/control.sock)
    #[argh(option)]
    socket: Option<PathBuf>,
    /// go on with what happens, until interrupted
    #[argh(switch, short = 'f')]
    follow: bool,
    /// print one JSON object an event
    #[argh(switch)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut client = connect(arguments.socket.as_ref())?;
    let recent = ask(&mut client, &request("events", vec![("follow", arguments.follow.into())]))?;
    let recent = list(&recent, "events");
    if arguments.json {
        recent.iter().try_for_each(say_json)?;
    } else {
        let rows: Vec<Vec<String>> = recent.iter().map(row).collect();
        say(&table(&rows))?;
    }
    if arguments.follow { follow(&mut client, arguments.json) } else { Ok(()) }
}

fn follow(client: &mut Client, json: bool) -> Result<(), Failure> {
    while let Some(news) = client.follow()? {
        match news.get("event") {
            Some(event) if json => say_json(event)?,
            Some(event) => say(&table(&[row(event)]))?,
            None if json => say_json(&news)?,
            None => say(&format!("({} events were missed)\n", number(&news, "missed")))?,
        }
    }
    Err("the daemon has ended".to_owned())
}

/// Time, kind, stanza, and the rest in one cell.
fn row(event: &Value) -> Vec<String> {
    let mut rest = Vec::new();
    let opened = list(event, "opened").iter().filter_map(Value::as_str);
    let (commands, doors): (Vec<&str>, Vec<&str>) = opened.partition(|what| what.starts_with("command "));
    let (source, timeout) = (text(event, "source"), number(event, "timeout"));
    if !doors.is_empty() {
        rest.push(format!("{source} may reach {} for {timeout} s", doors.join(", ")));
    }
    // Beside a door, it is the stanza's `on_open`: nobody asked for it.
    rest.extend(commands.into_iter().map(|command| match doors.as_slice() {
        [] => format!("{source} has {command} run"),
        _ => format!("{command} runs"),
    }));
    for (field, before, after) in [
        ("reason", "", ""),
        ("user", "user '", "'"),
        ("from", "knock from ", ""),
        ("asked", "asks for ", ""),
        ("text", "", ""),
    ] {
        if event.get(field).is_some() {
            rest.push(format!("{before}{}{after}", text(event, field)));
        }
    }
    let access = match text(event, "access") {
        none if none.is_empty() => "-".to_owned(),
        access => access,
    };
    vec![utc(number(event, "time")), text(event, "kind"), access, rest.join(", ")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_command_is_nothing_to_reach() {
        let said = |opened: &[&str]| {
            row(&json!({"time": 0, "kind": "grant", "source": "192.0.2.9", "opened": opened, "timeout": 3})).remove(3)
        };
        assert_eq!(said(&["tcp/22", "udp/53"]), "192.0.2.9 may reach tcp/22, udp/53 for 3 s");
        assert_eq!(said(&["tcp/22", "command env"]), "192.0.2.9 may reach tcp/22 for 3 s, command env runs");
        assert_eq!(said(&["command env"]), "192.0.2.9 has command env run");
    }
}
