//! From root to a user that may capture and change the firewall, and nothing else.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, chownat, fchmod, fchown as fchown_directory, fstat, open};
use rustix::io;
use rustix::process::{Gid, Uid, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::files::{self, open_own};
use super::store::LOCK;
use super::{journal, state};
use crate::input::text_of;
use crate::{control, otp, web};

/// The user and group where the named user does not exist.
pub const FALLBACK_ID: u32 = 62_201;

/// What is kept: changing nftables, and opening captures again after an interface came back.
const KEPT: CapabilitySet = CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_RAW);

/// The names of the capabilities that are kept, as procd's files write them.
#[must_use]
pub fn kept() -> Vec<String> {
    KEPT.iter_names().map(|(name, _)| format!("CAP_{name}")).collect()
}

/// Who the daemon becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    uid: u32,
    gid: u32,
    known: bool,
    /// Whether /etc/passwd puts the user into root's group.
    roots_group: bool,
}

impl User {
    /// Looks the user up in /etc/passwd.
    #[must_use]
    pub fn find(name: &str) -> Self {
        let passwd = text_of("/etc/passwd").unwrap_or_default();
        Self::find_in(&passwd, name)
    }

    /// The user in the text of /etc/passwd; root and root's group are never taken.
    fn find_in(passwd: &str, name: &str) -> Self {
        let found = numbers_in(passwd, name).filter(|(uid, _)| *uid != 0);
        let (uid, gid) = found.unwrap_or((FALLBACK_ID, FALLBACK_ID));
        let roots_group = gid == 0;
        Self { uid, gid: if roots_group { FALLBACK_ID } else { gid }, known: found.is_some(), roots_group }
    }

    /// Whether the user exists, and /etc/passwd puts it into root's group, which is not kept.
    #[must_use]
    pub fn is_in_roots_group(self) -> bool {
        self.roots_group
    }

    /// Whether the user exists.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.known
    }

    /// Hands a directory and our files in it over to the user, so that it can write there without rights. The
    /// directory may be the user's since an earlier start, who could have put links in the place of the files. One
    /// that holds files of others, such as /etc itself, stays as it is.
    ///
    /// # Errors
    /// One line. What cannot be handed over for another reason shows as a file that cannot be written, and is
    /// reported there.
    pub fn hand_over(self, directory: &Path) -> Result<(), String> {
        let Ok(opened) = File::open(directory) else { return Ok(()) };
        let is_theirs = opened.metadata().is_ok_and(|found| found.uid() == self.uid);
        if !is_theirs {
            if let Some(other) = of_others(directory) {
                return Err(format!(
                    "{}: {} is not spa-knockd's, so the directory is not handed over to the daemon's user; name a \
                     directory that holds nothing else",
                    directory.display(),
                    other.display()
                ));
            }
            let _ = fchown(&opened, Some(self.uid), Some(self.gid));
        }
        for name in [journal::FILE, state::FILE, LOCK] {
            let _ =
                open_own(&directory.join(name), false).and_then(|file| fchown(file, Some(self.uid), Some(self.gid)));
        }
        Ok(())
    }

    /// Hands our socket over. A link that the user has put in its place meanwhile is left alone, be it symbolic or
    /// another name of somebody else's file.
    pub fn hand_over_socket(self, path: &Path) {
        // What cannot be handed over stays root's, who can use it all the same.
        let _ = self.try_hand_over_socket(path);
    }

    fn try_hand_over_socket(self, path: &Path) -> io::Result<()> {
        let socket = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let found = fstat(&socket)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Socket || found.st_nlink != 1 {
            return Err(io::Errno::INVAL);
        }
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        chownat(&socket, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
    }

    /// Becomes the user and gives up every capability but `CAP_NET_ADMIN` and `CAP_NET_RAW`, for good.
    ///
    /// # Errors
    /// What the system says; the process must not go on then.
    pub fn become_it(self) -> io::Result<()> {
        for capability in CapabilitySet::all().iter() {
            match remove_capability_from_bounding_set(capability) {
                // An older kernel does not know the newest capabilities.
                Ok(()) | Err(io::Errno::INVAL) => {}
                Err(error) => return Err(error),
            }
        }
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_keep_capabilities(true)?;
        set_thread_groups(&[])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        set_keep_capabilities(false)?;
        keep(KEPT)
    }
}

/// Lets a group connect to a socket of ours, and go to it through our directory, in which it sees nothing else. A
/// directory that is not ours alone is left as it is. Where all is well already, as an init script can have it, nothing
/// is changed, so no right to do so is needed.
///
/// # Errors
/// One line, where the group cannot reach the socket.
pub fn open_to(directory: &Path, socket: &Path, gid: u32) -> Result<(), String> {
    let opened = || -> io::Result<()> {
        let path = open(socket, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let found = fstat(&path)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Socket || found.st_nlink != 1 {
            return Err(io::Errno::INVAL);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = open(directory, flags, Mode::empty())?;
        let above = fstat(&directory)?;
        if above.st_uid != found.st_uid {
            return Err(io::Errno::PERM);
        }
        let group = Some(Gid::from_raw(gid));
        if found.st_gid != gid {
            chownat(&path, c"", None, group, AtFlags::EMPTY_PATH)?;
        }
        if above.st_gid != gid {
            fchown_directory(&directory, None, group)?;
        }
        let mode = Mode::from_raw_mode(above.st_mode);
        if mode & (Mode::RWXU | Mode::RWXG | Mode::RWXO) != Mode::RWXU | Mode::XGRP {
            fchmod(&directory, mode & (Mode::SUID | Mode::SGID | Mode::SVTX) | Mode::RWXU | Mode::XGRP)?;
        }
        Ok(())
    };
    opened().map_err(|error| {
        let socket = socket.display();
        format!("{socket}: group {gid} cannot be let in: {error}; only root and the daemon's user can use the page")
    })
}

/// Gives up what a process that is not root was started with beyond `CAP_NET_ADMIN` and `CAP_NET_RAW`: procd's jail,
/// say, hands over ambient capabilities, which any program it starts would have, too.
///
/// # Errors
/// What the system says.
pub fn confine() -> io::Result<()> {
    keep(capabilities(None)?.permitted & KEPT)
}

/// Gives up every capability: for processes of ours that need none, whoever made them.
///
/// # Errors
/// What the system says; the process must not go on then.
pub fn renounce() -> io::Result<()> {
    keep(CapabilitySet::empty())
}

/// Keeps these capabilities and no way to others. What cannot be inherited cannot be ambient either.
fn keep(kept: CapabilitySet) -> io::Result<()> {
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?;
    set_no_new_privs(true)
}

/// A file in the directory that the daemon does not make.
fn of_others(directory: &Path) -> Option<PathBuf> {
    let is_ours = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let beside = path.extension().is_some_and(|extension| extension == files::BESIDE);
        let stem = |file| Path::new(file).with_extension("") == Path::new(name).with_extension("");
        [journal::FILE, state::FILE, LOCK, control::FILE, web::FILE, otp::store::DIRECTORY].contains(&name)
            || (beside && [journal::FILE, state::FILE].into_iter().any(stem))
    };
    let mut entries = fs::read_dir(directory).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    entries.find(|path| !is_ours(path))
}

/// User and group number of a user in /etc/passwd, root included.
#[must_use]
pub fn numbers_of(name: &str) -> Option<(u32, u32)> {
    numbers_in(&text_of("/etc/passwd").unwrap_or_default(), name)
}

/// Whether the process is root, and so can become somebody else.
#[must_use]
pub fn is_root() -> bool {
    getuid().is_root()
}

fn numbers_in(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let fields =
        passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&name))?;
    let uid = fields.get(2)?.parse().ok()?;
    let gid = fields.get(3)?.parse().ok()?;
    Some((uid, gid))
}

#[cfg(test)]
mod tests {
    use super::{FALLBACK_ID, User, numbers_in};
    use crate::daemon::files::make_private_directory;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::os::unix::net::UnixListener;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/ash\nspa-knockd:x:627:628::/var:/bin/false\nbroken:x\n";
        let numbers = |name| {
            let user = User::find_in(passwd, name);
            (user.uid, user.gid, user.known)
        };
        assert_eq!(numbers("spa-knockd"), (627, 628, true));
        for name in ["spa", "root", "broken"] {
            assert_eq!(numbers(name), (FALLBACK_ID, FALLBACK_ID, false), "{name}");
        }
        assert_eq!(numbers_in(passwd, "root"), Some((0, 0)));
        assert_eq!(numbers_in(passwd, "broken"), None);
    }

    #[test]
    fn roots_group_is_never_kept() {
        let user = User::find_in("spa-knockd:x:627:0::/var:/bin/false\n", "spa-knockd");
        assert_eq!((user.uid, user.gid), (627, FALLBACK_ID));
        assert!(user.is_known() && user.is_in_roots_group());
        assert!(!User::find_in("", "spa-knockd").is_in_roots_group());
    }

    #[test]
    fn a_directory_with_files_of_others_is_not_handed_over() {
        if !super::is_root() {
            return;
        }
        let directory = std::env::temp_dir().join(format!("spa-shared-{}", std::process::id()));
        make_private_directory(&directory).unwrap();
        for name in ["journal", "journal.new", "state.json", "state.new", "lock", "control.sock", "web.sock", "otp"] {
            fs::write(directory.join(name), "").unwrap();
        }
        let owner = || fs::metadata(&directory).unwrap().uid();
        let user = User { uid: 62_201, gid: 62_201, known: true, roots_group: false };
        fs::write(directory.join("shadow"), "of somebody else").unwrap();
        assert!(user.hand_over(&directory).unwrap_err().contains("shadow is not spa-knockd's"));
        assert_eq!(owner(), 0);
        fs::remove_file(directory.join("shadow")).unwrap();
        user.hand_over(&directory).unwrap();
        assert_eq!(owner(), 62_201);
        assert_eq!(fs::metadata(directory.join("journal")).unwrap().uid(), 62_201);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn only_a_socket_of_ours_is_handed_over() {
        if !super::is_root() {
            return;
        }
        let directory = std::env::temp_dir().join(format!("spa-hand-over-{}", std::process::id()));
        make_private_directory(&directory).unwrap();
        let at = |name: &str| directory.join(name);
        fs::write(at("precious"), "of somebody else").unwrap();
        symlink(at("precious"), at("symlink")).unwrap();
        fs::hard_link(at("precious"), at("hardlink")).unwrap();
        let _sockets = ["ours", "theirs"].map(|name| UnixListener::bind(at(name)).unwrap());
        fs::hard_link(at("theirs"), at("their-socket")).unwrap();
        let user = User { uid: 62_201, gid: 62_201, known: true, roots_group: false };
        for (name, handed_over) in
            [("precious", false), ("symlink", false), ("hardlink", false), ("their-socket", false), ("ours", true)]
        {
            user.hand_over_socket(&at(name));
            let found = fs::symlink_metadata(at(name)).unwrap();
            assert_eq!((found.uid(), found.gid()) == (62_201, 62_201), handed_over, "{name}");
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}
