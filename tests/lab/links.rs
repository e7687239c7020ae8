//! The router's WAN device going and coming, and what that costs the daemon.

use std::fs;
use std::time::Duration;

use super::daemon::Daemon;
use super::{Lab, Place, ip_batch, wait_for};

/// What a daemon holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holdings {
    /// Open descriptors.
    pub(crate) descriptors: usize,
    /// Resident memory in KiB.
    pub(crate) memory: u64,
}

impl Lab {
    /// Runs commands of `ip` in the router, one a line.
    pub(crate) fn router_ip(&self, commands: &str) {
        ip_batch(&["-n", &self.netns(Place::Router)], commands);
    }

    /// Takes the WAN device away; the wire goes with it.
    pub(crate) fn unplug(&self) {
        self.router_ip("link delete wan\n");
    }

    /// Makes a wire and the device at each end of it, with their IPv4 addresses, and brings up the far end alone.
    /// Neighbours know each other at once.
    pub(crate) fn lay_wire(&self) {
        let wan = self.netns(Place::Wan);
        self.router_ip(&format!(
            "link add wan address 02:00:00:00:00:01 type veth peer name wan0 address 02:00:00:00:00:02 netns {wan}\n\
             address add 203.0.113.1/24 dev wan\n"
        ));
        ip_batch(
            &["-n", &wan],
            "address add 203.0.113.2/24 dev wan0\n\
             address add 203.0.113.66/24 dev wan0\n\
             link set wan0 up\n\
             neighbour replace 203.0.113.1 lladdr 02:00:00:00:00:01 dev wan0\n",
        );
    }

    /// Brings the WAN device up.
    pub(crate) fn wan_up(&self) {
        self.router_ip("link set wan up\n");
    }

    /// Waits until the far end carries frames: the kernel sets the queues up a little after the devices.
    pub(crate) fn wait_carrier(&self) {
        wait_for("carrier on wan0", Duration::from_secs(5), || {
            self.run(Place::Wan, "ip", &["-br", "link", "show", "wan0"]).contains("LOWER_UP").then_some(())
        });
    }

    /// The WAN device's number.
    pub(crate) fn wan_index(&self) -> u32 {
        let link = self.run(Place::Router, "ip", &["-o", "link", "show", "wan"]);
        link.split(':').next().and_then(|index| index.parse().ok()).expect("a number")
    }
}

impl Daemon {
    /// How often the log so far has these words.
    pub(crate) fn times_said(&self, words: &str) -> usize {
        self.log().matches(words).count()
    }

    /// Waits until the log has these words so often.
    pub(crate) fn wait_times(&self, words: &str, times: usize) {
        wait_for(words, Duration::from_secs(5), || (self.times_said(words) >= times).then_some(()));
    }

    /// What the process holds now.
    pub(crate) fn holdings(&self) -> Holdings {
        let process = format!("/proc/{}", self.pid());
        let status = fs::read_to_string(format!("{process}/status")).expect("read /proc");
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the resident memory");
        Holdings {
            descriptors: fs::read_dir(format!("{process}/fd")).expect("read /proc").count(),
            memory: memory.trim().trim_end_matches(" kB").parse().expect("a number"),
        }
    }
}
