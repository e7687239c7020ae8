//! The living ruleset as the kernel dumps it: base chains, the chains they call, rules as they are.

use std::num::NonZeroU16;
use std::ops::ControlFlow;

use rustix::io::Errno;

use super::Unseen;
use super::expression::extension;
use super::numbers::{DORMANT, INET, IPV4, IPV6, attr as own, entry, header, hook};
use crate::firewall::numbers::{DUMP, attr, kind};
use crate::firewall::socket::{Asked, Requests};
use crate::firewall::standalone::{self, Guard};
use crate::firewall::wire::{Attributes, Messages, Writer};
use crate::limits::{RULE_BYTES_MAX, RULES_MAX, TRANSLATED_PORTS_MAX};
use crate::sorted::once_each;

/// How often a dump is begun anew because the ruleset changed meanwhile.
const TRIES: usize = 4;
/// Where nat chains of prerouting stand among the others, whatever their own priority: `NF_IP_PRI_NAT_DST`.
const NAT_PRIORITY: i32 = -100;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) handle: u64,
    /// The list of expressions, as attributes.
    pub(super) expressions: Box<[u8]>,
    pub(super) comment: Option<Box<str>>,
}

impl Rule {
    /// The destination port of a rule that translates.
    fn translated_port(&self) -> Option<NonZeroU16> {
        let (mut port, mut loaded) = (None, false);
        for (_, item) in Attributes(&self.expressions) {
            let item = Attributes(item);
            let data = item.nest(entry::DATA).unwrap_or(Attributes(&[]));
            match item.text(entry::NAME)? {
                b"payload" => loaded = number(data, 2) == Some(header::TRANSPORT) && number(data, 3) == Some(2),
                b"cmp" if loaded && number(data, 2) == Some(0) => {
                    let value = data.nest(3).and_then(|nest| nest.get(attr::DATA_VALUE))?;
                    port = NonZeroU16::new(u16::from_be_bytes(value.try_into().ok()?));
                }
                b"match" => port = extension(data).only_port().or(port),
                b"nat" | b"redir" => return port,
                b"target" if matches!(extension(data).name, b"DNAT" | b"REDIRECT" | b"NETMAP") => return port,
                _ => {}
            }
        }
        None
    }
}

/// Where a base chain hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) hook: u32,
    pub(super) priority: i32,
    /// Whether it is of type nat.
    pub(super) nat: bool,
    /// Whether its policy is drop.
    pub(super) drops: bool,
}

/// One chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) family: u8,
    pub(super) table: Box<str>,
    pub(super) name: Box<str>,
    pub(super) base: Option<Base>,
    pub(super) rules: Vec<Rule>,
}

/// All chains of the families that see IP packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ruleset {
    /// The family and name of every table that is not switched off.
    pub(super) tables: Vec<(u8, Box<str>)>,
    pub(super) chains: Vec<Chain>,
}

impl Ruleset {
    /// The chain that a rule of the chain `from` names.
    pub(super) fn find(&self, from: &Chain, name: &str) -> Option<usize> {
        let is_it = |chain: &Chain| chain.family == from.family && chain.table == from.table && *chain.name == *name;
        self.chains.iter().position(is_it)
    }

    /// The base chains that a packet meets at a hook, in this order.
    pub(super) fn at(&self, number: u32, v6: bool) -> Vec<usize> {
        let of_packet = |family| family == INET || family == if v6 { IPV6 } else { IPV4 };
        let mut found: Vec<(i32, i32, usize)> = Vec::new();
        for (index, chain) in self.chains.iter().enumerate() {
            if let Some(base) = chain.base.filter(|base| base.hook == number && of_packet(chain.family)) {
                let slot = if base.nat && number == hook::PREROUTING { NAT_PRIORITY } else { base.priority };
                found.push((slot, base.priority, index));
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(.., index)| index).collect()
    }

    /// The ports by which rules choose what they translate, as far as a rule names a single one.
    pub(super) fn translated_ports(&self) -> Vec<NonZeroU16> {
        let rules = self.chains.iter().flat_map(|chain| &chain.rules);
        let mut ports = rules.filter_map(Rule::translated_port).take(TRANSLATED_PORTS_MAX).collect();
        once_each(&mut ports);
        ports
    }

    /// The same with the guard that a configuration makes, instead of one that is there.
    pub(super) fn with(mut self, guard: &Guard) -> Self {
        self.chains.retain(|chain| chain.family != INET || *chain.table != *standalone::TABLE);
        let mut reading = Reading { ruleset: self, ..Reading::default() };
        for message in Messages(standalone::batch(guard, 0).finish().bytes()) {
            match message.netfilter() {
                Some((family, attributes)) if message.kind == kind::NEW_CHAIN => reading.chain(family, attributes),
                Some((family, attributes)) if message.kind == kind::NEW_RULE => reading.rule(family, attributes),
                _ => None,
            };
        }
        reading.ruleset
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// Why it cannot be examined, for people.
    pub(super) fn read(requests: &mut Requests) -> Result<Self, Unseen> {
        for _ in 0..TRIES {
            let mut reading = Reading::default();
            let whole = reading.dump(requests, kind::GET_TABLE)?
                && reading.dump(requests, kind::GET_CHAIN)?
                && reading.dump(requests, kind::GET_RULE)?;
            if reading.rules > RULES_MAX || reading.bytes > RULE_BYTES_MAX {
                return Err(Unseen::Large);
            }
            if whole {
                return Ok(reading.ruleset);
            }
        }
        Err(Unseen::Moving)
    }
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    ruleset: Ruleset,
    dormant: Vec<(u8, Box<str>)>,
    rules: usize,
    bytes: usize,
    /// Where the last rule went: rules come chain by chain.
    last: usize,
}

impl Reading {
    /// Reads all entries of one kind; whether they are of one moment.
    fn dump(&mut self, requests: &mut Requests, kind: u16) -> Result<bool, Unseen> {
        let asked = requests.exchange_until(
            kind,
            DUMP,
            0,
            |_: &mut Writer| (),
            |family, answer, attributes| {
                if [INET, IPV4, IPV6].contains(&family) {
                    match answer {
                        kind::NEW_TABLE => self.table(family, attributes),
                        kind::NEW_CHAIN => self.chain(family, attributes),
                        kind::NEW_RULE => self.rule(family, attributes),
                        _ => None,
                    };
                }
                let full = self.rules > RULES_MAX || self.bytes > RULE_BYTES_MAX;
                if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        match asked {
            Ok(asked) => Ok(asked != Asked::Interrupted),
            Err(Errno::PERM | Errno::ACCESS) => Err(Unseen::Denied),
            Err(errno) => Err(Unseen::Kernel(errno)),
        }
    }

    fn table(&mut self, family: u8, attributes: Attributes<'_>) -> Option<()> {
        let is_dormant = number(attributes, attr::TABLE_FLAGS)? & DORMANT != 0;
        let list = if is_dormant { &mut self.dormant } else { &mut self.ruleset.tables };
        list.push((family, text(attributes, attr::TABLE)?));
        Some(())
    }

    fn chain(&mut self, family: u8, attributes: Attributes<'_>) -> Option<()> {
        let table = text(attributes, attr::TABLE)?;
        if self.dormant.iter().any(|(dormant, name)| *dormant == family && *name == table) {
            return None;
        }
        let base = attributes.nest(attr::CHAIN_HOOK).and_then(|nest| {
            Some(Base {
                hook: number(nest, attr::HOOK_NUMBER)?,
                priority: i32::from_be_bytes(nest.get(attr::HOOK_PRIORITY)?.try_into().ok()?),
                nat: attributes.text(attr::CHAIN_TYPE) == Some(b"nat"),
                drops: number(attributes, attr::CHAIN_POLICY) == Some(0),
            })
        });
        let name = text(attributes, attr::CHAIN_NAME)?;
        self.ruleset.chains.push(Chain { family, table, name, base, rules: Vec::new() });
        Some(())
    }

    fn rule(&mut self, family: u8, attributes: Attributes<'_>) -> Option<()> {
        let (table, name) = (attributes.text(attr::TABLE)?, attributes.text(attr::RULE_CHAIN)?);
        let is_it =
            |chain: &Chain| chain.family == family && chain.table.as_bytes() == table && chain.name.as_bytes() == name;
        if !self.ruleset.chains.get(self.last).is_some_and(is_it) {
            self.last = self.ruleset.chains.iter().position(is_it)?;
        }
        let expressions = attributes.get(attr::RULE_EXPRESSIONS).unwrap_or_default();
        self.rules += 1;
        self.bytes += expressions.len();
        self.ruleset.chains.get_mut(self.last)?.rules.push(Rule {
            // One that is only planned has none yet.
            handle: attributes.u64(own::RULE_HANDLE).unwrap_or_default(),
            expressions: expressions.into(),
            comment: attributes.get(own::RULE_USERDATA).and_then(comment),
        });
        Some(())
    }
}

/// A number of four bytes in network order.
pub(super) fn number(attributes: Attributes<'_>, kind: u16) -> Option<u32> {
    Some(u32::from_be_bytes(attributes.get(kind)?.try_into().ok()?))
}

/// A name as text.
pub(super) fn text(attributes: Attributes<'_>, kind: u16) -> Option<Box<str>> {
    Some(String::from_utf8_lossy(attributes.text(kind)?).into())
}

/// The comment in nft's user data: entries of type, length and value, the comment being type 0. Somebody else wrote
/// it, so that what could pass for another line or a terminal's command is left out.
fn comment(mut data: &[u8]) -> Option<Box<str>> {
    while let Some((&[kind, length], rest)) = data.split_first_chunk::<2>() {
        let (value, rest) = rest.split_at_checked(length.into())?;
        if kind == 0 {
            let value = value.strip_suffix(&[0]).unwrap_or(value);
            let text: String = String::from_utf8_lossy(value).chars().filter(|c| !c.is_control()).collect();
            return Some(text.into());
        }
        data = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_found_behind_other_entries_and_cut_ones_are_none() {
        let data = b"\x01\x02ab\x00\x05hi\x1b!\x00";
        assert_eq!(comment(data).as_deref(), Some("hi!"));
        for cut in 0..data.len() {
            assert_eq!(comment(&data[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn base_chains_come_by_priority_and_nat_at_its_own_place() {
        let chain = |family, hook, priority, nat| Chain {
            family,
            table: "t".into(),
            name: "c".into(),
            base: Some(Base { hook, priority, nat, drops: false }),
            rules: Vec::new(),
        };
        let chains = vec![
            chain(INET, 0, -110, false),
            chain(IPV4, 0, -300, true),
            chain(IPV6, 0, -300, false),
            chain(IPV4, 0, -150, false),
            chain(IPV4, 1, -500, false),
        ];
        let ruleset = Ruleset { chains, ..Ruleset::default() };
        assert_eq!(ruleset.at(0, false), [3, 0, 1]);
        assert_eq!(ruleset.at(0, true), [2, 0]);
        assert_eq!(ruleset.at(2, false), [0_usize; 0]);
    }
}
