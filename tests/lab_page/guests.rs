//! Who may use the socket, and what nonsense on it comes to.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spa_knockd::web::FALLBACK_ID;

use crate::lab::Place;
use crate::lab::daemon::{Daemon, program};
use crate::page::{FRIEND, Page, as_user, config, exchange, give, password, visit};

fn entry() -> String {
    format!("{}\n", json!({ "v": 1, "visit": visit(FRIEND), "what": "entry" }))
}

#[test]
fn only_root_the_daemon_and_the_page_s_group_may_ask() {
    let page = Page::new("", "");
    let groups = fs::read_to_string("/etc/group").unwrap();
    let listed = groups.lines().find_map(|line| line.strip_prefix("spa-knock-web:")?.split(':').nth(1)?.parse().ok());
    let gid: u32 = listed.unwrap_or(FALLBACK_ID);
    let (socket, run) = (fs::metadata(page.socket()).unwrap(), fs::metadata(page.lab.run_dir()).unwrap());
    assert_eq!((socket.mode() & 0o777, socket.uid(), socket.gid()), (0o660, 65_534, gid));
    assert_eq!((run.mode() & 0o777, run.uid(), run.gid()), (0o710, 65_534, gid));
    assert_eq!(fs::metadata(page.lab.socket()).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(page.lab.state_dir().join("otp")).unwrap().mode() & 0o777, 0o700);
    let connect = || UnixStream::connect(page.socket());
    let asked = |uid, gid| as_user(uid, gid, || connect().map(|stream| exchange(&stream, entry().as_bytes())));
    for (uid, gid) in [(0, 0), (65_534, 65_534), (62_202, gid)] {
        assert!(asked(uid, gid).unwrap().contains("\"entry\""), "{uid}:{gid}");
    }
    assert!(asked(33, 33).is_err(), "a stranger does not get that far");
    let looks = as_user(62_202, gid, || {
        let run = page.lab.run_dir();
        (
            fs::read_dir(&run).is_err(),
            fs::read(run.join("journal")).is_err(),
            UnixStream::connect(page.lab.socket()).is_err(),
        )
    });
    assert_eq!(looks, (true, true, true), "the page's group sees the socket alone");
    // Even where the directory let everybody through.
    fs::set_permissions(page.lab.run_dir(), fs::Permissions::from_mode(0o711)).unwrap();
    fs::set_permissions(page.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(asked(33, 33).unwrap(), "", "turned away without a word");
    assert!(asked(0, 0).unwrap().contains("\"entry\""));
}

#[test]
fn nonsense_is_told_so_and_harms_nobody() {
    let page = Page::new("", "");
    let good = entry();
    let form = page.filled(FRIEND, "alice", &password(&page, 98).0, &Value::Null);
    let login = |name: &str, value: Value| {
        let mut form = form.clone();
        form["login"][name] = value;
        format!("{}\n", json!({ "v": 1, "visit": visit(FRIEND), "what": form })).into_bytes()
    };
    let long = "x".repeat(1 << 20);
    for bytes in [
        b"\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        good.replace("\"v\":1", "\"v\":2").into_bytes(),
        [good.as_bytes(), good.as_bytes()].concat(),
        good.trim_end().as_bytes().to_vec(),
        good.replace("entry", "\u{0}").into_bytes(),
        good.as_bytes().iter().map(|byte| byte ^ 0x80).collect(),
        login("user", json!("x".repeat(65))),
        login("user", json!(["alice"])),
        login("response", json!("a\nb")),
        login("response", json!(long)),
        login("address", json!("1".repeat(65))),
        login("services", json!(["tcp/0"])),
        login("services", json!(["any"])),
        login("services", json!(vec!["tcp/22"; 65])),
        login("sign_off", json!(1)),
        login("admin", json!(true)),
        vec![b'['; 8_191],
        vec![b'x'; 1 << 20],
    ] {
        let told = page.raw(&bytes);
        assert!(told.contains("\"malformed\"") || (told.is_empty() && bytes.len() > 8_192), "{}: {told}", bytes.len());
    }
    for cut in 0..good.len() - 1 {
        let told = page.raw(&good.as_bytes()[..cut]);
        assert!(told.is_empty() == (cut == 0) && !told.contains("\"entry\""), "{cut}: {told}");
    }
    assert_eq!(page.elements(), 0);
    assert!(page.outcome(FRIEND, &form)["opened"].is_object(), "nothing was spent");
}

#[test]
fn sixteen_at_once_and_none_for_ever() {
    let page = Page::new("", "");
    let mut idle: Vec<UnixStream> = (0..16).map(|_| UnixStream::connect(page.socket()).unwrap()).collect();
    let start = Instant::now();
    // They are let in at the next turn of the thread.
    crate::lab::wait_for("the desk to be full", Duration::from_secs(3), || {
        page.raw(entry().as_bytes()).contains("\"busy\"").then_some(())
    });
    (&idle[0]).write_all(entry().as_bytes()).unwrap();
    let mut told = String::new();
    (&idle[0]).read_to_string(&mut told).unwrap();
    assert!(told.contains("\"entry\""), "who was there first is served: {told}");
    assert!(page.raw(entry().as_bytes()).contains("\"entry\""), "and makes room");
    for stream in &mut idle[1..] {
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "who says nothing has to go");
    }
    assert!(start.elapsed() > Duration::from_secs(8) && start.elapsed() < Duration::from_secs(14));
    let pid = page.daemon.as_ref().unwrap().pid();
    let switches = || crate::lab::ask::context_switches(pid);
    let before = switches();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(switches(), before, "an idle daemon woke up");
}

#[test]
fn an_unprivileged_daemon_gets_the_group_from_its_directory() {
    const NOBODY: u32 = 65_534;
    let mut page = Page::off(&config("", ""));
    let (state, run, gid) = (page.lab.state_dir(), page.lab.run_dir(), 62_777);
    fs::create_dir(&run).unwrap();
    chown(&run, Some(NOBODY), Some(gid)).unwrap();
    fs::set_permissions(&run, fs::Permissions::from_mode(0o2710)).unwrap();
    for path in [state.clone(), state.join("otp")] {
        give(&path);
        fs::read_dir(&path).unwrap().flatten().for_each(|entry| give(&entry.path()));
    }
    // The build directory may lie where only root may look.
    let copy = page.lab.dir().join("spa-knockd");
    fs::copy(program(), &copy).unwrap();
    let run_command = page.lab.daemon_command(&[]);
    let mut all = vec!["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all,+net_admin,+net_raw"];
    all.extend(["--ambient-caps=-all,+net_admin,+net_raw", "--", copy.to_str().unwrap()]);
    let mut command = page.lab.command(Place::Router, "setpriv", &all);
    // Behind `ip netns exec NAME PROGRAM`.
    command.args(run_command.get_args().skip(4));
    let mut daemon = Daemon::spawn(command, "");
    daemon.wait_ready();
    page.daemon = Some(daemon);
    let socket = fs::metadata(page.socket()).unwrap();
    assert_eq!((socket.mode() & 0o777, socket.uid(), socket.gid()), (0o660, NOBODY, gid));
    assert_eq!(fs::metadata(&run).unwrap().mode() & 0o7777, 0o2710);
    let stream = as_user(62_202, gid, || UnixStream::connect(page.socket()));
    assert!(exchange(&stream.unwrap(), entry().as_bytes()).contains("\"entry\""));
    assert!(page.login(FRIEND, "alice", &password(&page, 98).0, &Value::Null)["opened"].is_object());
    let log = page.stop();
    assert!(!log.contains("group") && !log.contains("not permitted"), "{log}");
}
