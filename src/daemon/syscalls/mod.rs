//! The system calls of the daemon, each with its reason: the source of our own filter and of procd's.
//!
//! `tests/lab_sandbox.rs` records a day in the life of a daemon and holds these tables against it.

mod serving;
mod starting;

pub use serving::SERVING;
pub use starting::{HELPING, STARTING};

/// One system call that the daemon may make.
#[derive(Clone, Copy, Debug)]
pub struct Syscall {
    /// Its name in the kernel.
    pub name: &'static str,
    /// What for.
    pub why: &'static str,
    /// Where it is made, if not in the recording of the tests: on x86-64, with glibc, while nothing fails.
    pub elsewhere: Option<&'static str>,
    /// What its arguments may be: one of these lists, all of whose entries hold; anything where there is none.
    pub only: &'static [&'static [Arg]],
}

/// What one argument of a system call may be; its lower 32 bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// The argument with this number, counted from 0, has this value.
    Is(u8, u32),
    /// The argument with this number has none of these bits.
    Lacks(u8, u32),
}

/// A call that the recording shows.
const fn call(name: &'static str, why: &'static str) -> Syscall {
    Syscall { name, why, elsewhere: None, only: &[] }
}

impl Syscall {
    /// The recording does not show it, because it is made there.
    const fn elsewhere(self, place: &'static str) -> Self {
        Self { elsewhere: Some(place), ..self }
    }

    /// Its arguments are bounded.
    const fn only(self, only: &'static [&'static [Arg]]) -> Self {
        Self { only, ..self }
    }
}

/// Where the recording does not look.
const MUSL: &str = "musl";
const GLIBC: &str = "another glibc";
const OTHERS: &str = "architectures without the older calls, or with 32 bits";
const NARROW: &str = "32-bit architectures";
const ERRORS: &str = "when something fails";
const LOAD: &str = "under load";

/// The names of all calls, in alphabetical order and each once, as procd's filter needs them: it is in force from
/// `main` on, and cannot be narrowed when the start is over.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = SERVING.iter().chain(STARTING).map(|call| call.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_stands_twice_in_a_table_or_lets_the_daemon_become_something_else() {
        for table in [SERVING, STARTING] {
            let mut names: Vec<&str> = table.iter().map(|call| call.name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
        }
        let both = names();
        assert_eq!(both.len(), SERVING.len() + STARTING.len(), "what is in both tables belongs into SERVING alone");
        for forbidden in [
            "execve",
            "execveat",
            "fork",
            "vfork",
            "clone",
            "clone3",
            "ptrace",
            "mount",
            "setns",
            "unshare",
            "bpf",
            "keyctl",
            "init_module",
            "process_vm_writev",
            "io_uring_setup",
            "connect",
            "listen",
            "kill",
            "chmod",
        ] {
            assert!(!SERVING.iter().any(|call| call.name == forbidden), "{forbidden}");
        }
        assert!(!both.iter().any(|name| name.starts_with("exec") || name.ends_with("fork")));
    }
}
