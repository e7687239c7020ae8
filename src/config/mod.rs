//! What the UCI configuration means: the types that the rest of the program works with.
//!
//! ```text
//! text → uci::Section → section::Options → Main, Access → Config
//!        lines          known, once,       values in     the parts
//!                       right shape        range         agree
//! ```

mod access_section;
mod commands;
pub(crate) mod date;
mod fault;
mod key;
mod main_section;
mod nat;
pub mod options;
mod otp_section;
pub mod page_section;
mod read;
mod section;
mod transport;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::RangeInclusive;

pub use commands::{Command, Commands};
pub use fault::Fault;
pub(crate) use fault::printable;
pub(crate) use options::nearest;
pub use read::{Loaded, load, parse};

use crate::access::Snat;
use crate::capture::filter::Filter;
use crate::capture::{Datagram, Transport};
use crate::knock::fwknop::http::Http;

use crate::knock::fwknop::keys::KeySet;
use crate::limits::PACKET_MAX;
use crate::net::{Port, Prefix};

/// A whole configuration that `check` found no fault in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The `config spa-knockd` section.
    pub main: Main,
    /// The enabled `config access` sections, in file order.
    pub access: Vec<Access>,
    /// The enabled `config otp` sections, in file order; at least one where there is no access section.
    pub otp: Vec<Otp>,
    /// The `config page` section, where it is enabled.
    pub page: Option<Page>,
}

impl Config {
    /// Everything that says what may be opened: the access sections, and then what one-time passwords open.
    pub fn stanzas(&self) -> impl Iterator<Item = &Access> {
        self.access.iter().chain(self.otp.iter().map(|otp| &otp.access))
    }

    /// Whether somebody could use the page.
    #[must_use]
    pub fn has_page(&self) -> bool {
        self.page.is_some() && !self.otp.is_empty()
    }
}

/// Where the nftables sets live and who declares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirewallMode {
    /// In `table inet fw4`, declared by drop-ins of the package.
    Fw4,
    /// In `table inet spa_knockd`, which the daemon makes and keeps.
    Standalone,
}

/// The `config spa-knockd` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Main {
    /// Logical networks; the init script resolves them to devices.
    pub networks: Vec<String>,
    /// Devices to capture on.
    pub devices: Vec<String>,
    /// fw4 zones.
    pub zones: Vec<String>,
    /// Destination ports to capture.
    pub ports: Vec<RangeInclusive<u16>>,
    /// Transports to capture, without repetition; TCP is among them where HTTP is on.
    pub transports: Vec<Transport>,
    /// Which requests of HTTP are knocks, where any are.
    pub http: Option<Http>,
    /// The port of the TCP listener, where there is one.
    pub tcp_listen: Option<NonZeroU16>,
    /// How far a knock's timestamp may be from the router's clock, in seconds; 0 for a counter instead.
    pub max_age: u64,
    /// The longest life of any grant, in seconds.
    pub max_timeout: u32,
    /// Where the sets live.
    pub firewall: FirewallMode,
    /// The ports that standalone mode guards.
    pub protect: Vec<Port>,
    /// The capture ring of each device, in KiB.
    pub ring_kib: u32,
    /// What is logged.
    pub log_level: log::LevelFilter,
    /// Whether the init script starts the daemon in procd's jail, where it can.
    pub jail: bool,
}

impl Main {
    /// What is captured: what comes to the listener is heard there, and not a second time.
    #[must_use]
    pub fn filter(&self) -> Filter {
        let filter = Filter::new(&self.ports, &self.transports);
        match self.tcp_listen {
            Some(port) => filter.without_tcp(port.get()),
            None => filter,
        }
    }

    /// Whether the listener would hear this.
    #[must_use]
    pub fn listens_to(&self, datagram: &Datagram<'_>) -> bool {
        datagram.transport == Transport::Tcp
            && self.tcp_listen.is_some_and(|port| port.get() == datagram.destination_port)
            && (1..=PACKET_MAX).contains(&datagram.payload.len())
    }
}

/// What a stanza lets its holder open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    /// Whatever the client asks for.
    Any,
    /// These ports.
    Ports(Vec<Port>),
}

/// A forward that a stanza grants by itself, and forces on a knock that asks for the outside port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Through {
    /// The port that the knock asks for; any where absent.
    pub outside: Option<Port>,
    /// The service. An IPv6 one is reached at its own address and port, without translation.
    pub to: SocketAddr,
}

impl Through {
    /// Whether the forward applies to this outside port.
    #[must_use]
    pub fn is_for(&self, port: Port) -> bool {
        self.outside.is_none_or(|outside| outside == port)
    }
}

/// One `config access` section: who holds which keys, and what they may open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The section's name.
    pub name: String,
    /// The present keys, then the next ones where a rotation is under way.
    pub keys: Vec<KeySet>,
    /// Networks that may knock.
    pub source: Vec<Prefix>,
    /// Addresses that may be knocked at.
    pub destination: Vec<Prefix>,
    /// What may be opened.
    pub open: Open,
    /// What may never be opened, whatever `open` says.
    pub restrict: Vec<Port>,
    /// What is forwarded, whatever target the knock names.
    pub forward: Vec<Through>,
    /// Whether the client may name a target behind the router.
    pub allow_nat: bool,
    /// Whether the client may ask for a redirect to another port of the router itself.
    pub allow_local_nat: bool,
    /// The targets that a client may name; the networks behind the router where empty.
    pub nat_target: Vec<Prefix>,
    /// Whether the client may name the target by a host name, which is then looked up.
    pub nat_dns: bool,
    /// Whether a forward opens every protocol and port of the host.
    pub forward_all: bool,
    /// Whether forwards are not translated: the client connects to the host's own address.
    pub disable_dnat: bool,
    /// How the source of forwarded connections is translated.
    pub snat: Option<Snat>,
    /// What it may have run.
    pub commands: Commands,
    /// Whether a grant holds only towards the address knocked at.
    pub match_destination: bool,
    /// The life of a grant where the client asks for none, in seconds.
    pub timeout: u32,
    /// The longest life that a client may ask for, in seconds.
    pub max_timeout: u32,
    /// Whether the knock must name the address to open for.
    pub require_source_address: bool,
    /// The user name that the knock must carry.
    pub require_username: Option<String>,
    /// How many leading bits of an IPv4 address a grant fixes.
    pub prefix_v4: u8,
    /// How many leading bits of an IPv6 address a grant fixes.
    pub prefix_v6: u8,
    /// When the stanza ends, in Unix seconds.
    pub expires: Option<u64>,
}

/// One `config otp` section: what a one-time password of this user opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otp {
    /// What it opens, as a stanza without keys, of the section's name.
    pub access: Access,
    /// Whether the visitor may name another address than the one that the visit came from.
    pub allow_override: bool,
    /// The addresses that may be named; those outside of the router's own networks where empty.
    pub override_range: Vec<Prefix>,
    /// Whether a chain of MD4 is taken.
    pub allow_md4: bool,
    /// Whether a response may begin a new chain (RFC 2243).
    pub allow_new_chain: bool,
}

/// The `config page` section: who gets to see the page of one-time passwords, and how it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Networks from which connections without TLS are answered; a proxy's own address counts for those it makes.
    pub plain_from: Vec<Prefix>,
    /// Logical networks whose addresses the init script adds to these.
    pub plain_networks: Vec<String>,
    /// Proxies whose `X-Forwarded-For` names the visitor.
    pub proxies: Vec<Prefix>,
    /// The names and addresses under which the page is there, in the form of [`page_section::host`]; every one where
    /// empty.
    pub hosts: Vec<String>,
    /// The port of the init script's web server; `None` where another web server serves the page.
    pub port: Option<NonZeroU16>,
    /// Its port without TLS, where there is one.
    pub plain_port: Option<NonZeroU16>,
    /// The file of its certificate; `None` where the init script makes one.
    pub cert: Option<String>,
    /// The file of the certificate's key, which is there where the certificate is.
    pub key: Option<String>,
    /// The addresses at which it listens; all of the router where empty.
    pub listen: Vec<IpAddr>,
}

impl Otp {
    /// The ports that a visitor may choose from, in the order of the section.
    #[must_use]
    pub fn services(&self) -> Vec<Port> {
        let open = match &self.access.open {
            Open::Ports(ports) => ports.as_slice(),
            Open::Any => &[],
        };
        let outside = self.access.forward.iter().filter_map(|through| through.outside);
        let mut services = Vec::new();
        for port in open.iter().copied().chain(outside) {
            if !services.contains(&port) {
                services.push(port);
            }
        }
        services
    }
}
