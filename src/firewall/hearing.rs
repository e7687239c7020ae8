//! Hearing the kernel's notifications: a socket that fails for good is replaced after a pause, lest it wake us for ever.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::io::Errno;

use super::error::FirewallError;
use super::socket::Socket;
use crate::retry::Retry;

/// The socket, and when it is to be replaced.
#[derive(Debug)]
pub(super) struct Hearing {
    socket: Socket,
    retry: Retry,
}

impl Hearing {
    /// Hears every change of nftables from now on.
    pub(super) fn open() -> Result<Self, FirewallError> {
        Ok(Self { socket: Socket::events()?, retry: Retry::default() })
    }

    /// When a socket that failed is replaced; until then it is of no use to wait for it.
    pub(super) fn due(&self) -> Option<Duration> {
        self.retry.due()
    }

    /// What was heard is not enough to know the state, and that cannot be asked for now: it is as if the socket had failed.
    pub(super) fn doubt(&mut self, now: Duration) {
        self.retry.failed(now);
    }

    /// Reads one datagram of the kernel; `None` when there is none now. `now` is `CLOCK_BOOTTIME`.
    ///
    /// Lost ones are an overrun, `NOBUFS`, as are those that nobody heard before the socket was replaced.
    pub(super) fn receive(&mut self, buffer: &mut [u8], now: Duration) -> Result<Option<usize>, Errno> {
        if self.retry.is_due(now) {
            self.retry.tried();
            // Words come with the next failure to read.
            if let Ok(socket) = Socket::events() {
                self.socket = socket;
                return Err(Errno::NOBUFS);
            }
        } else if self.retry.due().is_some() {
            return Ok(None);
        }
        let received = self.socket.receive(buffer);
        if received.is_err_and(|errno| errno != Errno::NOBUFS) {
            self.retry.failed(now);
        }
        received
    }
}

impl AsFd for Hearing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_ends_with_an_overrun_that_has_the_state_asked_for_again() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let mut hearing = Hearing { socket: Socket::over(null.into()), retry: Retry::default() };
        let (buffer, now) = (&mut [0; 64][..], Duration::from_secs(9));
        hearing.doubt(now);
        assert_eq!((hearing.receive(buffer, now), hearing.due()), (Ok(None), Some(Duration::from_secs(10))));
        if rustix::process::geteuid().is_root() {
            assert_eq!(hearing.receive(buffer, Duration::from_secs(10)), Err(Errno::NOBUFS));
        }
    }

    #[test]
    fn a_socket_that_fails_is_left_alone_for_a_while_and_replaced() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let mut hearing = Hearing { socket: Socket::over(null.into()), retry: Retry::default() };
        let buffer = &mut [0; 64][..];
        let now = Duration::from_secs(9);
        assert_eq!(hearing.receive(buffer, now), Err(Errno::NOTSOCK));
        assert_eq!(hearing.due(), Some(Duration::from_secs(10)));
        assert_eq!(hearing.receive(buffer, now), Ok(None), "it failed once already");
        let replaced = hearing.receive(buffer, Duration::from_secs(10));
        if rustix::process::geteuid().is_root() {
            assert_eq!(replaced, Err(Errno::NOBUFS), "what happened meanwhile is not asked for");
            assert_eq!((hearing.receive(buffer, Duration::from_secs(10)), hearing.due()), (Ok(None), None));
        } else {
            assert_eq!(hearing.due(), Some(Duration::from_secs(12)), "{replaced:?}");
        }
    }
}
