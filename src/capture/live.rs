//! Live capture on one device: a ring that the kernel fills with what the filter lets through.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};

use pcap::{Active, Capture, Direction};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, netdevice, socket};
use socket2::{SockFilter, SockRef};

use super::Datagram;
use super::filter::Filter;
use super::link::{LinkType, decode};
use super::program::KEPT;
use super::savefile::{link_name, words};
use crate::reason::Reason;

/// Frames that one call of [`Live::drain`] takes at most, whatever its budget.
const BATCH_MAX: usize = 65_536;

/// libpcap's name for all devices at once.
pub const ANY: &str = "any";

/// Longest name of a network device, in bytes (`IFNAMSIZ` without the closing zero).
const NAME_MAX: usize = 15;

/// Whether the kernel would let a device have this name.
#[must_use]
pub fn can_exist(name: &str) -> bool {
    let fits = (1..=NAME_MAX).contains(&name.len()) && name != "." && name != "..";
    fits && !name.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control() || b"/:".contains(&byte))
}

/// Whether this process may capture at all.
#[must_use]
pub fn is_permitted() -> bool {
    !matches!(socket(AddressFamily::PACKET, SocketType::RAW, None), Err(Errno::PERM | Errno::ACCESS))
}

/// Why a device cannot be captured on; its `Display` is one line that names the device and the remedy.
#[derive(Debug, PartialEq, Eq)]
pub enum OpenError {
    /// No device can have this name.
    NoName(String),
    /// There is no device of this name.
    NoSuchDevice(String),
    /// The device is down.
    NotUp(String),
    /// The process may not capture.
    Permission(String),
    /// The device's frames are of a kind that is not understood; the device, and the name of the link type.
    LinkType(String, String),
    /// Anything else; the device, and libpcap's words.
    Other(String, String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName(name) => write!(
                f,
                "{name}: is no name of a network device: 1 to {NAME_MAX} characters, no blank, '/' or ':'; write for example eth0"
            ),
            Self::NoSuchDevice(device) => {
                write!(f, "{device}: no such network device; `ip link` lists them")
            }
            Self::NotUp(device) => {
                write!(f, "{device}: the device is down; `ip link set dev {device} up` or `ifup` starts it")
            }
            Self::Permission(device) => {
                write!(f, "{device}: no permission to capture; run as root or with CAP_NET_RAW")
            }
            Self::LinkType(device, name) => write!(
                f,
                "{device}: frames of link type {name} are not understood; capture on an Ethernet, PPP or tunnel device"
            ),
            Self::Other(device, text) => write!(f, "{device}: cannot capture: {text}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// A capture that broke off, mostly because its device is gone: close it, and open it again when the device is back.
#[derive(Debug, PartialEq, Eq)]
pub struct CaptureError {
    device: String,
    text: String,
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: the capture broke off: {}", self.device, self.text)
    }
}

impl std::error::Error for CaptureError {}

/// What the kernel counted since the capture was opened; the counters wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames that the filter let through.
    pub received: u32,
    /// Frames of these that found the ring full.
    pub dropped: u32,
}

/// An open capture on one device.
pub struct Live {
    device: String,
    capture: Capture<Active>,
    link: LinkType,
    filter: Filter,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("device", &self.device)
            .field("link", &self.link)
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}

impl Live {
    /// Captures what comes in on `device` and `filter` wants, without promiscuous mode, into a ring of `ring_kib` KiB;
    /// 0 leaves the size to libpcap.
    ///
    /// # Errors
    ///
    /// Every [`OpenError`].
    pub fn open(device: &str, ring_kib: u32, filter: &Filter) -> Result<Self, OpenError> {
        let ring = i32::try_from(u64::from(ring_kib) * 1024).unwrap_or(i32::MAX);
        let capture = Capture::from_device(device)
            .and_then(|capture| {
                capture.promisc(false).immediate_mode(true).snaplen(KEPT.into()).buffer_size(ring).open()
            })
            .and_then(Capture::setnonblock)
            .map_err(|error| explain(device, &error))?;
        let number = capture.get_datalink();
        let link =
            LinkType::from_dlt(number.0).ok_or_else(|| OpenError::LinkType(device.to_owned(), link_name(number)))?;
        let live = Self { device: device.to_owned(), capture, link, filter: filter.clone() };
        live.capture.direction(Direction::In).map_err(|error| explain(device, &error))?;
        // The device was bound above, so what came until here is in the ring unjudged: `drain` judges every datagram.
        let program: Vec<_> =
            filter.program(link).iter().map(|step| SockFilter::new(step.code, step.jt, step.jf, step.k)).collect();
        SockRef::from(&live.capture)
            .attach_filter(&program)
            .map_err(|error| OpenError::Other(device.to_owned(), format!("the kernel takes no filter: {error}")))?;
        Ok(live)
    }

    /// The device's name.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// What kind of frames the device gives.
    #[must_use]
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// The descriptor to poll for readability. When it reports an error, [`Live::drain`] tells and clears it.
    ///
    /// # Panics
    ///
    /// Never for an open capture on Linux, which always has a descriptor.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }

    /// Hands frames to `each` until none waits or `budget` frames were taken, and gives the number taken; never waits.
    ///
    /// Datagrams that the filter does not want, where the kernel could not tell, are taken but not handed on.
    ///
    /// # Errors
    ///
    /// [`CaptureError`] when the device is gone.
    pub fn drain(
        &mut self,
        budget: usize,
        mut each: impl FnMut(Result<Datagram<'_>, Reason>),
    ) -> Result<usize, CaptureError> {
        let Self { capture, link, filter, .. } = self;
        capture
            .dispatch(Some(budget.min(BATCH_MAX)), |packet| match decode(*link, packet.data) {
                Ok(datagram) if !filter.matches(&datagram) => {}
                verdict => each(verdict),
            })
            .map_err(|error| CaptureError { device: self.device.clone(), text: words(&error) })
    }

    /// What the kernel counted so far.
    ///
    /// # Errors
    ///
    /// [`CaptureError`] where the kernel does not say.
    pub fn statistics(&mut self) -> Result<Statistics, CaptureError> {
        match self.capture.stats() {
            Ok(stat) => Ok(Statistics { received: stat.received, dropped: stat.dropped }),
            Err(error) => Err(CaptureError { device: self.device.clone(), text: words(&error) }),
        }
    }
}

/// Finds out why a device could not be opened: libpcap gives no code through its binding, and words change.
fn explain(device: &str, error: &pcap::Error) -> OpenError {
    let device = device.to_owned();
    if !can_exist(&device) {
        return OpenError::NoName(device);
    }
    let index =
        socket(AddressFamily::UNIX, SocketType::DGRAM, None).and_then(|any| netdevice::name_to_index(any, &device));
    // Any other error, such as for want of descriptors, says nothing about the device.
    if matches!(index, Err(Errno::NODEV | Errno::NXIO)) && device != ANY {
        return OpenError::NoSuchDevice(device);
    }
    if !is_permitted() {
        return OpenError::Permission(device);
    }
    let text = words(error);
    if text.contains("not up") {
        return OpenError::NotUp(device);
    }
    OpenError::Other(device, text)
}
