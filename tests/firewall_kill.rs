//! The end of connections within bounds, and what is told of the rest.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod netns;

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use netns::{alone, elements, fw4, grant, load, now, on_fw4, run};
use rustix::io::Errno;
use spa_knockd::config::FirewallMode;
use spa_knockd::firewall::{Firewall, FirewallError, Kill, Killed, Unrevoked};

const CLIENT: &str = "192.0.2.1";
const OTHER: &str = "192.0.2.2";
const ROUTER: &str = "198.51.100.1";

/// As [`Kill::new`], for a slow machine.
fn patiently(is_own: &dyn Fn(IpAddr) -> bool) -> Kill<'_> {
    Kill { ending: Duration::from_secs(20), reading: Duration::from_secs(20), ..Kill::new(is_own) }
}

/// A firewall with a grant for the client, and so many flows of his and of another one.
fn with_flows(count: usize) -> Firewall {
    run("ip", "link set lo up");
    for address in [CLIENT, OTHER, ROUTER] {
        run("ip", &format!("address add {address}/32 dev lo"));
    }
    let mut firewall = on_fw4();
    firewall.grant(&grant("alice", CLIENT, "udp/53", 30), now()).unwrap();
    for client in [CLIENT, OTHER] {
        for port in (20_000..).take(count) {
            let socket = UdpSocket::bind((client, port)).unwrap();
            socket.connect((ROUTER, 53)).unwrap();
            socket.send(b"hello").unwrap();
        }
    }
    assert_eq!(tracked(), 2 * count, "the kernel does not track them");
    firewall
}

/// How many connections the kernel tracks in this namespace.
fn tracked() -> usize {
    let count = std::fs::read_to_string("/proc/thread-self/net/stat/nf_conntrack").unwrap();
    let first = count.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    usize::from_str_radix(first, 16).unwrap()
}

fn why(killed: &Killed) -> &str {
    killed.why.as_deref().unwrap_or_default()
}

#[test]
fn what_there_was_no_time_for_is_told_and_goes_on_with_the_next_request() {
    alone(|| {
        let mut firewall = with_flows(150);
        let own = |_| true;
        let mut revoke = |source: &str, kill: Kill<'_>| {
            firewall.revoke_and_kill(Some("alice"), Some(source.parse().unwrap()), now(), &kill).unwrap()
        };
        let (revoked, killed) = revoke(CLIENT, Kill { ending: Duration::ZERO, ..patiently(&own) });
        assert_eq!((revoked, killed.connections), (1, 0));
        assert!(why(&killed).contains("more than could be ended at once; ask again"), "{killed:?}");
        let (revoked, killed) = revoke(CLIENT, Kill { reading: Duration::ZERO, ..patiently(&own) });
        assert_eq!((revoked, killed.connections), (0, 0));
        assert!(why(&killed).contains("ask again"), "{killed:?}");
        assert_eq!(tracked(), 300);

        assert_eq!(revoke(OTHER, patiently(&own)), (0, Killed::default()), "what nobody asked for went on");
        let all = Killed { connections: 150, why: None };
        assert_eq!(revoke(CLIENT, patiently(&own)), (0, all), "asking again does not go on");
        assert_eq!(tracked(), 150);
        assert_eq!(elements("fw4", "spa_cut4_v1").len(), 150);
        assert_eq!(revoke(CLIENT, patiently(&own)), (0, Killed::default()), "it never ends");
    });
}

#[test]
fn a_short_time_ends_some_and_further_requests_the_rest() {
    alone(|| {
        let mut firewall = with_flows(200);
        let own = |_| true;
        let (mut ended, mut asked) = (0, 0);
        loop {
            let kill = Kill { ending: Duration::from_nanos(1), ..patiently(&own) };
            let (_, killed) = firewall.revoke_and_kill(None, None, now(), &kill).unwrap();
            (ended, asked) = (ended + killed.connections, asked + 1);
            if killed.why.is_none() {
                break;
            }
            assert!(killed.connections > 0 && asked < 10, "it does not go on: {killed:?}");
        }
        assert_eq!((ended, tracked()), (200, 200));
        assert!(asked > 1, "one request ended them all");
    });
}

#[test]
fn one_request_does_not_fill_the_set_of_cuts() {
    alone(|| {
        let mut firewall = with_flows(100);
        let own = |_| true;
        let (_, killed) = firewall.revoke_and_kill(None, None, now(), &Kill { cuts: 70, ..patiently(&own) }).unwrap();
        assert_eq!((killed.connections, tracked()), (100, 100));
        assert!(why(&killed).contains("more than are kept from being taken up again"), "{killed:?}");
        assert_eq!(elements("fw4", "spa_cut4_v1").len(), 70);
    });
}

#[test]
fn a_full_set_keeps_no_other_cut_out() {
    alone(|| {
        let mut firewall = with_flows(20);
        let held: Vec<_> = (0..16_374u32)
            .map(|n| format!("10.9.{}.{} . 203.0.113.66 . tcp . 22 . 4000 timeout 1h", n / 256, n % 256))
            .collect();
        load(&format!("add element inet fw4 spa_cut4_v1 {{ {} }}\n", held.join(", ")));
        let own = |_| true;
        let (_, killed) = firewall.revoke_and_kill(None, None, now(), &patiently(&own)).unwrap();
        assert_eq!((killed.connections, tracked()), (20, 20));
        assert!(why(&killed).contains("spa_cut4_v1 is full: `nft flush set"), "{killed:?}");
        assert_eq!(elements("fw4", "spa_cut4_v1").len(), 16_384);
    });
}

#[test]
fn a_grant_on_the_router_ends_nothing_that_goes_elsewhere() {
    alone(|| {
        let mut firewall = with_flows(3);
        let router: IpAddr = ROUTER.parse().unwrap();
        let elsewhere = |address| address != router;
        let ended = firewall.revoke_and_kill(None, None, now(), &patiently(&elsewhere));
        assert_eq!((ended, tracked()), (Ok((1, Killed::default())), 6));
    });
}

#[test]
fn an_error_half_way_tells_what_was_revoked_and_the_connections_of_it_can_be_ended_later() {
    alone(|| {
        drop(with_flows(5));
        run("nft", "delete table inet fw4");
        // Of a constant set that a rule looks up, the kernel deletes nothing.
        let sets = concat!(env!("CARGO_MANIFEST_DIR"), "/files/usr/share/spa-knockd/nftables/table-pre.nft");
        let element = "elements = { 198.51.100.0/24 . tcp . 22 };";
        let constant = std::fs::read_to_string(sets).unwrap().replacen(
            "flags interval, timeout; size 1024;",
            &format!("flags constant, interval; size 1024; {element}"),
            1,
        );
        load(&fw4().replace(&format!("include \"{sets}\""), &constant));
        let doors: Vec<_> = (1..=64).map(|host| format!("192.0.2.{host} . udp . 53 timeout 1h")).collect();
        load(&format!("add element inet fw4 spa_in4_v1 {{ {} }}\n", doors.join(", ")));
        let mut firewall = Firewall::open(FirewallMode::Fw4, None, now()).unwrap();
        let own = |_| true;
        let refused = firewall.revoke_and_kill(None, None, now(), &patiently(&own)).unwrap_err();
        let error = FirewallError::Kernel { doing: "change the sets", errno: Errno::BUSY };
        assert_eq!(refused, Unrevoked { elements: 64, error });
        assert!(refused.to_string().contains("64 set elements were revoked"), "{refused}");
        assert_eq!((firewall.living(now()).count(), tracked()), (1, 10));
        let ended = firewall.revoke_and_kill(None, Some(CLIENT.parse().unwrap()), now(), &patiently(&own));
        assert_eq!((ended, tracked()), (Ok((0, Killed { connections: 5, why: None })), 5));
    });
}
