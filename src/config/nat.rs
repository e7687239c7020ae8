//! The options of a stanza that are about ways through: forwards, NAT, and what they cannot stand beside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Through;
use super::access_section::without_repetition;
use super::fault::Complaint;
use super::section::Options;
use crate::access::Snat;
use crate::net::{Port, Prefix, is_forbidden, parse_port};

/// What the options say.
pub(super) struct Nat {
    pub(super) forward: Vec<Through>,
    pub(super) allow_nat: bool,
    pub(super) allow_local_nat: bool,
    pub(super) nat_target: Vec<Prefix>,
    pub(super) nat_dns: bool,
    pub(super) forward_all: bool,
    pub(super) disable_dnat: bool,
    pub(super) snat: Option<Snat>,
}

/// Reads the options; the findings say what was wrong with them.
pub(super) fn read(options: &mut Options<'_>, restrict: &[Port]) -> Nat {
    let nat = Nat {
        forward: without_repetition(options.many("forward", through)),
        allow_nat: options.flag("allow_nat", false),
        allow_local_nat: options.flag("allow_local_nat", false),
        nat_target: without_repetition(options.many("nat_target", target_network)),
        nat_dns: options.flag("nat_dns", false),
        forward_all: options.flag("forward_all", false),
        disable_dnat: options.flag("disable_dnat", false),
        snat: options.one("snat", snat),
    };
    compare(options, &nat, restrict);
    nat
}

/// What the options say about each other.
fn compare(options: &mut Options<'_>, nat: &Nat, restrict: &[Port]) {
    for (index, one) in nat.forward.iter().enumerate() {
        let outside = one.outside.map_or_else(|| "any".to_owned(), |port| port.to_string());
        let is_twin = |other: &Through| other.outside == one.outside && other.to.is_ipv4() == one.to.is_ipv4();
        if nat.forward.iter().take(index).any(is_twin) {
            let problem = format!("{outside} is forwarded to two places");
            options.refuse("forward", Complaint::new(problem, "keep one of them, or use another outside port"));
        }
        if one.outside.is_some_and(|port| restrict.contains(&port)) {
            let problem = format!("restrict forbids the outside port {outside}");
            options.refuse("forward", Complaint::new(problem, "remove it from one of the two"));
        }
    }
    let to_hosts = options.has("forward") || nat.allow_nat;
    let needs = |given: bool, has_use: bool| given && !has_use;
    for (option, useless) in [
        ("snat", needs(nat.snat.is_some(), to_hosts)),
        ("forward_all", needs(nat.forward_all, to_hosts)),
        ("disable_dnat", needs(nat.disable_dnat, to_hosts || nat.allow_local_nat)),
    ] {
        if useless {
            let remedy = "write list forward or option allow_nat '1', or remove it";
            options.refuse(option, Complaint::new("the stanza forwards nothing", remedy));
        }
    }
    if options.has("nat_target") && !nat.allow_nat {
        let remedy = "write option allow_nat '1', or remove it";
        options.warn("nat_target", Complaint::new("has no effect, because clients may name no target", remedy));
    }
    if nat.nat_dns && !nat.allow_nat && !nat.allow_local_nat {
        let remedy = "write option allow_nat '1', or remove it";
        options.warn("nat_dns", Complaint::new("has no effect, because clients may name no target", remedy));
    }
    if (nat.allow_nat || nat.allow_local_nat) && !options.has("open") && options.has("forward") {
        let option = if nat.allow_nat { "allow_nat" } else { "allow_local_nat" };
        let remedy = "name the outside ports, as in list open 'tcp/2222', or remove it";
        options.warn(option, Complaint::new("has no effect, because open names no outside port", remedy));
    }
}

/// Refuses what no set of the firewall can express: ways through are for one address, and towards every address of
/// the router.
pub(super) fn is_exact(options: &mut Options<'_>, nat: &Nat, match_destination: bool, lengths: (u8, u8)) {
    let named = nat.allow_nat || nat.allow_local_nat;
    let v4 = named || nat.forward.iter().any(|through| through.to.is_ipv4());
    let v6 = named || nat.forward.iter().any(|through| through.to.is_ipv6());
    for (option, wide) in [("prefix_v4", v4 && lengths.0 < 32), ("prefix_v6", v6 && lengths.1 < 128)] {
        if wide {
            let problem = "a forward is for one address and cannot be widened";
            options.refuse(option, Complaint::new(problem, "remove it, or move the forwards to another stanza"));
        }
    }
    if v4 && match_destination {
        let problem = "it cannot stand beside forward, allow_nat or allow_local_nat";
        let remedy = "write '0', or move the forwards to another stanza";
        options.refuse("match_destination", Complaint::new(problem, remedy));
    }
}

/// Reads `tcp/2222=192.168.1.10:22`, `any=192.168.1.10:22` or `tcp/22=[2001:db8::10]:22`.
fn through(text: &str) -> Result<Through, Complaint> {
    const EXAMPLE: &str = "write for example 'tcp/2222=192.168.1.10:22'";
    let form = |problem: &str| Complaint::new(problem.to_owned(), EXAMPLE);
    let (outside, to) = text.split_once('=').ok_or_else(|| form("has no '=' between outside port and service"))?;
    let outside = if outside == "any" { None } else { Some(outside.parse::<Port>().map_err(form)?) };
    let to = service(to).ok_or_else(|| form("the service is no address and port; names are not resolved"))?;
    if is_forbidden(to.ip()) {
        let remedy = "write the address of the host behind the router";
        return Err(Complaint::new("no host can be reached at this address", remedy));
    }
    if to.is_ipv6() && outside.is_none_or(|outside| outside.number.get() != to.port()) {
        let problem = "an IPv6 service is reached at its own port, because IPv6 is not translated";
        return Err(Complaint::new(problem, "write the same port twice, as in 'tcp/22=[2001:db8::10]:22'"));
    }
    Ok(Through { outside, to })
}

/// Reads `A.B.C.D:PORT` or `[A::B]:PORT`.
fn service(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':')?;
    let address = match host.strip_prefix('[') {
        Some(host) => IpAddr::V6(host.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?),
        None => IpAddr::V4(host.parse::<Ipv4Addr>().ok()?),
    };
    Some(SocketAddr::new(address, parse_port(port)?.get()))
}

/// A network that clients may name targets of; one that holds no host at all was not meant.
fn target_network(text: &str) -> Result<Prefix, Complaint> {
    const EXAMPLE: &str = "write a network behind the router, such as '192.168.1.0/24'";
    let network: Prefix = text.parse().map_err(|problem| Complaint::new(problem, EXAMPLE))?;
    if network.length() >= 4 && is_forbidden(network.address()) && is_forbidden(network.last()) {
        return Err(Complaint::new("no host can be reached there", EXAMPLE));
    }
    Ok(network)
}

fn snat(text: &str) -> Result<Snat, Complaint> {
    if text == "masquerade" {
        return Ok(Snat::Masquerade);
    }
    let address = text.parse::<Ipv4Addr>().ok().filter(|address| !is_forbidden(IpAddr::V4(*address)));
    address.map(Snat::Address).ok_or_else(|| {
        let remedy = "write 'masquerade', or the router's address that the host behind it knows";
        Complaint::new("is neither 'masquerade' nor an IPv4 address that a connection can come from", remedy)
    })
}
