//! What the daemon needs once it has started, which is all that our own filter lets through.

use super::{Arg, ERRORS, GLIBC, LOAD, MUSL, NARROW, OTHERS, Syscall, call};

/// `PROT_EXEC`: nothing that was written becomes code.
const EXECUTABLE: u32 = 4;
/// `SIGABRT`: the only signal that the daemon sends, to itself.
const ABORT: u32 = 6;
/// Families of sockets: `AF_UNIX`, `AF_NETLINK`, `AF_PACKET`.
const UNIX: u32 = 1;
const NETLINK: u32 = 16;
const PACKET: u32 = 17;
/// What netlink sockets speak: `NETLINK_ROUTE`, `NETLINK_NETFILTER`, `NETLINK_GENERIC`.
const ROUTE: u32 = 0;
const NETFILTER: u32 = 12;
const GENERIC: u32 = 16;

/// The calls of a daemon that serves.
pub const SERVING: &[Syscall] = &[
    // Waiting.
    call("ppoll", "the one poll"),
    call("ppoll_time64", "the one poll").elsewhere(NARROW),
    call("poll", "libpcap looks whether its ring has frames"),
    call("clock_nanosleep", "a short rest under load").elsewhere(LOAD),
    call("clock_nanosleep_time64", "a short rest under load").elsewhere(NARROW),
    call("nanosleep", "a short rest under load").elsewhere(MUSL),
    call("clock_gettime", "the time, where the kernel's page for it does not serve").elsewhere(OTHERS),
    call("clock_gettime64", "the time").elsewhere(NARROW),
    call("gettimeofday", "the time of frames").elsewhere(OTHERS),
    call("restart_syscall", "a wait goes on after a stop signal or a debugger").elsewhere(ERRORS),
    // Signals.
    call("rt_sigreturn", "the end of a signal handler"),
    call("sigreturn", "the end of a signal handler").elsewhere(NARROW),
    call("rt_sigprocmask", "libc holds signals back while it aborts").elsewhere(ERRORS),
    call("rt_sigaction", "libc takes the handler of SIGABRT away while it aborts").elsewhere(ERRORS),
    call("sigaltstack", "the stack guard is taken down at the end"),
    // Descriptors and files: configuration, journal, state, replies, log.
    call("read", "files, and the pipe of the signal handlers"),
    call("readv", "files").elsewhere(MUSL),
    call("pread64", "files").elsewhere(MUSL),
    call("write", "files and log lines"),
    call("writev", "log lines").elsewhere(MUSL),
    call("openat", "configuration, journal, state, routes of devices below /sys; which ones, permissions decide"),
    call("open", "the same").elsewhere(MUSL),
    call("close", "files, sockets, captures"),
    call("lseek", "files").elsewhere(MUSL),
    call("_llseek", "files").elsewhere(NARROW),
    call("fstat", "how long a file is").elsewhere(MUSL),
    call("fstat64", "how long a file is").elsewhere(NARROW),
    call("newfstatat", "what a file is"),
    call("fstatat64", "what a file is").elsewhere(NARROW),
    call("stat", "what a file is").elsewhere(MUSL),
    call("stat64", "what a file is").elsewhere(NARROW),
    call("lstat", "what a file is").elsewhere(MUSL),
    call("lstat64", "what a file is").elsewhere(NARROW),
    call("statx", "what a file is, and whether the journal was removed"),
    call("fcntl", "descriptors that do not wait and are not inherited; debug builds look before they close"),
    call("fcntl64", "the same").elsewhere(NARROW),
    call("ftruncate", "half a record of the journal is taken back").elsewhere(ERRORS),
    call("ftruncate64", "half a record of the journal is taken back").elsewhere(NARROW),
    call("flock", "the store of one-time passwords"),
    call("fsync", "the state file, and that a one-time password is spent, are on flash before they count"),
    call("rename", "the new state file takes the old one's place"),
    call("renameat", "the new record of a one-time-password user takes the old one's place"),
    call("renameat2", "the same").elsewhere(OTHERS),
    call("unlink", "a leftover, and the control socket at the end"),
    call("unlinkat", "the same").elsewhere(OTHERS),
    call("readlink", "libpcap looks what kind of device it captures on").elsewhere("Wi-Fi devices"),
    call("readlinkat", "the same").elsewhere("Wi-Fi devices"),
    call("access", "libpcap looks what kind of device it captures on").elsewhere("Wi-Fi devices"),
    call("faccessat", "the same").elsewhere("Wi-Fi devices"),
    // Sockets: captures and netlink are opened again, clients let in, the helper told.
    call("socket", "captures, netlink, and sockets to ask about devices by; neither TCP nor UDP").only(&[
        &[Arg::Is(0, UNIX)],
        &[Arg::Is(0, PACKET)],
        &[Arg::Is(0, NETLINK), Arg::Is(2, ROUTE)],
        &[Arg::Is(0, NETLINK), Arg::Is(2, NETFILTER)],
        &[Arg::Is(0, NETLINK), Arg::Is(2, GENERIC)],
    ]),
    call("bind", "captures and netlink"),
    call("getsockname", "the number of a netlink socket"),
    call("accept4", "clients of the control socket and of the TCP listener"),
    call("accept", "the same").elsewhere("kernels without accept4"),
    call("recvfrom", "netlink, clients"),
    call("recvmsg", "netlink as libnl reads it").elsewhere("libpcap with libnl"),
    call("recv", "the same").elsewhere(NARROW),
    call("sendto", "netlink, clients, the helper, syslog"),
    call("sendmsg", "netlink as libnl writes it").elsewhere("libpcap with libnl"),
    call("send", "the same").elsewhere(NARROW),
    call("shutdown", "a connection that is given up").elsewhere(ERRORS),
    call("setsockopt", "the ring and the filter of a capture, room for netlink"),
    call("getsockopt", "who asks, what went wrong, what a capture counted"),
    call("ioctl", "name, number, kind and flags of devices; sockets that do not wait"),
    call("eventfd2", "libpcap makes one for each capture"),
    call("uname", "libpcap asks for the kernel's word size"),
    // Memory. Nothing that is mapped may be executed.
    call("brk", "memory").elsewhere(LOAD),
    call("mmap", "memory, and the ring of a capture").only(&[&[Arg::Lacks(2, EXECUTABLE)]]),
    call("mmap2", "the same").elsewhere(NARROW).only(&[&[Arg::Lacks(2, EXECUTABLE)]]),
    call("munmap", "memory"),
    call("mremap", "memory that grows").elsewhere(LOAD),
    call("mprotect", "memory of malloc").elsewhere(MUSL).only(&[&[Arg::Lacks(2, EXECUTABLE)]]),
    call("madvise", "memory that malloc gives back").elsewhere(MUSL),
    call("futex", "locks that somebody waits for; the page's desk waits for the one poll").elsewhere(LOAD),
    call("futex_time64", "the same").elsewhere(NARROW),
    call("getrandom", "names of journals, seeds of tables").elsewhere("a journal that is written anew"),
    // The helper's end, our own end.
    call("wait4", "whether the helper has ended").elsewhere(ERRORS),
    call("waitid", "the same").elsewhere(GLIBC),
    call("getpid", "the end by abort()").elsewhere(ERRORS),
    call("gettid", "the end by abort()").elsewhere(ERRORS),
    call("tgkill", "the end by abort()").elsewhere(ERRORS).only(&[&[Arg::Is(2, ABORT)]]),
    call("tkill", "the end by abort()").elsewhere(MUSL).only(&[&[Arg::Is(1, ABORT)]]),
    call("geteuid", "whose questions are answered; what a fault says about permissions").elsewhere(GLIBC),
    call("geteuid32", "the same").elsewhere(NARROW),
    call("exit", "the end of a thread").elsewhere(MUSL),
    call("exit_group", "the end"),
];
