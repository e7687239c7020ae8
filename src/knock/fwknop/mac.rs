//! The HMAC over a packet's text (RFC 2104), with its key schedule done once and for all.

use std::fmt;

use hmac::digest::Digest;
use hmac::digest::common::{Key, KeyInit};
use hmac::{Hmac, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use sha3::{Sha3_256, Sha3_512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::digest::{DIGEST_MAX, Output, digest};
use super::keys::{DigestType, Secret};
use super::{base64, text};
use crate::limits::PACKET_MIN;

// However long the HMAC, what is left of the shortest packet is the 36 characters that fwknop demands.
const _: () = assert!(PACKET_MIN - DigestType::Sha512.text_len() >= 36);

/// The longest block of the hash functions, in bytes: SHA3-256.
const BLOCK_MAX: usize = 136;

/// An HMAC key that has absorbed the stripped prefix; each packet costs one copy of it.
///
/// The hash states wipe themselves when dropped.
#[derive(Clone)]
pub(super) struct MacKey {
    kind: DigestType,
    state: State,
}

#[derive(Clone)]
enum State {
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
    Sha3_256(Nested<Sha3_256>),
    Sha3_512(Nested<Sha3_512>),
}

/// HMAC of a hash function that the crate's own `Hmac` does not know; its `SimpleHmac` leaves the key unwiped.
#[derive(Clone)]
struct Nested<D> {
    inner: D,
    outer: D,
}

impl MacKey {
    /// Prepares the key for one of the digests.
    pub(super) fn new(kind: DigestType, key: &Secret) -> Self {
        let hashed;
        let mut bytes = key.bytes();
        if bytes.len() > block_len(kind) {
            hashed = digest(kind, bytes);
            bytes = hashed.bytes();
        }
        let state = match kind {
            DigestType::Md5 => State::Md5(keyed(bytes)),
            DigestType::Sha1 => State::Sha1(keyed(bytes)),
            DigestType::Sha256 => State::Sha256(keyed(bytes)),
            DigestType::Sha384 => State::Sha384(keyed(bytes)),
            DigestType::Sha512 => State::Sha512(keyed(bytes)),
            DigestType::Sha3_256 => State::Sha3_256(Nested::keyed(kind, bytes)),
            DigestType::Sha3_512 => State::Sha3_512(Nested::keyed(kind, bytes)),
        };
        Self { kind, state }
    }

    /// Cuts the HMAC off the end of a packet and returns the text before it, if the HMAC is right.
    pub(super) fn strip<'a>(&self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let (sealed, given) = packet.split_at_checked(packet.len().checked_sub(self.kind.text_len())?)?;
        let mut bytes = [0; DIGEST_MAX];
        let length = base64::decode(given.iter().copied(), &mut bytes)?;
        let right = self.tag(sealed);
        bool::from(right.bytes().ct_eq(bytes.get(..length)?)).then_some(sealed)
    }

    /// Appends the HMAC to a text that stands without the prefix.
    pub(super) fn append(&self, packet: &mut String) {
        let tag = self.tag(packet.as_bytes());
        base64::encode(tag.bytes(), packet);
    }

    /// The HMAC of prefix and text.
    fn tag(&self, text: &[u8]) -> Output {
        match &self.state {
            State::Md5(state) => tag(state, text),
            State::Sha1(state) => tag(state, text),
            State::Sha256(state) => tag(state, text),
            State::Sha384(state) => tag(state, text),
            State::Sha512(state) => tag(state, text),
            State::Sha3_256(state) => state.tag(text),
            State::Sha3_512(state) => state.tag(text),
        }
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey")
    }
}

/// The block of the hash function, in bytes.
fn block_len(kind: DigestType) -> usize {
    match kind {
        DigestType::Md5 | DigestType::Sha1 | DigestType::Sha256 => 64,
        DigestType::Sha384 | DigestType::Sha512 => 128,
        DigestType::Sha3_256 => BLOCK_MAX,
        DigestType::Sha3_512 => 72,
    }
}

/// An HMAC whose key is no longer than a block.
fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    let mut block = Zeroizing::new(Key::<M>::default());
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    <M as KeyInit>::new(&block).chain_update(text::PREFIX)
}

fn tag<M: Mac + Clone>(state: &M, text: &[u8]) -> Output {
    Output::new(&state.clone().chain_update(text).finalize().into_bytes())
}

impl<D: Digest + Clone> Nested<D> {
    /// An HMAC whose key is no longer than a block.
    fn keyed(kind: DigestType, key: &[u8]) -> Self {
        let pad = |with: u8| {
            let mut block = Zeroizing::new([0; BLOCK_MAX]);
            for (to, from) in block.iter_mut().zip(key) {
                *to = *from;
            }
            for byte in block.iter_mut() {
                *byte ^= with;
            }
            D::new().chain_update(block.get(..block_len(kind)).unwrap_or_default())
        };
        Self { inner: pad(0x36).chain_update(text::PREFIX), outer: pad(0x5c) }
    }

    fn tag(&self, text: &[u8]) -> Output {
        let inner = self.inner.clone().chain_update(text).finalize();
        Output::new(&self.outer.clone().chain_update(inner).finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::SimpleHmac;

    /// The crate's slow but general HMAC, fed with prefix and text at once.
    fn reference(kind: DigestType, key: &[u8], data: &[u8]) -> Vec<u8> {
        fn run<D: Digest + hmac::digest::common::BlockSizeUser>(key: &[u8], data: &[u8]) -> Vec<u8> {
            let mac = <SimpleHmac<D> as KeyInit>::new_from_slice(key).unwrap();
            mac.chain_update(data).finalize().into_bytes().to_vec()
        }
        match kind {
            DigestType::Md5 => run::<Md5>(key, data),
            DigestType::Sha1 => run::<Sha1>(key, data),
            DigestType::Sha256 => run::<Sha256>(key, data),
            DigestType::Sha384 => run::<Sha384>(key, data),
            DigestType::Sha512 => run::<Sha512>(key, data),
            DigestType::Sha3_256 => run::<Sha3_256>(key, data),
            DigestType::Sha3_512 => run::<Sha3_512>(key, data),
        }
    }

    #[test]
    fn every_digest_agrees_with_the_reference_at_every_key_length() {
        for kind in DigestType::ALL {
            for length in 1..=200 {
                let key: Vec<u8> = (0..length).collect();
                let mac = MacKey::new(kind, &Secret::new(key.clone()));
                for text in ["", "text", &"long".repeat(300)] {
                    let mut data = text::PREFIX.to_vec();
                    data.extend_from_slice(text.as_bytes());
                    assert_eq!(mac.tag(text.as_bytes()).bytes(), reference(kind, &key, &data), "{kind:?} {length}");
                }
            }
        }
    }

    #[test]
    fn what_was_appended_is_stripped_and_nothing_else() {
        for kind in DigestType::ALL {
            let mac = MacKey::new(kind, &Secret::new(b"key".to_vec()));
            let mut packet = "sealed".to_owned();
            mac.append(&mut packet);
            assert_eq!(packet.len(), 6 + kind.text_len());
            assert_eq!(mac.strip(packet.as_bytes()), Some(&b"sealed"[..]));
            for cut in 0..packet.len() {
                assert_eq!(mac.strip(&packet.as_bytes()[..cut]), None, "{kind:?} {cut}");
            }
        }
    }

    #[test]
    fn debug_output_has_no_key() {
        let mac = MacKey::new(DigestType::Sha3_256, &Secret::new(b"key".to_vec()));
        assert_eq!(format!("{mac:?}"), "MacKey");
    }

    /// `Hmac` has no such marker itself; these are all its parts.
    #[test]
    fn the_hash_states_wipe_themselves() {
        use hmac::digest::block_api::{Buffer, EagerHash};
        use zeroize::ZeroizeOnDrop;
        fn wiped<T: ZeroizeOnDrop>() {}
        fn parts_wiped<D: EagerHash>()
        where
            D::Core: ZeroizeOnDrop,
            Buffer<hmac::block_api::HmacCore<D>>: ZeroizeOnDrop,
        {
        }
        parts_wiped::<Md5>();
        parts_wiped::<Sha1>();
        parts_wiped::<Sha256>();
        parts_wiped::<Sha384>();
        parts_wiped::<Sha512>();
        wiped::<Sha3_256>();
        wiped::<Sha3_512>();
    }
}
