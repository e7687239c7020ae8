//! The listening socket and its clients, inside the daemon's one poll.

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{geteuid, umask};

pub use super::peer::Answer;
use super::peer::Peer;
use super::request::Request;
use super::ring::Ring;
use super::{CLIENTS_MAX, reply};

/// How long nobody is let in after the system could not let somebody in.
const DEAF_FOR: Duration = Duration::from_secs(1);

/// Strangers that one turn turns away.
const TURN: usize = 16;

/// The control socket with its clients; dropped, it removes its file.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of our file: another daemon's is not ours to remove.
    file: (u64, u64),
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
        let explain = |error: io::Error| format!("{}: cannot make the control socket: {error}", path.display());
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(format!("{}: cannot make the control socket: another file is there", path.display()));
            }
            Ok(_) if is_alive(path).map_err(explain)? => {
                return Err(format!("{}: another daemon listens there; stop it first", path.display()));
            }
            Ok(_) => fs::remove_file(path).map_err(explain)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(explain(error)),
        }
        let others = umask(Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(path);
        umask(others);
        let listener = bound.map_err(explain)?;
        listener.set_nonblocking(true).map_err(explain)?;
        let made = fs::symlink_metadata(path).map_err(explain)?;
        let file = (made.dev(), made.ino());
        Ok(Self { listener, path: path.to_owned(), file, peers: Vec::new(), deaf_until: None, complained: false })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What to wait for.
    pub fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        let door = PollFd::new(self.listener.as_fd(), PollFlags::POLLIN);
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
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    if !std::mem::replace(&mut self.complained, true) {
                        log::warn!("{}: cannot let a client in: {error}", self.path.display());
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

impl Drop for Control {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if ours {
            // In a directory that is not ours it stays, and the next start replaces it.
            let _ = fs::remove_file(&self.path);
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

/// Whether somebody listens at this socket; never waits.
fn is_alive(path: &Path) -> io::Result<bool> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&probe, &SocketAddrUnix::new(path)?) {
        Ok(()) | Err(Errno::AGAIN) => Ok(true),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
