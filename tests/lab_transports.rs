//! Knocks that do not come over plain UDP: what the real client can send, and what strangers do to the TCP listener.

#![allow(clippy::expect_used, reason = "a panic is how a test fails")]

mod lab;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use lab::client::Keys;
use lab::wire::Door;
use lab::{FRIEND, FRIEND6, Lab, Place, ROUTER, ROUTER6, STRANGER, wait_for};

/// Where the listener listens, and knocks are captured.
const PORT: u16 = 62201;

/// A standalone configuration with these further options in main; a stanza that opens any port.
fn config(keys: &Keys, main: &[&str]) -> String {
    format!(
        "config spa-knockd 'main'\n\
         \toption enabled '1'\n\
         \tlist device 'wan'\n\
         \toption firewall 'standalone'\n\
         \tlist protect 'tcp/22'\n\
         \t{}\n\
         \n\
         config access 'alice'\n{}\
         \tlist open 'any'\n\
         \toption require_source_address '0'\n",
        main.join("\n\t"),
        keys.uci()
    )
}

/// Waits until this port is open for this address.
fn is_open(lab: &Lab, source: &str, port: &str) {
    let set = if source.contains(':') { "spa_in6_v1" } else { "spa_in4_v1" };
    lab.wait_element(set, &[source, "tcp", port]);
}

/// Knocks with the real client for a port, and waits until it is open for its sender.
fn knock(lab: &Lab, keys: &Keys, port: &str, how: &[&str]) {
    let ask = format!("tcp/{port}");
    let mut args = vec!["-A", &ask, "-a", "203.0.113.2"];
    args.extend(how);
    lab.knock(keys, &args);
    is_open(lab, "203.0.113.2", port);
}

/// Sends these bytes over a connection, closes this side, and demands that nothing but the end comes back.
fn tell(lab: &Lab, from: IpAddr, to: IpAddr, bytes: &[u8]) {
    let mut stream = lab.connect(Place::Wan, from, SocketAddr::new(to, PORT)).expect("the listener listens");
    stream.write_all(bytes).expect("tell the listener");
    stream.shutdown(std::net::Shutdown::Write).expect("close this side");
    ends_silently(&mut stream);
}

/// Demands that the other side ends the connection without a word, within the listener's deadline.
fn ends_silently(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("limit the wait");
    let mut heard = Vec::new();
    match stream.read_to_end(&mut heard) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    assert_eq!(heard, b"", "the listener spoke");
}

/// The request of HTTP for this packet.
fn request(packet: &[u8]) -> Vec<u8> {
    let data = String::from_utf8_lossy(packet).replace('+', "-").replace('/', "_");
    format!("GET /{data} HTTP/1.1\r\nUser-Agent: Fwknop/2.6.11\r\nAccept: */*\r\n\r\n").into_bytes()
}

#[test]
fn a_tcp_segment_to_another_servers_port_is_a_knock() {
    let lab = Lab::new();
    let _web = lab.tcp_echo(Place::Router, 8080);
    let keys = lab::daemon::keygen();
    let main = ["list port '62201'", "list port '8080'", "list transport 'udp'", "list transport 'http'"];
    let daemon = lab.daemon(&config(&keys, &main));
    knock(&lab, &keys, "1001", &["-P", "tcp", "-p", "8080"]);
    knock(&lab, &keys, "1002", &["-P", "http", "-p", "8080"]);
    knock(&lab, &keys, "1003", &["-P", "http", "-p", "8080", "-u", "Fwknop of mine"]);
    knock(&lab, &keys, "1004", &[]);
    assert!(!daemon.stop().contains("WARN"), "a knock was refused");
}

#[test]
fn knocks_in_hand_made_packets_open_whoever_seems_to_send_them() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let main = ["list transport 'udp'", "list transport 'tcp'", "list transport 'icmp'"];
    let _daemon = lab.daemon(&config(&keys, &main));
    let spoofed = ["-Q", "198.51.100.9"];
    for (port, how) in [
        ("1001", &["-P", "udpraw"][..]),
        ("1002", &["-P", "tcpraw"]),
        ("1003", &["-P", "icmp"]),
        ("1004", &["-P", "icmp", "--icmp-type", "8", "--icmp-code", "0"]),
        ("1005", &["-P", "icmp", "--icmp-type", "13", "--icmp-code", "5"]),
    ] {
        knock(&lab, &keys, port, &[how, &spoofed].concat());
    }
    lab.knock(&keys, &["-A", "tcp/1006", "-s", "-P", "tcpraw", "-Q", "198.51.100.9"]);
    is_open(&lab, "198.51.100.9", "1006");
}

#[test]
fn a_range_hears_knocks_at_random_ports() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let _daemon = lab.daemon(&config(&keys, &["list port '10000-65535'"]));
    for port in ["1001", "1002", "1003", "1004"] {
        knock(&lab, &keys, port, &["--rand-port"]);
    }
}

#[test]
fn the_listener_hears_the_client_and_both_families_and_says_nothing() {
    let lab = Lab::new();
    let _ssh = lab.tcp_echo(Place::Router, 22);
    let keys = lab::daemon::keygen();
    let main = ["list transport 'udp'", "list transport 'http'", "option tcp_listen '62201'"];
    let daemon = lab.daemon(&config(&keys, &main));
    let ssh = SocketAddr::new(ROUTER, 22);
    assert_eq!(lab.try_connect(Place::Wan, FRIEND, ssh), Door::Refused);
    knock(&lab, &keys, "22", &["-P", "tcp"]);
    assert_eq!(lab.try_connect(Place::Wan, FRIEND, ssh), Door::Open);
    assert_eq!(lab.try_connect(Place::Wan, STRANGER, ssh), Door::Refused);
    knock(&lab, &keys, "1002", &["-P", "http"]);

    tell(&lab, FRIEND6, ROUTER6, &lab.packet(&keys, &["-A", "tcp/22", "-s"]));
    is_open(&lab, "2001:db8:1::2", "22");
    assert_eq!(lab.try_connect(Place::Wan, FRIEND6, SocketAddr::new(ROUTER6, 22)), Door::Open);
    let packet = lab.packet(&keys, &["-A", "tcp/1003", "-s"]);
    tell(&lab, FRIEND6, ROUTER6, &request(&packet));
    is_open(&lab, "2001:db8:1::2", "1003");
    // What the listener heard is not heard a second time by the capture, and so no replay.
    assert!(!daemon.log().contains("replay"), "{}", daemon.log());

    lab.send_packet(FRIEND, ROUTER, &packet);
    tell(&lab, FRIEND, ROUTER, &packet);
    wait_for("replay", Duration::from_secs(3), || (daemon.log().matches("replay").count() == 2).then_some(()));
    daemon.stop();
}

#[test]
fn the_listener_hears_a_request_before_the_connection_ends_and_a_packet_in_pieces() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    // A port that only root may open: that is done before root is given up.
    let _daemon = lab.daemon(&config(&keys, &["list transport 'http'", "option tcp_listen '80'"]));
    let listener = SocketAddr::new(ROUTER, 80);
    let connect = || lab.connect(Place::Wan, FRIEND, listener).expect("the listener listens");
    let sent = Instant::now();
    let mut whole = connect();
    whole.write_all(&request(&lab.packet(&keys, &["-A", "tcp/1001", "-s"]))).expect("tell the listener");
    is_open(&lab, "203.0.113.2", "1001");
    assert!(sent.elapsed() < Duration::from_millis(1500), "the request waited for the deadline");
    ends_silently(&mut whole);

    // A packet without an end is judged at the deadline.
    let mut pieces = connect();
    for piece in lab.packet(&keys, &["-A", "tcp/1002", "-s"]).chunks(40) {
        pieces.write_all(piece).expect("tell the listener");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(lab.element("spa_in4_v1", &["203.0.113.2", "tcp", "1002"]), None);
    is_open(&lab, "203.0.113.2", "1002");
    ends_silently(&mut pieces);
}

#[test]
fn strangers_at_the_listener_keep_nobody_out() {
    let lab = Lab::new();
    let keys = lab::daemon::keygen();
    let main = ["list transport 'udp'", "list transport 'http'", "option tcp_listen '62201'"];
    let daemon = lab.daemon(&config(&keys, &main));
    let listener = SocketAddr::new(ROUTER, PORT);
    let connect = || lab.connect(Place::Wan, STRANGER, listener).expect("the listener listens");
    let mut silent: Vec<_> = (0..40).map(|_| connect()).collect();
    let mut slow = connect();
    slow.write_all(b"GET /").expect("tell the listener");
    let mut endless = connect();
    let junk = [b'A'; 4096];
    for _ in 0..50 {
        // The listener ends it long before.
        let _ = endless.write_all(&junk);
        let _ = slow.write_all(b"A");
    }
    for (index, how) in [&[][..], &["-P", "tcp"], &["-P", "http"]].into_iter().enumerate() {
        let sent = Instant::now();
        knock(&lab, &keys, &format!("{}", 1001 + index), how);
        assert!(sent.elapsed() < Duration::from_millis(1500), "{how:?}: the knock waited for a stranger");
    }
    let done = AtomicBool::new(false);
    let connections = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let begin = Instant::now();
            while !done.load(Relaxed) && begin.elapsed() < Duration::from_secs(5) {
                lab.within(Place::Wan, || {
                    for _ in 0..100 {
                        let _ = TcpStream::connect(listener).map(|mut stream| stream.write_all(b"junk"));
                        connections.fetch_add(1, Relaxed);
                    }
                });
            }
        });
        for port in 1010..1015 {
            let sent = Instant::now();
            knock(&lab, &keys, &port.to_string(), &[]);
            assert!(sent.elapsed() < Duration::from_millis(1500), "the knock waited for a flood");
        }
        done.store(true, Relaxed);
    });
    assert!(connections.load(Relaxed) >= 100);
    knock(&lab, &keys, "1020", &["-P", "tcp"]);
    silent.extend([slow, endless]);
    for stream in &mut silent {
        ends_silently(stream);
    }
    let log = daemon.stop();
    assert!(log.lines().count() < 20, "a line for each stranger:\n{log}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let lab = Lab::new();
    let _web = lab.tcp_echo(Place::Router, 443);
    let keys = lab::daemon::keygen();
    let (status, log) = lab.daemon_that_fails(&config(&keys, &["option tcp_listen '443'"]), &[]);
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("TCP port 443 (option tcp_listen)"), "{log}");
}
