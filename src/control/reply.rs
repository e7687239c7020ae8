//! What is answered: the fields of docs/control.md.

use std::net::IpAddr;
use std::time::Duration;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::VERSION;
use super::ring::Event;
use crate::firewall::LivingGrant;
use crate::firewall::element::Translation;
use crate::firewall::exposure::Finding;
use crate::net::Prefix;
use crate::sorted::SortedMap;

/// One line with its end.
#[must_use]
pub fn line(body: &impl Serialize) -> Vec<u8> {
    // Every reply is a struct of numbers and texts, which can always be written.
    let mut line = serde_json::to_vec(body).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The head of a reply and what was asked for.
#[derive(Debug)]
pub struct Reply<T> {
    ok: bool,
    body: T,
}

impl<T: Serialize> Reply<T> {
    /// What was asked for.
    pub fn good(body: T) -> Self {
        Self { ok: true, body }
    }

    /// Why it cannot be had.
    pub fn bad(body: T) -> Self {
        Self { ok: false, body }
    }

    /// The reply as a line.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let body = line(&self.body);
        let mut line = format!("{{\"v\":{VERSION},\"ok\":{},", self.ok).into_bytes();
        // Every body is an object with fields, which go on here. serde's own way to do that is code of 1 KB for each.
        line.extend(body.iter().skip(1));
        line
    }
}

/// Why a request was not fulfilled.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// One sentence.
    pub error: String,
    /// Every fault of a configuration that was not taken over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// Whether the configuration is good, and only a restart takes it over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
}

/// The line for a request that was not fulfilled.
#[must_use]
pub fn error(words: impl Into<String>) -> Vec<u8> {
    Reply::bad(Refused { error: words.into(), faults: Vec::new(), restart: false }).line()
}

/// How the daemon is.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The program's version.
    pub version: &'static str,
    /// Seconds since the daemon's start.
    pub uptime: u64,
    /// The configuration file.
    pub config: String,
    /// Whether a knock would be honoured.
    pub ready: bool,
    /// What stands against it.
    pub not_ready: Vec<String>,
    /// What else is missing: knocks are honoured without it.
    pub warnings: Vec<String>,
    /// The wall clock.
    pub clock: Clock,
    /// The transports, ports and devices at which knocks are awaited, for people.
    pub awaited: String,
    /// The logical networks that the configuration names, whose devices these are.
    pub networks: Vec<String>,
    /// The captures.
    pub devices: Vec<Device>,
    /// `fw4` or `standalone`.
    pub firewall: &'static str,
    /// Guarded ports that are open to everybody all the same.
    pub exposed: Vec<Exposed>,
    /// What could not be told of them, one sentence each.
    pub not_examined: Vec<String>,
    /// Enabled access stanzas.
    pub stanzas: usize,
    /// Enabled sections of one-time passwords.
    pub otp: usize,
    /// Knocks honoured since the start.
    pub honoured: u64,
    /// Packets refused since the start, by the code of the reason.
    pub refused: SortedMap<&'static str, u64>,
    /// Living elements in the sets.
    pub grants: usize,
    /// Knocks in the replay memory.
    pub remembered: usize,
    /// How many it holds.
    pub remembered_max: usize,
    /// What the process may still do.
    pub sandbox: Sandbox,
}

/// What the process may still do, as the kernel told at the end of its start.
#[derive(Clone, Debug, Serialize)]
pub struct Sandbox {
    /// The number of its user.
    pub uid: u32,
    /// The capabilities in effect, such as `net_admin`.
    pub capabilities: Vec<String>,
    /// Whether no program that it starts could have more rights.
    pub no_new_privs: bool,
    /// Whose filter of system calls is in force: `own`, `outer` (only one of whoever started it, such as procd),
    /// or `none`.
    pub seccomp: &'static str,
}

/// A guarded port that is open to everybody.
#[derive(Debug)]
pub struct Exposed(
    /// Which, and by what.
    pub Finding,
);

impl Serialize for Exposed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Finding { device, proto, port, host, families, rule, redirect, to } = &self.0;
        let mut fields = serializer.serialize_struct("Exposed", 9)?;
        fields.serialize_field("device", device)?;
        fields.serialize_field("proto", proto)?;
        fields.serialize_field("port", port)?;
        fields.serialize_field("host", host)?;
        fields.serialize_field("families", families)?;
        fields.serialize_field("rule", rule)?;
        fields.serialize_field("redirect", redirect)?;
        fields.serialize_field("to", to)?;
        // The same in one sentence, with what helps.
        fields.serialize_field("text", &self.0.to_string())?;
        fields.end()
    }
}

/// The wall clock as the daemon judges it.
#[derive(Debug, Serialize)]
pub struct Clock {
    /// Unix seconds.
    pub unix: u64,
    /// Whether it can be believed.
    pub set: bool,
    /// Why it cannot.
    pub why: Option<&'static str>,
}

/// One capture.
#[derive(Debug, Serialize)]
pub struct Device {
    /// The device.
    pub device: String,
    /// Whether it is captured on now.
    pub capturing: bool,
    /// Why not, and what helps, for people.
    pub why: Option<String>,
    /// Frames that the kernel's filter let through since the capture was opened.
    pub received: Option<u32>,
    /// Frames of these that found the ring full.
    pub dropped: Option<u32>,
}

/// A page of living grants.
#[derive(Debug, Serialize)]
pub struct Grants<'a> {
    /// How many live.
    pub total: usize,
    /// How many of the first ones were left out.
    pub skip: usize,
    /// The next ones.
    pub grants: Vec<Grant<'a>>,
}

/// One living element of a set.
#[derive(Debug, Serialize)]
pub struct Grant<'a> {
    /// The stanza.
    pub access: &'a str,
    /// Who may come in: an address, a network, or a range.
    pub source: String,
    /// The only destination.
    pub destination: Option<IpAddr>,
    /// The port, such as `tcp/22`; all protocols and ports where absent.
    pub port: Option<String>,
    /// Where a destination NAT leads, with its port, or where a source NAT seems to come from.
    pub translation: Option<String>,
    /// The nftables set.
    pub set: &'static str,
    /// Whole seconds left; absent where somebody gave the element no timeout.
    pub remaining: Option<u64>,
}

impl<'a> From<LivingGrant<'a>> for Grant<'a> {
    fn from(grant: LivingGrant<'a>) -> Self {
        let element = grant.element;
        Self {
            access: grant.access,
            source: range(element.first, element.last),
            destination: element.destination,
            port: element.port.map(|port| port.to_string()),
            translation: element.translation.map(|translation| match translation {
                Translation::Destination(to) => to.to_string(),
                Translation::Source(address) => address.to_string(),
            }),
            set: element.set.name(),
            remaining: (grant.remaining != Duration::MAX).then_some(grant.remaining.as_secs()),
        }
    }
}

/// A range of addresses the shortest way.
pub(crate) fn range(first: IpAddr, last: IpAddr) -> String {
    let mut prefixes = (0..=128).rev().filter_map(|length| Prefix::new(first, length));
    match prefixes.find(|prefix| prefix.address() == first && prefix.last() == last) {
        Some(prefix) => prefix.to_string(),
        None => format!("{first}-{last}"),
    }
}

/// What happened lately.
#[derive(Debug, Serialize)]
pub struct Events<'a> {
    /// Oldest first.
    pub events: Vec<&'a Event>,
}

/// What a follower gets for each event.
#[derive(Debug, Serialize)]
pub struct News<'a> {
    /// The protocol's version.
    pub v: u32,
    /// What happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<&'a Event>,
    /// How many events a slow follower has missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

/// The end of grants.
#[derive(Debug, Serialize)]
pub struct Revoked {
    /// How many elements were deleted.
    pub revoked: usize,
    /// How many connections were ended, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub killed: Option<usize>,
    /// Whether some may go on, or be taken up again where the inside end speaks next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumable: Option<bool>,
    /// Why, where they may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How the page of one-time passwords is.
#[derive(Debug, Default, Serialize)]
pub struct OneTime {
    /// Whether it is served.
    pub running: bool,
    /// Users whose single codes are not looked at for now, because too many were wrong.
    pub paused: Vec<Paused>,
    /// How many sources there are of which no code is looked at for now.
    pub throttled: usize,
    /// Passwords accepted since the start.
    pub accepted: u32,
    /// Attempts refused since the start.
    pub refused: u32,
}

/// A user whose single codes are not looked at.
#[derive(Debug, Serialize)]
pub struct Paused {
    /// The user.
    pub user: String,
    /// For how long still.
    pub seconds: u64,
}

/// What came of the wish to forget what strangers tried.
#[derive(Debug, Serialize)]
pub struct Forgiven {
    /// Whether there was anything that kept the user out.
    pub forgiven: bool,
}

/// A configuration that was taken over.
#[derive(Debug, Serialize)]
pub struct Reloaded {
    /// Enabled access stanzas.
    pub stanzas: usize,
    /// Enabled sections of one-time passwords.
    pub otp: usize,
    /// What to think about all the same.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_as_networks_where_they_are() {
        let range = |first: &str, last: &str| range(first.parse().unwrap(), last.parse().unwrap());
        assert_eq!(range("192.0.2.1", "192.0.2.1"), "192.0.2.1");
        assert_eq!(range("192.0.2.0", "192.0.2.255"), "192.0.2.0/24");
        assert_eq!(range("192.0.2.1", "192.0.2.255"), "192.0.2.1-192.0.2.255");
        assert_eq!(range("2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"), "2001:db8::/64");
    }

    #[test]
    fn a_refusal_is_one_line_of_json() {
        assert_eq!(error("a \"b\"\n"), b"{\"v\":1,\"ok\":false,\"error\":\"a \\\"b\\\"\\n\"}\n");
    }
}
