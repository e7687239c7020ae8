//! Signals as readable descriptors, so that the one poll hears them.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// The signals that the daemon minds.
#[derive(Debug)]
pub struct Signals {
    stop: UnixStream,
    hangup: UnixStream,
}

impl Signals {
    /// Begins to listen for SIGTERM and SIGINT, which stop the daemon, and for SIGHUP.
    ///
    /// # Errors
    /// What the system says.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { stop: stream_of(&[SIGTERM, SIGINT])?, hangup: stream_of(&[SIGHUP])? })
    }

    /// Readable when the daemon is to stop.
    #[must_use]
    pub fn stop(&self) -> BorrowedFd<'_> {
        self.stop.as_fd()
    }

    /// Readable when SIGHUP arrived.
    #[must_use]
    pub fn hangup(&self) -> BorrowedFd<'_> {
        self.hangup.as_fd()
    }

    /// Takes note of SIGHUP.
    pub fn take_hangup(&mut self) {
        // Nothing to read means that the signal was taken note of already.
        let _ = self.hangup.read(&mut [0; 64]);
    }
}

/// A stream that gets a byte for each of these signals.
fn stream_of(signals: &[i32]) -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    for &signal in signals {
        pipe::register(signal, writer.try_clone()?)?;
    }
    Ok(reader)
}
