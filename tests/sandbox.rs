//! The filter of system calls bites: a process that wears it is denied what the daemon never does after its start.
#![cfg(all(feature = "seccomp", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
#![allow(unsafe_code, reason = "calls that have no safe wrapper are made by their number")]
#![allow(clippy::expect_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use rustix::net::netlink::{AUDIT, NETFILTER};
use rustix::net::{AddressFamily, Protocol, SocketType, socket};
use spa_knockd::daemon::sandbox::filter;

/// Set where a test runs in a process of its own.
const ALONE: &str = "SPA_SANDBOX_ALONE";

/// Runs this test again in a process of its own, and there does this work under the filter: all threads wear it, for
/// good.
fn confined(test: &str, work: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        assert_eq!(filter::install(), Ok(true));
        work();
        // The test harness would begin threads.
        std::process::exit(0);
    }
    let program = std::env::current_exe().expect("this program");
    let out = Command::new(program)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .expect("run the test alone");
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
}

fn is_denied<T>(outcome: io::Result<T>, what: &str) {
    let error = outcome.err().and_then(|error| error.raw_os_error());
    assert_eq!(error, Some(libc::EPERM), "{what}");
}

#[test]
fn no_program_thread_or_connection_is_begun() {
    let other = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    let directory = std::env::temp_dir().join(format!("spa-sandbox-{}", std::process::id()));
    fs::create_dir(&directory).expect("mkdir");
    let listener = UnixListener::bind(directory.join("there")).expect("listen");
    confined("no_program_thread_or_connection_is_begun", || {
        is_denied(Command::new("/bin/true").spawn(), "a program");
        is_denied(thread::Builder::new().spawn(|| ()), "a thread");
        is_denied(TcpStream::connect(other), "TCP");
        is_denied(TcpListener::bind("127.0.0.1:0"), "a listener");
        is_denied(UdpSocket::bind("127.0.0.1:0"), "UDP");
        is_denied(UdpSocket::bind("[::1]:0"), "UDP over IPv6");
        is_denied(UnixStream::connect(directory.join("there")), "another service");
        is_denied(UnixListener::bind(directory.join("here")), "a service");
    });
    drop(listener);
    fs::remove_dir_all(&directory).expect("clean up");
}

#[test]
fn sockets_are_those_that_are_opened_again() {
    let open =
        |family, kind, protocol: Option<Protocol>| socket(family, kind, protocol).map(drop).map_err(io::Error::from);
    confined("sockets_are_those_that_are_opened_again", || {
        assert!(open(AddressFamily::NETLINK, SocketType::RAW, None).is_ok());
        assert!(open(AddressFamily::NETLINK, SocketType::RAW, Some(NETFILTER)).is_ok());
        assert!(open(AddressFamily::UNIX, SocketType::DGRAM, None).is_ok());
        is_denied(open(AddressFamily::NETLINK, SocketType::RAW, Some(AUDIT)), "audit");
        is_denied(open(AddressFamily::INET, SocketType::RAW, Some(rustix::net::ipproto::ICMP)), "raw");
        is_denied(open(AddressFamily::VSOCK, SocketType::STREAM, None), "the host of a virtual machine");
    });
}

#[test]
fn files_are_written_but_nothing_about_them_is_changed() {
    let directory = std::env::temp_dir().join(format!("spa-sandbox-files-{}", std::process::id()));
    fs::create_dir(&directory).expect("mkdir");
    confined("files_are_written_but_nothing_about_them_is_changed", || {
        let file = directory.join("file");
        fs::write(&file, "state").expect("write");
        fs::rename(&file, directory.join("state")).expect("rename");
        let file = directory.join("state");
        is_denied(fs::set_permissions(&file, fs::Permissions::from_mode(0o4755)), "chmod");
        is_denied(std::os::unix::fs::chown(&file, Some(0), Some(0)), "chown");
        is_denied(std::os::unix::fs::symlink(&file, directory.join("link")), "symlink");
        is_denied(fs::create_dir(directory.join("more")), "mkdir");
        is_denied(std::env::set_current_dir(Path::new("/")), "chdir");
    });
    fs::remove_dir_all(&directory).expect("clean up");
}

/// The error of a call that is made by its number, with these arguments; 0 where it succeeded.
fn raw(number: libc::c_long, arguments: [libc::c_long; 4]) -> i32 {
    let [a, b, c, d] = arguments;
    // SAFETY: denied calls do nothing; the arguments of those that are let through are numbers, or null.
    let outcome = unsafe { libc::syscall(number, a, b, c, d, -1, 0) };
    if outcome == -1 { io::Error::last_os_error().raw_os_error().unwrap_or(0) } else { 0 }
}

#[test]
fn nothing_becomes_code_and_nothing_else_is_reached() {
    let anonymous = libc::c_long::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let (read_write, execute) =
        (libc::c_long::from(libc::PROT_READ | libc::PROT_WRITE), libc::c_long::from(libc::PROT_EXEC));
    confined("nothing_becomes_code_and_nothing_else_is_reached", || {
        assert_eq!(raw(libc::SYS_mmap, [0, 4096, read_write, anonymous]), 0);
        assert_eq!(raw(libc::SYS_mmap, [0, 4096, read_write | execute, anonymous]), libc::EPERM);
        assert_eq!(raw(libc::SYS_mprotect, [0, 0, execute, 0]), libc::EPERM);
        // A signal 0 would only ask whether the thread is there.
        let (process, thread) = (libc::c_long::from(std::process::id()), raw_thread());
        assert_eq!(raw(libc::SYS_tgkill, [process, thread, 0, 0]), libc::EPERM);
        for (name, number) in [
            ("execve", libc::SYS_execve),
            ("execveat", libc::SYS_execveat),
            ("ptrace", libc::SYS_ptrace),
            ("mount", libc::SYS_mount),
            ("setns", libc::SYS_setns),
            ("unshare", libc::SYS_unshare),
            ("bpf", libc::SYS_bpf),
            ("keyctl", libc::SYS_keyctl),
            ("init_module", libc::SYS_init_module),
            ("process_vm_writev", libc::SYS_process_vm_writev),
            ("io_uring_setup", libc::SYS_io_uring_setup),
            ("setresuid", libc::SYS_setresuid),
            ("capset", libc::SYS_capset),
            ("prctl", libc::SYS_prctl),
            ("seccomp", libc::SYS_seccomp),
        ] {
            assert_eq!(raw(number, [0; 4]), libc::EPERM, "{name}");
        }
    });
}

/// The calling thread's number.
fn raw_thread() -> libc::c_long {
    // SAFETY: the call has no arguments and cannot fail.
    unsafe { libc::syscall(libc::SYS_gettid) }
}
