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
}

/// Reads fwknopd.conf; without one, fwknop's defaults.
pub(super) fn read(path: Option<&Path>, report: &mut Report) -> Server {
    let mut known = Vec::new();
    let place = Place { file: path.unwrap_or(Path::new("fwknopd.conf")).display().to_string().into(), line: None };
    match path.map(read_file) {
        Some(Ok(text)) => known = sort(settings(&text, &place, report), report),
        Some(Err(error)) => report.problem(&place, None, format!("cannot be read: {error}")),
        None => {}
    }
    let last = |name: &str| known.iter().rev().find(|setting| setting.name == name);
    let is_yes = |name: &str| last(name).is_some_and(Setting::is_yes);
    let mut entries = vec![entry("enabled", "1")];
    let device = if is_yes("ENABLE_NFQ_CAPTURE") { last("NFQ_INTERFACE") } else { last("PCAP_INTF") };
    entries.push(network(device, report));
    entries.extend(transport::ways(&last, &is_yes, report));
    entries.push(entry("max_age", &max_age(&last, report)));
    entries.push(entry("firewall", "fw4"));
    if last("ENABLE_DIGEST_PERSISTENCE").is_some_and(|setting| !setting.is_yes()) {
        report.note("ENABLE_DIGEST_PERSISTENCE", "N is not imported: a knock never works twice here");
    }
    let match_destination = is_yes("ENABLE_DESTINATION_RULE");
    Server {
        section: Section { kind: "spa-knockd".to_owned(), name: Some("main".to_owned()), line: 0, entries },
        place,
        settings: known,
        match_destination,
    }
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
fn network(device: Option<&Setting>, report: &mut Report) -> Entry {
    let Some(device) = device else {
        report.note("PCAP_INTF", "is not set, so the network 'wan' is watched");
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
