//! A flood of frames on the WAN's wire: junk that looks like knocks, from any address, at a given pace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::thread;
use std::time::{Duration, Instant};

use pcap::{Active, Capture};
use serde_json::Value;

use super::{FRIEND, FRIEND6, Lab, Place, ROUTER, ROUTER6};

/// What a stranger sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Junk {
    /// A knock's length and alphabet, each packet another one, and no right HMAC.
    WrongHmac,
    /// The same in other lengths by turns: too short for a knock, and as long as a frame can hold.
    WrongLength,
    /// The first kind, each packet from another address.
    Spoofed,
    /// One genuine knock again and again.
    Replay,
    /// The first kind over IPv6, each packet from another address.
    OverV6,
}

impl Junk {
    pub(crate) const ALL: [Self; 5] = [Self::WrongHmac, Self::WrongLength, Self::Spoofed, Self::Replay, Self::OverV6];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::WrongHmac => "wrong HMAC",
            Self::WrongLength => "wrong lengths",
            Self::Spoofed => "wrong HMAC, spoofed sources",
            Self::Replay => "one knock replayed",
            Self::OverV6 => "wrong HMAC, spoofed, IPv6",
        }
    }
}

/// Ethernet and IP headers before the UDP header.
const ETHERNET: usize = 14;
const V4: usize = 20;
const V6: usize = 40;
const UDP: usize = 8;
/// The knock port.
const PORT: u16 = 62201;

/// Sends frames of one kind.
pub(crate) struct Flood {
    wire: Capture<Active>,
    junk: Junk,
    frames: Vec<Vec<u8>>,
    count: u32,
}

impl Flood {
    /// A flood on the lab's wire; `genuine` is the payload of a knock, honoured once already where it is replayed.
    pub(crate) fn new(lab: &Lab, junk: Junk, genuine: &[u8]) -> Self {
        let wire = lab.within(Place::Wan, || {
            Capture::from_device("wan0").expect("wan0").open().expect("a packet socket in the lab")
        });
        let macs = [hardware(lab, Place::Router, "wan"), hardware(lab, Place::Wan, "wan0")].concat();
        let cut = |length: usize| genuine.iter().copied().cycle().take(length).collect::<Vec<_>>();
        let payloads = match junk {
            Junk::WrongLength => vec![cut(139), cut(1471), cut(20), cut(1)],
            _ => vec![genuine.to_vec()],
        };
        let frames = payloads.iter().map(|payload| frame(&macs, payload, junk == Junk::OverV6)).collect();
        Self { wire, junk, frames, count: 0 }
    }

    /// Sends at this pace, in packets a second, and says how many were sent in which time.
    ///
    /// What the sender could not send in time, because the machine did something else, is not sent at all: made up
    /// for at once, it would be a burst at the wire's own pace.
    pub(crate) fn run(&mut self, pace: u32, time: Duration) -> (u32, Duration) {
        let (start, before) = (Instant::now(), self.count);
        let most = (pace / 200).max(1);
        let mut due = 0;
        while start.elapsed() < time {
            let now = u32::try_from(u128::from(pace) * start.elapsed().as_micros() / 1_000_000).expect("a count");
            for _ in 0..(now - due).min(most) {
                self.send();
            }
            due = now;
            thread::sleep(Duration::from_micros(500));
        }
        (self.count - before, start.elapsed())
    }

    fn send(&mut self) {
        let count = self.count;
        self.count += 1;
        let kinds = self.frames.len();
        let frame = &mut self.frames[usize::try_from(count).expect("a count") % kinds];
        let v6 = self.junk == Junk::OverV6;
        let ip = if v6 { V6 } else { V4 };
        match self.junk {
            Junk::Spoofed => frame[ETHERNET + 12..][..4].copy_from_slice(&spoofed(count).octets()),
            // In the network of the wire, so that the router answers as it would.
            Junk::OverV6 => frame[ETHERNET + 8 + 12..][..4].copy_from_slice(&(count | 0x8000_0000).to_be_bytes()),
            _ => {}
        }
        if matches!(self.junk, Junk::WrongHmac | Junk::Spoofed | Junk::OverV6) {
            // Eight characters that count, in the alphabet of base64.
            let at = ETHERNET + ip + UDP + 20;
            for (digit, byte) in (0..8).zip(&mut frame[at..]) {
                *byte = b'A' + u8::try_from((count >> (4 * digit)) & 15).expect("a digit");
            }
        }
        seal(frame, v6);
        // A full queue loses the packet, as any wire does.
        let _ = self.wire.sendpacket(frame.as_slice());
    }
}

/// An address of 10.0.0.0/8.
fn spoofed(count: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0000 | (count.wrapping_mul(2_654_435_761) >> 8))
}

/// The hardware address of a device.
fn hardware(lab: &Lab, place: Place, device: &str) -> Vec<u8> {
    let text = lab.run(place, "ip", &["-j", "link", "show", "dev", device]);
    let links: Value = serde_json::from_str(&text).expect("JSON from ip");
    let address = links[0]["address"].as_str().expect("an address");
    address.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("a byte")).collect()
}

fn frame(macs: &[u8], payload: &[u8], v6: bool) -> Vec<u8> {
    let length = u16::try_from(UDP + payload.len()).expect("a short payload");
    let mut frame = macs.to_vec();
    match (v6, FRIEND, ROUTER, FRIEND6, ROUTER6) {
        (false, IpAddr::V4(from), IpAddr::V4(to), ..) => {
            frame.extend([0x08, 0x00, 0x45, 0]);
            frame.extend((length + 20).to_be_bytes());
            frame.extend([0, 0, 0, 0, 64, 17, 0, 0]);
            frame.extend(from.octets().into_iter().chain(to.octets()));
        }
        (true, .., IpAddr::V6(from), IpAddr::V6(to)) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(length.to_be_bytes());
            frame.extend([17, 64]);
            let from = Ipv6Addr::from_bits(from.to_bits() & !0xffff_ffff);
            frame.extend(from.octets().into_iter().chain(to.octets()));
        }
        _ => panic!("the lab's addresses are of the other family"),
    }
    frame.extend(40_000u16.to_be_bytes());
    frame.extend(PORT.to_be_bytes());
    frame.extend(length.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

/// Writes both checksums.
fn seal(frame: &mut [u8], v6: bool) {
    let (ip, addresses) = if v6 { (V6, 8..V6) } else { (V4, 12..V4) };
    if !v6 {
        frame[ETHERNET + 10..][..2].fill(0);
        let sum = checksum(&frame[ETHERNET..][..V4], 0);
        frame[ETHERNET + 10..][..2].copy_from_slice(&sum.to_be_bytes());
    }
    let (headers, datagram) = frame.split_at_mut(ETHERNET + ip);
    datagram[6..8].fill(0);
    let length = u32::try_from(datagram.len()).expect("a short datagram");
    let pseudo = !checksum(&headers[ETHERNET..][addresses], 17 + length);
    let sum = checksum(datagram, pseudo.into());
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
}

/// The internet checksum (RFC 1071) of these bytes on top of a sum.
fn checksum(bytes: &[u8], start: u32) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum = words.fold(start, |sum, word| sum + word);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("sixteen bits")
}
