//! Who is refused, and that nobody can tell why.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::page::{FRIEND, FRIEND6, OTHER, Page, config, password, visit};

const ALL: Value = Value::Null;

#[test]
fn forms_tell_nobody_who_exists() {
    let page = Page::new("", "");
    let names = ["alice", "bob", "phone", "nobody", "zoe", "x", "", "../../etc/passwd", ".decoy", "Alice", "é"];
    let shapes: Vec<Vec<String>> = names
        .iter()
        .map(|name| {
            let form = page.form(FRIEND, name);
            assert_eq!(form["user"], *name);
            assert_eq!(form, {
                let mut again = page.form(FRIEND, name);
                again["token"] = form["token"].clone();
                again
            });
            let challenge = form["challenge"].as_str().unwrap();
            let words: Vec<&str> = challenge.split(' ').collect();
            assert_eq!((words.len(), words[0], words[2].len(), words[3]), (4, "otp-md5", 6, "ext"), "{challenge}");
            assert!((1..499).contains(&words[1].parse().unwrap()), "{challenge}");
            let services = form["services"].as_array().unwrap();
            assert!(
                [json!(["tcp/22", "udp/9"]), json!(["tcp/80"]), json!(["tcp/22"])].contains(&form["services"]),
                "{services:?}"
            );
            form.as_object().unwrap().keys().cloned().collect()
        })
        .collect();
    assert!(shapes.windows(2).all(|two| two[0] == two[1]));
    assert_eq!(page.outcome(FRIEND, &json!("entry")), "entry");
}

#[test]
fn every_refusal_is_the_same_and_a_second_after_the_question() {
    let page = Page::new("\toption expires '2020-01-01'\n", "");
    let refused = |peer: &str, user: &str, response: &str, more: Value| {
        let form = page.filled(peer, user, response, &more);
        let start = Instant::now();
        let answer = page.ask(&visit(peer), &form);
        let took = start.elapsed();
        assert_eq!(answer["outcome"], "refused", "{user}");
        assert!(took >= Duration::from_millis(990) && took < Duration::from_secs(4), "{user}: {took:?}");
        let mut bare = answer;
        bare["visitor"] = Value::Null;
        bare.to_string()
    };
    let right = password(&page, 98).0;
    let told = [
        refused("198.51.100.1", "bob", "0123456789abcdef", ALL),
        refused("198.51.100.2", "mallory", "0123456789abcdef", ALL),
        refused("198.51.100.3", "bob", "", ALL),
        refused("198.51.100.4", "bob", "not six words of the list", ALL),
        refused("198.51.100.5", "alice", &right, ALL),
        refused("198.51.100.6", "phone", "000000", ALL),
        refused("198.51.100.7", "bob", "0123456789abcdef", json!({ "services": ["tcp/23"] })),
        refused("198.51.100.8", "bob", "0123456789abcdef", json!({ "address": "127.0.0.1" })),
        refused("198.51.100.9", "", "0123456789abcdef", ALL),
    ];
    assert!(told.iter().all(|answer| *answer == told[0]), "{told:#?}");
    for code in
        ["bob: otp_mismatch", "-: otp_unknown_user", "bob: otp_syntax", "alice: otp_expired", "bob: port_not_allowed"]
    {
        page.wait_said(&format!("refused {code}, one-time password from 198.51.100."));
    }
    // A name that nobody has is not in the log: somebody may have typed the password there.
    assert!(!page.log().contains("mallory"), "{}", page.log());
    assert_eq!(page.elements(), 0);
    let events = page.lab.asked_raw(&json!({ "v": 1, "request": "events" }));
    let kinds: Vec<&str> =
        events["events"].as_array().unwrap().iter().filter_map(|event| event["reason"].as_str()).collect();
    assert!(kinds.contains(&"otp_unknown_user") && kinds.contains(&"otp_mismatch"), "{events}");
}

#[test]
fn who_guesses_waits_and_the_owner_does_not() {
    let page = Page::new("", "");
    let (hex, _) = password(&page, 49);
    for number in 1..=5 {
        assert_eq!(page.login(OTHER, "phone", "000000", &ALL), "refused");
        if number == 4 {
            // Of the first pause, two seconds long, one is over.
            std::thread::sleep(Duration::from_millis(1_200));
        }
    }
    page.wait_said("refused phone: otp_mismatch");
    let told = || page.lab.asked_raw(&json!({ "v": 1, "request": "otp" }));
    let before = told();
    assert_eq!((&before["running"], &before["throttled"], &before["accepted"]), (&json!(true), &json!(1), &json!(0)));
    assert_eq!((&before["paused"][0]["user"], &before["refused"]), (&json!("phone"), &json!(5)));
    let forgiven = |user: &str| page.lab.asked_raw(&json!({ "v": 1, "request": "forgive", "user": user }));
    assert_eq!(forgiven("phone")["forgiven"], true);
    crate::lab::wait_for("the end of the user's pause, but not the source's", Duration::from_secs(2), || {
        let told = told();
        (told["paused"] == json!([]) && told["throttled"] == 1).then_some(())
    });
    assert_eq!(page.login(OTHER, "phone", "000000 000000", &ALL), "refused", "no code is looked at from there");
    page.wait_said("refused phone: otp_throttled, one-time password from 198.51.100.7: ");
    assert_eq!(forgiven("phone")["forgiven"], false);
    assert_eq!(forgiven("nobody")["ok"], false);
    assert!(page.login(OTHER, "bob", &hex, &ALL)["opened"].is_object(), "a card's passwords are");
}

#[test]
fn a_form_of_yesterday_or_of_another_visitor_is_handed_out_anew() {
    let page = Page::new("", "");
    let (hex, _) = password(&page, 98);
    for (peer, token) in [
        (FRIEND, json!("")),
        (FRIEND, json!("0".repeat(32))),
        (FRIEND, page.form(OTHER, "alice")["token"].clone()),
        (FRIEND6, page.form(FRIEND, "alice")["token"].clone()),
    ] {
        let outcome = page.login(peer, "alice", &hex, &json!({ "token": token }));
        assert_eq!(outcome["stale"]["challenge"], "otp-md5 98 ke1234 ext", "{outcome}");
        assert_eq!(outcome["stale"]["token"], page.form(peer, "alice")["token"]);
    }
    assert_eq!(page.elements(), 0);
    assert!(page.login(FRIEND, "alice", &hex, &ALL)["opened"].is_object(), "nothing was spent");
}

#[test]
fn tls_host_and_proxies() {
    let lines = "\tlist plain_from '192.168.77.0/24'\n\tlist host 'knock.example'\n\tlist proxy '192.168.77.10'\n";
    let page = Page::new("", lines);
    let ask = |peer: &str, tls: bool, host: Value, forwarded: Value| {
        page.ask(&json!({ "peer": peer, "tls": tls, "host": host, "forwarded": forwarded }), &json!("entry"))
    };
    let ours = || json!("knock.example");
    let plain = ask(FRIEND, false, ours(), ALL);
    assert_eq!((&plain["outcome"], &plain["tls"], &plain["visitor"]), (&json!("plain"), &json!(false), &json!(FRIEND)));
    assert_eq!(ask("192.168.77.20", false, ours(), ALL)["outcome"], "entry");
    for host in [json!("other.example"), json!("203.0.113.1:8443"), ALL] {
        assert_eq!(ask(FRIEND, true, host, ALL)["outcome"], "host");
    }
    let named = ask("192.168.77.10", true, ours(), json!(format!("10.0.0.1, {OTHER}")));
    assert_eq!((&named["outcome"], &named["visitor"]), (&json!("entry"), &json!(OTHER)));
    let lie = ask(FRIEND, true, ours(), json!(OTHER));
    assert_eq!(lie["visitor"], FRIEND);
    let silent = ask("192.168.77.10", true, ours(), ALL);
    assert_eq!((&silent["outcome"], &silent["visitor"]), (&json!("malformed"), &ALL));
    page.wait_said("refused -: otp_proxy, one-time password from 192.168.77.10: ");

    // What it opens is for the visitor, not for the proxy.
    let (hex, _) = password(&page, 98);
    let via = json!({ "peer": "192.168.77.10", "tls": true, "host": "knock.example", "forwarded": OTHER });
    let form = page.ask(&via, &json!({ "form": { "user": "alice" } }));
    let login = json!({ "login": {
        "token": form["outcome"]["form"]["token"], "user": "alice", "response": hex, "address": null,
        "services": ["tcp/22"], "sign_off": false,
    }});
    let outcome = page.ask(&via, &login);
    assert_eq!(outcome["outcome"]["opened"]["source"], OTHER, "{outcome}");
    assert!(page.is_open("spa_in4_v1", &[OTHER, "tcp", "22"]));
}

#[test]
fn the_page_goes_and_comes_with_the_configuration() {
    let mut page = Page::new("", "");
    let told = |page: &Page| page.outcome(FRIEND, &json!("entry"));
    let off = config("", "").replace("'page'\n\toption enabled '1'", "'page'\n\toption enabled '0'");
    page.lab.reconfigure(&off);
    assert_eq!(page.lab.told(&["reload"]), "reloaded, 0 access stanzas and 3 one-time-password users enabled\n");
    let status = page.lab.asked(&["status"]);
    assert_eq!((&status["stanzas"], &status["otp"]), (&json!(0), &json!(3)));
    assert!(page.lab.told(&["status"]).contains("one-time   password users: 3\n"));
    crate::lab::wait_for("the end of the page", Duration::from_secs(3), || (told(&page) == "off").then_some(()));
    page.lab.reconfigure(&config("\tlist source '198.51.100.0/24'\n", ""));
    page.lab.told(&["reload"]);
    crate::lab::wait_for("the page", Duration::from_secs(3), || (told(&page) == "entry").then_some(()));
    let (hex, _) = password(&page, 98);
    assert_eq!(page.login(FRIEND, "alice", &hex, &ALL), "refused");
    page.wait_said("refused alice: otp_source, ");
    assert!(page.login(OTHER, "alice", &hex, &ALL)["opened"].is_object());
    page.stop();

    // Without a page there is neither socket nor thread, and only a start makes them.
    page.lab.reconfigure(&off);
    page.start();
    assert!(!page.socket().exists());
    let pid = page.daemon.as_ref().unwrap().pid();
    let names = |pid: u32| {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        tasks
            .map(|task| std::fs::read_to_string(task.path().join("comm")).unwrap().trim().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(!names(pid).contains(&"page".to_owned()), "{:?}", names(pid));
    assert_eq!(page.lab.asked_raw(&json!({ "v": 1, "request": "otp" }))["running"], false);
    page.lab.reconfigure(&config("", ""));
    let out = page.lab.ask(&["reload"]);
    assert_eq!(out.status.code(), Some(3), "{out:?}");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("config page cannot be switched on while the daemon runs; restart the service"), "{said}");
}
