//! The look-up of host names: in a process of nobody's for each, which the helper starts, bounds and hears.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::privileges::{FALLBACK_ID, is_root, numbers_of, renounce};
use crate::input::read_up_to;
use crate::knock::fwknop::message::is_host_name;
use crate::limits::{ADDRESSES_MAX, HOST_NAME_MAX, LOOKUPS_MAX};

/// The hidden argument that makes the program look up the name that it is told.
pub const ARGUMENT: &str = "run-resolver";

/// Whom a look-up runs as.
const USER: &str = "nobody";

/// The most that a look-up has to say, in bytes: each address on a line of its own.
const ANSWER_MAX: usize = ADDRESSES_MAX * 48;

/// Reads a host name from standard input and writes its addresses to standard output, one a line; before that it gives
/// up what rights it has, which is none where root has made it.
///
/// # Errors
/// One line: there is no name, or it has no address.
pub fn serve() -> Result<(), String> {
    renounce().map_err(|error| format!("cannot give up rights: {error}"))?;
    let most = u64::try_from(HOST_NAME_MAX).unwrap_or(u64::MAX).saturating_add(2);
    let text = read_up_to(rustix::stdio::stdin(), most).map_err(|error| error.to_string())?;
    let name = std::str::from_utf8(&text).map_err(|error| error.to_string())?;
    let lines: String = addresses_of(name)?.iter().map(|address| format!("{address}\n")).collect();
    std::io::stdout().lock().write_all(lines.as_bytes()).map_err(|error| error.to_string())
}

/// Asks the system's resolver, which may take its time; at most [`ADDRESSES_MAX`] addresses, in its order.
///
/// # Errors
/// One line: it is no host name, or it has no address.
pub fn addresses_of(name: &str) -> Result<Vec<IpAddr>, String> {
    if !is_host_name(name) {
        return Err("this is no host name".to_owned());
    }
    let found = (name, 0).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut addresses = Vec::new();
    for address in found.map(|socket| socket.ip()) {
        if addresses.len() < ADDRESSES_MAX && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// A look-up that runs.
struct Lookup {
    id: u32,
    child: Child,
    answers: ChildStdout,
    heard: Vec<u8>,
    until: Duration,
}

/// All that run.
pub(super) struct Lookups {
    running: Vec<Lookup>,
    limit: Duration,
}

impl Lookups {
    pub(super) fn new(limit: Duration) -> Self {
        Self { running: Vec::new(), limit }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// What to poll for readability.
    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.running.iter().map(|lookup| lookup.answers.as_fd())
    }

    /// Starts one more. The name reaches it through a pipe: it is no word of a command line.
    pub(super) fn start(&mut self, id: u32, name: &str, now: Duration) -> Result<(), String> {
        let mut program = Command::new("/proc/self/exe");
        program.arg0("spa-knockd").arg(ARGUMENT);
        if is_root() {
            // With the user, std also clears the supplementary groups.
            let numbers = numbers_of(USER).filter(|(uid, _)| *uid != 0);
            let (uid, gid) = numbers.unwrap_or((FALLBACK_ID, FALLBACK_ID));
            program.uid(uid).gid(gid);
        }
        self.start_program(&mut program, id, name, now)
    }

    fn start_program(&mut self, program: &mut Command, id: u32, name: &str, now: Duration) -> Result<(), String> {
        // Whoever has taken the daemon over may say anything.
        if !is_host_name(name) {
            return Err("this is no host name".to_owned());
        }
        if self.running.len() >= LOOKUPS_MAX {
            return Err(format!("{LOOKUPS_MAX} look-ups are under way"));
        }
        program.env_clear().current_dir("/").process_group(0);
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = program.spawn().map_err(|error| error.to_string())?;
        let told = match (child.stdin.take(), child.stdout.take()) {
            (Some(mut stdin), Some(answers)) => {
                // A pipe takes any name whole. Who has ended already does not take it, and is heard as one that has
                // found nothing.
                let _ = stdin.write_all(name.as_bytes());
                let flags = fcntl_getfl(&answers).and_then(|flags| fcntl_setfl(&answers, flags | OFlags::NONBLOCK));
                flags.map(|()| answers).map_err(|error| error.to_string())
            }
            _ => Err("the look-up cannot be heard".to_owned()),
        };
        match told {
            Ok(answers) => {
                let until = now.saturating_add(self.limit);
                self.running.push(Lookup { id, child, answers, heard: Vec::new(), until });
                Ok(())
            }
            Err(line) => {
                end(&mut child);
                Err(line)
            }
        }
    }

    /// Hears all, and hands on what those have found that are through, or whose time is up: nothing then.
    pub(super) fn tend(&mut self, now: Duration, mut each: impl FnMut(u32, Vec<IpAddr>)) {
        self.running.retain_mut(|lookup| {
            let found = match lookup.hear() {
                Some(found) => found,
                None if now >= lookup.until => Vec::new(),
                None => return true,
            };
            end(&mut lookup.child);
            each(lookup.id, found);
            false
        });
    }
}

impl Drop for Lookups {
    fn drop(&mut self) {
        self.running.iter_mut().for_each(|lookup| end(&mut lookup.child));
    }
}

impl Lookup {
    /// What it has found, once it is through.
    fn hear(&mut self) -> Option<Vec<IpAddr>> {
        let mut room = [0; ANSWER_MAX];
        loop {
            match self.answers.read(&mut room) {
                Ok(0) => return Some(addresses(&self.heard)),
                Ok(length) => self.heard.extend(room.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(_) => return Some(Vec::new()),
            }
            if self.heard.len() > ANSWER_MAX {
                return Some(Vec::new());
            }
        }
    }
}

/// The addresses of a whole answer; none where a line is something else.
fn addresses(text: &[u8]) -> Vec<IpAddr> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let found: Option<Vec<IpAddr>> = text.lines().map(|line| line.parse().ok()).collect();
    let mut found = found.unwrap_or_default();
    found.truncate(ADDRESSES_MAX);
    found
}

/// Ends the process, be it through or not, and takes its status so that nothing is left of it.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A program in the place of the one that looks names up.
    fn script(text: &str) -> Command {
        let mut program = Command::new("/bin/sh");
        program.args(["-c", text]);
        program
    }

    /// Tends until nothing runs, by a clock that stands still.
    fn answers(lookups: &mut Lookups, now: Duration) -> Vec<(u32, Vec<IpAddr>)> {
        let (start, mut answers) = (Instant::now(), Vec::new());
        while !lookups.is_empty() {
            assert!(start.elapsed() < Duration::from_secs(10), "a look-up does not end");
            lookups.tend(now, |id, found| answers.push((id, found)));
            std::thread::sleep(Duration::from_millis(2));
        }
        answers
    }

    fn one(text: &str) -> Vec<IpAddr> {
        let mut lookups = Lookups::new(Duration::from_secs(30));
        lookups.start_program(&mut script(text), 7, "nas.lan", Duration::ZERO).unwrap();
        let answers = answers(&mut lookups, Duration::from_secs(1));
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].0, 7);
        answers[0].1.clone()
    }

    #[test]
    fn what_a_look_up_says_is_bounded_and_read_strictly() {
        let both: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(one("printf '192.0.2.1\\n2001:db8::1\\n'"), both);
        assert_eq!(one("read -r name; test \"$name\" = nas.lan && test -z \"$HOME\" && echo 192.0.2.1"), both[..1]);
        for bad in ["exit 1", "echo nas.lan", "echo 192.0.2.1; echo '; id'", "printf '\\377'", "kill -9 $$"] {
            assert!(one(bad).is_empty(), "{bad}");
        }
        assert!(one("while :; do echo 192.0.2.1; done").is_empty());
        assert_eq!(one("for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do echo 192.0.2.1; done").len(), 16);
    }

    #[test]
    fn so_many_run_and_not_for_ever() {
        let mut lookups = Lookups::new(Duration::from_secs(5));
        for id in 0..=u32::try_from(LOOKUPS_MAX).unwrap() {
            let started = lookups.start_program(&mut script("exec sleep 600"), id, "nas.lan", Duration::ZERO);
            assert_eq!(started.is_ok(), lookups.running.len() > usize::try_from(id).unwrap());
        }
        assert_eq!(lookups.fds().count(), LOOKUPS_MAX);
        lookups.tend(Duration::from_secs(4), |id, _| panic!("{id} has had its time"));
        let answers = answers(&mut lookups, Duration::from_secs(5));
        assert!(answers.len() == LOOKUPS_MAX && answers.iter().all(|(_, found)| found.is_empty()));
    }

    #[test]
    fn what_is_no_host_name_is_not_looked_up() {
        let mut lookups = Lookups::new(Duration::from_secs(5));
        for name in ["", "-h", "a b", "a;id", "$(id)", "a\nb", "10.1.1.5", "127.1", &"a.".repeat(130)] {
            assert!(lookups.start(1, name, Duration::ZERO).is_err(), "{name:?}");
            assert!(addresses_of(name).is_err(), "{name:?}");
        }
        assert!(lookups.is_empty());
    }
}
