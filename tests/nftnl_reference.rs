//! Our messages against libnftnl's: the same bytes for every kind that we send.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod reference;

use std::num::NonZeroU16;
use std::time::Duration;

use reference::{
    ACK, APPEND, CREATE, DEL_ELEMENT, DEL_RULE, DEL_TABLE, NEW_ELEMENT, NEW_RULE, NEW_TABLE, Reference, jump, known,
    members, reject, reject_translated,
};
use spa_knockd::access::{Forward, Grant, Opening, Snat};
use spa_knockd::firewall::batch::Batch;
use spa_knockd::firewall::wire::Messages;
use spa_knockd::firewall::{Element, Guard, Set, grant, standalone};
use spa_knockd::net::Proto;

/// Compares message by message, so that a failure names the one that differs.
fn same(ours: &[u8], reference: &[u8]) {
    let pairs = Messages(ours).zip(Messages(reference));
    for (at, (ours, reference)) in pairs.enumerate() {
        assert_eq!(ours, reference, "message {at}");
    }
    assert_eq!(ours, reference);
}

/// One element of every set, in the order of the sets.
fn elements() -> Vec<Element> {
    let openings = [
        ("192.0.2.1", None, "tcp/22"),
        ("2001:db8::1", None, "udp/1194"),
        ("192.0.2.1", Some("198.51.100.7"), "tcp/65535"),
        ("2001:db8::1", Some("2001:db8::2"), "tcp/1"),
        ("192.0.2.0/24", None, "udp/53"),
        ("2001:db8:1::/48", None, "tcp/443"),
    ]
    .map(|(source, destination, port)| Opening {
        source: source.parse().unwrap(),
        destination: destination.map(|to| to.parse().unwrap()),
        port: port.parse().unwrap(),
    });
    let forward = |source: &str, to: &str| Forward {
        source: source.parse().unwrap(),
        proto: Proto::Tcp,
        outside: None,
        to: to.parse().unwrap(),
        all: true,
        snat: None,
    };
    let v4 = |host| forward("192.0.2.1", &format!("10.0.0.{host}:443"));
    let forwards = [
        forward("2001:db8::1", "[2001:db8::2]:443"),
        Forward { outside: NonZeroU16::new(2222), snat: Some(Snat::Masquerade), ..v4(2) },
        Forward { snat: Some(Snat::Address("10.0.0.1".parse().unwrap())), ..v4(3) },
    ];
    let grant = Grant {
        access: "alice".into(),
        openings: openings.into(),
        forwards: forwards.into(),
        command: None,
        timeout: 30,
    };
    let mut elements = grant::elements(&grant).unwrap();
    elements.dedup_by_key(|element| element.set);
    for (set, inside, client) in [(Set::Cut4, "10.0.0.2", "192.0.2.1"), (Set::Cut6, "2001:db8::2", "2001:db8::1")] {
        elements.push(Element {
            set,
            port: Some("tcp/40000".parse().unwrap()),
            destination: Some(client.parse().unwrap()),
            first: inside.parse().unwrap(),
            last: inside.parse().unwrap(),
            source_port: NonZeroU16::new(22),
            translation: None,
        });
    }
    elements
}

#[test]
fn elements_are_the_same_bytes() {
    let sets: Vec<_> = elements().iter().map(|element| element.set).collect();
    assert_eq!(sets, Set::ALL);
    for element in elements() {
        for comment in ["alice", "a", "bob's phone"] {
            let mut ours = Batch::new("fw4", 7);
            ours.renew_element(&element, Duration::from_millis(30_500), comment);
            let mut reference = Reference::new(7);
            let life = Some((Some(30_500), comment));
            reference.element(NEW_ELEMENT, CREATE, "fw4", &element, life);
            reference.element(DEL_ELEMENT, 0, "fw4", &element, None);
            reference.element(NEW_ELEMENT, CREATE | ACK, "fw4", &element, life);
            same(ours.finish().bytes(), &reference.finish());
        }
    }
}

#[test]
fn the_standalone_table_is_the_same_bytes() {
    let guard = Guard {
        interfaces: vec!["wan0".into()],
        protect: vec!["tcp/22".parse().unwrap(), "udp/1194".parse().unwrap()],
    };
    let table = standalone::TABLE;
    let mut reference = Reference::new(1);
    reference.table(NEW_TABLE, CREATE, table, Some(0));
    let ids = || Set::ALL.into_iter().zip(1..);
    for (set, id) in ids() {
        reference.set(table, set, id);
    }
    let rule = APPEND | CREATE;
    for (base, branch, hook, sets) in [
        ("input", Some("guard_input"), ("filter", 1, 0), &Set::INPUT[..]),
        ("forward", Some("guard_forward"), ("filter", 2, 0), &Set::FORWARD),
        ("output", None, ("filter", 3, 0), &[]),
        ("prerouting", Some("dstnat"), ("nat", 0, -100), &Set::DESTINATION_NAT),
        ("postrouting", Some("srcnat"), ("nat", 4, 100), &Set::SOURCE_NAT),
    ] {
        let filter = hook.0 == "filter";
        if let Some(branch) = branch {
            reference.chain(table, branch, None);
            reference.rule(DEL_RULE, 0, table, branch, &[]);
            if filter {
                reference.rule(NEW_RULE, rule, table, branch, &known());
            }
            for (set, id) in ids().filter(|(set, _)| sets.contains(set)) {
                reference.rule(NEW_RULE, rule, table, branch, &members(set, id));
            }
            for (protocol, port, kind, code) in [(6, 22, 1, 0), (17, 1194, 2, 1)].into_iter().filter(|_| filter) {
                reference.rule(NEW_RULE, rule, table, branch, &reject(protocol, port, kind, code));
                if base == "forward" {
                    reference.rule(NEW_RULE, rule, table, branch, &reject_translated(protocol, port, kind, code));
                }
            }
        }
        reference.chain(table, base, Some(hook));
        reference.rule(DEL_RULE, 0, table, base, &[]);
        for (set, id) in ids().filter(|(set, _)| set.is_cut() && ["forward", "output"].contains(&base)) {
            reference.rule(NEW_RULE, rule, table, base, &members(set, id));
        }
        let ack = if base == "postrouting" { ACK } else { 0 };
        if let Some(branch) = branch {
            reference.rule(NEW_RULE, rule | ack, table, base, &jump(branch));
        }
    }
    same(standalone::batch(&guard, 1).finish().bytes(), &reference.finish());
}

#[test]
fn filling_a_set_anew_is_the_same_bytes() {
    let element = elements()[4];
    let mut ours = Batch::new("fw4", 1);
    ours.flush_set(Set::Net4);
    ours.add_endless_element(&element, "owner");
    ours.add_element(&element, Duration::ZERO, "never endless");
    let mut reference = Reference::new(1);
    reference.flush_set(0, "fw4", Set::Net4);
    reference.element(NEW_ELEMENT, CREATE, "fw4", &element, Some((None, "owner")));
    let life = Some((Some(20), "never endless"));
    reference.element(NEW_ELEMENT, CREATE | ACK, "fw4", &element, life);
    same(ours.finish().bytes(), &reference.finish());
}

#[test]
fn removing_the_table_is_the_same_bytes() {
    let mut ours = Batch::new(standalone::TABLE, 1);
    ours.delete_table();
    let mut reference = Reference::new(1);
    reference.table(DEL_TABLE, ACK, standalone::TABLE, None);
    same(ours.finish().bytes(), &reference.finish());
}
