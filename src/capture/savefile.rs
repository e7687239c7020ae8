//! A savefile of tcpdump or Wireshark, read frame by frame.

use std::fmt;
use std::path::{Path, PathBuf};

use pcap::{Capture, Linktype, Offline};

use super::Datagram;
use super::link::{LinkType, decode};
use crate::reason::Reason;

/// Why a savefile cannot be read; its `Display` is one line that names the file.
#[derive(Debug, PartialEq, Eq)]
pub enum SavefileError {
    /// The file cannot be opened, or is no savefile; libpcap's words.
    Open(PathBuf, String),
    /// The frames are of a kind that is not understood; its name.
    LinkType(PathBuf, String),
    /// The file breaks off or is damaged; libpcap's words.
    Read(PathBuf, String),
}

impl fmt::Display for SavefileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(path, text) => write!(f, "{}: no readable savefile: {text}", path.display()),
            Self::LinkType(path, name) => write!(
                f,
                "{}: frames of link type {name} are not understood; capture on an Ethernet, PPP or tunnel device, or on \"any\"",
                path.display()
            ),
            Self::Read(path, text) => write!(f, "{}: damaged savefile: {text}", path.display()),
        }
    }
}

impl std::error::Error for SavefileError {}

/// An open savefile, in pcap or pcapng format.
pub struct Savefile {
    path: PathBuf,
    capture: Capture<Offline>,
    link: LinkType,
}

impl fmt::Debug for Savefile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Savefile")
            .field("path", &self.path)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

impl Savefile {
    /// Opens a savefile; `-` is standard input.
    ///
    /// # Errors
    ///
    /// [`SavefileError::Open`] and [`SavefileError::LinkType`].
    pub fn open(path: &Path) -> Result<Self, SavefileError> {
        if path.to_str().is_none() {
            return Err(SavefileError::Open(
                path.to_owned(),
                "the path is not UTF-8".to_owned(),
            ));
        }
        let capture = Capture::from_file(path)
            .map_err(|error| SavefileError::Open(path.to_owned(), words(&error)))?;
        let number = capture.get_datalink();
        let link = LinkType::from_dlt(number.0)
            .ok_or_else(|| SavefileError::LinkType(path.to_owned(), link_name(number)))?;
        Ok(Self {
            path: path.to_owned(),
            capture,
            link,
        })
    }

    /// What kind of frames the file holds.
    #[must_use]
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// The next frame: when it was captured, in Unix seconds, and what it carried. `None` at the end.
    ///
    /// # Errors
    ///
    /// [`SavefileError::Read`]; the rest of the file is lost then.
    #[expect(
        clippy::should_implement_trait,
        reason = "an Iterator cannot lend the payload"
    )]
    #[expect(
        clippy::type_complexity,
        reason = "end, error, time and verdict of one frame"
    )]
    pub fn next(&mut self) -> Option<Result<(u64, Result<Datagram<'_>, Reason>), SavefileError>> {
        match self.capture.next_packet() {
            Ok(packet) => {
                // A time before 1970 is a damaged header; the clock check refuses 0 as well.
                let seconds = u64::try_from(packet.header.ts.tv_sec).unwrap_or(0);
                Some(Ok((seconds, decode(self.link, packet.data))))
            }
            Err(pcap::Error::NoMorePackets) => None,
            Err(error) => Some(Err(SavefileError::Read(self.path.clone(), words(&error)))),
        }
    }
}

/// libpcap's own words, without what the crate puts before them.
pub(super) fn words(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The name of a link type, or its number.
pub(super) fn link_name(number: Linktype) -> String {
    number.get_name().unwrap_or_else(|_| number.0.to_string())
}
