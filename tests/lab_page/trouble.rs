//! Stores that are damaged, full, read-only or locked, and a firewall that is gone: nobody gets in, everybody is told.

use std::fs;
use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

use crate::lab::disk::Tmpfs;
use crate::page::{FRIEND, OTHER, Page, config, give, password};

const ALL: Value = Value::Null;

#[test]
fn a_damaged_file_lets_nobody_in_and_is_named() {
    let page = Page::new("", "");
    let file = page.record("alice");
    let good = fs::read(&file).unwrap();
    for bad in [&good[..good.len() - 1], b"", b"\0\0\0", &[&good[..], b"x"].concat()] {
        fs::write(&file, bad).unwrap();
        assert_eq!(page.login(FRIEND, "alice", &password(&page, 98).0, &ALL), "refused");
        assert_eq!(fs::read(&file).unwrap(), bad, "nothing is written over it");
    }
    page.wait_said("refused alice: otp_store, one-time password from 203.0.113.2: ");
    assert!(page.log().contains(&*file.to_string_lossy()), "{}", page.log());
    assert!(page.login(FRIEND, "bob", &password(&page, 49).0, &ALL)["opened"].is_object(), "others go on");
    fs::write(&file, good).unwrap();
    assert!(page.login(FRIEND, "alice", &password(&page, 98).0, &ALL)["opened"].is_object());
}

#[test]
fn a_full_or_read_only_store_opens_nothing() {
    let mut page = Page::off(&config("", ""));
    let store = page.lab.state_dir().join("otp");
    let saved: Vec<(String, Vec<u8>)> = fs::read_dir(&store)
        .unwrap()
        .flatten()
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .collect();
    let disk = Tmpfs::mount(store.clone(), 32);
    give(&store);
    fs::set_permissions(&store, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    for (name, content) in &saved {
        fs::write(store.join(name), content).unwrap();
        give(&store.join(name));
    }
    page.start();
    let pid = page.daemon.as_ref().unwrap().pid();
    let (hex, _) = password(&page, 98);
    disk.fill();
    assert_eq!(page.login(FRIEND, "alice", &hex, &ALL), "refused");
    page.wait_said("nobody is let in before it can");
    disk.empty();
    disk.remount("ro", pid);
    assert_eq!(page.login(FRIEND, "alice", &hex, &ALL), "refused");
    assert_eq!(page.elements(), 0);
    assert_eq!(page.form(FRIEND, "alice")["challenge"], "otp-md5 98 ke1234 ext");
    disk.remount("rw", pid);
    assert!(page.login(FRIEND, "alice", &hex, &ALL)["opened"].is_object(), "nothing was spent");
    page.stop();
}

#[test]
fn a_locked_store_holds_up_neither_knocks_nor_forms() {
    let keys = crate::lab::daemon::keygen();
    let access = format!("\nconfig access 'knocker'\n{}\tlist open 'tcp/443'\n", keys.uci());
    let mut page = Page::off(&(config("", "") + &access));
    page.start();
    let lock = fs::OpenOptions::new().write(true).open(page.lab.state_dir().join("otp/.lock")).unwrap();
    flock(lock.as_fd(), FlockOperation::LockExclusive).unwrap();
    let (hex, _) = password(&page, 98);
    let packet = page.lab.packet(&keys, &["-A", "tcp/443", "-a", FRIEND]);
    let form = page.filled(FRIEND, "alice", &hex, &ALL);
    std::thread::scope(|scope| {
        let page = &page;
        let login = scope.spawn(move || page.outcome(FRIEND, &form));
        std::thread::sleep(Duration::from_millis(300));
        page.lab.send_packet(crate::lab::FRIEND, crate::lab::ROUTER, &packet);
        page.lab.wait_element("spa_in4_v1", &[FRIEND, "tcp", "443"]);
        assert!(!login.is_finished(), "the login waits for the lock, and the knock did not wait for the login");
        assert_eq!(login.join().unwrap(), "refused");
    });
    page.wait_said("refused alice: otp_busy, ");
    page.form(FRIEND, "alice");
    drop(lock);
    assert!(page.login(FRIEND, "alice", &hex, &ALL)["opened"].is_object(), "nothing was spent");
}

#[test]
fn a_password_that_opened_nothing_is_said_to_be_spent() {
    let text = config("", "").replace("standalone", "fw4");
    let mut page = Page::off(&text);
    page.lab.nft("table inet fw4 { }");
    let mut daemon = crate::lab::daemon::Daemon::spawn(page.lab.daemon_command(&[]), &text);
    daemon.wait_log("refused");
    page.daemon = Some(daemon);
    let (hex, _) = password(&page, 98);
    assert_eq!(page.login(FRIEND, "alice", &hex, &ALL), "spent");
    page.wait_said("refused alice: firewall_missing, one-time password from 203.0.113.2: ");
    assert!(page.log().contains("; the password is spent"), "{}", page.log());
    assert_eq!(page.login(FRIEND, "alice", &hex, &ALL), "refused", "it is");
    assert_eq!(page.form(FRIEND, "alice")["challenge"], "otp-md5 97 ke1234 ext");
}

#[test]
fn what_was_spent_stays_spent_over_restarts_and_crashes() {
    let mut page = Page::new("", "");
    let (first, second, third) = (password(&page, 98).0, password(&page, 97).0, password(&page, 96).0);
    let opened = page.login(FRIEND, "alice", &first, &ALL);
    let token = page.form(FRIEND, "alice")["token"].clone();
    page.stop();
    page.start();
    assert!(page.is_open("spa_in4_v1", &[FRIEND, "tcp", "22"]), "the grant outlives the daemon");
    let adopted = page.lab.asked(&["grants"])["grants"][0]["access"].clone();
    assert_eq!(adopted, "alice");
    assert_eq!(page.login(OTHER, "alice", &first, &ALL), "refused");
    assert!(page.login(FRIEND, "alice", &second, &json!({ "token": token }))["stale"].is_object(), "another start");
    let ticket = json!({ "ticket": { "ticket": opened["opened"]["ticket"] } });
    assert_eq!(page.outcome(FRIEND, &ticket), "gone");
    assert!(page.login(FRIEND, "alice", &second, &ALL)["opened"].is_object());
    page.daemon.take().unwrap().kill();
    page.start();
    for spent in [&first, &second] {
        assert_eq!(page.login(OTHER, "alice", spent, &ALL), "refused");
    }
    assert!(page.login(FRIEND, "alice", &third, &json!({ "sign_off": true }))["closed"]["count"] == 2);
}

#[test]
fn a_page_that_could_not_be_started_keeps_no_reload_from_working() {
    let mut page = Page::off(&config("", ""));
    fs::create_dir_all(page.socket()).unwrap();
    page.start();
    assert!(page.log().contains("there is no page"), "{}", page.log());
    page.lab.reconfigure(&config("\toption timeout '60'\n", ""));
    let reload = page.lab.ask(&["reload"]);
    let said = String::from_utf8_lossy(&reload.stderr);
    assert!(reload.status.success() && said.contains("the page could not be started"), "{reload:?}");
}
