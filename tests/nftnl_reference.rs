//! Our messages against libnftnl's: the same bytes for every kind that we send.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod reference;

use std::time::Duration;

use reference::{
    ACK, APPEND, CREATE, DEL_ELEMENT, DEL_RULE, DEL_TABLE, NEW_ELEMENT, NEW_RULE, NEW_TABLE, Reference, jump, known,
    members, reject,
};
use spa_knockd::access::Opening;
use spa_knockd::firewall::batch::Batch;
use spa_knockd::firewall::wire::Messages;
use spa_knockd::firewall::{Element, Guard, Set, standalone};

/// Compares message by message, so that a failure names the one that differs.
fn same(ours: &[u8], reference: &[u8]) {
    let pairs = Messages(ours).zip(Messages(reference));
    for (at, (ours, reference)) in pairs.enumerate() {
        assert_eq!(ours, reference, "message {at}");
    }
    assert_eq!(ours, reference);
}

fn elements() -> Vec<Element> {
    [
        ("192.0.2.1", None, "tcp/22"),
        ("2001:db8::1", None, "udp/1194"),
        ("192.0.2.1", Some("198.51.100.7"), "tcp/65535"),
        ("2001:db8::1", Some("2001:db8::2"), "tcp/1"),
        ("192.0.2.0/24", None, "udp/53"),
        ("2001:db8:1::/48", None, "tcp/443"),
    ]
    .map(|(source, destination, port)| {
        Element::of(&Opening {
            source: source.parse().unwrap(),
            destination: destination.map(|to| to.parse().unwrap()),
            port: port.parse().unwrap(),
        })
        .unwrap()
    })
    .to_vec()
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
    for (base, guard, hook) in [("input", "guard_input", 1), ("forward", "guard_forward", 2)] {
        let rule = APPEND | CREATE;
        reference.chain(table, guard, None);
        reference.rule(DEL_RULE, 0, table, guard, &[]);
        reference.rule(NEW_RULE, rule, table, guard, &known());
        for (set, id) in ids().filter(|(set, _)| base == "input" || set.has_destination()) {
            reference.rule(NEW_RULE, rule, table, guard, &members(set, id));
        }
        reference.rule(NEW_RULE, rule, table, guard, &reject(6, 22, 1, 0));
        reference.rule(NEW_RULE, rule, table, guard, &reject(17, 1194, 2, 1));
        reference.chain(table, base, Some(hook));
        reference.rule(DEL_RULE, 0, table, base, &[]);
        let ack = if base == "forward" { ACK } else { 0 };
        reference.rule(NEW_RULE, rule | ack, table, base, &jump(guard));
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
