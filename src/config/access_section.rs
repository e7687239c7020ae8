//! A `config access 'NAME'` section: who holds which keys, and what they may open.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::fault::Complaint;
use super::main_section::{port, seconds};
use super::section::Options;

use super::{Access, Open, commands, date, key, nat};
use crate::knock::fwknop::fields::is_user;
use crate::limits::USERNAME_MAX;
use crate::net::{Port, Prefix};

/// An element of a list that may also be `any`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Element<T> {
    Any,
    This(T),
}

/// Reads the section; `None` where it is switched off. The findings say what was wrong with it.
pub(super) fn read(name: &str, options: &mut Options<'_>) -> Option<Access> {
    let enabled = options.flag("enabled", true);
    let keys = key::read(options, enabled);
    let source = networks(options, "source");
    let destination = networks(options, "destination");
    let restrict = without_repetition(options.many("restrict", restricted));
    let open = open(options, &restrict, enabled);
    let nat = nat::read(options, &restrict);
    let commands = commands::read(options);
    let match_destination = options.flag("match_destination", false);
    let prefix_v4 = prefix(options, "prefix_v4", 8..=32);
    let prefix_v6 = prefix(options, "prefix_v6", 16..=128);
    if match_destination && (prefix_v4 < 32 || prefix_v6 < 128) {
        options.refuse(
            "match_destination",
            Complaint::new(
                "it cannot stand beside a prefix_v4 below 32 or a prefix_v6 below 128",
                "grant one address towards one destination, or a network towards all",
            ),
        );
    }
    nat::is_exact(options, &nat, match_destination, (prefix_v4, prefix_v6));
    let access = Access {
        name: name.to_owned(),
        keys,
        source,
        destination,
        open,
        restrict,
        forward: nat.forward,
        allow_nat: nat.allow_nat,
        allow_local_nat: nat.allow_local_nat,
        nat_target: nat.nat_target,
        nat_dns: nat.nat_dns,
        forward_all: nat.forward_all,
        disable_dnat: nat.disable_dnat,
        snat: nat.snat,
        commands,
        match_destination,
        timeout: seconds(options, "timeout", 30),
        max_timeout: seconds(options, "max_timeout", 300),
        require_source_address: options.flag("require_source_address", true),
        require_username: options.one("require_username", username),
        prefix_v4,
        prefix_v6,
        expires: options.one("expires", expires),
    };
    if enabled && access.timeout > access.max_timeout {
        options.warn(
            if options.has("timeout") { "timeout" } else { "max_timeout" },
            Complaint::new(
                format!(
                    "a client that asks for no time gets {} seconds, one that asks gets {} at most",
                    access.timeout, access.max_timeout
                ),
                "write a max_timeout that is not below timeout",
            ),
        );
    }
    enabled.then_some(access)
}

/// The ports that may be opened.
fn open(options: &mut Options<'_>, restrict: &[Port], enabled: bool) -> Open {
    let elements = options.many("open", |text| any_or(text, port));
    if elements.contains(&Element::Any) {
        alone(options, "open", elements.len());
        if enabled {
            let problem = "the holder of the keys may open every port";
            options.warn("open", Complaint::new(problem, "name the ports, as in list open 'tcp/22'"));
        }
        return Open::Any;
    }
    if enabled && !options.has("open") && !options.has("forward") && !options.has("command") {
        let remedy = "name a port, as in list open 'tcp/22', or leave the choice to the client with list open 'any'";
        options.refuse("open", Complaint::new("the stanza grants nothing", remedy));
    }
    let ports = without_repetition(elements.into_iter().filter_map(|element| match element {
        Element::Any => None,
        Element::This(port) => Some(port),
    }));
    let nothing_else = !options.has("forward") && !options.has("command");
    if nothing_else && !ports.is_empty() && ports.iter().all(|port| restrict.contains(port)) {
        let problem = "the stanza grants nothing: restrict forbids every port of open";
        options.refuse("restrict", Complaint::new(problem, "remove it, or name another port in open"));
    }
    Open::Ports(ports)
}

/// The networks of a list whose default is every address.
pub(super) fn networks(options: &mut Options<'_>, name: &'static str) -> Vec<Prefix> {
    let elements = options.many(name, |text| any_or(text, network));
    if elements.contains(&Element::Any) {
        alone(options, name, elements.len());
    }
    if elements.contains(&Element::Any) || !options.has(name) {
        let all = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        return all.into_iter().filter_map(|address| Prefix::new(address, 0)).collect();
    }
    without_repetition(elements.into_iter().filter_map(|element| match element {
        Element::Any => None,
        Element::This(network) => Some(network),
    }))
}

/// Complains about `any` beside other values: one of them was meant, and it matters which.
fn alone(options: &mut Options<'_>, name: &str, count: usize) {
    if count > 1 {
        options.refuse(name, Complaint::new("'any' stands beside other values", "remove 'any' or the others"));
    }
}

fn any_or<T>(text: &str, read: fn(&str) -> Result<T, Complaint>) -> Result<Element<T>, Complaint> {
    if text == "any" { Ok(Element::Any) } else { read(text).map(Element::This) }
}

pub(super) fn network(text: &str) -> Result<Prefix, Complaint> {
    if text.starts_with('!') {
        return Err(Complaint::new("there is no negation", "name the networks that may knock"));
    }
    let network: Prefix = text
        .parse()
        .map_err(|problem| Complaint::new(problem, "write for example 'any', '203.0.113.0/24' or '2001:db8::/32'"))?;
    match network.address() {
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => Err(Complaint::new(
            "is IPv4 in the dress of IPv6, which no packet wears",
            "write the IPv4 network, for example '203.0.113.0/24'",
        )),
        _ => Ok(network),
    }
}

fn restricted(text: &str) -> Result<Port, Complaint> {
    if text == "any" {
        return Err(Complaint::new("would leave nothing to open", "name the ports, or remove the stanza"));
    }
    port(text)
}

/// How many leading bits a grant fixes. Wider than an operator's network would be nearly everybody.
pub(super) fn prefix(options: &mut Options<'_>, name: &'static str, range: RangeInclusive<u8>) -> u8 {
    let range_wide = u64::from(*range.start())..=u64::from(*range.end());
    let number = options.number(
        name,
        range_wide,
        (*range.end()).into(),
        ", because a wider grant would let nearly everybody in",
    );
    u8::try_from(number).unwrap_or(*range.end())
}

fn username(text: &str) -> Result<String, Complaint> {
    if text.len() > USERNAME_MAX {
        return Err(Complaint::new(
            format!("is longer than {USERNAME_MAX} bytes, which no packet can carry"),
            "write the user name that the client sends",
        ));
    }
    if !is_user(text) {
        return Err(Complaint::new(
            r#"has a character that no packet can carry: one of " / \ [ ] : ; | = , + * ? < >, or none of ASCII's"#,
            "write the user name that the client sends",
        ));
    }
    Ok(text.to_owned())
}

pub(super) fn expires(text: &str) -> Result<u64, Complaint> {
    date::parse_utc(text).ok_or_else(|| {
        Complaint::new(
            "is no date in UTC",
            "write '2030-12-31', when the stanza ends as that day begins, or '2030-12-31T18:00:00Z'",
        )
    })
}

pub(super) fn without_repetition<T: PartialEq>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}
