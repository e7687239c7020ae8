//! The table of standalone mode: the sets, a guard for the protected ports on the captured interfaces, and the
//! translations of what was granted there.

use std::fmt::Write;

use super::batch::{Batch, Hook};
use super::error::FirewallError;
use super::expr;
use super::sets::Set;
use crate::net::{Port, Proto};

/// The table of standalone mode, family inet.
pub const TABLE: &str = "spa_knockd";

/// What standalone mode guards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// The interfaces on which strangers arrive.
    pub interfaces: Vec<String>,
    /// The ports that are closed there to whoever was not granted them.
    pub protect: Vec<Port>,
}

/// A base chain, the chain that it hands our interfaces to, and the sets looked up in each.
struct Path {
    base: &'static str,
    /// `None` where only the base chain judges.
    branch: Option<&'static str>,
    hook: Hook,
    sets: &'static [Set],
    /// Looked up on all interfaces: what an inside end sends comes from any.
    cuts: &'static [Set],
}

const PATHS: [Path; 5] = [
    Path {
        base: "input",
        branch: Some("guard_input"),
        hook: Hook { kind: FILTER, number: 1, priority: 0 },
        sets: &Set::INPUT,
        cuts: &[],
    },
    Path {
        base: "forward",
        branch: Some("guard_forward"),
        hook: Hook { kind: FILTER, number: 2, priority: 0 },
        sets: &Set::FORWARD,
        cuts: &Set::CUTS,
    },
    Path {
        base: "output",
        branch: None,
        hook: Hook { kind: FILTER, number: 3, priority: 0 },
        sets: &[],
        cuts: &Set::CUTS,
    },
    Path {
        base: "prerouting",
        branch: Some("dstnat"),
        hook: Hook { kind: NAT, number: 0, priority: -100 },
        sets: &Set::DESTINATION_NAT,
        cuts: &[],
    },
    Path {
        base: "postrouting",
        branch: Some("srcnat"),
        hook: Hook { kind: NAT, number: 4, priority: 100 },
        sets: &Set::SOURCE_NAT,
        cuts: &[],
    },
];

const FILTER: &str = "filter";
const NAT: &str = "nat";

impl Path {
    /// Whether the protected ports are closed here.
    fn guards(&self) -> bool {
        self.hook.kind == FILTER
    }

    /// Whether what was addressed to a protected port may come by here under another one.
    fn sees_translated(&self) -> bool {
        self.base == "forward"
    }
}

impl Guard {
    /// Checks that rules can name the interfaces.
    ///
    /// # Errors
    /// The first name that is empty, too long for the kernel, or that nft would not read as it is.
    pub fn check(&self) -> Result<(), FirewallError> {
        // The capture's name for all devices at once is no interface: its rule would guard nothing.
        let fits = |name: &&String| {
            *name != "any"
                && (1..expr::INTERFACE).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@:".contains(&byte))
        };
        match self.interfaces.iter().find(|name| !fits(name)) {
            Some(name) => Err(FirewallError::Interface(name.clone())),
            None => Ok(()),
        }
    }
}

/// The transaction that makes the table, or renews its rules while its sets keep their elements.
///
/// All of it happens at once: there is no moment without the guard.
#[must_use]
pub fn batch(guard: &Guard, sequence: u32) -> Batch {
    let mut batch = Batch::new(TABLE, sequence);
    batch.make_table();
    for (set, id) in Set::ALL.into_iter().zip(1..) {
        batch.make_set(set, id);
    }
    for path in &PATHS {
        if let Some(branch) = path.branch {
            batch.make_chain(branch, None);
            batch.flush_chain(branch);
            if path.guards() {
                batch.append_rule(branch, expr::accept_known);
            }
            append_sets(&mut batch, branch, path.sets);
            for &port in guard.protect.iter().filter(|_| path.guards()) {
                batch.append_rule(branch, |writer| expr::reject(writer, port));
                if path.sees_translated() {
                    batch.append_rule(branch, |writer| expr::reject_translated(writer, port));
                }
            }
        }
        batch.make_chain(path.base, Some(path.hook));
        batch.flush_chain(path.base);
        append_sets(&mut batch, path.base, path.cuts);
        for (name, branch) in guard.interfaces.iter().flat_map(|name| path.branch.map(|branch| (name, branch))) {
            batch.append_rule(path.base, |writer| expr::jump_from(writer, name, branch));
        }
    }
    batch
}

/// Appends the rules of these sets to a chain.
fn append_sets(batch: &mut Batch, chain: &str, sets: &[Set]) {
    for (set, id) in Set::ALL.into_iter().zip(1..) {
        if sets.contains(&set) {
            batch.append_rule(chain, |writer| expr::rule(writer, set, id));
        }
    }
}

/// The same ruleset as nft reads it.
#[must_use]
pub fn script(guard: &Guard) -> String {
    let mut text = format!("table inet {TABLE} {{\n");
    let mut line = |line: std::fmt::Arguments<'_>| {
        // Writing into a String does not fail.
        let _ = text.write_fmt(format_args!("{line}\n"));
    };
    for set in Set::ALL {
        line(format_args!("\t{}", set.declaration()));
    }
    for path in &PATHS {
        if let Some(branch) = path.branch {
            line(format_args!("\tchain {branch} {{"));
            if path.guards() {
                line(format_args!("\t\tct state established,related accept"));
            }
            for set in path.sets {
                line(format_args!("\t\t{}", set.rule()));
            }
            for port in guard.protect.iter().filter(|_| path.guards()) {
                let answer = match port.proto {
                    Proto::Tcp => "tcp reset",
                    Proto::Udp => "icmpx port-unreachable",
                };
                let Port { proto, number } = port;
                line(format_args!("\t\t{proto} dport {number} reject with {answer}"));
                if path.sees_translated() {
                    line(format_args!(
                        "\t\tmeta l4proto {proto} ct status dnat ct original proto-dst {number} reject with {answer}"
                    ));
                }
            }
            line(format_args!("\t}}"));
        }
        let Hook { kind, priority, .. } = path.hook;
        line(format_args!("\tchain {} {{", path.base));
        line(format_args!("\t\ttype {kind} hook {} priority {priority}; policy accept;", path.base));
        for set in path.cuts {
            line(format_args!("\t\t{}", set.rule()));
        }
        for (name, branch) in guard.interfaces.iter().flat_map(|name| path.branch.map(|branch| (name, branch))) {
            line(format_args!("\t\tiifname \"{name}\" jump {branch}"));
        }
        line(format_args!("\t}}"));
    }
    line(format_args!("}}"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_nft_reads_as_they_are_can_be_guarded() {
        let guard = |name: &str| Guard { interfaces: vec!["eth0".into(), name.into()], protect: Vec::new() };
        for name in ["eth0.2", "pppoe-wan", "wlan0_1", "veth@if2", "fifteen-letters"] {
            assert_eq!(guard(name).check(), Ok(()), "{name}");
        }
        for name in ["", "sixteen-letters-", "eth*", "a\"b", "a b", "a\\b", "a/b", "a\nb", "any"] {
            assert_eq!(guard(name).check(), Err(FirewallError::Interface(name.into())));
        }
    }
}
