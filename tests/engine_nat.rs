//! Policy for ways through: what a stanza forwards by itself, what a client may name, and every target it may not.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::net::IpAddr;

use common::{NOW, access, at, config, datagram, fields, keys};
use spa_knockd::access::{Grant, Place, Snat};
use spa_knockd::config::{Access, Open, Through};
use spa_knockd::engine::{Engine, Memory};
use spa_knockd::knock::fwknop::encode::encode_fresh;
use spa_knockd::knock::fwknop::fields::MessageType;
use spa_knockd::reason::Reason;

use MessageType::{
    Access as Plain, LocalNat, NatAccess as Nat, TimeoutAccess as TimeoutPlain, TimeoutLocalNat,
    TimeoutNatAccess as TimeoutNat,
};

const V4: (&str, &str) = ("203.0.113.9", "198.51.100.1");
const V6: (&str, &str) = ("2001:db8:5::9", "2001:db8::1");
const WANTED: &str = "203.0.113.21,tcp/2222";
const WANTED_V6: &str = "2001:db8:5::21,tcp/22";

/// A router with two own addresses in each family, and networks behind it.
fn place_of(address: IpAddr) -> Place {
    match address.to_string().as_str() {
        "198.51.100.1" | "192.168.1.1" | "2001:db8::1" | "2001:db8:1::1" => Place::Own,
        "192.168.1.255" => Place::Unknown,
        text if text.starts_with("192.168.1.") || text.starts_with("2001:db8:1::") => Place::Inside,
        _ => Place::Elsewhere,
    }
}

fn through(outside: &str, to: &str) -> Through {
    let outside = (outside != "any").then(|| outside.parse().unwrap());
    Through { outside, to: to.parse().unwrap() }
}

/// What one knock gets from one stanza.
fn judge(
    change: impl Fn(&mut Access),
    between: (&str, &str),
    message_type: MessageType,
    message: &str,
    nat: Option<&str>,
) -> Result<Grant, Reason> {
    let mut stanza = access("alice", keys(1));
    change(&mut stanza);
    let mut fields = fields(NOW, message);
    fields.message_type = message_type;
    fields.nat = nat.map(str::to_owned);
    fields.client_timeout = message_type.has_timeout().then_some(60);
    let payload = encode_fresh(&fields, &keys(1)).unwrap();
    let mut engine = Engine::new(&config(vec![stanza]), Memory::default());
    let datagram = datagram(between.0, between.1, payload.as_bytes());
    engine.handle(&datagram, at(NOW), &place_of, &mut |_, _| {}).outcome
}

/// The doors and ways of a grant, as people read them.
fn said(grant: Result<Grant, Reason>) -> Result<String, Reason> {
    let grant = grant?;
    let doors = grant.openings.iter().map(|opening| format!("door {}", opening.port));
    Ok(doors.chain(grant.forwards.iter().map(ToString::to_string)).collect::<Vec<_>>().join(", "))
}

fn allowing(access: &mut Access) {
    access.allow_nat = true;
    access.allow_local_nat = true;
}

#[test]
fn a_client_may_name_a_host_behind_the_router() {
    for (message_type, timeout) in [(Nat, 30), (TimeoutNat, 60)] {
        let grant = judge(allowing, V4, message_type, WANTED, Some("192.168.1.10,22")).unwrap();
        assert_eq!((grant.openings.len(), grant.forwards.len(), grant.timeout), (0, 1, timeout));
        let forward = grant.forwards[0];
        assert_eq!(forward.source.to_string(), "203.0.113.21");
        assert_eq!(forward.to_string(), "tcp/2222 to 192.168.1.10:22");
        assert_eq!((forward.all, forward.snat), (false, None));
    }
    let only = |flag: fn(&mut Access)| judge(flag, V4, Nat, WANTED, Some("192.168.1.10,22"));
    assert!(only(|access| access.allow_nat = true).is_ok());
    assert_eq!(only(|access| access.allow_local_nat = true), Err(Reason::NatNotAllowed));
}

#[test]
fn every_forbidden_target_is_refused() {
    let everything = |access: &mut Access| {
        allowing(access);
        access.nat_target = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
    };
    for (target, by_default, with_everything) in [
        ("192.168.1.10", Ok(()), Ok(())),
        ("192.0.2.80", Err(Reason::NatTarget), Ok(())),
        ("10.0.0.1", Err(Reason::NatTarget), Ok(())),
        ("198.51.100.1", Err(Reason::NatTarget), Err(Reason::NatTarget)),
        ("192.168.1.1", Err(Reason::NatTarget), Err(Reason::NatTarget)),
        ("192.168.1.255", Err(Reason::NatTarget), Err(Reason::NatTarget)),
        ("127.0.0.1", Err(Reason::NatTarget), Err(Reason::NatTarget)),
        ("0.0.0.0", Err(Reason::NatTarget), Err(Reason::NatTarget)),
        ("169.254.7.7", Err(Reason::NatTarget), Err(Reason::NatTarget)),
        ("239.1.2.3", Err(Reason::NatTarget), Err(Reason::NatTarget)),
        ("240.0.0.1", Err(Reason::NatTarget), Err(Reason::NatTarget)),
        ("255.255.255.255", Err(Reason::NatTarget), Err(Reason::NatTarget)),
        ("::1", Err(Reason::NatTarget), Err(Reason::NatTarget)),
        ("::", Err(Reason::NatTarget), Err(Reason::NatTarget)),
        ("fe80::10", Err(Reason::NatTarget), Err(Reason::NatTarget)),
        ("ff05::10", Err(Reason::NatTarget), Err(Reason::NatTarget)),
        ("::ffff:192.168.1.10", Err(Reason::NatTarget), Err(Reason::NatTarget)),
        ("2001:db8:1::10", Err(Reason::Family), Err(Reason::Family)),
        ("nas.lan", Err(Reason::NatName), Err(Reason::NatName)),
    ] {
        let nat = format!("{target},22");
        let outcome = |change: fn(&mut Access)| judge(change, V4, Nat, WANTED, Some(&nat)).map(drop);
        assert_eq!(outcome(allowing), by_default, "{target}");
        assert_eq!(judge(everything, V4, Nat, WANTED, Some(&nat)).map(drop), with_everything, "{target}");
        let expected = if target == "nas.lan" { Reason::NatName } else { Reason::NatTarget };
        if !["198.51.100.1", "192.168.1.1"].contains(&target) {
            let local = judge(everything, V4, LocalNat, WANTED, Some(&nat)).map(drop);
            assert_eq!(local, Err(expected), "{target} is not the router");
        }
    }
}

#[test]
fn the_list_of_targets_is_all_that_counts_where_there_is_one() {
    let listed = |access: &mut Access| {
        allowing(access);
        access.nat_target = vec!["192.168.1.32/27".parse().unwrap(), "192.0.2.80".parse().unwrap()];
    };
    for (target, expected) in [
        ("192.168.1.31", Err(Reason::NatTarget)),
        ("192.168.1.32", Ok(())),
        ("192.168.1.63", Ok(())),
        ("192.168.1.64", Err(Reason::NatTarget)),
        ("192.0.2.80", Ok(())),
        ("192.0.2.81", Err(Reason::NatTarget)),
    ] {
        let outcome = judge(listed, V4, Nat, WANTED, Some(&format!("{target},22")));
        assert_eq!(outcome.map(drop), expected, "{target}");
    }
}

#[test]
fn a_local_redirect_leads_to_the_router_itself() {
    for message_type in [LocalNat, TimeoutLocalNat] {
        for own in ["198.51.100.1", "192.168.1.1"] {
            let said = said(judge(allowing, V4, message_type, WANTED, Some(&format!("{own},22"))));
            assert_eq!(said.unwrap(), format!("tcp/2222 to {own}:22"));
        }
    }
    let outcome = judge(|access| access.allow_nat = true, V4, LocalNat, WANTED, Some("192.168.1.1,22"));
    assert_eq!(outcome, Err(Reason::LocalNatNotAllowed));
    let all = |access: &mut Access| {
        allowing(access);
        (access.forward_all, access.snat) = (true, Some(Snat::Masquerade));
    };
    let forward = judge(all, V4, LocalNat, WANTED, Some("192.168.1.1,22")).unwrap().forwards[0];
    assert_eq!((forward.all, forward.snat), (false, None), "not every port of the router is opened");
}

#[test]
fn a_restricted_port_of_the_router_is_not_to_be_had_by_another_one() {
    let restricting = |access: &mut Access| {
        allowing(access);
        access.restrict = vec!["tcp/22".parse().unwrap()];
    };
    let local = |port: &str| judge(restricting, V4, LocalNat, WANTED, Some(&format!("198.51.100.1,{port}")));
    assert_eq!(local("22").map(drop), Err(Reason::PortRestricted));
    assert!(local("80").is_ok());
    assert!(judge(restricting, V4, Nat, WANTED, Some("192.168.1.10,22")).is_ok(), "a host behind has ports of its own");
}

#[test]
fn a_knocked_address_that_is_not_the_routers_is_none() {
    let routed = ("203.0.113.9", "192.168.1.10");
    let outcome = judge(allowing, routed, LocalNat, WANTED, Some("192.168.1.10,22"));
    assert_eq!(outcome, Err(Reason::NatTarget));
}

#[test]
fn open_and_restrict_judge_every_port_and_the_first_one_counts() {
    let listed = |access: &mut Access| {
        allowing(access);
        access.open = Open::Ports(vec!["tcp/2222".parse().unwrap(), "tcp/80".parse().unwrap()]);
        access.restrict = vec!["tcp/80".parse().unwrap()];
    };
    for (ports, expected) in [
        ("tcp/2222", Ok("tcp/2222 to 192.168.1.10:80")),
        ("tcp/2222,tcp/2222", Ok("tcp/2222 to 192.168.1.10:80")),
        ("tcp/22", Err(Reason::PortNotAllowed)),
        ("tcp/2222,tcp/22", Err(Reason::PortNotAllowed)),
        ("tcp/2222,tcp/80", Err(Reason::PortRestricted)),
        ("udp/2222", Err(Reason::PortNotAllowed)),
    ] {
        let outcome = judge(listed, V4, Nat, &format!("203.0.113.21,{ports}"), Some("192.168.1.10,80"));
        assert_eq!(said(outcome), expected.map(str::to_owned), "{ports}");
    }
    let outcome = judge(allowing, V4, Nat, "203.0.113.21,udp/53,tcp/2222", Some("192.168.1.10,80"));
    assert_eq!(said(outcome).unwrap(), "udp/53 to 192.168.1.10:80");
    let outcome = judge(listed, V4, Nat, "203.0.113.21,tcp/22", Some("127.0.0.1,80"));
    assert_eq!(outcome, Err(Reason::PortNotAllowed), "ports are judged before the target");
}

#[test]
fn the_stanzas_own_forward_wins_over_what_the_knock_names() {
    let forwarding = |access: &mut Access| {
        access.open = Open::Ports(vec!["tcp/80".parse().unwrap()]);
        access.forward = vec![through("tcp/2222", "192.168.1.10:22"), through("udp/53", "192.168.1.11:53")];
    };
    let inside = "tcp/2222 to 192.168.1.10:22";
    for (message_type, nat) in [
        (Plain, None),
        (TimeoutPlain, None),
        (Nat, Some("192.0.2.66,3306")),
        (TimeoutNat, Some("nas.lan,3306")),
        (LocalNat, Some("198.51.100.1,80")),
        (TimeoutLocalNat, Some("127.0.0.1,80")),
    ] {
        assert_eq!(said(judge(forwarding, V4, message_type, WANTED, nat)).unwrap(), inside, "{message_type:?}");
    }
    for (ports, expected) in [
        ("tcp/80", Ok("door tcp/80".to_owned())),
        ("tcp/80,tcp/2222,tcp/80,tcp/2222", Ok(format!("door tcp/80, {inside}"))),
        ("tcp/22", Err(Reason::PortNotAllowed)),
        ("udp/2222", Err(Reason::PortNotAllowed)),
    ] {
        let outcome = judge(forwarding, V4, Plain, &format!("203.0.113.21,{ports}"), None);
        assert_eq!(said(outcome), expected, "{ports}");
    }
    let elsewhere = judge(forwarding, V4, Nat, "203.0.113.21,tcp/80", Some("192.168.1.10,22"));
    assert_eq!(elsewhere, Err(Reason::NatNotAllowed));
    let restricted = |access: &mut Access| {
        forwarding(access);
        access.restrict = vec!["tcp/2222".parse().unwrap()];
    };
    for (message_type, nat) in [(Plain, None), (Nat, Some("192.168.1.10,22"))] {
        assert_eq!(judge(restricted, V4, message_type, WANTED, nat), Err(Reason::PortRestricted));
    }
}

#[test]
fn a_forward_of_any_port_leaves_no_door_of_the_router() {
    let forwarding = |access: &mut Access| {
        access.open = Open::Ports(Vec::new());
        access.forward = vec![through("any", "192.168.1.10:443"), through("tcp/2222", "192.168.1.11:22")];
    };
    let ask = |ports: &str| said(judge(forwarding, V4, Plain, &format!("203.0.113.21,{ports}"), None)).unwrap();
    assert_eq!(ask("tcp/80"), "tcp/80 to 192.168.1.10:443");
    assert_eq!(ask("tcp/2222"), "tcp/2222 to 192.168.1.11:22", "the port by name comes first");
    let v6 = judge(forwarding, V6, Plain, WANTED_V6, None);
    assert_eq!(v6, Err(Reason::Family), "what is forwarded for one family is no door for the other");
}

#[test]
fn ipv6_is_forwarded_to_the_hosts_own_address() {
    let grant = judge(allowing, V6, Nat, WANTED_V6, Some("2001:db8:1::10,22")).unwrap();
    let forward = grant.forwards[0];
    assert_eq!((forward.outside, forward.to.to_string().as_str()), (None, "[2001:db8:1::10]:22"));
    assert_eq!(forward.to_string(), "tcp/22 at 2001:db8:1::10");
    for (target, expected) in [
        ("2001:db8:1::1,22", Err(Reason::NatTarget)),
        ("2001:db8:9::1,22", Err(Reason::NatTarget)),
        ("192.168.1.10,22", Err(Reason::Family)),
    ] {
        assert_eq!(judge(allowing, V6, Nat, WANTED_V6, Some(target)).map(drop), expected, "{target}");
    }
    let both = |access: &mut Access| {
        access.open = Open::Ports(Vec::new());
        access.forward = vec![through("tcp/22", "192.168.1.10:2200"), through("tcp/22", "[2001:db8:1::10]:22")];
        access.snat = Some(Snat::Masquerade);
    };
    let v6 = judge(both, V6, Plain, WANTED_V6, None).unwrap().forwards[0];
    assert_eq!((v6.to.is_ipv6(), v6.outside, v6.snat), (true, None, None));
    let v4 = judge(both, V6, Plain, "203.0.113.21,tcp/22", None).unwrap().forwards[0];
    assert_eq!(v4.to_string(), "tcp/22 to 192.168.1.10:2200 (masqueraded)");
}

#[test]
fn without_translation_the_inside_port_is_the_outside_port() {
    let listed = |access: &mut Access| {
        allowing(access);
        access.disable_dnat = true;
        access.open = Open::Ports(vec!["tcp/22".parse().unwrap(), "tcp/2222".parse().unwrap()]);
    };
    for (between, message, nat, expected) in [
        (V4, WANTED, "192.168.1.10,22", Ok("tcp/22 at 192.168.1.10")),
        (V4, WANTED, "192.168.1.10,3306", Err(Reason::PortNotAllowed)),
        (V6, WANTED_V6, "2001:db8:1::10,22", Ok("tcp/22 at 2001:db8:1::10")),
        (V6, WANTED_V6, "2001:db8:1::10,3306", Err(Reason::PortNotAllowed)),
    ] {
        assert_eq!(said(judge(listed, between, Nat, message, Some(nat))), expected.map(str::to_owned), "{nat}");
    }
}

#[test]
fn what_the_stanza_says_of_its_forwards_goes_with_each() {
    let all = |access: &mut Access| {
        allowing(access);
        access.forward_all = true;
        access.snat = Some(Snat::Address("192.168.1.1".parse().unwrap()));
    };
    let said = said(judge(all, V4, Nat, WANTED, Some("192.168.1.10,22"))).unwrap();
    assert_eq!(said, "tcp/2222 to 192.168.1.10:22 and all else of 192.168.1.10 (as 192.168.1.1)");
}

#[test]
fn the_owner_may_forward_to_the_router_itself() {
    let forwarding = |access: &mut Access| {
        access.forward = vec![through("tcp/2222", "192.168.1.1:22")];
        (access.forward_all, access.snat) = (true, Some(Snat::Masquerade));
    };
    assert_eq!(said(judge(forwarding, V4, Plain, WANTED, None)).unwrap(), "tcp/2222 to 192.168.1.1:22");
}

#[test]
fn a_way_through_is_never_wider_than_one_address() {
    let wide = |access: &mut Access| {
        access.prefix_v4 = 16;
        access.forward = vec![through("tcp/2222", "192.168.1.10:22")];
    };
    let grant = judge(wide, V4, Plain, "203.0.113.21,tcp/22,tcp/2222", None).unwrap();
    assert_eq!(grant.openings[0].source.to_string(), "203.0.0.0/16");
    assert_eq!(grant.forwards[0].source.to_string(), "203.0.113.21");
}
