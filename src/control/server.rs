//! The listening socket and its clients, inside the daemon's one poll.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::process::geteuid;

pub use super::peer::Answer;
use super::peer::Peer;
use super::request::Request;
use super::ring::Ring;
use super::socket::Listening;
use super::{CLIENTS_MAX, reply};

/// How long nobody is let in after the system could not let somebody in.
const DEAF_FOR: Duration = Duration::from_secs(1);

/// Strangers that one turn turns away.
const TURN: usize = 16;

/// The control socket with its clients; dropped, it removes its file.
#[derive(Debug)]
pub struct Control {
    listening: Listening,
    peers: Vec<Peer>,
    deaf_until: Option<Duration>,
    /// Whether people know that nobody can be let in.
    complained: bool,
}

impl Control {
    /// Listens at `path` with mode 0600; a socket that nobody listens at any more is replaced.
    ///
    /// # Errors
    /// One line that names the path.
    pub fn bind(path: &Path) -> Result<Self, String> {
        let listening = Listening::bind(path, "the control socket", 0o177)?;
        Ok(Self { listening, peers: Vec::new(), deaf_until: None, complained: false })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.listening.path()
    }

    /// What to wait for.
    pub fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        let door = PollFd::new(self.listening.as_fd(), PollFlags::POLLIN);
        self.deaf_until.is_none().then_some(door).into_iter().chain(self.peers.iter().map(Peer::poll_fd))
    }

    /// When there is something to do even if no client does anything; `None` while nobody is connected.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        self.peers.iter().filter_map(Peer::due).chain(self.deaf_until).min()
    }

    /// Lets clients in, reads, answers and writes, as far as that is possible without waiting.
    pub fn serve(&mut self, now: Duration, answer: &mut dyn FnMut(Request) -> Answer) {
        if self.deaf_until.is_none_or(|until| until <= now) {
            self.deaf_until = None;
            self.let_in(now);
        }
        self.peers.retain_mut(|peer| peer.turn(now, answer).is_ok());
    }

    /// Hands on what happened to the clients that follow.
    pub fn publish(&mut self, ring: &Ring, now: Duration) {
        self.peers.retain_mut(|peer| peer.publish(ring, now).is_ok());
    }

    fn let_in(&mut self, now: Duration) {
        for _ in 0..TURN {
            let stream = match self.listening.accept() {
                Ok(stream) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    if !std::mem::replace(&mut self.complained, true) {
                        log::warn!("{}: cannot let a client in: {error}", self.listening.path().display());
                    }
                    self.deaf_until = Some(now.saturating_add(DEAF_FOR));
                    return;
                }
            };
            self.complained = false;
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            if !is_welcome(&stream) {
                turn_away(stream, "only root and the daemon's own user may ask");
            } else if self.peers.len() >= CLIENTS_MAX {
                turn_away(stream, &format!("{CLIENTS_MAX} clients are connected already; try again later"));
            } else {
                self.peers.push(Peer::new(stream, now));
            }
        }
    }
}

/// Whether the client's process is root's or our own user's. One outside of our pid namespace has the number 0, for
/// which rustix has no type; a user outside of our user namespace shows as the kernel's overflow user, and is nobody.
fn is_welcome(stream: &UnixStream) -> bool {
    getsockopt(stream, PeerCredentials).is_ok_and(|peer| peer.uid() == 0 || peer.uid() == geteuid().as_raw())
}

/// Says why, and closes.
fn turn_away(mut stream: UnixStream, words: &str) {
    // It fits into the empty socket, or the client is gone.
    let _ = stream.write_all(&reply::error(words));
}
