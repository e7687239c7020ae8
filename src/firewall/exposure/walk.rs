//! The packet's way through the chains: what lets it pass, what closes, and where nobody can tell.

use std::net::IpAddr;

use super::bits::{Origin, Truth};
use super::elements::Sets;
use super::expression::{Address, Effect, Frame, Target};
use super::numbers::{hook, verdict};
use super::packet::{Packet, Way};
use super::ruleset::{Chain, Rule, Ruleset};
use crate::firewall::wire::Attributes;

/// The depth of calls that the kernel allows, `NFT_JUMP_STACK_SIZE`.
const DEPTH_MAX: usize = 16;

/// A rule, by the places of its chain and of itself.
pub(super) type Place = (usize, usize);

/// What let a packet pass a hook. The more it is about this very packet, the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Passage {
    /// There is no chain.
    Nothing,
    /// No rule closed, and the policy of this chain accepts.
    Policy(usize),
    /// This rule accepts; whether it looks at the port.
    Rule { tests_port: bool, place: Place },
}

/// How a packet fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It comes to a service.
    Through {
        /// What let it pass at the last hook.
        passage: Passage,
        /// The rule that translated it.
        translated: Option<Place>,
    },
    /// A rule or policy closes.
    Closed,
    /// This cannot be told.
    Obscure(Doubt),
}

/// Why something cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    /// For people.
    pub(super) why: String,
    /// The chain of the rule, where that is iptables-nft's.
    pub(super) foreign: Option<usize>,
    /// Whether the rule leads the packet elsewhere.
    pub(super) leads: bool,
}

/// How a chain ended.
enum End {
    /// Without a verdict, or by `return`.
    Open,
    Accept(Passage),
    Close,
    Translated(Place),
}

/// One packet's walk.
pub(super) struct Walk<'a, 's> {
    pub(super) ruleset: &'a Ruleset,
    pub(super) sets: &'a mut Sets<'s>,
    /// Where a translated packet goes.
    pub(super) way: &'a dyn Fn(IpAddr) -> Way,
    /// Rules that may still be looked at.
    pub(super) budget: &'a mut usize,
    doubt: Option<Doubt>,
    /// The first rule of this base chain's way that might have accepted.
    skipped: Option<Doubt>,
    /// Whether it translates.
    is_nat: bool,
}

impl<'a, 's> Walk<'a, 's> {
    pub(super) fn new(
        ruleset: &'a Ruleset,
        sets: &'a mut Sets<'s>,
        way: &'a dyn Fn(IpAddr) -> Way,
        budget: &'a mut usize,
    ) -> Self {
        Self { ruleset, sets, way, budget, doubt: None, skipped: None, is_nat: false }
    }

    /// Lets the packet go all its way.
    pub(super) fn go(mut self, packet: &mut Packet<'_>) -> Fate {
        let mut translated = None;
        let mut passage = self.pass(hook::PREROUTING, packet, &mut translated);
        if passage.is_some() {
            let last = if packet.way == Way::Own { hook::INPUT } else { hook::FORWARD };
            passage = self.pass(last, packet, &mut translated);
        }
        match (passage, self.doubt) {
            _ if *self.budget == 0 => {
                Fate::Obscure(Doubt { why: "the ruleset is too long a way".to_owned(), foreign: None, leads: false })
            }
            // What is closed here may be open where it might have been led to.
            (None, Some(doubt)) if doubt.leads => Fate::Obscure(doubt),
            (None, _) => Fate::Closed,
            (Some(_), Some(doubt)) => Fate::Obscure(doubt),
            (Some(passage), None) => Fate::Through { passage, translated },
        }
    }

    /// All base chains of a hook must let it pass; `None` where one closes.
    fn pass(&mut self, number: u32, packet: &mut Packet<'_>, translated: &mut Option<Place>) -> Option<Passage> {
        let mut best = Passage::Nothing;
        for index in self.ruleset.at(number, packet.v6) {
            let chain = self.ruleset.chains.get(index)?;
            let base = chain.base?;
            // A connection is translated once, and one that is not tracked never.
            if base.nat && (translated.is_some() || !packet.tracked) {
                continue;
            }
            (self.skipped, self.is_nat) = (None, base.nat);
            let passage = match self.chain(index, packet, 0) {
                End::Open if !base.drops => Passage::Policy(index),
                End::Close | End::Open => {
                    // Perhaps it was accepted before: then the other chains decide.
                    let doubt = self.skipped.take()?;
                    self.doubts(doubt);
                    continue;
                }
                End::Accept(passage) => passage,
                End::Translated(place) => {
                    *translated = Some(place);
                    continue;
                }
            };
            best = best.max(passage);
        }
        Some(best)
    }

    fn chain(&mut self, index: usize, packet: &mut Packet<'_>, depth: usize) -> End {
        let ruleset = self.ruleset;
        let Some(chain) = ruleset.chains.get(index) else { return End::Open };
        for (at, rule) in chain.rules.iter().enumerate() {
            let place = (index, at);
            *self.budget = self.budget.saturating_sub(1);
            if *self.budget == 0 {
                return End::Close;
            }
            let (effect, tests_port) = self.rule(index, rule, packet);
            let (code, target) = match effect {
                Some(Effect::Verdict(code, target)) => (code, target),
                Some(Effect::Translate(target)) => {
                    self.translate(target, packet);
                    return End::Translated(place);
                }
                _ => continue,
            };
            match code {
                verdict::ACCEPT => return End::Accept(Passage::Rule { tests_port, place }),
                verdict::CONTINUE | verdict::BREAK => {}
                verdict::RETURN => return End::Open,
                verdict::JUMP | verdict::GOTO => {
                    let called = target.and_then(|name| ruleset.find(chain, &name)).filter(|_| depth < DEPTH_MAX);
                    let Some(called) = called else { continue };
                    match self.chain(called, packet, depth + 1) {
                        End::Open if code == verdict::GOTO => return End::Open,
                        End::Open => {}
                        // The rule that chose this port says more than the one that accepts all that comes to it.
                        End::Accept(Passage::Rule { tests_port: false, .. }) if tests_port => {
                            return End::Accept(Passage::Rule { tests_port, place });
                        }
                        other => return other,
                    }
                }
                // A queue, or a drop with an error of its own.
                code if code & 0xff == 3 => return End::Accept(Passage::Rule { tests_port, place }),
                _ => return End::Close,
            }
        }
        End::Open
    }

    /// What a rule does to every stranger's packet; `None` where it does nothing, or only to some.
    fn rule(&mut self, index: usize, rule: &Rule, packet: &mut Packet<'_>) -> (Option<Effect>, bool) {
        let Some(chain) = self.ruleset.chains.get(index) else { return (None, false) };
        let mut frame = Frame::new(chain);
        let mut obscure = false;
        let mut decided = None;
        for (_, item) in Attributes(&rule.expressions) {
            match frame.step(Attributes(item), packet, self.sets) {
                Effect::Test(Truth::Yes) => {}
                Effect::Test(Truth::Unknown(Origin::Opaque)) => obscure = true,
                Effect::Test(_) => return (None, false),
                effect => {
                    decided = Some(effect);
                    break;
                }
            }
        }
        let effect = match decided {
            Some(effect) if !obscure && !matches!(effect, Effect::Opaque | Effect::Led) => {
                return (Some(effect), frame.tests_port);
            }
            None | Some(Effect::Verdict(verdict::CONTINUE | verdict::BREAK, _)) => return (None, false),
            Some(effect) => effect,
        };
        let why = if frame.is_foreign {
            format!("{} of iptables-nft is not understood", said(chain, rule))
        } else {
            format!("what the {} does is not understood", said(chain, rule))
        };
        let calls = matches!(effect, Effect::Verdict(verdict::JUMP | verdict::GOTO, _));
        let leads = matches!(effect, Effect::Led | Effect::Translate(_)) || calls && self.is_nat && frame.is_foreign;
        let doubt = Doubt { why, foreign: frame.is_foreign.then_some(index), leads };
        match effect {
            // What accepts some is not for everybody; what closes, calls or leads elsewhere might be. Only of
            // iptables' extensions it is as likely as not that all are meant.
            Effect::Verdict(verdict::ACCEPT, _) if !frame.is_foreign => {}
            Effect::Verdict(code, _) if frame.is_foreign && code != verdict::DROP => {
                self.skipped.get_or_insert_with(|| doubt.clone());
                if code != verdict::ACCEPT {
                    self.doubts(doubt);
                }
            }
            _ => self.doubts(doubt),
        }
        (None, false)
    }

    /// Keeps the first doubt, unless another is about where the packet is led to.
    fn doubts(&mut self, doubt: Doubt) {
        if self.doubt.as_ref().is_none_or(|known| doubt.leads && !known.leads) {
            self.doubt = Some(doubt);
        }
    }

    fn translate(&mut self, target: Target, packet: &mut Packet<'_>) {
        packet.translated = true;
        if let Some(port) = target.port {
            packet.port.number = port;
        }
        match target.address {
            Address::Same => {}
            Address::Own => (packet.destination, packet.way) = (None, Way::Own),
            Address::To(address) => {
                packet.destination = Some(address);
                packet.way = (self.way)(address);
            }
        }
    }
}

/// A rule for people.
pub(super) fn said(chain: &Chain, rule: &Rule) -> String {
    let comment = rule.comment.as_deref().map(|comment| format!("\"{comment}\" ")).unwrap_or_default();
    format!("rule {comment}({} {} {}, handle {})", family(chain.family), chain.table, chain.name, rule.handle)
}

/// A family of tables as nft writes it.
pub(super) fn family(number: u8) -> &'static str {
    match number {
        super::numbers::IPV4 => "ip",
        super::numbers::IPV6 => "ip6",
        _ => "inet",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::elements::{Data, Element, Name, Set};
    use super::super::ruleset::Base;
    use super::*;
    use crate::firewall::wire::Writer;

    const ACCEPT: u32 = 1;
    const JUMP: u32 = u32::MAX - 2;

    /// An expression of a rule by hand.
    type Make<'a> = &'a dyn Fn(&mut Writer);

    fn expression(writer: &mut Writer, name: &str, data: impl FnOnce(&mut Writer)) {
        writer.nest(1, |writer| {
            writer.text(1, name);
            writer.nest(2, data);
        });
    }

    fn verdict(writer: &mut Writer, code: u32, chain: Option<&str>) {
        expression(writer, "immediate", |writer| {
            writer.u32(1, 0);
            writer.nest(2, |writer| {
                writer.nest(2, |writer| {
                    writer.u32(1, code);
                    if let Some(chain) = chain {
                        writer.text(2, chain);
                    }
                });
            });
        });
    }

    fn port(writer: &mut Writer, port: u16) {
        expression(writer, "payload", |writer| {
            for (kind, value) in (1..).zip([1, 2, 2, 2]) {
                writer.u32(kind, value);
            }
        });
        expression(writer, "cmp", |writer| {
            writer.u32(1, 1);
            writer.u32(2, 0);
            writer.nest(3, |writer| writer.attribute(1, &port.to_be_bytes()));
        });
    }

    fn look_up(writer: &mut Writer, set: &str, to: Option<u32>) {
        expression(writer, "lookup", |writer| {
            writer.text(1, set);
            writer.u32(2, 1);
            if let Some(to) = to {
                writer.u32(3, to);
            }
        });
    }

    fn rule(parts: &[Make<'_>]) -> Rule {
        let mut writer = Writer::default();
        parts.iter().for_each(|part| part(&mut writer));
        Rule { handle: 7, expressions: writer.bytes().into(), comment: None }
    }

    fn chain(name: &str, drops: Option<bool>, rules: Vec<Rule>) -> Chain {
        let base = drops.map(|drops| Base { hook: hook::INPUT, priority: 0, nat: false, drops });
        Chain { family: 1, table: "t".into(), name: name.into(), base, rules }
    }

    /// What becomes of a packet to TCP 22; sets are named by their only element's port.
    fn fate(chains: Vec<Chain>, budget: usize) -> Fate {
        let ruleset = Ruleset { chains, ..Ruleset::default() };
        let mut read = |name: &Name| {
            let key = name.2.parse::<u16>().ok()?.to_be_bytes().to_vec();
            let data = Data::Verdict(ACCEPT, None);
            let elements = vec![Element { key, last: None, flags: 0, data }];
            Some(Set { key_length: 2, elements, ..Set::default() })
        };
        let mut sets = Sets::new(&mut read);
        let mut packet = Packet::new(Some(("wan", None)), "tcp/22".parse().unwrap(), false, None, Way::Own);
        let mut budget = budget;
        Walk::new(&ruleset, &mut sets, &|_| Way::Unknown, &mut budget).go(&mut packet)
    }

    fn input(rules: &[&[Make<'_>]]) -> Fate {
        fate(vec![chain("in", Some(true), rules.iter().map(|parts| rule(parts)).collect())], 1_000)
    }

    fn by(tests_port: bool, place: Place) -> Fate {
        Fate::Through { passage: Passage::Rule { tests_port, place }, translated: None }
    }

    const YES: Make<'static> = &|writer| verdict(writer, ACCEPT, None);
    const NO: Make<'static> = &|writer| verdict(writer, 0, None);
    const SSH: Make<'static> = &|writer| port(writer, 22);
    const WEB: Make<'static> = &|writer| port(writer, 80);
    /// An extension of iptables.
    const FOREIGN: Make<'static> = &|writer| expression(writer, "match", |writer| writer.text(1, "conntrack"));
    const REMARK: Make<'static> = &|writer| expression(writer, "match", |writer| writer.text(1, "comment"));
    const TARGET: Make<'static> = &|writer| expression(writer, "target", |writer| writer.text(1, "REJECT"));
    const STRANGE: Make<'static> = &|writer| expression(writer, "target", |writer| writer.text(1, "STEAL"));
    const COUNT: Make<'static> = &|writer| expression(writer, "counter", |_| ());
    const SOCKET: Make<'static> = &|writer| expression(writer, "socket", |_| ());

    #[test]
    fn a_rule_accepts_only_as_far_as_all_of_it_holds() {
        assert_eq!(input(&[&[SSH, YES]]), by(true, (0, 0)));
        assert_eq!(input(&[&[WEB, YES], &[COUNT], &[YES]]), by(false, (0, 2)));
        assert_eq!(input(&[&[WEB, YES]]), Fate::Closed);
        assert_eq!(input(&[&[SSH, NO], &[YES]]), Fate::Closed);
        assert_eq!(input(&[&[SSH, REMARK, YES]]), by(true, (0, 0)));
        assert_eq!(input(&[&[TARGET], &[YES]]), Fate::Closed);
    }

    #[test]
    fn what_holds_for_some_neither_opens_nor_closes() {
        assert_eq!(input(&[&[SOCKET, YES]]), Fate::Closed);
        assert_eq!(input(&[&[SOCKET, NO], &[YES]]), by(false, (0, 1)));
    }

    #[test]
    fn what_is_not_understood_opens_nothing_and_leaves_doubt_where_it_might_close() {
        assert_eq!(input(&[&[FOREIGN, YES], &[SSH, YES]]), by(true, (0, 1)));
        assert_eq!(input(&[&[WEB, FOREIGN, YES]]), Fate::Closed);
        assert!(matches!(input(&[&[FOREIGN, YES]]), Fate::Obscure(_)));
        assert!(matches!(input(&[&[SSH, FOREIGN, YES], &[NO]]), Fate::Obscure(_)));
        let elsewhere: Make<'_> = &|writer| expression(writer, "target", |writer| writer.text(1, "DNAT"));
        assert!(matches!(input(&[&[SSH, elsewhere]]), Fate::Obscure(Doubt { leads: true, .. })));
        assert_eq!(input(&[&[WEB, elsewhere]]), Fate::Closed);
        for rules in [&[&[FOREIGN, NO][..], &[YES]][..], &[&[STRANGE], &[YES]], &[&[SSH, FOREIGN, NO], &[SSH, YES]]] {
            assert!(matches!(input(rules), Fate::Obscure(_)));
        }
        assert_eq!(input(&[&[FOREIGN, NO]]), Fate::Closed);
        assert_eq!(input(&[&[WEB, FOREIGN, NO], &[YES]]), by(false, (0, 1)));
    }

    #[test]
    fn sets_and_verdict_maps_decide_by_the_port() {
        let load: Make<'_> = &|writer| {
            expression(writer, "payload", |writer| {
                for (kind, value) in (1..).zip([1, 2, 2, 2]) {
                    writer.u32(kind, value);
                }
            });
        };
        let set = |name: &'static str, to| move |writer: &mut Writer| look_up(writer, name, to);
        assert_eq!(input(&[&[load, &set("22", None), YES]]), by(true, (0, 0)));
        assert_eq!(input(&[&[load, &set("80", None), YES]]), Fate::Closed);
        assert_eq!(input(&[&[load, &set("22", Some(0))]]), by(true, (0, 0)));
        assert_eq!(input(&[&[load, &set("80", Some(0))]]), Fate::Closed);
        assert_eq!(input(&[&[load, &set("unread", None), YES]]), Fate::Closed);
        assert!(matches!(input(&[&[load, &set("unread", Some(0))], &[YES]]), Fate::Obscure(_)));
    }

    #[test]
    fn calls_come_back_and_end() {
        let call = |name: &'static str| move |writer: &mut Writer| verdict(writer, JUMP, Some(name));
        let chains = |called: Vec<Rule>| {
            vec![chain("in", Some(true), vec![rule(&[&call("c")]), rule(&[SSH, YES])]), chain("c", None, called)]
        };
        assert_eq!(fate(chains(vec![]), 99), by(true, (0, 1)));
        assert_eq!(fate(chains(vec![rule(&[NO])]), 99), Fate::Closed);
        assert_eq!(fate(chains(vec![rule(&[YES])]), 99), by(false, (1, 0)));
        // The kernel refuses a ruleset that calls itself; a walk would end all the same.
        assert_eq!(fate(chains(vec![rule(&[&call("c")])]), 99), by(true, (0, 1)));
        assert!(matches!(fate(chains(vec![rule(&[&call("c")])]), 9), Fate::Obscure(_)));
        assert_eq!(fate(vec![chain("in", Some(true), vec![rule(&[&call("gone")])])], 99), Fate::Closed);
        assert_eq!(
            fate(vec![chain("in", Some(false), vec![])], 99),
            Fate::Through { passage: Passage::Policy(0), translated: None }
        );
        let none = Fate::Through { passage: Passage::Nothing, translated: None };
        assert_eq!(fate(Vec::new(), 99), none);
    }

    #[test]
    fn a_cut_rule_opens_nothing() {
        let whole = rule(&[WEB, YES]);
        for cut in 0..whole.expressions.len() {
            let rule = Rule { expressions: whole.expressions[..cut].into(), ..whole.clone() };
            assert_eq!(fate(vec![chain("in", Some(true), vec![rule])], 99), Fate::Closed, "{cut}");
        }
    }

    proptest! {
        #[test]
        fn junk_in_a_rule_is_survived(at in 0_usize..200, junk in proptest::collection::vec(any::<u8>(), 1..40)) {
            let mut bytes = rule(&[SSH, COUNT, FOREIGN, YES]).expressions.to_vec();
            let at = at % bytes.len();
            bytes.splice(at.., junk);
            let rule = Rule { handle: 7, expressions: bytes.into(), comment: None };
            let fate = fate(vec![chain("in", Some(true), vec![rule])], 99);
            prop_assert!(!matches!(fate, Fate::Through { .. }), "{fate:?}");
        }
    }
}
