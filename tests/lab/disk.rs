//! File systems in memory, small ones too.

use std::path::PathBuf;
use std::process::Command;

/// A tmpfs, as long as this lives.
#[derive(Debug)]
pub(crate) struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Mounts a tmpfs of this many KiB over an existing directory.
    pub(crate) fn mount(at: PathBuf, kib: u32) -> Self {
        let options = format!("size={kib}k");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).status();
        assert!(mount.is_ok_and(|status| status.success()), "cannot mount a tmpfs");
        Self(at)
    }

    /// Makes it read-only (`ro`) or writable (`rw`), also as this process sees it: `ip netns exec` gave it mounts of its
    /// own.
    pub(crate) fn remount(&self, how: &str, pid: u32) {
        for pid in [std::process::id(), pid] {
            let nsenter = ["-m", "-t", &pid.to_string(), "mount", "-o", &format!("remount,{how}")].map(str::to_owned);
            let mount = Command::new("nsenter").args(nsenter).arg(&self.0).status();
            assert!(mount.is_ok_and(|status| status.success()), "cannot remount {how}");
        }
    }

    /// Takes all the room that is left.
    pub(crate) fn fill(&self) {
        std::fs::write(self.0.join(FILLER), vec![0; 1 << 20]).expect_err("a disk that is full now");
    }

    /// Gives the room back.
    pub(crate) fn empty(&self) {
        std::fs::remove_file(self.0.join(FILLER)).expect("make room");
    }
}

/// What takes the room.
const FILLER: &str = "filler";

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
