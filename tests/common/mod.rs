//! Configurations and packets for the tests of the core.

#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::net::IpAddr;

use spa_knockd::access::Place;
use spa_knockd::capture::{Datagram, Transport};
use spa_knockd::config::{Access, Commands, Config, FirewallMode, Main, Open};
use spa_knockd::engine::Clock;
use spa_knockd::knock::fwknop::encode::encode_fresh;
use spa_knockd::knock::fwknop::fields::{Fields, MessageType};
use spa_knockd::knock::fwknop::keys::{DigestType, KeySet, Mode, Secret};

/// A moment behind every build date of this program: 2033.
pub(crate) const NOW: u64 = 2_000_000_000;

pub(crate) fn keys(id: u8) -> KeySet {
    KeySet {
        mode: Mode::Cbc,
        key: Secret::new(vec![id; 32]),
        hmac: Some((DigestType::Sha256, Secret::new(vec![id ^ 0x55; 64]))),
    }
}

pub(crate) fn access(name: &str, keys: KeySet) -> Access {
    Access {
        name: name.to_owned(),
        keys: vec![keys],
        source: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
        destination: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
        open: Open::Any,
        restrict: Vec::new(),
        forward: Vec::new(),
        allow_nat: false,
        allow_local_nat: false,
        nat_target: Vec::new(),
        nat_dns: false,
        forward_all: false,
        disable_dnat: false,
        snat: None,
        commands: Commands::default(),
        match_destination: false,
        timeout: 30,
        max_timeout: 300,
        require_source_address: true,
        require_username: None,
        prefix_v4: 32,
        prefix_v6: 128,
        expires: None,
    }
}

pub(crate) fn config(access: Vec<Access>) -> Config {
    Config {
        main: Main {
            networks: Vec::new(),
            devices: Vec::new(),
            zones: Vec::new(),
            ports: vec![62201..=62201],
            transports: vec![Transport::Udp],
            http: None,
            tcp_listen: None,
            max_age: 120,
            max_timeout: 3600,
            firewall: FirewallMode::Fw4,
            protect: Vec::new(),
            ring_kib: 2048,
            jail: true,
            log_level: log::LevelFilter::Info,
        },
        access,
        otp: Vec::new(),
        page: None,
    }
}

pub(crate) fn fields(timestamp: u64, message: &str) -> Fields {
    Fields {
        random: 1_234_567_890_123_456,
        user: "alice".to_owned(),
        timestamp,
        version: "3.0.0".to_owned(),
        message_type: MessageType::Access,
        message: message.to_owned(),
        nat: None,
        server_auth: None,
        client_timeout: None,
        digest_type: DigestType::Sha256,
    }
}

/// The packet text of a knock; salt and so ciphertext are new each time.
pub(crate) fn packet(timestamp: u64, message: &str, keys: &KeySet) -> Vec<u8> {
    encode_fresh(&fields(timestamp, message), keys).unwrap().as_bytes().to_vec()
}

pub(crate) fn datagram<'a>(source: &str, destination: &str, payload: &'a [u8]) -> Datagram<'a> {
    Datagram {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        transport: Transport::Udp,
        source_port: 40000,
        destination_port: 62201,
        payload,
    }
}

/// A router's own clock.
pub(crate) fn at(unix: u64) -> Clock {
    Clock { unix, given: false }
}

/// Nothing is the router's own, and nothing is behind it.
pub(crate) fn nothing(_: IpAddr) -> Place {
    Place::Elsewhere
}
