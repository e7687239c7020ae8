//! The netlink sockets: one for requests, which the kernel answers at once, one for its notifications.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, getsockname, recvfrom, sendto, socket_with,
    sockopt,
};

use super::batch::Batch;
use super::error::FirewallError;
use super::numbers::{DUMP, INET, REQUEST, attr, kind};
use super::sets::Set;
use super::wire::{Attributes, Header, Messages, Writer};

/// The group of nftables notifications, `NFNLGRP_NFTABLES`, as a bit of the address.
const GROUP: u32 = 1 << (7 - 1);
/// What the kernel packs into one datagram at most.
pub(super) const DATAGRAM: usize = 32 * 1024;
/// Room for the largest transaction: a whole set of widened sources replaced at once.
const SEND_ROOM: usize = 1 << 20;
/// Room for the notifications of a large ruleset that is replaced at once.
const EVENT_ROOM: usize = 1 << 20;
/// Datagrams that one answer may take: sets are far smaller.
const ANSWER_MAX: usize = 8_192;
/// How often a dump is begun anew because the set changed meanwhile.
const DUMP_TRIES: usize = 4;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const DUMP_INTERRUPTED: u16 = 0x10;

/// Why a transaction was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) errno: Errno,
    /// The set that the refused change was about.
    pub(super) subject: Option<Set>,
}

impl Refusal {
    /// Whether the kernel was short of memory, or its answer was lost: then nobody knows whether the transaction was
    /// made true, and the same once more does no harm.
    pub(super) fn is_passing(self) -> bool {
        self.subject.is_none() && matches!(self.errno, Errno::NOBUFS | Errno::NOMEM | Errno::AGAIN | Errno::PROTO)
    }
}

/// A netlink socket of the netfilter family that never blocks.
#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
    port: u32,
}

impl Socket {
    fn open(groups: u32) -> Result<Self, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(NETFILTER))?;
        bind(&fd, &SocketAddrNetlink::new(0, groups))?;
        let port = SocketAddrNetlink::try_from(getsockname(&fd)?)?.pid();
        Ok(Self { fd, port })
    }

    /// A socket that hears every change of nftables.
    pub(super) fn events() -> Result<Self, FirewallError> {
        let socket = Self::open(GROUP).map_err(failed("listen to nftables events"))?;
        // A smaller room is made up for by reading the sets anew after an overrun.
        let _ = sockopt::set_socket_recv_buffer_size_force(&socket.fd, EVENT_ROOM);
        Ok(socket)
    }

    /// A socket that is none.
    #[cfg(test)]
    pub(super) fn over(fd: OwnedFd) -> Self {
        Self { fd, port: 0 }
    }

    /// Reads one datagram of the kernel; `None` when there is none now.
    ///
    /// What other processes send is dropped; a datagram that did not fit is an overrun, `NOBUFS`.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
        loop {
            let read =
                rustix::io::retry_on_intr(|| recvfrom(&self.fd, &mut *buffer, RecvFlags::TRUNC | RecvFlags::DONTWAIT));
            let (length, whole, from) = match read {
                Ok(read) => read,
                Err(Errno::AGAIN) => return Ok(None),
                Err(errno) => return Err(errno),
            };
            let kernel =
                from.and_then(|from| SocketAddrNetlink::try_from(from).ok()).is_some_and(|from| from.pid() == 0);
            if kernel && whole > length {
                return Err(Errno::NOBUFS);
            }
            if kernel {
                return Ok(Some(length));
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Names what was being done when an error came.
pub(super) fn failed(doing: &'static str) -> impl Fn(Errno) -> FirewallError {
    move |errno| FirewallError::kernel(doing, errno)
}

/// Asks the kernel and reads its answers. It works inside our `sendto`, so that all answers are there
/// when the call returns; nothing here waits.
#[derive(Debug)]
pub(super) struct Requests {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Requests {
    pub(super) fn open() -> Result<Self, FirewallError> {
        let socket = Socket::open(0).map_err(failed("open a netlink socket"))?;
        // Without the right to it, large transactions fail with their own error.
        let _ = sockopt::set_socket_send_buffer_size_force(&socket.fd, SEND_ROOM);
        Ok(Self { socket, buffer: vec![0; DATAGRAM], sequence: 1 })
    }

    /// The port by which the kernel tells our changes from those of others.
    pub(super) fn port(&self) -> u32 {
        self.socket.port
    }

    /// The number for the first message of the next transaction.
    pub(super) fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Sends a transaction; `Ok` means that the kernel has made all of it true.
    pub(super) fn commit(&mut self, batch: Batch) -> Result<(), Refusal> {
        if batch.is_empty() {
            return Ok(());
        }
        let batch = batch.finish();
        self.sequence = batch.next_sequence();
        let refusal = |errno| Refusal { errno, subject: None };
        self.send(batch.bytes()).map_err(refusal)?;
        let mut acknowledged = false;
        let mut refused = None;
        for _ in 0..ANSWER_MAX {
            let length = match self.socket.receive(&mut self.buffer) {
                Ok(Some(length)) => length,
                Ok(None) => break,
                // Only refusals can be so many that some were lost.
                Err(errno) => {
                    refused.get_or_insert(refusal(errno));
                    continue;
                }
            };
            let datagram = self.buffer.get(..length).unwrap_or_default();
            for answer in Messages(datagram) {
                if answer.kind != NLMSG_ERROR || !batch.owns(answer.sequence) {
                    continue;
                }
                match answer.outcome().unwrap_or(Err(Errno::PROTO)) {
                    Ok(()) => acknowledged |= answer.sequence == batch.last_change(),
                    Err(errno) => {
                        refused.get_or_insert(Refusal { errno, subject: batch.subject(answer.sequence) });
                    }
                }
            }
            // The answers come in the order of the changes.
            if acknowledged {
                break;
            }
        }
        match refused {
            Some(refusal) => Err(refusal),
            None if acknowledged => Ok(()),
            None => Err(refusal(Errno::PROTO)),
        }
    }

    /// Commits what `batch` makes for the given number of its first message, and does so once more where that may help.
    pub(super) fn commit_again(&mut self, batch: impl Fn(u32) -> Batch) -> Result<(), Refusal> {
        match self.commit(batch(self.sequence)) {
            Err(refusal) if refusal.is_passing() => self.commit(batch(self.sequence)),
            done => done,
        }
    }

    /// The handle of a table of family inet; `None` where there is none.
    pub(super) fn table(&mut self, table: &str) -> Result<Option<u64>, FirewallError> {
        let mut handle = None;
        let found = self.ask(kind::GET_TABLE, 0, table, None, |kind, attributes| {
            if kind == kind::NEW_TABLE {
                handle = attributes.u64(attr::TABLE_HANDLE);
            }
        });
        match found {
            Ok(_) => handle.map_or(Err(FirewallError::Answer("a table without a handle")), |handle| Ok(Some(handle))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(FirewallError::kernel("look for the table", errno)),
        }
    }

    /// Whether the table has the set.
    pub(super) fn has_set(&mut self, table: &str, set: Set) -> Result<bool, FirewallError> {
        match self.ask(kind::GET_SET, 0, table, Some(set), |_, _| ()) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(FirewallError::kernel("look for the set", errno)),
        }
    }

    /// Hands the elements of a set to `each`, one or more times; a missing set has none.
    pub(super) fn dump(
        &mut self,
        table: &str,
        set: Set,
        mut each: impl FnMut(Attributes<'_>),
    ) -> Result<(), FirewallError> {
        for _ in 0..DUMP_TRIES {
            let asked = self.ask(kind::GET_ELEMENT, DUMP, table, Some(set), |_, attributes| {
                for (_, element) in attributes.nest(attr::ELEMENTS).into_iter().flatten() {
                    each(Attributes(element));
                }
            });
            match asked {
                Ok(Asked::Whole | Asked::Stopped) | Err(Errno::NOENT) => return Ok(()),
                Ok(Asked::Interrupted) => {}
                Err(errno) => return Err(FirewallError::kernel("read the set", errno)),
            }
        }
        Err(FirewallError::Answer("the set changes faster than it is read"))
    }

    fn ask(
        &mut self,
        kind: u16,
        flags: u16,
        table: &str,
        set: Option<Set>,
        each: impl FnMut(u16, Attributes<'_>),
    ) -> Result<Asked, Errno> {
        let body = |writer: &mut Writer| {
            writer.text(attr::TABLE, table);
            if let Some(set) = set {
                writer.text(attr::SET, set.name());
            }
        };
        self.exchange(kind, flags, INET, body, each)
    }

    /// Sends one request of a family, with the attributes that `body` writes, and hands each answer to `each`.
    pub(super) fn exchange(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        body: impl FnOnce(&mut Writer),
        mut each: impl FnMut(u16, Attributes<'_>),
    ) -> Result<Asked, Errno> {
        self.exchange_until(kind, flags, family, body, |_, kind, attributes| {
            each(kind, attributes);
            ControlFlow::Continue(())
        })
    }

    /// The same, until `each`, which gets the family too, breaks off: then the socket is worth no other request.
    pub(super) fn exchange_until(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        body: impl FnOnce(&mut Writer),
        mut each: impl FnMut(u8, u16, Attributes<'_>) -> ControlFlow<()>,
    ) -> Result<Asked, Errno> {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let header = Header { kind, flags: REQUEST | flags, sequence, family, resource: 0 };
        let mut writer = Writer::default();
        writer.message(header, body);
        // A dump that was given up keeps the kernel from beginning another.
        while let Ok(Some(_)) | Err(Errno::NOBUFS) = self.socket.receive(&mut self.buffer) {}
        self.send(writer.bytes())?;
        let mut result = Asked::Whole;
        for _ in 0..ANSWER_MAX {
            let Some(length) = self.socket.receive(&mut self.buffer)? else {
                return if flags == 0 { Ok(result) } else { Err(Errno::PROTO) };
            };
            let datagram = self.buffer.get(..length).unwrap_or_default();
            for answer in Messages(datagram) {
                if answer.sequence != sequence {
                    continue;
                }
                if answer.flags & DUMP_INTERRUPTED != 0 {
                    result = Asked::Interrupted;
                }
                match answer.kind {
                    NLMSG_ERROR => return Err(answer.outcome().and_then(Result::err).unwrap_or(Errno::PROTO)),
                    NLMSG_DONE => return Ok(result),
                    kind => {
                        if let Some((family, attributes)) = answer.netfilter()
                            && each(family, kind, attributes).is_break()
                        {
                            return Ok(Asked::Stopped);
                        }
                    }
                }
            }
        }
        Err(Errno::PROTO)
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        let kernel = SocketAddrNetlink::new(0, 0);
        let sent = rustix::io::retry_on_intr(|| sendto(&self.socket.fd, bytes, SendFlags::empty(), &kernel))?;
        if sent == bytes.len() { Ok(()) } else { Err(Errno::MSGSIZE) }
    }
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is all there.
    Whole,
    /// The set changed while it was read.
    Interrupted,
    /// Enough was read.
    Stopped,
}
