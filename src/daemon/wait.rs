//! The one poll: each part of the daemon adds its descriptors and its deadline, and asks afterwards whether it woke us.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::clock::since_boot;

/// How long is slept instead where the kernel has no memory to wait with.
const SHORT_OF_MEMORY: Duration = Duration::from_millis(50);

/// Who may wake the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Hangup,
    /// The captures; they are asked at every turn.
    Captures,
    /// The kernel's news of network devices.
    Links,
    /// The kernel's news of nftables.
    Firewall,
    /// The end of the helper process.
    Helper,
    /// The helper's answers, while any are awaited.
    Lookups,
    /// The TCP listener and its connections.
    Listener,
    /// The control socket and its clients; at the page's desk, its own.
    Control,
    /// The page's desk; at the desk, the one poll.
    Desk,
}

/// What the next sleep ends with.
#[derive(Default)]
pub(super) struct Wait<'a> {
    fds: Vec<PollFd<'a>>,
    /// Whose each descriptor is.
    parts: Vec<Part>,
    due: Option<Duration>,
}

/// Who ended the sleep.
pub(super) struct Woken(Vec<Part>);

impl<'a> Wait<'a> {
    /// Wakes when one of these is readable, or reports an error.
    pub(super) fn readable(&mut self, part: Part, fds: impl IntoIterator<Item = BorrowedFd<'a>>) {
        self.any(part, fds.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    }

    /// Wakes only when one of these hangs up, or reports an error.
    pub(super) fn hung_up(&mut self, part: Part, fds: impl IntoIterator<Item = BorrowedFd<'a>>) {
        self.any(part, fds.into_iter().map(|fd| PollFd::new(fd, PollFlags::empty())));
    }

    /// Wakes when one of these is as it is waited for, or reports an error.
    pub(super) fn any(&mut self, part: Part, fds: impl IntoIterator<Item = PollFd<'a>>) {
        self.fds.extend(fds);
        self.parts.resize(self.fds.len(), part);
    }

    /// Wakes at this time since boot, if there is one; the earliest counts.
    pub(super) fn until(&mut self, due: Option<Duration>) {
        self.due = self.due.into_iter().chain(due).min();
    }

    /// Sleeps until a descriptor is ready or something is due; without either, for ever.
    ///
    /// # Errors
    /// One line, where the kernel cannot wait.
    pub(super) fn sleep(mut self) -> Result<Woken, String> {
        let left = self.due.map(|due| due.saturating_sub(since_boot()));
        match ppoll(&mut self.fds, left.map(TimeSpec::from), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            // Whatever is ready then still is at the next turn.
            Err(Errno::ENOMEM | Errno::EAGAIN) => std::thread::sleep(SHORT_OF_MEMORY),
            // The words of nix would be another 4 KB.
            Err(error) => return Err(format!("poll: {}", std::io::Error::from(error))),
        }
        let woke = self.fds.iter().zip(self.parts).filter(|(fd, _)| is_ready(fd));
        Ok(Woken(woke.map(|(_, part)| part).collect()))
    }
}

/// Whether the descriptor is as it was waited for, or has an error; also in ways that we have no name for.
pub(super) fn is_ready(fd: &PollFd<'_>) -> bool {
    fd.revents().is_none_or(|how| !how.is_empty())
}

impl Woken {
    /// Whether one of this part's descriptors was ready.
    pub(super) fn by(&self, part: Part) -> bool {
        self.0.contains(&part)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn only_who_is_ready_woke_us_and_the_earliest_deadline_counts() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let (_quiet, silent) = UnixStream::pair().unwrap();
        ours.write_all(b"x").unwrap();
        let mut wait = Wait::default();
        wait.readable(Part::Firewall, [silent.as_fd()]);
        wait.readable(Part::Captures, [silent.as_fd(), theirs.as_fd()]);
        wait.any(Part::Control, []);
        let woken = wait.sleep().unwrap();
        assert!(woken.by(Part::Captures));
        assert!(![Part::Firewall, Part::Control, Part::Stop].into_iter().any(|part| woken.by(part)));

        let start = since_boot();
        let mut wait = Wait::default();
        wait.readable(Part::Links, [silent.as_fd()]);
        wait.until(None);
        wait.until(Some(start + Duration::from_secs(3600)));
        wait.until(Some(start + Duration::from_millis(30)));
        wait.until(None);
        assert!(!wait.sleep().unwrap().by(Part::Links));
        let took = since_boot() - start;
        assert!(took >= Duration::from_millis(30) && took < Duration::from_secs(60), "{took:?}");
    }

    #[test]
    fn an_error_wakes_too() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(ours);
        let mut wait = Wait::default();
        wait.readable(Part::Links, [theirs.as_fd()]);
        assert!(wait.sleep().unwrap().by(Part::Links));
    }
}
