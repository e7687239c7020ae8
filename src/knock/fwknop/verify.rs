//! From packet text to fields: authenticate first, then decrypt, then read.

use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use super::base64;
use super::cipher::{BLOCK, PacketKey, SALT, unpad};
use super::fields::{self, Fields};
use super::keys::{KeySet, Mode, Secret};
use super::mac::MacKey;
use super::message::Request;
use super::text::{PREFIX, SpaText};
use crate::limits::{PACKET_MAX, PLAINTEXT_MIN};
use crate::reason::Reason;

/// What OpenSSL's salted format begins with.
pub(super) const MAGIC: &[u8; 8] = b"Salted__";

/// The longest ciphertext, in bytes: that of the longest packet without an HMAC.
const SEALED_MAX: usize = (PACKET_MAX + PREFIX.len()) * 3 / 4;

/// Keys made ready to judge packets; wiped when dropped.
#[derive(Clone, Debug)]
pub struct Verifier {
    mode: Mode,
    key: Secret,
    mac: Option<MacKey>,
}

/// A packet text whose HMAC was right, or that had to have none; only its own verifier can open it.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    verifier: &'a Verifier,
    text: &'a [u8],
}

/// What a packet said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The fields, as they stood in the packet.
    pub fields: Fields,
    /// What they ask for.
    pub request: Request,
    /// SHA-256 of salt and ciphertext in binary: equal for every dress of the same packet, with or without HMAC.
    pub replay_key: [u8; 32],
}

/// A decrypted text, wiped when dropped: only as much of the buffer as it took.
struct Wiped<'a>(&'a mut [u8]);

impl Drop for Wiped<'_> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Verifier {
    /// Does once what every packet would need again.
    #[must_use]
    pub fn new(keys: &KeySet) -> Self {
        Self {
            mode: keys.mode,
            key: keys.key.clone(),
            mac: keys.hmac.as_ref().map(|(kind, key)| MacKey::new(*kind, key)),
        }
    }

    /// Judges the HMAC in constant time, and takes it off; allocates nothing.
    ///
    /// Without an HMAC key every text passes: then [`Sealed::open`] is the first to tell a stranger.
    ///
    /// # Errors
    /// [`Reason::Hmac`].
    pub fn authenticate<'a>(&'a self, text: SpaText<'a>) -> Result<Sealed<'a>, Reason> {
        let text = match &self.mac {
            Some(mac) => mac.strip(text.characters()).ok_or(Reason::Hmac)?,
            None => text.characters(),
        };
        Ok(Sealed { verifier: self, text })
    }
}

impl Sealed<'_> {
    /// Decrypts the packet and reads its fields; allocates nothing before the digest inside was right.
    ///
    /// # Errors
    /// In this order: [`Reason::Base64`] for a text that no encoder makes, [`Reason::Decrypt`] where no plaintext
    /// with its sixteen digits comes out, then those of [`fields::read`].
    pub fn open(self) -> Result<Opened, Reason> {
        let mut buffer = [0; SEALED_MAX];
        let (salt, data) = self.decode(&mut buffer)?;
        let key = PacketKey::derive(self.verifier.mode, self.verifier.key.bytes(), salt);
        let data = Wiped(data);
        key.decrypt(data.0);
        let plaintext = unpad(data.0);
        if plaintext.len() < PLAINTEXT_MIN {
            return Err(Reason::Decrypt);
        }
        let (fields, request) = fields::read(plaintext)?;
        drop(data);
        // Decoded again, so that only a genuine packet costs the hash.
        let (salt, data) = self.decode(&mut buffer)?;
        let replay_key = Sha256::new().chain_update(salt).chain_update(data).finalize().into();
        Ok(Opened { fields, request, replay_key })
    }

    /// Splits the decoded text into salt and whole cipher blocks, at least one.
    fn decode<'b>(&self, buffer: &'b mut [u8; SEALED_MAX]) -> Result<(&'b [u8; SALT], &'b mut [u8]), Reason> {
        let characters = PREFIX.iter().chain(self.text).copied();
        let length = base64::decode(characters, buffer).ok_or(Reason::Base64)?;
        let bytes = buffer.get_mut(..length).ok_or(Reason::Decrypt)?;
        let (magic, bytes) = bytes.split_first_chunk_mut::<8>().ok_or(Reason::Decrypt)?;
        let (salt, data) = bytes.split_first_chunk_mut().ok_or(Reason::Decrypt)?;
        if magic != MAGIC || data.is_empty() || !data.len().is_multiple_of(BLOCK) {
            return Err(Reason::Decrypt);
        }
        Ok((salt, data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knock::fwknop::encode::encode;
    use crate::knock::fwknop::fields::MessageType;
    use crate::knock::fwknop::keys::DigestType;

    /// A packet of fwknop's client 2.6.10.
    const PACKET: &str = "/zSVz67XMa5YoCi+QiiUfZSbQKJqNilFzrZLAeRAqfWWfN4M1fulyAWULfGguVz2WZ/CoQYipLfxCgQfsZPWgnjOJ4Luc\
        uMq8jZCAmUlQRMBrgV+1pdhldiBTOHQXIO0SzblWIhxsnFSVDYybbYWVSHKxzeIcLxJ9WKhE6tIApjMojaSxDRno5OPTudP2ihAr4NkA+CCltYm6\
        P9lCjoW6RXfS20BXAut0";

    fn keys() -> KeySet {
        KeySet {
            mode: Mode::Cbc,
            key: Secret::new(b"OpenSesame-2024".to_vec()),
            hmac: Some((DigestType::Sha256, Secret::new(b"Hm@cSecret-77-x".to_vec()))),
        }
    }

    fn open(packet: &str, keys: &KeySet) -> Result<Opened, Reason> {
        Verifier::new(keys).authenticate(SpaText::parse(packet.as_bytes())?)?.open()
    }

    #[test]
    fn a_packet_of_the_real_client_opens_and_is_made_again() {
        let opened = open(PACKET, &keys()).unwrap();
        let expected = Fields {
            random: 3_817_903_083_743_525,
            user: "alice".to_owned(),
            timestamp: 1_795_304_783,
            version: "3.0.0".to_owned(),
            message_type: MessageType::Access,
            message: "203.0.113.21,tcp/22".to_owned(),
            nat: None,
            server_auth: None,
            client_timeout: None,
            digest_type: DigestType::Sha256,
        };
        assert_eq!(opened.fields, expected);
        let salt = [0xf3, 0x49, 0x5c, 0xfa, 0xed, 0x73, 0x1a, 0xe5];
        assert_eq!(encode(&expected, &keys(), salt).unwrap(), PACKET);
    }

    #[test]
    fn the_order_of_the_checks_shows_in_the_reasons() {
        let other = |bytes: &[u8]| Secret::new(bytes.to_vec());
        let wrong_both = KeySet { key: other(b"x"), hmac: Some((DigestType::Sha256, other(b"y"))), ..keys() };
        assert_eq!(open(PACKET, &wrong_both), Err(Reason::Hmac));
        let wrong_kind = KeySet { hmac: Some((DigestType::Sha3_256, other(b"Hm@cSecret-77-x"))), ..keys() };
        assert_eq!(open(PACKET, &wrong_kind), Err(Reason::Hmac));
        assert_eq!(open(PACKET, &KeySet { key: other(b"x"), ..keys() }), Err(Reason::Decrypt));
        assert_eq!(open(PACKET, &KeySet { mode: Mode::Ctr, ..keys() }), Err(Reason::Decrypt));
    }

    #[test]
    fn without_hmac_every_other_text_of_the_same_bytes_is_refused() {
        let bare = KeySet { hmac: None, ..keys() };
        let fields = Fields {
            message: "203.0.113.21,tcp/22,tcp/443,tcp/80".to_owned(),
            ..open(PACKET, &keys()).unwrap().fields
        };
        let packet = encode(&fields, &bare, [7; SALT]).unwrap();
        let with_hmac = encode(&fields, &keys(), [7; SALT]).unwrap();
        let replay_key = open(&packet, &bare).unwrap().replay_key;
        assert_eq!(open(&with_hmac, &keys()).unwrap().replay_key, replay_key);
        // One byte over a multiple of three: the last character carries two bits, and four that are unused.
        assert_eq!((packet.len() + PREFIX.len()) % 4, 2);
        let (start, last) = packet.split_at(packet.len() - 1);
        for character in ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']) {
            if last.starts_with(character) {
                continue;
            }
            let reason = if "AQgw".contains(character) { Reason::Fields } else { Reason::Base64 };
            assert_eq!(open(&format!("{start}{character}"), &bare), Err(reason), "{character}");
        }
        // The first character carries the last four bits of the magic word, and two of the salt.
        let (first, rest) = packet.split_at(1);
        for character in ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']) {
            if !first.starts_with(character) {
                assert_eq!(open(&format!("{character}{rest}"), &bare), Err(Reason::Decrypt), "{character}");
            }
        }
        for tail in ["=", "==", "A", "AA", "AAA"] {
            assert!(open(&format!("{packet}{tail}"), &bare).is_err(), "{tail}");
        }
    }

    #[test]
    fn debug_output_has_no_key() {
        let verifier = Verifier::new(&keys());
        let shown = format!("{verifier:?}");
        assert_eq!(shown, "Verifier { mode: Cbc, key: Secret, mac: Some(MacKey) }");
    }
}
