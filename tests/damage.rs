//! Journal and state file damaged at every byte: a knock that was honoured is never honoured again, in the same boot or
//! after a reboot, and nobody is locked out for longer than what was lost demands.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{NOW, access, at, config, datagram, keys, nothing, packet};
use spa_knockd::config::Config;
use spa_knockd::daemon::store::{Places, Store, load};
use spa_knockd::engine::{Engine, Memory};
use spa_knockd::reason::Reason;

/// The moment at which damage is found.
const LATER: u64 = NOW + 10;

/// Two files as a daemon left them, and the knocks that it had honoured.
struct Left {
    places: Places,
    config: Config,
    honoured: Vec<Vec<u8>>,
    /// Fresh ones, made at [`LATER`] and as soon as a lost memory is made up for.
    fresh: [(u64, Vec<u8>); 2],
    journal: Vec<u8>,
    state: Vec<u8>,
}

/// What a knock meets.
fn outcome(engine: &mut Engine, payload: &[u8], unix: u64) -> Result<(), Reason> {
    let datagram = datagram("203.0.113.9", "198.51.100.1", payload);
    let verdict = engine.handle(&datagram, at(unix), &nothing, &mut |_, _| {});
    if verdict.outcome.is_ok() {
        engine.honoured(&verdict, at(unix));
    }
    verdict.outcome.map(drop)
}

impl Left {
    /// Honours five knocks of two stanzas; the first process is followed by a second one, whose journal carries over.
    fn by(name: &str, max_age: u64) -> Self {
        let directory = std::env::temp_dir().join(format!("spa-damage-{name}-{max_age}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        let places = Places { state: directory.join("state"), run: directory.join("run") };
        places.lock().unwrap().unwrap();
        let mut config = config(vec![access("alice", keys(1)), access("bob", keys(2))]);
        config.main.max_age = max_age;
        let mut honoured = Vec::new();
        for (process, knocks) in [(0, 2), (1, 3)] {
            let mut engine = Engine::new(&config, load(&places).memory);
            let mut store = Store::open(places.clone(), &engine);
            for knock in 0..knocks {
                let unix = NOW + process * 4 + knock;
                let payload = packet(unix, "203.0.113.21,tcp/22", &keys(if knock == 1 { 2 } else { 1 }));
                let datagram = datagram("203.0.113.9", "198.51.100.1", &payload);
                let verdict = engine.handle(&datagram, at(unix), &nothing, &mut |_, _| {});
                let honouring = verdict.access.as_deref();
                store.record(verdict.entry.unwrap(), unix, honouring, &engine).unwrap();
                engine.honoured(&verdict, at(unix));
                store.honoured(Duration::ZERO);
                honoured.push(payload);
            }
            store.save(None, &engine);
        }
        let journal = fs::read(places.journal_file()).unwrap();
        let state = fs::read(places.state_file()).unwrap();
        let fresh = [LATER, LATER + max_age + 1].map(|unix| (unix, packet(unix, "203.0.113.21,tcp/22", &keys(1))));
        Self { places, config, honoured, fresh, journal, state }
    }

    /// What the next process goes on from; it and the journal must be readable to it.
    fn next(&self) -> (Engine, bool) {
        let found = load(&self.places);
        let lost = found.memory.lost;
        let explained = !lost || found.warnings.iter().any(|line| line.contains("state reset"));
        assert!(explained, "no remedy in {:?}", found.warnings);
        let mut engine = Engine::new(&self.config, found.memory);
        engine.settle(at(LATER));
        (engine, lost)
    }

    /// Plays every honoured knock again, and sees whether a fresh one opens when it must.
    fn judge(&self, what: &str) {
        let (mut engine, lost) = self.next();
        for (number, payload) in self.honoured.iter().enumerate() {
            let again = outcome(&mut engine, payload, LATER);
            assert!(matches!(again, Err(Reason::Replay | Reason::NotNewer)), "{what}: knock {number}: {again:?}");
        }
        let (unix, fresh) = &self.fresh[usize::from(lost)];
        let fresh = outcome(&mut engine, fresh, *unix);
        if lost && self.config.main.max_age == 0 {
            assert_eq!(fresh, Err(Reason::NotNewer), "{what}");
        } else {
            assert_eq!(fresh, Ok(()), "{what}, lost: {lost}");
        }
    }

    /// The same after a reboot, which the journal does not outlive.
    fn judge_also_rebooted(&self, what: &str) {
        self.judge(what);
        fs::remove_file(self.places.journal_file()).unwrap();
        self.judge(&format!("{what}, rebooted"));
    }

    fn put(&self, journal: &[u8], state: &[u8]) {
        for (path, content) in [(self.places.journal_file(), journal), (self.places.state_file(), state)] {
            // A file that is cut short and written again is brought to the disk by some file systems, which takes long.
            let _ = fs::remove_file(&path);
            fs::write(path, content).unwrap();
        }
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.places.run.parent().unwrap());
    }
}

/// Every cut of the content, and every byte of it changed in several ways.
fn damages(content: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
    let cuts = (0..content.len()).map(|length| (format!("cut at {length}"), content[..length].to_vec()));
    let flips = (0..content.len()).flat_map(move |at| {
        [0x01, 0x80, content[at] ^ b'\n', content[at] ^ b' '].into_iter().map(move |flip| {
            let mut damaged = content.to_vec();
            damaged[at] ^= flip;
            (format!("byte {at} changed by {flip:#04x}"), damaged)
        })
    });
    cuts.chain(flips)
}

#[test]
fn a_journal_damaged_anywhere_lets_no_knock_in_again() {
    for max_age in [120, 0] {
        let left = Left::by("journal", max_age);
        left.judge_also_rebooted("whole");
        for (what, damaged) in damages(&left.journal) {
            left.put(&damaged, &left.state);
            left.judge(&format!("journal {what}, max_age {max_age}"));
        }
    }
}

#[test]
fn a_state_file_damaged_anywhere_lets_no_knock_in_again() {
    for max_age in [120, 0] {
        let left = Left::by("state", max_age);
        for (what, damaged) in damages(&left.state) {
            left.put(&left.journal, &damaged);
            left.judge_also_rebooted(&format!("state {what}, max_age {max_age}"));
        }
    }
}

#[test]
fn junk_in_the_place_of_either_file_lets_no_knock_in_again() {
    let mut noise = vec![0; 65536];
    getrandom::fill(&mut noise).unwrap();
    let lines: Vec<u8> = noise.iter().map(|byte| if byte % 64 == 0 { b'\n' } else { b'a' + byte % 16 }).collect();
    let oversized = vec![b'\n'; (8 << 20) + 1];
    for max_age in [120, 0] {
        let left = Left::by("junk", max_age);
        let twice = [&left.journal[..], &left.journal[..]].concat();
        for junk in [Vec::new(), vec![0], vec![b'\n'], noise.clone(), lines.clone(), oversized.clone(), twice] {
            let what = format!("{} bytes of junk, max_age {max_age}", junk.len());
            left.put(&junk, &left.state);
            left.judge_also_rebooted(&format!("{what} as journal"));
            left.put(&left.journal, &junk);
            left.judge_also_rebooted(&format!("{what} as state"));
            left.put(&junk, &junk);
            left.judge_also_rebooted(&format!("{what} as both"));
            left.put(&[&left.journal[..], &junk].concat(), &left.state);
            left.judge_also_rebooted(&format!("{what} behind the journal"));
            left.put(&left.journal, &[&left.state[..], &junk].concat());
            left.judge_also_rebooted(&format!("{what} behind the state"));
        }
    }
}

/// Makes something that is no file.
type Make = fn(&Path);

#[test]
fn what_is_no_file_in_the_place_of_either_lets_no_knock_in_again() {
    let made: [(&str, Make); 3] = [
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a link to nothing", |path| std::os::unix::fs::symlink("/nonexistent", path).unwrap()),
        ("a link to something", |path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap()),
    ];
    for (what, make) in made {
        for of_state in [false, true] {
            let left = Left::by("special", 120);
            let path: PathBuf = if of_state { left.places.state_file() } else { left.places.journal_file() };
            fs::remove_file(&path).unwrap();
            make(&path);
            let found = load(&left.places);
            let named = found.warnings.iter().any(|line| line.starts_with(&*path.to_string_lossy()));
            assert!(named, "{what}: {:?}", found.warnings);
            left.judge(what);
            if of_state {
                fs::remove_file(left.places.journal_file()).unwrap();
                left.judge(&format!("{what}, rebooted"));
            }
        }
    }
}

#[test]
fn both_files_gone_is_a_first_start() {
    let left = Left::by("gone", 120);
    fs::remove_file(left.places.journal_file()).unwrap();
    fs::remove_file(left.places.state_file()).unwrap();
    let found = load(&left.places);
    assert_eq!((found.memory, found.warnings), (Memory::default(), Vec::new()));
}
