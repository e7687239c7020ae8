//! The transport layer: where the ports stand, and where the payload begins and ends.

use super::Transport;
use super::bytes::{be16, byte, from};
use crate::reason::Reason;

/// Protocol numbers of IANA's registry.
pub(super) mod protocol {
    pub(in crate::capture) const ICMP: u8 = 1;
    pub(in crate::capture) const TCP: u8 = 6;
    pub(in crate::capture) const UDP: u8 = 17;
    pub(in crate::capture) const ICMPV6: u8 = 58;
}

/// Where the destination port stands, in UDP and in TCP alike.
pub(super) const DESTINATION_PORT: usize = 2;
const SOURCE_PORT: usize = 0;

/// The UDP header of RFC 768.
pub(super) mod udp {
    pub(in crate::capture) const LENGTH: usize = 4;
    pub(in crate::capture) const HEADER: usize = 8;
}

/// The TCP header of RFC 9293.
pub(super) mod tcp {
    /// The upper four bits count the header's 32-bit words.
    pub(in crate::capture) const DATA_OFFSET: usize = 12;
    pub(in crate::capture) const HEADER_MIN: usize = 20;
}

/// The echo header of RFC 792 and RFC 4443, which clients send whatever the type: type, code, checksum and 4 bytes.
pub(super) const ICMP_HEADER: usize = 8;

/// One message of a transport, its bounds checked.
pub(super) struct Message<'a> {
    pub(super) transport: Transport,
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads the payload of an IP packet, all of which must be there.
    pub(super) fn read(transport: Transport, bytes: &'a [u8]) -> Result<Self, Reason> {
        let payload = match transport {
            Transport::Udp => {
                let length = usize::from(be16(bytes, udp::LENGTH)?);
                if length < udp::HEADER {
                    return Err(Reason::FrameMalformed);
                }
                bytes.get(udp::HEADER..length).ok_or(Reason::FrameCut)?
            }
            Transport::Tcp => {
                let header = usize::from(byte(bytes, tcp::DATA_OFFSET)? >> 4) * 4;
                if header < tcp::HEADER_MIN {
                    return Err(Reason::FrameMalformed);
                }
                from(bytes, header)?
            }
            Transport::Icmp => {
                return Ok(Self { transport, source_port: 0, destination_port: 0, payload: from(bytes, ICMP_HEADER)? });
            }
        };
        Ok(Self {
            transport,
            source_port: be16(bytes, SOURCE_PORT)?,
            destination_port: be16(bytes, DESTINATION_PORT)?,
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(transport: Transport, bytes: &[u8]) -> Result<&[u8], Reason> {
        Message::read(transport, bytes).map(|message| message.payload)
    }

    #[test]
    fn the_udp_length_rules() {
        let mut bytes = *b"\x01\x02\x03\x04\x00\x0b\x00\x00abcde";
        let message = Message::read(Transport::Udp, &bytes).unwrap();
        assert_eq!((message.source_port, message.destination_port), (0x0102, 0x0304));
        assert_eq!(message.payload, b"abc");
        for (length, expected) in [
            (7, Err(Reason::FrameMalformed)),
            (0, Err(Reason::FrameMalformed)),
            (8, Ok(&b""[..])),
            (13, Ok(&b"abcde"[..])),
            (14, Err(Reason::FrameCut)),
        ] {
            bytes[5] = length;
            assert_eq!(payload(Transport::Udp, &bytes), expected, "{length}");
        }
    }

    #[test]
    fn the_tcp_data_offset_rules() {
        let mut bytes = [0; 26];
        for (words, expected) in [
            (4, Err(Reason::FrameMalformed)),
            (5, Ok(6)),
            (6, Ok(2)),
            (7, Err(Reason::FrameCut)),
            (15, Err(Reason::FrameCut)),
        ] {
            bytes[tcp::DATA_OFFSET] = words << 4;
            assert_eq!(payload(Transport::Tcp, &bytes).map(<[u8]>::len), expected, "{words}");
        }
    }

    #[test]
    fn every_cut_header_is_told() {
        let mut bytes = [0; 20];
        bytes[tcp::DATA_OFFSET] = 5 << 4;
        bytes[udp::LENGTH + 1] = 8;
        for (transport, header) in [(Transport::Udp, 8), (Transport::Tcp, 20), (Transport::Icmp, 8)] {
            for cut in 0..header {
                assert_eq!(payload(transport, &bytes[..cut]), Err(Reason::FrameCut));
            }
            assert_eq!(payload(transport, &bytes[..header]), Ok(&[][..]));
        }
    }
}
