//! Netlink messages and attributes: a writer for ours and a bounds-checked reader for the kernel's.
//!
//! Headers are in the byte order of the CPU, attribute values of nftables in network order
//! (linux/netlink.h, linux/netfilter/nfnetlink.h).

use std::fmt;

use rustix::io::Errno;

/// Bytes of a netlink message header.
const HEADER: usize = 16;
/// Bytes of the netfilter header that follows it.
const NF_HEADER: usize = 4;
/// Bytes of an attribute header.
const ATTRIBUTE: usize = 4;
/// The attribute holds attributes.
const NESTED: u16 = 0x8000;
/// What is left of an attribute's type without its two flag bits.
const TYPE_MASK: u16 = 0x3fff;
/// Where the flags stand in a message header.
const FLAGS_AT: usize = 6;

/// Writes netlink messages one after the other into one buffer.
#[derive(Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Appends one message: netlink header, netfilter header, and the attributes that `body` writes.
    pub fn message(&mut self, header: Header, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend(0u32.to_ne_bytes());
        self.bytes.extend(header.kind.to_ne_bytes());
        self.bytes.extend(header.flags.to_ne_bytes());
        self.bytes.extend(header.sequence.to_ne_bytes());
        self.bytes.extend(0u32.to_ne_bytes());
        self.bytes.extend([header.family, 0]);
        self.bytes.extend(header.resource.to_be_bytes());
        body(self);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.patch(start, &length.to_ne_bytes());
    }

    /// Appends one attribute, padded to four bytes.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.open(kind);
        self.bytes.extend(value);
        self.close(self.bytes.len() - value.len() - ATTRIBUTE);
    }

    /// Appends a number in network order.
    pub fn u32(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_be_bytes());
    }

    /// Appends a number in network order.
    pub fn u64(&mut self, kind: u16, value: u64) {
        self.attribute(kind, &value.to_be_bytes());
    }

    /// Appends a text with its closing zero byte.
    pub fn text(&mut self, kind: u16, value: &str) {
        self.open(kind);
        self.bytes.extend(value.as_bytes());
        self.bytes.push(0);
        self.close(self.bytes.len() - value.len() - 1 - ATTRIBUTE);
    }

    /// Appends an attribute that holds those that `body` writes.
    pub fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.open(kind | NESTED);
        body(self);
        self.close(start);
    }

    /// Appends an attribute that holds these bytes, attributes already.
    pub fn nested(&mut self, kind: u16, attributes: &[u8]) {
        self.attribute(kind | NESTED, attributes);
    }

    /// Adds flags to the message that starts at `start`.
    pub fn add_flags(&mut self, start: usize, flags: u16) {
        let at = start + FLAGS_AT;
        if let Some(&old) = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()) {
            self.patch(at, &(u16::from_ne_bytes(old) | flags).to_ne_bytes());
        }
    }

    /// What was written so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn open(&mut self, kind: u16) {
        self.bytes.extend(0u16.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
    }

    fn close(&mut self, start: usize) {
        // What we write is far shorter; a length that did not fit would be refused by the kernel.
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.patch(start, &length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn patch(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({} bytes)", self.bytes.len())
    }
}

/// What stands in front of a message's attributes.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// The message type.
    pub kind: u16,
    /// The `NLM_F_` flags.
    pub flags: u16,
    /// The number by which an answer names its request.
    pub sequence: u32,
    /// The `NFPROTO_` family.
    pub family: u8,
    /// The netfilter header's resource: the subsystem, in a batch's first and last message.
    pub resource: u16,
}

/// One message that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The message type.
    pub kind: u16,
    /// The `NLM_F_` flags.
    pub flags: u16,
    /// The number of the request that it answers.
    pub sequence: u32,
    /// The port of the socket that caused it, in a notification.
    pub port: u32,
    /// What follows the netlink header.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The netfilter family of the message and its attributes; `None` where it is cut.
    #[must_use]
    pub fn netfilter(&self) -> Option<(u8, Attributes<'a>)> {
        let (header, rest) = self.payload.split_at_checked(NF_HEADER)?;
        Some((*header.first()?, Attributes(rest)))
    }

    /// What an answer of type `NLMSG_ERROR` says, which also tells of success; absent where it is too short.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<(), Errno>> {
        let code = self.payload.first_chunk().copied().map(i32::from_ne_bytes)?;
        Some(if code == 0 { Ok(()) } else { Err(errno(code)) })
    }
}

/// The error that the kernel writes as a negative number; another number is no error of the kernel's.
#[must_use]
pub fn errno(code: i32) -> Errno {
    let number = code.checked_neg().filter(|number| (1..=4095).contains(number));
    number.map_or(Errno::PROTO, Errno::from_raw_os_error)
}

/// The messages of a datagram, up to the first whose length is a lie.
#[derive(Clone, Debug)]
pub struct Messages<'a>(pub &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = u32::from_ne_bytes(*self.0.first_chunk()?);
        let length = usize::try_from(length).ok()?;
        let (message, _) = self.0.split_at_checked(length)?;
        let (header, payload) = message.split_at_checked(HEADER)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        let short = |at| Some(u16::from_ne_bytes(*header.get(at..)?.first_chunk()?));
        let long = |at| Some(u32::from_ne_bytes(*header.get(at..)?.first_chunk()?));
        Some(Message { kind: short(4)?, flags: short(FLAGS_AT)?, sequence: long(8)?, port: long(12)?, payload })
    }
}

/// The attributes of a message or a nest, up to the first whose length is a lie.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// The value of the first attribute of this type.
    #[must_use]
    pub fn get(mut self, kind: u16) -> Option<&'a [u8]> {
        self.find(|&(found, _)| found == kind).map(|(_, value)| value)
    }

    /// The attributes inside the first attribute of this type.
    #[must_use]
    pub fn nest(self, kind: u16) -> Option<Self> {
        self.get(kind).map(Attributes)
    }

    /// The text of the first attribute of this type, without its closing zero byte.
    #[must_use]
    pub fn text(self, kind: u16) -> Option<&'a [u8]> {
        let value = self.get(kind)?;
        Some(value.strip_suffix(&[0]).unwrap_or(value))
    }

    /// The number in the first attribute of this type.
    #[must_use]
    pub fn u64(self, kind: u16) -> Option<u64> {
        Some(u64::from_be_bytes(self.get(kind)?.try_into().ok()?))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let length = usize::from(u16::from_ne_bytes(*self.0.first_chunk()?));
        let (attribute, _) = self.0.split_at_checked(length)?;
        let (header, value) = attribute.split_at_checked(ATTRIBUTE)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        let kind = u16::from_ne_bytes(*header.get(2..)?.first_chunk()?);
        Some((kind & TYPE_MASK, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Writer {
        let mut writer = Writer::default();
        for sequence in 1..=2 {
            let header = Header { kind: 0x0a0c, flags: 1, sequence, family: 1, resource: 10 };
            writer.message(header, |writer| {
                writer.text(1, "alice");
                writer.nest(2, |writer| writer.u32(1, 7));
                writer.u64(3, 30_000);
            });
        }
        writer
    }

    #[test]
    fn what_is_written_is_read() {
        let mut writer = sample();
        writer.add_flags(0, 4);
        let messages: Vec<_> = Messages(writer.bytes()).collect();
        assert_eq!(messages.len(), 2);
        assert_eq!((messages[0].flags, messages[1].flags), (5, 1));
        assert_eq!((messages[0].sequence, messages[1].sequence), (1, 2));
        assert_eq!(messages[0].kind, 0x0a0c);
        let (family, attributes) = messages[1].netfilter().unwrap();
        assert_eq!(family, 1);
        assert_eq!(attributes.text(1), Some(&b"alice"[..]));
        assert_eq!(attributes.nest(2).unwrap().get(1), Some(&[0, 0, 0, 7][..]));
        assert_eq!(attributes.u64(3), Some(30_000));
        assert_eq!(attributes.u64(1), None);
        assert_eq!(attributes.get(4), None);
    }

    #[test]
    fn every_cut_ends_the_reading_in_order() {
        let writer = sample();
        let whole: Vec<_> = Messages(writer.bytes()).collect();
        let first = writer.bytes().len() / 2;
        for cut in 0..writer.bytes().len() {
            let read: Vec<_> = Messages(&writer.bytes()[..cut]).collect();
            assert_eq!(read, whole[..cut / first], "{cut}");
        }
        let body = whole[0].netfilter().unwrap().1;
        for cut in 0..body.0.len() {
            let read: Vec<_> = Attributes(&body.0[..cut]).collect();
            assert!(read.len() < 3);
            assert!(body.into_iter().zip(&read).all(|(a, b)| a == *b));
        }
    }

    #[test]
    fn a_length_that_lies_ends_the_reading() {
        for length in [0u16, 1, 3, 9, u16::MAX] {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend([1, 0, 9, 9, 9, 9]);
            assert_eq!(Attributes(&bytes).next(), None, "{length}");
        }
        for length in [0u32, 4, 15, 21, u32::MAX] {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.resize(20, 0);
            assert_eq!(Messages(&bytes).next(), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn junk_is_read_in_bounded_steps(junk in proptest::collection::vec(any::<u8>(), 0..400)) {
            for message in Messages(&junk).take(junk.len() + 1) {
                prop_assert_eq!(message.outcome().is_none(), message.payload.len() < 4);
                if let Some((_, attributes)) = message.netfilter() {
                    prop_assert!(attributes.count() <= junk.len() / 4);
                }
            }
            prop_assert!(Messages(&junk).count() <= junk.len() / HEADER);
            prop_assert!(Attributes(&junk).count() <= junk.len() / 4);
        }
    }
}
