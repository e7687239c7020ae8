//! fwknopd.conf becomes the `config spa-knockd 'main'` section.

use std::path::Path;

use super::access_file::read_file;
use super::report::{Place, Report};
use super::text::{Setting, settings};
use super::{entry, judge, list, transport, unknown, variables};
use crate::uci::{Entry, Section};

/// The main section, and what it says about the stanzas.
pub(super) struct Server {
    /// `config spa-knockd 'main'`, without `max_timeout`.
    pub(super) section: Section,
    /// The file.
    pub(super) place: Place,
    /// Its variables that are honoured, in file order.
    pub(super) settings: Vec<Setting>,
    /// Whether a grant holds only towards the address knocked at.
    pub(super) match_destination: bool,
    /// What it allows of NAT.
    pub(super) nat: Nat,
}

/// NAT that every stanza is allowed.
#[derive(Default)]
pub(super) struct Nat {
    /// Whether clients may name a host behind the router.
    pub(super) forwarding: bool,
    /// Whether clients may name another port of the router itself.
    pub(super) local: bool,
    /// Whether they may name it by a host name; Y is fwknop's default.
    pub(super) names: bool,
    /// The option `snat` of what is forwarded.
    pub(super) snat: Option<String>,
}

/// The variables of fwknopd.conf, and the file; without one, fwknop's defaults count.
pub(super) fn read(path: Option<&Path>, report: &mut Report) -> (Vec<Setting>, Place) {
    let mut lines = Vec::new();
    let place = Place { file: path.unwrap_or(Path::new("fwknopd.conf")).display().to_string().into(), line: None };
    match path.map(read_file) {
        Some(Ok(text)) => lines = settings(&text, &place, report),
        Some(Err(error)) => report.problem(&place, None, format!("cannot be read: {error}")),
        None => {}
    }
    (lines, place)
}

/// The main section for these variables; `network` is what OpenWrt's init script captures on.
pub(super) fn section(lines: Vec<Setting>, network: Option<Setting>, place: Place, report: &mut Report) -> Server {
    let mut known = sort(lines, report);
    let last = |name: &str| known.iter().rev().find(|setting| setting.name == name);
    let is_yes = |name: &str| last(name).is_some_and(Setting::is_yes);
    let mut entries = vec![entry("enabled", "1")];
    let queue = is_yes("ENABLE_NFQ_CAPTURE");
    let device = if queue { last("NFQ_INTERFACE") } else { last("PCAP_INTF") };
    entries.push(match &network {
        Some(network) if !queue || device.is_none() => {
            if device.is_some() {
                report.note("PCAP_INTF", "gives way to option network, as in fwknop's init script");
            }
            list("network", &network.text())
        }
        _ => capture(device, report),
    });
    entries.extend(transport::ways(&last, &is_yes, report));
    entries.push(entry("max_age", &max_age(&last, report)));
    entries.push(entry("firewall", "fw4"));
    report.note("option firewall", "is 'fw4', for OpenWrt; where there is no fw4, write 'standalone'");
    if last("ENABLE_DIGEST_PERSISTENCE").is_some_and(|setting| !setting.is_yes()) {
        report.note("ENABLE_DIGEST_PERSISTENCE", "N is not imported: a knock never works twice here");
    }
    let match_destination = is_yes("ENABLE_DESTINATION_RULE");
    let nat = nat(&last, &is_yes, report);
    known.extend(network);
    Server {
        section: Section { kind: "spa-knockd".to_owned(), name: Some("main".to_owned()), line: 0, entries },
        place,
        settings: known,
        match_destination,
        nat,
    }
}

/// What clients may ask for besides ports of the router.
fn nat<'a>(last: &impl Fn(&str) -> Option<&'a Setting>, is_yes: &impl Fn(&str) -> bool, report: &mut Report) -> Nat {
    let either = |names: [&str; 2]| names.into_iter().find(|name| is_yes(name)).map(str::to_owned);
    let forwarding = either(["ENABLE_IPT_FORWARDING", "ENABLE_FIREWD_FORWARDING"]);
    let local = either(["ENABLE_IPT_LOCAL_NAT", "ENABLE_FIREWD_LOCAL_NAT"]);
    if let Some(name) = &forwarding {
        report.note(
            name,
            "fwknop lets its clients name any host; here it must be in a network behind the router, unless the \
             stanza names others in list nat_target",
        );
    }
    if let Some(name) = &local {
        report.note(name, "the address that a client names must be one of the router's own");
    }
    let names = (forwarding.is_some() || local.is_some()) && last("ENABLE_NAT_DNS").is_none_or(Setting::is_yes);
    if names {
        report.note(
            "ENABLE_NAT_DNS",
            "host names that clients send are looked up, as by fwknop; where none does, remove option nat_dns",
        );
    }
    let translated = either(["ENABLE_IPT_SNAT", "ENABLE_FIREWD_SNAT"]);
    let snat = translated.map(|_| last("SNAT_TRANSLATE_IP").map_or_else(|| "masquerade".to_owned(), Setting::text));
    Nat { forwarding: forwarding.is_some(), local: local.is_some(), names, snat }
}

/// The variables that have an option here; the others are judged.
fn sort(settings: Vec<Setting>, report: &mut Report) -> Vec<Setting> {
    settings
        .into_iter()
        .filter(|setting| match variables::server(&setting.name) {
            Some(fate) => judge(report, setting, fate),
            None => {
                unknown(report, setting, variables::SERVER);
                false
            }
        })
        .collect()
}

/// Where to capture.
fn capture(device: Option<&Setting>, report: &mut Report) -> Entry {
    let Some(device) = device else {
        report.note(
            "PCAP_INTF",
            "is not set, so the network 'wan' is watched; except on OpenWrt, write list device in its place",
        );
        return list("network", "wan");
    };
    if device.value.bytes() == b"any" {
        report.problem(&device.place, Some(&device.name), "'any' is no device; name the one that faces the internet");
    }
    list("device", &device.text())
}

/// How old a knock may be, in seconds; fwknop's N becomes a counter instead of a window.
fn max_age<'a>(last: &impl Fn(&str) -> Option<&'a Setting>, report: &mut Report) -> String {
    if last("ENABLE_SPA_PACKET_AGING").is_some_and(|setting| !setting.is_yes()) {
        report.note(
            "ENABLE_SPA_PACKET_AGING",
            "N becomes max_age '0': the times of a stanza's knocks must rise; knock once with each stanza \
             after the change, because an old knock would open until then",
        );
        return "0".to_owned();
    }
    let Some(setting) = last("MAX_SPA_PACKET_AGE") else {
        return "120".to_owned();
    };
    let age = setting.text();
    if age.bytes().all(|byte| byte == b'0') {
        report.problem(&setting.place, Some(&setting.name), "must be 1 to 100000 seconds");
    }
    age
}
