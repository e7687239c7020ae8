//! From the web server's root to somebody who can ask the daemon, and nothing else.

use rustix::io;
use rustix::process::{DumpableBehavior, Gid, Uid, geteuid, getuid, set_dumpable_behavior};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::{FALLBACK_ID, GROUP};
use crate::daemon::privileges::{numbers_of, renounce};
use crate::input::text_of;

/// Gives up root, where the web server has it, then every capability, and every way back. Nothing of a visitor's may be
/// read before.
///
/// # Errors
/// One line; nothing of a visitor's may be read then either.
pub(super) fn drop_rights() -> Result<(), String> {
    if getuid().is_root() || geteuid().is_root() {
        let groups = text_of("/etc/group").unwrap_or_default();
        let (uid, gid) = whom(numbers_of(GROUP), &groups);
        become_them(Uid::from_raw(uid), Gid::from_raw(gid)).map_err(|error| format!("cannot give up root: {error}"))?;
    }
    // No debugger of the same user, and no core file, gets at a password.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .and_then(|()| renounce())
        .map_err(|error| format!("cannot give up rights: {error}"))
}

fn become_them(uid: Uid, gid: Gid) -> io::Result<()> {
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)
}

/// User and group number by what /etc/passwd and /etc/group have; never root's. Where there is no such user, it is one
/// that nobody else is.
fn whom(user: Option<(u32, u32)>, groups: &str) -> (u32, u32) {
    let (uid, own) = user.filter(|&(uid, _)| uid != 0).unwrap_or((FALLBACK_ID, FALLBACK_ID));
    let gid = number_of_group(groups, GROUP).unwrap_or(own);
    (uid, if gid == 0 { FALLBACK_ID } else { gid })
}

/// The number of a group in the text of /etc/group.
fn number_of_group(groups: &str, name: &str) -> Option<u32> {
    let mut fields = groups.lines().map(|line| line.split(':')).find_map(|mut fields| {
        let found = fields.next() == Some(name);
        found.then_some(fields)
    })?;
    fields.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &str = "root:x:0:\nspa-knock-web-old:x:7:\nbroken\nspa-knock-web:x:628:www-data\n";

    #[test]
    fn the_page_runs_in_its_group_and_as_the_user_of_that_name() {
        assert_eq!(whom(Some((627, 900)), GROUPS), (627, 628));
        assert_eq!(whom(None, GROUPS), (FALLBACK_ID, 628));
        assert_eq!(whom(Some((627, 900)), "root:x:0:\n"), (627, 900));
        assert_eq!(whom(None, ""), (FALLBACK_ID, FALLBACK_ID));
    }

    #[test]
    fn root_and_its_group_are_never_kept() {
        assert_eq!(whom(Some((0, 0)), "spa-knock-web:x:0:\n"), (FALLBACK_ID, FALLBACK_ID));
        assert_eq!(whom(Some((0, 900)), ""), (FALLBACK_ID, FALLBACK_ID));
        assert_eq!(whom(Some((627, 0)), "spa-knock-web:x\n"), (627, FALLBACK_ID));
    }

    #[test]
    fn the_fallback_is_not_the_daemons() {
        assert_ne!(FALLBACK_ID, crate::daemon::privileges::FALLBACK_ID);
    }
}
