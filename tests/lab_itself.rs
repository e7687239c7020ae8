//! The lab keeps its word: its wire carries, its doors can be told apart, and it leaves nothing behind.

mod lab;

use std::net::SocketAddr;
use std::panic;
use std::path::Path;

use lab::client::Keys;
use lab::wire::{Door, echoes};
use lab::{FRIEND, FRIEND6, LAN_HOST, Lab, Place, ROUTER, ROUTER6, STRANGER, events};

#[test]
fn doors_are_open_refused_or_filtered() {
    let lab = Lab::new();
    let _echo = lab.tcp_echo(Place::Router, 22);
    let _lan = lab.tcp_echo(Place::Lan, 22);
    let _udp = lab.udp_echo(Place::Router, 53);
    lab.nft(
        "table inet t {\n\
           chain input { type filter hook input priority 0; tcp dport 24 drop; }\n\
         }",
    );
    for (from, to) in [(FRIEND, ROUTER), (FRIEND6, ROUTER6), (STRANGER, LAN_HOST)] {
        let ssh = SocketAddr::new(to, 22);
        assert_eq!(lab.try_connect(Place::Wan, from, ssh), Door::Open, "{from} {to}");
        let telnet = SocketAddr::new(to, 23);
        assert_eq!(lab.try_connect(Place::Wan, from, telnet), Door::Refused, "{from} {to}");
    }
    let dropped = SocketAddr::new(ROUTER, 24);
    assert_eq!(lab.try_connect(Place::Wan, FRIEND, dropped), Door::Filtered);
    let stream = lab.connect(Place::Wan, STRANGER, SocketAddr::new(ROUTER, 22));
    let mut stream = stream.expect("connect");
    assert_eq!(stream.local_addr().expect("an address").ip(), STRANGER);
    assert!(echoes(&mut stream, "hello"));
    assert_eq!(lab.ask_udp(Place::Wan, FRIEND, SocketAddr::new(ROUTER, 53)), Door::Open);
    assert_eq!(lab.ask_udp(Place::Wan, FRIEND, SocketAddr::new(ROUTER, 54)), Door::Refused);
}

#[test]
fn elements_are_read_back_and_changes_are_heard() {
    let lab = Lab::new();
    lab.fw4_start();
    let watcher = lab.watch();
    lab.nft(
        "add element inet fw4 spa_in4_v1 { 203.0.113.2 . tcp . 22 timeout 30s comment \"alice\" }\n\
         add element inet fw4 spa_net4_v1 { 203.0.113.0/24 . udp . 53 timeout 9s }\n",
    );
    let patience = std::time::Duration::from_secs(1);
    assert!(watcher.wait(events::NEW_ELEMENT, patience).is_some());
    assert!(watcher.wait(events::NEW_GENERATION, patience).is_some());
    let element = lab.element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
    let element = element.expect("the element");
    assert_eq!((element.timeout, element.comment.as_str()), (30, "alice"));
    assert!((28..=30).contains(&element.expires));
    let wide = lab.element("spa_net4_v1", &["203.0.113.0/24", "udp", "53"]);
    assert_eq!(wide.expect("the range").timeout, 9);
    assert_eq!(lab.elements().len(), 2);
}

#[test]
fn the_real_client_builds_and_sends() {
    let lab = Lab::new();
    let keys = Keys::passphrases("one passphrase", "another passphrase");
    let packet = lab.packet(&keys, &["-A", "tcp/22", "-s"]);
    assert!(packet.len() >= 140, "{} characters", packet.len());
    assert!(packet.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)));
    lab.knock(&keys, &["-A", "tcp/22", "-a", "203.0.113.2"]);
}

#[test]
fn nothing_stays_behind_a_panic() {
    let netns = panic::catch_unwind(|| {
        let lab = Lab::new();
        panic::panic_any((lab.netns(Place::Router), lab.dir().to_owned()));
    });
    let (netns, dir) = *netns.expect_err("a panic").downcast::<(String, std::path::PathBuf)>().expect("its names");
    assert!(!Path::new("/run/netns").join(netns).exists());
    assert!(!dir.exists());
}
