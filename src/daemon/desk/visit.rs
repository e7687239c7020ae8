//! Who visits the page, from where, by which name, and whether without TLS: judged before anything else.

use std::net::{IpAddr, SocketAddr};

use crate::config::{Page, page_section};
use crate::net::Prefix;
use crate::web::wire::Visit;

/// The visitor's address: the other end of the connection, or where that is one of our proxies, whom it names: the
/// last one in its header that is no proxy itself. `None` where a proxy names nobody, because its own address is not
/// the visitor's.
pub(super) fn visitor(page: &Page, visit: &Visit) -> Option<IpAddr> {
    let is_proxy = |address: IpAddr| is_in(&page.proxies, address);
    let peer = visit.peer.to_canonical();
    if !is_proxy(peer) {
        return Some(peer);
    }
    let mut farthest = None;
    for entry in visit.forwarded.as_deref()?.rsplit(',') {
        let address = named(entry.trim())?;
        if !is_proxy(address) {
            return Some(address);
        }
        farthest = Some(address);
    }
    farthest
}

/// Whether the connection is encrypted, or comes from where it need not be.
pub(super) fn is_private(page: &Page, visit: &Visit) -> bool {
    visit.tls || is_in(&page.plain_from, visit.peer.to_canonical())
}

/// Whether the page is there under the name that was asked for.
pub(super) fn is_our_host(page: &Page, visit: &Visit) -> bool {
    if page.hosts.is_empty() {
        return true;
    }
    let host = visit.host.as_deref().and_then(without_port).and_then(page_section::host);
    host.is_some_and(|host| page.hosts.contains(&host))
}

fn is_in(networks: &[Prefix], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// The address in one entry of `X-Forwarded-For`; some proxies add the port.
fn named(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().ok();
    address.or_else(|| Some(entry.parse::<SocketAddr>().ok()?.ip())).map(|address: IpAddr| address.to_canonical())
}

/// The header `Host` without its port.
fn without_port(host: &str) -> Option<&str> {
    let end =
        if host.starts_with('[') { host.find(']')?.saturating_add(1) } else { host.find(':').unwrap_or(host.len()) };
    let (name, port) = host.split_at_checked(end)?;
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn page(lines: &str) -> Page {
        let text = format!(
            "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\nconfig otp 'alice'\n\
             \tlist open 'tcp/22'\nconfig page 'page'\n\toption enabled '1'\n{lines}\n"
        );
        parse(text.as_bytes(), "test").unwrap().config.page.unwrap()
    }

    fn visit(peer: &str) -> Visit {
        Visit { peer: peer.parse().unwrap(), forwarded: None, tls: true, host: None }
    }

    #[test]
    fn only_our_proxies_name_another_visitor() {
        let page = page("\tlist proxy '127.0.0.1'\n\tlist proxy '192.168.1.0/24'");
        let seen = |peer: &str, forwarded: Option<&str>| {
            let visit = Visit { forwarded: forwarded.map(str::to_owned), ..visit(peer) };
            visitor(&page, &visit).map(|address| address.to_string())
        };
        for (peer, forwarded, wanted) in [
            ("203.0.113.2", None, Some("203.0.113.2")),
            ("::ffff:203.0.113.2", None, Some("203.0.113.2")),
            ("203.0.113.2", Some("198.51.100.7"), Some("203.0.113.2")),
            ("127.0.0.1", Some("198.51.100.7"), Some("198.51.100.7")),
            ("::ffff:127.0.0.1", Some("198.51.100.7"), Some("198.51.100.7")),
            ("127.0.0.1", Some("10.9.9.9, 198.51.100.7"), Some("198.51.100.7")),
            ("127.0.0.1", Some("198.51.100.7,192.168.1.5 , 192.168.1.6"), Some("198.51.100.7")),
            ("127.0.0.1", Some("192.168.1.9"), Some("192.168.1.9")),
            ("127.0.0.1", Some("2001:db8::9"), Some("2001:db8::9")),
            ("127.0.0.1", Some("[2001:db8::9]"), Some("2001:db8::9")),
            ("127.0.0.1", Some("[2001:db8::9]:4711"), Some("2001:db8::9")),
            ("127.0.0.1", Some("198.51.100.7:4711"), Some("198.51.100.7")),
            ("127.0.0.1", Some("198.51.100.7, unknown"), None),
            ("127.0.0.1", Some("198.51.100.7,"), None),
            ("127.0.0.1", Some(""), None),
            ("127.0.0.1", None, None),
        ] {
            assert_eq!(seen(peer, forwarded).as_deref(), wanted, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn without_tls_only_who_may() {
        let page = page("\tlist plain_from '192.168.1.0/24'");
        let plain = |peer: &str| is_private(&page, &Visit { tls: false, ..visit(peer) });
        assert!(plain("192.168.1.7") && plain("::ffff:192.168.1.7"));
        assert!(!plain("192.168.2.7") && !plain("2001:db8::1"));
        assert!(is_private(&page, &visit("203.0.113.2")));
    }

    #[test]
    fn the_name_of_the_host_counts_where_any_is_listed() {
        let named = page("\tlist host 'knock.example'\n\tlist host '2001:db8::1'");
        let ours = |page: &Page, host: Option<&str>| {
            is_our_host(page, &Visit { host: host.map(str::to_owned), ..visit("203.0.113.2") })
        };
        for host in ["knock.example", "KNOCK.example.:8443", "[2001:DB8:0::1]", "[2001:db8::1]:8443"] {
            assert!(ours(&named, Some(host)), "{host}");
        }
        for host in ["", "other.example", "knock.example.other", "knock.example:x", "2001:db8::1", "[2001:db8::1", "[]"]
        {
            assert!(!ours(&named, Some(host)), "{host}");
        }
        assert!(!ours(&named, None));
        assert!(ours(&page(""), None) && ours(&page(""), Some("whatever")));
    }
}
