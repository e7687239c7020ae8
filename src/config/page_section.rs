//! The `config page 'page'` section: who gets to see the page of one-time passwords, and how it is served.

use std::net::IpAddr;
use std::num::NonZeroU16;

use super::Page;
use super::access_section::{network, without_repetition};
use super::fault::Complaint;
use super::main_section::identifier;
use super::section::Options;
use crate::limits::HOST_NAME_MAX;
use crate::net::{Prefix, parse_port};

/// The port of the web server where the section does not say: 8443.
const PORT: NonZeroU16 = NonZeroU16::MIN.saturating_add(8442);

/// The least port: those below are root's, and the web server is not root.
const PORT_MIN: u16 = 1_024;

/// Longest path of a certificate, in bytes: `PATH_MAX` of Linux is 4096, and nobody types that.
const PATH_MAX: usize = 255;

/// Reads the section; `None` where it is switched off. The findings say what was wrong with it.
pub(super) fn read(options: &mut Options<'_>) -> Option<Page> {
    let enabled = options.flag("enabled", false);
    let plain_from = without_repetition(options.many("plain_from", plain));
    let plain_networks = without_repetition(options.many("plain_network", identifier));
    let proxies = without_repetition(options.many("proxy", proxy));
    let hosts = without_repetition(options.many("host", |text| {
        host(text).ok_or_else(|| {
            let remedy = "write for example 'knock.example.net' or '192.0.2.1', without a port";
            Complaint::new("is neither the name of a host nor an address", remedy)
        })
    }));
    let port = options.one("port", port).unwrap_or(Some(PORT));
    let plain_port = options.one("plain_port", self::port).flatten();
    if plain_port.is_some() {
        let complaint = match port {
            None => Some(Complaint::new("another web server serves the page, where option port is 0", "remove it")),
            port if port == plain_port => {
                Some(Complaint::new("is the port with TLS", "write another one, or remove it"))
            }
            Some(_) => None,
        };
        if let Some(complaint) = complaint {
            options.refuse("plain_port", complaint);
        }
    }
    for (one, other) in [("cert", "key"), ("key", "cert")] {
        if options.has(one) && !options.has(other) {
            let remedy = "name both, or neither: then a certificate is made";
            options.refuse(one, Complaint::new(format!("it stands without option {other}"), remedy));
        }
    }
    if plain_port.is_some() && plain_from.is_empty() && plain_networks.is_empty() {
        let complaint = Complaint::new(
            "nobody may come without TLS, so whoever uses it is refused",
            "name a list plain_network or a list plain_from, or remove it",
        );
        options.warn("plain_port", complaint);
    }
    let page = Page {
        plain_from,
        plain_networks,
        proxies,
        hosts,
        port,
        plain_port,
        cert: options.one("cert", path),
        key: options.one("key", path),
        listen: without_repetition(options.many("listen", address)),
    };
    enabled.then_some(page)
}

/// The name of a host in the form in which two of them are compared: in lower case, without the dot at the end, an
/// address in the one form that it has. `None` for what is neither a name nor an address, with or without the brackets
/// of an IPv6 one.
#[must_use]
pub fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address: Option<IpAddr> = bare.unwrap_or(text).parse().ok();
    if let Some(address) = address {
        return (bare.is_none() || address.is_ipv6()).then(|| address.to_canonical().to_string());
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    (name.len() <= HOST_NAME_MAX && name.split('.').all(is_label)).then(|| name.to_ascii_lowercase())
}

/// A network whose visitors need no TLS.
fn plain(text: &str) -> Result<Prefix, Complaint> {
    let example = "name the networks at home, for example '192.168.1.0/24'";
    if text == "any" {
        return Err(Complaint::new("without TLS, whoever listens on the way gets the password first", example));
    }
    let network = network(text)?;
    if network.length() == 0 {
        return Err(Complaint::new("without TLS, whoever listens on the way gets the password first", example));
    }
    Ok(network)
}

/// A network of proxies.
fn proxy(text: &str) -> Result<Prefix, Complaint> {
    let everybody = |()| Complaint::new("everybody could name any address as a visitor's", "name your own proxies");
    if text == "any" {
        return Err(everybody(()));
    }
    let network = network(text)?;
    if network.length() == 0 { Err(everybody(())) } else { Ok(network) }
}

fn address(text: &str) -> Result<IpAddr, Complaint> {
    let read = text.parse().ok().filter(|address: &IpAddr| !address.is_multicast());
    read.ok_or_else(|| Complaint::new("is no address of a host", "write for example '192.168.1.1', or '::' for all"))
}

/// A port of the web server; `None` for 0. A number has one form, since the firewall takes 02000 for an octal one.
fn port(text: &str) -> Result<Option<NonZeroU16>, Complaint> {
    if text == "0" {
        return Ok(None);
    }
    let read = parse_port(text).filter(|_| !text.starts_with('0'));
    let read = read.ok_or_else(|| {
        Complaint::new(
            "must be a port from 1024 to 65535 without a zero in front, or 0 for none",
            "write for example '8443'",
        )
    })?;
    if read.get() < PORT_MIN {
        let remedy = "write for example '8443', and redirect this one to it in /etc/config/firewall (docs/router.md)";
        return Err(Complaint::new("the ports below 1024 are root's, and the page's web server never is root", remedy));
    }
    Ok(Some(read))
}

/// The path of a file, as it can stand in an argument of the web server.
fn path(text: &str) -> Result<String, Complaint> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    let fits = text.len() <= PATH_MAX && text.starts_with('/') && text.bytes().all(is_plain);
    if fits {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        "is no path from the root with letters, digits and '._-+' alone",
        "write for example '/etc/uhttpd.crt'",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_one_form() {
        for (text, form) in [
            ("Knock.Example.NET", "knock.example.net"),
            ("router.", "router"),
            ("my_router-2", "my_router-2"),
            ("192.0.2.1", "192.0.2.1"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(host(text).as_deref(), Some(form), "{text}");
        }
        let long = ["a".repeat(63).as_str(); 4].join(".");
        for text in ["", ".", "a..b", "a b", "knock.example:8443", "[192.0.2.1]", "[::1", "zoë", "a/b", "a\0", &long] {
            assert_eq!(host(text), None, "{text}");
        }
    }
}
