//! How knocks may arrive: the transports that are captured, HTTP, and the TCP listener.

use std::num::NonZeroU16;

use super::fault::Complaint;
use super::section::Options;
use crate::capture::Transport;
use crate::knock::fwknop::http::Http;
use crate::net::parse_port;

/// What the options about transports say together.
pub(super) struct Ways {
    pub(super) transports: Vec<Transport>,
    pub(super) http: Option<Http>,
    pub(super) tcp_listen: Option<NonZeroU16>,
}

/// What `list transport` may name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Plain(Transport),
    Http,
}

/// Reads the options; the findings say what was wrong with them.
pub(super) fn read(options: &mut Options<'_>) -> Ways {
    let named = options.many("transport", named);
    let http = named.contains(&Named::Http);
    let mut transports: Vec<_> = named
        .iter()
        .map(|named| match named {
            Named::Plain(transport) => *transport,
            Named::Http => Transport::Tcp,
        })
        .collect();
    if transports.is_empty() {
        transports.push(Transport::Udp);
    }
    transports.sort_unstable();
    transports.dedup();
    let any_user_agent = of_http(options, "any_user_agent", http);
    let trust_forwarded_for = of_http(options, "trust_forwarded_for", http);
    if trust_forwarded_for && http {
        let problem = "no HMAC covers the header X-Forwarded-For: whoever passes a knock on, or gets hold of one before \
                       the router does, can have the port opened for an address of his choice";
        let remedy = "keep it for a proxy of your own that replaces the header, and let clients name their address";
        options.warn("trust_forwarded_for", Complaint::new(problem, remedy));
    }
    let tcp_listen = options.one("tcp_listen", listen);
    if tcp_listen.is_some() {
        let problem = "everybody who reaches the port gets a connection, so a scan sees it open and knows that \
                       something listens there";
        let remedy = "leave it out where knocks over UDP arrive, or where another server answers at a captured port";
        options.warn("tcp_listen", Complaint::new(problem, remedy));
    }
    Ways { transports, http: http.then_some(Http { any_user_agent, trust_forwarded_for }), tcp_listen }
}

/// A switch that has no meaning without HTTP.
fn of_http(options: &mut Options<'_>, name: &'static str, http: bool) -> bool {
    let on = options.flag(name, false);
    if on && !http {
        options.refuse(
            name,
            Complaint::new("it is about HTTP, which is not awaited", "write list transport 'http', or remove it"),
        );
    }
    on
}

fn named(text: &str) -> Result<Named, Complaint> {
    match text {
        "udp" => Ok(Named::Plain(Transport::Udp)),
        "tcp" => Ok(Named::Plain(Transport::Tcp)),
        "icmp" => Ok(Named::Plain(Transport::Icmp)),
        "http" => Ok(Named::Http),
        _ => Err(Complaint::new("there is no such transport", "write 'udp', 'tcp', 'icmp' or 'http'")),
    }
}

fn listen(text: &str) -> Result<NonZeroU16, Complaint> {
    parse_port(text).ok_or_else(|| Complaint::new("must be a port from 1 to 65535", "write for example '62201'"))
}
