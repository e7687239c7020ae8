//! One-time passwords as the LuCI page asks for them: rpcd's plugin, the real store, and a daemon that is played.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is how a test fails")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use spa_knockd::otp::store::Store;
use spa_knockd::otp::throttle::Admission;
use spa_knockd::otp::verify::Circumstances;

const PASSPHRASE: &str = "Correct horse, staple";

/// A router's directory that goes with the test.
struct Router(PathBuf);

impl Router {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("spa-otp-rpcd-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        let this = Self(path);
        this.configure("config otp 'alice'\n\tlist open 'tcp/22'\nconfig otp 'bob'\n\tlist open 'tcp/22'\n");
        this
    }

    fn configure(&self, more: &str) {
        let head = "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n";
        fs::write(self.0.join("config"), head.to_owned() + more).unwrap();
    }

    /// What the plugin prints for this method, and that no secret of the question is in it or on a command line.
    fn call(&self, method: &str, question: &Value) -> Value {
        let path = |name: &str| self.0.join(name).to_string_lossy().into_owned();
        let (config, socket, state) = (path("config"), path("control.sock"), path("state"));
        let words = ["rpcd", "--config", &config, "--socket", &socket, "--state-dir", &state, "call", method];
        let mut plugin = Command::new(env!("CARGO_BIN_EXE_spa-knockd"))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        plugin.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
        let out = plugin.wait_with_output().unwrap();
        let said = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success() && out.stderr.is_empty(), "{said}{}", String::from_utf8_lossy(&out.stderr));
        assert!(!said.contains(PASSPHRASE), "{said}");
        serde_json::from_str(&said).unwrap()
    }

    fn refused(&self, method: &str, question: &Value, fragment: &str) {
        let reply = self.call(method, question);
        assert_eq!(reply["ok"], false, "{method} {question}: {reply}");
        assert!(reply["error"].as_str().unwrap().contains(fragment), "{method} {question}: {reply}");
    }

    /// The row of a user.
    fn row(&self, user: &str) -> Value {
        let reply = self.call("otp_list", &json!({}));
        assert_eq!(reply["ok"], true, "{reply}");
        reply["users"].as_array().unwrap().iter().find(|row| row["user"] == user).cloned().unwrap_or_default()
    }

    fn accepts(&self, user: &str, text: &str, unix: u64) -> bool {
        let circumstances =
            Circumstances { unix: Some(unix), allow_md4: false, allow_new_chain: true, codes: Admission::Any };
        Store::new(&self.0.join("state")).verify(user, text, circumstances).is_ok()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The words of a reply's passwords, the next one first.
fn words(reply: &Value) -> Vec<(u64, String)> {
    let passwords = reply["passwords"].as_array().unwrap_or_else(|| panic!("{reply}"));
    passwords.iter().map(|one| (one["number"].as_u64().unwrap(), one["words"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn a_card_that_the_router_made_is_good_from_its_top_down() {
    let router = Router::new("card");
    let made =
        router.call("otp_add", &json!({ "user": "alice", "kind": "chain", "count": 12, "ubus_rpc_session": "0" }));
    let card = words(&made);
    assert_eq!(card.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (1..=12).rev().collect::<Vec<_>>());
    assert_eq!((&made["kind"], &made["algorithm"], &made["left"]), (&json!("chain"), &json!("md5"), &json!(12)));
    assert_eq!((made["seed"].as_str().unwrap().len(), made["date"].as_str().unwrap().len()), (6, 10));
    assert_eq!(made["uri"], Value::Null);

    let row = router.row("alice");
    assert_eq!((&row["enabled"], &row["left"], &row["few"]), (&json!(true), &json!(12), &json!(false)));
    assert!(!router.accepts("alice", &card[1].1, 0), "not the second one first");
    assert!(router.accepts("alice", &card[0].1, 0) && !router.accepts("alice", &card[0].1, 0));
    for (_, password) in &card[1..4] {
        assert!(router.accepts("alice", password, 0));
    }
    assert_eq!((&router.row("alice")["left"], &router.row("alice")["few"]), (&json!(8), &json!(true)));
    let mode = fs::metadata(router.0.join("state/otp/alice")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // New ones end the old ones, and have another seed.
    router.refused("otp_add", &json!({ "user": "alice", "kind": "chain" }), "has one-time passwords already");
    let fresh = router.call("otp_reset", &json!({ "user": "alice", "kind": "chain" }));
    assert_eq!(words(&fresh).len(), 50);
    assert_ne!(fresh["seed"], made["seed"]);
    assert!(!router.accepts("alice", &card[4].1, 0) && router.accepts("alice", &words(&fresh)[0].1, 0));

    assert_eq!(router.call("otp_remove", &json!({ "user": "alice" })), json!({ "ok": true, "removed": true }));
    assert_eq!(router.call("otp_remove", &json!({ "user": "alice" })), json!({ "ok": true, "removed": false }));
    assert!(!router.accepts("alice", &words(&fresh)[1].1, 0));
    router.refused("otp_reset", &json!({ "user": "alice", "kind": "chain" }), "has no one-time passwords");
}

#[test]
fn a_card_of_a_passphrase_is_shown_again_to_whoever_knows_it() {
    let router = Router::new("again");
    let question = |passphrase: &str| json!({ "user": "bob", "passphrase": passphrase, "count": 3 });
    router.refused("otp_card", &question(PASSPHRASE), "has no one-time passwords");
    let asked = json!({ "user": "bob", "kind": "chain", "passphrase": PASSPHRASE, "count": 5 });
    let made = words(&router.call("otp_add", &asked));
    assert!(router.accepts("bob", &made[0].1, 0));
    let again = router.call("otp_card", &question(PASSPHRASE));
    assert_eq!((words(&again), &again["left"]), (made[1..4].to_vec(), &json!(4)));
    router.refused("otp_card", &question("Correct horse, stable"), "not the one that bob's chain was made with");
    router.refused("otp_card", &json!({ "user": "bob" }), "passphrase: it is missing");

    // The command line computes the same ones.
    let [number, seed] = [again["passwords"][0]["number"].to_string(), again["seed"].as_str().unwrap().to_owned()];
    let mut calculator = Command::new(env!("CARGO_BIN_EXE_spa-knockd"))
        .args(["otp", "calc", "--sequence", &number, "--seed", &seed])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    calculator.stdin.take().unwrap().write_all(PASSPHRASE.as_bytes()).unwrap();
    let out = String::from_utf8(calculator.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(out.lines().next(), Some(made[1].1.as_str()));
    for (_, password) in &made[1..] {
        assert!(router.accepts("bob", password, 0));
    }
    router.refused("otp_card", &question(PASSPHRASE), "no password of bob is left");
    assert_eq!(router.row("bob")["left"], 0);
}

#[test]
fn an_app_gets_its_secret_once() {
    let router = Router::new("app");
    let made = router.call("otp_add", &json!({ "user": "alice", "kind": "totp", "digits": 8 }));
    let uri = made["uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/spa-knockd:alice?secret=") && uri.contains("&digits=8&"), "{uri}");
    assert_eq!((&made["passwords"], &made["left"]), (&json!([]), &Value::Null));
    let secret = uri.split(['=', '&']).nth(1).unwrap();
    let listed = router.call("otp_list", &json!({})).to_string();
    assert!(!listed.contains(secret) && listed.contains("totp"), "{listed}");
    router.refused("otp_card", &json!({ "user": "alice", "passphrase": PASSPHRASE }), "come from an app");

    // The kind may change with new ones.
    let counted = router.call("otp_reset", &json!({ "user": "alice", "kind": "hotp" }));
    assert!(counted["uri"].as_str().unwrap().starts_with("otpauth://hotp/"));
    assert!(!counted["uri"].as_str().unwrap().contains(secret));
    assert_eq!(router.row("alice")["kind"], "hotp");
}

#[test]
fn what_is_asked_is_judged_again() {
    let router = Router::new("bad");
    let long = "x".repeat(65);
    for (method, question, fragment) in [
        ("otp_add", json!({}), "user: "),
        ("otp_add", json!({ "user": "../x", "kind": "totp" }), "user: "),
        ("otp_add", json!({ "user": "a b", "kind": "totp" }), "user: "),
        ("otp_add", json!({ "user": "<script>", "kind": "totp" }), "user: "),
        ("otp_add", json!({ "user": long, "kind": "totp" }), "user: "),
        ("otp_add", json!({ "user": 7, "kind": "totp" }), "user: it is text"),
        ("otp_add", json!({ "user": "alice" }), "kind: "),
        ("otp_add", json!({ "user": "alice", "kind": "card" }), "kind: "),
        ("otp_add", json!({ "user": "alice", "kind": "chain", "count": 0 }), "count: "),
        ("otp_add", json!({ "user": "alice", "kind": "chain", "count": 499 }), "count: "),
        ("otp_add", json!({ "user": "alice", "kind": "chain", "count": "50" }), "count: it is a number"),
        ("otp_add", json!({ "user": "alice", "kind": "chain", "passphrase": "too short" }), "at least 10"),
        ("otp_add", json!({ "user": "alice", "kind": "chain", "passphrase": ["x"] }), "passphrase: it is text"),
        ("otp_add", json!({ "user": "alice", "kind": "totp", "passphrase": PASSPHRASE }), "only a chain has one"),
        ("otp_add", json!({ "user": "alice", "kind": "totp", "digits": 5 }), "digits: "),
        ("otp_add", json!({ "user": "alice", "kind": "totp", "digits": 4294967302_u64 }), "digits: "),
        ("otp_add", json!({ "user": "alice", "kind": "totp", "period": 30 }), "no field \"period\""),
        ("otp_reset", json!({ "user": "alice", "kind": "totp" }), "has no one-time passwords"),
        ("otp_remove", json!({ "user": "alice", "all": true }), "no field \"all\""),
        ("otp_forgive", json!({ "user": "a/b" }), "user: "),
        ("otp_list", json!({ "user": "alice" }), "no field"),
    ] {
        router.refused(method, &question, fragment);
    }
    assert_eq!(router.call("otp_list", &json!({}))["users"], json!([]), "nothing was made");
}

#[test]
fn a_damaged_record_hides_nobody_and_is_replaced_only_on_request() {
    let router = Router::new("damaged");
    for user in ["alice", "bob"] {
        router.call("otp_add", &json!({ "user": user, "kind": "chain", "count": 9 }));
    }
    let file = router.0.join("state/otp/alice");
    fs::write(&file, "nonsense").unwrap();
    assert!(router.row("alice")["error"].as_str().unwrap().contains("the record is damaged"));
    assert_eq!(router.row("bob")["left"], 9);
    router.refused("otp_add", &json!({ "user": "alice", "kind": "chain" }), "the record is damaged");
    assert_eq!(fs::read(&file).unwrap(), b"nonsense");
    let made = router.call("otp_reset", &json!({ "user": "alice", "kind": "chain" }));
    assert!(router.accepts("alice", &words(&made)[0].1, 0));
    fs::write(&file, "nonsense").unwrap();
    assert_eq!(router.call("otp_remove", &json!({ "user": "alice" }))["removed"], true);
}

#[test]
fn who_must_wait_is_asked_of_the_daemon_and_the_page_is_looked_at() {
    let router = Router::new("locks");
    router.call("otp_add", &json!({ "user": "alice", "kind": "totp" }));
    // Nobody listens: nothing is said of locks, and all else is.
    let list = router.call("otp_list", &json!({}));
    assert_eq!((&list["throttled"], &list["page"], &list["without"]), (&Value::Null, &Value::Null, &json!(["bob"])));
    let away = router.call("otp_forgive", &json!({ "user": "alice" }));
    assert_eq!((&away["ok"], &away["away"]), (&json!(false), &json!(true)));

    let listener = UnixListener::bind(router.0.join("control.sock")).unwrap();
    let daemon = thread::spawn(move || {
        let mut asked = Vec::new();
        for reply in [
            json!({ "v": 1, "ok": true, "running": true, "paused": [{ "user": "alice", "seconds": 64 }], "throttled": 3 }),
            json!({ "v": 1, "ok": true, "forgiven": true }),
            json!({ "v": 1, "ok": false, "error": "there is no request 'otp'" }),
        ] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            asked.push(serde_json::from_str::<Value>(&line).unwrap());
            writeln!(stream, "{reply}").unwrap();
        }
        asked
    });
    let [crt, key] = ["crt", "key"].map(|name| router.0.join(name).display().to_string());
    router.configure(&format!(
        "config otp 'carol'\n\tlist open 'tcp/22'\nconfig page 'page'\n\toption enabled '1'\n\toption plain_port '8080'\n\
         \tlist plain_from '192.168.1.0/24'\n\toption cert '{crt}'\n\toption key '{key}'\n"
    ));
    fs::write(&crt, "x").unwrap();
    let list = router.call("otp_list", &json!({}));
    assert_eq!((&list["throttled"], &list["without"]), (&json!(3), &json!(["carol"])));
    assert_eq!((&list["users"][0]["paused"], &list["users"][0]["enabled"]), (&json!(64), &json!(false)));
    let page = &list["page"];
    assert_eq!((&page["port"], &page["plain_port"], &page["certificate"]), (&json!(8443), &json!(8080), &json!(false)));
    assert!(page["server"].is_boolean());
    assert_eq!(router.call("otp_forgive", &json!({ "user": "alice" }))["forgiven"], true);
    fs::write(&key, "x").unwrap();
    // A daemon of an older version.
    let list = router.call("otp_list", &json!({}));
    assert_eq!((&list["throttled"], &list["page"]["certificate"]), (&Value::Null, &json!(true)));
    // Another web server has the page.
    router.configure(
        "config otp 'carol'\n\tlist open 'tcp/22'\nconfig page 'page'\n\toption enabled '1'\n\toption port '0'\n",
    );
    let list = router.call("otp_list", &json!({}));
    assert_eq!((&list["page"]["port"], &list["page"]["plain_port"]), (&Value::Null, &Value::Null));
    let asked = daemon.join().unwrap();
    let requests = [json!({ "v": 1, "request": "otp" }), json!({ "v": 1, "request": "forgive", "user": "alice" })];
    assert_eq!(asked, [&requests[..], &requests[..1]].concat());
}
