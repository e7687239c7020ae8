//! From UCI text to netlink bytes: what each configuration sends to the kernel for a knock, field by field.
//!
//! `UPDATE_DOCS=1 cargo test --test golden` writes the expected files anew; read the difference before you commit it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use common::{NOW, at, datagram, nothing, packet};
use spa_knockd::config::{self, FirewallMode};
use spa_knockd::engine::{Engine, Memory};
use spa_knockd::firewall::batch::Batch;
use spa_knockd::firewall::wire::{Attributes, Message, Messages};
use spa_knockd::firewall::{Element, FW4_TABLE};

/// The messages that a batch may hold, by number (linux/netfilter/nfnetlink.h and its neighbour for nftables).
fn name(message: &Message<'_>) -> &'static str {
    match message.kind {
        16 => "BATCH_BEGIN",
        17 => "BATCH_END",
        0x0a0c => "NEWSETELEM",
        0x0a0e => "DELSETELEM",
        other => panic!("a message of type {other:#x}"),
    }
}

/// Attributes, nested ones indented, values as hexadecimal digits.
fn attributes(attributes: Attributes<'_>, depth: usize, text: &mut String) {
    for (kind, value) in attributes {
        // A comment, too, can have the form of an attribute, but then of a kind that there is not.
        let nested = value.len() > 4
            && Attributes(value).all(|(kind, _)| kind < 256)
            && Attributes(value).map(|(_, inner)| 4 + inner.len().next_multiple_of(4)).sum::<usize>() == value.len();
        let indent = "  ".repeat(depth);
        if nested {
            writeln!(text, "{indent}{kind}:").unwrap();
            self::attributes(Attributes(value), depth + 1, text);
        } else {
            let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(text, "{indent}{kind} {digits}").unwrap();
        }
    }
}

/// What the knock in the first line of the file makes of the configuration behind it.
fn dump(path: &Path) -> String {
    let uci = fs::read_to_string(path).unwrap();
    let knock = uci.lines().next().unwrap().strip_prefix("# knock: ").unwrap();
    let [source, destination, message] = knock.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let config = config::parse(uci.as_bytes(), "golden").unwrap().config;
    let access = config.access.first().unwrap();
    let mut text = format!(
        "main: {:?}, max_age {}, max_timeout {}, protect {:?}\n",
        config.main.firewall,
        config.main.max_age,
        config.main.max_timeout,
        config.main.protect.iter().map(ToString::to_string).collect::<Vec<_>>(),
    );
    writeln!(
        text,
        "access {}: open {:?}, timeout {}, max_timeout {}, prefixes {} {}\n",
        access.name, access.open, access.timeout, access.max_timeout, access.prefix_v4, access.prefix_v6
    )
    .unwrap();

    let payload = packet(NOW, message, access.keys.first().unwrap());
    let mut engine = Engine::new(&config, Memory::default());
    let verdict = engine.handle(&datagram(source, destination, &payload), at(NOW), &nothing, &mut |_, _| {});
    let grant = verdict.outcome.unwrap();
    let table = match config.main.firewall {
        FirewallMode::Fw4 => FW4_TABLE,
        FirewallMode::Standalone => spa_knockd::firewall::standalone::TABLE,
    };
    let mut batch = Batch::new(table, 1);
    for opening in &grant.openings {
        let element = Element::of(opening).unwrap();
        batch.renew_element(&element, Duration::from_secs(grant.timeout.into()), &grant.access);
    }
    let finished = batch.finish();
    for message in Messages(finished.bytes()) {
        let (family, inner) = message.netfilter().unwrap();
        writeln!(text, "{} flags {:#x} sequence {} family {family}", name(&message), message.flags, message.sequence)
            .unwrap();
        attributes(inner, 1, &mut text);
    }
    text
}

#[test]
fn every_configuration_sends_what_is_written_down() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "uci"));
    cases.sort();
    assert!(cases.len() >= 4);
    for case in cases {
        let (dumped, expected) = (dump(&case), case.with_extension("txt"));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&expected, &dumped).unwrap();
        }
        assert_eq!(dumped, fs::read_to_string(&expected).unwrap(), "{}", case.display());
    }
}
