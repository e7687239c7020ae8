//! The table: which call fails, how, while the daemon does what, and what has to come of it.

use std::fmt;

/// What the call that fails is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// Whatever it is called for.
    Any,
    Capture,
    /// The netlink socket for requests to nftables.
    Requests,
    /// The netlink socket for nftables' news.
    Events,
    /// The netlink socket for news of devices.
    Links,
    /// The netlink socket by which devices are asked about.
    Asking,
    /// The netlink socket by which routes are asked for.
    Routes,
    /// The daemon's end of its line to the helper.
    Helper,
    Journal,
    NewJournal,
    NewState,
    StateDirectory,
    Config,
    Lock,
    /// The control socket's name.
    Control,
    File(&'static str),
}

/// What the daemon does when the call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Start,
    /// Nothing but waiting.
    Idle,
    Knock,
    TcpKnock,
    Command,
    Name,
    /// A client connects and asks for the status.
    Status,
    /// A reload that captures anew.
    Reload,
    /// The same by a signal.
    Hangup,
    Revoke,
    /// Somebody else changes the ruleset.
    Change,
    /// Somebody else deletes our table.
    Refill,
    /// The device goes and comes back.
    Device,
    /// The state file is written after a knock.
    Save,
    Stop,
}

/// What has to come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit status 1 and one line with this word.
    Ends(&'static str),
    /// A warning with these words; the daemon serves.
    Warns(&'static str),
    /// What was to be done is done at once all the same.
    Done,
    /// What was to be done is done by itself within so many seconds.
    Within(u64),
    /// The knock is refused for this reason, also when it is played again.
    Refused(&'static str),
    /// Whoever asked is told these words; the next time it works.
    Told(&'static str),
    /// Nobody is told; the next time it works.
    NextTime,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) moment: Moment,
    pub(crate) call: &'static str,
    pub(crate) on: On,
    pub(crate) nth: u32,
    /// The error, or a number that the call returns instead of doing anything.
    pub(crate) error: &'static str,
    pub(crate) outcome: Outcome,
}

const fn at(moment: Moment, call: &'static str, on: On, error: &'static str, outcome: Outcome) -> Point {
    Point { moment, call, on, nth: 1, error, outcome }
}

const fn nth(nth: u32, point: Point) -> Point {
    Point { nth, ..point }
}

use Moment::{
    Change, Command, Device, Hangup, Idle, Knock, Name, Refill, Reload, Revoke, Save, Start, Status, Stop, TcpKnock,
};
use On::{
    Any, Asking, Capture, Config, Control, Events, File, Journal, Links, Lock, NewJournal, NewState, Requests, Routes,
    StateDirectory,
};
use Outcome::{Done, Ends, NextTime, Refused, Told, Warns, Within};

/// On the way of a knock.
pub(crate) const KNOCKS: &[Point] = &[
    at(Idle, "ppoll", Any, "EINTR", Done),
    at(Idle, "ppoll", Any, "ENOMEM", Within(1)),
    at(Idle, "ppoll", Any, "EAGAIN", Within(1)),
    at(Knock, "poll", Capture, "EINTR", Done),
    at(Knock, "poll", Capture, "ENOMEM", Within(2)),
    at(Knock, "stat", Journal, "EIO", Done),
    at(Knock, "stat", Journal, "ENOENT", Done),
    at(Knock, "write", Journal, "ENOSPC", Done),
    at(Knock, "write", Journal, "EIO", Done),
    at(Knock, "write", Journal, "EINTR", Done),
    at(Knock, "write", Journal, "5", Done),
    at(Knock, "write", Journal, "0", Done),
    at(Knock, "sendto", Routes, "ENOBUFS", Refused("address_forbidden")),
    at(Knock, "recvfrom", Routes, "ENOBUFS", Refused("address_forbidden")),
    at(Knock, "recvfrom", Routes, "EINTR", Done),
    at(Knock, "recvfrom", Routes, "EAGAIN", Refused("address_forbidden")),
    at(Knock, "sendto", Requests, "EINTR", Done),
    at(Knock, "sendto", Requests, "ENOBUFS", Done),
    at(Knock, "sendto", Requests, "ENOMEM", Done),
    at(Knock, "sendto", Requests, "EMSGSIZE", Refused("firewall_error")),
    at(Knock, "sendto", Requests, "EPERM", Refused("firewall_denied")),
    nth(2, at(Knock, "recvfrom", Requests, "ENOMEM", Done)),
    at(Knock, "recvfrom", Requests, "EINTR", Done),
    at(Knock, "recvfrom", Requests, "ENOBUFS", Done),
    at(Knock, "recvfrom", Requests, "ENOMEM", Done),
    at(Knock, "recvfrom", Requests, "EAGAIN", Done),
    at(Knock, "recvfrom", Events, "EINTR", Done),
    at(Knock, "recvfrom", Events, "ENOBUFS", Done),
    at(Knock, "recvfrom", Events, "ENOMEM", Done),
    nth(2, at(TcpKnock, "accept4", Any, "EINTR", Done)),
    nth(2, at(TcpKnock, "accept4", Any, "ECONNABORTED", Done)),
    nth(2, at(TcpKnock, "accept4", Any, "EMFILE", Within(2))),
    at(TcpKnock, "accept4", Any, "ENFILE", Within(2)),
    at(TcpKnock, "getsockname", Any, "ENOBUFS", NextTime),
];

/// When the state file is written.
pub(crate) const SAVES: &[Point] = &[
    at(Save, "openat", NewState, "ENOSPC", NextTime),
    at(Save, "openat", NewState, "EROFS", NextTime),
    at(Save, "write", NewState, "ENOSPC", NextTime),
    at(Save, "write", NewState, "EDQUOT", NextTime),
    at(Save, "write", NewState, "5", Done),
    at(Save, "fsync", NewState, "EIO", NextTime),
    at(Save, "rename", NewState, "EROFS", NextTime),
    at(Save, "unlink", NewState, "EIO", NextTime),
    at(Save, "openat", StateDirectory, "EMFILE", Done),
    at(Save, "fsync", StateDirectory, "EIO", Done),
    at(Stop, "openat", NewState, "EIO", Warns("state.json")),
    at(Stop, "unlink", Control, "EIO", Done),
];

/// What others do to devices and ruleset.
pub(crate) const CHANGES: &[Point] = &[
    at(Device, "sendto", Asking, "ENOBUFS", Within(3)),
    at(Device, "recvfrom", Asking, "ENOMEM", Within(3)),
    at(Device, "recvfrom", Links, "EINTR", Within(3)),
    at(Device, "recvfrom", Links, "ENOBUFS", Within(3)),
    at(Device, "recvfrom", Links, "ENOMEM", Within(3)),
    at(Device, "socket", Any, "EMFILE", Within(3)),
    at(Device, "bind", Any, "ENODEV", Within(3)),
    at(Device, "setsockopt", Any, "ENOMEM", Within(3)),
    at(Device, "eventfd2", Any, "EMFILE", Within(3)),
    at(Change, "recvfrom", Events, "ENOBUFS", Done),
    at(Change, "recvfrom", Events, "ENOMEM", Within(2)),
    at(Refill, "recvfrom", Events, "ENOBUFS", Done),
    at(Refill, "sendto", Requests, "ENOBUFS", Done),
    at(Refill, "recvfrom", Requests, "ENOBUFS", Done),
    at(Refill, "recvfrom", Requests, "ENOMEM", Done),
    nth(2, at(Refill, "sendto", Requests, "ENOMEM", Within(3))),
    nth(3, at(Refill, "sendto", Requests, "ENOMEM", Done)),
];

/// What people ask for.
pub(crate) const REQUESTS: &[Point] = &[
    at(Status, "accept4", Any, "EMFILE", Within(2)),
    at(Status, "accept4", Any, "ENFILE", Within(2)),
    at(Status, "accept4", Any, "ECONNABORTED", Within(2)),
    at(Status, "accept4", Any, "EINTR", Done),
    at(Status, "getsockopt", Any, "EIO", Told("only root")),
    at(Status, "ioctl", Any, "ENOMEM", Told("control.sock")),
    at(Revoke, "sendto", Requests, "ENOBUFS", Told("")),
    at(Revoke, "recvfrom", Requests, "ENOMEM", Done),
    nth(2, at(Revoke, "recvfrom", Requests, "ENOMEM", Told(""))),
    at(Reload, "openat", Config, "EACCES", Told("gave up root")),
    at(Reload, "openat", Config, "EMFILE", Done),
    nth(2, at(Reload, "openat", Config, "EMFILE", Told("config"))),
    nth(2, at(Reload, "openat", Config, "ENFILE", Told("config"))),
    nth(2, at(Reload, "openat", Config, "EIO", Told("config"))),
    at(Reload, "read", Config, "EIO", Told("config")),
    at(Reload, "read", Config, "EINTR", Done),
    at(Reload, "socket", Any, "EMFILE", Told("routes")),
    nth(2, at(Reload, "socket", Any, "EMFILE", Done)),
    at(Reload, "bind", Any, "ENODEV", Told("wan")),
    at(Reload, "setsockopt", Any, "ENOMEM", Told("wan")),
    nth(4, at(Reload, "setsockopt", Any, "ENOMEM", Done)),
    nth(5, at(Reload, "setsockopt", Any, "ENOMEM", Told("the kernel takes no filter"))),
    at(Reload, "eventfd2", Any, "EMFILE", Done),
    at(Hangup, "openat", Config, "EACCES", NextTime),
];

/// With a helper.
pub(crate) const HELPER: &[Point] = &[
    at(Command, "sendto", On::Helper, "EAGAIN", Refused("helper")),
    at(Command, "sendto", On::Helper, "ENOBUFS", Refused("helper")),
];

/// In the helper's process.
pub(crate) const HELPERS: &[Point] = &[
    at(Command, "fork", Any, "EAGAIN", NextTime),
    at(Command, "fork", Any, "ENOMEM", NextTime),
    at(Command, "execve", Any, "ENOMEM", NextTime),
    at(Command, "openat", File("/dev/null"), "EMFILE", NextTime),
    at(Command, "recvfrom", Any, "EINTR", Done),
    at(Command, "ppoll", Any, "ENOMEM", Done),
    at(Name, "fork", Any, "EAGAIN", Refused("nat_unresolved")),
    at(Name, "execve", Any, "ENOMEM", Refused("nat_unresolved")),
    at(Name, "pipe2", Any, "EMFILE", Refused("nat_unresolved")),
];

/// While the daemon starts.
pub(crate) const STARTS: &[Point] = &[
    at(Start, "openat", Config, "EACCES", Ends("config")),
    at(Start, "read", Config, "EIO", Ends("config")),
    at(Start, "socket", Any, "EMFILE", Ends("network devices")),
    nth(2, at(Start, "socket", Any, "ENOBUFS", Ends("network devices"))),
    nth(3, at(Start, "socket", Any, "EMFILE", Done)),
    nth(4, at(Start, "socket", Any, "EMFILE", Ends("wan"))),
    nth(5, at(Start, "socket", Any, "EMFILE", Ends("62202"))),
    nth(7, at(Start, "socket", Any, "EMFILE", Ends("netlink"))),
    nth(8, at(Start, "socket", Any, "ENOBUFS", Ends("nftables events"))),
    nth(10, at(Start, "socket", Any, "EMFILE", Ends("routes"))),
    at(Start, "socketpair", Any, "EMFILE", Ends("signals")),
    at(Start, "bind", Any, "ENOMEM", Ends("network devices")),
    at(Start, "setsockopt", Any, "ENOMEM", Ends("wan")),
    at(Start, "listen", Any, "EADDRINUSE", Ends("62202")),
    at(Start, "setresuid", Any, "EAGAIN", Ends("root")),
    at(Start, "setresgid", Any, "EPERM", Ends("root")),
    at(Start, "setgroups", Any, "EPERM", Ends("root")),
    at(Start, "capset", Any, "EPERM", Ends("root")),
    nth(12, at(Start, "prctl", Any, "EPERM", Ends("root"))),
    at(Start, "flock", Lock, "EAGAIN", Ends("another")),
    at(Start, "open", Lock, "ENOSPC", Done),
    at(Start, "mkdir", StateDirectory, "ENOSPC", Warns("state.json")),
    at(Start, "openat", File("/etc/passwd"), "EIO", Warns("no user")),
    at(Start, "openat", NewJournal, "ENOSPC", Warns("cannot write the journal")),
    at(Start, "seccomp", Any, "EINVAL", Warns("without a filter")),
    at(Start, "fork", Any, "EAGAIN", Warns("no thread")),
];

/// While a daemon with a helper starts.
pub(crate) const HELPER_STARTS: &[Point] = &[
    at(Start, "socketpair", Any, "EMFILE", Ends("helper")),
    at(Start, "fork", Any, "EAGAIN", Ends("helper")),
    at(Start, "sendto", Any, "ENOBUFS", Ends("helper")),
];

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { moment, call, on, nth, error, outcome } = self;
        write!(f, "{moment:?}: {call} {nth} on {on:?} fails with {error} -> {outcome:?}")
    }
}
