//! The two pipes of the page: standard input with its body, and the daemon's socket; neither is waited for for ever.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use zeroize::Zeroizing;

use super::wire::{Answer, Ask, line};
use crate::daemon::clock::since_boot;
use crate::limits::PAGE_LINE_MAX;

/// Why the daemon has not answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// So many ask it that one more cannot even wait.
    Busy,
    /// It is not there, says nothing, or nothing of ours; with a line for the web server's log.
    Away(String),
}

/// Reads so many bytes, within this time; `None` where fewer come.
pub(super) fn body(from: impl AsFd, length: usize, time: Duration) -> Option<Zeroizing<Vec<u8>>> {
    let until = since_boot().saturating_add(time);
    let mut body = Zeroizing::new(vec![0; length]);
    let mut rest = body.as_mut_slice();
    while !rest.is_empty() {
        wait(from.as_fd(), PollFlags::POLLIN, until).ok()?;
        // Past std's buffer, which would keep a copy of the password.
        match rustix::io::read(from.as_fd(), &mut *rest) {
            Ok(0) => return None,
            Ok(count) => rest = rest.get_mut(count..)?,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => return None,
        }
    }
    Some(body)
}

/// Asks the daemon, for at most this time.
pub(super) fn ask(socket: &Path, question: &Ask, time: Duration) -> Result<Answer, Silence> {
    let until = since_boot().saturating_add(time);
    let away = |error: &dyn std::fmt::Display| Silence::Away(format!("{}: {error}", socket.display()));
    let question = line(question).ok_or_else(|| away(&"the question is too long"))?;
    let mut stream = connected(socket).map_err(|error| match error {
        rustix::io::Errno::AGAIN => Silence::Busy,
        error => away(&error),
    })?;
    // A daemon that hears nobody more may have answered all the same.
    let _ = write(&mut stream, &question, until);
    let answer = read_line(&mut stream, until).map_err(|error| away(&error))?;
    Answer::parse(&answer).ok_or_else(|| away(&"this is no answer of a daemon of this version"))
}

/// Connects without waiting: a daemon that lets callers queue up to the end of its queue is busy.
fn connected(path: &Path) -> rustix::io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.into())
}

fn write(stream: &mut UnixStream, mut rest: &[u8], until: Duration) -> io::Result<()> {
    while !rest.is_empty() {
        wait(stream.as_fd(), PollFlags::POLLOUT, until)?;
        match stream.write(rest) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One line without its end.
fn read_line(stream: &mut UnixStream, until: Duration) -> io::Result<Vec<u8>> {
    let mut heard = Vec::new();
    let mut buffer = [0; 1_024];
    loop {
        wait(stream.as_fd(), PollFlags::POLLIN, until)?;
        let count = match stream.read(&mut buffer) {
            Ok(0) => return Err(io::Error::other("the daemon closed the connection without an answer")),
            Ok(count) => count,
            Err(error) if is_passing(&error) => continue,
            Err(error) => return Err(error),
        };
        heard.extend(buffer.get(..count).unwrap_or_default());
        if let Some(end) = heard.iter().position(|&byte| byte == b'\n') {
            heard.truncate(end);
            return Ok(heard);
        }
        if heard.len() >= PAGE_LINE_MAX {
            return Err(io::Error::other("the daemon's answer has no end"));
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

/// Waits until there is something to read, or room to write.
fn wait(fd: BorrowedFd<'_>, flags: PollFlags, until: Duration) -> io::Result<()> {
    let left = until.saturating_sub(since_boot());
    match ppoll(&mut [PollFd::new(fd, flags)], Some(TimeSpec::from(left)), None) {
        Ok(0) => Err(io::Error::other("nothing came in time")),
        Ok(_) => Ok(()),
        Err(Errno::EINTR) if !left.is_zero() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
