//! Who knocks while the storm lasts, each knock a distinct packet.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{SystemTime, UNIX_EPOCH};

use spa_knockd::knock::fwknop::encode::encode_fresh;
use spa_knockd::knock::fwknop::fields::{Fields, MessageType};

use super::common;
use super::lab::{FRIEND, FRIEND6, Lab, Place, ROUTER, ROUTER6};
use super::random::Random;

/// Every so many doors one is renewed later, and left alone by the owner's hand.
const RENEWED: u32 = 7;

/// A configuration with a stanza for exact sources and one that widens them.
pub(crate) fn config(mode: &str) -> String {
    let stanza = |name, id, more| {
        let keys = common::keys(id);
        let (_, hmac) = keys.hmac.as_ref().unwrap();
        let (key, hmac) = (keys.key.to_base64(), hmac.to_base64());
        format!(
            "config access '{name}'\n\toption key_base64 '{}'\n\toption hmac_key_base64 '{}'\n\
             \tlist open 'tcp/22'\n{more}",
            &*key, &*hmac
        )
    };
    format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n\toption firewall '{mode}'\n{}{}",
        stanza("alice", 1, "\toption max_timeout '3600'\n"),
        stanza("wide", 2, "\toption prefix_v4 '24'\n")
    )
}

/// Sends knocks from the internet.
pub(crate) struct Knocker {
    v4: UdpSocket,
    v6: UdpSocket,
    made: u32,
}

impl Knocker {
    pub(crate) fn new(lab: &Lab) -> Self {
        let [v4, v6] = [FRIEND, FRIEND6].map(|from| lab.within(Place::Wan, || UdpSocket::bind((from, 0)).unwrap()));
        Self { v4, v6, made: 0 }
    }

    /// Chooses what to knock for next: the source as sets and log write it, and the seconds. One in ten is a renewal.
    pub(crate) fn choose(&mut self, random: &mut Random) -> (String, u32) {
        let renewable = self.made / RENEWED;
        self.made += 1;
        let number = self.made;
        let timeout = [2, 3, 5, 20, 60][random.pick(5)];
        match random.below(10) {
            0 if renewable > 0 => (exact((random.below(renewable) + 1) * RENEWED), 100 + number),
            1 => (format!("2001:db8:77::{number:x}"), timeout),
            2 => (Ipv4Addr::from_bits(0x0b00_0000 + (number << 8)).to_string() + "/24", timeout),
            _ => (exact(number), timeout),
        }
    }

    /// Sends the knock for a source.
    pub(crate) fn send(&self, source: &str, timeout: u32) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (address, keys) = match source.split_once('/') {
            Some((address, _)) => (address, common::keys(2)),
            None => (source, common::keys(1)),
        };
        let fields = Fields {
            message_type: MessageType::TimeoutAccess,
            client_timeout: Some(timeout),
            ..common::fields(now, &format!("{address},tcp/22"))
        };
        let packet = encode_fresh(&fields, &keys).unwrap();
        let (socket, to) = if address.contains(':') { (&self.v6, ROUTER6) } else { (&self.v4, ROUTER) };
        socket.send_to(packet.as_bytes(), SocketAddr::new(to, 62201)).expect("send");
    }
}

/// Whether the owner's hand leaves this door alone.
pub(crate) fn is_renewed(source: &str) -> bool {
    source.parse().is_ok_and(|address: Ipv4Addr| (address.to_bits() & 0xffff).is_multiple_of(RENEWED))
}

/// Whether it stands in the set that is flushed now and then.
pub(crate) fn is_v6(source: &str) -> bool {
    source.parse::<Ipv6Addr>().is_ok()
}

fn exact(number: u32) -> String {
    Ipv4Addr::from_bits(0x0a4d_0000 + number).to_string()
}
