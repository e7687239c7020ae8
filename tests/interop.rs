//! Every kind of packet that the real fwknop client makes, over the wire, opens what it asked for.

mod lab;

use std::net::SocketAddr;

use lab::client::{Key, Keys};
use lab::wire::Door;
use lab::{FRIEND6, Lab, Place, ROUTER6, STRANGER6};

const DIGESTS: [&str; 7] = ["md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "sha3_512"];

/// One access stanza, and what the client must be told to knock at it.
struct Stanza {
    name: String,
    keys: Keys,
    client: Vec<String>,
    server: String,
    timeout: u64,
}

/// Makes a key of its own from a label.
type KeyMaker = fn(&str) -> Key;

/// A key of 32 bytes whose base64 text begins with the letters and digits of the label.
fn base64_key(label: &str) -> Key {
    let label: String = label.chars().filter(char::is_ascii_alphanumeric).collect();
    Key::Base64(format!("{label:A<43}="))
}

fn passphrase(label: &str) -> Key {
    Key::Passphrase(format!("open {label} please"))
}

/// A stanza for each HMAC digest and kind of key, in CBC mode; then the ones without HMAC.
fn stanzas() -> Vec<Stanza> {
    let mut stanzas = Vec::new();
    let mut timeouts = 100..;
    let kinds: [(&str, KeyMaker); 2] = [("base64", base64_key), ("passphrase", passphrase)];
    for (kind, key) in kinds {
        for digest in DIGESTS {
            let name = format!("{digest}_{kind}");
            stanzas.push(Stanza {
                keys: Keys { encryption: key(&format!("e{name}")), hmac: Some(key(&format!("h{name}"))) },
                client: vec!["--hmac-digest-type".into(), digest.into()],
                server: format!("\toption hmac_digest '{digest}'\n"),
                timeout: timeouts.next().unwrap_or_default(),
                name,
            });
        }
        for mode in ["cbc", "legacy"] {
            // The old mode takes 16 bytes of key.
            let name = format!("{mode}_{kind}_bare");
            let encryption = match key(&name) {
                Key::Base64(_) if mode == "legacy" => Key::Base64("bGVnYWN5LWtleS1vZi0xNg==".into()),
                Key::Passphrase(_) if mode == "legacy" => Key::Passphrase("old and short".into()),
                key => key,
            };
            stanzas.push(Stanza {
                keys: Keys { encryption, hmac: None },
                client: vec!["-M".into(), mode.into()],
                server: format!("\toption encryption_mode '{mode}'\n"),
                timeout: timeouts.next().unwrap_or_default(),
                name,
            });
        }
    }
    stanzas
}

fn config(stanzas: &[Stanza]) -> String {
    let mut config = String::from(
        "config spa-knockd 'main'\n\
         \toption enabled '1'\n\
         \tlist device 'wan'\n\
         \toption firewall 'standalone'\n\
         \tlist protect 'tcp/22'\n",
    );
    for stanza in stanzas {
        config += &format!(
            "\nconfig access '{}'\n{}{}\tlist open 'any'\n\toption timeout '{}'\n",
            stanza.name,
            stanza.keys.uci(),
            stanza.server,
            stanza.timeout
        );
    }
    config
}

/// Knocks with every digest and both message types at each stanza, and looks at what was opened.
fn knock_at(chosen: impl Fn(&Stanza) -> bool) {
    let lab = Lab::new();
    let all = stanzas();
    let _daemon = lab.daemon(&config(&all));
    let chosen: Vec<_> = all.iter().filter(|stanza| chosen(stanza)).collect();
    assert!(!chosen.is_empty());
    let mut port = 20_000;
    for stanza in chosen {
        for digest in DIGESTS {
            for client_timeout in [None, Some(77)] {
                port += 1;
                let what = format!("{}, digest {digest}, -f {client_timeout:?}", stanza.name);
                let ask = format!("tcp/{port}");
                // Type 1 asks for the sender's address, type 3 for another one: the packet counts.
                let source = if client_timeout.is_some() { "198.51.100.7" } else { "203.0.113.2" };
                let mut args = vec!["-A", &ask, "-a", source, "-m", digest];
                args.extend(stanza.client.iter().map(String::as_str));
                if client_timeout.is_some() {
                    args.extend(["-f", "77"]);
                }
                lab.knock(&stanza.keys, &args);
                let element = lab.wait_element("spa_in4_v1", &[source, "tcp", &port.to_string()]);
                assert_eq!(element.comment, stanza.name, "{what}");
                let timeout = client_timeout.unwrap_or(stanza.timeout);
                assert_eq!(element.timeout, timeout, "{what}");
                assert!(element.expires.abs_diff(element.timeout) <= 1, "{what}");
            }
        }
    }
}

#[test]
fn every_hmac_and_digest_with_base64_keys() {
    knock_at(|stanza| stanza.keys.hmac.is_some() && stanza.name.ends_with("_base64"));
}

#[test]
fn every_hmac_and_digest_with_passphrases() {
    knock_at(|stanza| stanza.keys.hmac.is_some() && stanza.name.ends_with("_passphrase"));
}

#[test]
fn every_digest_without_hmac_in_the_new_and_the_old_mode() {
    knock_at(|stanza| stanza.keys.hmac.is_none());
}

#[test]
fn a_packet_of_the_client_opens_the_ipv6_source_when_it_comes_over_ipv6() {
    let lab = Lab::new();
    let _ssh = lab.tcp_echo(Place::Router, 22);
    let keys = Keys::passphrases("a passphrase for six", "another one for six");
    let config = format!(
        "config spa-knockd 'main'\n\
         \toption enabled '1'\n\
         \tlist device 'wan'\n\
         \toption firewall 'standalone'\n\
         \n\
         config access 'six'\n{}\
         \tlist open 'tcp/22'\n\
         \toption require_source_address '0'\n",
        keys.uci()
    );
    let _daemon = lab.daemon(&config);
    let ssh = SocketAddr::new(ROUTER6, 22);
    assert_eq!(lab.try_connect(Place::Wan, FRIEND6, ssh), Door::Refused);
    let packet = lab.packet(&keys, &["-A", "tcp/22", "-s"]);
    lab.send_packet(FRIEND6, ROUTER6, &packet);
    let element = lab.wait_element("spa_in6_v1", &["2001:db8:1::2", "tcp", "22"]);
    assert_eq!(element.comment, "six");
    assert_eq!(lab.try_connect(Place::Wan, FRIEND6, ssh), Door::Open);
    assert_eq!(lab.try_connect(Place::Wan, STRANGER6, ssh), Door::Refused);
}
