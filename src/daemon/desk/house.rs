//! The desk's end of the way to the one poll: errands go out, and the answer is waited for, but not for ever.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::errand::{Done, Errand, Reply, Want};
use super::queue::{Receiver, Sender};
use crate::daemon::clock::since_boot;
use crate::limits::PAGE_PATIENCE;

/// What wakes the other end's poll, which waits for no channel.
#[derive(Debug)]
pub(super) struct Bell(UnixStream);

impl Bell {
    /// Both ends.
    pub(super) fn pair() -> io::Result<(Self, Self)> {
        let (here, there) = UnixStream::pair()?;
        here.set_nonblocking(true)?;
        there.set_nonblocking(true)?;
        Ok((Self(here), Self(there)))
    }

    /// Wakes the other end.
    pub(super) fn ring(&self) {
        // Where the socket is full, the other end has enough to wake up for.
        let _ = (&self.0).write(&[1]);
    }

    /// Takes note of all rings; whether the other end is still there.
    pub(super) fn hush(&self) -> bool {
        let mut rings = [0; 64];
        loop {
            match (&self.0).read(&mut rings) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    /// What to wait for.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Who does what the desk cannot.
pub(super) trait Host {
    /// Has it done and waits for what came of it; `None` where nobody answered in time.
    fn ask(&mut self, want: Want) -> Option<Done>;

    /// Has something logged: [`Want::Note`] or [`Want::Renewed`].
    fn tell(&mut self, want: Want);
}

/// The one poll, as the desk sees it.
#[derive(Debug)]
pub(super) struct House {
    errands: Sender<Errand>,
    replies: Receiver<Reply>,
    bell: Bell,
    number: u32,
}

impl House {
    pub(super) fn new(errands: Sender<Errand>, replies: Receiver<Reply>, bell: Bell) -> Self {
        Self { errands, replies, bell, number: 0 }
    }

    /// What to wait for.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.bell.fd()
    }

    /// Takes note of all rings.
    pub(super) fn hush(&self) {
        self.bell.hush();
    }

    /// Sends an errand out; whether there was room for it.
    fn send(&mut self, want: Want, until: Duration) -> bool {
        self.number = self.number.wrapping_add(1);
        let sent = self.errands.send(Errand { number: self.number, until, want });
        self.bell.ring();
        sent
    }
}

impl Host for House {
    fn ask(&mut self, want: Want) -> Option<Done> {
        let until = since_boot().saturating_add(Duration::from_secs(PAGE_PATIENCE));
        if !self.send(want, until) {
            return None;
        }
        loop {
            // An answer of another number is to an errand that was given up.
            let reply = self.replies.wait(until)?;
            if reply.number == self.number {
                return Some(reply.done);
            }
        }
    }

    fn tell(&mut self, want: Want) {
        // Where there is no room, the one poll has more to say than it can.
        self.send(want, Duration::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::queue;
    use super::*;

    #[test]
    fn the_right_answer_is_waited_for_and_a_late_one_is_not_taken_for_it() {
        let (errand_in, errands) = queue(4);
        let (replies, reply_out) = queue(4);
        let (bell, there) = Bell::pair().unwrap();
        let mut house = House::new(errand_in, reply_out, there);
        let close = || Want::Close { section: "alice".to_owned(), address: "192.0.2.1".parse().unwrap() };
        assert!(replies.send(Reply { number: 0, done: Done::Closed(7) }));
        let server = std::thread::spawn(move || {
            let errand = errands.wait(since_boot() + Duration::from_secs(5)).unwrap();
            assert!(errand.until > since_boot());
            assert!(replies.send(Reply { number: errand.number, done: Done::Closed(1) }));
        });
        assert_eq!(house.ask(close()), Some(Done::Closed(1)));
        server.join().unwrap();
        assert!(bell.hush());
        assert_eq!(house.ask(close()), None, "nobody is there any more");
        drop(house);
        assert!(!bell.hush());
    }

    #[test]
    fn rings_are_heard_however_many_there_were() {
        let (here, there) = Bell::pair().unwrap();
        for _ in 0..100_000 {
            here.ring();
        }
        assert!(there.hush());
        assert_eq!((&there.0).read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
