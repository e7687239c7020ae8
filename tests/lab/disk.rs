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
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
