//! All walks of one examination: every captured device, every guarded port, both families.

use std::net::{IpAddr, SocketAddr};

use super::elements::Sets;
use super::finding::{Finding, RuleName};
use super::guarded::{At, Guarded};
use super::numbers::INET;
use super::packet::{Packet, Way};
use super::ruleset::Ruleset;
use super::walk::{Doubt, Fate, Passage, Place, Walk};
use super::{Examined, Surroundings};
use crate::capture::live::ANY;
use crate::firewall::FW4_TABLE;
use crate::limits::{FINDINGS_MAX, GUARDED_PORTS_MAX, OWN_ADDRESSES_MAX, WALKED_RULES_MAX};
use crate::net::{Port, Proto};
use crate::sorted::once_each;

/// A port to connect to.
#[derive(Clone, Copy)]
struct Trial {
    port: Port,
    /// Where the guarded port is; absent for any other port by which a translation might lead to one.
    at: Option<At>,
    v6: bool,
}

/// How a trial ended, unless all is closed.
enum Outcome<'d> {
    Open { passage: Passage, translated: Option<Place>, packet: Packet<'d> },
    Obscure(Doubt),
}

/// An examination under way.
pub(super) struct Look<'a, 's> {
    ruleset: &'a Ruleset,
    sets: Sets<'s>,
    guarded: &'a [Guarded],
    surroundings: &'a Surroundings<'a>,
    budget: usize,
    examined: Examined,
    /// The tables of iptables-nft of which something was said.
    foreign: Vec<(u8, &'a str)>,
}

impl<'a, 's> Look<'a, 's> {
    pub(super) fn new(
        ruleset: &'a Ruleset,
        sets: Sets<'s>,
        guarded: &'a [Guarded],
        surroundings: &'a Surroundings<'a>,
    ) -> Self {
        Self {
            ruleset,
            sets,
            guarded,
            surroundings,
            budget: WALKED_RULES_MAX,
            examined: Examined::default(),
            foreign: Vec::new(),
        }
    }

    /// Looks from all these devices.
    pub(super) fn at(mut self, devices: &[String]) -> Examined {
        let trials = self.trials();
        for device in devices {
            let index = (self.surroundings.index)(device);
            let from = (device != ANY).then_some((device.as_str(), index));
            for &trial in &trials {
                if self.budget == 0 {
                    break;
                }
                match self.attempt(from, trial) {
                    Some(Outcome::Open { passage, translated, packet }) => {
                        self.found(device, trial, passage, translated, &packet);
                    }
                    Some(Outcome::Obscure(doubt)) => self.doubt(device, trial, doubt),
                    None => {}
                }
            }
        }
        if self.guarded.len() > GUARDED_PORTS_MAX {
            let left = self.guarded.len() - GUARDED_PORTS_MAX;
            self.note(format!(
                "not examined: the last {left} of {} guarded ports, which are too many",
                self.guarded.len()
            ));
        }
        if self.budget == 0 {
            self.note("not examined: all guarded ports, because the walks through the rules are too long".to_owned());
        }
        for set in std::mem::take(&mut self.sets.unread) {
            self.note(format!("not examined: {set}, which is too large"));
        }
        self.examined.has_fw4 =
            self.ruleset.tables.iter().any(|(family, name)| *family == INET && **name == *FW4_TABLE);
        self.examined.sets = self.sets.names().map(|(.., name)| name.clone()).collect();
        once_each(&mut self.examined.sets);
        self.examined
    }

    /// The guarded ports, then those that some rule translates.
    fn trials(&self) -> Vec<Trial> {
        let mut ports: Vec<(Port, Option<At>)> =
            self.guarded.iter().take(GUARDED_PORTS_MAX).map(|guarded| (guarded.port, Some(guarded.at))).collect();
        for number in self.ruleset.translated_ports() {
            let others = [Proto::Tcp, Proto::Udp].map(|proto| Port { proto, number });
            let others = others.into_iter().filter(|port| !self.guarded.iter().any(|one| one.port == *port));
            ports.extend(others.map(|port| (port, None)));
        }
        ports.into_iter().flat_map(|(port, at)| [false, true].map(|v6| Trial { port, at, v6 })).collect()
    }

    /// The first way by which a stranger's packet comes to a guarded port, or why none can be told.
    fn attempt<'d>(&mut self, from: Option<(&'d str, Option<u32>)>, trial: Trial) -> Option<Outcome<'d>> {
        let of_family = |address: &IpAddr| address.is_ipv6() == trial.v6;
        let (addresses, way) = match trial.at {
            Some(At::Outside(_)) if trial.v6 => return None,
            Some(At::Host(host)) if of_family(&host) => (vec![Some(host)], (self.surroundings.way)(host)),
            Some(At::Host(_)) => return None,
            Some(At::Router | At::Outside(_)) | None => {
                let own = self.surroundings.own.iter().filter(|own| of_family(own)).map(|own| Some(*own));
                let own: Vec<Option<IpAddr>> = own.take(OWN_ADDRESSES_MAX).collect();
                (if own.is_empty() { vec![None] } else { own }, Way::Own)
            }
        };
        let mut unsure = None;
        for address in addresses {
            if self.budget == 0 {
                return None;
            }
            self.budget -= 1;
            let mut packet = Packet::new(from, trial.port, trial.v6, address, way.clone());
            let walk = Walk::new(self.ruleset, &mut self.sets, self.surroundings.way, &mut self.budget);
            match walk.go(&mut packet) {
                Fate::Through { passage, translated } if self.counts(trial, translated, &packet) => {
                    return Some(Outcome::Open { passage, translated, packet });
                }
                Fate::Obscure(doubt) if doubt.leads || matches!(trial.at, Some(At::Router | At::Host(_))) => {
                    unsure = Some(Outcome::Obscure(doubt));
                }
                _ => {}
            }
            // No other address would fare better where none was asked for.
            if !packet.asked.get() {
                break;
            }
        }
        unsure
    }

    /// Whether what was reached is guarded.
    fn counts(&self, trial: Trial, translated: Option<Place>, packet: &Packet<'_>) -> bool {
        let leads_to = |one: &Guarded| match one.at {
            At::Router => packet.way == Way::Own && packet.port == one.port,
            At::Outside(to) => packet.destination == Some(to.ip()) && packet.port.number.get() == to.port(),
            At::Host(host) => packet.destination == Some(host) && packet.port == one.port,
        };
        match trial.at {
            Some(At::Router | At::Host(_)) => true,
            Some(At::Outside(_)) => translated.is_some() && packet.way != Way::Own,
            None => translated.is_some() && self.guarded.iter().any(leads_to),
        }
    }

    /// Adds a finding, or a family to one that is otherwise the same.
    fn found(&mut self, device: &str, trial: Trial, passage: Passage, translated: Option<Place>, packet: &Packet<'_>) {
        let redirect = translated.and_then(|place| RuleName::of_rule(self.ruleset, place));
        let host = trial.at.and_then(|at| match at {
            At::Host(host) => Some(host.to_string()),
            At::Router | At::Outside(_) => None,
        });
        let finding = Finding {
            device: device.to_owned(),
            proto: trial.port.proto.to_string(),
            port: trial.port.number.get(),
            host,
            families: vec![if trial.v6 { "ipv6" } else { "ipv4" }],
            rule: RuleName::of_passage(self.ruleset, passage),
            to: redirect.is_some().then(|| destination(packet)),
            redirect,
        };
        let open = &mut self.examined.open;
        if let Some(other) = open.iter_mut().find(|other| other.is_but_for_families(&finding)) {
            // A port may be guarded twice, on the router and as a way to a host.
            other.families.extend(finding.families);
            other.families.dedup();
        } else if open.len() < FINDINGS_MAX {
            open.push(finding);
        }
    }

    /// Says what cannot be told; of iptables' extensions once for a table.
    fn doubt(&mut self, device: &str, trial: Trial, doubt: Doubt) {
        let Doubt { why, foreign, leads } = doubt;
        if self.budget == 0 {
            return;
        }
        if let Some(chain) = foreign.and_then(|chain| self.ruleset.chains.get(chain)) {
            let table = (chain.family, &*chain.table);
            if self.foreign.contains(&table) {
                return;
            }
            self.foreign.push(table);
        }
        let is = if leads && trial.at.is_none() { "leads to a guarded one" } else { "is open" };
        self.note(format!("whether {} {is} on {device} cannot be told: {why}", trial.port));
    }

    fn note(&mut self, line: String) {
        let notes = &mut self.examined.not_examined;
        if notes.len() < FINDINGS_MAX && !notes.contains(&line) {
            notes.push(line);
        }
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
