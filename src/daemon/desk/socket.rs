//! The page's socket: who may connect, and the group by which the page's program reaches it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::process::{getegid, geteuid};

use crate::control::socket::Listening;
use crate::daemon::privileges::numbers_of;
use crate::input::text_of;
use crate::web::{FALLBACK_ID, FILE, GROUP};

/// How long nobody is let in after the system could not let somebody in.
const DEAF_FOR: Duration = Duration::from_secs(1);

/// The group of the page's program, and who else is of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    gid: u32,
    /// Users of the group whose first group is another one, such as a web server's own.
    members: Vec<u32>,
    /// Whether the system knows it.
    is_known: bool,
}

impl Group {
    fn find() -> Self {
        let groups = text_of("/etc/group").unwrap_or_default();
        Self::find_in(&groups, &|user| numbers_of(user))
    }

    /// The group in the text of /etc/group, or that of the user of this name; root's group is never taken.
    fn find_in(groups: &str, numbers_of: &dyn Fn(&str) -> Option<(u32, u32)>) -> Self {
        let mut lines = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let line = lines.find(|fields| fields.first() == Some(&GROUP)).unwrap_or_default();
        let listed = line.get(2).and_then(|number| number.parse().ok());
        let found = listed.or_else(|| numbers_of(GROUP).map(|(_, gid)| gid)).filter(|gid| *gid != 0);
        let names = line.get(3).copied().unwrap_or_default().split(',').filter(|name| !name.is_empty());
        let members = names.filter_map(|name| numbers_of(name.trim()).map(|(uid, _)| uid)).collect();
        Self { gid: found.unwrap_or(FALLBACK_ID), members, is_known: found.is_some() }
    }
}

/// The socket, on which nobody is let in yet.
#[derive(Debug)]
pub struct PageSocket {
    listening: Listening,
    group: Group,
    deaf_until: Option<Duration>,
    complained: bool,
}

impl PageSocket {
    /// Listens in the run directory with mode 0660.
    ///
    /// # Errors
    /// One line that names the path.
    pub fn bind(run: &Path) -> Result<Self, String> {
        let listening = Listening::bind(&run.join(FILE), "the page's socket", 0o117)?;
        let inherited = fs::symlink_metadata(listening.path()).ok().map(|found| found.gid());
        let mut group = Group::find();
        // A directory can hand its group on (mode 2710): so a daemon that may change nothing gets it from who may.
        if let Some(gid) = inherited.filter(|gid| *gid != 0 && *gid != getegid().as_raw()) {
            (group.gid, group.is_known) = (gid, true);
        }
        Ok(Self { listening, group, deaf_until: None, complained: false })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.listening.path()
    }

    /// The number of the group that may connect.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.group.gid
    }

    /// What to tell people of the group, if anything.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let lacks = || format!("there is no group '{GROUP}'; the page's program is let in as number {FALLBACK_ID}");
        (!self.group.is_known).then(lacks)
    }

    /// Until when nobody is let in, a time since boot.
    pub(super) fn deaf_until(&self) -> Option<Duration> {
        self.deaf_until
    }

    /// The next one who may come in.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] for one who was turned away, and whatever else keeps everybody out for now.
    pub(super) fn accept(&mut self, now: Duration) -> io::Result<UnixStream> {
        if self.deaf_until.is_some_and(|until| now < until) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.deaf_until = None;
        let accepted = self.listening.accept();
        if let Err(error) = &accepted
            && error.kind() != io::ErrorKind::WouldBlock
        {
            if !std::mem::replace(&mut self.complained, true) {
                log::warn!("{}: cannot let anybody in: {error}", self.path().display());
            }
            self.deaf_until = Some(now.saturating_add(DEAF_FOR));
        }
        let stream = accepted?;
        self.complained = false;
        stream.set_nonblocking(true)?;
        if self.is_welcome(&stream) { Ok(stream) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    /// Whether the other end is root's, our own user's, or of the group.
    fn is_welcome(&self, stream: &UnixStream) -> bool {
        getsockopt(stream, PeerCredentials).is_ok_and(|peer| {
            let uid = peer.uid();
            uid == 0 || uid == geteuid().as_raw() || peer.gid() == self.group.gid || self.group.members.contains(&uid)
        })
    }
}

impl AsFd for PageSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listening.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_found_by_its_whole_name_and_is_never_roots() {
        let users = |name: &str| match name {
            "www-data" => Some((33, 33)),
            "nginx" => Some((101, 101)),
            _ => None,
        };
        let of = |groups: &str| {
            let Group { gid, members, is_known } = Group::find_in(groups, &users);
            (gid, members, is_known)
        };
        let text = "root:x:0:\nspa-knock-web-old:x:7:\nspa-knock-web:x:628:www-data,nobody-there,nginx\n";
        assert_eq!(of(text), (628, vec![33, 101], true));
        assert_eq!(of("spa-knock-web:x:628:\n"), (628, vec![], true));
        for text in ["", "spa-knock-web:x:0:\n", "spa-knock-web:x\n", "spa-knock-web:x:-1:\n"] {
            assert_eq!(of(text), (FALLBACK_ID, vec![], false), "{text}");
        }
        let own = |name: &str| (name == GROUP).then_some((700, 701));
        assert_eq!(Group::find_in("", &own).gid, 701);
    }
}
