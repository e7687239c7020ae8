//! The filter that the daemon puts on itself: what [`SERVING`] does not name fails with `EPERM`.
//!
//! Not the end of the process: a library that comes to use a neighbouring call finds it missing, as on an older
//! kernel, and the daemon's handling of errors does the rest.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter_all_threads,
};

use crate::daemon::syscalls::{Arg, SERVING};

/// `EPERM`.
const DENIED: u32 = 1;

/// Puts the filter on all threads for good, with `no_new_privs`; `true` when it is in force.
///
/// # Errors
/// One line: the kernel has no seccomp filters.
pub fn install() -> Result<bool, String> {
    let failed = |error: &dyn std::fmt::Display| format!("seccomp: {error}");
    let program = program().map_err(|error| failed(&error))?;
    apply_filter_all_threads(&program).map_err(|error| failed(&error))?;
    Ok(true)
}

/// The filter for this architecture.
fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules = BTreeMap::new();
    for call in SERVING {
        if let Some(number) = number(call.name) {
            rules.insert(number, call.only.iter().map(|all| rule(all)).collect::<Result<_, _>>()?);
        }
    }
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Errno(DENIED), SeccompAction::Allow, arch)?.try_into()
}

/// All of these hold.
fn rule(all: &[Arg]) -> Result<SeccompRule, seccompiler::BackendError> {
    let condition = |arg: &Arg| match *arg {
        Arg::Is(index, value) => {
            SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, u64::from(value))
        }
        Arg::Lacks(index, bits) => {
            SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(u64::from(bits)), 0)
        }
    };
    SeccompRule::new(all.iter().map(condition).collect::<Result<_, _>>()?)
}

/// The match that gives each name its number.
macro_rules! numbers {
    ($name:ident: $($every:ident $constant:ident,)* | $($old:ident $older:ident,)*) => {
        match $name {
            $(stringify!($every) => libc::$constant,)*
            $(#[cfg(target_arch = "x86_64")] stringify!($old) => libc::$older,)*
            // Only some of libc's tables for this architecture have it.
            #[cfg(target_arch = "aarch64")]
            "renameat" => 38,
            _ => return None,
        }
    };
}

/// The number of a system call on this architecture; none where the architecture does without it.
#[must_use]
#[rustfmt::skip]
pub fn number(name: &str) -> Option<i64> {
    Some(numbers! { name:
        ppoll SYS_ppoll,
        clock_nanosleep SYS_clock_nanosleep,
        nanosleep SYS_nanosleep,
        clock_gettime SYS_clock_gettime,
        gettimeofday SYS_gettimeofday,
        restart_syscall SYS_restart_syscall,
        rt_sigreturn SYS_rt_sigreturn,
        rt_sigprocmask SYS_rt_sigprocmask,
        rt_sigaction SYS_rt_sigaction,
        sigaltstack SYS_sigaltstack,
        read SYS_read,
        readv SYS_readv,
        pread64 SYS_pread64,
        write SYS_write,
        writev SYS_writev,
        openat SYS_openat,
        close SYS_close,
        lseek SYS_lseek,
        fstat SYS_fstat,
        newfstatat SYS_newfstatat,
        statx SYS_statx,
        fcntl SYS_fcntl,
        ftruncate SYS_ftruncate,
        fsync SYS_fsync,
        flock SYS_flock,
        renameat2 SYS_renameat2,
        unlinkat SYS_unlinkat,
        readlinkat SYS_readlinkat,
        faccessat SYS_faccessat,
        socket SYS_socket,
        bind SYS_bind,
        getsockname SYS_getsockname,
        accept4 SYS_accept4,
        accept SYS_accept,
        recvfrom SYS_recvfrom,
        recvmsg SYS_recvmsg,
        sendto SYS_sendto,
        sendmsg SYS_sendmsg,
        shutdown SYS_shutdown,
        setsockopt SYS_setsockopt,
        getsockopt SYS_getsockopt,
        ioctl SYS_ioctl,
        eventfd2 SYS_eventfd2,
        uname SYS_uname,
        brk SYS_brk,
        mmap SYS_mmap,
        munmap SYS_munmap,
        mremap SYS_mremap,
        mprotect SYS_mprotect,
        madvise SYS_madvise,
        futex SYS_futex,
        getrandom SYS_getrandom,
        wait4 SYS_wait4,
        waitid SYS_waitid,
        getpid SYS_getpid,
        gettid SYS_gettid,
        tgkill SYS_tgkill,
        tkill SYS_tkill,
        geteuid SYS_geteuid,
        exit SYS_exit,
        exit_group SYS_exit_group,
        |
        poll SYS_poll,
        open SYS_open,
        stat SYS_stat,
        lstat SYS_lstat,
        rename SYS_rename,
        renameat SYS_renameat,
        unlink SYS_unlink,
        readlink SYS_readlink,
        access SYS_access,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn every_call_has_its_number_but_those_of_32_bits() {
        let narrow = [
            "ppoll_time64",
            "clock_nanosleep_time64",
            "clock_gettime64",
            "sigreturn",
            "_llseek",
            "fstat64",
            "fstatat64",
            "stat64",
            "lstat64",
            "fcntl64",
            "ftruncate64",
            "recv",
            "send",
            "mmap2",
            "futex_time64",
            "geteuid32",
        ];
        let without: Vec<&str> = SERVING.iter().map(|call| call.name).filter(|name| number(name).is_none()).collect();
        assert_eq!(without, narrow);
        assert_eq!(number("execve"), None);
    }

    #[test]
    fn the_filter_fits_into_the_kernel() {
        // BPF_MAXINSNS of linux/bpf_common.h.
        assert!((100..4096).contains(&program().unwrap().len()));
    }
}
