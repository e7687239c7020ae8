//! From packet text to fields: authenticate first, then decrypt, then read.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::cipher::{BLOCK, PacketKey, SALT, unpad};
use super::fields::{self, Fields};
use super::keys::{KeySet, Mode, Secret};
use super::mac::MacKey;
use super::message::Request;
use super::text::{PREFIX, SpaText};
use super::base64;
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
        let mut buffer = Zeroizing::new([0; SEALED_MAX]);
        let (salt, data) = self.decode(&mut buffer)?;
        PacketKey::derive(self.verifier.mode, self.verifier.key.bytes(), salt).decrypt(data);
        let plaintext = unpad(data);
        if plaintext.len() < PLAINTEXT_MIN {
            return Err(Reason::Decrypt);
        }
        let (fields, request) = fields::read(plaintext)?;
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
