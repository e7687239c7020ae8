//! A port that stands open although the knock guards it, in words and in fields.

use std::fmt;

use serde::Serialize;

use super::ruleset::{Chain, Ruleset};
use super::walk::{Passage, Place, family};

/// A rule, or the policy of a base chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RuleName {
    /// The family of the table, as nft writes it.
    pub family: &'static str,
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The rule's handle; absent for the chain's policy.
    pub handle: Option<u64>,
    /// What somebody wrote beside the rule, such as fw4's `!fw4: Allow-SSH`.
    pub comment: Option<String>,
}

/// An open port that a stanza guards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The captured device on which everybody comes in.
    pub device: String,
    /// `tcp` or `udp`.
    pub proto: String,
    /// The port that a stranger connects to.
    pub port: u16,
    /// The host behind the router whose port it is; the router where absent.
    pub host: Option<String>,
    /// `ipv4`, `ipv6`, or both.
    pub families: Vec<&'static str>,
    /// What lets everybody pass; absent where there is no chain at all.
    pub rule: Option<RuleName>,
    /// The rule by which the port leads elsewhere.
    pub redirect: Option<RuleName>,
    /// Where to.
    pub to: Option<String>,
}

impl RuleName {
    pub(super) fn of_rule(ruleset: &Ruleset, (chain, rule): Place) -> Option<Self> {
        let chain = ruleset.chains.get(chain)?;
        let rule = chain.rules.get(rule)?;
        let comment = rule.comment.as_deref().map(str::to_owned);
        Some(Self { handle: Some(rule.handle), comment, ..Self::of_chain(chain) })
    }

    fn of_chain(chain: &Chain) -> Self {
        let (table, name) = (chain.table.to_string(), chain.name.to_string());
        Self { family: family(chain.family), table, chain: name, handle: None, comment: None }
    }

    pub(super) fn of_passage(ruleset: &Ruleset, passage: Passage) -> Option<Self> {
        match passage {
            Passage::Nothing => None,
            Passage::Policy(chain) => ruleset.chains.get(chain).map(Self::of_chain),
            Passage::Rule { place, .. } => Self::of_rule(ruleset, place),
        }
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, table, chain, .. } = self;
        let Some(handle) = self.handle else { return write!(f, "the policy of chain {family} {table} {chain}") };
        f.write_str("rule ")?;
        if let Some(comment) = &self.comment {
            write!(f, "\"{comment}\" ")?;
        }
        write!(f, "({family} {table} {chain}, handle {handle})")
    }
}

impl Finding {
    /// ` over IPv4` where it is not so over both.
    fn over(&self) -> &'static str {
        match self.families.as_slice() {
            ["ipv4"] => " over IPv4",
            ["ipv6"] => " over IPv6",
            _ => "",
        }
    }

    /// The port, and whose it is.
    #[must_use]
    pub fn what(&self) -> String {
        let host = self.host.as_deref().map(|host| format!(" of {host}")).unwrap_or_default();
        format!("{}/{}{host}", self.proto, self.port)
    }

    /// Whether it is the same but for the handles of rules, which a reload gives anew.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let bare = |finding: &Self| {
            let mut bare = finding.clone();
            for rule in bare.rule.iter_mut().chain(&mut bare.redirect) {
                rule.handle = rule.handle.map(|_| 0);
            }
            bare
        };
        bare(self) == bare(other)
    }

    /// Whether it is the same but for the families.
    pub(super) fn is_but_for_families(&self, other: &Self) -> bool {
        let Self { device, proto, port, host, families: _, rule, redirect, to } = self;
        (*port, proto, device) == (other.port, &other.proto, &other.device)
            && (host, rule, redirect, to) == (&other.host, &other.rule, &other.redirect, &other.to)
    }

    /// Whether there was no chain at all that could close it.
    fn is_unfiltered(&self) -> bool {
        self.rule.is_none() && self.redirect.is_none()
    }
}

impl fmt::Display for Finding {
    /// One sentence with its remedy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, over, device) = (self.what(), self.over(), &self.device);
        let passes = match &self.rule {
            Some(rule) if rule.handle.is_some() => format!("{rule} accepts it"),
            Some(policy) => format!("no rule closes it, and {policy} is accept"),
            None => "nothing filters it".to_owned(),
        };
        if let Some(redirect) = &self.redirect {
            let to = self.to.as_deref().unwrap_or("elsewhere");
            write!(f, "{what} leads everybody on {device}{over} to {to}: {redirect} redirects it, {passes}")?;
            return f.write_str("; remove the redirect, or the knock guards nothing");
        }
        write!(f, "{what} is open to everybody on {device}{over}: {passes}")?;
        let by_rule = self.rule.as_ref().is_some_and(|rule| rule.handle.is_some());
        f.write_str(if by_rule { "; remove it" } else { "; close it" })?;
        f.write_str(", or the knock guards nothing")
    }
}

/// The lines for people: one for each finding, and a single one for all ports of a device where nothing filters.
#[must_use]
pub fn lines(findings: &[Finding]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut unfiltered: Vec<(&str, &str, Vec<String>)> = Vec::new();
    for finding in findings {
        if !finding.is_unfiltered() {
            lines.push(finding.to_string());
            continue;
        }
        let (device, over) = (finding.device.as_str(), finding.over());
        match unfiltered.iter_mut().find(|(at, by, _)| (*at, *by) == (device, over)) {
            Some((.., ports)) => ports.push(finding.what()),
            None => unfiltered.push((device, over, vec![finding.what()])),
        }
    }
    lines.extend(unfiltered.into_iter().map(|(device, over, ports)| {
        format!(
            "nothing filters what arrives on {device}{over}, no chain of any table: open to everybody: {}; the knock \
             guards nothing",
            ports.join(", ")
        )
    }));
    lines
}
