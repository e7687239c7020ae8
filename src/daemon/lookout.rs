//! Looks at the living ruleset when it has changed: a guarded port that is open to everybody is said once.

use std::time::Duration;

use super::addresses::own_addresses;
use super::door::Door;
use super::own::Routes;
use crate::config::Config;
use crate::control::ring::Kind;
use crate::firewall::Guard;
use crate::firewall::exposure::{Examined, Finding, Guarded, Surroundings, Unseen, examine, guarded, lines};

/// How long the ruleset must be quiet before it is looked at.
const QUIET: Duration = Duration::from_secs(1);
/// How long it may go on changing before it is looked at all the same; also the least time between two looks.
const PATIENCE: Duration = Duration::from_secs(5);

/// When to look, at what, and what was seen.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    devices: Vec<String>,
    guarded: Vec<Guarded>,
    due: Option<Duration>,
    /// When it must be looked at whatever still changes.
    latest: Option<Duration>,
    looked: Option<Duration>,
    /// Where knocks are heard, with the devices' numbers.
    heard: Vec<(String, Option<u32>)>,
    pub(super) seen: Examined,
}

/// What is new since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
struct News {
    warnings: Vec<String>,
    infos: Vec<String>,
}

/// Examines the ruleset of this machine; `planned` is the guard of standalone mode as a configuration makes it, where
/// that is to be looked at instead of the living one.
///
/// # Errors
/// Why it cannot be read.
pub fn examine_here(
    devices: &[String],
    guarded: &[Guarded],
    routes: &Routes,
    planned: Option<&Guard>,
) -> Result<Examined, Unseen> {
    // Without them, a rule that asks for an own address is for none.
    let own = own_addresses().unwrap_or_default();
    let surroundings =
        Surroundings { own: &own, way: &|address| routes.way(address), index: &|device| routes.index(device), planned };
    examine(devices, guarded, &surroundings)
}

impl Lookout {
    /// Takes a configuration over, to look at once.
    pub(super) fn aim(&mut self, config: &Config, devices: &[String], now: Duration) {
        self.devices = devices.to_vec();
        self.guarded = guarded(config);
        self.due = Some(now);
        // What is no longer guarded was not mended.
        let is_guarded = |one: &Finding| {
            let port = format!("{}/{}", one.proto, one.port);
            let is_named = self.guarded.iter().any(|guarded| guarded.port.to_string() == port);
            self.devices.contains(&one.device) && (is_named || one.redirect.is_some())
        };
        self.seen.open.retain(is_guarded);
    }

    /// Somebody changed the ruleset: it is looked at when it has been quiet, or has not been for long.
    pub(super) fn changed(&mut self, now: Duration) {
        let latest = *self.latest.get_or_insert(now.saturating_add(PATIENCE));
        let earliest = self.looked.map(|looked| looked.saturating_add(PATIENCE)).unwrap_or_default();
        self.due = Some(now.saturating_add(QUIET).max(earliest).min(latest.max(earliest)));
    }

    /// Knocks are heard on these devices: rules that name them may mean something else where they are others.
    pub(super) fn heard(&mut self, devices: Vec<(String, Option<u32>)>, now: Duration) {
        if self.heard != devices {
            self.heard = devices;
            self.changed(now);
        }
    }

    /// When to look.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    fn look(&mut self, now: Duration, routes: &Routes) -> News {
        (self.due, self.latest, self.looked) = (None, None, Some(now));
        let seen = examine_here(&self.devices, &self.guarded, routes, None).unwrap_or_else(|unseen| Examined {
            open: self.seen.open.clone(),
            not_examined: vec![unseen.to_string()],
            ..Examined::default()
        });
        let news = news(&self.seen, &seen);
        self.seen = seen;
        news
    }
}

/// What to say of a change; the same rule under another handle is none.
fn news(old: &Examined, new: &Examined) -> News {
    let is_in = |list: &[Finding], one: &Finding| list.iter().any(|other| other.is_like(one));
    let opened: Vec<Finding> = new.open.iter().filter(|one| !is_in(&old.open, one)).cloned().collect();
    let is_same = |one: &Finding, other: &Finding| one.what() == other.what() && one.device == other.device;
    let mended = old.open.iter().filter(|one| !new.open.iter().any(|other| is_same(one, other)));
    let mended = mended.map(|one| format!("{} is not open to everybody on {} any more", one.what(), one.device));
    let bare = |line: &str| line.replace(|letter: char| letter.is_ascii_digit(), "");
    let known: Vec<String> = old.not_examined.iter().map(|line| bare(line)).collect();
    let unseen = new.not_examined.iter().filter(|line| !known.contains(&bare(line))).cloned();
    News { warnings: lines(&opened), infos: mended.chain(unseen).collect() }
}

impl Door {
    /// Looks at the ruleset where that is due, or `at_once` where it changed, and says what is new.
    pub(super) fn look_out(&mut self, now: Duration, at_once: bool) {
        if self.lookout.due.is_none_or(|due| now < due && !at_once) {
            return;
        }
        let news = self.lookout.look(now, &self.routes);
        self.firewall.mind_sets(self.lookout.seen.sets.clone());
        for line in &news.warnings {
            log::warn!("{line}");
        }
        for line in &news.infos {
            log::info!("{line}");
        }
        for line in news.warnings.into_iter().chain(news.infos) {
            self.report.note(Kind::Firewall, self.clock.unix, None, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::exposure::RuleName;

    fn finding(port: u16, comment: &str, handle: u64) -> Finding {
        Finding {
            device: "wan".into(),
            proto: "tcp".into(),
            port,
            host: None,
            families: vec!["ipv4", "ipv6"],
            rule: Some(RuleName {
                family: "inet",
                table: "fw4".into(),
                chain: "input_wan".into(),
                handle: Some(handle),
                comment: Some(comment.into()),
            }),
            redirect: None,
            to: None,
        }
    }

    #[test]
    fn a_storm_of_changes_is_one_look_in_a_few_seconds() {
        let mut lookout = Lookout::default();
        assert_eq!(lookout.due(), None);
        let at = Duration::from_millis;
        lookout.changed(at(1_000));
        assert_eq!(lookout.due(), Some(at(2_000)));
        for now in 1..100 {
            lookout.changed(at(1_000 + now * 100));
        }
        assert_eq!(lookout.due(), Some(at(6_000)));
        (lookout.due, lookout.latest, lookout.looked) = (None, None, Some(at(6_000)));
        lookout.changed(at(6_100));
        assert_eq!(lookout.due(), Some(at(11_000)));
        lookout.changed(at(10_900));
        assert_eq!(lookout.due(), Some(at(11_100)));
    }

    #[test]
    fn only_other_devices_are_a_reason_to_look() {
        let mut lookout = Lookout::default();
        let at = Duration::from_secs;
        let wan = |index| vec![("wan".to_owned(), Some(index))];
        lookout.heard(wan(7), at(1));
        assert_eq!(lookout.due.take(), Some(at(2)));
        for second in 10..20 {
            lookout.heard(wan(7), at(second));
        }
        assert_eq!(lookout.due(), None);
        for devices in [wan(8), Vec::new(), wan(8)] {
            lookout.heard(devices, at(30));
            assert!(lookout.due.take().is_some());
        }
    }

    #[test]
    fn only_what_is_new_is_said() {
        let seen = |open: &[Finding]| Examined { open: open.to_vec(), ..Examined::default() };
        let (none, one) = (seen(&[]), seen(&[finding(22, "ssh", 7)]));
        let said = news(&none, &one);
        assert_eq!(
            said.warnings,
            ["tcp/22 is open to everybody on wan: rule \"ssh\" (inet fw4 input_wan, handle 7) accepts it; remove it, \
              or the knock guards nothing"]
        );
        assert_eq!(news(&one, &one), News::default());
        assert_eq!(news(&one, &seen(&[finding(22, "ssh", 99)])), News::default());
        let other = news(&one, &seen(&[finding(22, "other", 7)]));
        assert_eq!((other.warnings.len(), other.infos.len()), (1, 0));
        let mended = news(&one, &none);
        assert_eq!(mended.infos, ["tcp/22 is not open to everybody on wan any more"]);
        assert!(mended.warnings.is_empty());
        let bare = |port| Finding { rule: None, ..finding(port, "", 0) };
        let unfiltered = news(&none, &seen(&[bare(22), bare(80)]));
        assert_eq!(unfiltered.warnings.len(), 1);
        assert!(unfiltered.warnings[0].contains("tcp/22, tcp/80"), "{unfiltered:?}");
        let unsure = |line: &str| Examined { not_examined: vec![line.into()], ..Examined::default() };
        assert_eq!(news(&none, &unsure("handle 7")).infos, ["handle 7"]);
        assert_eq!(news(&unsure("handle 7"), &unsure("handle 12")).infos, [""; 0]);
    }
}
