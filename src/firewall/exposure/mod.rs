//! Is a guarded port open already? A stranger's first packet walks through the living ruleset, rule by rule.
//!
//! What the walk does not know of a packet (who sends it, when, by which mark) lets a rule that asks for it do
//! nothing: "open to some" is not "open to everybody", and "closed to some" is not closed. What it does not
//! understand makes it say so instead of guessing.

mod bits;
mod elements;
mod expression;
pub mod finding;
pub mod guarded;
mod numbers;
mod packet;
mod ruleset;
mod walk;


use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use rustix::io::Errno;

pub use self::finding::{Finding, RuleName, lines};
pub use self::guarded::{At, Guarded, guarded};
pub use self::packet::Way;

use self::elements::Sets;
use self::packet::Packet;
use self::ruleset::Ruleset;
use self::walk::{Fate, Walk};
use super::socket::Requests;
use crate::limits::{FINDINGS_MAX, OWN_ADDRESSES_MAX, WALKED_RULES_MAX};

/// Why the ruleset was not examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// Without `CAP_NET_ADMIN`.
    Denied,
    /// More rules than are read.
    Large,
    /// It changed all the time.
    Moving,
    /// The kernel's error.
    Kernel(Errno),
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the living ruleset was not examined: ")?;
        match self {
            Self::Denied => f.write_str("not permitted"),
            Self::Large => f.write_str("it has too many rules"),
            Self::Moving => f.write_str("it changes all the time"),
            Self::Kernel(errno) => write!(f, "{errno}"),
        }
    }
}

/// What must be known of the machine.
pub struct Surroundings<'a> {
    /// The machine's own addresses that strangers may connect to.
    pub own: &'a [IpAddr],
    /// Where a packet to an address goes.
    pub way: &'a dyn Fn(IpAddr) -> Way,
    /// The number of a device.
    pub index: &'a dyn Fn(&str) -> Option<u32>,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("own", &self.own).finish_non_exhaustive()
    }
}

/// What an examination found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// Guarded ports that are open to everybody.
    pub open: Vec<Finding>,
    /// What could not be told, and why, one sentence each.
    pub not_examined: Vec<String>,
    /// Whether the table of standalone mode is there.
    pub has_guard: bool,
    /// The names of the sets whose elements counted.
    pub sets: BTreeSet<Box<str>>,
}

/// Reads the living ruleset and lets a stranger's packets walk to every guarded port.
///
/// # Errors
/// Why the ruleset cannot be read.
pub fn examine(devices: &[String], guarded: &[Guarded], surroundings: &Surroundings<'_>) -> Result<Examined, Unseen> {
    let open = || Requests::open().map_err(|_| Unseen::Denied);
    let mut requests = open()?;
    let ruleset = Ruleset::read(&mut requests)?;
    let mut read = |name: &elements::Name| {
        let set = elements::read(&mut requests, name);
        if set.is_none() {
            // What the kernel still had to say of a large set goes with the socket.
            requests = open().ok()?;
        }
        set
    };
    Ok(walk_all(&ruleset, &mut Sets::new(&mut read), devices, guarded, surroundings))
}

/// All walks through a ruleset.
fn walk_all(
    ruleset: &Ruleset,
    sets: &mut Sets<'_>,
    devices: &[String],
    guarded: &[Guarded],
    surroundings: &Surroundings<'_>,
) -> Examined {
    let mut examined = Examined::default();
    let mut budget = WALKED_RULES_MAX;
    for device in devices {
        let index = (surroundings.index)(device);
        let is_all = device == crate::capture::live::ANY;
        let device_of = (!is_all).then_some((device.as_str(), index));
        for one in guarded {
            for v6 in [false, true] {
                let found = walk_to(ruleset, sets, device_of, one, v6, surroundings, &mut budget);
                match found {
                    Some((Fate::Through { passage, translated }, packet)) => {
                        let redirect = translated.and_then(|place| RuleName::of_rule(ruleset, place));
                        let finding = Finding {
                            device: device.clone(),
                            proto: one.port.proto.to_string(),
                            port: one.port.number.get(),
                            host: match one.at {
                                At::Host(host) => Some(host.to_string()),
                                At::Router | At::Outside => None,
                            },
                            families: vec![if v6 { "ipv6" } else { "ipv4" }],
                            rule: RuleName::of_passage(ruleset, passage),
                            to: redirect.is_some().then(|| destination(&packet)),
                            redirect,
                        };
                        add(&mut examined.open, finding);
                    }
                    Some((Fate::Obscure(why), _)) => {
                        let line = format!("whether {} is open on {device} cannot be told: {why}", one.port);
                        if examined.not_examined.len() < FINDINGS_MAX && !examined.not_examined.contains(&line) {
                            examined.not_examined.push(line);
                        }
                    }
                    Some((Fate::Closed, _)) | None => {}
                }
            }
        }
    }
    examined.not_examined.extend(sets.unread.iter().map(|set| format!("not examined: {set}, more than is read")));
    examined.has_guard = ruleset.chains.iter().any(|chain| *chain.table == *super::standalone::TABLE);
    examined.sets = sets.names().map(|(.., name)| name.clone()).collect();
    examined
}

/// Adds a finding, or a family to one that is otherwise the same.
fn add(findings: &mut Vec<Finding>, finding: Finding) {
    let same = |other: &Finding| Finding { families: finding.families.clone(), ..other.clone() } == finding;
    let known = findings.iter().position(same);
    if let Some(other) = known.and_then(|at| findings.get_mut(at)) {
        other.families.extend(finding.families);
    } else if findings.len() < FINDINGS_MAX {
        findings.push(finding);
    }
}

/// Where a translated packet goes, for people.
fn destination(packet: &Packet<'_>) -> String {
    let port = packet.port.number.get();
    match packet.destination {
        Some(address) => SocketAddr::new(address, port).to_string(),
        None => format!("port {port} of this machine"),
    }
}

/// The first way by which a stranger's packet comes to a guarded port, or why none can be told.
fn walk_to<'d>(
    ruleset: &Ruleset,
    sets: &mut Sets<'_>,
    device: Option<(&'d str, Option<u32>)>,
    guarded: &Guarded,
    v6: bool,
    surroundings: &Surroundings<'_>,
    budget: &mut usize,
) -> Option<(Fate, Packet<'d>)> {
    let of_family = |address: &IpAddr| address.is_ipv6() == v6;
    let (addresses, way) = match guarded.at {
        At::Outside if v6 => return None,
        At::Router | At::Outside => {
            let mut own: Vec<Option<IpAddr>> =
                surroundings.own.iter().filter(|a| of_family(a)).copied().map(Some).collect();
            own.truncate(OWN_ADDRESSES_MAX);
            (if own.is_empty() { vec![None] } else { own }, Way::Own)
        }
        At::Host(host) if of_family(&host) => (vec![Some(host)], (surroundings.way)(host)),
        At::Host(_) => return None,
    };
    let mut last = None;
    for address in addresses {
        let mut packet = Packet::new(device, guarded.port, v6, address, way.clone());
        let fate = Walk::new(ruleset, sets, surroundings.way, budget).go(&mut packet);
        let counts = match &fate {
            Fate::Through { translated, .. } => {
                guarded.at != At::Outside || translated.is_some() && packet.way != Way::Own
            }
            Fate::Obscure(_) => guarded.at != At::Outside,
            Fate::Closed => false,
        };
        let is_open = counts && matches!(fate, Fate::Through { .. });
        let asked = packet.asked.get();
        if counts {
            last = Some((fate, packet));
        }
        // No other address would fare better where none was asked for.
        if is_open || !asked {
            break;
        }
    }
    last
}
