//! `spa-knockd grants`: what is open now, for whom, and for how long.

use std::path::PathBuf;

use argh::FromArgs;
use serde_json::Value;

use super::ask::{ask, connect, list, number, object, request, table, text};
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
        let page = ask(&mut client, &request("grants", vec![("skip", grants.len().into())]))?;
        let more = list(&page, "grants");
        grants.extend_from_slice(more);
        if more.is_empty() || u64::try_from(grants.len()).is_ok_and(|count| count >= number(&page, "total")) {
            break;
        }
    }
    if arguments.json {
        return say_json(&object(vec![("grants", grants.into())]));
    }
    if grants.is_empty() {
        return say("no living grants\n");
    }
    let head = ["ACCESS", "SOURCE", "KIND", "MAY REACH", "LEFT"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(grants.iter().map(row)).collect();
    say(&table(&rows))
}

fn row(grant: &Value) -> Vec<String> {
    let mut reach = match text(grant, "port") {
        port if port.is_empty() => "all".to_owned(),
        port => port,
    };
    let kind = kind(&text(grant, "set"));
    let becomes = if kind == NAT { " to " } else { " as " };
    for (word, field) in [(" at ", "destination"), (becomes, "translation")] {
        if grant.get(field).is_some_and(Value::is_string) {
            reach = reach + word + &text(grant, field);
        }
    }
    let left = match grant.get("remaining").and_then(Value::as_u64) {
        Some(seconds) => format!("{seconds} s"),
        None => "for ever".to_owned(),
    };
    vec![text(grant, "access"), text(grant, "source"), kind.to_owned(), reach, left]
}

/// The kind of what leads elsewhere.
const NAT: &str = "NAT";

/// What an element of a set is, for people: a knock for a host behind the router makes up to three.
fn kind(set: &str) -> &'static str {
    match set {
        "spa_dnat4_v1" => NAT,
        "spa_snat4_v1" => "source NAT",
        "spa_masq4_v1" => "masquerade",
        "spa_all4_v1" | "spa_all6_v1" => "host",
        _ => "port",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use spa_knockd::firewall::sets::Set;

    #[test]
    fn no_two_rows_of_a_way_through_read_the_same() {
        let grant = |set: &str, port: &str, destination: Option<&str>, translation: Option<&str>| {
            let host = json!({"access": "alice", "source": "192.0.2.9", "set": set, "port": port,
                "destination": destination, "translation": translation, "remaining": 9});
            row(&host).join("|")
        };
        let rows = [
            grant("spa_dnat4_v1", "tcp/2222", None, Some("192.168.1.10:22")),
            grant("spa_to4_v1", "tcp/22", Some("192.168.1.10"), None),
            grant("spa_masq4_v1", "tcp/22", Some("192.168.1.10"), None),
            grant("spa_snat4_v1", "tcp/22", Some("192.168.1.10"), Some("192.168.1.1")),
        ];
        let wanted = [
            "NAT|tcp/2222 to 192.168.1.10:22",
            "port|tcp/22 at 192.168.1.10",
            "masquerade|tcp/22 at 192.168.1.10",
            "source NAT|tcp/22 at 192.168.1.10 as 192.168.1.1",
        ];
        for (row, wanted) in rows.iter().zip(wanted) {
            assert_eq!(*row, format!("alice|192.0.2.9|{wanted}|9 s"));
        }
    }

    #[test]
    fn every_set_has_its_kind() {
        let kinds = Set::ALL.map(|set| kind(set.name()));
        let count = |kind: &str| kinds.iter().filter(|found| **found == kind).count();
        let (ways, input) = (Set::FORWARD.len(), Set::INPUT.len());
        assert_eq!((count("host"), count("port")), (ways - 2, input + Set::CUTS.len()));
        assert_eq!((count(NAT), count("source NAT"), count("masquerade")), (1, 1, 1));
    }
}
