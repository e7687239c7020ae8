//! A listening socket in the run directory: one that nobody listens at any more is replaced, and ours goes with us.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, RawMode};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::umask;

/// The socket, which never waits; dropped, it removes its file.
#[derive(Debug)]
pub(crate) struct Listening {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of our file: another daemon's is not ours to remove.
    file: (u64, u64),
}

impl Listening {
    /// Listens at `path`; `what` is the name that messages use, `mask` the mode's bits that it does not have.
    ///
    /// # Errors
    /// One line that names the path.
    pub(crate) fn bind(path: &Path, what: &str, mask: RawMode) -> Result<Self, String> {
        let explain = |error: io::Error| format!("{}: cannot make {what}: {error}", path.display());
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(format!("{}: cannot make {what}: another file is there", path.display()));
            }
            Ok(_) if is_alive(path).map_err(explain)? => {
                return Err(format!("{}: another daemon listens there; stop it first", path.display()));
            }
            Ok(_) => fs::remove_file(path).map_err(explain)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(explain(error)),
        }
        let others = umask(Mode::from_raw_mode(mask));
        let bound = UnixListener::bind(path);
        umask(others);
        let listener = bound.map_err(explain)?;
        listener.set_nonblocking(true).map_err(explain)?;
        let made = fs::symlink_metadata(path).map_err(explain)?;
        let file = (made.dev(), made.ino());
        Ok(Self { listener, path: path.to_owned(), file })
    }

    /// Where it listens.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The next connection; never waits.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().map(|(stream, _)| stream)
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if ours {
            // In a directory that is not ours it stays, and the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
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
