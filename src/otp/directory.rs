//! A directory of private files, each of which is replaced whole and on the disk, or not at all.
//!
//! It belongs to the daemon's user, whom root on the command line does not trust: no link in it is followed, and it
//! is opened once.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, flock, fsync, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::daemon::files::{BESIDE, make_private_directory};
use crate::input::read_up_to;

/// How often a lock that another process holds is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// The open directory.
#[derive(Debug)]
pub(super) struct Directory {
    opened: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens a directory below another one; `None` where there is none and `make` is not set. A new one belongs to
    /// the owner of the one above.
    pub(super) fn open(above: &Path, name: &str, make: bool) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if make {
            make_private_directory(above)?;
        }
        let parent = match rustix::fs::open(above, flags, Mode::empty()) {
            Ok(parent) => File::from(parent),
            Err(Errno::NOENT) if !make => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let made = make && mkdirat(&parent, name, Mode::RWXU).is_ok();
        let opened = match openat(&parent, name, flags | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(opened) => File::from(opened),
            Err(Errno::NOENT) if !make => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if made {
            give(&opened, &parent)?;
            fsync(&parent)?;
        }
        Ok(Some(Self { opened: opened.into(), path: above.join(name) }))
    }

    /// Where a file of it is, for people.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What a file holds; `None` where there is none.
    pub(super) fn read(&self, name: &str, most: u64) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(&self.opened, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
        }
        let content = read_up_to(file, most.saturating_add(1))?;
        let fits = u64::try_from(content.len()).is_ok_and(|length| length <= most);
        if fits { Ok(Some(content)) } else { Err(io::ErrorKind::FileTooLarge.into()) }
    }

    /// Brings a file with this content to the disk, and then into the place of the old one. Whoever reads `name`
    /// sees the old content or the new, whatever fails or dies in between.
    pub(super) fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let beside = format!("{name}.{BESIDE}");
        let written = self.write_new(&beside, content).and_then(|()| {
            renameat(&self.opened, &beside, &self.opened, name)?;
            Ok(())
        });
        if written.is_err() {
            // The leftover is worth nothing, and removing it may fail for the same reason.
            let _ = unlinkat(&self.opened, &beside, AtFlags::empty());
        }
        written?;
        fsync(&self.opened)?;
        Ok(())
    }

    fn write_new(&self, name: &str, content: &[u8]) -> io::Result<()> {
        match unlinkat(&self.opened, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.opened, name, flags, Mode::RUSR | Mode::WUSR)?);
        give(&file, &self.opened)?;
        file.write_all(content)?;
        file.sync_all()
    }

    /// Removes a file for good; whether there was one.
    pub(super) fn remove(&self, name: &str) -> io::Result<bool> {
        match unlinkat(&self.opened, name, AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        fsync(&self.opened)?;
        Ok(true)
    }

    /// The names of the files, in no order.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.opened)? {
            names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }

    /// Gives the directory and its plain files to the owner of the directory above. What is a link, or has other
    /// names, stays as it is.
    pub(super) fn hand_over(&self, above: &Path) -> io::Result<()> {
        let parent = File::open(above)?;
        give(&File::from(self.opened.try_clone()?), &parent)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        for name in self.names()? {
            let Ok(file) = openat(&self.opened, &name, flags, Mode::empty()).map(File::from) else { continue };
            let found = file.metadata()?;
            if found.is_file() && found.nlink() == 1 {
                give(&file, &parent)?;
            }
        }
        Ok(())
    }

    /// Takes the lock that a file stands for, or gives up after this time ([`io::ErrorKind::WouldBlock`]). It ends
    /// with what is handed back.
    pub(super) fn lock(&self, name: &str, patience: Duration) -> io::Result<File> {
        let wanted = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let lock = File::from(openat(&self.opened, name, wanted, Mode::RUSR | Mode::WUSR)?);
        let found = lock.metadata()?;
        if !found.is_file() || found.nlink() != 1 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file, or has other names"));
        }
        give(&lock, &self.opened)?;
        let begin = Instant::now();
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(lock),
                Err(Errno::WOULDBLOCK | Errno::INTR) if begin.elapsed() < patience => sleep(RETRY),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Gives what root has made to the owner of the directory that it is in.
fn give(file: &File, directory: impl std::os::fd::AsFd) -> io::Result<()> {
    let owner = rustix::fs::fstat(directory)?;
    // The group has no rights to it, and only root may give it to any: a daemon that never was root goes on.
    if file.metadata()?.uid() == owner.st_uid {
        return Ok(());
    }
    fchown(file, Some(owner.st_uid), Some(owner.st_gid))
}
