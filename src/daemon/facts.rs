//! What a command is told of a grant, by the knock that earned it or, after a restart, by its elements alone.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;

use super::helper::VARIABLES;
use super::report::source;
use crate::access::{Forward, Grant};
use crate::control::reply::range;
use crate::firewall::{Element, Set, Translation};

/// Why the last of what a grant opened is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Its time was up.
    Expired,
    /// `spa-knockd revoke`.
    Revoked,
    /// Somebody deleted it from the ruleset.
    Deleted,
}

impl Why {
    /// As `SPA_REASON` has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Deleted => "deleted",
        }
    }
}

/// On which occasion a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// A client asked for it.
    Asked,
    /// A grant has opened.
    Open,
    /// A grant has ended.
    Close(Why),
}

/// What a command's environment says of a grant; what nobody knows is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) access: Arc<str>,
    pub(super) user: String,
    pub(super) source: String,
    pub(super) knocker: String,
    pub(super) ports: String,
    pub(super) forwards: String,
    pub(super) timeout: String,
}

impl Facts {
    /// What a grant tells, with the network as its source where the stanza widens it.
    pub(super) fn of(grant: &Grant, user: &str, knocker: IpAddr) -> Self {
        let ports: Vec<_> = grant.openings.iter().map(|opening| opening.port.to_string()).collect();
        let forwards: Vec<_> = grant.forwards.iter().map(way).collect();
        Self {
            access: Arc::clone(&grant.access),
            user: user.to_owned(),
            source: source(grant),
            knocker: knocker.to_string(),
            ports: ports.join(" "),
            forwards: forwards.join(" "),
            timeout: grant.timeout.to_string(),
        }
    }

    /// What elements tell that lived before the daemon did: neither user nor knocker nor timeout. A destination is a
    /// door's where the stanza matches destinations, else that of a way.
    pub(super) fn of_elements(access: &Arc<str>, elements: &[Element], match_destination: bool) -> Self {
        let translated = || elements.iter().filter_map(|element| Some((element.port?, led_to(element)?)));
        let (mut ports, mut forwards) = (Vec::new(), Vec::new());
        forwards.extend(translated().map(|(outside, to)| format!("{outside}={to}")));
        for element in elements {
            match (element.set, element.port, element.destination) {
                (Set::In4 | Set::In6 | Set::Net4 | Set::Net6, Some(port), _) => ports.push(port.to_string()),
                (Set::To4 | Set::To6, Some(port), Some(address)) => {
                    let to = SocketAddr::new(address, port.number.get());
                    if match_destination {
                        ports.push(port.to_string());
                    } else if !translated().any(|(_, led)| led == to) {
                        forwards.push(format!("{port}={to}"));
                    }
                }
                (Set::All4 | Set::All6, _, Some(address)) if !translated().any(|(_, led)| led.ip() == address) => {
                    forwards.push(format!("any={address}"));
                }
                _ => {}
            }
        }
        let source = elements.first().map(|element| range(element.first, element.last)).unwrap_or_default();
        Self {
            access: Arc::clone(access),
            user: String::new(),
            source,
            knocker: String::new(),
            ports: ports.join(" "),
            forwards: forwards.join(" "),
            timeout: String::new(),
        }
    }

    /// The values of [`VARIABLES`].
    pub(super) fn values(&self, command: &str, occasion: Occasion) -> [String; VARIABLES.len()] {
        let (event, reason) = match occasion {
            Occasion::Asked => ("command", ""),
            Occasion::Open => ("open", ""),
            Occasion::Close(why) => ("close", why.name()),
        };
        [
            self.access.to_string(),
            self.user.clone(),
            self.source.clone(),
            self.knocker.clone(),
            self.ports.clone(),
            self.forwards.clone(),
            self.timeout.clone(),
            command.to_owned(),
            event.to_owned(),
            reason.to_owned(),
        ]
    }
}

/// Where a destination NAT leads.
fn led_to(element: &Element) -> Option<SocketAddr> {
    match element.translation {
        Some(Translation::Destination(to)) => Some(to.into()),
        _ => None,
    }
}

/// A way as `list forward` writes it.
fn way(forward: &Forward) -> String {
    let port = forward.outside.map_or(forward.to.port(), NonZeroU16::get);
    format!("{}/{port}={}", forward.proto, forward.to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Opening, Snat};
    use crate::firewall::grant::elements;
    use crate::net::Proto;

    fn grant(openings: &[Opening], forwards: &[Forward]) -> Grant {
        let (openings, forwards) = (openings.to_vec(), forwards.to_vec());
        Grant { access: "alice".into(), openings, forwards, command: None, timeout: 30 }
    }

    /// What the elements of a grant tell, and what the grant itself tells.
    fn both(grant: &Grant, match_destination: bool) -> [[String; 3]; 2] {
        let knocker = "192.0.2.9".parse().unwrap();
        let by_elements = Facts::of_elements(&grant.access, &elements(grant).unwrap(), match_destination);
        [by_elements, Facts::of(grant, "root", knocker)].map(|facts| [facts.source, facts.ports, facts.forwards])
    }

    #[test]
    fn elements_tell_what_the_grant_told() {
        let door = |source: &str, port: &str, destination: Option<&str>| Opening {
            source: source.parse().unwrap(),
            destination: destination.map(|text| text.parse().unwrap()),
            port: port.parse().unwrap(),
        };
        let way = |source: &str, outside, to: &str, all| Forward {
            source: source.parse().unwrap(),
            proto: Proto::Tcp,
            outside: NonZeroU16::new(outside),
            to: to.parse().unwrap(),
            all,
            snat: (outside == 2223).then_some(Snat::Masquerade),
        };
        for (grant, match_destination) in [
            (grant(&[door("192.0.2.1", "tcp/22", None), door("192.0.2.1", "udp/53", None)], &[]), false),
            (grant(&[door("192.0.2.0/24", "tcp/22", None)], &[]), false),
            (grant(&[door("2001:db8::/64", "udp/53", None)], &[]), false),
            (grant(&[door("192.0.2.1", "tcp/22", Some("198.51.100.1"))], &[]), true),
            (grant(&[], &[way("192.0.2.1", 2222, "10.0.0.2:22", false)]), false),
            (grant(&[], &[way("192.0.2.1", 2223, "10.0.0.2:22", true)]), false),
            (grant(&[], &[way("2001:db8::1", 0, "[2001:db8:2::1]:22", false)]), false),
            (grant(&[door("192.0.2.1", "tcp/80", None)], &[way("192.0.2.1", 2222, "10.0.0.2:22", false)]), false),
        ] {
            let [by_elements, by_knock] = both(&grant, match_destination);
            assert_eq!(by_elements, by_knock);
        }
        // Of a way to everything, nothing tells the port that was asked for.
        let all = grant(&[], &[way("2001:db8::1", 0, "[2001:db8:2::1]:22", true)]);
        assert_eq!(both(&all, false)[0], ["2001:db8::1", "", "any=2001:db8:2::1"]);
    }

    #[test]
    fn an_occasion_has_its_name_and_only_an_end_its_reason() {
        let facts = Facts::of(&grant(&[], &[]), "root", "192.0.2.9".parse().unwrap());
        for (occasion, told) in [
            (Occasion::Asked, ["command", ""]),
            (Occasion::Open, ["open", ""]),
            (Occasion::Close(Why::Expired), ["close", "expired"]),
            (Occasion::Close(Why::Revoked), ["close", "revoked"]),
            (Occasion::Close(Why::Deleted), ["close", "deleted"]),
        ] {
            let values = facts.values("tell", occasion);
            assert_eq!(values[..4], ["alice", "root", "", "192.0.2.9"]);
            assert_eq!((&values[7], &values[8..]), (&"tell".to_owned(), &told.map(str::to_owned)[..]));
        }
        assert_eq!(VARIABLES[7..], ["SPA_COMMAND", "SPA_EVENT", "SPA_REASON"]);
    }
}
