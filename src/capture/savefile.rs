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
        f.debug_struct("Savefile").field("path", &self.path).field("link", &self.link).finish_non_exhaustive()
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
            return Err(SavefileError::Open(path.to_owned(), "the path is not UTF-8".to_owned()));
        }
        let capture = Capture::from_file(path).map_err(|error| SavefileError::Open(path.to_owned(), words(&error)))?;
        let number = capture.get_datalink();
        let link =
            LinkType::from_dlt(number.0).ok_or_else(|| SavefileError::LinkType(path.to_owned(), link_name(number)))?;
        Ok(Self { path: path.to_owned(), capture, link })
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
    #[expect(clippy::should_implement_trait, reason = "an Iterator cannot lend the payload")]
    #[expect(clippy::type_complexity, reason = "end, error, time and verdict of one frame")]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Transport;
    use std::fs;

    /// A file in the temporary directory, gone with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str, bytes: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("spa-knockd-{}-{name}", std::process::id()));
            fs::write(&path, bytes).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _gone = fs::remove_file(&self.0);
        }
    }

    /// From 192.0.2.1:9 to 198.51.100.2:62201, three bytes.
    const PACKET: [u8; 31] = [
        0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2, //
        0, 9, 0xf2, 0xf9, 0, 11, 0, 0, b'a', b'b', b'c',
    ];

    /// The file header of the pcap format, big-endian whatever the machine is.
    fn header(link: u32) -> Vec<u8> {
        let mut bytes = vec![0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
        bytes.extend(link.to_be_bytes());
        bytes
    }

    fn record(seconds: u32, kept: u32, packet: &[u8]) -> Vec<u8> {
        let length = u32::try_from(packet.len()).unwrap();
        let mut bytes = Vec::new();
        for field in [seconds, 999_999, kept, length] {
            bytes.extend(field.to_be_bytes());
        }
        bytes.extend(&packet[..usize::try_from(kept).unwrap()]);
        bytes
    }

    #[test]
    fn frames_come_with_their_time_and_verdict() {
        let bytes = [
            header(101),
            record(1_700_000_000, 31, &PACKET),
            record(1_700_000_001, 30, &PACKET),
            record(u32::from(u16::MAX), 1, &[0]),
        ];
        let file = Scratch::new("frames", &bytes.concat());
        let mut savefile = Savefile::open(&file.0).unwrap();
        assert_eq!(savefile.link(), LinkType::Raw);
        let (seconds, verdict) = savefile.next().unwrap().unwrap();
        assert_eq!(seconds, 1_700_000_000);
        let datagram = verdict.unwrap();
        assert_eq!((datagram.transport, datagram.source_port, datagram.destination_port), (Transport::Udp, 9, 62201));
        assert_eq!(datagram.payload, b"abc");
        assert_eq!(savefile.next(), Some(Ok((1_700_000_001, Err(Reason::FrameCut)))));
        assert_eq!(savefile.next(), Some(Ok((65_535, Err(Reason::FrameNotIp)))));
        assert_eq!(savefile.next(), None);
        assert_eq!(savefile.next(), None);
    }

    #[test]
    fn every_link_type_of_a_savefile_is_known_by_its_number() {
        for (number, link) in [
            (0, LinkType::Null),
            (1, LinkType::Ethernet),
            (9, LinkType::Ppp),
            (50, LinkType::Ppp),
            (51, LinkType::PppEther),
            (101, LinkType::Raw),
            (108, LinkType::Loop),
            (113, LinkType::LinuxSll),
            (228, LinkType::Ipv4),
            (229, LinkType::Ipv6),
            (276, LinkType::LinuxSll2),
        ] {
            let file = Scratch::new(&format!("link-{number}"), &header(number));
            assert_eq!(Savefile::open(&file.0).unwrap().link(), link);
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let told = |name: &str, bytes: &[u8]| {
            let file = Scratch::new(name, bytes);
            let error = Savefile::open(&file.0).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{}: ", file.0.display())), "{error}");
            assert_eq!(error.lines().count(), 1);
            error
        };
        assert!(told("wireless", &header(105)).contains("IEEE802_11"));
        assert!(told("unknown", &header(9999)).contains("9999"));
        assert!(told("text", b"this is no capture at all").contains("no readable savefile"));
        assert!(told("empty", b"").contains("no readable savefile"));
        for cut in 1..header(1).len() {
            assert!(told("cut", &header(1)[..cut]).contains("no readable savefile"));
        }
        let missing = Savefile::open(Path::new("/nonexistent/knocks.pcap")).unwrap_err().to_string();
        assert!(missing.contains("No such file"), "{missing}");
    }

    #[test]
    fn a_file_that_breaks_off_is_told_at_every_cut() {
        let whole = [header(1), record(1, 31, &PACKET)].concat();
        for cut in header(1).len() + 1..whole.len() {
            let file = Scratch::new("broken", &whole[..cut]);
            let mut savefile = Savefile::open(&file.0).unwrap();
            assert!(matches!(savefile.next(), Some(Err(SavefileError::Read(..)))), "{cut}");
        }
        let mut huge = [header(1), record(1, 31, &PACKET)].concat();
        huge[32..36].fill(0xff);
        let file = Scratch::new("huge", &huge);
        assert!(matches!(Savefile::open(&file.0).unwrap().next(), Some(Err(SavefileError::Read(..)))));
    }
}
