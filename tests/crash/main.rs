//! Two hundred kills: whatever the daemon was doing, the kernel closes on time, the next daemon adopts what lives, and no
//! knock is honoured twice.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../lab/mod.rs"]
mod lab;
mod points;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lab::daemon::Daemon;
use lab::{FRIEND, Lab, Place, ROUTER, STRANGER, wait_for};
use points::{Point, arm, hundred, start_and_die};
use spa_knockd::knock::fwknop::encode::encode_fresh;
use spa_knockd::knock::fwknop::fields::{Fields, MessageType};

/// Knocks of one round.
const KNOCKS: usize = 8;
/// Seconds that a door stays open, and where its closing is awaited.
const LONG: u32 = 60;
const SHORT: u32 = 1;
/// Old recordings that are played in each round.
const OLD: usize = 8;

/// Numbers from a seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// One knock, and what it opens.
struct Knock {
    packet: Vec<u8>,
    address: String,
    access: &'static str,
    timeout: u32,
}

/// What goes on from round to round.
struct Crashes {
    lab: Lab,
    config: String,
    senders: [UdpSocket; 2],
    made: u32,
    /// Knocks that were honoured once.
    recorded: Vec<Vec<u8>>,
    /// How long each restart took.
    restarts: Vec<Duration>,
    kills: usize,
}

impl Crashes {
    fn new(mode: &str) -> Self {
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
    fn knock(&mut self, timeout: u32) -> Knock {
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

    fn send<'a>(&self, packets: impl IntoIterator<Item = &'a Vec<u8>>) -> u64 {
        let mut sent = 0;
        for (packet, sender) in packets.into_iter().zip(self.senders.iter().cycle()) {
            sender.send_to(packet, (ROUTER, 62201)).expect("send");
            sent += 1;
        }
        sent
    }

    /// Starts a daemon and takes the time until it is ready.
    fn start(&mut self) -> Daemon {
        let begun = Instant::now();
        let daemon = self.lab.daemon(&self.config);
        self.restarts.push(begun.elapsed());
        assert!(daemon.log().lines().count() == 1, "a warning: {}", daemon.log());
        daemon
    }

    /// Sends the knocks and has the daemon die at the point; gives when that was.
    fn crash(&mut self, mut daemon: Daemon, knocks: &[Knock], point: Point) -> Instant {
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
        let _tracer = arm(&daemon, call, n);
        self.send(packets);
        assert!(!daemon.wait_exit().success(), "no kill at {point:?}");
        Instant::now()
    }

    /// How many knocks the daemon honoured and refused since its start; panics at any odd reason.
    fn judged(&self) -> (usize, usize) {
        let status = self.lab.asked(&["status"]);
        let refused = status["refused"].as_object().expect("the reasons");
        let odd: Vec<_> = refused.iter().filter(|(code, count)| *code != "replay" && **count != 0).collect();
        assert!(odd.is_empty(), "{odd:?}");
        let number = |value: &serde_json::Value| usize::try_from(value.as_u64().unwrap()).unwrap();
        (number(&status["honoured"]), number(&refused["replay"]))
    }

    /// Addresses for which the kernel is open.
    fn open(&self) -> BTreeSet<String> {
        self.lab.elements().into_iter().map(|element| element.key[0].clone()).collect()
    }

    /// One crash and all that must hold after it.
    fn round(&mut self, daemon: Daemon, point: Point, random: &mut Random) -> Daemon {
        let timeout = if matches!(point, Point::AfterAndWait(_)) { SHORT } else { LONG };
        let knocks: Vec<Knock> = (0..KNOCKS).map(|_| self.knock(timeout)).collect();
        let sent_at = Instant::now();
        let died = self.crash(daemon, &knocks, point);

        // In the kernel is what knocks have earned, and no more.
        let elements = self.lab.elements();
        let opened = elements.len();
        for (index, element) in elements.iter().enumerate() {
            let knock = knocks.iter().find(|knock| knock.address == element.key[0]);
            let knock = knock.unwrap_or_else(|| panic!("nobody knocked for {element:?}"));
            assert!(knocks[..opened].iter().any(|one| one.address == knock.address), "{point:?}: out of turn: {index}");
            assert_eq!((&*element.comment, &*element.key[2]), (knock.access, "22"));
            assert!(element.timeout == u64::from(knock.timeout) && element.expires <= element.timeout, "{element:?}");
        }
        if let Some((expected, _)) = point.exactly(KNOCKS) {
            assert_eq!(opened, expected, "{point:?}");
        }
        if timeout == SHORT {
            let end = died + Duration::from_secs(u64::from(SHORT)) + Duration::from_millis(20);
            thread::sleep(end.saturating_duration_since(Instant::now()));
            assert_eq!(self.open(), BTreeSet::new(), "{point:?}: still open, and nobody lives");
        }

        let daemon = self.start();
        // A door that is open is known to the next daemon, with its stanza.
        let grants = self.lab.asked(&["grants"]);
        let adopted: BTreeSet<_> = (grants["grants"].as_array().unwrap().iter())
            .map(|grant| (grant["source"].as_str().unwrap(), grant["access"].as_str().unwrap()))
            .collect();
        let living: BTreeSet<_> = knocks[..if timeout == SHORT { 0 } else { opened }]
            .iter()
            .map(|knock| (&*knock.address, knock.access))
            .collect();
        assert_eq!(adopted, living, "{point:?} {:?} after the knocks", sent_at.elapsed());

        // Everything is played again, old recordings too, and a fresh knock comes last.
        let fresh = self.knock(LONG);
        let old: Vec<Vec<u8>> = (0..OLD.min(self.recorded.len()))
            .map(|_| {
                self.recorded[usize::try_from(random.below(u64::try_from(self.recorded.len()).unwrap())).unwrap()]
                    .clone()
            })
            .collect();
        let played = knocks.iter().map(|knock| &knock.packet).chain(&old).chain([&fresh.packet]);
        let sent = usize::try_from(self.send(played)).unwrap();
        let (honoured, refused) = wait_for("verdict on each", Duration::from_secs(3), || {
            Some(self.judged()).filter(|(honoured, refused)| honoured + refused == sent)
        });
        let remembered = refused - old.len();
        assert!((opened..=opened + 1).contains(&remembered), "{point:?}: {opened} opened, {remembered} remembered");
        if let Some((_, expected)) = point.exactly(KNOCKS) {
            assert_eq!(remembered, expected, "{point:?}");
        }
        assert_eq!(honoured, KNOCKS - remembered + 1);
        let doors: BTreeSet<String> = (knocks.iter().enumerate())
            .filter(
                |(index, _)| {
                    if timeout == SHORT { *index >= remembered } else { *index < opened || *index >= remembered }
                },
            )
            .map(|(_, knock)| knock.address.clone())
            .chain([fresh.address.clone()])
            .collect();
        let open = wait_for("doors", Duration::from_secs(1), || Some(self.open()).filter(|open| *open == doors));

        // And the daemon can take away what its predecessor gave.
        let bobs = knocks.iter().chain([&fresh]).filter(|knock| knock.access == "bob" && open.contains(&knock.address));
        let bobs: BTreeSet<String> = bobs.map(|knock| knock.address.clone()).collect();
        assert_eq!(self.lab.asked(&["revoke", "--access", "alice"])["revoked"], open.len() - bobs.len());
        assert_eq!(self.open(), bobs, "{point:?}");
        assert_eq!(self.lab.asked(&["revoke", "--all"])["revoked"], bobs.len());
        self.recorded.extend(knocks.into_iter().chain([fresh]).map(|knock| knock.packet));
        daemon
    }
}

/// A hundred kills; what came of them is printed.
fn hundred_kills(mode: &str) {
    let seed = std::env::var("SPA_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed =
        seed.unwrap_or_else(|| u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()) + 1);
    eprintln!("{mode}: SPA_SEED={seed}");
    let mut random = Random(seed);
    let mut crashes = Crashes::new(mode);
    let begun = Instant::now();
    let points = hundred(KNOCKS, |end| random.below(end));
    let mut daemon = crashes.start();
    for point in points {
        daemon = crashes.round(daemon, point, &mut random);
    }
    daemon.stop();
    assert_eq!(crashes.kills, 100);
    let (took, mut restarts) = (begun.elapsed(), crashes.restarts);
    restarts.sort();
    let (median, longest) = (restarts[restarts.len() / 2], restarts[restarts.len() - 1]);
    eprintln!("{mode}: 100 kills in {took:.1?}; restart to ready: median {median:.1?}, longest {longest:.1?}");
    assert!(median < Duration::from_secs(1), "a restart takes {median:?}");
}

#[test]
fn a_hundred_kills_in_a_table_of_our_own() {
    hundred_kills("standalone");
}

#[test]
fn a_hundred_kills_under_fw4() {
    hundred_kills("fw4");
}
