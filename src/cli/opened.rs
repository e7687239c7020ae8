//! What `explain` says of a grant: its doors, ways through and translations, one after the other.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use spa_knockd::access::{Forward, Grant, Opening, Place, Snat};
use spa_knockd::capture::Datagram;
use spa_knockd::engine::Pending;

/// One thing that the firewall would be told.
#[derive(Serialize)]
pub(super) struct Opened {
    kind: &'static str,
    source: String,
    /// All protocols where absent.
    proto: Option<String>,
    /// All ports where absent.
    port: Option<u16>,
    /// Address and port of the service; what the source becomes where the kind is `snat`; the name of a command.
    to: Option<String>,
    timeout: u32,
    /// Whether it is a command that nobody asked for: it runs because a door opened.
    #[serde(skip)]
    is_on_open: bool,
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == "command" {
            let name = self.to.as_deref().unwrap_or_default();
            return if self.is_on_open {
                write!(f, "command {name} runs then")
            } else {
                write!(f, "{} has command {name} run", self.source)
            };
        }
        let what = match (&self.proto, self.port) {
            (Some(proto), Some(port)) => format!("{proto}/{port}"),
            _ => "everything".to_owned(),
        };
        let to = self.to.as_deref().unwrap_or_default();
        // Where every port is meant, that of the service would mislead.
        let host = to.rsplit_once(':').filter(|_| self.port.is_none()).map(|(host, _)| host);
        let to = host.map_or(to, |host| host.trim_matches(['[', ']']));
        match (self.kind, self.to.is_some()) {
            ("dnat", _) => write!(f, "{what} leads {} to {to}", self.source)?,
            ("snat", _) if to == "masquerade" => write!(f, "{} comes to {what} masqueraded", self.source)?,
            ("snat", _) => write!(f, "{} comes to {what} as {to}", self.source)?,
            (_, true) => write!(f, "{} may reach {what} at {to}", self.source)?,
            (_, false) => write!(f, "{} may reach {what}", self.source)?,
        }
        write!(f, " for {} s", self.timeout)
    }
}

/// Where an address is, without a router to ask: the packet's destination is the router's own, private addresses
/// (RFC 1918, RFC 4193) are behind it.
pub(super) fn place_of(address: IpAddr, datagram: &Datagram<'_>) -> Place {
    let is_private = match address {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    };
    if address == datagram.destination {
        Place::Own
    } else if is_private {
        Place::Inside
    } else {
        Place::Elsewhere
    }
}

/// All that a grant tells the firewall and the helper.
pub(super) fn grants(grant: &Grant, datagram: &Datagram<'_>) -> Vec<Opened> {
    let doors = grant.openings.iter().map(|opening| door(opening, grant.timeout));
    let ways = grant.forwards.iter().flat_map(|forward| {
        let is_own = place_of(forward.to.ip(), datagram) == Place::Own;
        way(forward, is_own, grant.timeout)
    });
    let command = grant.command.iter().map(|run| Opened {
        kind: "command",
        source: run.source.to_string(),
        proto: None,
        port: None,
        to: Some(run.name.clone()),
        timeout: 0,
        is_on_open: !(grant.openings.is_empty() && grant.forwards.is_empty()),
    });
    doors.chain(ways).chain(command).collect()
}

fn door(opening: &Opening, timeout: u32) -> Opened {
    let port = opening.port.number.get();
    Opened {
        kind: "input",
        source: opening.source.to_string(),
        proto: Some(opening.port.proto.to_string()),
        port: Some(port),
        to: opening.destination.map(|address| SocketAddr::new(address, port).to_string()),
        timeout,
        is_on_open: false,
    }
}

/// The same of a knock whose host name is not looked up: the name stands in the place of its address.
pub(super) fn grants_by_name(pending: &Pending, datagram: &Datagram<'_>) -> Vec<Opened> {
    let Some(grant) = pending.like() else { return Vec::new() };
    let by_name = |to: &str| match to.parse::<SocketAddr>() {
        Ok(to) if to.ip().is_unspecified() => format!("{}:{}", pending.name(), to.port()),
        _ => to.to_owned(),
    };
    let mut all = grants(grant, datagram);
    for opened in &mut all {
        opened.to = opened.to.as_deref().map(by_name);
        if pending.is_local() && opened.kind == "forward" {
            opened.kind = "input";
        }
    }
    all
}

/// A forward's translation of the destination, its accept, its translation of the source.
fn way(forward: &Forward, is_own: bool, timeout: u32) -> Vec<Opened> {
    let told = |kind, port: Option<u16>, to: String| Opened {
        kind,
        source: forward.source.to_string(),
        proto: port.map(|_| forward.proto.to_string()),
        port,
        to: Some(to),
        timeout,
        is_on_open: false,
    };
    let service = Some(forward.to.port());
    let mut all = Vec::with_capacity(3);
    if let Some(outside) = forward.outside {
        all.push(told("dnat", Some(outside.get()), forward.to.to_string()));
    }
    all.push(told(if is_own { "input" } else { "forward" }, service.filter(|_| !forward.all), forward.to.to_string()));
    match forward.snat {
        Some(Snat::Masquerade) => all.push(told("snat", service, "masquerade".to_owned())),
        Some(Snat::Address(address)) => all.push(told("snat", service, address.to_string())),
        None => {}
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_beside_a_door_was_not_asked_for() {
        let source = IpAddr::from([192, 0, 2, 9]);
        let door = Opening {
            source: spa_knockd::net::Prefix::single(source),
            destination: None,
            port: "tcp/22".parse().unwrap(),
        };
        let datagram = Datagram {
            source,
            destination: IpAddr::from([192, 0, 2, 1]),
            transport: spa_knockd::capture::Transport::Udp,
            source_port: 0,
            destination_port: 0,
            payload: b"",
        };
        let said = |openings| {
            let command = Some(spa_knockd::access::Run { name: "env".to_owned(), source });
            let grant = Grant { access: "alice".into(), openings, forwards: vec![], command, timeout: 3 };
            grants(&grant, &datagram).iter().map(Opened::to_string).collect::<Vec<_>>()
        };
        assert_eq!(said(vec![]), ["192.0.2.9 has command env run"]);
        assert_eq!(said(vec![door]), ["192.0.2.9 may reach tcp/22 for 3 s", "command env runs then"]);
    }
}
