//! What is sent: knocks from the program's own encoder, and junk that looks like them.

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use spa_knockd::knock::fwknop::fields::VERSION;
use spa_knockd::knock::fwknop::keys::{DigestType, KeySet};
use spa_knockd::knock::fwknop::{Fields, MessageType, encode_fresh, keygen};

use crate::lab::{FRIEND, Lab, Place, ROUTER};

/// A fresh knock for this TCP port.
pub(crate) fn knock(keys: &KeySet, port: u16) -> Vec<u8> {
    packet(keys, now(), format!("{FRIEND},tcp/{port}"))
}

/// The wall clock, in Unix seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set").as_secs()
}

/// A knock of this time with this message.
pub(crate) fn packet(keys: &KeySet, timestamp: u64, message: String) -> Vec<u8> {
    let fields = Fields {
        random: 0,
        user: "bench".to_owned(),
        timestamp,
        version: VERSION.to_owned(),
        message_type: MessageType::Access,
        message,
        nat: None,
        server_auth: None,
        client_timeout: None,
        digest_type: DigestType::Sha256,
    };
    encode_fresh(&fields, keys).expect("a knock").into_bytes()
}

/// A socket in the WAN aimed at the router's knock port.
pub(crate) struct Sender(UdpSocket);

impl Sender {
    pub(crate) fn new(lab: &Lab) -> Self {
        Self(lab.within(Place::Wan, || {
            let socket = UdpSocket::bind((FRIEND, 0)).expect("bind");
            socket.connect((ROUTER, 62201)).expect("aim");
            socket
        }))
    }

    /// Sends one packet. Nothing listens on the port, so an answer to the one before may be
    /// reported in its place; then it is sent again.
    pub(crate) fn send(&self, packet: &[u8]) {
        if self.0.send(packet).is_err() {
            self.0.send(packet).expect("send");
        }
    }

    /// Sends junk at this pace, each packet another one, and says how many were sent.
    pub(crate) fn junk(&self, pace: u32, time: Duration) -> u32 {
        let strangers = keygen::generate(DigestType::Sha256).expect("keys");
        let mut packet = knock(&strangers, 22);
        let start = Instant::now();
        let mut sent = 0;
        while start.elapsed() < time {
            let due = Duration::from_secs(sent.into()) / pace;
            thread::sleep(due.saturating_sub(start.elapsed()));
            for _ in 0..(pace / 1000).max(1) {
                // Eight characters that count, in the alphabet of base64.
                for (digit, byte) in (0..8).zip(packet.iter_mut().skip(20)) {
                    *byte = b'A' + u8::try_from((sent >> (4 * digit)) & 15).unwrap_or(0);
                }
                self.send(&packet);
                sent += 1;
            }
        }
        sent
    }
}
