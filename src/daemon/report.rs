//! What people read of the knocks: a line for each grant, few lines for refusals, sums for junk.
//!
//! docs/logging.md promises the lines. What has a line is remembered as an event, too, so that the bounds of the
//! log are those of the events.

use std::net::IpAddr;
use std::time::Duration;

use super::budget::Budget;
use super::strangers::Strangers;
use crate::access::{Forward, Grant};
use crate::control::ring::{Event, Kind, Ring};
use crate::engine::Verdict;
use crate::knock::fwknop::fields::Fields;
use crate::reason::{Reason, Stage};
use crate::sorted::SortedMap;

/// How long junk is summed up before it is said.
const SUMMARY_AFTER: Duration = Duration::from_secs(60);

/// Characters of a refused request that are said.
const ASKED_MAX: usize = 200;

/// What is known of a refused packet besides the reason.
#[derive(Debug, Default)]
pub struct Refusal<'a> {
    /// What the engine thought of it, where it got that far.
    pub verdict: Option<&'a Verdict>,
    /// The packet's source address.
    pub knocker: Option<IpAddr>,
    /// What went wrong on the way to the door, with the system's own words.
    pub trouble: Option<String>,
}

/// Counters, events, and the budget of the log.
#[derive(Debug)]
pub struct Report {
    events: Ring,
    honoured: u64,
    refused: Vec<(Reason, u64)>,
    summed: Vec<(Reason, u32)>,
    summary_due: Option<Duration>,
    budget: Budget,
    /// That of the one-time-password page, so that its visitors take no line from those who knock.
    page_budget: Budget,
    /// That of what its operator must see, so that no visitor takes a line from it.
    trouble_budget: Budget,
    strangers: Strangers,
}

impl Report {
    /// An empty report that begins now.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self {
            events: Ring::default(),
            honoured: 0,
            refused: Reason::ALL.iter().map(|&reason| (reason, 0)).collect(),
            summed: Vec::new(),
            summary_due: None,
            budget: Budget::new(now),
            page_budget: Budget::new(now),
            trouble_budget: Budget::new(now),
            strangers: Strangers::default(),
        }
    }

    /// What happened lately.
    #[must_use]
    pub fn events(&self) -> &Ring {
        &self.events
    }

    /// Takes note of something that is not about one knock; whoever notes it has logged it.
    pub fn note(&mut self, kind: Kind, time: u64, access: Option<String>, text: String) {
        self.events.push(Event { access, text: Some(text), ..Event::new(kind, time) });
    }

    /// Knocks honoured so far.
    #[must_use]
    pub fn honoured(&self) -> u64 {
        self.honoured
    }

    /// Packets refused so far, for every reason by its code.
    #[must_use]
    pub fn refused_by_code(&self) -> SortedMap<&'static str, u64> {
        self.refused.iter().map(|(reason, count)| (reason.code(), *count)).collect()
    }

    /// Says a grant; `time` is the wall clock in Unix seconds.
    pub fn granted(&mut self, grant: &Grant, verdict: &Verdict, knocker: IpAddr, time: u64) {
        self.honoured = self.honoured.saturating_add(1);
        log::info!("{}{}, knock from {knocker}{}", granted(grant), user(verdict), besides(grant));
        self.events.push(Event {
            access: Some(grant.access.to_string()),
            user: verdict.fields.as_ref().map(|fields| fields.user.clone()),
            from: Some(knocker),
            source: Some(source(grant)),
            opened: doors(grant).into_iter().chain(command(grant)).collect(),
            timeout: Some(grant.timeout),
            ..Event::new(Kind::Grant, time)
        });
    }

    /// Says what a one-time password opened.
    pub fn let_in(&mut self, grant: &Grant, visitor: IpAddr, time: u64) {
        log::info!("{}, one-time password from {visitor}", granted(grant));
        self.events.push(Event {
            access: Some(grant.access.to_string()),
            from: Some(visitor),
            source: Some(source(grant)),
            opened: doors(grant),
            timeout: Some(grant.timeout),
            ..Event::new(Kind::Grant, time)
        });
    }

    /// Says that a user's one-time passwords are others now; whoever has stolen one may have done that.
    pub fn renewed(&mut self, section: &str, visitor: IpAddr, time: u64) {
        let line = format!("{section} has begun a new chain, one-time password from {visitor}");
        log::warn!("{line}");
        self.events.push(Event {
            access: Some(section.to_owned()),
            from: Some(visitor),
            text: Some(line),
            ..Event::new(Kind::Renew, time)
        });
    }

    /// Says that the page refused somebody; `code` is a reason's, or one of `docs/one-time-passwords.md`.
    pub fn turned_away(
        &mut self,
        section: Option<&str>,
        code: &'static str,
        why: &str,
        visitor: IpAddr,
        now: Duration,
        time: u64,
    ) {
        let unsaid = if Strangers::are_of(code) {
            if !self.strangers.is_first(code, now) {
                return;
            }
            String::new()
        } else {
            let budget = if is_trouble(code) { &mut self.trouble_budget } else { &mut self.page_budget };
            if !budget.may_say(now) {
                return;
            }
            budget.unsaid()
        };
        let name = section.unwrap_or("-");
        log::warn!("refused {name}: {code}, one-time password from {visitor}: {why}{unsaid}");
        self.events.push(Event {
            access: section.map(str::to_owned),
            from: Some(visitor),
            reason: Some(code),
            text: Some(format!("{why}{unsaid}")),
            ..Event::new(Kind::Refuse, time)
        });
    }

    /// Says or sums a refusal. A stranger's packet costs no line, except the first one after a quiet minute.
    pub fn refused(&mut self, reason: Reason, refusal: &Refusal<'_>, now: Duration, time: u64) {
        if let Some((_, count)) = self.refused.iter_mut().find(|(counted, _)| *counted == reason) {
            *count = count.saturating_add(1);
        }
        if reason.stage() <= Stage::Authentication {
            self.sum(reason, refusal.knocker, now);
        } else if self.budget.may_say(now) {
            self.say_refusal(reason, refusal, time);
        }
    }

    /// Says the refusal of a genuine knock.
    fn say_refusal(&mut self, reason: Reason, refusal: &Refusal<'_>, time: u64) {
        let access = refusal.verdict.and_then(|verdict| verdict.access.as_deref());
        let from = refusal.knocker.map(|address| format!(", knock from {address}")).unwrap_or_default();
        let user = refusal.verdict.map(user).unwrap_or_default();
        let why = refusal.trouble.as_deref().unwrap_or(reason.text());
        let unsaid = self.budget.unsaid();
        let fields = refusal.verdict.and_then(|verdict| verdict.fields.as_ref());
        let asked = fields.filter(|_| reason.stage() == Stage::Policy).map(asked);
        let wish = asked.as_ref().map(|asked| format!(" It asks for '{asked}'.")).unwrap_or_default();
        log::warn!("refused {}: {reason}{user}{from}: {why}{wish}{unsaid}", access.unwrap_or("-"));
        self.events.push(Event {
            access: access.map(str::to_owned),
            user: fields.map(|fields| fields.user.clone()),
            from: refusal.knocker,
            asked,
            reason: Some(reason.code()),
            text: Some(format!("{why}{unsaid}")),
            ..Event::new(Kind::Refuse, time)
        });
    }

    /// When a sum is to be said.
    #[must_use]
    pub fn summary_due(&self) -> Option<Duration> {
        self.summary_due.into_iter().chain(self.strangers.due()).min()
    }

    /// Says the sum where it is due.
    pub fn say_summary(&mut self, now: Duration) {
        if let Some(sum) = self.strangers.sum(now) {
            log::info!("refused one-time passwords in the last minute: {sum} more");
        }
        if self.summary_due.is_none_or(|due| now < due) {
            return;
        }
        self.summary_due = None;
        let parts: Vec<String> = self.summed.drain(..).map(|(reason, count)| format!("{reason} {count}")).collect();
        if !parts.is_empty() {
            log::info!("refused in the last minute: {}", parts.join(", "));
        }
    }

    /// Counts a stranger's packet.
    fn sum(&mut self, reason: Reason, knocker: Option<IpAddr>, now: Duration) {
        if self.summary_due.is_none() {
            self.summary_due = Some(now.saturating_add(SUMMARY_AFTER));
            let from = knocker.map(|address| format!(", packet from {address}")).unwrap_or_default();
            log::info!("refused: {reason}{from}: {} (more are summed up for a minute)", reason.text());
            return;
        }
        match self.summed.iter_mut().find(|(summed, _)| *summed == reason) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.summed.push((reason, 1)),
        }
    }
}

/// Whether a refusal by the page is about the router rather than about a visitor, or about a password that was right.
fn is_trouble(code: &str) -> bool {
    ["otp_store", "otp_busy", "otp_new_chain"].contains(&code) || code.starts_with("firewall_")
}

/// For whom a grant is; all its doors and ways have the same source.
pub(super) fn source(grant: &Grant) -> String {
    let opening = grant.openings.first().map(|opening| opening.source.to_string());
    let forward = grant.forwards.first().map(|forward| forward.source.to_string());
    let run = grant.command.as_ref().map(|run| run.source.to_string());
    opening.or(forward).or(run).unwrap_or_default()
}

/// What a grant opens, for people.
pub(super) fn doors(grant: &Grant) -> Vec<String> {
    let openings = grant.openings.iter().map(|opening| match opening.destination {
        Some(destination) => format!("{} at {destination}", opening.port),
        None => opening.port.to_string(),
    });
    openings.chain(grant.forwards.iter().map(Forward::to_string)).collect()
}

/// The command that a grant has run, for people.
fn command(grant: &Grant) -> Option<String> {
    grant.command.as_ref().map(|run| format!("command {}", run.name))
}

/// Who may reach what and how long.
fn granted(grant: &Grant) -> String {
    let (source, opened) = (source(grant), doors(grant).join(", "));
    if let Some(command) = command(grant).filter(|_| opened.is_empty()) {
        return format!("grant {}: {source} has {command} run", grant.access);
    }
    format!("grant {}: {source} may reach {opened} for {} s", grant.access, grant.timeout)
}

/// What a genuine knock asks for, as its own message says; without blanks and quotes it imitates no other part of a
/// line.
fn asked(fields: &Fields) -> String {
    let parts = [Some(&fields.message), fields.nat.as_ref()].into_iter().flatten();
    let text = parts.map(String::as_str).collect::<Vec<_>>().join(">");
    text.chars().take(ASKED_MAX).map(|c| if c.is_ascii_graphic() && c != '\'' { c } else { '?' }).collect()
}

/// What runs because a door opened, as the end of a line.
fn besides(grant: &Grant) -> String {
    let alone = grant.openings.is_empty() && grant.forwards.is_empty();
    command(grant).filter(|_| !alone).map(|command| format!(", {command} runs")).unwrap_or_default()
}

/// The user in the knock, as a part of a line; its characters are restricted by the format.
fn user(verdict: &Verdict) -> String {
    verdict.fields.as_ref().map(|fields| format!(", user '{}'", fields.user)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;
    use crate::access::{Opening, Run, Snat};
    use crate::knock::fwknop::fields::MessageType;
    use crate::knock::fwknop::keys::DigestType;
    use crate::net::Proto;

    #[test]
    fn a_grant_is_one_line_with_doors_and_ways() {
        let door = Opening { source: "192.0.2.9".parse().unwrap(), destination: None, port: "tcp/80".parse().unwrap() };
        let way = Forward {
            source: "192.0.2.9".parse().unwrap(),
            proto: Proto::Tcp,
            outside: NonZeroU16::new(2222),
            to: "192.168.1.10:22".parse().unwrap(),
            all: false,
            snat: Some(Snat::Masquerade),
        };
        let grant =
            |openings, forwards| Grant { access: "alice".into(), openings, forwards, command: None, timeout: 30 };
        let exact = Opening { destination: Some("198.51.100.1".parse().unwrap()), ..door };
        for (grant, what) in [
            (grant(vec![door], vec![]), "tcp/80"),
            (grant(vec![exact], vec![]), "tcp/80 at 198.51.100.1"),
            (grant(vec![], vec![way]), "tcp/2222 to 192.168.1.10:22 (masqueraded)"),
            (
                grant(vec![door], vec![Forward { outside: None, snat: None, all: true, ..way }]),
                "tcp/80, tcp/22 at 192.168.1.10 and all else of 192.168.1.10",
            ),
        ] {
            assert_eq!(granted(&grant), format!("grant alice: 192.0.2.9 may reach {what} for 30 s"));
        }
    }

    #[test]
    fn what_a_refused_knock_asks_for_imitates_nothing() {
        let fields = |message: &str, nat: Option<&str>| Fields {
            random: 0,
            user: "root".to_owned(),
            timestamp: 0,
            version: String::new(),
            message_type: MessageType::Access,
            message: message.to_owned(),
            nat: nat.map(str::to_owned),
            server_auth: None,
            client_timeout: None,
            digest_type: DigestType::Sha256,
        };
        assert_eq!(asked(&fields("192.0.2.1,tcp/22", None)), "192.0.2.1,tcp/22");
        assert_eq!(asked(&fields("::,tcp/22", Some("nas.lan,22"))), "::,tcp/22>nas.lan,22");
        let lie = "1.1.1.1,x', knock from 9.9.9.9\n\u{1b}é";
        assert_eq!(asked(&fields(lie, None)), "1.1.1.1,x?,?knock?from?9.9.9.9???");
        assert_eq!(asked(&fields(&"x".repeat(1000), None)).len(), ASKED_MAX);
    }

    #[test]
    fn a_command_is_nothing_to_reach() {
        let door = Opening { source: "192.0.2.9".parse().unwrap(), destination: None, port: "tcp/22".parse().unwrap() };
        let grant = |openings| Grant {
            access: "alice".into(),
            openings,
            forwards: vec![],
            command: Some(Run { source: "192.0.2.9".parse().unwrap(), name: "env".to_owned() }),
            timeout: 3,
        };
        let lines = |grant: &Grant| (granted(grant), besides(grant));
        let asked_for = ("grant alice: 192.0.2.9 has command env run".to_owned(), String::new());
        assert_eq!(lines(&grant(vec![])), asked_for);
        let on_open = ("grant alice: 192.0.2.9 may reach tcp/22 for 3 s".to_owned(), ", command env runs".to_owned());
        assert_eq!(lines(&grant(vec![door])), on_open);
    }

    #[test]
    fn no_flood_of_visitors_takes_the_lines_of_trouble() {
        let (mut report, now) = (Report::new(Duration::ZERO), Duration::from_secs(1));
        let visitor = "192.0.2.9".parse().unwrap();
        for _ in 0..10_000 {
            report.turned_away(None, "otp_unknown_user", "x", visitor, now, 1);
            report.turned_away(Some("alice"), "otp_mismatch", "x", visitor, now, 1);
        }
        assert_eq!(report.events().next(), 2, "the first of each");
        report.turned_away(Some("alice"), "address_forbidden", "x", visitor, now, 1);
        assert_eq!(report.events().next(), 3);
        for _ in 0..10_000 {
            report.turned_away(Some("alice"), "otp_source", "x", visitor, now, 1);
        }
        assert_eq!(report.events().next(), 12);
        for code in ["otp_store", "otp_busy", "firewall_missing", "otp_new_chain"] {
            report.turned_away(Some("alice"), code, "x", visitor, now, 1);
        }
        assert_eq!((report.events().next(), report.summary_due()), (16, Some(Duration::from_secs(61))));
        report.say_summary(Duration::from_secs(61));
        assert_eq!(report.summary_due(), None);
        report.turned_away(None, "otp_unknown_user", "x", visitor, Duration::from_secs(62), 1);
        assert_eq!(report.events().next(), 17);
    }

    #[test]
    fn junk_is_summed_and_idleness_needs_no_timer() {
        let mut report = Report::new(Duration::ZERO);
        assert_eq!(report.summary_due(), None);
        for _ in 0..1_000_000 {
            report.refused(Reason::Hmac, &Refusal::default(), Duration::from_secs(1), 1);
        }
        assert_eq!(report.summed, [(Reason::Hmac, 999_999)]);
        assert_eq!(["hmac", "size"].map(|code| *report.refused_by_code().get(code).unwrap()), [1_000_000, 0]);
        assert_eq!(report.events().next(), 0, "junk is no event");
        report.say_summary(Duration::from_secs(60));
        assert_eq!(report.summed.len(), 1);
        report.say_summary(Duration::from_secs(61));
        assert_eq!((report.summed.len(), report.summary_due()), (0, None));
    }
}
