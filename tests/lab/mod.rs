//! A router, the internet before it and a LAN behind it, in network namespaces with a real wire between them.
//!
//! ```text
//!  wan                    router                     lan
//!  wan0 203.0.113.2  ───  wan 203.0.113.1
//!       203.0.113.66      lan 192.168.77.1  ───  lan0 192.168.77.10
//!       2001:db8:1::2         2001:db8:1::1
//!       2001:db8:1::66        2001:db8:2::1           2001:db8:2::10
//! ```
//!
//! Every lab has namespaces of its own, so tests may run side by side. They go when the lab is
//! dropped, also by a panic; what a killed test left behind goes when the next lab is made.
#![allow(dead_code, reason = "each test program that includes the lab uses a part of it")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a lab that does not work ends the test, with its words"
)]

pub(crate) mod ask;
pub(crate) mod client;
pub(crate) mod daemon;
pub(crate) mod disk;
pub(crate) mod events;
pub(crate) mod flood;
pub(crate) mod fw4;
pub(crate) mod links;
pub(crate) mod names;
pub(crate) mod nft;
pub(crate) mod session;
pub(crate) mod tun;
pub(crate) mod wire;

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Who knocks.
pub(crate) const FRIEND: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2));
/// Who knocks over IPv6.
pub(crate) const FRIEND6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2));
/// Another address on the same side, for which nothing was opened.
pub(crate) const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 66));
/// The stranger over IPv6.
pub(crate) const STRANGER6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x66));
/// The router as the internet sees it.
pub(crate) const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
/// A second address of the router on the same side.
pub(crate) const ROUTER_ALIAS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10));
/// The router over IPv6.
pub(crate) const ROUTER6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1));
/// A host behind the router.
pub(crate) const LAN_HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 77, 10));

/// The prefix of all namespaces and directories that a lab makes; a process id follows.
const PREFIX: &str = "spa-lab";

/// One of the three namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The internet.
    Wan,
    /// The machine with the firewall.
    Router,
    /// The network behind it.
    Lan,
}

impl Place {
    const ALL: [Self; 3] = [Self::Wan, Self::Router, Self::Lan];

    fn name(self) -> &'static str {
        match self {
            Self::Wan => "wan",
            Self::Router => "router",
            Self::Lan => "lan",
        }
    }
}

/// Three namespaces with wires between them, and a directory.
#[derive(Debug)]
pub(crate) struct Lab {
    name: String,
    dir: PathBuf,
}

impl Lab {
    /// Builds the three namespaces; panics with one line where that is not permitted.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(rustix::process::geteuid().is_root(), "the lab needs root: run `sudo -E make test`");
        clear_stale();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{count}", std::process::id());
        let dir = std::env::temp_dir().join(&name);
        fs::create_dir_all(&dir).expect("make the lab's directory");
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("open the lab's directory");
        let lab = Self { name, dir };
        for place in Place::ALL {
            ip_batch(&[], &format!("netns add {}", lab.netns(place)));
            // Link-local addresses are usable at once, too: neighbours are asked from them.
            lab.within(place, || set_sysctl("ipv6/conf/default/accept_dad", "0"));
        }
        let (wan, router, lan) = (lab.netns(Place::Wan), lab.netns(Place::Router), lab.netns(Place::Lan));
        ip_batch(
            &["-n", &router],
            &format!(
                "link add wan type veth peer name wan0 netns {wan}\n\
                 link add lan type veth peer name lan0 netns {lan}\n\
                 address add 203.0.113.1/24 dev wan\n\
                 address add 203.0.113.10/24 dev wan\n\
                 address add 2001:db8:1::1/64 dev wan nodad\n\
                 address add 192.168.77.1/24 dev lan\n\
                 address add 2001:db8:2::1/64 dev lan nodad\n\
                 link set lo up\nlink set wan up\nlink set lan up\n"
            ),
        );
        ip_batch(
            &["-n", &wan],
            "address add 203.0.113.2/24 dev wan0\n\
             address add 203.0.113.66/24 dev wan0\n\
             address add 2001:db8:1::2/64 dev wan0 nodad\n\
             address add 2001:db8:1::66/64 dev wan0 nodad\n\
             link set lo up\nlink set wan0 up\n\
             route add default via 203.0.113.1\n\
             route add ::/0 via 2001:db8:1::1\n",
        );
        ip_batch(
            &["-n", &lan],
            "address add 192.168.77.10/24 dev lan0\n\
             address add 2001:db8:2::10/64 dev lan0 nodad\n\
             link set lo up\nlink set lan0 up\n\
             route add default via 192.168.77.1\n\
             route add ::/0 via 2001:db8:2::1\n",
        );
        lab.within(Place::Router, || {
            for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
                set_sysctl(switch, "1");
            }
        });
        lab
    }

    /// The directory that lives as long as the lab; everyone may look into it.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The name under which `ip netns` knows the place.
    pub(crate) fn netns(&self, place: Place) -> String {
        format!("{}-{}", self.name, place.name())
    }

    /// A program that will run in the place.
    pub(crate) fn command(&self, place: Place, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.netns(place), program]).args(args).stdin(Stdio::null());
        command
    }

    /// Runs a program in the place to its end and gives its output; panics unless it succeeded.
    pub(crate) fn run(&self, place: Place, program: &str, args: &[&str]) -> String {
        let out = self.command(place, program, args).output().expect("run ip netns exec");
        assert!(
            out.status.success(),
            "{program} {args:?} in {place:?}: {}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Runs the closure on a thread that stands in the place: sockets made there belong there.
    pub(crate) fn within<T: Send>(&self, place: Place, work: impl FnOnce() -> T + Send) -> T {
        let netns = fs::File::open(format!("/run/netns/{}", self.netns(place))).expect("open the namespace");
        thread::scope(|scope| {
            scope
                .spawn(move || {
                    let network = rustix::thread::LinkNameSpaceType::Network;
                    rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&netns), Some(network))
                        .expect("enter the namespace");
                    work()
                })
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for place in Place::ALL {
            remove_netns(&self.netns(place));
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Asks again until the closure has an answer; panics with what was awaited after the deadline.
pub(crate) fn wait_for<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < deadline, "no {what} within {deadline:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Turns a switch of the namespace in which the calling thread stands.
fn set_sysctl(switch: &str, value: &str) {
    let path = Path::new("/proc/sys/net").join(switch);
    fs::write(&path, value).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Feeds commands to `ip -batch`; panics with its words when one fails.
fn ip_batch(args: &[&str], commands: &str) {
    let mut child = Command::new("ip")
        .args(args)
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run ip: is iproute2 installed?");
    let mut stdin = child.stdin.take().expect("a pipe to ip");
    stdin.write_all(commands.as_bytes()).expect("write to ip");
    drop(stdin);
    let out = child.wait_with_output().expect("wait for ip");
    assert!(out.status.success(), "ip {args:?}: {}\n{commands}", String::from_utf8_lossy(&out.stderr));
}

/// Removes what labs of processes that no longer live have left.
fn clear_stale() {
    for dir in [PathBuf::from("/run/netns"), std::env::temp_dir()] {
        let Ok(entries) = fs::read_dir(&dir) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name
                .strip_prefix(PREFIX)
                .and_then(|rest| rest.split('-').nth(1))
                .and_then(|pid| pid.parse::<u32>().ok());
            let Some(owner) = owner else { continue };
            if Path::new(&format!("/proc/{owner}")).exists() {
                continue;
            }
            if dir.ends_with("netns") {
                remove_netns(&name);
            } else {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Ends what still runs in the namespace and removes it.
fn remove_netns(name: &str) {
    if let Ok(out) = Command::new("ip").args(["netns", "pids", name]).output() {
        for pid in String::from_utf8_lossy(&out.stdout)
            .lines()
            .filter_map(|line| line.parse().ok())
            .filter_map(rustix::process::Pid::from_raw)
        {
            // The lab's own threads show up as this very process.
            if pid != rustix::process::getpid() {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
    let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
}
