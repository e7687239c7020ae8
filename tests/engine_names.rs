//! Targets that a client names by a host name: what is judged before a look-up, what after it, and who gets it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::net::IpAddr;

use common::{NOW, access, at, config, datagram, fields, keys};
use spa_knockd::access::Place;
use spa_knockd::config::{Access, Open};
use spa_knockd::engine::{Engine, Memory, Pending, Verdict};
use spa_knockd::knock::fwknop::encode::encode_fresh;
use spa_knockd::knock::fwknop::fields::MessageType;
use spa_knockd::reason::Reason;

const V4: (&str, &str) = ("203.0.113.9", "198.51.100.1");
const V6: (&str, &str) = ("2001:db8:5::9", "2001:db8::1");
const WANTED: &str = "203.0.113.21,tcp/2222";
const WANTED_V6: &str = "2001:db8:5::21,tcp/22";
const NAME: &str = "nas.lan,22";

fn place_of(address: IpAddr) -> Place {
    match address.to_string().as_str() {
        "198.51.100.1" | "192.168.1.1" | "2001:db8::1" => Place::Own,
        "192.168.1.255" => Place::Unknown,
        text if text.starts_with("192.168.1.") || text.starts_with("2001:db8:1::") => Place::Inside,
        _ => Place::Elsewhere,
    }
}

fn naming(access: &mut Access) {
    access.allow_nat = true;
    access.nat_dns = true;
}

fn stanza(name: &str, change: impl Fn(&mut Access)) -> Access {
    let mut stanza = access(name, keys(1));
    naming(&mut stanza);
    change(&mut stanza);
    stanza
}

fn payload(message_type: MessageType, message: &str, nat: &str) -> Vec<u8> {
    let mut fields = fields(NOW, message);
    fields.message_type = message_type;
    fields.nat = Some(nat.to_owned());
    fields.client_timeout = message_type.has_timeout().then_some(60);
    encode_fresh(&fields, &keys(1)).unwrap().as_bytes().to_vec()
}

fn handle(engine: &mut Engine, between: (&str, &str), payload: &[u8]) -> Verdict {
    engine.handle(&datagram(between.0, between.1, payload), at(NOW), &place_of, &mut |_, _| {})
}

fn addresses(found: &[&str]) -> Vec<IpAddr> {
    found.iter().map(|address| address.parse().unwrap()).collect()
}

fn resolved(engine: &Engine, verdict: Verdict, found: &[&str]) -> Verdict {
    let pending = verdict.awaits.unwrap();
    engine.resolved(pending, &addresses(found), at(NOW), &place_of, &mut |_, _| {})
}

/// The ways that one knock gets from one stanza when its name stands for these addresses.
fn judge(
    change: impl Fn(&mut Access),
    between: (&str, &str),
    message_type: MessageType,
    message: &str,
    found: &[&str],
) -> Result<String, Reason> {
    let mut engine = Engine::new(&config(vec![stanza("alice", change)]), Memory::default());
    let verdict = handle(&mut engine, between, &payload(message_type, message, NAME));
    assert_eq!(verdict.awaits.as_ref().map(Pending::name), Some("nas.lan"), "{verdict:?}");
    assert_eq!(verdict.outcome, Err(Reason::NatUnresolved));
    let grant = resolved(&engine, verdict, found).outcome?;
    assert!(grant.openings.is_empty());
    Ok(grant.forwards.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

/// The refusal of a knock for whose name nobody asks.
fn refused(change: impl Fn(&mut Access), message_type: MessageType, message: &str) -> Reason {
    let mut engine = Engine::new(&config(vec![stanza("alice", change)]), Memory::default());
    let verdict = handle(&mut engine, V4, &payload(message_type, message, NAME));
    assert!(verdict.awaits.is_none(), "{verdict:?}");
    verdict.outcome.unwrap_err()
}

#[test]
fn the_first_permitted_address_of_the_sources_family_is_taken() {
    for (found, way) in [
        (&["192.168.1.10"][..], "192.168.1.10"),
        (&["192.168.1.11", "192.168.1.10"], "192.168.1.11"),
        (&["127.0.0.1", "198.51.100.1", "192.0.2.80", "192.168.1.10"], "192.168.1.10"),
        (&["2001:db8:1::10", "192.168.1.10"], "192.168.1.10"),
    ] {
        for message_type in [MessageType::NatAccess, MessageType::TimeoutNatAccess] {
            let said = judge(|_| {}, V4, message_type, WANTED, found);
            assert_eq!(said, Ok(format!("tcp/2222 to {way}:22")), "{found:?}");
        }
    }
    let v6 = judge(|_| {}, V6, MessageType::NatAccess, WANTED_V6, &["192.168.1.10", "2001:db8:1::10"]);
    assert_eq!(v6, Ok("tcp/22 at 2001:db8:1::10".to_owned()));
    let listed = |access: &mut Access| access.nat_target = vec!["192.0.2.0/24".parse().unwrap()];
    let said = judge(listed, V4, MessageType::NatAccess, WANTED, &["192.168.1.10", "192.0.2.80"]);
    assert_eq!(said, Ok("tcp/2222 to 192.0.2.80:22".to_owned()));
}

#[test]
fn an_address_is_judged_as_if_the_client_had_named_it() {
    for forbidden in [
        "198.51.100.1",
        "192.168.1.1",
        "192.168.1.255",
        "192.0.2.80",
        "127.0.0.1",
        "0.0.0.0",
        "169.254.7.7",
        "239.1.2.3",
        "255.255.255.255",
        "::ffff:192.168.1.10",
        "::1",
        "fe80::10",
        "ff02::1",
    ] {
        let said = judge(|_| {}, V4, MessageType::NatAccess, WANTED, &[forbidden]);
        assert_eq!(said, Err(Reason::NatTarget), "{forbidden}");
    }
    let everything = |access: &mut Access| access.nat_target = vec!["0.0.0.0/0".parse().unwrap()];
    for (found, reason) in [
        (&["127.0.0.1", "198.51.100.1"][..], Reason::NatTarget),
        (&["0.0.0.0"], Reason::NatTarget),
        (&[], Reason::NatUnresolved),
    ] {
        assert_eq!(judge(everything, V4, MessageType::NatAccess, WANTED, found), Err(reason), "{found:?}");
    }
    let other_family = judge(|_| {}, V4, MessageType::NatAccess, WANTED, &["2001:db8:1::10"]);
    assert_eq!(other_family, Err(Reason::Family));
    let mixed = judge(|_| {}, V4, MessageType::NatAccess, WANTED, &["2001:db8:1::10", "127.0.0.1"]);
    assert_eq!(mixed, Err(Reason::NatTarget), "the family of the source counts first");
}

#[test]
fn the_router_itself_may_have_a_name_where_that_is_allowed() {
    let local = |access: &mut Access| access.allow_local_nat = true;
    let own = judge(local, V4, MessageType::LocalNat, WANTED, &["192.168.1.10", "198.51.100.1"]);
    assert_eq!(own, Ok("tcp/2222 to 198.51.100.1:22".to_owned()));
    assert_eq!(judge(local, V4, MessageType::LocalNat, WANTED, &["127.0.0.1"]), Err(Reason::NatTarget));
    let shut = |access: &mut Access| {
        local(access);
        access.restrict = vec!["tcp/22".parse().unwrap()];
    };
    assert_eq!(judge(shut, V4, MessageType::LocalNat, WANTED, &["198.51.100.1"]), Err(Reason::PortRestricted));
    assert_eq!(refused(|_| {}, MessageType::LocalNat, WANTED), Reason::LocalNatNotAllowed);
}

#[test]
fn nobody_asks_for_a_name_unless_all_else_is_permitted() {
    type Change = fn(&mut Access);
    let ssh_only: Change = |access| access.open = Open::Ports(vec!["tcp/22".parse().unwrap()]);
    let cases: [(Change, &str, Reason); 10] = [
        (|access| access.nat_dns = false, WANTED, Reason::NatName),
        (|access| access.allow_nat = false, WANTED, Reason::NatNotAllowed),
        (ssh_only, WANTED, Reason::PortNotAllowed),
        (ssh_only, "203.0.113.21,tcp/22,tcp/80", Reason::PortNotAllowed),
        (|access| access.restrict = vec!["tcp/2222".parse().unwrap()], WANTED, Reason::PortRestricted),
        (|access| access.require_username = Some("bob".into()), WANTED, Reason::Username),
        (|_| {}, "0.0.0.0,tcp/2222", Reason::SourceAddressRequired),
        (|_| {}, "127.0.0.1,tcp/2222", Reason::AddressForbidden),
        (|_| {}, WANTED_V6, Reason::Family),
        (
            |access| {
                access.disable_dnat = true;
                access.open = Open::Ports(vec!["tcp/2222".parse().unwrap()]);
            },
            WANTED,
            Reason::PortNotAllowed,
        ),
    ];
    for (change, message, reason) in cases {
        assert_eq!(refused(change, MessageType::NatAccess, message), reason, "{message}");
    }
}

#[test]
fn a_stanza_that_forwards_by_itself_needs_no_name() {
    let forward = |access: &mut Access| {
        let to = "192.168.1.77:22".parse().unwrap();
        access.forward = vec![spa_knockd::config::Through { outside: Some("tcp/2222".parse().unwrap()), to }];
    };
    let mut engine = Engine::new(&config(vec![stanza("alice", forward)]), Memory::default());
    let verdict = handle(&mut engine, V4, &payload(MessageType::NatAccess, WANTED, NAME));
    assert!(verdict.awaits.is_none());
    assert_eq!(verdict.outcome.unwrap().forwards[0].to_string(), "tcp/2222 to 192.168.1.77:22");
}

#[test]
fn a_knock_that_waits_is_remembered_at_once_and_honoured_once() {
    for max_age in [120, 0] {
        let mut config = config(vec![stanza("alice", |_| {})]);
        config.main.max_age = max_age;
        let mut engine = Engine::new(&config, Memory::default());
        let knock = payload(MessageType::NatAccess, WANTED, NAME);
        let first = handle(&mut engine, V4, &knock);
        assert!(first.entry.is_some(), "what is looked up is in the journal");
        let again = handle(&mut engine, V4, &knock);
        assert!(again.awaits.is_none() && again.outcome.is_err(), "a replay costs no look-up: {again:?}");
        assert_eq!(engine.floors().0, 0);
        let entry = first.entry;
        let verdict = resolved(&engine, first, &["192.168.1.10"]);
        assert_eq!((verdict.entry, verdict.access.as_deref()), (entry, Some("alice")));
        assert_eq!(verdict.fields.as_ref().map(|fields| fields.user.as_str()), Some("alice"));
        assert!(verdict.outcome.is_ok());
        engine.honoured(&verdict, at(NOW));
        assert_eq!(engine.floors(), (NOW, [("alice".to_owned(), NOW)].into_iter().collect()));
    }
}

#[test]
fn every_stanza_is_asked_as_without_names() {
    let plain = |name| {
        let to = "192.168.1.77:22".parse().unwrap();
        stanza(name, move |access| {
            access.forward = vec![spa_knockd::config::Through { outside: None, to }];
        })
    };
    let shut = stanza("shut", |access| access.open = Open::Ports(Vec::new()));
    let narrow = stanza("narrow", |access| access.nat_target = vec!["192.168.1.32/27".parse().unwrap()]);
    let wide = stanza("wide", |_| {});
    let knock = payload(MessageType::NatAccess, WANTED, NAME);

    // A stanza that needs no name wins over one that waits.
    let mut engine = Engine::new(&config(vec![wide.clone(), plain("plain")]), Memory::default());
    let verdict = handle(&mut engine, V4, &knock);
    assert!(verdict.awaits.is_none());
    assert_eq!(verdict.outcome.unwrap().access.as_ref(), "plain");

    // Of those that wait, the first that permits an address.
    for (found, by) in [
        (&["192.168.1.10"][..], Ok("wide")),
        (&["192.168.1.40"], Ok("narrow")),
        (&["192.0.2.80"], Err(Reason::NatTarget)),
        (&[], Err(Reason::NatUnresolved)),
    ] {
        let stanzas = vec![shut.clone(), narrow.clone(), wide.clone()];
        let mut engine = Engine::new(&config(stanzas), Memory::default());
        let verdict = handle(&mut engine, V4, &knock);
        assert_eq!(verdict.access.as_deref(), Some("narrow"), "the refusal of another stanza counts less");
        let verdict = resolved(&engine, verdict, found);
        let said = verdict.outcome.as_ref().map(|grant| grant.access.as_ref()).map_err(|reason| *reason);
        assert_eq!(said, by, "{found:?}");
        let of = if by.is_ok() { by.ok() } else { Some("narrow") };
        assert_eq!(verdict.access.as_deref(), of);
    }
}

#[test]
fn what_holds_when_the_answer_comes_counts() {
    let expiring = stanza("alice", |access| access.expires = Some(NOW + 3));
    let mut engine = Engine::new(&config(vec![expiring]), Memory::default());
    let verdict = handle(&mut engine, V4, &payload(MessageType::NatAccess, WANTED, NAME));
    let pending = verdict.awaits.unwrap();
    let found = addresses(&["192.168.1.10"]);
    let later = |engine: &Engine, unix| {
        engine.resolved(pending.clone(), &found, at(unix), &place_of, &mut |_, _| {}).outcome.map(drop)
    };
    assert_eq!(later(&engine, NOW + 2), Ok(()));
    assert_eq!(later(&engine, NOW + 3), Err(Reason::Expired));
    let other = Engine::new(&config(vec![stanza("bob", |_| {})]), Memory::default());
    assert_eq!(later(&other, NOW), Err(Reason::NatUnresolved), "its stanza is gone");
    for (unix, reason) in [(0, Reason::ClockNotSet), (NOW + 121, Reason::TooOld), (NOW - 121, Reason::TooNew)] {
        let plain = Engine::new(&config(vec![stanza("alice", |_| {})]), Memory::default());
        assert_eq!(later(&plain, unix), Err(reason), "{unix}");
    }
    let mut floored = Engine::new(&config(vec![stanza("alice", |_| {})]), Memory::default());
    assert_eq!(later(&floored, NOW), Ok(()));
    floored.settle_again(at(NOW));
    assert_eq!(later(&floored, NOW), Err(Reason::NotNewer), "what was honoured before a loss is kept out by time");
    let stricter = stanza("alice", |access| access.allow_nat = false);
    let stricter = Engine::new(&config(vec![stricter]), Memory::default());
    assert_eq!(later(&stricter, NOW), Err(Reason::NatNotAllowed));
}
