//! The packet's way through the chains: what lets it pass, what closes, and where nobody can tell.

use super::bits::{Origin, Truth};
use super::elements::Sets;
use super::expression::{Address, Effect, Frame, Target};
use super::numbers::{hook, verdict};
use super::packet::{Packet, Way};
use super::ruleset::{Chain, Rule, Ruleset};
use crate::firewall::wire::Attributes;
use std::net::IpAddr;

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
    Obscure(String),
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
    doubt: Option<String>,
}

impl<'a, 's> Walk<'a, 's> {
    pub(super) fn new(
        ruleset: &'a Ruleset,
        sets: &'a mut Sets<'s>,
        way: &'a dyn Fn(IpAddr) -> Way,
        budget: &'a mut usize,
    ) -> Self {
        Self { ruleset, sets, way, budget, doubt: None }
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
            _ if *self.budget == 0 => Fate::Obscure("the ruleset is too long a way".to_owned()),
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
            let passage = match self.chain(index, packet, 0) {
                End::Close => return None,
                End::Open if base.drops => return None,
                End::Open => Passage::Policy(index),
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
            let (effect, tests_port) = self.rule(chain, rule, packet);
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
    fn rule(&mut self, chain: &Chain, rule: &Rule, packet: &mut Packet<'_>) -> (Option<Effect>, bool) {
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
            Some(Effect::Opaque) => None,
            // What accepts some is not for everybody; what closes or calls might be.
            Some(Effect::Verdict(verdict::ACCEPT | verdict::CONTINUE | verdict::BREAK, _)) if obscure => {
                return (None, false);
            }
            Some(effect) if !obscure => return (Some(effect), frame.tests_port),
            None => return (None, false),
            Some(_) => None,
        };
        let what = format!("what the {} does is not understood", said(chain, rule));
        self.doubt.get_or_insert(what);
        (effect, false)
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
