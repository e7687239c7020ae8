//! A knock in the dress of an HTTP request goes through the same engine, and a proxy's word about its sender.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod common;

use common::{NOW, access, at, config, datagram, keys, nothing, packet};
use spa_knockd::capture::{Datagram, Transport};
use spa_knockd::config::Config;
use spa_knockd::engine::{Engine, Memory, Verdict};
use spa_knockd::knock::fwknop::http::Http;
use spa_knockd::reason::Reason;

const SOURCE: &str = "203.0.113.9";
const ROUTER: &str = "198.51.100.1";
const MESSAGE: &str = "203.0.113.21,tcp/22";

fn one_stanza() -> Config {
    config(vec![access("alice", keys(1))])
}

/// The packet as fwknop's client dresses it for HTTP, with further headers.
fn dressed(packet: &[u8], headers: &str) -> Vec<u8> {
    let data = String::from_utf8(packet.to_vec()).unwrap().replace('+', "-").replace('/', "_");
    format!("GET /{data} HTTP/1.0\r\nUser-Agent: Fwknop/2.6.10\r\n{headers}\r\n").into_bytes()
}

fn over_http(http: Option<Http>) -> Engine {
    let mut config = one_stanza();
    config.main.http = http;
    config.access[0].require_source_address = false;
    Engine::new(&config, Memory::default())
}

fn knock_over(engine: &mut Engine, transport: Transport, source: &str, payload: &[u8]) -> Verdict {
    let router = if source.contains(':') { "2001:db8::1" } else { ROUTER };
    let datagram = Datagram { transport, ..datagram(source, router, payload) };
    engine.handle(&datagram, at(NOW), &nothing, &mut |_, _| {})
}

#[test]
fn a_request_of_http_is_undressed_only_where_that_is_on_and_over_tcp() {
    let packet = packet(NOW, MESSAGE, &keys(1));
    let request = dressed(&packet, "");
    let mut on = over_http(Some(Http::default()));
    assert_eq!(knock_over(&mut on, Transport::Udp, SOURCE, &request).outcome, Err(Reason::Base64));
    assert_eq!(knock_over(&mut on, Transport::Icmp, SOURCE, &request).outcome, Err(Reason::Base64));
    let mut off = over_http(None);
    assert_eq!(knock_over(&mut off, Transport::Tcp, SOURCE, &request).outcome, Err(Reason::Base64));
    let plain = String::from_utf8(request.clone()).unwrap().replace("Fwknop", "curl").into_bytes();
    assert_eq!(knock_over(&mut on, Transport::Tcp, SOURCE, &plain).outcome, Err(Reason::Http));
    let padded = String::from_utf8(request.clone()).unwrap().replace(" HTTP", "= HTTP").into_bytes();
    assert_eq!(knock_over(&mut on, Transport::Tcp, SOURCE, &padded).outcome, Err(Reason::Base64));

    let grant = knock_over(&mut on, Transport::Tcp, SOURCE, &request).outcome.unwrap();
    assert_eq!(grant.openings[0].source.to_string(), "203.0.113.21");
    for (transport, dress) in [(Transport::Tcp, &request), (Transport::Udp, &packet), (Transport::Tcp, &packet)] {
        assert_eq!(knock_over(&mut on, transport, SOURCE, dress).outcome, Err(Reason::Replay), "{transport:?}");
    }
}

#[test]
fn a_proxys_word_stands_in_for_the_source_and_for_nothing_else() {
    let trusting = || over_http(Some(Http { trust_forwarded_for: true, ..Http::default() }));
    let opened = |engine: &mut Engine, source: &str, message: &str, header: &str| {
        let request = dressed(&packet(NOW, message, &keys(1)), header);
        let outcome = knock_over(engine, Transport::Tcp, source, &request).outcome;
        outcome.map(|grant| grant.openings[0].source.to_string())
    };
    let header = "X-Forwarded-For: 198.51.100.77\r\n";
    for (header, source, expected) in [
        (header, SOURCE, Ok("198.51.100.77")),
        (header, "2001:db8::9", Ok("198.51.100.77")),
        ("X-Forwarded-For: 2001:db8::77\r\n", "2001:db8::9", Ok("2001:db8::77")),
        ("X-Forwarded-For: 2001:db8::77\r\n", SOURCE, Err(Reason::Family)),
        ("X-Forwarded-For: 127.0.0.1\r\n", SOURCE, Err(Reason::AddressForbidden)),
        ("X-Forwarded-For: ::ffff:198.51.100.77\r\n", "2001:db8::9", Err(Reason::AddressForbidden)),
        ("X-Forwarded-For: nobody\r\n", SOURCE, Ok(SOURCE)),
        ("X-Forwarded-For: 198.51.100.77, 198.51.100.78\r\n", SOURCE, Err(Reason::SourceAddressRequired)),
        ("", SOURCE, Ok(SOURCE)),
    ] {
        let expected = expected.map(str::to_owned);
        assert_eq!(opened(&mut trusting(), source, "0.0.0.0,tcp/22", header), expected, "{header}");
    }
    for header in [header, "X-Forwarded-For: 198.51.100.77, 198.51.100.78\r\n"] {
        assert_eq!(opened(&mut trusting(), SOURCE, MESSAGE, header), Ok("203.0.113.21".to_owned()));
    }
    let mut doubting = over_http(Some(Http::default()));
    assert_eq!(opened(&mut doubting, SOURCE, "0.0.0.0,tcp/22", header), Ok(SOURCE.to_owned()));

    let mut config = one_stanza();
    config.main.http = Some(Http { trust_forwarded_for: true, ..Http::default() });
    let mut demanding = Engine::new(&config, Memory::default());
    assert_eq!(opened(&mut demanding, SOURCE, "0.0.0.0,tcp/22", header), Err(Reason::SourceAddressRequired));
    config.access[0].source = vec!["198.51.100.77".parse().unwrap()];
    let mut gated = Engine::new(&config, Memory::default());
    assert_eq!(opened(&mut gated, SOURCE, MESSAGE, header), Err(Reason::Source));
}
