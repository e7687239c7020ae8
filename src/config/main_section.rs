//! The `config spa-knockd 'main'` section: what is captured, and where grants go.

use std::ops::RangeInclusive;

use super::fault::Complaint;
use super::section::Options;
use super::transport::{self, Ways};
use super::{FirewallMode, Main};
use crate::limits::{MAX_AGE_MAX, PORT_RANGES_MAX, TIMEOUT_MAX};
use crate::net::{Port, parse_port};

/// The port that fwknop's clients knock at.
const DEFAULT_PORT: u16 = 62_201;

/// Reads the section; the findings say what was wrong with it.
pub(super) fn read(options: &mut Options<'_>) -> Main {
    if !options.flag("enabled", false) {
        options.refuse(
            "enabled",
            Complaint::new("the daemon is switched off", "write option enabled '1' when the keys are in place"),
        );
    }
    let devices = options.many("device", device);
    let networks = options.many("network", identifier);
    if !options.has("device") && !options.has("network") {
        options.warn(
            "device",
            Complaint::new(
                "no device and no network is named, so the init script takes the network 'wan'",
                "name a list network, or a list device, or start run with --interface",
            ),
        );
    }
    let networks = if options.has("device") || options.has("network") { networks } else { vec!["wan".to_owned()] };
    let zones = options.many("zone", identifier);
    let mut ports = options.many("port", port_range);
    if ports.is_empty() {
        ports.push(DEFAULT_PORT..=DEFAULT_PORT);
    }
    if ports.len() > PORT_RANGES_MAX {
        options.refuse(
            "port",
            Complaint::new(format!("there are more than {PORT_RANGES_MAX} ports and ranges"), "join them to ranges"),
        );
    }
    let Ways { transports, http, tcp_listen } = transport::read(options);
    let max_age = options.number("max_age", 0..=MAX_AGE_MAX, 120, " seconds");
    if max_age == 0 && options.has("max_age") {
        options.warn(
            "max_age",
            Complaint::new(
                "knocks do not grow old; their timestamps must only rise, stanza by stanza",
                "write '120' where the router and its clients have the time",
            ),
        );
    }
    let firewall = options.one("firewall", firewall).unwrap_or(FirewallMode::Fw4);
    let protect = options.many("protect", port);
    if firewall == FirewallMode::Fw4 && options.has("protect") {
        options.warn(
            "protect",
            Complaint::new("has no effect with firewall 'fw4'", "remove it, or write option firewall 'standalone'"),
        );
    }
    Main {
        networks,
        devices,
        zones,
        ports,
        transports,
        http,
        tcp_listen,
        max_age,
        max_timeout: seconds(options, "max_timeout", 3600),
        firewall,
        protect,
        ring_kib: narrow(options.number("ring_kib", 64..=65_536, 2048, " KiB")),
        log_level: options.one("log_level", log_level).unwrap_or(log::LevelFilter::Info),
        jail: options.flag("jail", true),
    }
}

/// A life of a grant, in seconds.
pub(super) fn seconds(options: &mut Options<'_>, name: &'static str, default: u32) -> u32 {
    narrow(options.number(name, 1..=u64::from(TIMEOUT_MAX), default.into(), " seconds"))
}

/// A number that its range keeps below 2³².
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A port of a list such as `open`.
pub(super) fn port(text: &str) -> Result<Port, Complaint> {
    text.parse().map_err(|problem| {
        if text.split_once('/').is_some_and(|(_, number)| number.contains(['-', ':', ','])) {
            return Complaint::new("is more than one port", "write one port per list line, as in 'tcp/22'; no ranges");
        }
        Complaint::new(problem, "write for example 'tcp/22'")
    })
}

fn port_range(text: &str) -> Result<RangeInclusive<u16>, Complaint> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (parse_port(first), parse_port(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first.get()..=last.get()),
        _ => Err(Complaint::new(
            "must be a port from 1 to 65535, or a range of them",
            "write for example '62201' or '10000-65535'",
        )),
    }
}

fn device(text: &str) -> Result<String, Complaint> {
    let fits = text.len() < 16 && text != "." && text != "..";
    if fits && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/'\"\\`$:".contains(&byte)) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        "is no name of a network device: 1 to 15 characters, no blank, '/', ':' or quote",
        "write for example 'eth0'",
    ))
}

/// A name of netifd or fw4.
pub(super) fn identifier(text: &str) -> Result<String, Complaint> {
    if text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new("must be 1 to 32 letters, digits, '_', '.' or '-'", "write for example 'wan'"))
}

fn firewall(text: &str) -> Result<FirewallMode, Complaint> {
    match text {
        "fw4" => Ok(FirewallMode::Fw4),
        "standalone" => Ok(FirewallMode::Standalone),
        _ => Err(Complaint::new(
            "there is no such firewall",
            "write 'fw4' on OpenWrt, or 'standalone' where nothing else guards the ports",
        )),
    }
}

fn log_level(text: &str) -> Result<log::LevelFilter, Complaint> {
    match text {
        "error" => Ok(log::LevelFilter::Error),
        "warn" => Ok(log::LevelFilter::Warn),
        "info" => Ok(log::LevelFilter::Info),
        "debug" => Ok(log::LevelFilter::Debug),
        "trace" => Ok(log::LevelFilter::Trace),
        _ => Err(Complaint::new("must be error, warn, info, debug or trace", "write 'info'")),
    }
}
