//! Real capture: a veth pair in a network namespace of the test's own, frames sent at one end and captured at the other.

#![cfg(test)]

#[path = "frames/build.rs"]
mod build;

use std::process::{self, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use build::{Envelope, PORT, envelopes, icmp, ipv4, ipv4_with, ipv6, ipv6_chain, tcp, udp, udp_to};
use pcap::{Active, Capture};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use spa_knockd::capture::filter::Filter;
use spa_knockd::capture::link::LinkType;
use spa_knockd::capture::live::{Live, OpenError};
use spa_knockd::capture::{Datagram, Transport};
use spa_knockd::limits::PORT_RANGES_MAX;
use spa_knockd::reason::Reason;

type Seen = Result<(Transport, u16, usize), Reason>;

/// A namespace with a veth pair, `near` and `far`, into which the test's thread has moved; gone with the test.
struct Lab {
    name: String,
}

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).output().unwrap().status.success()
}

impl Lab {
    fn new(test: &str) -> Self {
        assert!(rustix::process::geteuid().is_root(), "capturing needs root: run this test with sudo");
        let lab = Self { name: format!("spa-{test}-{}", process::id()) };
        assert!(ip(&format!("netns add {}", lab.name)));
        let space = std::fs::File::open(format!("/run/netns/{}", lab.name)).unwrap();
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&space), Some(LinkNameSpaceType::Network)).unwrap();
        assert!(ip("link add near type veth peer name far"));
        for device in ["near", "far"] {
            assert!(ip(&format!("link set {device} mtu 2000 up")));
        }
        ready();
        lab
    }
}

/// Waits until the pair carries frames: the kernel sets the queues up a little after the devices.
fn ready() {
    for _ in 0..100 {
        let links = Command::new("ip").args(["-br", "link"]).output().unwrap().stdout;
        if String::from_utf8(links).unwrap().matches("LOWER_UP").count() == 2 {
            return;
        }
        sleep(Duration::from_millis(20));
    }
    panic!("the veth pair does not come up");
}

impl Drop for Lab {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.name));
    }
}

fn sender(device: &str) -> Capture<Active> {
    Capture::from_device(device).unwrap().open().unwrap()
}

fn udp_filter() -> Filter {
    Filter::new(&[PORT..=PORT], &[Transport::Udp])
}

fn readable(live: &Live, wait: Duration) -> PollFlags {
    let mut descriptors = [PollFd::from_borrowed_fd(live.fd(), PollFlags::IN)];
    poll(&mut descriptors, Some(&Timespec::try_from(wait).unwrap())).unwrap();
    descriptors[0].revents()
}

fn outline(verdict: Result<Datagram<'_>, Reason>) -> Seen {
    verdict.map(|datagram| (datagram.transport, datagram.destination_port, datagram.payload.len()))
}

/// What arrives until `count` frames were handed on, and for a little while after.
fn collect(live: &mut Live, count: usize) -> Vec<Seen> {
    let mut seen = Vec::new();
    let end = Instant::now() + Duration::from_secs(5);
    while seen.len() < count && Instant::now() < end {
        readable(live, Duration::from_millis(200));
        live.drain(64, |verdict| seen.push(outline(verdict))).unwrap();
    }
    sleep(Duration::from_millis(50));
    live.drain(64, |verdict| seen.push(outline(verdict))).unwrap();
    seen
}

fn enveloped(name: &str, packet: &[u8]) -> Vec<u8> {
    let envelope = envelopes().into_iter().find(|envelope| envelope.name == name).unwrap();
    (envelope.wrap)(packet)
}

fn ethernet(packet: &[u8]) -> Vec<u8> {
    enveloped("ethernet, tags [], session None, trailer 0", packet)
}

#[test]
fn knocks_arrive_in_every_envelope_with_their_exact_length() {
    let _lab = Lab::new("all");
    let mut far = sender("far");
    let packets = [
        ipv4(17, &udp(140)),
        ipv4_with(17, 10, 0, &udp(1500)),
        ipv6(17, &udp(1500)),
        ipv6_chain(&[0, 43, 60], 17, &udp(1500)),
    ];
    for (device, link) in [("near", LinkType::Ethernet), ("any", LinkType::LinuxSll)] {
        let mut live = Live::open(device, 512, &udp_filter()).unwrap();
        assert_eq!((live.link(), live.device()), (link, device));
        // Of two tags that it knows, the kernel takes one off and names what is behind the other: since 6.10, whoever
        // captures without the link layer's header cannot know that this one is there.
        let known = ["tags [88a8, 8100]", "tags [8100, 8100]"];
        let told = |name: &str| device != "any" || !known.iter().any(|tags| name.contains(tags));
        let ethernet = |envelope: &&Envelope| envelope.link == LinkType::Ethernet && told(&envelope.name);
        for envelope in envelopes().iter().filter(ethernet) {
            for packet in &packets {
                far.sendpacket((envelope.wrap)(packet)).unwrap();
            }
            let length = |length| Ok((Transport::Udp, PORT, length));
            let expected = [length(140), length(1500), length(1500), length(1500)];
            assert_eq!(collect(&mut live, 4), expected, "{} on {device}", envelope.name);
            assert_eq!(live.statistics().unwrap().dropped, 0);
        }
    }
}

#[test]
fn the_kernel_drops_strangers() {
    let _lab = Lab::new("junk");
    for device in ["near", "any"] {
        let mut live = Live::open(device, 512, &udp_filter()).unwrap();
        let cooked = device == "any";
        assert_eq!(live.link(), if cooked { LinkType::LinuxSll } else { LinkType::Ethernet });
        // Before its filter is in force, a new capture counts whatever comes.
        let before = live.statistics().unwrap().received;
        let mut far = sender("far");
        let tagged = |packet: &[u8]| enveloped("ethernet, tags [8100], session None, trailer 0", packet);
        for _ in 0..50 {
            for junk in [
                ethernet(&ipv4(17, &udp_to(PORT + 1, 200))),
                ethernet(&ipv4(17, &udp(139))),
                ethernet(&ipv4(17, &udp(1501))),
                ethernet(&ipv4_with(17, 0, 0x2000, &udp(200))),
                ethernet(&ipv6(17, &udp_to(9, 200))),
                ethernet(&ipv4(6, &tcp(0, 200))),
                tagged(&ipv4(1, &icmp(8, 200))),
                tagged(&ipv4(17, &udp(100))),
            ] {
                far.sendpacket(junk).unwrap();
            }
        }
        assert_eq!(collect(&mut live, 0), [], "{device}");
        // The kernel also has router solicitations and the like to judge; none is long enough.
        assert_eq!(live.statistics().unwrap().received, before, "{device}");
        far.sendpacket(ethernet(&ipv4(17, &udp(200)))).unwrap();
        far.sendpacket(tagged(&ipv4(17, &udp(300)))).unwrap();
        far.sendpacket(ethernet(&ipv6_chain(&[60], 17, &udp_to(9, 200)))).unwrap();
        far.sendpacket(tagged(&ipv4_with(17, 3, 0, &udp(400)))).unwrap();
        let expected = [200, 300, 400].map(|length| Ok((Transport::Udp, PORT, length)));
        assert_eq!(collect(&mut live, 3), expected, "{device}");
        assert_eq!(live.statistics().unwrap().received, before + 4, "{device}");
    }
}

#[test]
fn the_biggest_filter_fits_into_what_old_kernels_grant() {
    let _lab = Lab::new("room");
    let limit = "/proc/sys/net/core/optmem_max";
    let ports: Vec<_> = (0..PORT_RANGES_MAX).map(|n| u16::try_from(100 * n).unwrap()).map(|n| n..=n + 1).collect();
    let filter = Filter::new(&ports, &[Transport::Udp, Transport::Tcp, Transport::Icmp]).without_tcp(3);
    // Half of what 32-bit kernels before 6.8 grant; and hardly anything, then it says so.
    std::fs::write(limit, "5120").unwrap();
    for device in ["near", "any"] {
        Live::open(device, 512, &filter).unwrap();
    }
    std::fs::write(limit, "1024").unwrap();
    let error = Live::open("near", 512, &filter).unwrap_err().to_string();
    assert!(error.starts_with("near: cannot capture: the kernel takes no filter: "), "{error}");
}

#[test]
fn what_this_host_sends_is_not_seen() {
    let _lab = Lab::new("own");
    let mut live = Live::open("near", 512, &udp_filter()).unwrap();
    let (mut near, mut far) = (sender("near"), sender("far"));
    for _ in 0..3 {
        near.sendpacket(ethernet(&ipv4(17, &udp(200)))).unwrap();
    }
    far.sendpacket(ethernet(&ipv6(17, &udp(300)))).unwrap();
    assert_eq!(collect(&mut live, 1), [Ok((Transport::Udp, PORT, 300))]);
}

#[test]
fn tcp_and_icmp_knocks_arrive_where_they_are_wanted() {
    let _lab = Lab::new("trans");
    let filter = Filter::new(&[PORT..=PORT], &[Transport::Tcp, Transport::Icmp]);
    let mut live = Live::open("near", 512, &filter).unwrap();
    let mut far = sender("far");
    for packet in [
        ipv4(6, &tcp(3, 140)),
        ipv4(6, &tcp(3, 0)),
        ipv6(58, &icmp(128, 200)),
        ipv4(1, &icmp(8, 56)),
        ipv4(17, &udp(200)),
    ] {
        far.sendpacket(ethernet(&packet)).unwrap();
    }
    let expected = [Ok((Transport::Tcp, PORT, 140)), Ok((Transport::Icmp, 0, 200))];
    assert_eq!(collect(&mut live, 2), expected);
}

#[test]
fn a_budget_leaves_the_rest_for_the_next_turn() {
    let _lab = Lab::new("budget");
    let mut live = Live::open("near", 512, &udp_filter()).unwrap();
    // What the link's own coming up put into the ring before the filter was set is no knock.
    assert_eq!(collect(&mut live, 0), []);
    let mut far = sender("far");
    for length in 140..147 {
        far.sendpacket(ethernet(&ipv4(17, &udp(length)))).unwrap();
    }
    let mut turns = Vec::new();
    for _ in 0..5 {
        assert_eq!(readable(&live, Duration::ZERO).contains(PollFlags::IN), turns.iter().sum::<usize>() < 7);
        turns.push(live.drain(3, |verdict| assert!(verdict.is_ok())).unwrap());
    }
    assert_eq!(turns, [3, 3, 1, 0, 0]);
    assert_eq!(live.drain(0, |_| ()).unwrap(), 0);
}

#[test]
fn a_full_ring_counts_what_it_drops() {
    let _lab = Lab::new("ring");
    let mut live = Live::open("near", 16, &udp_filter()).unwrap();
    let mut far = sender("far");
    let frame = ethernet(&ipv4(17, &udp(200)));
    for _ in 0..200 {
        far.sendpacket(&frame[..]).unwrap();
    }
    let seen = collect(&mut live, 200);
    let statistics = live.statistics().unwrap();
    assert!(seen.len() < 200);
    assert!(statistics.dropped > 0, "{statistics:?}");
}

#[test]
fn a_capture_survives_down_and_up_and_tells_when_its_device_is_gone() {
    let _lab = Lab::new("away");
    let mut live = Live::open("near", 512, &udp_filter()).unwrap();
    let mut far = sender("far");
    assert!(ip("link set near down"));
    assert!(!readable(&live, Duration::from_secs(1)).is_empty());
    // Nothing that would keep a poll loop spinning: a stray frame and the error are cleared in one turn each.
    let turns = (0..5).take_while(|_| {
        live.drain(8, |_| ()).unwrap();
        !readable(&live, Duration::from_millis(50)).is_empty()
    });
    assert!(turns.count() < 3);
    assert!(ip("link set near up"));
    ready();
    far.sendpacket(ethernet(&ipv4(17, &udp(200)))).unwrap();
    assert_eq!(collect(&mut live, 1), [Ok((Transport::Udp, PORT, 200))]);
    assert!(ip("link del near"));
    assert!(!readable(&live, Duration::from_secs(1)).is_empty());
    let error = live.drain(8, |_| ()).unwrap_err().to_string();
    assert!(error.starts_with("near: the capture broke off: "), "{error}");
}

#[test]
fn a_device_that_cannot_be_opened_says_why() {
    let _lab = Lab::new("open");
    let open = |device| Live::open(device, 512, &udp_filter()).unwrap_err();
    let error = open("eth9");
    assert_eq!(error.to_string(), "eth9: no such network device; `ip link` lists them");
    assert_eq!(open("a-name-of-15-ch"), OpenError::NoSuchDevice("a-name-of-15-ch".to_owned()));
    for name in ["a-name-of-16-chr", "", "eth\0", "eth 0", "eth/0", "eth0:1", ".", ".."] {
        assert_eq!(open(name), OpenError::NoName(name.to_owned()));
    }
    assert!(ip("link set near down"));
    assert_eq!(open("near"), OpenError::NotUp("near".to_owned()));
}
