//! The store: nothing is accepted twice, whatever dies, fails or comes at the same time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "a process of this program tells its parent")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use spa_knockd::config::{Otp, parse};
use spa_knockd::knock::fwknop::keys::Secret;
use spa_knockd::otp::chain::{Algorithm, Seed, password};
use spa_knockd::otp::codes::{self, Token};
use spa_knockd::otp::desk::{Attempt, Desk, Refused};
use spa_knockd::otp::record::{Chain, Record};
use spa_knockd::otp::store::{Accepted, Refusal, Store};
use spa_knockd::otp::throttle::Admission;
use spa_knockd::otp::verify::{Circumstances, Why};

const PASSPHRASE: &[u8] = b"This is a test.";
const NOW: u64 = 2_000_000_000;
const SET: Circumstances =
    Circumstances { unix: Some(NOW), allow_md4: false, allow_new_chain: true, codes: Admission::Any };

/// A state directory that goes with the test.
struct State(PathBuf);

impl State {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("spa-otp-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn store(&self) -> Store {
        Store::new(&self.0)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join("otp").join(name)
    }

    /// The store with alice's record in it.
    fn with(self, record: &Record) -> Self {
        self.store().lock().unwrap().write("alice", record).unwrap();
        self
    }

    fn record(&self) -> Record {
        self.store().lock().unwrap().read("alice").unwrap().unwrap()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn seed() -> Seed {
    "ke1234".parse().unwrap()
}

/// What is typed for a number of alice's chain.
fn typed(number: u16) -> String {
    password(Algorithm::Md5, PASSPHRASE, &seed(), number).to_hex().to_string()
}

fn chain(sequence: u16) -> Record {
    let last = password(Algorithm::Md5, PASSPHRASE, &seed(), sequence);
    Record::Chain(Chain { algorithm: Algorithm::Md5, sequence, seed: seed(), last })
}

fn token() -> Token {
    Token { algorithm: codes::Algorithm::Sha1, digits: 6, secret: Secret::new(b"12345678901234567890".to_vec()) }
}

fn totp() -> Record {
    Record::Totp { token: token(), period: 30, floor: 0 }
}

fn refused(why: Why) -> Result<Accepted, Refusal> {
    Err(Refusal::Response(why))
}

#[test]
fn a_password_is_taken_once_and_the_next_one_follows() {
    let state = State::new("once").with(&chain(4));
    let store = state.store();
    assert_eq!(store.challenge("alice", &[], NOW).unwrap().to_string(), "otp-md5 3 ke1234 ext");
    for number in [3, 2, 1] {
        let left = Some(number - 1);
        assert_eq!(store.verify("alice", &typed(number), SET), Ok(Accepted { left, renewed: false }));
        let again = store.verify("alice", &typed(number), SET);
        assert_eq!(again, refused(if number > 1 { Why::Mismatch } else { Why::Exhausted }));
    }
    assert_eq!(store.verify("alice", &typed(0), SET), refused(Why::Exhausted));
    for name in ["bob", "", "../alice", "alice.new", ".lock", ".decoy"] {
        assert_eq!(store.verify(name, &typed(3), SET), Err(Refusal::NoRecord), "{name}");
    }
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_a_visitor() {
    let state = State::new("absent");
    assert_eq!(state.store().verify("alice", &typed(3), SET), Err(Refusal::NoRecord));
    assert!(state.store().list().unwrap().is_empty());
    assert!(!state.0.exists());
}

#[test]
fn files_are_private_and_their_directorys_owners() {
    let state = State::new("owner");
    fs::create_dir(&state.0).unwrap();
    chown(&state.0, Some(62_201), Some(62_201)).unwrap();
    let state = state.with(&chain(9));
    state.store().challenge("bob", &[], NOW).unwrap();
    for (path, mode) in [
        (state.0.join("otp"), 0o700),
        (state.file("alice"), 0o600),
        (state.file(".lock"), 0o600),
        (state.file(".decoy"), 0o600),
    ] {
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.uid(), found.gid()), (62_201, 62_201), "{}", path.display());
        assert_eq!(found.permissions().mode() & 0o777, mode, "{}", path.display());
    }
    assert_eq!(fs::read_dir(state.0.join("otp")).unwrap().count(), 3, "nothing else is left behind");
}

#[test]
fn what_root_has_made_before_is_handed_over_to_the_daemons_user() {
    let state = State::new("hand-over").with(&chain(9));
    let precious = state.0.join("precious");
    fs::write(&precious, "of somebody else").unwrap();
    symlink(&precious, state.file("symbolic")).unwrap();
    fs::hard_link(&precious, state.file("hard")).unwrap();
    chown(&state.0, Some(62_201), Some(62_201)).unwrap();
    state.store().hand_over().unwrap();
    let owner = |path: &Path| fs::metadata(path).unwrap().uid();
    let owners = [state.0.join("otp"), state.file("alice"), state.file(".lock"), precious].map(|path| owner(&path));
    assert_eq!(owners, [62_201, 62_201, 62_201, 0]);
    State::new("hand-over-none").store().hand_over().expect("there is nothing to hand over");
}

#[test]
fn no_link_is_followed() {
    let state = State::new("links").with(&chain(9));
    let precious = state.0.join("precious");
    fs::write(&precious, "of somebody else").unwrap();
    for name in ["alice.new", "alice", ".lock"] {
        let _ = fs::remove_file(state.file(name));
        symlink(&precious, state.file(name)).unwrap();
        let outcome = state.store().lock().map(|locked| locked.write("alice", &chain(9)));
        assert_eq!(outcome.is_ok(), name != ".lock", "{name}");
        assert_eq!(fs::read_to_string(&precious).unwrap(), "of somebody else", "{name}");
    }
    fs::remove_file(state.file(".lock")).unwrap();
    fs::remove_file(state.file("alice")).unwrap();
    symlink(&precious, state.file("alice")).unwrap();
    assert!(matches!(state.store().verify("alice", &typed(8), SET), Err(Refusal::Store(_))));
    fs::remove_dir_all(state.0.join("otp")).unwrap();
    fs::create_dir(state.0.join("elsewhere")).unwrap();
    symlink(state.0.join("elsewhere"), state.0.join("otp")).unwrap();
    assert!(matches!(state.store().lock(), Err(Refusal::Store(_))));
}

#[test]
fn what_a_crash_left_behind_at_any_byte_lets_nobody_in_twice() {
    let old = chain(9);
    let new = chain(8).to_text();
    for cut in 0..=new.len() {
        let state = State::new("leftover").with(&old);
        fs::write(state.file("alice.new"), &new.as_bytes()[..cut]).unwrap();
        let store = state.store();
        assert_eq!(store.list().unwrap().len(), 1, "a leftover is no user");
        assert_eq!(store.verify("alice", &typed(8), SET).unwrap().left, Some(7), "cut at {cut}");
        assert_eq!(store.verify("alice", &typed(8), SET), refused(Why::Mismatch), "cut at {cut}");
        assert!(!state.file("alice.new").exists());
    }
}

#[test]
fn a_record_cut_at_any_byte_is_named_with_its_remedy_and_left_as_it_is() {
    for record in [chain(9), totp()] {
        let text = record.to_text();
        for cut in 0..text.len() {
            let state = State::new("cut").with(&record);
            let damaged = &text.as_bytes()[..cut];
            fs::write(state.file("alice"), damaged).unwrap();
            let Err(Refusal::Store(trouble)) = state.store().verify("alice", &typed(8), SET) else {
                panic!("cut at {cut}")
            };
            let line = trouble.to_string();
            assert!(line.contains("otp/alice: ") && line.contains("spa-knockd otp remove alice"), "{line}");
            assert!(!line.contains("GEZDGNBV"), "{line}");
            assert_eq!(fs::read(state.file("alice")).unwrap(), damaged, "nothing is written over it");
            assert_ne!(state.store().challenge("alice", &[], NOW).unwrap().seed, seed(), "a decoy, as for anybody");
        }
    }
    let state = State::new("large").with(&chain(9));
    fs::write(state.file("alice"), vec![b'x'; 1025]).unwrap();
    assert!(matches!(state.store().verify("alice", &typed(8), SET), Err(Refusal::Store(_))));
    fs::write(state.file("bob"), chain(9).to_text().as_bytes()).unwrap();
    let listed = state.store().list().unwrap();
    let fates: Vec<_> = listed.iter().map(|one| (one.user.as_str(), one.record.is_ok())).collect();
    assert_eq!(fates, [("alice", false), ("bob", true)], "one damaged record does not hide the others");
}

#[test]
fn a_store_that_is_held_for_too_long_is_busy() {
    let state = State::new("busy").with(&chain(9));
    let held = state.store().lock().unwrap();
    assert_eq!(state.store().verify("alice", &typed(8), SET), Err(Refusal::Busy));
    drop(held);
    assert!(state.store().verify("alice", &typed(8), SET).is_ok());
}

#[test]
fn of_a_hundred_threads_with_one_password_one_is_let_in() {
    let state = State::new("threads").with(&chain(9));
    let (store, barrier, text) = (state.store(), Barrier::new(100), typed(8));
    let outcomes: Vec<_> = thread::scope(|scope| {
        let judged = || {
            barrier.wait();
            store.verify("alice", &text, SET)
        };
        let threads: Vec<_> = (0..100).map(|_| scope.spawn(judged)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().flat_map(Result::as_ref).all(|accepted| accepted.left == Some(7)));
    assert_eq!(state.record(), chain(8));
}

/// What a process of this test program is to do instead of all tests.
const ERRAND: &str = "SPA_OTP_ERRAND";

/// With the environment of an errand, this verifies alice's password in the directory that it names, and says so.
#[test]
fn errand() {
    if let Some(directory) = std::env::var_os(ERRAND) {
        let text = std::env::var("SPA_OTP_TEXT").unwrap();
        match Store::new(Path::new(&directory)).verify("alice", &text, SET) {
            Ok(_) => println!("\nACCEPTED"),
            Err(refusal) => println!("\nREFUSED {refusal:?}"),
        }
        return;
    }
    let state = State::new("errand").with(&chain(9));
    for expected in ["ACCEPTED", "REFUSED"] {
        let output = process(&[], &state, &typed(8)).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains(expected), "{output:?}");
    }
}

/// A process that runs the errand, with these words before it.
fn process(before: &[&str], state: &State, text: &str) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = match before.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.args(["--exact", "errand", "--nocapture", "--test-threads=1"]);
    command.env(ERRAND, &state.0).env("SPA_OTP_TEXT", text).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn of_a_hundred_processes_with_one_password_one_is_let_in() {
    for (name, record, text) in [("chain", chain(9), typed(8)), ("totp", totp(), token().text(NOW / 30).to_string())] {
        let state = State::new(&format!("processes-{name}")).with(&record);
        let children: Vec<_> = (0..100).map(|_| process(&[], &state, &text).spawn().unwrap()).collect();
        let said = children.into_iter().map(|child| child.wait_with_output().unwrap());
        let said: Vec<String> = said.map(|output| String::from_utf8(output.stdout).unwrap()).collect();
        assert!(said.iter().all(|said| said.contains("ACCEPTED") || said.contains("REFUSED")), "{said:?}");
        assert_eq!(said.iter().filter(|said| said.contains("ACCEPTED")).count(), 1, "{name}");
    }
}

/// Runs the errand with strace's fault hook at the n-th call of this kind on the store; what it said, and whether
/// there was such a call.
fn with_fault(state: &State, text: &str, call: &str, n: usize, fault: &str) -> (String, bool) {
    let inject = format!("inject={call}:{fault}:when={n}");
    let trace = format!("trace={call}");
    let trail = state.0.join("trail");
    let (file, store) = (trail.to_string_lossy().into_owned(), state.0.join("otp"));
    // Only calls that name a file of the store, or a descriptor of one.
    let names = [".lock", "alice", "alice.new"].map(|name| store.join(name).to_string_lossy().into_owned());
    let mut words = vec!["strace", "-f", "-y", "-o", &file, "-e", &trace, "-e", &inject];
    let directory = store.to_string_lossy().into_owned();
    for path in names.iter().chain([&directory]) {
        words.extend(["-P", path]);
    }
    let output = process(&words, state, text).output().unwrap();
    let trail = fs::read_to_string(trail).unwrap();
    let happened = trail.contains("INJECTED") || trail.contains("killed by SIGKILL");
    (String::from_utf8_lossy(&output.stdout).into_owned(), happened)
}

#[test]
fn whatever_call_the_process_dies_at_or_fails_with_no_password_is_taken_twice() {
    let (mut points, mut spent, mut kept) = (0, 0, 0);
    for fault in ["signal=KILL", "error=EIO", "error=ENOSPC"] {
        for call in ["openat", "flock", "unlinkat", "write", "fsync", "renameat", "read"] {
            for n in 1..=8 {
                let state = State::new("faults").with(&chain(9));
                let (said, happened) = with_fault(&state, &typed(8), call, n, fault);
                if !happened {
                    assert!(said.contains("ACCEPTED"), "{call} {n} {fault}: {said}");
                    break;
                }
                points += 1;
                // A failure that does no harm may be survived; death is none.
                assert!(fault != "signal=KILL" || !said.contains("ACCEPTED"), "{call} {n}: {said}");
                let accepted = said.contains("ACCEPTED");
                match state.record() {
                    record if record == chain(8) => spent += 1,
                    record => {
                        assert_eq!(record, chain(9), "{call} {n} {fault}: neither the old record nor the new one");
                        assert!(!accepted, "{call} {n} {fault}: accepted, and not on the disk");
                        kept += 1;
                    }
                }
                let after = state.store().verify("alice", &typed(8), SET);
                assert!(!(accepted && after.is_ok()), "{call} {n} {fault}: taken twice");
                let next = state.store().verify("alice", &typed(7), SET);
                assert_eq!(next.unwrap().left, Some(6), "{call} {n} {fault}: the chain goes on");
            }
        }
    }
    assert!(points > 20 && spent > 2 && kept > 10, "{points} points, {spent} spent, {kept} kept");
}

/// Alice's section, with these lines.
fn section(lines: &str) -> Otp {
    let text = format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\nconfig otp 'alice'\n\
         \tlist open 'tcp/22'\n{lines}\n"
    );
    parse(text.as_bytes(), "test").unwrap().config.otp.remove(0)
}

fn attempt<'a>(section: Option<&'a Otp>, text: &'a str, source: &str, boot: u64) -> Attempt<'a> {
    let source = source.parse().unwrap();
    Attempt { user: "alice", section, text, source, boot: Duration::from_secs(boot), unix: Some(NOW) }
}

#[test]
fn who_guesses_from_everywhere_does_not_shut_the_owner_out() {
    let state = State::new("desk").with(&totp());
    let alice = section("");
    let mut desk = Desk::new(state.store());
    for number in 0..2_000_u64 {
        let source = format!("203.0.{}.{}", 100 + number / 250, number % 250);
        assert!(desk.verify(&attempt(Some(&alice), "000000", &source, number / 100)).is_err());
    }
    let (now, after) = (token().text(NOW / 30), token().text(NOW / 30 + 1));
    let single = desk.verify(&attempt(Some(&alice), &now, "198.51.100.7", 21));
    assert_eq!(single, Err(Refused::Store(Refusal::Response(Why::ShortAnswer))), "a code could be a guess");
    let pair = format!("{} {}", *now, *after);
    assert!(desk.verify(&attempt(Some(&alice), &pair, "198.51.100.7", 22)).is_ok());
    assert!(desk.throttle().locked("alice", Duration::from_secs(22)).is_some(), "and the guessers win nothing by it");
}

#[test]
fn a_neighbour_behind_the_same_address_does_not_shut_out_who_has_a_card() {
    let state = State::new("neighbour").with(&chain(9));
    let alice = section("");
    let mut desk = Desk::new(state.store());
    for second in 0..600 {
        assert!(desk.verify(&attempt(None, "x", "198.51.100.7", second)).is_err());
        assert!(desk.verify(&attempt(Some(&alice), &typed(3), "198.51.100.7", second)).is_err());
    }
    assert!(desk.verify(&attempt(Some(&alice), &typed(8), "198.51.100.7", 599)).is_ok());
    assert_eq!(state.record(), chain(8));
}

#[test]
fn a_paused_source_s_codes_are_not_judged_and_none_is_spent() {
    let state = State::new("pause").with(&totp());
    let alice = section("");
    let mut desk = Desk::new(state.store());
    for _ in 0..4 {
        let wrong = desk.verify(&attempt(Some(&alice), "000000", "2001:db8::1", 0));
        assert_eq!(wrong, Err(Refused::Store(Refusal::Response(Why::WrongCode))));
    }
    let pair = format!("{}{}", *token().text(NOW / 30), *token().text(NOW / 30 + 1));
    let wait = Err(Refused::Store(Refusal::Response(Why::Throttled(Duration::from_secs(2)))));
    for _ in 0..9 {
        assert_eq!(desk.verify(&attempt(Some(&alice), &pair, "2001:db8::2", 0)), wait, "the same network");
    }
    assert_eq!(state.record(), totp());
    assert!(desk.verify(&attempt(Some(&alice), &pair, "2001:db8::2", 2)).is_ok());
}

#[test]
fn whoever_may_not_come_in_spends_no_password() {
    let state = State::new("policy").with(&chain(9));
    let text = typed(8);
    let mut desk = Desk::new(state.store());
    assert_eq!(desk.verify(&attempt(None, &text, "198.51.100.7", 0)), Err(Refused::UnknownUser));
    let near = section("\tlist source '192.168.1.0/24'");
    assert_eq!(desk.verify(&attempt(Some(&near), &text, "198.51.100.7", 0)), Err(Refused::Source));
    let over = section("\toption expires '2020-01-01'");
    assert_eq!(desk.verify(&attempt(Some(&over), &text, "198.51.100.8", 0)), Err(Refused::Expired));
    let unset = Attempt { unix: None, ..attempt(Some(&over), &text, "198.51.100.9", 0) };
    assert_eq!(desk.verify(&unset), Err(Refused::Store(Refusal::Response(Why::ClockNotSet))));
    assert_eq!(state.record(), chain(9));
    let open = section("");
    let unset = Attempt { unix: None, ..attempt(Some(&open), &text, "198.51.100.9", 0) };
    assert!(desk.verify(&unset).is_ok(), "a chain needs no clock");
}

#[test]
fn decoys_look_like_the_chains_that_there_are() {
    let state = State::new("alike").with(&chain(9));
    let store = state.store();
    let own = store.challenge("alice", &["alice"], NOW).unwrap();
    let last = password(Algorithm::Sha1, PASSPHRASE, &seed(), 60);
    let bobs = Chain { algorithm: Algorithm::Sha1, sequence: 60, seed: seed(), last };
    store.lock().unwrap().write("bob", &Record::Chain(bobs)).unwrap();
    let mut seen = [false; 2];
    for number in 0..40 {
        let name = format!("user{number}");
        let decoy = store.challenge(&name, &["alice", "bob", "../bob", "nobody"], NOW).unwrap();
        assert!(
            (1..=99).contains(&decoy.sequence) && decoy.seed.text().len() == 6 && decoy.seed != own.seed,
            "{decoy}"
        );
        seen[usize::from(decoy.algorithm == Algorithm::Sha1)] = true;
    }
    assert_eq!(seen, [true; 2], "some look like alice's, some like bob's");
    // A chain that has come to its end would stand out by a number 0.
    let state = State::new("over").with(&chain(1));
    let decoy = state.store().challenge("alice", &["alice"], NOW).unwrap();
    assert!((1..=99).contains(&decoy.sequence) && decoy.seed != own.seed, "{decoy}");
    assert_eq!(state.store().verify("alice", &typed(0), SET), refused(Why::Exhausted), "the log says what it is");
    assert_eq!(state.store().like("mallory", &["alice"]), Ok(Some("alice")));
    assert_eq!(state.store().like("mallory", &[]), Ok(None));
}

#[test]
fn a_name_that_nobody_has_gets_a_challenge_as_any_other() {
    let state = State::new("decoy").with(&totp());
    let desk = Desk::new(state.store());
    let of = |name: &str| desk.challenge(name, &["alice"], NOW).unwrap().to_string();
    assert_eq!(of("mallory"), of("mallory"));
    assert_ne!(of("mallory"), of("mallet"));
    assert_eq!(of("alice"), of("alice"), "an app's user, too");
    let restarted = Desk::new(state.store());
    assert_eq!(restarted.challenge("mallory", &["alice"], NOW).unwrap().to_string(), of("mallory"));
    let other = State::new("decoy-other");
    assert_ne!(
        other.store().challenge("mallory", &["alice"], NOW).unwrap().to_string(),
        of("mallory"),
        "each router has its own"
    );
}

#[test]
fn a_store_whose_group_is_not_the_daemons_serves_all_the_same() {
    let state = State::new("group").with(&chain(9));
    for path in [state.0.clone(), state.0.join("otp"), state.file("alice"), state.file(".lock")] {
        chown(path, Some(62_201), Some(0)).unwrap();
    }
    let store = state.store();
    let verified = thread::spawn(move || {
        // Of this thread alone: a daemon that never was root, and may give nothing to the store's group.
        let (user, group) = (rustix::process::Uid::from_raw(62_201), rustix::process::Gid::from_raw(62_202));
        rustix::thread::set_thread_groups(&[]).unwrap();
        rustix::thread::set_thread_res_gid(group, group, group).unwrap();
        rustix::thread::set_thread_res_uid(user, user, user).unwrap();
        store.verify("alice", &typed(8), SET)
    });
    assert_eq!(verified.join().unwrap(), Ok(Accepted { left: Some(7), renewed: false }));
    assert_eq!(state.record(), chain(8));
}
