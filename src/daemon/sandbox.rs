//! The last step of a start: what the daemon will never do again is taken from it.

use rustix::process::getuid;
use rustix::thread::{CapabilitySet, SecureComputingMode, capabilities, no_new_privs, secure_computing_mode};

use crate::control::reply::Sandbox;

/// Puts the filter on this thread, where this build has one and the kernel takes it, and says what the daemon is
/// confined to. A kernel without seccomp is warned of and does not keep the daemon from serving.
#[must_use]
pub fn enter() -> Sandbox {
    let uid = getuid().as_raw();
    let outer = secure_computing_mode().is_ok_and(|mode| mode == SecureComputingMode::Filter);
    let held = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let no_new_privs = no_new_privs().unwrap_or(false);
    let own = filter::install().unwrap_or_else(|line| {
        log::warn!("{line}; going on without a filter of system calls");
        false
    });
    Sandbox {
        uid,
        capabilities: held.iter_names().map(|(name, _)| name.to_ascii_lowercase()).collect(),
        no_new_privs,
        seccomp: match (own, outer) {
            (true, _) => "own",
            (false, true) => "outer",
            (false, false) => "none",
        },
    }
}

/// The filter, on architectures for which seccompiler makes one.
#[cfg(all(feature = "seccomp", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
pub mod filter;

/// The filter, where this build has none: procd's does that.
#[cfg(not(all(feature = "seccomp", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))))]
pub mod filter {
    /// Does nothing.
    ///
    /// # Errors
    /// None.
    pub fn install() -> Result<bool, String> {
        Ok(false)
    }
}
