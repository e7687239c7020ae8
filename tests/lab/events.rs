//! The kernel's own account of changes to nftables, on a netlink socket, as they happen.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

use super::{Lab, Place};

/// `NFNLGRP_NFTABLES` is group 7; groups count from one.
const GROUP_NFTABLES: u32 = 1 << 6;
/// `NFNL_SUBSYS_NFTABLES`, the upper byte of a message type.
const SUBSYSTEM: u8 = 10;

/// Bytes of reports that may wait to be read.
const ROOM: usize = 1 << 24;

/// A rule was deleted (`NFT_MSG_DELRULE`).
pub(crate) const DELETE_RULE: u8 = 8;
/// A rule was added (`NFT_MSG_NEWRULE`).
pub(crate) const NEW_RULE: u8 = 6;
/// An element was added (`NFT_MSG_NEWSETELEM`).
pub(crate) const NEW_ELEMENT: u8 = 12;
/// A transaction is complete (`NFT_MSG_NEWGEN`).
pub(crate) const NEW_GENERATION: u8 = 15;

/// Listens to the changes in one namespace.
#[derive(Debug)]
pub(crate) struct Watcher(OwnedFd);

impl Lab {
    /// Hears every change to the router's nftables from now on.
    pub(crate) fn watch(&self) -> Watcher {
        self.within(Place::Router, || {
            let socket = rustix::net::socket_with(
                AddressFamily::NETLINK,
                SocketType::RAW,
                SocketFlags::CLOEXEC,
                Some(NETFILTER),
            )
            .expect("open netlink");
            rustix::net::bind(&socket, &SocketAddrNetlink::new(0, GROUP_NFTABLES)).expect("join the nftables group");
            rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, ROOM).expect("room for reports");
            Watcher(socket)
        })
    }
}

impl Watcher {
    /// The kinds of the messages in the next report; `None` where none comes in time.
    pub(crate) fn next(&self, patience: Duration) -> Option<Vec<u8>> {
        let wait = Timespec::try_from(patience).expect("a short time");
        let mut polled = [PollFd::new(&self.0, PollFlags::IN)];
        if rustix::event::poll(&mut polled, Some(&wait)).expect("poll netlink") == 0 {
            return None;
        }
        let mut bytes = [0; 65536];
        let (length, _) = rustix::net::recv(&self.0, &mut bytes[..], RecvFlags::empty()).expect("read netlink");
        Some(kinds(&bytes[..length]))
    }

    /// Waits for a message of this kind and gives the moment at which it was read.
    pub(crate) fn wait(&self, kind: u8, patience: Duration) -> Option<Instant> {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let kinds = self.next(left)?;
            let now = Instant::now();
            if kinds.contains(&kind) {
                return Some(now);
            }
        }
    }

    /// Forgets what has been reported so far.
    pub(crate) fn drain(&self) {
        while self.next(Duration::ZERO).is_some() {}
    }
}

/// The kinds of all nftables messages in one datagram from the kernel.
fn kinds(mut bytes: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let Some((header, _)) = bytes.split_first_chunk::<16>() {
        let [l0, l1, l2, l3, t0, t1, ..] = *header;
        let length = u32::from_ne_bytes([l0, l1, l2, l3]);
        let [subsystem, kind] = u16::from_ne_bytes([t0, t1]).to_be_bytes();
        if subsystem == SUBSYSTEM {
            kinds.push(kind);
        }
        let length = usize::try_from(length).expect("a length").max(16);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    kinds
}
