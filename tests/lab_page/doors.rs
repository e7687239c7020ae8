//! What a right password opens, renews and closes.

use std::net::SocketAddr;
use std::thread;

use serde_json::{Value, json};

use crate::lab::wire::Door;
use crate::lab::{self, Place, ROUTER, ROUTER6};
use crate::page::{FRIEND, FRIEND6, OTHER, Page, code, password};

const ALL: Value = Value::Null;

fn opened(outcome: &Value) -> &Value {
    outcome.get("opened").unwrap_or_else(|| panic!("nothing opened, but {outcome}"))
}

#[test]
fn words_and_hex_open_over_ipv4_and_ipv6_and_each_only_once() {
    let mut page = Page::new("\tlist forward 'tcp/2222=192.168.77.10:22'\n", "");
    let _ssh = page.lab.tcp_echo(Place::Router, 22);
    let ssh = SocketAddr::new(ROUTER, 22);
    assert_ne!(page.lab.try_connect(Place::Wan, lab::FRIEND, ssh), Door::Open);
    let form = page.form(FRIEND, "alice");
    assert_eq!(form["challenge"], "otp-md5 98 ke1234 ext");
    assert_eq!(form["services"], json!(["tcp/22", "udp/9", "tcp/2222"]));
    assert_eq!((&form["may_override"], &form["timeout"]), (&json!(false), &json!(300)));

    let (hex, words) = password(&page, 98);
    let outcome = page.login(FRIEND, "alice", &words.to_lowercase(), &ALL);
    let told = opened(&outcome);
    assert_eq!((&told["user"], &told["source"]), (&json!("alice"), &json!(FRIEND)));
    assert_eq!(told["opened"], json!(["tcp/22", "udp/9", "tcp/2222 to 192.168.77.10:22"]));
    assert_eq!((&told["passwords_left"], &told["new_chain"]), (&json!(97), &json!(false)));
    let seconds = told["seconds"].as_u64().unwrap();
    assert!((295..=300).contains(&seconds), "{seconds}");
    let element = page.lab.wait_element("spa_in4_v1", &[FRIEND, "tcp", "22"]);
    assert!(element.expires.abs_diff(seconds) <= 1, "{} and {seconds}", element.expires);
    assert!(page.is_open("spa_in4_v1", &[FRIEND, "udp", "9"]));
    assert!(page.is_open("spa_dnat4_v1", &[FRIEND, "tcp", "2222"]));
    assert_eq!(page.lab.try_connect(Place::Wan, lab::FRIEND, ssh), Door::Open);
    assert_ne!(page.lab.try_connect(Place::Wan, lab::STRANGER, ssh), Door::Open);

    // The same password in both its dresses, from both visitors.
    for (peer, response) in [(FRIEND, &words), (FRIEND, &hex), (OTHER, &words)] {
        assert_eq!(page.login(peer, "alice", response, &ALL), "refused");
    }
    let (hex, _) = password(&page, 97);
    let outcome = page.login(FRIEND6, "alice", &format!("hex: {}", hex.to_uppercase()), &ALL);
    assert_eq!(opened(&outcome)["opened"], json!(["tcp/22", "udp/9"]), "IPv6 has no way to that host");
    assert_eq!(opened(&outcome)["passwords_left"], 96);
    page.lab.wait_element("spa_in6_v1", &[FRIEND6, "tcp", "22"]);
    assert_eq!(page.lab.try_connect(Place::Wan, lab::FRIEND6, SocketAddr::new(ROUTER6, 22)), Door::Open);

    let log = page.stop();
    assert!(log.contains(&format!(
        "spa-knockd: grant alice: {FRIEND} may reach tcp/22, udp/9, tcp/2222 to 192.168.77.10:22 for 300 s, \
         one-time password from {FRIEND}\n"
    )));
    assert!(log.contains(&format!("warning: refused alice: otp_mismatch, one-time password from {FRIEND}: it is not")));
    assert!(!log.contains(&words) && !log.contains(&hex) && !log.contains("not permitted"), "{log}");
    assert!(!page.socket().exists(), "the socket outlived its daemon");
}

#[test]
fn services_are_chosen_renewed_shown_and_closed() {
    let page = Page::new("", "");
    let next = |number| password(&page, number).0;
    let one = page.login(FRIEND, "alice", &next(98), &json!({ "services": ["udp/9"] }));
    assert_eq!(opened(&one)["opened"], json!(["udp/9"]));
    assert!(!page.is_open("spa_in4_v1", &[FRIEND, "tcp", "22"]));
    assert_eq!(page.elements(), 1);
    // Renewed, not doubled, and never shortened.
    thread::sleep(std::time::Duration::from_millis(2_100));
    let left = page.lab.element("spa_in4_v1", &[FRIEND, "udp", "9"]).unwrap().expires;
    let two = page.login(FRIEND, "alice", &next(97), &json!({ "services": ["udp/9"] }));
    assert!(page.lab.element("spa_in4_v1", &[FRIEND, "udp", "9"]).unwrap().expires > left);
    assert_eq!(page.elements(), 1);

    let ticket = opened(&two)["ticket"].as_str().unwrap().to_owned();
    assert_eq!(ticket.len(), 32);
    assert_ne!(opened(&one)["ticket"], opened(&two)["ticket"]);
    let look = |ticket: &str| page.outcome(OTHER, &json!({ "ticket": { "ticket": ticket } }));
    let shown = look(&ticket);
    assert_eq!((&opened(&shown)["user"], &opened(&shown)["opened"]), (&json!("alice"), &json!(["udp/9"])));
    assert_eq!((&opened(&shown)["passwords_left"], &opened(&shown)["ticket"]), (&ALL, &json!(ticket)));
    for wrong in ["", "0", &"0".repeat(32), &ticket[..31], &ticket.to_uppercase()] {
        if wrong != ticket {
            assert_eq!(look(wrong), "gone", "{wrong}");
            assert_eq!(page.outcome(FRIEND, &json!({ "close": { "ticket": wrong } })), "gone", "{wrong}");
        }
    }
    // Another user's grant for the same address stays.
    opened(&page.login(FRIEND, "bob", &password(&page, 49).0, &ALL));
    assert_eq!(page.elements(), 2);
    assert_eq!(page.outcome(FRIEND, &json!({ "close": { "ticket": ticket } })), json!({ "closed": { "count": 1 } }));
    assert!(!page.is_open("spa_in4_v1", &[FRIEND, "udp", "9"]) && page.is_open("spa_in4_v1", &[FRIEND, "tcp", "80"]));
    assert_eq!(look(&ticket), "gone");
    assert_eq!(look(opened(&one)["ticket"].as_str().unwrap()), "gone");

    // Signing off costs a password, and closes what is open for this address alone.
    opened(&page.login(FRIEND, "alice", &next(96), &ALL));
    opened(&page.login(OTHER, "alice", &next(95), &ALL));
    let off = json!({ "sign_off": true });
    assert_eq!(page.login(FRIEND, "alice", &next(95), &off), "refused");
    assert_eq!(page.login(FRIEND, "alice", &next(94), &off), json!({ "closed": { "count": 2 } }));
    assert!(!page.is_open("spa_in4_v1", &[FRIEND, "tcp", "22"]) && page.is_open("spa_in4_v1", &[OTHER, "tcp", "22"]));
    assert_eq!(page.login(FRIEND, "alice", &next(93), &off), json!({ "closed": { "count": 0 } }));

    // What its owner revokes or closes by hand is gone for the ticket, too.
    let last = page.login(FRIEND, "alice", &next(92), &ALL);
    assert_eq!(page.lab.asked(&["revoke", "--access", "alice", "--source", FRIEND])["revoked"], 2);
    assert_eq!(look(opened(&last)["ticket"].as_str().unwrap()), "gone");
    let nobody = page.lab.ask(&["revoke", "--access", "bob", "--source", "203.0.113.99"]);
    assert!(nobody.status.success(), "bob is known: {nobody:?}");
}

#[test]
fn of_a_hundred_with_one_password_exactly_one_gets_in() {
    let page = Page::new("", "");
    let (hex, _) = password(&page, 98);
    let peers: Vec<String> = (1..=100).map(|host| format!("198.51.100.{host}")).collect();
    let forms: Vec<Value> = peers.iter().map(|peer| page.filled(peer, "alice", &hex, &ALL)).collect();
    let mut outcomes: Vec<Value> = thread::scope(|scope| {
        let page = &page;
        let mut threads = Vec::new();
        for (peer, form) in peers.iter().zip(&forms) {
            threads.push(scope.spawn(move || page.outcome(peer, form)));
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let all = outcomes.len();
    outcomes.retain(|outcome| outcome != "refused" && outcome != "busy");
    assert_eq!((all, outcomes.len()), (100, 1), "{outcomes:?}");
    let source = opened(&outcomes[0])["source"].as_str().unwrap();
    assert!(page.is_open("spa_in4_v1", &[source, "tcp", "22"]));
    assert_eq!(page.elements(), 2);
    assert!(page.otp(&["list"], "").lines().any(|line| line.contains("alice") && line.contains("97")));
}

#[test]
fn another_address_is_opened_where_the_section_allows_it() {
    let page = Page::new(
        "\toption allow_override '1'\n\tlist override_range '198.51.100.0/24'\n\tlist override_range '2001:db8::/32'\n",
        "",
    );
    let form = page.form(FRIEND, "alice");
    assert_eq!(form["may_override"], true);
    assert!(!form.to_string().contains("198.51.100.0"), "which ones is nobody's business: {form}");
    let (hex, _) = password(&page, 98);
    let named = |address: &str| page.login(FRIEND, "alice", &hex, &json!({ "address": address }));
    // What is no address spends nothing, and has another form at once; so does what is one and may not be.
    for text in
        ["", "x", "198.51.100.7/32", "198.51.100.7,198.51.100.8", "999.999.999.999", "fe80::1%wan0", "0x7f000001"]
    {
        let outcome = named(text);
        assert_eq!(outcome["address"]["challenge"], "otp-md5 98 ke1234 ext", "{text}: {outcome}");
    }
    let forbidden = [
        "0.0.0.0",
        "127.0.0.1",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "169.254.7.7",
        "ff02::1",
        "fe80::1",
        "203.0.113.1",
        "203.0.113.10",
        "203.0.113.255",
        "192.168.77.1",
        "192.168.77.10",
        "2001:db8:1::1",
        "203.0.113.9",
        "2001:db9::1",
    ];
    thread::scope(|scope| {
        for chunk in forbidden.chunks(6) {
            scope.spawn(move || chunk.iter().for_each(|text| assert_eq!(named(text), "refused", "{text}")));
        }
    });
    assert_eq!(page.elements(), 0);
    page.wait_said("refused alice: address_forbidden, one-time password from 203.0.113.2: ");
    let outcome = named(" 198.51.100.7 ");
    assert_eq!((&opened(&outcome)["source"], &opened(&outcome)["passwords_left"]), (&json!(OTHER), &json!(97)));
    assert!(page.is_open("spa_in4_v1", &[OTHER, "tcp", "22"]) && !page.is_open("spa_in4_v1", &[FRIEND, "tcp", "22"]));
    page.wait_said("198.51.100.7 may reach tcp/22, udp/9 for 300 s, one-time password from 203.0.113.2");
    let (hex, _) = password(&page, 97);
    let outcome = page.login(FRIEND, "alice", &hex, &json!({ "address": "2001:db8:77::7" }));
    assert_eq!(opened(&outcome)["source"], "2001:db8:77::7");
    // bob may name nobody, but himself; and chooses from his own services.
    let (hex, _) = password(&page, 49);
    assert_eq!(page.login(FRIEND, "bob", &hex, &json!({ "address": OTHER })), "refused");
    assert_eq!(page.login(FRIEND, "bob", &hex, &json!({ "services": ["tcp/22"] })), "refused");
    assert_eq!(page.login(FRIEND, "bob", &hex, &json!({ "services": [] })), "refused");
    opened(&page.login(FRIEND, "bob", &hex, &json!({ "address": FRIEND, "services": ["tcp/80"] })));
}

#[test]
fn an_app_s_code_opens_once() {
    let page = Page::new("", "");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let outcome = page.login(FRIEND, "phone", &code(now), &ALL);
    assert_eq!(opened(&outcome)["passwords_left"], ALL);
    assert!(page.is_open("spa_in4_v1", &[FRIEND, "tcp", "22"]));
    assert_eq!(page.login(OTHER, "phone", &code(now), &ALL), "refused");
    page.wait_said("refused phone: otp_replay, one-time password from 198.51.100.7: ");
}

#[test]
fn a_new_chain_begins_where_it_may_and_never_in_silence() {
    let page = Page::new("", "");
    let new = page.otp(&["calc", "--sequence", "99", "--seed", "ke9999"], crate::page::PASSPHRASE);
    let text = format!("init-hex:{}:md5 99 ke9999:{}", password(&page, 98).0, new.lines().nth(1).unwrap());
    assert_eq!(page.login(FRIEND, "alice", &text, &ALL), "refused");
    page.wait_said("refused alice: otp_new_chain_off, one-time password from 203.0.113.2: ");
    assert_eq!(page.form(FRIEND, "alice")["challenge"], "otp-md5 98 ke1234 ext", "nothing is spent");
    page.lab.reconfigure(&crate::page::config("\toption allow_new_chain '1'\n", ""));
    page.lab.told(&["reload"]);
    let outcome = page.login(OTHER, "alice", &text, &json!({ "sign_off": true }));
    assert_eq!(outcome["closed"]["count"], 0, "{outcome}");
    page.wait_said("warning: alice has begun a new chain, one-time password from 198.51.100.7\n");
    let events = page.lab.asked_raw(&json!({ "v": 1, "request": "events" }));
    let told = events["events"].as_array().unwrap().iter().find(|event| event["kind"] == "renew").unwrap();
    assert_eq!((&told["access"], &told["from"]), (&json!("alice"), &json!(OTHER)));
    assert_eq!(page.form(FRIEND, "alice")["challenge"], "otp-md5 98 ke9999 ext");
}
