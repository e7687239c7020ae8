//! A stanza of access.conf becomes a `config access` section.

use std::net::{IpAddr, Ipv4Addr};

use super::access_file::Stanza;
use super::report::Report;
use super::server::Server;
use super::text::Setting;
use super::variables::GPG;
use super::{entry, list, nat};
use crate::config::{date, printable};
use crate::knock::fwknop::keys::Secret;
use crate::net::{Port, Prefix};
use crate::uci::{Entry, Section, Value};

/// Options whose value moves over as it is: variable, option.
const SAME: [(&str, &str); 3] =
    [("MAX_FW_TIMEOUT", "max_timeout"), ("FW_ACCESS_TIMEOUT", "timeout"), ("REQUIRE_USERNAME", "require_username")];

/// The section for a stanza.
pub(super) fn section(stanza: &Stanza, name: String, server: &Server, report: &mut Report) -> Section {
    let mut entries = Vec::new();
    keys(stanza, ["KEY", "KEY_BASE64"], ["key", "key_base64"], &mut entries);
    keys(stanza, ["HMAC_KEY", "HMAC_KEY_BASE64"], ["hmac_key", "hmac_key_base64"], &mut entries);
    if let Some(digest) = stanza.last(&["HMAC_DIGEST_TYPE"]) {
        entries.push(entry("hmac_digest", &digest.text().to_ascii_lowercase()));
    }
    if let Some(mode) = stanza.last(&["ENCRYPTION_MODE"]) {
        if mode.text().eq_ignore_ascii_case("asymmetric") {
            report.problem(&mode.place, Some(&mode.name), GPG);
        }
        entries.push(entry("encryption_mode", &mode.text().to_ascii_lowercase()));
    }
    for (variable, option) in [("SOURCE", "source"), ("DESTINATION", "destination")] {
        if let Some(setting) = stanza.last(&[variable]) {
            entries.extend(networks(setting, option, report));
        }
    }
    let mut open = vec![list("open", "any")];
    if let Some(setting) = stanza.last(&["OPEN_PORTS"]) {
        open = ports(setting, "open", report);
    } else {
        report.note(
            "OPEN_PORTS",
            &format!("is missing in stanza '{name}', so its clients may open any port, as in fwknop"),
        );
    }
    let restrict = stanza.last(&["RESTRICT_PORTS"]).map(|setting| ports(setting, "restrict", report));
    let restrict = restrict.unwrap_or_default();
    entries.extend(nat::entries(stanza, &server.nat, open, &restrict, report));
    entries.extend(restrict);
    if server.match_destination {
        entries.push(entry("match_destination", "1"));
    }
    for (variable, option) in SAME {
        // 0 stands for fwknop's default, which is ours too.
        let setting = stanza
            .last(&[variable])
            .filter(|setting| option == "require_username" || setting.value.bytes().iter().any(|byte| *byte != b'0'));
        entries.extend(setting.map(|setting| entry(option, &setting.text())));
    }
    let named = stanza.last(&["REQUIRE_SOURCE_ADDRESS", "REQUIRE_SOURCE"]).is_some_and(Setting::is_yes);
    entries.push(entry("require_source_address", if named { "1" } else { "0" }));
    entries.extend(expires(stanza, report));
    Section { kind: "access".to_owned(), name: Some(name), line: 0, entries }
}

/// A key as it is; a passphrase that is no text, in base64.
fn keys(stanza: &Stanza, variables: [&str; 2], options: [&str; 2], entries: &mut Vec<Entry>) {
    for (variable, option) in variables.into_iter().zip(options) {
        let Some(setting) = stanza.last(&[variable]) else {
            continue;
        };
        let encoded = setting.value.text().is_none() && !variable.ends_with("BASE64");
        let value = if encoded {
            Value::new(Secret::new(setting.value.bytes().to_vec()).to_base64().as_bytes().to_vec())
        } else {
            setting.value.clone()
        };
        let name = if encoded { format!("{option}_base64") } else { option.to_owned() };
        entries.push(Entry { list: false, name, value, line: 0 });
    }
}

/// A list of networks; `ANY` beside others makes it everybody, as in fwknop.
fn networks(setting: &Setting, option: &str, report: &mut Report) -> Vec<Entry> {
    let text = setting.text();
    let elements = || text.split(',').map(str::trim_ascii);
    if elements().any(|element| element.eq_ignore_ascii_case("any")) {
        return vec![list(option, "any")];
    }
    let mut entries = Vec::new();
    for element in elements() {
        match network(element) {
            Ok(network) => entries.push(list(option, &network.to_string())),
            Err(problem) => {
                let text = format!("'{}': {problem}", printable(element.as_bytes()));
                report.problem(&setting.place, Some(&setting.name), text);
            }
        }
    }
    entries
}

/// An address, with a length or a dotted mask behind it.
fn network(text: &str) -> Result<Prefix, &'static str> {
    if text.starts_with('!') {
        return Err("negation is not part of fwknop");
    }
    let Some((address, mask)) = text.split_once('/').filter(|(_, mask)| mask.contains('.')) else {
        return text.parse();
    };
    let mask: Ipv4Addr = mask.parse().map_err(|_| "the mask is no mask such as 255.255.0.0")?;
    let bits = mask.to_bits();
    if bits.leading_ones() != bits.count_ones() {
        return Err("the mask has holes");
    }
    let address: Ipv4Addr = address.parse().map_err(|_| "write an IPv4 address before the mask")?;
    let length = u8::try_from(bits.count_ones()).unwrap_or(32);
    Prefix::new(IpAddr::V4(address), length).ok_or("the mask is no mask such as 255.255.0.0")
}

/// A list of ports; the protocol in any case, as in fwknop.
fn ports(setting: &Setting, option: &str, report: &mut Report) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for element in setting.text().split(',').map(str::trim_ascii) {
        match element.to_ascii_lowercase().parse::<Port>() {
            Ok(port) => {
                let entry = list(option, &port.to_string());
                if !entries.contains(&entry) {
                    entries.push(entry);
                }
            }
            Err(problem) => {
                let text = format!("'{}': {problem}", printable(element.as_bytes()));
                report.problem(&setting.place, Some(&setting.name), text);
            }
        }
    }
    entries
}

/// The end of the stanza; the last of both variables counts.
fn expires(stanza: &Stanza, report: &mut Report) -> Option<Entry> {
    let setting = stanza.last(&["ACCESS_EXPIRE", "ACCESS_EXPIRE_EPOCH"])?;
    let text = setting.text();
    let seconds = if setting.name == "ACCESS_EXPIRE" {
        report.note("ACCESS_EXPIRE", "is read as UTC here, and as local time by fwknop");
        date(&text)
    } else {
        text.parse().ok().filter(|_: &u64| text.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let Some(date) = seconds.and_then(date::format_utc) else {
        let remedy = "write MM/DD/YYYY, or Unix seconds in ACCESS_EXPIRE_EPOCH";
        report.problem(
            &setting.place,
            Some(&setting.name),
            format!("'{}' is no date; {remedy}", printable(text.as_bytes())),
        );
        return None;
    };
    Some(entry("expires", &date))
}

/// Reads `MM/DD/YYYY`; a year of two digits is one of this century.
fn date(text: &str) -> Option<u64> {
    let digits = |part: &str, most: usize| -> Option<u64> {
        let fits = (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse().ok().filter(|_| fits)
    };
    let (month, rest) = text.split_once('/')?;
    let (day, year) = rest.split_once('/')?;
    let century = match year.len() {
        2 => 2000,
        4 => 0,
        _ => return None,
    };
    date::midnight(century + digits(year, 4)?, digits(month, 2)?, digits(day, 2)?)
}
