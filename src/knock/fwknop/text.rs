//! The outer gate of a fwknop packet: what a payload must look like before any key is tried.

use super::base64;
use crate::limits::{PACKET_MAX, PACKET_MIN};
use crate::reason::Reason;

/// What every ciphertext begins with, in base64: `Salted__` and the first bits of the salt. Senders take it off.
pub(super) const PREFIX: &[u8; 10] = b"U2FsdGVkX1";

/// A payload that may be a fwknop packet: of a fitting length and nothing but base64 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaText<'a>(&'a [u8]);

impl<'a> SpaText<'a> {
    /// Looks at the payload of a datagram; allocates nothing.
    ///
    /// # Errors
    /// [`Reason::Size`], [`Reason::Prefix`] for the replay trick of putting back what the sender takes off, or
    /// [`Reason::Base64`], tested in this order.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Reason> {
        if !(PACKET_MIN..=PACKET_MAX).contains(&payload.len()) {
            return Err(Reason::Size);
        }
        if payload.starts_with(PREFIX) {
            return Err(Reason::Prefix);
        }
        if !base64::is_text(payload) {
            return Err(Reason::Base64);
        }
        Ok(Self(payload))
    }

    /// The characters, as they came.
    #[must_use]
    pub fn characters(self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_tests_size_then_prefix_then_alphabet() {
        let junk = [b'x'; PACKET_MAX + 1];
        for (length, verdict) in
            [(0, Err(Reason::Size)), (139, Err(Reason::Size)), (140, Ok(())), (1500, Ok(())), (1501, Err(Reason::Size))]
        {
            assert_eq!(SpaText::parse(&junk[..length]).map(|_| ()), verdict, "{length}");
        }
        let mut prefixed = [b'='; 200];
        assert_eq!(SpaText::parse(&prefixed), Err(Reason::Base64));
        prefixed[..10].copy_from_slice(PREFIX);
        assert_eq!(SpaText::parse(&prefixed), Err(Reason::Prefix));
        assert_eq!(SpaText::parse(&prefixed[..20]), Err(Reason::Size));
    }

    #[test]
    fn one_wrong_byte_anywhere_is_found() {
        for at in 0..140 {
            for wrong in [0, b'\n', b' ', b'=', b'-', b'_', 0x80, 0xff] {
                let mut payload = [b'A'; 140];
                payload[at] = wrong;
                assert_eq!(SpaText::parse(&payload), Err(Reason::Base64), "{wrong} at {at}");
            }
        }
    }
}
