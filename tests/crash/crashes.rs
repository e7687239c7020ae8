//! The lab of the crashes: senders, knocks, the daemon's lives and deaths.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use spa_knockd::knock::fwknop::encode::encode_fresh;
use spa_knockd::knock::fwknop::fields::{Fields, MessageType};

use super::common;
use super::lab::daemon::Daemon;
use super::lab::{FRIEND, Lab, Place, ROUTER, STRANGER, wait_for};
use super::points::{Point, arm, start_and_die};

/// Knocks of one round.
pub(crate) const KNOCKS: usize = 8;

/// One knock, and what it opens.
pub(crate) struct Knock {
    pub(crate) packet: Vec<u8>,
    pub(crate) address: String,
    pub(crate) access: &'static str,
    pub(crate) timeout: u32,
}

/// What goes on from round to round.
pub(crate) struct Crashes {
    pub(crate) lab: Lab,
    config: String,
    senders: [UdpSocket; 2],
    made: u32,
    /// Knocks that were honoured once.
    pub(crate) recorded: Vec<Vec<u8>>,
    /// How long each restart took.
    pub(crate) restarts: Vec<Duration>,
    pub(crate) kills: usize,
}

impl Crashes {
    pub(crate) fn new(mode: &str) -> Self {
        let lab = Lab::new();
        if mode == "fw4" {
            lab.fw4_start();
        }
        let stanza = |name, id| {
            let keys = common::keys(id);
            let (_, hmac) = keys.hmac.as_ref().unwrap();
            format!(
                "config access '{name}'\n\toption key_base64 '{}'\n\toption hmac_key_base64 '{}'\n\tlist open 'tcp/22'\n",
                &*keys.key.to_base64(),
                &*hmac.to_base64()
            )
        };
        let main = "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n\toption max_age '3600'\n";
        let config = format!("{main}\toption firewall '{mode}'\n{}{}", stanza("alice", 1), stanza("bob", 2));
        let senders =
            [FRIEND, STRANGER].map(|from| lab.within(Place::Wan, || UdpSocket::bind((from, 0)).expect("bind")));
        Self { lab, config, senders, made: 0, recorded: Vec::new(), restarts: Vec::new(), kills: 0 }
    }

    /// A knock for an address that had none before, of the one stanza or the other.
    pub(crate) fn knock(&mut self, timeout: u32) -> Knock {
        self.made += 1;
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 77, 0, 0).to_bits() + self.made).to_string();
        let (access, id) = if self.made.is_multiple_of(3) { ("bob", 2) } else { ("alice", 1) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let fields = Fields {
            message_type: MessageType::TimeoutAccess,
            client_timeout: Some(timeout),
            ..common::fields(now, &format!("{address},tcp/22"))
        };
        let packet = encode_fresh(&fields, &common::keys(id)).unwrap().into_bytes();
        Knock { packet, address, access, timeout }
    }

    pub(crate) fn send<'a>(&self, packets: impl IntoIterator<Item = &'a Vec<u8>>) -> u64 {
        let mut sent = 0;
        for (packet, sender) in packets.into_iter().zip(self.senders.iter().cycle()) {
            sender.send_to(packet, (ROUTER, 62201)).expect("send");
            sent += 1;
        }
        sent
    }

    /// Starts a daemon and takes the time until it is ready.
    pub(crate) fn start(&mut self) -> Daemon {
        let begun = Instant::now();
        let daemon = self.lab.daemon(&self.config);
        self.restarts.push(begun.elapsed());
        assert!(daemon.log().lines().count() == 1, "a warning: {}", daemon.log());
        daemon
    }

    /// Sends the knocks and has the daemon die at the point; gives when that was.
    pub(crate) fn crash(&mut self, mut daemon: Daemon, knocks: &[Knock], point: Point) -> Instant {
        self.kills += point.kills();
        let packets = knocks.iter().map(|knock| &knock.packet);
        let (Point::Before(call, n) | Point::Saving(call, n)) = point else {
            let before = self.judged().0;
            self.send(packets);
            let (Point::After(wait) | Point::AfterAndWait(wait)) = point else {
                // All are to be honoured, and the state file is not to be written yet.
                wait_for("honours", Duration::from_secs(3), || (self.judged().0 == before + KNOCKS).then_some(()));
                daemon.kill();
                let Point::Starting(call, n) = point else { unreachable!("all others were handled") };
                start_and_die(&self.lab, &self.config, call, n);
                return Instant::now();
            };
            thread::sleep(Duration::from_micros(wait));
            daemon.kill();
            return Instant::now();
        };
        let _tracer = arm(&daemon, point, call, n);
        self.send(packets);
        assert!(!daemon.wait_exit().success(), "no kill at {point:?}");
        Instant::now()
    }

    /// How many knocks the daemon honoured and refused since its start; panics at any odd reason.
    pub(crate) fn judged(&self) -> (usize, usize) {
        let status = self.lab.asked(&["status"]);
        let refused = status["refused"].as_object().expect("the reasons");
        let odd: Vec<_> = refused.iter().filter(|(code, count)| *code != "replay" && **count != 0).collect();
        assert!(odd.is_empty(), "{odd:?}");
        let number = |value: &serde_json::Value| usize::try_from(value.as_u64().unwrap()).unwrap();
        (number(&status["honoured"]), number(&refused["replay"]))
    }

    /// Addresses for which the kernel is open.
    pub(crate) fn open(&self) -> BTreeSet<String> {
        self.lab.elements().into_iter().map(|element| element.key[0].clone()).collect()
    }
}
