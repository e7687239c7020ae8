//! fwknopd.conf becomes the `config spa-knockd 'main'` section.

use std::path::Path;

use super::access_file::read_file;
use super::report::{Place, Report};
use super::text::{Setting, settings};
use super::variables::NAMES;
use super::{entry, judge, list, unknown, variables};
use crate::net::parse_port;
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
    /// The option `snat` of what is forwarded.
    pub(super) snat: Option<String>,
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
    entries.extend(ports(&last, &is_yes, report));
    entries.push(entry("max_age", &max_age(&last, report)));
    entries.push(entry("firewall", "fw4"));
    if last("ENABLE_DIGEST_PERSISTENCE").is_some_and(|setting| !setting.is_yes()) {
        report.note("ENABLE_DIGEST_PERSISTENCE", "N is not imported: a knock never works twice here");
    }
    let match_destination = is_yes("ENABLE_DESTINATION_RULE");
    let nat = nat(&last, &is_yes, report);
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
    if (forwarding.is_some() || local.is_some()) && last("ENABLE_NAT_DNS").is_none() {
        report.note("ENABLE_NAT_DNS", NAMES);
    }
    let translated = either(["ENABLE_IPT_SNAT", "ENABLE_FIREWD_SNAT"]);
    let snat = translated.map(|_| last("SNAT_TRANSLATE_IP").map_or_else(|| "masquerade".to_owned(), Setting::text));
    Nat { forwarding: forwarding.is_some(), local: local.is_some(), snat }
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

/// Which ports to capture: those of the way that fwknop was told to receive packets.
fn ports<'a>(
    last: &impl Fn(&str) -> Option<&'a Setting>,
    is_yes: &impl Fn(&str) -> bool,
    report: &mut Report,
) -> Vec<Entry> {
    // Where fwknop is built without libpcap, a port for its UDP server is all that it is told.
    let told = last("ENABLE_UDP_SERVER").is_some() || last("PCAP_FILTER").is_some();
    let udp_server = is_yes("ENABLE_UDP_SERVER") || (last("UDPSERV_PORT").is_some() && !told);
    let setting = if is_yes("ENABLE_NFQ_CAPTURE") {
        last("NFQ_PORT")
    } else if udp_server {
        last("UDPSERV_PORT")
    } else {
        last("PCAP_FILTER")
    };
    let Some(setting) = setting else {
        return vec![list("port", "62201")];
    };
    let text = setting.text();
    let found = if setting.name == "PCAP_FILTER" {
        filter(&text)
    } else {
        parse_port(&text).map(|port| vec![port.to_string()]).ok_or("must be a port from 1 to 65535")
    };
    match found {
        Ok(ports) => ports.iter().map(|port| list("port", port)).collect(),
        Err(problem) => {
            report.problem(&setting.place, Some(&setting.name), problem);
            Vec::new()
        }
    }
}

/// The ports of a pcap filter: `udp port N` or `udp portrange A-B`, with `dst` or not, joined by `or`.
fn filter(text: &str) -> Result<Vec<String>, &'static str> {
    const FORM: &str =
        "only 'udp port N' and 'udp dst portrange A-B', joined by 'or', are understood; or use UDPSERV_PORT";
    let text = text.to_ascii_lowercase();
    if text.split_ascii_whitespace().any(|word| matches!(word, "tcp" | "icmp")) {
        return Err("not yet: knocks over anything but UDP");
    }
    let mut ports = Vec::new();
    for term in text.split(" or ") {
        let words: Vec<_> = term.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["udp", "port", port] | ["udp", "dst", "port", port] => {
                ports.push(parse_port(port).ok_or(FORM)?.to_string());
            }
            ["udp", "portrange", range] | ["udp", "dst", "portrange", range] => {
                let (first, last) = range.split_once('-').ok_or(FORM)?;
                let (first, last) = (parse_port(first).ok_or(FORM)?, parse_port(last).ok_or(FORM)?);
                ports.push(format!("{first}-{last}"));
            }
            _ => return Err(FORM),
        }
    }
    Ok(ports)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_ports() {
        for (text, ports) in [
            ("udp port 62201", "62201"),
            ("UDP dst port 53", "53"),
            ("udp dst portrange 10000-65535", "10000-65535"),
            ("udp port 1 or udp portrange 5-6 or udp dst port 9", "1 5-6 9"),
        ] {
            assert_eq!(filter(text).unwrap().join(" "), ports, "{text}");
        }
        for text in [
            "",
            "udp",
            "port 62201",
            "udp port 0",
            "udp port 62201 and host 1.2.3.4",
            "not udp port 1",
            "udp src port 1",
            "udp portrange 1",
        ] {
            assert!(filter(text).unwrap_err().contains("UDPSERV_PORT"), "{text}");
        }
        assert!(filter("udp port 1 or tcp port 1").unwrap_err().contains("not yet"));
    }
}
