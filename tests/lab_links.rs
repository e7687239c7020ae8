//! Captured devices that are absent, go down, come back as others: no restart, no missed knock, no leak.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod lab;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lab::ask::{STANDALONE, config, context_switches};
use lab::client::Keys;
use lab::daemon::{Daemon, keygen};
use rustix::process::{Pid, Signal, kill_process};

use lab::{FRIEND, Lab, Place, ROUTER, wait_for};

const AGAIN: &str = "wan: capturing again";
const ABSENT: &str = "wan: there is no such network device; it is awaited";
const DOWN: &str = "wan: the device is down; it is awaited";

/// A lab, its keys, and packets that were never sent.
struct Scene {
    lab: Lab,
    keys: Keys,
    port: u16,
}

impl Scene {
    fn new() -> Self {
        Self { lab: Lab::new(), keys: keygen(), port: 1000 }
    }

    fn config(&self, main: &str) -> String {
        let main = format!("{STANDALONE}\tlist protect 'tcp/22'\n{main}");
        config(&self.keys, &main).replace("\tlist open 'tcp/22'\n\tlist open 'tcp/9'\n", "\tlist open 'any'\n")
    }

    fn start(&self, config: &str) -> Daemon {
        self.lab.reconfigure(config);
        Daemon::spawn(self.lab.daemon_command(&[]), config)
    }

    /// A packet that asks for a port of its own.
    fn packet(&mut self) -> (Vec<u8>, String) {
        self.port += 1;
        let ask = format!("tcp/{}", self.port);
        (self.lab.packet(&self.keys, &["-A", &ask, "-a", "203.0.113.2"]), self.port.to_string())
    }

    /// One knock over the wire, sent once, opens.
    fn knock_opens(&mut self) {
        let (packet, port) = self.packet();
        self.lab.wait_carrier();
        self.lab.send_packet(FRIEND, ROUTER, &packet);
        self.lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", &port]);
    }
}

#[test]
fn a_device_that_is_absent_at_the_start_is_awaited_asleep() {
    let mut scene = Scene::new();
    scene.lab.unplug();
    let mut daemon = scene.start(&scene.config(""));
    daemon.wait_times(ABSENT, 1);
    wait_for("the control socket", Duration::from_secs(3), || {
        scene.lab.ask(&["status"]).status.success().then_some(())
    });
    assert!(!daemon.has_said("ready"), "{}", daemon.log());
    let status = scene.lab.asked(&["status"]);
    assert_eq!((&status["ready"], &status["not_ready"][0]), (&false.into(), &ABSENT.into()));
    assert_eq!(status["devices"][0]["capturing"], false);
    assert!(scene.lab.told(&["status"]).contains(ABSENT));
    sleep(Duration::from_millis(300));
    let slept = context_switches(daemon.pid());
    sleep(Duration::from_secs(5));
    assert_eq!(context_switches(daemon.pid()), slept, "woken although nothing happened");

    // Not yet up: that is said once, and awaited as quietly.
    scene.lab.lay_wire();
    wait_for("the device that is down", Duration::from_secs(3), || {
        (scene.lab.asked(&["status"])["not_ready"][0] == DOWN).then_some(())
    });
    sleep(Duration::from_millis(300));
    let slept = context_switches(daemon.pid());
    sleep(Duration::from_secs(2));
    assert_eq!(context_switches(daemon.pid()), slept, "woken although nothing happened");
    scene.lab.wan_up();
    daemon.wait_ready();
    scene.knock_opens();
    assert_eq!(daemon.times_said("wan: "), 2, "{}", daemon.log());
    assert!(daemon.log().contains("ready: knocks are awaited at udp 62201 on wan"));
    assert_eq!(scene.lab.asked(&["status"])["ready"], true);
    daemon.stop();
}

#[test]
fn one_device_is_enough_to_be_ready_and_a_reload_takes_an_absent_one() {
    let mut scene = Scene::new();
    scene.lab.fw4_start();
    let wan = scene.config("").replace(STANDALONE, "");
    let mut daemon = scene.start(&wan);
    daemon.wait_ready();
    let both = wan.replacen("\tlist device 'wan'\n", "\tlist device 'wan'\n\tlist device 'lte0'\n", 1);
    scene.lab.reconfigure(&both);
    let reply = scene.lab.asked(&["reload"]);
    let warnings = reply["warnings"].as_array().expect("a list");
    assert!(warnings.contains(&ABSENT.replace("wan", "lte0").into()), "{reply}");
    scene.knock_opens();
    daemon.stop();

    let mut daemon = scene.start(&both);
    daemon.wait_ready();
    assert!(daemon.log().contains("awaited at udp 62201 on wan\n"), "{}", daemon.log());
    scene.knock_opens();
    assert_eq!(scene.lab.asked(&["status"])["awaited"], "udp 62201 on wan, lte0");
    let mut lte = scene.lab.tun("lte0");
    scene.lab.router_ip("address add 198.51.100.1/24 dev lte0\nlink set lte0 up\n");
    daemon.wait_times("lte0: capturing again", 1);
    let (packet, port) = scene.packet();
    lte.send(Ipv4Addr::new(198, 51, 100, 9), SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 1), 62201), &packet);
    scene.lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", &port]);

    // Both at once away and back.
    drop(lte);
    scene.lab.unplug();
    daemon.wait_times("lte0: there is no such", 2);
    daemon.wait_times(ABSENT, 1);
    scene.lab.lay_wire();
    let _lte = scene.lab.tun("lte0");
    scene.lab.router_ip("link set lte0 up\nlink set wan up\n");
    daemon.wait_times("lte0: capturing again", 2);
    daemon.wait_times(AGAIN, 1);
    scene.knock_opens();
    daemon.stop();
}

#[test]
fn a_device_that_goes_down_keeps_its_capture() {
    let mut scene = Scene::new();
    let mut daemon = scene.start(&scene.config(""));
    daemon.wait_ready();
    scene.lab.router_ip("link set wan down\n");
    sleep(Duration::from_millis(100));
    let slept = context_switches(daemon.pid());
    sleep(Duration::from_secs(1));
    assert_eq!(context_switches(daemon.pid()), slept, "woken although nothing happened");
    let status = scene.lab.asked(&["status"]);
    assert_eq!((&status["ready"], &status["not_ready"]), (&false.into(), &serde_json::json!([DOWN])));
    assert_eq!(status["devices"][0]["capturing"], false);
    scene.lab.wan_up();
    assert_eq!(scene.lab.asked(&["status"])["ready"], true);
    scene.knock_opens();
    assert_eq!(daemon.times_said("wan: "), 0, "{}", daemon.log());
    daemon.stop();
}

#[test]
fn another_device_of_the_same_name_is_captured() {
    let mut scene = Scene::new();
    let mut daemon = scene.start(&scene.config(""));
    daemon.wait_ready();
    scene.knock_opens();
    let index = scene.lab.wan_index();
    scene.lab.unplug();
    daemon.wait_times(ABSENT, 1);
    scene.lab.lay_wire();
    assert_ne!(scene.lab.wan_index(), index);
    scene.lab.wan_up();
    daemon.wait_times(AGAIN, 1);
    scene.knock_opens();
    // The old one lives on under another name, so that its capture never fails.
    scene.lab.router_ip("link set wan down\nlink set wan name old\nlink set old up\n");
    daemon.wait_times(ABSENT, 2);
    scene.lab.run(Place::Wan, "ip", &["link", "set", "wan0", "name", "old0"]);
    scene.lab.router_ip("address flush dev old\n");
    scene.lab.run(Place::Wan, "ip", &["address", "flush", "dev", "old0"]);
    scene.lab.lay_wire();
    scene.lab.wan_up();
    daemon.wait_times(AGAIN, 2);
    scene.knock_opens();
    // Swapped between two looks.
    let swap = |from: &str, to: &str| {
        scene.lab.router_ip(&format!(
            "link set wan down\nlink set wan name {to}\nlink set {from} name wan\nlink set wan up\nlink set {to} up\n"
        ));
    };
    scene.lab.router_ip("link add spare type veth peer name spare1\n");
    swap("spare", "away");
    daemon.wait_times(AGAIN, 3);
    swap("away", "spare");
    scene.lab.router_ip("address replace 203.0.113.1/24 dev wan\n");
    daemon.wait_times(AGAIN, 4);
    scene.knock_opens();
    daemon.stop();
}

#[test]
fn a_device_of_another_kind_is_read_as_what_it_is() {
    /// Of `linux/if_arp.h`.
    const PPP: u16 = 512;
    const WIRELESS: u16 = 801;
    const NONE: u16 = 65534;
    let router = Ipv4Addr::new(203, 0, 113, 1);
    let friend = Ipv4Addr::new(203, 0, 113, 2);
    let mut scene = Scene::new();
    let mut daemon = scene.start(&scene.config(""));
    daemon.wait_ready();
    scene.knock_opens();
    scene.lab.unplug();
    let mut tun = scene.lab.tun("wan");
    let index = scene.lab.wan_index();
    scene.lab.router_ip("address add 203.0.113.1/24 dev wan\nlink set wan up\n");
    daemon.wait_times(AGAIN, 1);
    let (packet, port) = scene.packet();
    tun.send(friend, SocketAddrV4::new(router, 62201), &packet);
    scene.lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", &port]);

    // The very same device becomes a PPP one, as modems do: libpcap reads that with another header.
    for (kind, times) in [(PPP, 2), (NONE, 3)] {
        scene.lab.router_ip("link set wan down\n");
        tun.set_kind(kind);
        scene.lab.router_ip("link set wan up\n");
        daemon.wait_times(AGAIN, times);
        assert_eq!(scene.lab.wan_index(), index);
        let (packet, port) = scene.packet();
        tun.send(friend, SocketAddrV4::new(router, 62201), &packet);
        scene.lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", &port]);
    }

    // One of a kind that is not understood is named as such once, and tried ever more seldom.
    scene.lab.router_ip("link set wan down\n");
    tun.set_kind(WIRELESS);
    scene.lab.router_ip("link set wan up\n");
    daemon.wait_times("wan: frames of link type", 1);
    let told = scene.lab.asked(&["status"])["not_ready"][0].clone();
    assert!(told.as_str().is_some_and(|told| told.ends_with("it is tried again")), "{told}");
    let slept = context_switches(daemon.pid());
    sleep(Duration::from_millis(3500));
    let woken = context_switches(daemon.pid()) - slept;
    // Two tries at most, and what opening waits for in the kernel.
    assert!(woken < 100, "{woken}");
    assert_eq!(daemon.times_said("frames of link type"), 1);

    drop(tun);
    scene.lab.lay_wire();
    scene.lab.wan_up();
    daemon.wait_times(AGAIN, 4);
    scene.knock_opens();
    daemon.stop();
}

#[test]
fn a_hundred_flaps_cost_nothing() {
    let mut scene = Scene::new();
    let mut daemon = scene.start(&scene.config(""));
    daemon.wait_ready();
    let flaps = |times| "link set wan down\nlink set wan up\n".repeat(times);
    // What the first ones set up for good is no leak.
    scene.lab.router_ip(&flaps(5));
    scene.knock_opens();
    let before = daemon.holdings();
    let start = Instant::now();
    scene.lab.router_ip(&flaps(100));
    eprintln!("100 times down and up: {:?}", start.elapsed());
    scene.knock_opens();
    holds_no_more(&daemon, before);
    assert_eq!(daemon.times_said("wan: "), 0, "{}", daemon.log());

    let start = Instant::now();
    for round in 0..100 {
        scene.lab.unplug();
        scene.lab.lay_wire();
        let said = daemon.times_said(AGAIN);
        scene.lab.wan_up();
        // Some stay just long enough to be captured, the others go at once.
        if round % 4 == 0 {
            daemon.wait_times(AGAIN, said + 1);
        }
    }
    eprintln!("100 times deleted and made anew: {:?}", start.elapsed());
    // Down for less than a look takes is no news; but a device that is up is captured in the end.
    wait_for("the last capture", Duration::from_secs(5), || {
        (scene.lab.asked(&["status"])["ready"] == true).then_some(())
    });
    scene.knock_opens();
    eprintln!("captures opened: {}", daemon.times_said(AGAIN));
    holds_no_more(&daemon, before);
    daemon.stop();
}

#[test]
fn news_that_were_lost_are_made_up_for() {
    let mut scene = Scene::new();
    let mut daemon = scene.start(&scene.config(""));
    daemon.wait_ready();
    let index = scene.lab.wan_index();
    let pid = Pid::from_raw(i32::try_from(daemon.pid()).expect("a number")).expect("a process");
    kill_process(pid, Signal::STOP).expect("stop the daemon");
    // More than the socket holds, and what counts is among what is lost.
    scene.lab.router_ip(&"link set lan down\nlink set lan up\n".repeat(500));
    scene.lab.unplug();
    scene.lab.lay_wire();
    scene.lab.wan_up();
    assert_ne!(scene.lab.wan_index(), index);
    // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode: protocol 0 is NETLINK_ROUTE, group 1 has the devices.
    let sockets = scene.lab.run(Place::Router, "cat", &["/proc/net/netlink"]);
    let lost = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|line| {
        line.get(1) == Some(&"0") && line.get(3) == Some(&"00000001") && line.get(8).is_some_and(|drops| *drops != "0")
    });
    assert!(lost, "nothing was lost:\n{sockets}");
    kill_process(pid, Signal::CONT).expect("let the daemon go on");
    daemon.wait_times(AGAIN, 1);
    scene.knock_opens();
    assert!(!daemon.log().contains("cannot hear"), "{}", daemon.log());
    daemon.stop();
}

#[test]
fn what_fails_although_the_device_is_there_is_tried_again() {
    const DESCRIPTORS: usize = 24;
    let mut scene = Scene::new();
    let config = scene.config("");
    scene.lab.reconfigure(&config);
    let plain = scene.lab.daemon_command(&[]);
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -n {DESCRIPTORS}; exec \"$@\""), "sh"]);
    limited.arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
    let mut daemon = Daemon::spawn(limited, &config);
    daemon.wait_ready();
    scene.lab.unplug();
    daemon.wait_times(ABSENT, 1);
    // Clients take the descriptors that a capture would need.
    let mut clients = Vec::new();
    wait_for("all descriptors in use", Duration::from_secs(3), || {
        clients.push(UnixStream::connect(scene.lab.socket()).expect("connect"));
        sleep(Duration::from_millis(20));
        (daemon.holdings().descriptors >= DESCRIPTORS).then_some(())
    });
    scene.lab.lay_wire();
    scene.lab.wan_up();
    daemon.wait_times("it is tried again", 1);
    assert!(daemon.log().contains("wan: cannot capture: "), "{}", daemon.log());
    assert_eq!(daemon.times_said(AGAIN), 0, "{}", daemon.log());
    drop(clients);
    daemon.wait_times(AGAIN, 1);
    assert_eq!(daemon.times_said("it is tried again"), 1, "{}", daemon.log());
    scene.knock_opens();
    daemon.stop();
}

/// A descriptor more is a leak; memory may grow by what an allocator keeps.
fn holds_no_more(daemon: &Daemon, before: lab::links::Holdings) {
    let now = daemon.holdings();
    eprintln!("{before:?} {now:?}");
    assert_eq!(now.descriptors, before.descriptors);
    assert!(now.memory <= before.memory + 1024, "{before:?} {now:?}");
}

#[test]
fn knocks_are_honoured_from_the_moment_the_device_is_captured() {
    const KNOCKS: usize = 40;
    let mut scene = Scene::new();
    let mut daemon = scene.start(&scene.config(""));
    daemon.wait_ready();
    for round in 0..3 {
        let packets: Vec<Vec<u8>> = (0..KNOCKS).map(|_| scene.packet().0).collect();
        scene.lab.unplug();
        daemon.wait_times(ABSENT, round + 1);
        scene.lab.lay_wire();
        let honoured = scene.lab.honoured();
        let start = Instant::now();
        scene.lab.wan_up();
        let up = start.elapsed();
        daemon.wait_times(AGAIN, round + 1);
        let again = start.elapsed();
        scene.lab.wait_carrier();
        let carrier = start.elapsed();
        for packet in &packets {
            scene.lab.send_packet(FRIEND, ROUTER, packet);
            sleep(Duration::from_millis(1));
        }
        let count = u64::try_from(KNOCKS).expect("a few");
        wait_for("every knock", Duration::from_secs(3), || (scene.lab.honoured() == honoured + count).then_some(()));
        eprintln!("up {up:?}, capturing again {again:?}, carrier seen {carrier:?}");
    }
    daemon.stop();
}
