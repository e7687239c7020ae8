use super::*;

fn ask(what: What) -> Ask {
    let visit = Visit {
        peer: "2001:db8::9".parse().unwrap(),
        forwarded: None,
        tls: true,
        host: Some("knock.example:8443".to_owned()),
    };
    Ask { v: 1, visit, what }
}

fn login() -> Login {
    Login {
        token: "0a".repeat(16),
        user: "alice".to_owned(),
        response: Typed::new("A \"quoted\" word é".to_owned()),
        address: Some("192.0.2.1".to_owned()),
        services: Some(vec!["tcp/22".to_owned()]),
        sign_off: false,
    }
}

fn form() -> Form {
    Form {
        user: "alice".to_owned(),
        challenge: "otp-md5 98 ke1234 ext".to_owned(),
        services: vec!["tcp/22".to_owned()],
        may_override: true,
        timeout: 300,
        token: "0a".repeat(16),
    }
}

fn text(body: &impl Serialize) -> String {
    String::from_utf8(line(body).unwrap().to_vec()).unwrap()
}

#[test]
fn what_is_asked_has_this_form_and_comes_back() {
    let head =
        r#"{"v":1,"visit":{"peer":"2001:db8::9","forwarded":null,"tls":true,"host":"knock.example:8443"},"what":"#;
    for (what, json) in [
        (What::Entry, r#""entry"}"#),
        (What::Form { user: "alice".to_owned() }, r#"{"form":{"user":"alice"}}}"#),
        (What::Ticket { ticket: "00ff".to_owned() }, r#"{"ticket":{"ticket":"00ff"}}}"#),
        (What::Close { ticket: "00ff".to_owned() }, r#"{"close":{"ticket":"00ff"}}}"#),
        (
            What::Login(login()),
            r#"{"login":{"token":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","user":"alice","response":"A \"quoted\" word é","address":"192.0.2.1","services":["tcp/22"],"sign_off":false}}}"#,
        ),
        (
            What::Login(Login {
                response: Typed::new(r#"[[{{"[\{["#.to_owned()),
                address: None,
                services: None,
                sign_off: true,
                ..login()
            }),
            r#"{"login":{"token":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","user":"alice","response":"[[{{\"[\\{[","address":null,"services":null,"sign_off":true}}}"#,
        ),
    ] {
        let asked = ask(what);
        let line = text(&asked);
        assert_eq!(line, format!("{head}{json}\n"));
        let bytes = line.trim_end().as_bytes();
        assert_eq!(Ask::parse(bytes), Some(asked));
        for cut in 0..bytes.len() {
            assert_eq!(Ask::parse(&bytes[..cut]), None, "{line} cut at {cut}");
        }
        for (place, _) in line.match_indices("{\"") {
            let more = [&line[..=place], "\"more\":1,", &line[place + 1..]].concat();
            assert_eq!(Ask::parse(more.trim_end().as_bytes()), None, "{more}");
        }
    }
}

#[test]
fn what_is_answered_has_this_form_and_comes_back() {
    let opened = Opened {
        user: "alice".to_owned(),
        source: "192.0.2.1".to_owned(),
        opened: vec!["tcp/22".to_owned()],
        seconds: 300,
        passwords_left: Some(97),
        ticket: "00".repeat(16),
        new_chain: false,
    };
    for (outcome, json) in [
        (Outcome::Entry, r#""entry"}"#),
        (Outcome::Closed { count: 2 }, r#"{"closed":{"count":2}}}"#),
        (
            Outcome::Form(form()),
            r#"{"form":{"user":"alice","challenge":"otp-md5 98 ke1234 ext","services":["tcp/22"],"may_override":true,"timeout":300,"token":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}}}"#,
        ),
        (
            Outcome::Opened(opened.clone()),
            r#"{"opened":{"user":"alice","source":"192.0.2.1","opened":["tcp/22"],"seconds":300,"passwords_left":97,"ticket":"00000000000000000000000000000000","new_chain":false}}}"#,
        ),
        (
            Outcome::Stale(Form { services: vec![], may_override: false, ..form() }),
            r#"{"stale":{"user":"alice","challenge":"otp-md5 98 ke1234 ext","services":[],"may_override":false,"timeout":300,"token":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}}}"#,
        ),
        (
            Outcome::Address(form()),
            r#"{"address":{"user":"alice","challenge":"otp-md5 98 ke1234 ext","services":["tcp/22"],"may_override":true,"timeout":300,"token":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}}}"#,
        ),
        (
            Outcome::Opened(Opened { passwords_left: None, new_chain: true, ..opened }),
            r#"{"opened":{"user":"alice","source":"192.0.2.1","opened":["tcp/22"],"seconds":300,"passwords_left":null,"ticket":"00000000000000000000000000000000","new_chain":true}}}"#,
        ),
        (Outcome::Gone, r#""gone"}"#),
        (Outcome::Refused, r#""refused"}"#),
        (Outcome::Spent, r#""spent"}"#),
        (Outcome::Plain, r#""plain"}"#),
        (Outcome::Host, r#""host"}"#),
        (Outcome::Off, r#""off"}"#),
        (Outcome::Busy, r#""busy"}"#),
        (Outcome::Malformed, r#""malformed"}"#),
    ] {
        let answer = Answer { v: 1, visitor: "192.0.2.7".parse().ok(), tls: false, outcome };
        let line = text(&answer);
        assert_eq!(line, format!("{{\"v\":1,\"visitor\":\"192.0.2.7\",\"tls\":false,\"outcome\":{json}\n"));
        let line = line.trim_end();
        assert_eq!(Answer::parse(line.as_bytes()), Some(answer));
        for (place, _) in line.match_indices('{') {
            let more = [&line[..=place], "\"more\":1,", &line[place + 1..]].concat();
            assert_eq!(Answer::parse(more.as_bytes()), None, "{more}");
        }
    }
    let stranger = Answer { v: 1, visitor: None, tls: true, outcome: Outcome::Gone };
    assert_eq!(Answer::parse(text(&stranger).trim_end().as_bytes()), Some(stranger));
}

#[test]
fn what_the_page_never_sends_is_not_taken() {
    let long = |length: usize| "x".repeat(length);
    let with = |change: &dyn Fn(&mut Login)| {
        let mut login = login();
        change(&mut login);
        ask(What::Login(login))
    };
    for bad in [
        Ask { v: 2, ..ask(What::Entry) },
        ask(What::Form { user: long(65) }),
        ask(What::Form { user: "a\0".to_owned() }),
        ask(What::Form { user: "a\nb".to_owned() }),
        ask(What::Close { ticket: long(65) }),
        with(&|login| login.response = Typed::new(long(161))),
        with(&|login| login.response = Typed::new("\u{1b}".to_owned())),
        with(&|login| login.address = Some(long(65))),
        with(&|login| login.token = long(65)),
        with(&|login| login.services = Some(vec![String::new(); 65])),
        with(&|login| login.services = Some(vec![long(65)])),
    ] {
        assert_eq!(Ask::parse(text(&bad).trim_end().as_bytes()), None, "{bad:?}");
    }
    let good = text(&ask(What::Entry));
    let good = good.trim_end();
    assert!(Ask::parse(good.as_bytes()).is_some());
    for (part, other) in [
        (r#""v":1,"#, ""),
        (r#""tls":true"#, r#""tls":1"#),
        (r#""tls":true"#, r#""tls":true,"uid":0"#),
        ("2001:db8::9", "2001:db8::9%eth0"),
        ("2001:db8::9", "999.999.999.999"),
        (r#""entry""#, r#""exit""#),
        (r#""entry""#, r#"{"entry":{},"exit":{}}"#),
        ("knock.example:8443", &long(300)),
        ("{", "[".repeat(4000).as_str()),
        ("true", &[r#"{"a":"#.repeat(120).as_str(), "1", &"}".repeat(120)].concat()),
        ("true", "[[[1]]]"),
    ] {
        assert!(good.contains(part));
        assert_eq!(Ask::parse(good.replacen(part, other, 1).as_bytes()), None, "{other}");
    }
    assert_eq!(Ask::parse(b"\xff{}"), None);
    assert_eq!(line(&Outcome::Closed { count: 0 }).map(|line| line.len()), Some(23));
    assert_eq!(line(&vec!["x"; 8192]), None);
}

#[test]
fn a_password_is_not_shown() {
    assert!(!format!("{:?}", ask(What::Login(login()))).contains("quoted"));
}
