//! The core as a whole: order of the checks (DESIGN D4), time (D6), several stanzas, policy.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../common/mod.rs"]
mod common;
mod memory;
mod time;

use common::{NOW, access, at, config, datagram, fields, keys, nothing, packet};
use spa_knockd::access::{Grant, Place};
use spa_knockd::config::{Config, Open};
use spa_knockd::engine::{BUILD_EPOCH, Clock, Engine, Memory, Verdict};
use spa_knockd::knock::fwknop::encode::encode_fresh;
use spa_knockd::knock::fwknop::fields::MessageType;
use spa_knockd::reason::Reason;

const SOURCE: &str = "203.0.113.9";
const ROUTER: &str = "198.51.100.1";
const MESSAGE: &str = "203.0.113.21,tcp/22";

fn knock(engine: &mut Engine, payload: &[u8], clock: Clock) -> Verdict {
    let verdict = engine.handle(&datagram(SOURCE, ROUTER, payload), clock, &nothing, &mut |_, _| {});
    if verdict.outcome.is_ok() {
        engine.honoured(&verdict, clock);
    }
    verdict
}

fn outcome(engine: &mut Engine, payload: &[u8], clock: Clock) -> Result<(), Reason> {
    knock(engine, payload, clock).outcome.map(drop)
}

fn one_stanza() -> Config {
    config(vec![access("alice", keys(1))])
}

fn engine() -> Engine {
    Engine::new(&one_stanza(), Memory::default())
}

/// The engine after a reboot: only the floors survive, as the state file keeps them.
fn rebooted(engine: &Engine, config: &Config) -> Engine {
    let (clock_floor, newest) = engine.floors();
    Engine::new(config, Memory { clock_floor, floors: newest.clone(), newest, ..Memory::default() })
}

fn grant_of(verdict: Verdict) -> Grant {
    verdict.outcome.unwrap()
}

#[test]
fn a_fresh_knock_opens_what_it_asks_for() {
    let grant = grant_of(knock(&mut engine(), &packet(NOW, "203.0.113.21,tcp/22,udp/53,tcp/22", &keys(1)), at(NOW)));
    let ports: Vec<_> = grant.openings.iter().map(|opening| opening.port.to_string()).collect();
    assert_eq!(ports, ["tcp/22", "udp/53"]);
    assert!(grant.openings.iter().all(|opening| opening.source.to_string() == "203.0.113.21"));
    assert_eq!((&*grant.access, grant.timeout), ("alice", 30));
}

#[test]
fn an_unauthenticated_packet_changes_nothing() {
    let mut engine = engine();
    let before = engine.memory();
    assert_eq!(outcome(&mut engine, &packet(NOW, MESSAGE, &keys(9)), at(NOW)), Err(Reason::Hmac));
    let mut damaged = packet(NOW, MESSAGE, &keys(1));
    damaged[50] = if damaged[50] == b'A' { b'B' } else { b'A' };
    assert_eq!(outcome(&mut engine, &damaged, at(NOW)), Err(Reason::Hmac));
    assert_eq!(engine.memory(), before);
}

#[test]
fn a_stale_packet_is_not_remembered_and_a_refused_one_is() {
    let mut config = one_stanza();
    config.access[0].open = Open::Ports(vec!["tcp/80".parse().unwrap()]);
    let mut engine = Engine::new(&config, Memory::default());
    let early = packet(NOW + 200, "203.0.113.21,tcp/80", &keys(1));
    assert_eq!(outcome(&mut engine, &early, at(NOW)), Err(Reason::TooNew));
    assert_eq!(engine.remembered(), 0);
    assert_eq!(outcome(&mut engine, &early, at(NOW + 100)), Ok(()));
    let denied = packet(NOW, MESSAGE, &keys(1));
    assert_eq!(outcome(&mut engine, &denied, at(NOW)), Err(Reason::PortNotAllowed));
    assert_eq!(engine.remembered(), 2);
    assert_eq!(outcome(&mut engine, &denied, at(NOW)), Err(Reason::Replay));
}

#[test]
fn a_replay_is_known_in_every_dress() {
    let plain = {
        let mut keys = keys(1);
        keys.hmac = None;
        keys
    };
    let config = config(vec![access("with", keys(1)), access("without", plain)]);
    let mut engine = Engine::new(&config, Memory::default());
    let payload = packet(NOW, MESSAGE, &keys(1));
    assert_eq!(outcome(&mut engine, &payload, at(NOW)), Ok(()));
    assert_eq!(outcome(&mut engine, &payload, at(NOW + 5)), Err(Reason::Replay));
    let stripped = &payload[..payload.len() - 43];
    assert_eq!(outcome(&mut engine, stripped, at(NOW + 5)), Err(Reason::Replay));
}

#[test]
fn a_refusal_by_policy_lets_the_next_stanza_try_and_remembers_the_packet_once() {
    let mut strict = access("strict", keys(1));
    strict.require_username = Some("bob".to_owned());
    let mut config = config(vec![access("other", keys(2)), strict, access("loose", keys(1))]);
    config.access[2].timeout = 77;
    let mut engine = Engine::new(&config, Memory::default());
    let payload = packet(NOW, MESSAGE, &keys(1));
    let mut heard = Vec::new();
    let verdict = engine.handle(&datagram(SOURCE, ROUTER, &payload), at(NOW), &nothing, &mut |name, reason| {
        heard.push((name.to_string(), reason));
    });
    let expected = [("other", Err(Reason::Hmac)), ("strict", Err(Reason::Username)), ("loose", Ok(()))];
    assert_eq!(heard, expected.map(|(name, reason)| (name.to_owned(), reason)));
    assert_eq!(grant_of(verdict).timeout, 77);
    assert_eq!(engine.remembered(), 1);
}

#[test]
fn the_reason_is_that_of_the_stanza_that_got_furthest_the_first_on_a_tie() {
    let mut far = access("far", keys(1));
    far.open = Open::Ports(Vec::new());
    let mut tie = far.clone();
    tie.name = "tie".to_owned();
    tie.require_username = Some("nobody".to_owned());
    let mut elsewhere = access("elsewhere", keys(1));
    elsewhere.source = vec!["10.0.0.0/8".parse().unwrap()];
    let mut engine = Engine::new(&config(vec![elsewhere, access("b", keys(2)), far, tie]), Memory::default());
    let verdict = knock(&mut engine, &packet(NOW, MESSAGE, &keys(1)), at(NOW));
    assert_eq!(verdict.outcome.err(), Some(Reason::PortNotAllowed));
    assert_eq!(verdict.access.as_deref(), Some("far"));
    assert_eq!(verdict.fields.unwrap().message, MESSAGE);
}

#[test]
fn gates_of_source_and_destination_know_both_families() {
    let mut config = one_stanza();
    config.access[0].source = vec!["203.0.113.0/24".parse().unwrap(), "2001:db8:5::/48".parse().unwrap()];
    config.access[0].destination = vec!["198.51.100.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    for (source, destination, expected) in [
        ("203.0.113.9", "198.51.100.1", Ok(())),
        ("203.0.112.9", "198.51.100.1", Err(Reason::Source)),
        ("203.0.113.9", "198.51.100.2", Err(Reason::Destination)),
        ("2001:db8:5::7", "2001:db8::1", Ok(())),
        ("2001:db8:6::7", "2001:db8::1", Err(Reason::Source)),
        ("2001:db8:5::7", "2001:db8::2", Err(Reason::Destination)),
    ] {
        let mut engine = Engine::new(&config, Memory::default());
        let payload = packet(NOW, MESSAGE, &keys(1));
        let verdict = engine.handle(&datagram(source, destination, &payload), at(NOW), &nothing, &mut |_, _| {});
        assert_eq!(verdict.outcome.map(drop), expected, "{source} {destination}");
    }
}

#[test]
fn families_agree() {
    for (source, destination, message, expected) in [
        (SOURCE, ROUTER, "0.0.0.0,tcp/22", Ok("203.0.113.9")),
        (SOURCE, ROUTER, "::,tcp/22", Ok("203.0.113.9")),
        (SOURCE, ROUTER, "2001:db8::5,tcp/22", Err(Reason::Family)),
        ("2001:db8::9", "2001:db8::1", "2001:db8::5,tcp/22", Ok("2001:db8::5")),
        ("2001:db8::9", "2001:db8::1", "203.0.113.21,tcp/22", Ok("203.0.113.21")),
        ("2001:db8::9", "2001:db8::1", "0.0.0.0,tcp/22", Ok("2001:db8::9")),
        ("2001:db8::9", "2001:db8::1", "::,tcp/22", Ok("2001:db8::9")),
        ("2001:db8::9", "2001:db8::1", "::ffff:203.0.113.21,tcp/22", Err(Reason::AddressForbidden)),
        (SOURCE, ROUTER, "127.0.0.1,tcp/22", Err(Reason::AddressForbidden)),
        (SOURCE, ROUTER, "224.0.0.5,tcp/22", Err(Reason::AddressForbidden)),
        ("fe80::9", "fe80::1", "0.0.0.0,tcp/22", Err(Reason::AddressForbidden)),
        (SOURCE, ROUTER, "198.51.100.1,tcp/22", Err(Reason::AddressForbidden)),
    ] {
        let mut config = one_stanza();
        config.access[0].require_source_address = false;
        let mut engine = Engine::new(&config, Memory::default());
        let payload = packet(NOW, message, &keys(1));
        let router: std::net::IpAddr = ROUTER.parse().unwrap();
        let own = |address| if address == router { Place::Own } else { Place::Elsewhere };
        let verdict = engine.handle(&datagram(source, destination, &payload), at(NOW), &own, &mut |_, _| {});
        let opened = verdict.outcome.map(|grant| grant.openings[0].source.to_string());
        assert_eq!(opened.as_deref().map_err(|reason| *reason), expected, "{source} {message}");
    }
}

#[test]
fn policy_options_do_what_they_say() {
    let judge = |change: fn(&mut Config), message: &str| {
        let mut config = one_stanza();
        change(&mut config);
        let mut engine = Engine::new(&config, Memory::default());
        knock(&mut engine, &packet(NOW, message, &keys(1)), at(NOW)).outcome
    };
    assert_eq!(judge(|_| {}, "0.0.0.0,tcp/22"), Err(Reason::SourceAddressRequired));
    assert_eq!(
        judge(|config| config.access[0].require_username = Some("Alice".to_owned()), MESSAGE),
        Err(Reason::Username),
        "the case counts"
    );
    assert!(judge(|config| config.access[0].require_username = Some("alice".to_owned()), MESSAGE).is_ok());
    let ports: fn(&mut Config) = |config| {
        config.access[0].open = Open::Ports(vec!["tcp/22".parse().unwrap(), "udp/53".parse().unwrap()]);
        config.access[0].restrict = vec!["udp/53".parse().unwrap()];
    };
    assert!(judge(ports, MESSAGE).is_ok());
    assert_eq!(judge(ports, "203.0.113.21,tcp/22,tcp/23"), Err(Reason::PortNotAllowed));
    assert_eq!(judge(ports, "203.0.113.21,udp/22"), Err(Reason::PortNotAllowed));
    assert_eq!(judge(ports, "203.0.113.21,tcp/22,udp/53"), Err(Reason::PortRestricted));
    let widened = judge(|config| config.access[0].prefix_v4 = 24, MESSAGE).unwrap();
    assert_eq!(widened.openings[0].source.to_string(), "203.0.113.0/24");
    let exact = judge(|config| config.access[0].match_destination = true, MESSAGE).unwrap();
    assert_eq!(exact.openings[0].destination, Some(ROUTER.parse().unwrap()));
}

#[test]
fn an_exact_destination_is_of_the_sources_family() {
    let mut config = one_stanza();
    config.access[0].match_destination = true;
    let mut engine = Engine::new(&config, Memory::default());
    let payload = packet(NOW, MESSAGE, &keys(1));
    let verdict = engine.handle(&datagram("2001:db8::9", "2001:db8::1", &payload), at(NOW), &nothing, &mut |_, _| {});
    assert_eq!(verdict.outcome.err(), Some(Reason::Family));
}

#[test]
fn timeouts_are_capped_by_stanza_and_by_main() {
    let life = |wish: Option<u32>, change: fn(&mut Config)| {
        let mut config = one_stanza();
        change(&mut config);
        let mut fields = fields(NOW, MESSAGE);
        if wish.is_some() {
            fields.message_type = MessageType::TimeoutAccess;
            fields.client_timeout = wish;
        }
        let payload = encode_fresh(&fields, &keys(1)).unwrap();
        grant_of(knock(&mut Engine::new(&config, Memory::default()), payload.as_bytes(), at(NOW))).timeout
    };
    assert_eq!(life(None, |_| {}), 30);
    assert_eq!(life(Some(0), |_| {}), 30, "0 asks for nothing");
    assert_eq!(life(Some(1), |_| {}), 1);
    assert_eq!(life(Some(300), |_| {}), 300);
    assert_eq!(life(Some(65536), |_| {}), 300);
    assert_eq!(life(None, |config| config.access[0].timeout = 1000), 1000, "the cap is for what a client asks");
    assert_eq!(life(None, |config| config.main.max_timeout = 20), 20);
    assert_eq!(life(Some(200), |config| config.main.max_timeout = 20), 20);
}

#[test]
fn what_a_later_version_may_allow_is_refused_by_its_own_reason() {
    for (message_type, message, nat, expected) in [
        (MessageType::Command, "203.0.113.21,reboot", None, Reason::CommandNotAllowed),
        (MessageType::NatAccess, MESSAGE, Some("192.168.1.5,80"), Reason::NatNotAllowed),
        (MessageType::TimeoutNatAccess, MESSAGE, Some("nas.lan,80"), Reason::NatNotAllowed),
        (MessageType::LocalNat, MESSAGE, Some("198.51.100.1,80"), Reason::LocalNatNotAllowed),
        (MessageType::TimeoutLocalNat, MESSAGE, Some("198.51.100.1,80"), Reason::LocalNatNotAllowed),
    ] {
        let mut fields = fields(NOW, message);
        fields.message_type = message_type;
        fields.nat = nat.map(str::to_owned);
        fields.client_timeout = message_type.has_timeout().then_some(60);
        let payload = encode_fresh(&fields, &keys(1)).unwrap();
        let verdict = knock(&mut engine(), payload.as_bytes(), at(NOW));
        assert_eq!(verdict.outcome.err(), Some(expected));
        assert_eq!(verdict.fields.unwrap().message_type, message_type);
    }
}

#[test]
fn the_next_keys_work_beside_the_present_ones() {
    let mut config = one_stanza();
    config.access[0].keys.push(keys(3));
    let mut engine = Engine::new(&config, Memory::default());
    for id in [1, 3] {
        assert_eq!(outcome(&mut engine, &packet(NOW, MESSAGE, &keys(id)), at(NOW)), Ok(()));
    }
    assert_eq!(outcome(&mut engine, &packet(NOW, MESSAGE, &keys(2)), at(NOW)), Err(Reason::Hmac));
}
