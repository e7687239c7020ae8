//! Network devices coming and going: the kernel's word that one has changed, and how one is now.
//!
//! What the news say does not matter, only that there are some: whoever hears them asks how things stand. So nothing
//! goes wrong when news are lost, and a device that changed twice is looked at once.

use std::cell::Cell;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::{self, Errno, retry_on_intr};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, sendto, socket_with};

use crate::firewall::wire::errno;
use crate::retry::Retry;

/// The group of `RTM_NEWLINK` and `RTM_DELLINK`, `RTMGRP_LINK` of linux/rtnetlink.h.
const GROUP: u32 = 1;
/// `RTM_GETLINK`: how is the device of this name?
const GET_LINK: u16 = 18;
/// `RTM_NEWLINK`: the answer.
const NEW_LINK: u16 = 16;
/// `NLMSG_ERROR`: an error number instead.
const ERROR: u16 = 2;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `IFLA_IFNAME`: the name asked for.
const NAME: u16 = 3;
/// `IFLA_EXT_MASK` with `RTEXT_FILTER_SKIP_STATS`: a shorter answer will do.
const EXTENT: u16 = 29;
const WITHOUT_COUNTERS: u32 = 8;
/// `IFF_UP`.
const UP: u32 = 1;
/// What of an answer is read: `struct nlmsghdr` and `struct ifinfomsg`.
const HEAD: usize = 32;
/// News that one turn takes: a bridge with many ports sends about as many at once.
const TURN: usize = 256;
/// Answers to earlier questions that are passed over.
const STALE_MAX: usize = 4;

/// A device as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which one it is, of all that bear its name one after the other.
    pub identity: Identity,
    /// Whether it is administratively up: only then can a capture be opened.
    pub up: bool,
}

/// What makes a capture of one device useless on another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The kernel's number.
    pub index: u32,
    /// The `ARPHRD_` type, which decides how frames are read.
    pub kind: u16,
}

/// Hears of changes, and asks.
#[derive(Debug)]
pub struct Links {
    asking: OwnedFd,
    /// The number of the last question.
    sequence: Cell<u32>,
    /// Nothing after it has failed, until that is due again.
    hearing: Option<OwnedFd>,
    retry: Retry,
}

impl Links {
    /// Hears of every change from now on; needs no rights.
    ///
    /// # Errors
    /// What the system says.
    pub fn open() -> io::Result<Self> {
        Ok(Self { asking: socket(0)?, sequence: Cell::new(0), hearing: Some(socket(GROUP)?), retry: Retry::default() })
    }

    /// The descriptor to poll for readability.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.hearing.as_ref().map(OwnedFd::as_fd)
    }

    /// When [`Links::hear`] has something to do although nothing is readable.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        self.retry.due()
    }

    /// Takes the news; whether devices are to be looked at. `now` is the time since boot.
    pub fn hear(&mut self, readable: bool, now: Duration) -> bool {
        if self.retry.is_due(now) {
            self.retry.tried();
            match socket(GROUP) {
                Ok(socket) => self.hearing = Some(socket),
                Err(error) => self.fail(error, now),
            }
            // What happened meanwhile was not heard.
            return true;
        }
        let Some(socket) = self.hearing.as_ref().filter(|_| readable) else { return false };
        match take(socket) {
            // A descriptor that wakes us without news would do so for ever.
            Ok(0) => self.fail(Errno::IO, now),
            Ok(_) => {}
            Err(error) => self.fail(error, now),
        }
        true
    }

    fn fail(&mut self, error: Errno, now: Duration) {
        log::warn!("cannot hear of network devices: {error}; they are looked at now and then until that works");
        self.hearing = None;
        self.retry.failed(now);
    }

    /// How the device of this name is; `None` where there is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn look(&self, device: &str) -> io::Result<Option<Link>> {
        let sequence = self.sequence.get().wrapping_add(1);
        self.sequence.set(sequence);
        sendto(&self.asking, &question(device, sequence), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        // The kernel answered inside our `sendto`. What it said of another device, or earlier, is no answer.
        for _ in 0..=STALE_MAX {
            let mut head = [0; HEAD];
            retry_on_intr(|| recv(&self.asking, &mut head[..], RecvFlags::DONTWAIT))?;
            match answer(&head, sequence) {
                Some(Ok(link)) => return Ok(Some(link)),
                Some(Err(Errno::NODEV)) => return Ok(None),
                Some(Err(error)) => return Err(error),
                None => {}
            }
        }
        Err(Errno::PROTO)
    }
}

/// A socket of `NETLINK_ROUTE`, which is number 0, that never waits.
fn socket(groups: u32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// Takes what waits, and says how much that was; lost news are news.
fn take(socket: &OwnedFd) -> io::Result<usize> {
    for taken in 0..TURN {
        match recv(socket, &mut [0; HEAD][..], RecvFlags::DONTWAIT) {
            // No news are so short; this descriptor would never end.
            Ok((0, _)) => return Err(Errno::IO),
            Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(taken),
            Err(error) => return Err(error),
        }
    }
    Ok(TURN)
}

/// The request: netlink header, `struct ifinfomsg`, the name.
fn question(device: &str, sequence: u32) -> Vec<u8> {
    let mut question = vec![0; 4];
    question.extend(GET_LINK.to_ne_bytes());
    question.extend(REQUEST.to_ne_bytes());
    question.extend(sequence.to_ne_bytes());
    question.extend([0; 4 + 16]);
    let mut attribute = |kind: u16, value: &[u8]| {
        let length = u16::try_from(value.len().saturating_add(4)).unwrap_or(u16::MAX);
        question.extend(length.to_ne_bytes());
        question.extend(kind.to_ne_bytes());
        question.extend(value);
        question.resize(question.len().next_multiple_of(4), 0);
    };
    attribute(NAME, &[device.as_bytes(), &[0]].concat());
    attribute(EXTENT, &WITHOUT_COUNTERS.to_ne_bytes());
    let length = u32::try_from(question.len()).unwrap_or(u32::MAX);
    if let Some(place) = question.first_chunk_mut() {
        *place = length.to_ne_bytes();
    }
    question
}

/// The head of an answer to the question of this number; `None` for what is none.
fn answer(head: &[u8; HEAD], sequence: u32) -> Option<io::Result<Link>> {
    let short = |at: usize| head.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes);
    let long = |at: usize| head.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes);
    if long(8)? != sequence {
        return None;
    }
    match short(4)? {
        NEW_LINK => {
            let identity = Identity { kind: short(18)?, index: long(20)? };
            Some(Ok(Link { identity, up: long(24)? & UP != 0 }))
        }
        ERROR => {
            let error = head.get(16..)?.first_chunk().copied().map(i32::from_ne_bytes)?;
            (error != 0).then(|| Err(errno(error)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    const LOOPBACK: u16 = 772;

    #[test]
    fn a_device_is_found_by_its_name() {
        let links = Links::open().unwrap();
        for _ in 0..3 {
            let link = links.look("lo").unwrap().unwrap();
            assert_eq!(link.identity, Identity { index: 1, kind: LOOPBACK });
            assert_eq!(links.look("spa-nosuch0"), Ok(None));
        }
        assert!(links.look("a-name-that-is-too-long").is_err());
    }

    #[test]
    fn without_news_there_is_nothing_to_look_at() {
        let mut links = Links::open().unwrap();
        assert!(!links.hear(false, Duration::from_secs(5)));
        assert_eq!(links.due(), None);
        assert!(links.fd().is_some());
    }

    #[test]
    fn a_descriptor_that_only_wakes_is_replaced_after_a_pause() {
        let (silent, peer) = UnixStream::pair().unwrap();
        let (ended, _) = UnixStream::pair().unwrap();
        for broken in [silent, ended] {
            broken.set_nonblocking(true).unwrap();
            let mut links = Links::open().unwrap();
            links.hearing = Some(broken.into());
            let now = Duration::from_secs(100);
            assert!(links.hear(true, now));
            assert!(links.fd().is_none());
            assert_eq!(links.due(), Some(now + Duration::from_secs(1)));
            assert!(!links.hear(true, now), "it is tried before the pause is over");
            assert!(links.hear(false, now + Duration::from_secs(1)), "what was missed is not looked for");
            assert!(links.fd().is_some() && links.due().is_none());
        }
        drop(peer);
    }

    #[test]
    fn answers_are_read_as_they_are() {
        let mut head = [0; HEAD];
        assert!(answer(&head, 0).is_none());
        head[4..6].copy_from_slice(&NEW_LINK.to_ne_bytes());
        head[18..20].copy_from_slice(&512_u16.to_ne_bytes());
        head[20..24].copy_from_slice(&7_u32.to_ne_bytes());
        head[24..28].copy_from_slice(&0x1043_u32.to_ne_bytes());
        assert_eq!(answer(&head, 0), Some(Ok(Link { identity: Identity { index: 7, kind: 512 }, up: true })));
        head[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        head[16..20].copy_from_slice(&(-19_i32).to_ne_bytes());
        assert_eq!(answer(&head, 0), Some(Err(Errno::NODEV)));
        for lie in [i32::MIN, -4096, 1] {
            head[16..20].copy_from_slice(&lie.to_ne_bytes());
            assert_eq!(answer(&head, 0), Some(Err(Errno::PROTO)));
        }
        head[16..20].copy_from_slice(&0_i32.to_ne_bytes());
        assert!(answer(&head, 0).is_none());
    }
}
