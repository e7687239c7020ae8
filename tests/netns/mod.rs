//! A network namespace for a test: it belongs to a thread and vanishes with it, also after a failure.
#![allow(
    unsafe_code,
    dead_code,
    unreachable_pub,
    reason = "unshare is called here alone, and each test file uses its part"
)]

pub mod host;

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroU16;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::thread::UnshareFlags;
use rustix::time::ClockId;
use spa_knockd::access::{Forward, Grant, Opening};
use spa_knockd::config::FirewallMode;
use spa_knockd::firewall::{Firewall, Guard};
use spa_knockd::net::Proto;

/// Runs a test in a network namespace of its own.
pub fn alone(test: impl FnOnce() + Send + 'static) {
    if let Err(panic) = beside(test).join() {
        std::panic::resume_unwind(panic);
    }
}

/// Starts a thread in a network namespace of its own.
pub fn beside<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    assert!(rustix::process::geteuid().is_root(), "network namespaces need root: run this test with sudo");
    std::thread::spawn(|| {
        // SAFETY: file descriptors stay shared; only the network namespace of this thread is new.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
            .expect("the kernel gives no network namespace: run this test with CAP_SYS_ADMIN");
        body()
    })
}

/// Runs a program in this thread's namespace and gives what it prints.
pub fn run(program: &str, arguments: &str) -> String {
    let out = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .unwrap_or_else(|error| panic!("install {program}: {error}"));
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{program} {arguments}: {errors}");
    String::from_utf8(out.stdout).unwrap()
}

/// Loads a ruleset.
pub fn load(script: &str) {
    let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("install nftables");
    nft.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(nft.wait().unwrap().success(), "{script}");
}

/// The elements of a set or map as nft lists them: key, or `KEY : DATA`, comment, and what is left in milliseconds.
pub fn elements(table: &str, set: &str) -> BTreeMap<String, (String, u64)> {
    let kind = if ["spa_dnat4_v1", "spa_snat4_v1"].contains(&set) { "map" } else { "set" };
    let text = run("nft", &format!("list {kind} inet {table} {set}"));
    let Some((_, list)) = text.split_once("elements = {") else {
        return BTreeMap::new();
    };
    let list = list.split('}').next().unwrap();
    list.split(',')
        .map(|element| {
            let words: Vec<_> = element.split_whitespace().collect();
            let after = |word| {
                let at = words.iter().position(|&found| found == word);
                at.map_or(String::new(), |at| words[at + 1].to_owned())
            };
            let key = words.iter().take_while(|&&word| word != "timeout" && word != "comment");
            let mut key = key.copied().collect::<Vec<_>>().join(" ");
            if let Some((_, data)) = element.split_once(" : ").filter(|_| !key.contains(" : ")) {
                key = format!("{key} : {}", data.trim());
            }
            let comment = after("comment").trim_matches('"').to_owned();
            (key, (comment, millis(&after("expires"))))
        })
        .collect()
}

/// Reads `1m2s345ms`.
fn millis(text: &str) -> u64 {
    let (mut total, mut rest) = (0, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
        let number: u64 = rest[..digits].parse().unwrap();
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += number
            * match &rest[..unit] {
                "h" => 3_600_000,
                "m" => 60_000,
                "s" => 1_000,
                "ms" => 1,
                unit => panic!("{unit}"),
            };
        rest = &rest[unit..];
    }
    total
}

/// The time of `CLOCK_BOOTTIME`.
pub fn now() -> Duration {
    rustix::time::clock_gettime(ClockId::Boottime).try_into().unwrap()
}

/// A grant for one source.
pub fn grant(access: &str, source: &str, port: &str, timeout: u32) -> Grant {
    towards(access, source, None, port, timeout)
}

/// A grant for one source and perhaps one destination.
pub fn towards(access: &str, source: &str, to: Option<&str>, port: &str, timeout: u32) -> Grant {
    Grant {
        access: access.into(),
        openings: vec![Opening {
            source: source.parse().unwrap(),
            destination: to.map(|to| to.parse().unwrap()),
            port: port.parse().unwrap(),
        }],
        forwards: Vec::new(),
        command: None,
        timeout,
    }
}

/// A way for TCP to `to`, by the port `outside` where there is one.
pub fn way(source: &str, outside: Option<u16>, to: &str) -> Forward {
    Forward {
        source: source.parse().unwrap(),
        proto: Proto::Tcp,
        outside: outside.map(|port| NonZeroU16::new(port).unwrap()),
        to: to.parse().unwrap(),
        all: false,
        snat: None,
    }
}

/// A grant of ways through.
pub fn through(access: &str, forwards: &[Forward], timeout: u32) -> Grant {
    Grant { access: access.into(), openings: Vec::new(), forwards: forwards.to_vec(), command: None, timeout }
}

/// A table `inet fw4` such as the package's drop-ins and fw4 make it together.
pub fn fw4() -> String {
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/files/usr/share/spa-knockd/nftables");
    format!(
        r#"table inet fw4 {{
            include "{files}/table-pre.nft"
            chain input {{
                type filter hook input priority filter; policy drop;
                iif lo accept
                ct state vmap {{ established : accept, related : accept }}
                iifname "wan0" jump input_wan
                accept
            }}
            chain forward {{
                type filter hook forward priority filter; policy drop;
                include "{files}/chain-pre/forward.nft"
                ct state vmap {{ established : accept, related : accept }}
                iifname "wan0" jump forward_wan
                accept
            }}
            chain output {{
                type filter hook output priority filter; policy accept;
                include "{files}/chain-pre/output.nft"
            }}
            chain input_wan {{
                include "{files}/zone/input.nft"
                meta l4proto {{ icmpv6 }} accept
                jump reject_from_wan
            }}
            chain forward_wan {{
                include "{files}/zone/forward.nft"
                jump reject_from_wan
            }}
            chain dstnat {{
                type nat hook prerouting priority dstnat; policy accept;
                include "{files}/chain-pre/dstnat.nft"
            }}
            chain srcnat {{
                type nat hook postrouting priority srcnat; policy accept;
                include "{files}/chain-pre/srcnat.nft"
            }}
            chain reject_from_wan {{
                meta l4proto tcp reject with tcp reset
                reject with icmpx port-unreachable
            }}
        }}
        "#
    )
}

/// A firewall on a fresh table of fw4.
pub fn on_fw4() -> Firewall {
    load(&fw4());
    Firewall::open(FirewallMode::Fw4, None, now()).unwrap()
}

/// What the tests of standalone mode guard.
pub fn guard() -> Guard {
    Guard {
        interfaces: vec!["wan0".into(), "pppoe-wan".into()],
        protect: ["tcp/22", "udp/1194", "tcp/443"].map(|port| port.parse().unwrap()).to_vec(),
    }
}
