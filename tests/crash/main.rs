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
mod crashes;
#[path = "../lab/mod.rs"]
mod lab;
mod points;

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crashes::{Crashes, KNOCKS, Knock};
use lab::daemon::Daemon;
use lab::wait_for;
use points::{Point, hundred};

/// Seconds that a door stays open, and where its closing is awaited.
const LONG: u32 = 60;
const SHORT: u32 = 2;
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

impl Crashes {
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
