//! What a process uses, as /proc tells it.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Clock ticks in /proc are a hundredth of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Resident memory, in KiB.
#[derive(Default)]
pub(crate) struct Memory {
    /// The program, its heap and its stack.
    pub(crate) own: u32,
    /// The host's shared libraries.
    pub(crate) libraries: u32,
    /// The mappings of sockets.
    pub(crate) rings: u32,
}

/// Reads one process.
pub(crate) struct Meter {
    pid: u32,
}

impl Meter {
    pub(crate) fn new(pid: u32) -> Self {
        Self { pid }
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid)).expect("the process is gone")
    }

    /// CPU time of all its threads, to the nanosecond, and of the children it has waited for.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid)).expect("the process is gone");
        let own: u64 = tasks
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
            .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
            .sum();
        // The name, field 2, may hold blanks and ends with the last bracket; cutime is field 16.
        let stat = self.read("stat");
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let children: u32 = fields.skip(13).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
        Duration::from_nanos(own) + TICK * children
    }

    /// Resident memory, told apart by what is mapped.
    pub(crate) fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        let mut mapping = String::new();
        for line in self.read("smaps").lines() {
            if let Some(value) = line.strip_prefix("Rss:") {
                let kib: u32 = value.trim().trim_end_matches(" kB").parse().expect("a size in smaps");
                *match mapping.as_str() {
                    name if name.starts_with("socket:") => &mut memory.rings,
                    name if name.contains(".so") => &mut memory.libraries,
                    _ => &mut memory.own,
                } += kib;
            } else if line.split(' ').next().is_some_and(|word| word.contains('-')) {
                line.split_whitespace().nth(5).unwrap_or_default().clone_into(&mut mapping);
            }
        }
        memory
    }

    /// How often its threads have left a processor so far, by themselves or not: a sleeping process adds none.
    pub(crate) fn wakeups(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid)).expect("the process is gone");
        let statuses = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
        let count = |line: &str| line.split_once("voluntary_ctxt_switches:")?.1.trim().parse::<u64>().ok();
        statuses.map(|status| status.lines().filter_map(count).sum::<u64>()).sum()
    }

    /// Its threads.
    pub(crate) fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.pid)).expect("the process is gone").count()
    }

    /// Its open descriptors: the fewest within a fifth of a second, because one who has asked and gone, or a look at the
    /// ruleset, has one for a moment.
    pub(crate) fn descriptors(&self) -> usize {
        let count = || fs::read_dir(format!("/proc/{}/fd", self.pid)).expect("the process is gone").count();
        let later = (0..10).map(|_| {
            thread::sleep(Duration::from_millis(20));
            count()
        });
        later.min().expect("ten counts")
    }
}

/// The date, the processor and the kernel.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let models = || cpuinfo.lines().filter_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let date = Command::new("date").args(["-u", "+%F"]).output().map(|out| out.stdout).unwrap_or_default();
    format!(
        "{}: {} × {}, Linux {}",
        String::from_utf8_lossy(&date).trim(),
        models().count(),
        models().next().unwrap_or("unknown processor"),
        read("/proc/sys/kernel/osrelease").trim()
    )
}
