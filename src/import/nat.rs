//! Forwards and NAT of a stanza: `FORCE_NAT` and its kin, and what fwknopd.conf allows to all stanzas.

use std::net::Ipv4Addr;

use super::access_file::Stanza;
use super::report::Report;
use super::server::Nat;
use super::text::Setting;
use super::{entry, list};
use crate::config::printable;
use crate::net::parse_port;
use crate::uci::Entry;

/// Why a forward without the switch of fwknopd.conf is refused, as by fwknop.
const SWITCH: &str = "needs ENABLE_IPT_FORWARDING Y or ENABLE_IPT_LOCAL_NAT Y in fwknopd.conf, as in fwknop";

/// Replaces the `open` entries by forwards where the stanza forces them, and adds what it says about NAT.
pub(super) fn entries(
    stanza: &Stanza,
    nat: &Nat,
    open: Vec<Entry>,
    restrict: &[Entry],
    report: &mut Report,
) -> Vec<Entry> {
    let any_switch = nat.forwarding || nat.local;
    let yes = |name: &str| stanza.last(&[name]).filter(|setting| setting.is_yes());
    let force = stanza.last(&["FORCE_NAT"]);
    let mut entries = match force {
        Some(setting) => forced(setting, any_switch, open, restrict, report),
        None => open,
    };
    let to_hosts = force.is_some() || nat.forwarding;
    if force.is_none() && nat.forwarding {
        entries.push(entry("allow_nat", "1"));
    }
    if force.is_none() && nat.local {
        entries.push(entry("allow_local_nat", "1"));
    }
    if force.is_none() && nat.names {
        entries.push(entry("nat_dns", "1"));
    }
    for (variable, option, has_effect, note) in [
        (
            "FORWARD_ALL",
            "forward_all",
            to_hosts,
            "Y opens everything of the one host that is forwarded to; only the requested port is translated",
        ),
        (
            "DISABLE_DNAT",
            "disable_dnat",
            to_hosts || nat.local,
            "Y: the client reaches the host at its own port, so OPEN_PORTS and RESTRICT_PORTS judge that port too",
        ),
    ] {
        if yes(variable).is_some() {
            report.note(variable, if has_effect { note } else { "Y has no effect without NAT, as in fwknop" });
            entries.extend(has_effect.then(|| entry(option, "1")));
        }
    }
    entries.extend(snat(stanza, nat, report));
    entries
}

/// `FORCE_NAT`: a forward for each port that may be opened, or for any.
fn forced(
    setting: &Setting,
    any_switch: bool,
    open: Vec<Entry>,
    restrict: &[Entry],
    report: &mut Report,
) -> Vec<Entry> {
    if !any_switch {
        report.problem(&setting.place, Some(&setting.name), SWITCH);
    }
    let text = setting.text();
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let service = match words.as_slice() {
        [address, port] => address.parse::<Ipv4Addr>().ok().zip(parse_port(port)),
        _ => None,
    };
    let Some((address, port)) = service else {
        let problem =
            format!("'{}': write an IPv4 address and a port, as in 192.168.1.10 22", printable(text.as_bytes()));
        report.problem(&setting.place, Some(&setting.name), problem);
        return open;
    };
    let is_restricted = |entry: &Entry| restrict.iter().any(|other| other.value == entry.value);
    let outside = open.iter().filter(|entry| !is_restricted(entry)).filter_map(|entry| entry.value.text());
    let forwards: Vec<_> = outside.map(|outside| list("forward", &format!("{outside}={address}:{port}"))).collect();
    if forwards.is_empty() { open } else { forwards }
}

/// How the source of forwarded connections is translated.
fn snat(stanza: &Stanza, nat: &Nat, report: &mut Report) -> Option<Entry> {
    let force = stanza.last(&["FORCE_NAT"]).is_some();
    let masquerade = stanza.last(&["FORCE_MASQUERADE"]).filter(|setting| setting.is_yes());
    let address = stanza.last(&["FORCE_SNAT"]);
    let Some(setting) = masquerade.or(address) else {
        return nat.snat.as_ref().filter(|_| force || nat.forwarding).map(|value| entry("snat", value));
    };
    let all = stanza.last(&["FORWARD_ALL"]).is_some_and(Setting::is_yes);
    if !force && !all {
        report.problem(&setting.place, Some(&setting.name), "needs FORCE_NAT or FORWARD_ALL Y, as in fwknop");
    } else if !(nat.forwarding || nat.local && force) {
        report.problem(&setting.place, Some(&setting.name), SWITCH);
    } else if !force {
        report.note(
            &setting.name,
            "beside FORWARD_ALL and without FORCE_NAT, fwknop forwards plain requests to every host; here the client \
             names the host in a NAT request, and a plain request opens a port of the router",
        );
    }
    Some(entry("snat", &if masquerade.is_some() { "masquerade".to_owned() } else { setting.text() }))
}
