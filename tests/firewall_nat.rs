//! Connections to hosts behind the router and to other ports of the router itself, in both modes.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod netns;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use netns::host::Host;
use netns::{alone, guard, load, now, on_fw4, run, through, way};
use rustix::io::Errno;
use spa_knockd::access::{Forward, Snat};
use spa_knockd::config::FirewallMode;
use spa_knockd::firewall::Firewall;

const CLIENT: &str = "192.0.2.2";
const STRANGER: &str = "192.0.2.3";
const CLIENT6: &str = "2001:db8::2";
const STRANGER6: &str = "2001:db8::3";

/// A router, which is this thread's namespace, with a host on either side.
struct Net {
    firewall: Firewall,
    mode: FirewallMode,
    wan: Host,
    lan: Host,
}

/// What the inside host saw of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    from: IpAddr,
    to: SocketAddr,
}

impl Net {
    fn new(mode: FirewallMode) -> Self {
        let firewall = match mode {
            FirewallMode::Fw4 => on_fw4(),
            FirewallMode::Standalone => Firewall::open(mode, Some(guard()), now()).unwrap(),
        };
        for (which, value) in [
            ("ipv4/ip_forward", "1"),
            ("ipv6/conf/all/forwarding", "1"),
            // A link-local address that is still being tried asks nobody for a neighbour's address.
            ("ipv6/conf/all/accept_dad", "0"),
            ("ipv6/conf/default/accept_dad", "0"),
        ] {
            std::fs::write(format!("/proc/sys/net/{which}"), value).unwrap();
        }
        run("ip", "link set lo up");
        let (wan, lan) = (Host::cabled("wan0", "wan1"), Host::cabled("lan0", "lan1"));
        for (device, addresses) in [
            ("wan0", ["192.0.2.1/24", "2001:db8::1/64 nodad"]),
            ("lan0", ["10.0.0.1/24", "2001:db8:1::1/64 nodad"]),
            ("lan0", ["10.0.0.9/24", "2001:db8:1::9/64 nodad"]),
        ] {
            for address in addresses {
                run("ip", &format!("addr add {address} dev {device}"));
            }
        }
        for address in [CLIENT, STRANGER] {
            wan.ip(&format!("addr add {address}/24 dev wan1"));
        }
        for address in [CLIENT6, STRANGER6] {
            wan.ip(&format!("addr add {address}/64 dev wan1 nodad"));
        }
        for address in ["10.0.0.2/24", "10.0.0.3/24", "2001:db8:1::2/64 nodad", "2001:db8:1::3/64 nodad"] {
            lan.ip(&format!("addr add {address} dev lan1"));
        }
        wan.ip("route add default via 192.0.2.1");
        wan.ip("route add default via 2001:db8::1");
        lan.ip("route add default via 10.0.0.1");
        lan.ip("route add default via 2001:db8:1::1");
        Self { firewall, mode, wan, lan }
    }

    fn grant(&mut self, forward: Forward, timeout: u32) {
        self.firewall.grant(&through("alice", &[forward], timeout), now()).unwrap();
    }

    /// Connects from the outside and tells what the server saw.
    fn reach(&self, server: &TcpListener, from: &str, to: &str) -> Result<Seen, Errno> {
        self.connect(server, from, to)
            .map(|(_, served)| Seen { from: served.peer_addr().unwrap().ip(), to: served.local_addr().unwrap() })
    }

    fn connect(&self, server: &TcpListener, from: &str, to: &str) -> Result<(TcpStream, TcpStream), Errno> {
        let client = self.wan.connect(from, to)?;
        let (served, _) = server.accept().unwrap();
        served.set_nonblocking(false).unwrap();
        Ok((client, served))
    }
}

fn seen(from: &str, to: &str) -> Result<Seen, Errno> {
    Ok(Seen { from: from.parse().unwrap(), to: to.parse().unwrap() })
}

const REFUSED: Result<Seen, Errno> = Err(Errno::CONNREFUSED);

fn in_both_modes(test: fn(Net)) {
    for mode in [FirewallMode::Fw4, FirewallMode::Standalone] {
        alone(move || test(Net::new(mode)));
    }
}

#[test]
fn a_port_of_the_router_leads_the_granted_source_to_a_host_inside() {
    in_both_modes(|mut net| {
        let server = net.lan.listen("10.0.0.2:22");
        let outside = "192.0.2.1:2222";
        assert_eq!(net.reach(&server, CLIENT, outside), REFUSED);
        net.grant(way(CLIENT, Some(2222), "10.0.0.2:22"), 30);
        assert_eq!(net.reach(&server, CLIENT, outside), seen(CLIENT, "10.0.0.2:22"));
        assert_eq!(net.reach(&server, CLIENT, "10.0.0.2:22"), seen(CLIENT, "10.0.0.2:22"));
        assert_eq!(net.reach(&server, STRANGER, outside), REFUSED);
        assert_eq!(net.reach(&server, STRANGER, "10.0.0.2:22"), REFUSED);
        assert_eq!(net.reach(&server, CLIENT, "192.0.2.1:2223"), REFUSED);
        // Only the router's own addresses are translated.
        assert_eq!(net.reach(&server, CLIENT, "10.0.0.2:2222"), REFUSED);
    });
}

#[test]
fn the_way_closes_in_time_and_an_established_connection_lives_on() {
    in_both_modes(|mut net| {
        let server = net.lan.listen("10.0.0.2:22");
        let masquerade = Forward { snat: Some(Snat::Masquerade), ..way(CLIENT, Some(2222), "10.0.0.2:22") };
        net.grant(masquerade, 4);
        let (client, served) = net.connect(&server, CLIENT, "192.0.2.1:2222").unwrap();
        sleep(Duration::from_millis(4_100));
        assert_eq!(net.reach(&server, CLIENT, "192.0.2.1:2222"), REFUSED);
        assert_eq!(net.reach(&server, CLIENT, "10.0.0.2:22"), REFUSED);
        let mut bytes = [0; 4];
        for (mut from, mut to) in [(&client, &served), (&served, &client)] {
            to.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            from.write_all(b"ping").unwrap();
            to.read_exact(&mut bytes).unwrap();
            assert_eq!(&bytes, b"ping");
        }
    });
}

#[test]
fn a_renewal_with_another_target_moves_the_port() {
    in_both_modes(|mut net| {
        let server = net.lan.listen("0.0.0.0:22");
        for host in ["10.0.0.2:22", "10.0.0.3:22", "10.0.0.2:22"] {
            net.grant(way(CLIENT, Some(2222), host), 30);
            assert_eq!(net.reach(&server, CLIENT, "192.0.2.1:2222"), seen(CLIENT, host));
        }
    });
}

#[test]
fn a_host_whose_gateway_is_another_machine_answers_by_source_nat() {
    in_both_modes(|mut net| {
        net.lan.ip("route del default via 10.0.0.1");
        let server = net.lan.listen("0.0.0.0:22");
        net.grant(way(CLIENT, Some(2222), "10.0.0.2:22"), 30);
        assert!(net.reach(&server, CLIENT, "192.0.2.1:2222").is_err());
        for (host, snat, from) in [
            ("10.0.0.2:22", Snat::Masquerade, "10.0.0.1"),
            ("10.0.0.3:22", Snat::Address("10.0.0.9".parse().unwrap()), "10.0.0.9"),
        ] {
            // By the translated port, and for a gateway's client that names the host itself.
            for outside in [Some(2222), None] {
                net.grant(Forward { snat: Some(snat), ..way(CLIENT, outside, host) }, 30);
                let to = if outside.is_some() { "192.0.2.1:2222" } else { host };
                assert_eq!(net.reach(&server, CLIENT, to), seen(from, host));
            }
        }
    });
}

#[test]
fn over_ipv6_the_inside_host_is_reached_at_its_own_address() {
    in_both_modes(|mut net| {
        let server = net.lan.listen("[::]:22");
        let (to, other) = ("[2001:db8:1::2]:22", "[2001:db8:1::3]:22");
        assert_eq!(net.reach(&server, CLIENT6, to), REFUSED);
        net.grant(way(CLIENT6, None, to), 4);
        assert_eq!(net.reach(&server, CLIENT6, to), seen(CLIENT6, to));
        assert_eq!(net.reach(&server, CLIENT6, other), REFUSED);
        assert_eq!(net.reach(&server, STRANGER6, to), REFUSED);
        sleep(Duration::from_millis(4_100));
        assert_eq!(net.reach(&server, CLIENT6, to), REFUSED);
    });
}

#[test]
fn a_whole_host_is_reached_on_every_port() {
    in_both_modes(|mut net| {
        // Both are protected in standalone mode.
        let servers = ["0.0.0.0:22", "0.0.0.0:443"].map(|address| net.lan.listen(address));
        let servers6 = ["[2001:db8:1::2]:22", "[2001:db8:1::2]:443"].map(|address| net.lan.listen(address));
        net.grant(Forward { all: true, ..way(CLIENT, Some(2222), "10.0.0.2:22") }, 4);
        net.grant(Forward { all: true, ..way(CLIENT6, None, "[2001:db8:1::2]:22") }, 4);
        assert_eq!(net.reach(&servers[0], CLIENT, "192.0.2.1:2222"), seen(CLIENT, "10.0.0.2:22"));
        for (server, port) in servers.iter().zip([22, 443]) {
            let (to, other) = (format!("10.0.0.2:{port}"), format!("10.0.0.3:{port}"));
            assert_eq!(net.reach(server, CLIENT, &to), seen(CLIENT, &to));
            assert_eq!(net.reach(server, CLIENT, &other), REFUSED);
            assert_eq!(net.reach(server, STRANGER, &to), REFUSED);
        }
        for (server, port) in servers6.iter().zip([22, 443]) {
            let to = format!("[2001:db8:1::2]:{port}");
            assert_eq!(net.reach(server, CLIENT6, &to), seen(CLIENT6, &to));
            assert_eq!(net.reach(server, STRANGER6, &to), REFUSED);
        }
        sleep(Duration::from_millis(4_100));
        assert_eq!(net.reach(&servers[1], CLIENT, "10.0.0.2:443"), REFUSED);
        assert_eq!(net.reach(&servers6[1], CLIENT6, "[2001:db8:1::2]:443"), REFUSED);
    });
}

#[test]
fn a_port_of_the_router_leads_to_another_port_of_its_own() {
    in_both_modes(|mut net| {
        let server = TcpListener::bind("192.0.2.1:443").unwrap();
        server.set_nonblocking(true).unwrap();
        for to in ["192.0.2.1:2222", "192.0.2.1:443"] {
            assert_eq!(net.reach(&server, CLIENT, to), REFUSED);
        }
        net.grant(way(CLIENT, Some(2222), "192.0.2.1:443"), 30);
        assert_eq!(net.reach(&server, CLIENT, "192.0.2.1:2222"), seen(CLIENT, "192.0.2.1:443"));
        assert_eq!(net.reach(&server, STRANGER, "192.0.2.1:2222"), REFUSED);
    });
}

#[test]
fn in_standalone_mode_only_the_captured_interfaces_are_translated() {
    in_both_modes(|mut net| {
        let server = TcpListener::bind("10.0.0.1:443").unwrap();
        server.set_nonblocking(true).unwrap();
        net.grant(way("10.0.0.2", Some(2222), "10.0.0.1:443"), 30);
        let connected = net.lan.connect("10.0.0.2", "10.0.0.1:2222").map(drop);
        // In fw4 mode, the chains of fw4 are not ours to narrow.
        let expected = if net.mode == FirewallMode::Fw4 { Ok(()) } else { Err(Errno::CONNREFUSED) };
        assert_eq!(connected, expected);
    });
}

#[test]
fn somebody_elses_translation_of_a_protected_port_is_closed_and_a_granted_way_is_not() {
    alone(|| {
        let mut net = Net::new(FirewallMode::Standalone);
        load(
            "table ip mine {\nchain pre {\ntype nat hook prerouting priority -90; policy accept;\n\
             iifname wan0 tcp dport { 22, 23 } dnat to 10.0.0.3:8080\n}\n}\n",
        );
        let others = net.lan.listen("10.0.0.3:8080");
        assert_eq!(net.reach(&others, STRANGER, "192.0.2.1:22"), REFUSED);
        assert_eq!(net.reach(&others, STRANGER, "192.0.2.1:23"), seen(STRANGER, "10.0.0.3:8080"));
        let ours = net.lan.listen("10.0.0.2:8080");
        net.grant(way(CLIENT, Some(22), "10.0.0.2:8080"), 30);
        assert_eq!(net.reach(&ours, CLIENT, "192.0.2.1:22"), seen(CLIENT, "10.0.0.2:8080"));
        assert_eq!(net.reach(&others, STRANGER, "192.0.2.1:22"), REFUSED);
    });
}
