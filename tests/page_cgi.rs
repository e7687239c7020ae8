//! The page's CGI program as a web server starts it, with a daemon of the test's own at its socket.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is how a test fails")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use spa_knockd::daemon::privileges::{is_root, numbers_of};
use spa_knockd::web::wire::{Answer, Ask, Form, Login, Opened, Outcome, Typed, VERSION, Visit, What, line};
use spa_knockd::web::{FALLBACK_ID, FILE, GROUP};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spa-knockd");

const LOGIN: &str = "do=open&token=0f0f&user=alice&response=TONE+NELL+RACY+GRIN+ROOM+GELD";

/// What every answer has.
const HEADERS: [&str; 9] = [
    "Content-Type: text/html; charset=utf-8",
    "X-Frame-Options: DENY",
    "X-Content-Type-Options: nosniff",
    "Referrer-Policy: no-referrer",
    "Cache-Control: no-store",
    "Cross-Origin-Opener-Policy: same-origin",
    "Cross-Origin-Resource-Policy: same-origin",
    "X-Robots-Tag: none",
    "Content-Security-Policy: default-src 'none'; style-src 'sha256-",
];

/// A directory that goes with the test; the page's user can reach what is in it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("spa-page-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join(FILE)
    }

    /// A daemon that hears one line of each of these visitors and says this; what it heard comes out in turn.
    fn daemon(&self, says: Vec<Vec<u8>>) -> mpsc::Receiver<Vec<u8>> {
        let listener = UnixListener::bind(self.socket()).unwrap();
        fs::set_permissions(self.socket(), fs::Permissions::from_mode(0o666)).unwrap();
        let (heard, hear) = mpsc::channel();
        thread::spawn(move || {
            for says in says {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = Vec::new();
                BufReader::new(&stream).read_until(b'\n', &mut asked).unwrap();
                let _ = heard.send(asked);
                let _ = stream.write_all(&says);
            }
        });
        hear
    }

    /// The page for this request, with one answer of the daemon, and what the daemon was asked.
    fn exchange(&self, set: &[(&str, &str)], body: &str, outcome: Outcome) -> (Page, Ask) {
        let _ = fs::remove_file(self.socket());
        let hear = self.daemon(vec![answer(outcome)]);
        let page = self.ask(set, body.as_bytes());
        let asked = hear.recv_timeout(Duration::from_secs(5)).unwrap();
        (page, Ask::parse(asked.trim_ascii_end()).unwrap())
    }

    fn ask(&self, set: &[(&str, &str)], body: &[u8]) -> Page {
        Page::of(start(&mut self.program(set)), body)
    }

    fn program(&self, set: &[(&str, &str)]) -> Command {
        let mut program = Command::new(PROGRAM);
        program.args(["page", "--socket"]).arg(self.socket());
        with(&mut program, set);
        program
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn with(program: &mut Command, set: &[(&str, &str)]) {
    program.env_clear().env("GATEWAY_INTERFACE", "CGI/1.1").envs(set.iter().copied());
}

fn start(program: &mut Command) -> Child {
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What the program answered.
#[derive(Debug)]
struct Page {
    status: String,
    head: String,
    body: String,
    complaint: String,
}

impl Page {
    /// Hands the body to the program and takes its answer, which has what every answer has.
    fn of(mut program: Child, body: &[u8]) -> Self {
        let mut stdin = program.stdin.take().unwrap();
        // Who answers without reading may be through already.
        let _ = stdin.write_all(body);
        drop(stdin);
        let output = program.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text} {complaint}"));
        for header in HEADERS {
            assert_eq!(head.matches(header).count(), 1, "{header}: {head}");
        }
        assert!(
            head.lines().any(|line| line.ends_with("'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"))
        );
        let status = head.lines().next().unwrap().strip_prefix("Status: ").unwrap().to_owned();
        assert_eq!(output.status.success(), complaint.is_empty(), "{complaint}");
        if !body.is_empty() {
            assert!(body.starts_with("<!DOCTYPE html><html lang=en>") && body.ends_with("</html>\n"), "{body}");
            assert!(!body.contains("<script") && !body.contains("TONE"), "{body}");
        }
        Self { status, head: head.to_owned(), body: body.to_owned(), complaint }
    }

    fn code(&self) -> &str {
        &self.status[..3]
    }
}

fn answer(outcome: Outcome) -> Vec<u8> {
    let answer = Answer { v: VERSION, visitor: "192.0.2.7".parse().ok(), tls: true, outcome };
    line(&answer).unwrap().to_vec()
}

fn form() -> Form {
    Form {
        user: "alice".to_owned(),
        challenge: "otp-md5 498 qf3021 ext".to_owned(),
        services: vec!["tcp/22".to_owned(), "tcp/443".to_owned()],
        may_override: true,
        timeout: 300,
        token: "0f0f".to_owned(),
    }
}

fn opened() -> Opened {
    Opened {
        user: "alice".to_owned(),
        source: "192.0.2.7".to_owned(),
        opened: vec!["tcp/22".to_owned()],
        seconds: 300,
        passwords_left: Some(497),
        ticket: "ab".repeat(16),
        new_chain: false,
    }
}

fn get<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [("REQUEST_METHOD", "GET"), ("REMOTE_ADDR", "192.0.2.7"), ("HTTPS", "on"), ("HTTP_HOST", "k.example")];
    [&usual, more].concat()
}

/// A form with this length; what is given last counts.
fn post<'a>(length: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual =
        [("REQUEST_METHOD", "POST"), ("CONTENT_TYPE", "application/x-www-form-urlencoded"), ("CONTENT_LENGTH", length)];
    get(&[&usual, more].concat())
}

/// The page for this form without a daemon; what gets as far as asking ends with 503.
fn send(place: &Place, body: &str) -> Page {
    place.ask(&post(&body.len().to_string(), &[]), body.as_bytes())
}

#[test]
fn the_daemon_is_asked_what_the_visitor_asks() {
    let place = Place::new("asked");
    let visit =
        Visit { peer: "192.0.2.7".parse().unwrap(), forwarded: None, tls: true, host: Some("k.example".to_owned()) };
    let (page, asked) = place.exchange(&get(&[]), "", Outcome::Entry);
    assert_eq!((asked.what, asked.visit), (What::Entry, visit));
    assert!(page.code() == "200" && page.body.contains("<label for=user>"));

    let far =
        [("QUERY_STRING", "user=alice"), ("HTTPS", ""), ("HTTP_X_FORWARDED_FOR", "203.0.113.9"), ("PATH_INFO", "/")];
    let (page, asked) = place.exchange(&get(&far), "", Outcome::Form(form()));
    assert_eq!(asked.what, What::Form { user: "alice".to_owned() });
    assert!(!asked.visit.tls && asked.visit.forwarded.as_deref() == Some("203.0.113.9"));
    assert!(page.body.contains("otp-md5 498 qf3021 ext") && page.body.contains("that you may open for."));

    let body = format!("{LOGIN}&address=203.0.113.9&choice=1&service=tcp%2F22");
    let (page, asked) = place.exchange(&post(&body.len().to_string(), &[]), &body, Outcome::Opened(opened()));
    let login = Login {
        token: "0f0f".to_owned(),
        user: "alice".to_owned(),
        response: Typed::new("TONE NELL RACY GRIN ROOM GELD".to_owned()),
        address: Some("203.0.113.9".to_owned()),
        services: Some(vec!["tcp/22".to_owned()]),
        sign_off: false,
    };
    assert_eq!(asked.what, What::Login(login));
    assert!(page.body.contains("5 minutes") && page.body.contains(&format!("value=\"{}\"", "ab".repeat(16))));

    for (body, what) in [
        ("do=show&ticket=abab", What::Ticket { ticket: "abab".to_owned() }),
        ("do=end&ticket=abab", What::Close { ticket: "abab".to_owned() }),
    ] {
        let (_, asked) = place.exchange(&post(&body.len().to_string(), &[]), body, Outcome::Closed { count: 1 });
        assert_eq!(asked.what, what);
    }
}

#[test]
fn every_outcome_has_its_page_and_status() {
    let place = Place::new("outcomes");
    let mut pages = std::collections::BTreeSet::new();
    for (outcome, status) in [
        (Outcome::Entry, "200 OK"),
        (Outcome::Form(form()), "200 OK"),
        (Outcome::Opened(opened()), "200 OK"),
        (Outcome::Closed { count: 2 }, "200 OK"),
        (Outcome::Closed { count: 0 }, "200 OK"),
        (Outcome::Gone, "410 Gone"),
        (Outcome::Refused, "403 Forbidden"),
        (Outcome::Spent, "500 Internal Server Error"),
        (Outcome::Stale(form()), "200 OK"),
        (Outcome::Address(form()), "200 OK"),
        (Outcome::Plain, "403 Forbidden"),
        (Outcome::Host, "421 Misdirected Request"),
        (Outcome::Off, "403 Forbidden"),
        (Outcome::Busy, "503 Service Unavailable"),
        (Outcome::Malformed, "400 Bad Request"),
    ] {
        let (page, _) = place.exchange(&post(&LOGIN.len().to_string(), &[]), LOGIN, outcome.clone());
        assert_eq!(page.status, status, "{outcome:?}");
        assert!(page.complaint.is_empty() && page.body.contains("<h1>"));
        assert!(pages.insert(page.body), "{outcome:?} has a page of another outcome");
    }
}

#[test]
fn a_form_without_password_or_choice_comes_back_and_spends_nothing() {
    let place = Place::new("missing");
    for (body, words) in [
        ("do=open&token=0f&user=alice&response=+", "Please type"),
        ("do=open&token=0f&user=alice&response=TONE&choice=1", "Please choose"),
    ] {
        let (page, asked) = place.exchange(&post(&body.len().to_string(), &[]), body, Outcome::Form(form()));
        assert_eq!(asked.what, What::Form { user: "alice".to_owned() });
        assert!(page.body.contains(words) && page.body.contains("<div role=alert"), "{}", page.body);
    }
}

#[test]
fn bad_requests_are_answered_without_the_daemon() {
    let place = Place::new("bad");
    let long = "x".repeat(100_000);
    let fits = LOGIN.len().to_string();
    for (set, code) in [
        (get(&[("REQUEST_METHOD", "PUT")]), "405"),
        (get(&[("REQUEST_METHOD", "DELETE")]), "405"),
        (get(&[("REQUEST_METHOD", &long)]), "405"),
        (get(&[("PATH_INFO", "/etc/passwd")]), "404"),
        (get(&[("QUERY_STRING", "user=a&user=b")]), "400"),
        (get(&[("QUERY_STRING", "user=%ff")]), "400"),
        (get(&[("QUERY_STRING", "user=%00")]), "400"),
        (get(&[("QUERY_STRING", "debug=1")]), "400"),
        (get(&[("QUERY_STRING", "otp+list")]), "400"),
        (get(&[("QUERY_STRING", &long)]), "400"),
        (get(&[("HTTP_HOST", &long)]), "400"),
        (get(&[("HTTP_X_FORWARDED_FOR", &long)]), "400"),
        (get(&[("HTTP_HOST", "a\r\nSet-Cookie: b")]), "400"),
        (get(&[("REMOTE_ADDR", "999.999.999.999")]), "500"),
        (get(&[("REMOTE_ADDR", "")]), "500"),
        (post(&fits, &[("QUERY_STRING", "user=alice")]), "400"),
        (post(&fits, &[("CONTENT_TYPE", "text/plain")]), "415"),
        (post(&fits, &[("CONTENT_TYPE", "multipart/form-data; boundary=a")]), "415"),
        (post(&fits, &[("CONTENT_TYPE", "")]), "415"),
        (post("", &[]), "400"),
        (post("none", &[]), "400"),
        (post("-1", &[]), "400"),
        (post("1000", &[]), "400"),
        (post("8193", &[]), "413"),
        (post("1048576", &[]), "413"),
        (post("99999999999999999999999999", &[]), "413"),
        (post(&fits, &[("HTTP_ORIGIN", "https://evil.example")]), "403"),
        (post(&fits, &[("HTTP_ORIGIN", "http://k.example")]), "403"),
        (post(&fits, &[("HTTP_ORIGIN", "null"), ("HTTP_SEC_FETCH_SITE", "cross-site")]), "403"),
        (post(&fits, &[("HTTP_SEC_FETCH_SITE", "same-site")]), "403"),
    ] {
        let page = place.ask(&set, LOGIN.as_bytes());
        assert_eq!(page.code(), code, "{set:?} {}", page.head);
        assert_eq!(page.complaint.is_empty(), code != "500", "{}", page.complaint);
        assert!(page.head.contains("\r\nAllow: GET, HEAD, POST\r\n") == (code == "405"));
    }
    assert_eq!(place.ask(&[("REMOTE_ADDR", "192.0.2.7")], b"").code(), "500");
    let page = place.ask(&post("1048576", &[]), &vec![b'a'; 1 << 20]);
    assert_eq!(page.code(), "413");
}

#[test]
fn every_field_may_be_there_once_and_in_its_bounds() {
    let place = Place::new("fields");
    let full = format!("{LOGIN}&address=203.0.113.9&choice=1&service=tcp%2F22");
    // The whole one would be asked, if there were a daemon.
    assert_eq!(send(&place, &full).code(), "503");
    let fields: Vec<(&str, &str)> = full.split('&').map(|field| field.split_once('=').unwrap()).collect();
    for (at, (name, value)) in fields.iter().enumerate() {
        let changed = |to: &str| {
            let all = fields.iter().enumerate();
            let all =
                all.map(|(other, (name, value))| if other == at { to.to_owned() } else { format!("{name}={value}") });
            all.filter(|field| !field.is_empty()).collect::<Vec<_>>().join("&")
        };
        for bad in [
            format!("{name}={value}&{name}={value}"),
            format!("{name}={value}%00"),
            format!("{name}={value}\0"),
            format!("{name}=%ff"),
            format!("{name}=%c3"),
            format!("{name}=%zz"),
            format!("{name}=%0d%0aSet-Cookie:+a"),
            format!("{name}={}", "a".repeat(161)),
            (*name).to_owned(),
            format!("{name}[]={value}"),
            format!("{}={value}", name.to_uppercase()),
        ] {
            assert_eq!(send(&place, &changed(&bad)).code(), "400", "{bad}");
        }
        let code = if ["do", "token", "user", "response"].contains(name) { "400" } else { "503" };
        assert_eq!(send(&place, &changed("")).code(), code, "without {name}");
        assert_eq!(send(&place, &changed(&format!("{name}={}", "a".repeat(1 << 20)))).code(), "413");
    }
    for bad in ["\u{feff}", "&", "{\"do\":\"open\"}", "do=open;user=alice"] {
        assert_eq!(send(&place, bad).code(), "400", "{bad}");
    }
}

#[test]
fn nobodys_text_becomes_markup() {
    let place = Place::new("escapes");
    let evil = || "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;".to_owned();
    let form = Form { user: evil(), challenge: evil(), services: vec![evil(), evil()], token: evil(), ..form() };
    let one = Form { services: vec![evil()], ..form.clone() };
    let open = Opened { user: evil(), source: evil(), opened: vec![evil()], ticket: evil(), ..opened() };
    let outcomes = [Outcome::Form(form.clone()), Outcome::Form(one), Outcome::Address(form), Outcome::Opened(open)];
    for outcome in outcomes {
        let query = [("QUERY_STRING", "user=%22%3E%3Cscript%3E")];
        let (page, asked) = place.exchange(&get(&query), "", outcome);
        assert_eq!(asked.what, What::Form { user: "\"><script>".to_owned() });
        assert!(page.body.contains("&quot;&#39;&gt;&lt;script&gt;alert(1)") && !page.body.contains("<img"));
        assert!(page.body.contains("&gt;&amp;amp;") && !page.head.contains("script"));
    }
}

#[test]
fn head_has_the_same_head_and_no_page() {
    let place = Place::new("head");
    let (page, _) = place.exchange(&get(&[]), "", Outcome::Form(form()));
    let (bare, asked) = place.exchange(&get(&[("REQUEST_METHOD", "HEAD")]), "", Outcome::Form(form()));
    assert_eq!((bare.head, bare.body.as_str(), asked.what), (page.head, "", What::Entry));
    let refused = place.ask(&get(&[("REQUEST_METHOD", "HEAD"), ("PATH_INFO", "/x")]), b"");
    assert_eq!((refused.code(), refused.body.as_str()), ("404", ""));
}

#[test]
fn below_the_page_one_finds_the_way_back() {
    let place = Place::new("below");
    for (name, way) in [("/open-sesame", "href=\"/open-sesame\""), ("//evil.example", "href=\"?\""), ("", "href=\"?\"")]
    {
        let page = place.ask(&get(&[("PATH_INFO", "/x"), ("SCRIPT_NAME", name)]), b"");
        assert!(page.code() == "404" && page.body.contains(way), "{}", page.body);
    }
}

#[test]
fn what_a_visitor_fills_in_fits_the_line_to_the_daemon() {
    let place = Place::new("fits");
    let ports: String = (1..=64).map(|port| format!("&service=tcp%2F{port}")).collect();
    let quotes = |count| "%22".repeat(count);
    // The longest answers; the rest of the form has room for few quotes.
    let login = format!(
        "do=open&token={}&user={}&response={}&address={}&choice=1{ports}",
        quotes(64),
        quotes(64),
        quotes(160),
        quotes(64)
    );
    let long = "\"".repeat(280);
    let set = [("HTTP_HOST", long.as_str()), ("HTTP_X_FORWARDED_FOR", &long)];
    let (page, asked) = place.exchange(&post(&login.len().to_string(), &set), &login, Outcome::Refused);
    assert!(page.code() == "403" && page.complaint.is_empty(), "{page:?}");
    assert!(
        matches!(asked.what, What::Login(login) if login.services.as_ref().is_some_and(|services| services.len() == 64))
    );
    for services in ["&service=%22".to_owned(), format!("&service={}", quotes(64)), "&service=tcp".to_owned()] {
        let page = send(&place, &format!("{LOGIN}&choice=1{services}"));
        assert!(page.code() == "400" && page.complaint.is_empty(), "{page:?}");
    }
}

#[test]
fn a_daemon_that_is_away_or_talks_nonsense_has_one_page() {
    let place = Place::new("away");
    let away = place.ask(&get(&[]), b"");
    assert_eq!(away.code(), "503");
    assert!(away.head.contains("\r\nRetry-After: 10") && away.complaint.contains("web.sock: No such file"), "{away:?}");
    let good = String::from_utf8(answer(Outcome::Entry)).unwrap();
    for nonsense in [
        String::new(),
        "\n".to_owned(),
        "null\n".to_owned(),
        "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
        good.trim_end().to_owned(),
        good[1..].to_owned(),
        good.replace("\"v\":1", "\"v\":2"),
        good.replace("\"v\":1", "\"v\":1,\"w\":1"),
        good.replace("\"entry\"", "\"root\""),
        good.replace("192.0.2.7", "<script>"),
        "x".repeat(9_000),
        format!("{}\n", "[".repeat(8_000)),
        "\0".repeat(100_000),
    ] {
        let _ = fs::remove_file(place.socket());
        let _hear = place.daemon(vec![nonsense.clone().into_bytes()]);
        let page = place.ask(&get(&[]), b"");
        assert_eq!((page.code(), &page.body), ("503", &away.body), "{nonsense:.80}");
        assert!(page.complaint.contains("web.sock: ") && page.complaint.lines().count() == 1);
        assert!(!page.complaint.contains("script"));
    }
    // A file in the socket's place, and one that nobody listens at.
    for file in [true, false] {
        let _ = fs::remove_file(place.socket());
        if file {
            fs::write(place.socket(), "").unwrap();
        } else {
            drop(UnixListener::bind(place.socket()));
        }
        assert_eq!(place.ask(&get(&[]), b"").code(), "503");
    }
}

#[test]
fn a_daemon_that_turns_a_visitor_away_unheard_is_understood() {
    let place = Place::new("unheard");
    let listener = UnixListener::bind(place.socket()).unwrap();
    fs::set_permissions(place.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    let daemon = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&answer(Outcome::Busy)).unwrap();
    });
    let page = place.ask(&get(&[]), b"");
    daemon.join().unwrap();
    assert!(page.code() == "503" && page.body.contains("One moment"), "{page:?}");
}

#[test]
fn nobody_is_waited_for_for_ever() {
    let place = Place::new("silent");
    let listener = UnixListener::bind(place.socket()).unwrap();
    fs::set_permissions(place.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    let begun = Instant::now();
    let silent = start(&mut place.program(&get(&[])));
    let mut stalled = start(&mut place.program(&post("100", &[])));
    let mut held = stalled.stdin.take().unwrap();
    held.write_all(b"do=open").unwrap();
    let (_visitor, _) = listener.accept().unwrap();
    let output = stalled.wait_with_output().unwrap();
    assert!(output.stdout.starts_with(b"Status: 400 "), "{output:?}");
    // It holds one of the web server's places.
    assert!((2..6).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let page = Page::of(silent, b"");
    assert!(page.code() == "503" && page.complaint.contains("nothing came in time"), "{page:?}");
    assert!((11..20).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[test]
fn a_daemon_on_another_machine_is_refused_in_words() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_spa-knockd"));
    let done = program.args(["page", "--socket", "192.0.2.1:900"]).envs(get(&[])).output().expect("the program runs");
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!((done.status.code(), done.stdout.len()), (Some(1), 0), "{said}");
    assert!(said.contains("--socket 192.0.2.1:900") && said.contains("cannot be replayed"), "{said}");
}

#[test]
fn by_its_name_it_is_the_page_whatever_its_arguments() {
    let place = Place::new("name");
    let named = |name: &str| {
        let path = place.0.join(name);
        symlink(PROGRAM, &path).unwrap();
        path
    };
    let run = |path: &Path, words: &[&str], set: &[(&str, &str)]| {
        let mut program = Command::new(path);
        with(program.args(words), set);
        start(&mut program)
    };
    // Nothing that has to ask the daemon, since its socket is the router's own.
    let wrong = [("REQUEST_METHOD", "BREW"), ("REMOTE_ADDR", "192.0.2.7")];
    let sesame = named("open-sesame");
    for words in [&["otp", "list"][..], &["--version"], &["run-helper"], &["page", "--socket", "/nonsense"], &[]] {
        assert_eq!(Page::of(run(&sesame, words, &wrong), b"").code(), "405", "{words:?}");
    }
    // A visitor's query is an argument where it has no `=`, so a script of any name is the page.
    for name in ["spa-knockd", "knock.cgi"] {
        let (program, script) = (named(name), format!("/cgi-bin/{name}"));
        for said in [[("SCRIPT_NAME", script.as_str())], [("SCRIPT_FILENAME", script.as_str())]] {
            let set = [&wrong[..], &[("SCRIPT_NAME", "/knock")], &said].concat();
            assert_eq!(Page::of(run(&program, &["--version"], &set), b"").code(), "405", "{said:?}");
        }
    }
    // A script that runs the program is not it.
    let set = [&wrong[..], &[("SCRIPT_NAME", "/cgi-bin/status")]].concat();
    let output = run(&place.0.join("spa-knockd"), &["--version"], &set).wait_with_output().unwrap();
    assert!(output.stdout.starts_with(b"spa-knockd "), "{output:?}");
}

/// What /proc says of a process, by these names.
fn proc_status(pid: u32, names: &[&str]) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap().trim();
    names.iter().map(|name| value(name).replace('\t', " ")).collect()
}

#[test]
fn root_is_given_up_before_a_byte_is_read() {
    if !is_root() {
        return;
    }
    let place = Place::new("root");
    // Started by a web server of root's that is in groups of its own; the form is not there yet.
    let mut program = Command::new("setpriv");
    program.args(["--groups=4,27", "--inh-caps=+net_admin", "--ambient-caps=+net_admin", PROGRAM]);
    program.args(["page", "--socket"]).arg(place.socket());
    let length = LOGIN.len().to_string();
    with(&mut program, &post(&length, &[]));
    program.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let child = start(&mut program);
    let pid = child.id();

    let user = numbers_of(GROUP);
    let groups = fs::read_to_string("/etc/group").unwrap();
    let group =
        groups.lines().find_map(|line| line.strip_prefix(&format!("{GROUP}:x:"))?.split(':').next()?.parse().ok());
    let uid = user.map_or(FALLBACK_ID, |(uid, _)| uid);
    let gid: u32 = group.or(user.map(|(_, gid)| gid)).unwrap_or(FALLBACK_ID);
    let expected = [[uid; 4], [gid; 4]].map(|ids| ids.map(|id| id.to_string()).join(" "));

    let deadline = Instant::now() + Duration::from_secs(5);
    while proc_status(pid, &["NoNewPrivs"]) != ["1"] {
        assert!(Instant::now() < deadline, "it has not given up anything");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(proc_status(pid, &["Uid", "Gid"]), expected);
    assert_eq!(proc_status(pid, &["Groups"]), [""]);
    let none = "0".repeat(16);
    assert_eq!(proc_status(pid, &["CapInh", "CapPrm", "CapEff", "CapAmb"]), [&none; 4].map(String::clone));
    // And it goes on, without a daemon.
    assert_eq!(Page::of(child, LOGIN.as_bytes()).code(), "503");
}
