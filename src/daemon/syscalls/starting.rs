//! What the daemon needs besides while it starts, from `main` on: our own filter is not yet in force, procd's is.

use super::{GLIBC, MUSL, NARROW, OTHERS, Syscall, call};

/// The calls of a start that a serving daemon does not make.
pub const STARTING: &[Syscall] = &[
    // Making and handing over the directories, the lock, the control socket.
    call("mkdir", "the state and run directories"),
    call("mkdirat", "the same").elsewhere(OTHERS),
    call("getdents64", "whether a directory holds files of others"),
    call("getdents", "the same").elsewhere(OTHERS),
    call("umask", "nobody else may open the control socket"),
    call("fchown", "what the daemon writes becomes its user's"),
    call("fchown32", "the same").elsewhere(NARROW),
    call("fchownat", "the control socket becomes the user's"),
    call("fchmod", "the group of the one-time-password page gets to its socket"),
    call("listen", "the control socket, the page's, the TCP listener"),
    call("connect", "whether a daemon listens at an old socket; syslog").elsewhere("a second start, syslog"),
    call("socketpair", "the pipes of the signal handlers"),
    // Giving up root.
    call("getegid", "whether the page's socket has got another group from its directory")
        .elsewhere("a start without root"),
    call("getegid32", "the same").elsewhere(NARROW),
    call("getuid", "whether there is root to give up"),
    call("getuid32", "the same").elsewhere(NARROW),
    call("prctl", "the bounding set, no_new_privs"),
    call("setgroups", "no group of root's is kept"),
    call("setgroups32", "the same").elsewhere(NARROW),
    call("setresgid", "the user's group"),
    call("setresgid32", "the same").elsewhere(NARROW),
    call("setresuid", "the user"),
    call("setresuid32", "the same").elsewhere(NARROW),
    call("capget", "which capabilities there are"),
    call("capset", "which capabilities are kept"),
    call("seccomp", "our own filter"),
    call("clone3", "the thread that writes the state file"),
    call("clone", "the same").elsewhere(OTHERS),
    // What the libraries do for themselves.
    call("sched_getaffinity", "Rust finds its stack"),
    call("prlimit64", "Rust finds its stack").elsewhere(GLIBC),
    call("ugetrlimit", "Rust finds its stack").elsewhere(NARROW),
    call("getrlimit", "Rust finds its stack").elsewhere(MUSL),
    call("set_tid_address", "a thread begins").elsewhere(MUSL),
    call("set_robust_list", "a thread begins").elsewhere(GLIBC),
    call("rseq", "a thread begins").elsewhere(GLIBC),
    call("dup", "the pipes of the signal handlers").elsewhere(MUSL),
    call("getcwd", "where a relative path begins").elsewhere("relative paths"),
];

/// What a start makes besides where the configuration names commands or has host names looked up (`nat_dns`). procd's
/// filter has none of these: it would hold the helper's commands and look-ups, too, whatever they do, and the helper has
/// to stay root. So with commands or `nat_dns`, procd must put no filter on the service; our own comes after the helper
/// and does not hold it.
pub const HELPING: &[Syscall] = &[call("vfork", "the helper process").elsewhere(OTHERS)];
