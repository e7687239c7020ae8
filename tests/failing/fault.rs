//! The hook: strace has one chosen system call of a process fail, and says whether it came to that.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::points::Point;

/// The words that make strace a fault hook: the point's call fails where it is about `on`, or anywhere.
pub(crate) fn words(point: &Point, on: Option<&str>, record: &Path) -> Vec<String> {
    let Point { call, nth, error, .. } = point;
    let calls = calls(call);
    let effect = error.parse::<u32>().map_or_else(|_| format!("error={error}"), |given| format!("retval={given}"));
    let inject = format!("inject={calls}:{effect}:when={nth}");
    let mut words = vec!["-f".to_owned(), "-qq".to_owned(), "-o".to_owned(), record.display().to_string()];
    words.extend(on.into_iter().flat_map(|on| ["-P".to_owned(), on.to_owned()]));
    words.extend(["-e".to_owned(), format!("trace={calls}"), "-e".to_owned(), inject]);
    words
}

/// What the machines that there are name a call.
fn calls(call: &str) -> &str {
    match call {
        "open" => "?open,?openat",
        "rename" => "?rename,?renameat,?renameat2",
        "unlink" => "?unlink,?unlinkat",
        "stat" => "?stat,?lstat,?newfstatat,?statx",
        "mkdir" => "?mkdir,?mkdirat",
        "fork" => "?fork,?vfork,?clone,?clone3",
        call => call,
    }
}

/// strace at work on a running process.
#[derive(Debug)]
pub(crate) struct Fault {
    strace: Child,
    record: PathBuf,
}

impl Fault {
    /// Lets the point's call fail from now on, in whichever thread makes it.
    pub(crate) fn arm(point: &Point, on: Option<&str>, pid: u32, record: &Path) -> Self {
        let mut strace = Command::new("strace")
            .args(words(point, on, record).iter().filter(|word| *word != "-qq"))
            .args(["-p", &pid.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .expect("run strace: is it installed?");
        let mut stderr = BufReader::new(strace.stderr.take().expect("strace's stderr"));
        let mut said = String::new();
        while !said.contains("attached") {
            said.clear();
            assert_ne!(stderr.read_line(&mut said).expect("a line of strace"), 0, "strace did not attach");
        }
        // It goes on to speak of each thread that it finds.
        std::thread::spawn(move || stderr.lines().count());
        Self { strace, record: record.to_owned() }
    }

    /// Whether the call has failed by now.
    pub(crate) fn has_struck(&self) -> bool {
        has_struck(&self.record)
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        // Asked to end, it lets go of the process first.
        let _ = kill_process(Pid::from_child(&self.strace), Signal::TERM);
        let _ = self.strace.wait();
    }
}

/// Whether a call was made to fail, says strace.
pub(crate) fn has_struck(record: &Path) -> bool {
    fs::read_to_string(record).is_ok_and(|text| text.contains("(INJECTED)"))
}
