//! What the LuCI pages let through is what the parser takes, value by value.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};
use spa_knockd::config::parse;

const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const HMAC: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
const NEXT: &str = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=";

/// Values that some parser or other takes; each is tried for each option.
const VALUES: &[&str] = &[
    "0",
    "1",
    "on",
    "off",
    "yes",
    "Yes",
    "2",
    "8",
    "16",
    "24",
    "030",
    "32",
    "64",
    "100000",
    "100001",
    "128",
    "65535",
    "65536",
    "65537",
    "8388608",
    "8388609",
    "-1",
    "1.5",
    "+1",
    "99999999999999999999999",
    "any",
    "ANY",
    "tcp/22",
    "tcp/00022",
    "tcp/000022",
    "udp/65535",
    "tcp/0",
    "TCP/22",
    "tcp/22-23",
    "icmp/8",
    "22",
    "10000-65535",
    "5-4",
    "1-2-3",
    "1-",
    "192.0.2.1",
    "192.0.2.1/24",
    "192.0.2.1/33",
    "192.0.2.01",
    "192.0.2.256",
    "127.0.0.1",
    "127.0.0.0/8",
    "0.0.0.0",
    "0.0.0.0/0",
    "169.254.1.1",
    "224.0.0.0/4",
    "240.0.0.1",
    "255.255.255.255",
    "2001:db8::1",
    "2001:db8::/32",
    "2001:db8::/129",
    "2001:db8::192.0.2.1",
    "1:2:3:4:5:6:7::",
    "1:2:3:4:5:6:7:8::",
    "1::2::3",
    ":::",
    "::",
    "::/0",
    "::1",
    "fe80::/10",
    "fe80::1%eth0",
    "::ffff:192.0.2.1",
    "::ffff:0:0/96",
    "::ffff:0:0/95",
    "::192.0.2.1",
    "!10.0.0.0/8",
    "example.net",
    "tcp/2222=192.168.1.10:22",
    "tcp/2222=192.168.1.10:0",
    "tcp/2222=192.168.1.10",
    "tcp/2222=127.0.0.1:22",
    "tcp/2222=nas:22",
    "any=192.168.1.10:22",
    "any=[2001:db8::10]:22",
    "tcp/22=[2001:db8::10]:22",
    "tcp/23=[2001:db8::10]:22",
    "tcp/22=2001:db8::10:22",
    "=192.168.1.10:22",
    "masquerade",
    "Masquerade",
    "wol=/usr/bin/etherwake -i br-lan 00:11:22:33:44:55",
    "wol= /x",
    "wol=x",
    "wol=",
    "w l=/x",
    "wol=/bin/sh -c \"id\"",
    "wol",
    "nobody",
    "no body",
    "a.b-c",
    "alice",
    "a:b",
    "a\"b",
    "<script>",
    "o(ne)",
    "ü",
    "eth0",
    "br-lan.7",
    "sixteen-letters-",
    ".",
    "a/b",
    "a$b",
    "2030-12-31",
    "2030-12-31T18:00:00Z",
    "2030-12-31 18:00:00",
    "2030-12-31 18:00:00Z",
    "2025-02-29",
    "2024-02-29",
    "1969-12-31",
    "0001-01-01",
    "0099-12-31",
    "sha256",
    "SHA3_512",
    "sha257",
    "cbc",
    "Legacy",
    "gcm",
    "fwknop",
    "native",
    "fw4",
    "standalone",
    "fw3",
    "udp",
    "http",
    "sctp",
    "info",
    "INFO",
    "loud",
    "CHANGEME",
    "__CHANGEME__",
    KEY,
    HMAC,
    NEXT,
    "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
    "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQF=",
    "YQ==",
    "YR==",
    "YQ=",
    "Y",
    "====",
    "correct horse battery staple",
    "thirty-three letters make it long",
    "tab\there",
    "8443",
    "08443",
    "02000",
    "1023",
    "1024",
    "4443",
    "Knock.Example.NET.",
    "knock.example.net:8443",
    "a..b",
    ".",
    "[2001:db8::1]",
    "[192.0.2.1]",
    "[::1",
    "192.0.2.1/0",
    "ff02::1",
    "::ffff:224.0.0.1",
    "203.0.113.0/2",
    "224.0.0.0/3",
    "/etc/uhttpd.crt",
    "/",
    "etc/uhttpd.crt",
    "/etc/my cert",
    "/etc/'x'",
];

/// Those that are tried beside other options too: one of them may be wrong there alone.
const BESIDE: &[&str] = &[
    "1",
    "24",
    "64",
    "128",
    "2222",
    "443",
    "any",
    "tcp/22",
    "tcp/00022",
    "tcp/2222",
    "tcp/443",
    "tcp/2222=192.168.1.10:22",
    "tcp/2222=192.168.1.11:22",
    "tcp/22=[2001:db8::10]:22",
    "any=192.168.1.10:22",
    "masquerade",
    "wol=/y",
    "note=/y",
    "wol",
    "note",
    "CHANGEME",
    KEY,
    HMAC,
    NEXT,
    "http",
    "standalone",
    "4443",
    "8443",
    "8080",
    "0",
    "/etc/uhttpd.crt",
];

const LISTS: &[&str] = &[
    "network",
    "device",
    "zone",
    "port",
    "transport",
    "protect",
    "source",
    "destination",
    "open",
    "restrict",
    "forward",
    "nat_target",
    "command",
    "override_range",
    "plain_from",
    "plain_network",
    "proxy",
    "host",
    "listen",
];

const MAIN: &[&str] = &[
    "device",
    "port",
    "transport",
    "tcp_listen",
    "max_age",
    "max_timeout",
    "firewall",
    "protect",
    "ring_kib",
    "any_user_agent",
    "trust_forwarded_for",
    "log_level",
    "network",
    "zone",
    "enabled",
];

const ACCESS: &[&str] = &[
    "format",
    "key",
    "key_base64",
    "hmac_key",
    "hmac_key_base64",
    "next_key_base64",
    "next_hmac_key_base64",
    "hmac_digest",
    "encryption_mode",
    "source",
    "destination",
    "open",
    "restrict",
    "forward",
    "allow_nat",
    "allow_local_nat",
    "nat_target",
    "nat_dns",
    "forward_all",
    "disable_dnat",
    "snat",
    "match_destination",
    "command",
    "command_user",
    "on_open",
    "on_close",
    "timeout",
    "max_timeout",
    "require_source_address",
    "require_username",
    "prefix_v4",
    "prefix_v6",
    "expires",
];

const OTP: &[&str] = &[
    "source",
    "open",
    "forward",
    "forward_all",
    "disable_dnat",
    "snat",
    "timeout",
    "allow_override",
    "override_range",
    "allow_md4",
    "allow_new_chain",
    "prefix_v4",
    "prefix_v6",
    "expires",
    "enabled",
];

const PAGE: &[&str] =
    &["plain_from", "plain_network", "proxy", "host", "port", "plain_port", "cert", "key", "listen", "enabled"];

/// What stands beside a value that is tried, so that options meet those which they must agree with.
fn surroundings(section: &str) -> Vec<Value> {
    if section == "otp" {
        return vec![
            json!({}),
            json!({ "open": [], "forward": ["tcp/2222=192.168.1.10:22"] }),
            json!({ "forward": ["tcp/22=[2001:db8::10]:22"], "prefix_v4": "24" }),
            json!({ "allow_override": "1", "override_range": ["198.51.100.0/24"] }),
        ];
    }
    if section == "page" {
        return vec![
            json!({}),
            json!({ "port": "8080" }),
            json!({ "plain_port": "8080", "plain_network": ["lan"] }),
            json!({ "port": "0", "cert": "/a.crt", "key": "/a.key" }),
            json!({ "cert": "/a.crt" }),
        ];
    }
    if section == "main" {
        return vec![
            json!({}),
            json!({ "transport": ["udp", "http"] }),
            json!({ "firewall": "standalone", "tcp_listen": "2222" }),
            json!({ "firewall": "standalone", "protect": ["tcp/443"], "tcp_listen": "443" }),
        ];
    }
    vec![
        json!({}),
        json!({ "open": [], "forward": ["tcp/2222=192.168.1.10:22"] }),
        json!({ "forward": ["tcp/22=[2001:db8::10]:22"], "prefix_v4": "24" }),
        json!({ "allow_nat": "1", "command": ["wol=/x"], "on_open": "wol" }),
        json!({ "match_destination": "1" }),
        json!({ "key_base64": "", "key": "correct horse battery staple", "hmac_key_base64": "" }),
        json!({ "next_key_base64": NEXT, "next_hmac_key_base64": KEY }),
        json!({ "open": ["tcp/22", "any"] }),
        json!({ "restrict": ["tcp/22"] }),
    ]
}

fn base(section: &str) -> Map<String, Value> {
    let base = match section {
        "main" => json!({ "enabled": "1", "device": ["eth0"] }),
        // What stands beside a page that is tried.
        "guarding" => json!({ "enabled": "1", "device": ["eth0"], "firewall": "standalone",
            "protect": ["tcp/22", "tcp/4443"], "tcp_listen": "2222" }),
        "otp" => json!({ "enabled": "1", "open": ["tcp/22"] }),
        "page" => json!({ "enabled": "1" }),
        _ => json!({ "enabled": "1", "key_base64": KEY, "hmac_key_base64": HMAC, "open": ["tcp/22"] }),
    };
    base.as_object().unwrap().clone()
}

/// A section as UCI writes it.
fn section(head: &str, values: &Map<String, Value>) -> String {
    let quoted = |value: &Value| format!("'{}'", value.as_str().unwrap().replace('\'', r"'\''"));
    let mut text = format!("config {head}\n");
    for (name, value) in values {
        match value {
            Value::Array(values) => {
                text.extend(values.iter().map(|value| format!("\tlist {name} {}\n", quoted(value))));
            }
            value => text.push_str(&format!("\toption {name} {}\n", quoted(value))),
        }
    }
    text
}

fn is_taken(kind: &str, values: &Map<String, Value>) -> bool {
    let head = ["main", "access", "otp", "page"].map(|one| {
        let given = match one {
            _ if one == kind => values.clone(),
            "main" if kind == "page" => base("guarding"),
            _ => base(one),
        };
        let name = match one {
            "main" => "spa-knockd 'main'",
            "access" => "access 'alice'",
            "otp" => "otp 'carol'",
            _ => "page 'page'",
        };
        section(name, &given)
    });
    parse(head.concat().as_bytes(), "case").is_ok()
}

/// Every case: a section's kind and its values.
fn cases() -> Vec<(&'static str, Map<String, Value>)> {
    let mut cases = Vec::new();
    for (kind, options) in [("main", MAIN), ("access", ACCESS), ("otp", OTP), ("page", PAGE)] {
        for (index, around) in surroundings(kind).iter().enumerate() {
            let mut values = base(kind);
            values.extend(around.as_object().unwrap().clone());
            cases.push((kind, values.clone()));
            for option in options {
                for value in if index == 0 { VALUES } else { BESIDE } {
                    // The daemon is switched off with that, which is a matter of its own.
                    if *option == "enabled" && !["1", "on", "yes", "2", "Yes"].contains(value) {
                        continue;
                    }
                    let mut values = values.clone();
                    // The page is at one port, knocks are looked for at many.
                    let is_list = LISTS.contains(option) && (kind, *option) != ("page", "port");
                    let value = if is_list { json!([value]) } else { json!(value) };
                    values.insert((*option).to_owned(), value);
                    cases.push((kind, values));
                }
            }
        }
    }
    cases
}

#[test]
fn the_pages_take_what_the_parser_takes() {
    let cases = cases();
    let question = json!({
        "stanza": base("access"),
        "shown": base("page"),
        "guarding": base("guarding"),
        "cases": cases.iter().map(|(kind, values)| json!({ "section": kind, "values": values })).collect::<Vec<_>>(),
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/luci/verdicts.mjs");
    let mut node =
        Command::new("node").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node is there");
    node.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let answer = node.wait_with_output().unwrap();
    assert!(answer.status.success(), "the script tells above why");
    let verdicts: Vec<bool> = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(verdicts.len(), cases.len());
    let differ: Vec<String> = cases
        .iter()
        .zip(&verdicts)
        .filter(|((kind, values), verdict)| is_taken(kind, values) != **verdict)
        .map(|((_, values), verdict)| format!("page {verdict}: {}", Value::Object(values.clone())))
        .collect();
    let taken = verdicts.iter().filter(|verdict| **verdict).count();
    assert!(differ.is_empty(), "{} of {}:\n{}", differ.len(), cases.len(), differ.join("\n"));
    assert!(taken > cases.len() / 50 && taken < cases.len() / 2, "{taken} of {} say little", cases.len());
}
