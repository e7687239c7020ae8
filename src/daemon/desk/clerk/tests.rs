//! The clerk with a store on the disk, and a house that answers what the test says.

use std::collections::VecDeque;
use std::path::PathBuf;

use super::*;
use crate::config::parse;
use crate::otp::chain::{Algorithm, Seed, password};
use crate::otp::record::{Chain, Record};
use crate::otp::store::Store;
use crate::web::wire::{Typed, Visit};

const NOW: Duration = Duration::from_secs(10_000);

/// What the house was asked, and what it says.
#[derive(Debug, Default)]
struct Script {
    wants: Vec<Want>,
    answers: VecDeque<Option<Done>>,
    notes: Vec<Note>,
}

impl Host for Script {
    fn ask(&mut self, want: Want) -> Option<Done> {
        self.wants.push(want);
        self.answers.pop_front().expect("an answer")
    }

    fn tell(&mut self, want: Want) {
        match want {
            Want::Note(note) => self.notes.push(note),
            other => self.wants.push(other),
        }
    }
}

/// A desk with its clerk; its store goes with it.
struct Booth {
    clerk: Clerk<Script>,
    state: PathBuf,
}

impl Drop for Booth {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

fn rules(page: &str) -> Arc<Rules> {
    let text = format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\nconfig otp 'alice'\n\tlist open 'tcp/22'\n\
         \toption allow_new_chain '1'\nconfig otp 'bob'\n\tlist open 'tcp/80'\n\toption timeout '60'\nconfig page 'page'\n\toption enabled '1'\n{page}\n"
    );
    Arc::new(Rules::from(&parse(text.as_bytes(), "test").unwrap().config))
}

fn typed(number: u16) -> String {
    let seed: Seed = "ke1234".parse().unwrap();
    password(Algorithm::Md5, b"This is a test.", &seed, number).to_hex().to_string()
}

fn booth(name: &str, page: &str) -> Booth {
    let state = std::env::temp_dir().join(format!("spa-clerk-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&state);
    let store = Store::new(&state);
    let seed: Seed = "ke1234".parse().unwrap();
    let last = password(Algorithm::Md5, b"This is a test.", &seed, 99);
    let chain = Chain { algorithm: Algorithm::Md5, sequence: 99, seed, last };
    store.lock().unwrap().write("alice", &Record::Chain(chain)).unwrap();
    let clerk = Clerk::new(rules(page), Desk::new(store), Tokens::new().unwrap(), Script::default());
    Booth { clerk, state }
}

impl Booth {
    fn ask(&mut self, what: What) -> Outcome {
        let visit = Visit { peer: "192.0.2.1".parse().unwrap(), forwarded: None, tls: true, host: None };
        self.clerk.answer(&Ask { v: VERSION, visit, what }, NOW).outcome
    }

    fn login(&mut self, user: &str, response: &str, sign_off: bool, answers: &[Option<Done>]) -> Outcome {
        let Outcome::Form(form) = self.ask(What::Form { user: user.to_owned() }) else { panic!("no form") };
        self.clerk.house.answers = answers.iter().cloned().collect();
        let response = Typed::new(response.to_owned());
        let login =
            Login { token: form.token, user: user.to_owned(), response, address: None, services: None, sign_off };
        let outcome = self.ask(What::Login(login));
        assert!(self.clerk.house.answers.is_empty(), "not all was asked");
        outcome
    }

    /// The sequence of the password that alice's form asks for.
    fn sequence(&mut self) -> String {
        let Outcome::Form(form) = self.ask(What::Form { user: "alice".to_owned() }) else { panic!("no form") };
        form.challenge.split(' ').nth(1).unwrap().to_owned()
    }
}

fn grant() -> Grant {
    let source = "192.0.2.1".parse().unwrap();
    let door = crate::access::Opening { source, destination: None, port: "tcp/22".parse().unwrap() };
    Grant { access: "alice".into(), openings: vec![door], forwards: vec![], command: None, timeout: 300 }
}

const ALLOWED: Option<Done> = Some(Done::Allowed(Some(2_000_000_000)));

fn opened() -> Option<Done> {
    Some(Done::Opened(grant(), Duration::from_secs(299)))
}

#[test]
fn the_policy_comes_before_the_password_and_the_password_before_the_door() {
    let mut booth = booth("order", "");
    assert_eq!(booth.login("alice", &typed(98), false, &[Some(Done::Refused)]), Outcome::Refused);
    assert_eq!(booth.sequence(), "98", "what the section forbids spends nothing");
    assert_eq!(booth.login("alice", &typed(97), false, &[ALLOWED]), Outcome::Refused);
    assert_eq!(booth.clerk.house.notes.pop().unwrap().code, "otp_mismatch");
    let outcome = booth.login("alice", &typed(98), false, &[ALLOWED, opened()]);
    let Outcome::Opened(told) = outcome else { panic!("{outcome:?}") };
    assert_eq!((told.user.as_str(), told.source.as_str(), told.seconds), ("alice", "192.0.2.1", 299));
    assert_eq!((told.opened, told.passwords_left, told.new_chain), (vec!["tcp/22".to_owned()], Some(97), false));
    let asked = &booth.clerk.house.wants;
    assert!(matches!(asked[..], [Want::Judge(_), Want::Judge(_), Want::Judge(_), Want::Open(_)]), "{asked:?}");
    let snapshot = booth.clerk.snapshot(NOW);
    assert_eq!((snapshot.accepted, snapshot.refused), (1, 2));
}

#[test]
fn a_name_that_nobody_has_takes_the_same_way_and_nothing_is_said_of_it() {
    let mut booth = booth("unknown", "");
    for answer in [ALLOWED, Some(Done::Allowed(None))] {
        assert_eq!(booth.login("carol", &typed(98), false, &[answer]), Outcome::Refused);
        let wish = match booth.clerk.house.wants.pop() {
            Some(Want::Weigh(wish)) => wish,
            other => panic!("{other:?}"),
        };
        let Outcome::Form(form) = booth.ask(What::Form { user: "carol".to_owned() }) else { panic!("no form") };
        let shown = if form.timeout == 60 { "bob" } else { "alice" };
        assert_eq!((wish.section.as_str(), wish.visitor.to_string().as_str()), (shown, "192.0.2.1"));
    }
    assert_eq!(booth.clerk.house.wants, []);
    let note = booth.clerk.house.notes.pop().unwrap();
    assert_eq!((note.section, note.code), (None, "otp_unknown_user"));
    let mut seen = [false; 2];
    for number in 0..64 {
        let Outcome::Form(form) = booth.ask(What::Form { user: format!("user{number}") }) else { panic!("no form") };
        let (services, timeout) = (form.services.join(","), form.timeout);
        assert!([("tcp/22", 300), ("tcp/80", 60)].contains(&(services.as_str(), timeout)), "{services} {timeout}");
        seen[usize::from(timeout == 60)] = true;
    }
    assert_eq!(seen, [true; 2], "they look like one user as well as like another");
    assert_eq!(booth.login("carol", &typed(98), false, &[None]), Outcome::Refused);
    assert_eq!(booth.clerk.house.notes.pop().unwrap().code, "otp_busy", "as for somebody who is known");
}

#[test]
fn a_house_that_does_not_answer_spends_nothing_before_and_says_so_behind() {
    let mut booth = booth("silent", "");
    assert_eq!(booth.login("alice", &typed(98), false, &[None]), Outcome::Refused);
    assert_eq!(booth.sequence(), "98");
    assert_eq!(booth.login("alice", &typed(98), false, &[ALLOWED, None]), Outcome::Spent);
    assert_eq!(booth.login("alice", &typed(97), false, &[ALLOWED, Some(Done::Refused)]), Outcome::Spent);
    assert_eq!(booth.login("alice", &typed(96), true, &[ALLOWED, None]), Outcome::Spent);
    assert_eq!(booth.sequence(), "95");
    let notes = &booth.clerk.house.notes;
    assert!(notes.iter().all(|note| note.code == "otp_busy"), "{notes:?}");
    let spent: Vec<bool> = notes.iter().map(|note| note.text.ends_with("the password is spent")).collect();
    assert_eq!(spent, [false, true]);
}

#[test]
fn a_new_chain_is_always_told() {
    let mut booth = booth("renewed", "");
    let visitor = "192.0.2.1".parse().unwrap();
    let renewed = Want::Renewed { section: "alice".to_owned(), visitor };
    let new =
        |current: &str, seed: &str, place: u8| format!("init-hex:{current}:md5 99 {seed}:0123456789abcd{place:02x}");
    let Outcome::Opened(told) = booth.login("alice", &new(&typed(98), "ke1235", 1), false, &[ALLOWED, opened()]) else {
        panic!("shut")
    };
    assert!(told.new_chain);
    assert_eq!(booth.clerk.house.wants.iter().filter(|want| **want == renewed).count(), 1);
    for (sign_off, done) in [(true, Some(Done::Closed(0))), (false, Some(Done::Refused)), (false, None)] {
        let seed: Seed = "ke1234".parse().unwrap();
        let last = password(Algorithm::Md5, b"This is a test.", &seed, 99);
        let chain = Chain { algorithm: Algorithm::Md5, sequence: 99, seed, last };
        Store::new(&booth.state).lock().unwrap().write("alice", &Record::Chain(chain)).unwrap();
        booth.clerk.house.wants.clear();
        booth.login("alice", &new(&typed(98), "ke1236", 2), sign_off, &[ALLOWED, done]);
        assert!(booth.clerk.house.wants.contains(&renewed), "{:?}", booth.clerk.house.wants);
    }
}

#[test]
fn a_ticket_shows_and_closes_and_so_does_signing_off() {
    let mut booth = booth("ticket", "");
    let Outcome::Opened(told) = booth.login("alice", &typed(98), false, &[ALLOWED, opened()]) else { panic!("shut") };
    let ticket = || told.ticket.clone();
    let left = |seconds: Option<u64>| VecDeque::from([Some(Done::Left(seconds.map(Duration::from_secs)))]);
    booth.clerk.house.answers = left(Some(17));
    let Outcome::Opened(shown) = booth.ask(What::Ticket { ticket: ticket() }) else { panic!("gone") };
    assert_eq!((shown.seconds, shown.passwords_left, &shown.ticket), (17, None, &told.ticket));
    booth.clerk.house.answers = left(None);
    assert_eq!(booth.ask(What::Ticket { ticket: ticket() }), Outcome::Gone);
    booth.clerk.house.answers = VecDeque::from([None, None, Some(Done::Closed(1))]);
    assert_eq!(booth.ask(What::Ticket { ticket: ticket() }), Outcome::Busy);
    assert_eq!(booth.ask(What::Close { ticket: ticket() }), Outcome::Busy, "it is not known to be closed");
    assert_eq!(booth.ask(What::Close { ticket: ticket() }), Outcome::Closed { count: 1 });
    assert_eq!(booth.ask(What::Close { ticket: ticket() }), Outcome::Gone);

    let Outcome::Opened(told) = booth.login("alice", &typed(97), false, &[ALLOWED, opened()]) else { panic!("shut") };
    let closed = booth.login("alice", &typed(96), true, &[ALLOWED, Some(Done::Closed(1))]);
    assert_eq!(closed, Outcome::Closed { count: 1 });
    assert_eq!(booth.ask(What::Ticket { ticket: told.ticket }), Outcome::Gone);
    let address = "192.0.2.1".parse().unwrap();
    assert_eq!(booth.clerk.house.wants.pop(), Some(Want::Close { section: "alice".to_owned(), address }));
}

#[test]
fn a_page_without_users_is_off() {
    let mut booth = booth("off", "");
    assert_eq!(booth.ask(What::Entry), Outcome::Entry);
    let page = rules("").page.clone();
    booth.clerk.configure(Arc::new(Rules { page, otp: Vec::new() }));
    assert_eq!(booth.ask(What::Entry), Outcome::Off);
    booth.clerk.configure(Arc::new(Rules { page: None, otp: rules("").otp.clone() }));
    assert_eq!(booth.ask(What::Entry), Outcome::Off);
}

#[test]
fn the_longest_form_and_the_longest_answer_fit_one_line() {
    let many =
        |line: &str, places: usize| (0..places).map(|place| line.replace('#', &place.to_string())).collect::<String>();
    let ports = many("\tlist open 'udp/1000#'\n", 10) + &many("\tlist open 'udp/100#'\n", 54);
    let ranges = many("\tlist override_range '2001:db8:1111:2222:3333:4444:5555:66#/128'\n", 64);
    let text = format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\nconfig otp '{}'\n\toption allow_override '1'\n\
         {ports}{ranges}config page 'page'\n\toption enabled '1'\n",
        "a".repeat(64)
    );
    let rules = Arc::new(Rules::from(&parse(text.as_bytes(), "test").unwrap().config));
    let mut booth = booth("long", "");
    booth.clerk.configure(rules);
    let outcome = booth.ask(What::Form { user: "a".repeat(64) });
    let answer = Answer { v: VERSION, visitor: None, tls: true, outcome };
    assert!(crate::web::wire::line(&answer).is_some());
    let way = crate::access::Forward {
        source: "2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap(),
        proto: crate::net::Proto::Udp,
        outside: None,
        to: "[2001:db8:1111:2222:3333:4444:5555:6666]:65535".parse().unwrap(),
        all: true,
        snat: None,
    };
    let grant = Grant { openings: vec![], forwards: vec![way; 64], ..grant() };
    let outcome = Outcome::Opened(super::opened("a".repeat(64), &grant, Duration::MAX, "0".repeat(32)));
    assert!(crate::web::wire::line(&Answer { v: VERSION, visitor: None, tls: true, outcome }).is_some());
}
