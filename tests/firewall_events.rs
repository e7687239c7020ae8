//! What the firewall does when others change the table, and that a granted source gets through.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod netns;

use std::net::{SocketAddr, TcpListener, TcpStream};

use std::sync::mpsc;
use std::thread::sleep;
use std::time::Duration;

use netns::{alone, beside, elements, fw4, grant, guard, load, now, on_fw4, run, towards};
use spa_knockd::config::FirewallMode;
use spa_knockd::firewall::{Event, Firewall, FirewallError, Set};

const RESTART: &str = "delete table inet fw4\n";

/// The time left to the only element of a set, in milliseconds.
fn left(table: &str, set: &str) -> u64 {
    let listed = elements(table, set);
    assert_eq!(listed.len(), 1, "{listed:?}");
    listed.values().next().unwrap().1
}

fn readable(firewall: &Firewall) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let fd = firewall.event_fd();
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    poll(&mut fds, Some(&rustix::time::Timespec::default())).unwrap() == 1
}

#[test]
fn a_restarted_firewall_gets_its_living_grants_back() {
    alone(|| {
        let mut firewall = on_fw4();
        firewall.grant(&grant("alice", "192.0.2.1", "tcp/22", 30), now()).unwrap();
        firewall.grant(&grant("bob", "2001:db8::/64", "tcp/22", 60), now()).unwrap();
        firewall.grant(&grant("carol", "192.0.2.9", "tcp/22", 1), now()).unwrap();
        firewall.on_events(now());
        assert!(!readable(&firewall));
        sleep(Duration::from_millis(1_200));

        run("nft", "delete table inet fw4");
        assert!(readable(&firewall));
        assert_eq!(firewall.on_events(now()), [Event::TableGone]);
        let missing = firewall.grant(&grant("dave", "192.0.2.7", "tcp/22", 30), now());
        assert_eq!(missing, Err(FirewallError::Missing { table: "fw4", set: None }));

        load(&fw4());
        assert_eq!(firewall.on_events(now()), [Event::Restored(2)]);
        assert!((27_500..=28_900).contains(&left("fw4", "spa_in4_v1")));
        assert_eq!(elements("fw4", "spa_net6_v1")["2001:db8::/64 . tcp . 22"].0, "bob");

        // In one transaction, as a restart may be, and without an event read in between.
        load(&format!("{RESTART}{}", fw4()));
        firewall.grant(&grant("dave", "192.0.2.7", "tcp/22", 30), now()).unwrap();
        assert_eq!(elements("fw4", "spa_in4_v1").len(), 2);
        assert_eq!(firewall.on_events(now()), [Event::TableGone, Event::Restored(2)]);
        assert_eq!(firewall.on_events(now()), []);
    });
}

#[test]
fn a_table_that_comes_back_without_sets_is_filled_when_they_come() {
    alone(|| {
        let mut firewall = on_fw4();
        firewall.grant(&grant("alice", "192.0.2.1", "tcp/22", 30), now()).unwrap();
        load(&format!("{RESTART}table inet fw4 {{ }}"));
        let set = Some(Set::In4);
        let missing = FirewallError::Missing { table: "fw4", set };
        assert_eq!(firewall.on_events(now()), [Event::TableGone, Event::Restored(0), Event::Failed(missing)]);
        load(&fw4());
        assert_eq!(firewall.on_events(now()), [Event::Restored(1)]);
        assert!(left("fw4", "spa_in4_v1") > 28_000);
    });
}

#[test]
fn a_reload_changes_nothing() {
    alone(|| {
        let mut firewall = on_fw4();
        firewall.grant(&grant("alice", "192.0.2.1", "tcp/22", 30), now()).unwrap();
        load(&format!("table inet fw4\nflush table inet fw4\n{}", fw4()));
        assert_eq!(firewall.on_events(now()), []);
        assert!(left("fw4", "spa_in4_v1") > 28_000);
    });
}

#[test]
fn what_the_owner_deletes_by_hand_stays_deleted() {
    alone(|| {
        let mut firewall = on_fw4();
        for source in ["192.0.2.1", "192.0.2.2", "192.0.2.0/24", "2001:db8::1"] {
            firewall.grant(&grant("alice", source, "tcp/22", 30), now()).unwrap();
        }
        firewall.on_events(now());
        run("nft", "delete element inet fw4 spa_in4_v1 { 192.0.2.1 . tcp . 22 }");
        run("nft", "delete element inet fw4 spa_net4_v1 { 192.0.2.0/24 . tcp . 22 }");
        run("nft", "flush set inet fw4 spa_in6_v1");
        let revoked: Vec<_> = firewall.on_events(now()).iter().map(Event::to_string).collect();
        assert_eq!(
            revoked,
            [
                "192.0.2.1 to tcp/22 of alice was deleted by hand",
                "192.0.2.0-192.0.2.255 to tcp/22 of alice was deleted by hand",
                "2001:db8::1 to tcp/22 of alice was deleted by hand",
            ]
        );
        load(&format!("{RESTART}{}", fw4()));
        assert_eq!(firewall.on_events(now()), [Event::TableGone, Event::Restored(1)]);
        assert_eq!(firewall.living(now()).count(), 1);

        // A new knock opens again, for its own time and not for the one that was revoked.
        firewall.grant(&grant("alice", "192.0.2.1", "tcp/22", 5), now()).unwrap();
        assert!(elements("fw4", "spa_in4_v1")["192.0.2.1 . tcp . 22"].1 <= 5_000);
    });
}

#[test]
fn a_set_that_the_owner_deletes_ends_its_grants() {
    alone(|| {
        load(&fw4().replace("include \"", "#").replacen(
            "chain input {",
            "set spa_in4_v1 { type ipv4_addr . inet_proto . inet_service; flags timeout; }\nchain input {",
            1,
        ));
        let mut firewall = Firewall::open(FirewallMode::Fw4, None, now()).unwrap();
        firewall.grant(&grant("alice", "192.0.2.1", "tcp/22", 30), now()).unwrap();
        run("nft", "delete set inet fw4 spa_in4_v1");
        assert!(matches!(firewall.on_events(now())[..], [Event::Revoked(..)]));
        assert_eq!(firewall.living(now()).count(), 0);
    });
}

#[test]
fn a_deletion_between_two_knocks_is_seen_before_the_second() {
    alone(|| {
        let mut firewall = on_fw4();
        firewall.grant(&grant("alice", "192.0.2.0/24", "tcp/22", 60), now()).unwrap();
        run("nft", "flush set inet fw4 spa_net4_v1");
        firewall.grant(&grant("alice", "192.0.2.0/24", "tcp/22", 5), now()).unwrap();
        assert!(left("fw4", "spa_net4_v1") <= 5_000);
        assert_eq!(firewall.living(now()).count(), 1);
        assert!(matches!(firewall.on_events(now())[..], [Event::Revoked(..)]));
        assert_eq!(firewall.living(now()).count(), 1);
    });
}

#[test]
fn whatever_was_granted_during_restarts_is_there_in_the_end() {
    alone(|| {
        let mut firewall = on_fw4();
        let restarts = std::thread::spawn(|| {
            for _ in 0..6 {
                run("nft", "delete table inet fw4");
                load(&fw4());
            }
        });
        let mut granted = 0;
        for host in 0..500u16 {
            let [high, low] = host.to_be_bytes();
            for source in [format!("10.0.{high}.{low}"), format!("10.{high}.{low}.0/24")] {
                match firewall.grant(&grant("a", &source, "tcp/22", 60), now()) {
                    Ok(()) => granted += 1,
                    Err(FirewallError::Missing { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
        restarts.join().unwrap();
        while readable(&firewall) {
            firewall.on_events(now());
        }
        let there = elements("fw4", "spa_in4_v1").len() + elements("fw4", "spa_net4_v1").len();
        assert_eq!((there, firewall.living(now()).count()), (granted, granted));
        assert!(granted > 0);
    });
}

#[test]
fn lost_notifications_are_made_up_for() {
    alone(|| {
        let mut firewall = on_fw4();
        for source in ["192.0.2.1", "192.0.2.2"] {
            firewall.grant(&grant("alice", source, "tcp/22", 30), now()).unwrap();
        }
        let room = |bytes| {
            rustix::net::sockopt::set_socket_recv_buffer_size_force(firewall.event_fd(), bytes).unwrap();
        };
        room(1);
        run("nft", "delete element inet fw4 spa_in4_v1 { 192.0.2.1 . tcp . 22 }");
        load(&fw4());
        room(1 << 20);
        let events = firewall.on_events(now());
        assert!(events.contains(&Event::Resynced), "{events:?}");
        let living: Vec<_> = firewall.living(now()).map(|living| living.element.first.to_string()).collect();
        assert_eq!(living, ["192.0.2.2"]);

        rustix::net::sockopt::set_socket_recv_buffer_size_force(firewall.event_fd(), 1).unwrap();
        load(&format!("{RESTART}{}", fw4()));
        rustix::net::sockopt::set_socket_recv_buffer_size_force(firewall.event_fd(), 1 << 20).unwrap();
        let events = firewall.on_events(now());
        assert!(events.contains(&Event::Restored(1)), "{events:?}");
        assert!(left("fw4", "spa_in4_v1") > 28_000);
    });
}

/// Has the firewall miss most of what happens meanwhile; `heard` are the bytes of memory for what it does not miss.
fn deafened(firewall: &Firewall, heard: usize, work: impl FnOnce()) {
    let room = |bytes| {
        rustix::net::sockopt::set_socket_recv_buffer_size_force(firewall.event_fd(), bytes).unwrap();
    };
    room(heard);
    work();
    room(1 << 20);
}

#[test]
fn what_was_heard_before_notifications_were_lost_counts() {
    alone(|| {
        let mut firewall = on_fw4();
        for source in ["192.0.2.1", "192.0.2.2"] {
            firewall.grant(&grant("alice", source, "tcp/22", 30), now()).unwrap();
        }
        firewall.on_events(now());
        deafened(&firewall, 1, || {
            run("nft", "delete element inet fw4 spa_in4_v1 { 192.0.2.1 . tcp . 22 }");
            load(&format!("{RESTART}{}", fw4()));
        });
        let events = firewall.on_events(now());
        assert!(matches!(events[..], [Event::Revoked(..), Event::Restored(1), Event::Resynced]), "{events:?}");
        assert_eq!(firewall.on_events(now()), []);
        assert_eq!(elements("fw4", "spa_in4_v1").into_keys().collect::<Vec<_>>(), ["192.0.2.2 . tcp . 22"]);

        // That the table was deleted was heard, and not that it came back.
        deafened(&firewall, 100_000, || {
            for _ in 0..20 {
                run("nft", "delete table inet fw4");
                load(&fw4());
            }
        });
        let events = firewall.on_events(now());
        assert!(events.starts_with(&[Event::TableGone]) && events.ends_with(&[Event::Restored(1), Event::Resynced]));
        assert_eq!(firewall.on_events(now()), []);
        run("nft", "flush set inet fw4 spa_in4_v1");
        assert!(matches!(firewall.on_events(now())[..], [Event::Revoked(..)]));
    });
}

#[test]
fn the_guard_does_not_stay_away() {
    alone(|| {
        let mut firewall = Firewall::open(FirewallMode::Standalone, Some(guard()), now()).unwrap();
        firewall.grant(&grant("alice", "192.0.2.1", "tcp/22", 30), now()).unwrap();
        firewall.on_events(now());
        let before = run("nft", "list table inet spa_knockd");
        let same = || {
            let rules = |text: String| text.lines().filter(|line| !line.contains("expires")).collect::<String>();
            rules(run("nft", "list table inet spa_knockd")) == rules(before.clone())
        };
        for hand in ["flush table inet spa_knockd", "flush chain inet spa_knockd guard_input"] {
            run("nft", hand);
            assert!(!same());
            assert_eq!(firewall.on_events(now()), [Event::Mended], "{hand}");
            assert!(same(), "{hand}");
            assert_eq!(firewall.on_events(now()), []);
        }
        // A set that nobody can take away for long, and the end of its grants.
        load("flush table inet spa_knockd\ndelete set inet spa_knockd spa_in4_v1");
        assert!(matches!(firewall.on_events(now())[..], [Event::Revoked(..), Event::Mended]));
        firewall.grant(&grant("alice", "192.0.2.1", "tcp/22", 30), now()).unwrap();
        assert!(run("nft", "list table inet spa_knockd").contains("@spa_in4_v1 accept"));

        // Somebody's table of the same name, and nobody heard of it.
        for hand in ["delete table inet spa_knockd\ntable inet spa_knockd { }", "flush table inet spa_knockd"] {
            deafened(&firewall, 1, || {
                load("table inet other { chain a { }; chain b { }; }");
                load(hand);
            });
            let events = firewall.on_events(now());
            assert!(events.contains(&Event::Resynced), "{events:?}");
            assert!(run("nft", "list chain inet spa_knockd guard_input").contains("reject"), "{hand}: {events:?}");
            assert_eq!(elements("spa_knockd", "spa_in4_v1").len(), 1, "{hand}");
            assert_eq!(firewall.on_events(now()), []);
        }
    });
}

#[test]
fn the_standalone_table_is_made_again_at_once() {
    alone(|| {
        let mut firewall = Firewall::open(FirewallMode::Standalone, Some(guard()), now()).unwrap();
        firewall.grant(&grant("alice", "192.0.2.1", "tcp/22", 30), now()).unwrap();
        let before = run("nft", "list chain inet spa_knockd guard_input");
        run("nft", "flush ruleset");
        assert_eq!(firewall.on_events(now()), [Event::TableGone, Event::Restored(1)]);
        assert_eq!(run("nft", "list chain inet spa_knockd guard_input"), before);
        assert!(left("spa_knockd", "spa_in4_v1") > 28_000);
        assert_eq!(firewall.on_events(now()), []);

        // Somebody who replaces the table does not get rid of the guard.
        load("delete table inet spa_knockd\ntable inet spa_knockd { }");
        assert_eq!(firewall.on_events(now()), [Event::TableGone, Event::Restored(1)]);
        assert_eq!(run("nft", "list chain inet spa_knockd guard_input"), before);

        // Another daemon finds the elements, and the rules are those of its own guard.
        drop(firewall);
        let firewall = Firewall::open(FirewallMode::Standalone, None, now()).unwrap();
        assert_eq!(firewall.living(now()).count(), 1);
        assert!(left("spa_knockd", "spa_in4_v1") > 27_000);
        assert!(!run("nft", "list chain inet spa_knockd guard_input").contains("reject"));
    });
}

/// Connects from a namespace behind `wan0`, as often as it is asked to, and tells what came of it.
struct Client {
    ask: mpsc::Sender<SocketAddr>,
    answer: mpsc::Receiver<Result<(), std::io::ErrorKind>>,
}

impl Client {
    fn new() -> Self {
        let (ask, asked) = mpsc::channel::<SocketAddr>();
        let (tell, answer) = mpsc::channel();
        let (tell_thread, thread) = mpsc::channel();
        let _ = beside(move || {
            tell_thread.send(rustix::thread::gettid()).unwrap();
            let mut ready = false;
            for address in asked {
                if !ready {
                    run("ip", "link set wan1 up");
                    run("ip", "addr add 192.0.2.2/24 dev wan1");
                    run("ip", "addr add 2001:db8::2/64 dev wan1 nodad");
                    run("ip", "route add default via 192.0.2.1");
                    ready = true;
                }
                let result = TcpStream::connect_timeout(&address, Duration::from_secs(3));
                tell.send(result.map(drop).map_err(|error| error.kind())).unwrap();
            }
        });
        let thread = thread.recv().unwrap().as_raw_nonzero();
        run("ip", "link set lo up");
        run("ip", &format!("link add wan0 type veth peer name wan1 netns {thread}"));
        run("ip", "link set wan0 up");
        run("ip", "addr add 192.0.2.1/24 dev wan0");
        run("ip", "addr add 2001:db8::1/64 dev wan0 nodad");
        Self { ask, answer }
    }

    fn connect(&self, to: &str) -> Result<(), std::io::ErrorKind> {
        self.ask.send(to.parse().unwrap()).unwrap();
        self.answer.recv().unwrap()
    }
}

/// The same for both modes: closed like a port without a listener, open by a grant, closed again.
fn knocks_open_and_time_closes(firewall: &mut Firewall) {
    let client = Client::new();
    let _listeners: Vec<_> =
        ["0.0.0.0:22", "[2001:db8::1]:22"].map(|address| TcpListener::bind(address).unwrap()).into();
    let refused = Err(std::io::ErrorKind::ConnectionRefused);
    let (v4, v6) = ("192.0.2.1:22", "[2001:db8::1]:22");
    assert_eq!((client.connect(v4), client.connect(v6)), (refused, refused));
    for (source, to, address) in [
        ("192.0.2.2", None, v4),
        ("2001:db8::2", None, v6),
        ("192.0.2.2", Some("192.0.2.1"), v4),
        ("2001:db8::2", Some("2001:db8::1"), v6),
        ("192.0.2.0/28", None, v4),
        ("2001:db8::/64", None, v6),
    ] {
        let elsewhere = towards("a", source, to, "tcp/23", 1);
        firewall.grant(&elsewhere, now()).unwrap();
        assert_eq!(client.connect(address), refused, "{source}");
        firewall.grant(&towards("a", source, to, "tcp/22", 1), now()).unwrap();
        assert_eq!(client.connect(address), Ok(()), "{source}");
        sleep(Duration::from_millis(1_100));
        assert_eq!(client.connect(address), refused, "{source}");
    }
}

#[test]
fn in_fw4_mode_a_granted_source_passes_until_the_end() {
    alone(|| {
        let mut firewall = on_fw4();
        knocks_open_and_time_closes(&mut firewall);
    });
}

#[test]
fn in_standalone_mode_a_granted_source_passes_until_the_end() {
    alone(|| {
        let mut firewall = Firewall::open(FirewallMode::Standalone, Some(guard()), now()).unwrap();
        knocks_open_and_time_closes(&mut firewall);
    });
}

/// A host behind the router that listens on port 22, until it is dropped.
fn inside_host() -> mpsc::Sender<()> {
    let (go, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let _ = beside(move || {
        tell.send(rustix::thread::gettid()).unwrap();
        wait.recv().unwrap();
        run("ip", "addr add 10.0.0.2/24 dev lan1");
        run("ip", "link set lan1 up");
        run("ip", "route add default via 10.0.0.1");
        let _listener = TcpListener::bind("10.0.0.2:22").unwrap();
        tell.send(rustix::thread::gettid()).unwrap();
        // Ends with the test, which holds the other end.
        let _ = wait.recv();
    });
    let thread = told.recv().unwrap().as_raw_nonzero();
    run("ip", &format!("link add lan0 type veth peer name lan1 netns {thread}"));
    run("ip", "addr add 10.0.0.1/24 dev lan0");
    run("ip", "link set lan0 up");
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    go.send(()).unwrap();
    told.recv().unwrap();
    go
}

#[test]
fn a_granted_destination_behind_the_router_is_reached_in_both_modes() {
    for mode in [FirewallMode::Fw4, FirewallMode::Standalone] {
        alone(move || {
            let mut firewall = match mode {
                FirewallMode::Fw4 => on_fw4(),
                FirewallMode::Standalone => Firewall::open(mode, Some(guard()), now()).unwrap(),
            };
            let client = Client::new();
            let _inside = inside_host();
            let refused = Err(std::io::ErrorKind::ConnectionRefused);
            assert_eq!(client.connect("10.0.0.2:22"), refused);
            firewall.grant(&grant("a", "192.0.2.2", "tcp/22", 5), now()).unwrap();
            assert_eq!(client.connect("10.0.0.2:22"), refused);
            firewall.grant(&towards("a", "192.0.2.2", Some("10.0.0.2"), "tcp/22", 5), now()).unwrap();
            assert_eq!(client.connect("10.0.0.2:22"), Ok(()));
        });
    }
}
