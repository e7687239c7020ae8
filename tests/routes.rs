//! Where an address is, asked of the kernel in a network namespace laid out like a router.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod netns;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use netns::{alone, run};
use spa_knockd::access::Place;
use spa_knockd::daemon::addresses::own_addresses;
use spa_knockd::daemon::own::Routes;
use spa_knockd::firewall::exposure::Way;

/// wan0 is captured and has the default route; lan0 and vpn0 are not; ppp0 is a second way out without a gateway.
fn lay_out() {
    run("ip", "link set lo up");
    for device in ["wan0", "lan0", "vpn0", "ppp0"] {
        run("ip", &format!("link add {device} type veth peer name to-{device}"));
        run("ip", &format!("link set {device} up"));
        run("ip", &format!("link set to-{device} up"));
    }
    for (device, address) in [
        ("wan0", "198.51.100.1/24"),
        ("wan0", "2001:db8::1/64"),
        ("lan0", "192.168.1.1/24"),
        ("lan0", "2001:db8:1::1/64"),
        ("vpn0", "10.8.0.1/32"),
        ("ppp0", "192.0.2.1/32"),
    ] {
        run("ip", &format!("address add {address} dev {device} {}", if address.contains("::") { "nodad" } else { "" }));
    }
    for route in [
        "default via 198.51.100.254",
        "10.8.0.0/16 dev vpn0",
        "10.20.0.0/16 via 192.168.1.254",
        "10.30.0.0/16 nexthop via 192.168.1.254 nexthop via 192.168.1.253",
        "blackhole 10.66.0.0/16",
        "unreachable 10.67.0.0/16",
    ] {
        run("ip", &format!("route add {route}"));
    }
    run("ip", "-6 route add default via 2001:db8::fe");
    run("ip", "-6 route add 2001:db8:2::/48 via 2001:db8:1::fe");
    // The kernel takes up an IPv6 address once it has noticed that the device has a carrier.
    let routes = Routes::open(&["wan0".to_owned()]).unwrap();
    let is_own = |address: &str| routes.place_of(address.parse().unwrap()) == Place::Own;
    let start = Instant::now();
    while !["2001:db8::1", "2001:db8:1::1"].into_iter().all(is_own) {
        assert!(start.elapsed() < Duration::from_secs(5), "the addresses are never the router's own");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn places(routes: &Routes, expected: &[(&str, Place)]) {
    for (address, place) in expected {
        assert_eq!(routes.place_of(address.parse::<IpAddr>().unwrap()), *place, "{address}");
    }
}

#[test]
fn a_network_behind_is_attached_and_not_captured() {
    alone(|| {
        lay_out();
        let routes = Routes::open(&["wan0".to_owned()]).unwrap();
        places(
            &routes,
            &[
                ("198.51.100.1", Place::Own),
                ("192.168.1.1", Place::Own),
                ("10.8.0.1", Place::Own),
                ("2001:db8::1", Place::Own),
                ("2001:db8:1::1", Place::Own),
                ("127.0.0.1", Place::Own),
                ("192.168.1.10", Place::Inside),
                ("10.8.7.7", Place::Inside),
                ("2001:db8:1::10", Place::Inside),
                ("198.51.100.20", Place::Elsewhere),
                ("2001:db8::20", Place::Elsewhere),
                ("203.0.113.9", Place::Elsewhere),
                ("2001:db8:9::9", Place::Elsewhere),
                ("10.20.0.1", Place::Elsewhere),
                ("10.30.0.1", Place::Elsewhere),
                ("2001:db8:2::1", Place::Elsewhere),
                ("10.67.0.1", Place::Elsewhere),
                ("10.66.0.1", Place::Unknown),
                ("192.168.1.255", Place::Unknown),
                ("198.51.100.255", Place::Unknown),
            ],
        );
        run("ip", "link set lan0 down");
        run("ip", "link set lan0 name br-lan");
        run("ip", "link set br-lan up");
        places(&routes, &[("192.168.1.10", Place::Inside)]);
        let both = Routes::open(&["wan0".to_owned(), "br-lan".to_owned()]).unwrap();
        places(&both, &[("192.168.1.10", Place::Elsewhere), ("192.168.1.1", Place::Own)]);
        // Where all devices are captured, none is known to be behind, least of all the outside.
        let any = Routes::open(&["any".to_owned()]).unwrap();
        places(&any, &[("198.51.100.20", Place::Elsewhere), ("192.168.1.10", Place::Elsewhere)]);
    });
}

#[test]
fn what_only_a_default_route_reaches_is_not_behind() {
    alone(|| {
        lay_out();
        let routes = Routes::open(&["wan0".to_owned()]).unwrap();
        run("ip", "route replace default dev ppp0");
        run("ip", "-6 route replace default dev ppp0");
        places(
            &routes,
            &[("203.0.113.9", Place::Elsewhere), ("2001:db8:9::9", Place::Elsewhere), ("192.168.1.10", Place::Inside)],
        );
        run("ip", "route delete default");
        run("ip", "-6 route flush default");
        places(&routes, &[("203.0.113.9", Place::Elsewhere), ("2001:db8:9::9", Place::Elsewhere)]);
    });
}

#[test]
fn the_machine_knows_its_addresses_and_the_ways_out() {
    alone(|| {
        lay_out();
        let mut own: Vec<String> = own_addresses().unwrap().iter().map(ToString::to_string).collect();
        own.sort();
        // Neither loopback nor link-local ones.
        assert_eq!(own, ["10.8.0.1", "192.0.2.1", "192.168.1.1", "198.51.100.1", "2001:db8:1::1", "2001:db8::1"]);
        let routes = Routes::open(&["wan0".to_owned()]).unwrap();
        for (address, way) in [
            ("192.168.1.1", Way::Own),
            ("127.0.0.1", Way::Own),
            ("192.168.1.10", Way::Out("lan0".into())),
            ("203.0.113.9", Way::Out("wan0".into())),
            ("10.66.0.1", Way::Unknown),
        ] {
            assert_eq!(routes.way(address.parse().unwrap()), way, "{address}");
        }
        assert!(routes.index("wan0").is_some_and(|index| index > 1));
        assert_eq!(routes.index("nosuch0"), None);
    });
}
