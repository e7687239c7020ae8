//! Private files that are replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::mem;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::input::read_up_to;

/// How the new content's file is called until it takes the old one's place.
pub const BESIDE: &str = "new";

/// Makes a directory that only its owner may enter, where it is missing; and the way to it, which others may go,
/// because the owner will not be the one who made it.
///
/// # Errors
/// What the system says.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file of ours in a directory that may belong to somebody less trusted than this process, and makes it
/// where `make` is set. What it holds stays as it is.
///
/// # Errors
/// What the system says, and [`io::ErrorKind::InvalidInput`] for anything but a regular file with this one name: a
/// link would turn what root does here against a file of somebody else.
pub fn open_own(path: &Path, make: bool) -> io::Result<File> {
    let wanted = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let flags = if make { wanted | OFlags::CREATE } else { wanted };
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() != 1 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file, or has other names; remove it"));
    }
    Ok(file)
}

/// What a plain file holds; `None` where there is none. What else stands in its place neither blocks nor is read.
///
/// # Errors
/// What the system says, [`io::ErrorKind::InvalidInput`] for anything but a plain file, and
/// [`io::ErrorKind::FileTooLarge`] for one with more than `most` bytes: such a file is not ours.
pub fn read_own(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file; remove it"));
    }
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than any that is written here");
    if found.len() > most {
        return Err(too_large());
    }
    let mut content = read_up_to(file, most.saturating_add(1))?;
    let fits = u64::try_from(content.len()).is_ok_and(|length| length <= most);
    if fits { Ok(Some(mem::take(&mut *content))) } else { Err(too_large()) }
}

/// A number that changes with every single byte of the content (FNV-1a, 32 bits): it tells damage, not malice.
#[must_use]
pub fn check(content: &[u8]) -> u32 {
    content.iter().fold(0x811c_9dc5, |hash: u32, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Writes `content` beside `path` with mode 0600, brings it to the disk, and puts it in the place of `path`;
/// whoever reads `path` sees the old content or the new, whatever fails in between.
///
/// # Errors
/// What the system says; `path` is then as it was.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<File> {
    let beside = path.with_extension(BESIDE);
    let written = write_new(&beside, content).and_then(|file| {
        fs::rename(&beside, path)?;
        Ok(file)
    });
    if written.is_err() {
        // The leftover is worth nothing, and removing it may fail for the same reason.
        let _ = fs::remove_file(&beside);
    }
    let file = written?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(file)
}

/// A new file with this content, on the disk, open for appending.
fn write_new(path: &Path, content: &[u8]) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_replaced_file_is_private_and_whole() {
        let directory = std::env::temp_dir().join(format!("spa-files-{}", std::process::id()));
        make_private_directory(&directory).unwrap();
        let path = directory.join("state.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn only_the_directory_itself_is_private_not_the_way_to_it() {
        let above = std::env::temp_dir().join(format!("spa-way-{}", std::process::id()));
        let directory = above.join("etc").join("state");
        make_private_directory(&directory).unwrap();
        make_private_directory(&directory).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        assert_eq!((mode(&above) & 0o500, mode(&above) & 0o011), (0o500, 0o011));
        assert_eq!(mode(&above.join("etc")), mode(&above));
        fs::remove_dir_all(&above).unwrap();
    }

    #[test]
    fn a_file_of_our_own_is_neither_a_link_nor_something_special() {
        let directory = std::env::temp_dir().join(format!("spa-links-{}", std::process::id()));
        make_private_directory(&directory).unwrap();
        let at = |name: &str| directory.join(name);
        fs::write(at("precious"), "of somebody else").unwrap();
        std::os::unix::fs::symlink(at("precious"), at("symlink")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
        fs::hard_link(at("precious"), at("hardlink")).unwrap();
        fs::create_dir(at("directory")).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for name in ["symlink", "dangling", "hardlink", "directory", "socket"] {
            assert!(open_own(&at(name), true).is_err(), "{name}");
            assert!(open_own(&at(name), false).is_err(), "{name}");
        }
        for name in ["symlink", "dangling", "directory", "socket"] {
            assert!(read_own(&at(name), 99).is_err(), "{name}");
        }
        drop(socket);
        assert_eq!(read_own(&at("new"), 99).unwrap(), None);
        assert_eq!(read_own(&at("precious"), 16).unwrap().unwrap(), b"of somebody else");
        assert_eq!(read_own(&at("precious"), 15).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(open_own(&at("new"), false).is_err());
        assert!(open_own(&at("new"), true).is_ok());
        assert!(open_own(&at("new"), false).is_ok());
        assert!(!at("nowhere").exists());
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_check_is_that_of_fnv_1a_and_tells_every_changed_byte() {
        assert_eq!((check(b""), check(b"a"), check(b"foobar")), (0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968));
        let content = *b"knock 1000 00";
        for at in 0..content.len() {
            for byte in (0..=u8::MAX).filter(|&byte| byte != content[at]) {
                let mut changed = content;
                changed[at] = byte;
                assert_ne!(check(&changed), check(&content));
            }
        }
    }

    #[test]
    fn a_failure_leaves_the_old_content() {
        let path = Path::new("/proc/self/state.json");
        assert!(replace(path, b"x").is_err());
    }
}
