//! The ways that fwknop was told to receive packets become ports, transports and the listener.

use super::report::Report;
use super::text::Setting;
use super::{entry, list};
use crate::net::parse_port;
use crate::uci::Entry;

/// The port that fwknop knows by itself.
const DEFAULT_PORT: &str = "62201";

/// What a pcap filter lets through.
#[derive(Debug, Default)]
struct Captured {
    ports: Vec<String>,
    transports: Vec<&'static str>,
}

/// Which ports and transports to capture, whether HTTP is among them, and where to listen.
pub(super) fn ways<'a>(
    last: &impl Fn(&str) -> Option<&'a Setting>,
    is_yes: &impl Fn(&str) -> bool,
    report: &mut Report,
) -> Vec<Entry> {
    let Captured { ports, mut transports } = captured(last, is_yes, report);
    let http = is_yes("ENABLE_SPA_OVER_HTTP");
    if http {
        transports.push("http");
    }
    let mut entries: Vec<_> = ports.iter().map(|port| list("port", port)).collect();
    if transports != ["udp"] {
        entries.extend(transports.iter().map(|transport| list("transport", transport)));
    }
    if is_yes("ENABLE_TCP_SERVER") {
        let port = last("TCPSERV_PORT").map_or(DEFAULT_PORT.to_owned(), Setting::text);
        entries.push(entry("tcp_listen", &port));
    }
    for (variable, option) in
        [("ALLOW_ANY_USER_AGENT", "any_user_agent"), ("ENABLE_X_FORWARDED_FOR", "trust_forwarded_for")]
    {
        match is_yes(variable) {
            true if http => entries.push(entry(option, "1")),
            true => report.note(variable, "has no meaning without ENABLE_SPA_OVER_HTTP"),
            false => {}
        }
    }
    entries
}

/// What is captured by the one way that fwknop was told to receive packets.
fn captured<'a>(
    last: &impl Fn(&str) -> Option<&'a Setting>,
    is_yes: &impl Fn(&str) -> bool,
    report: &mut Report,
) -> Captured {
    // Where fwknop is built without libpcap, a port for its UDP server is all that it is told.
    let told = last("ENABLE_UDP_SERVER").is_some() || last("PCAP_FILTER").is_some();
    let udp_server = is_yes("ENABLE_UDP_SERVER") || (last("UDPSERV_PORT").is_some() && !told);
    let setting = if is_yes("ENABLE_NFQ_CAPTURE") {
        last("NFQ_PORT")
    } else if udp_server {
        last("UDPSERV_PORT")
    } else {
        last("PCAP_FILTER")
    };
    let udp = |port: String| Captured { ports: vec![port], transports: vec!["udp"] };
    let Some(setting) = setting else {
        return udp(DEFAULT_PORT.to_owned());
    };
    let text = setting.text();
    let found = if setting.name == "PCAP_FILTER" {
        filter(&text)
    } else {
        parse_port(&text).map(|port| udp(port.to_string())).ok_or("must be a port from 1 to 65535")
    };
    found.unwrap_or_else(|problem| {
        report.problem(&setting.place, Some(&setting.name), problem);
        Captured::default()
    })
}

/// Reads `udp port N`, `tcp dst portrange A-B` or `icmp`, joined by `or`. Every port is then looked at in every
/// transport, which lets nobody in who had no keys.
fn filter(text: &str) -> Result<Captured, &'static str> {
    const FORM: &str = "only 'udp port N', 'tcp dst portrange A-B' and 'icmp', joined by 'or', are understood; \
                        or use UDPSERV_PORT";
    let mut found = Captured::default();
    for term in text.to_ascii_lowercase().split(" or ") {
        let mut words: Vec<_> = term.split_ascii_whitespace().collect();
        let transport = match words.first() {
            Some(&"udp") => "udp",
            Some(&"tcp") => "tcp",
            Some(&"icmp" | &"icmp6") if words.len() == 1 => "icmp",
            _ => return Err(FORM),
        };
        if !found.transports.contains(&transport) {
            found.transports.push(transport);
        }
        let range = match words.split_off(1).as_slice() {
            [] if transport == "icmp" => continue,
            ["port", port] | ["dst", "port", port] => parse_port(port).ok_or(FORM)?.to_string(),
            ["portrange", range] | ["dst", "portrange", range] => {
                let (first, last) = range.split_once('-').ok_or(FORM)?;
                let (first, last) = (parse_port(first).ok_or(FORM)?, parse_port(last).ok_or(FORM)?);
                format!("{first}-{last}")
            }
            _ => return Err(FORM),
        };
        if !found.ports.contains(&range) {
            found.ports.push(range);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_ports_and_transports() {
        for (text, ports, transports) in [
            ("udp port 62201", "62201", "udp"),
            ("UDP dst port 53", "53", "udp"),
            ("udp dst portrange 10000-65535", "10000-65535", "udp"),
            ("udp port 1 or udp portrange 5-6 or udp dst port 9", "1 5-6 9", "udp"),
            ("udp port 62201 or tcp port 62201", "62201", "udp tcp"),
            ("tcp dst port 80 or icmp or tcp portrange 1-2", "80 1-2", "tcp icmp"),
            ("icmp or icmp6", "", "icmp"),
        ] {
            let found = filter(text).unwrap();
            assert_eq!(
                (found.ports.join(" ").as_str(), found.transports.join(" ").as_str()),
                (ports, transports),
                "{text}"
            );
        }
        for text in [
            "",
            "udp",
            "tcp",
            "port 62201",
            "icmp port 1",
            "sctp port 1",
            "udp port 0",
            "udp port 62201 and host 1.2.3.4",
            "not udp port 1",
            "udp src port 1",
            "udp portrange 1",
            "udp port 1 or",
            "dst udp port 1",
            "udp port dst 1",
        ] {
            assert!(filter(text).unwrap_err().contains("UDPSERV_PORT"), "{text}");
        }
    }
}
