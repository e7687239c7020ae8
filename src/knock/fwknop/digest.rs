//! The seven hash functions, and the digest that ends a plaintext.

use md5::Md5;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha256, Sha384, Sha512};
use sha3::{Sha3_256, Sha3_512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::base64;
use super::keys::DigestType;

/// The longest digest, in bytes: SHA-512.
pub(super) const DIGEST_MAX: usize = 64;

impl DigestType {
    /// The length of the digest, in bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 | Self::Sha3_256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    /// The length of the digest in a packet, in base64 characters.
    #[must_use]
    pub const fn text_len(self) -> usize {
        base64::encoded_len(self.size())
    }
}

/// A digest of up to [`DIGEST_MAX`] bytes, wiped when dropped: it is made of secret text or keys.
pub(super) struct Output {
    bytes: Zeroizing<[u8; DIGEST_MAX]>,
    size: usize,
}

impl Output {
    /// Takes a digest over.
    pub(super) fn new(digest: &[u8]) -> Self {
        let mut bytes = Zeroizing::new([0; DIGEST_MAX]);
        if let Some(front) = bytes.get_mut(..digest.len()) {
            front.copy_from_slice(digest);
        }
        Self { bytes, size: digest.len() }
    }

    /// The digest.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.size).unwrap_or_default()
    }
}

/// The digest of the data.
pub(super) fn digest(kind: DigestType, data: &[u8]) -> Output {
    match kind {
        DigestType::Md5 => hash::<Md5>(data),
        DigestType::Sha1 => hash::<Sha1>(data),
        DigestType::Sha256 => hash::<Sha256>(data),
        DigestType::Sha384 => hash::<Sha384>(data),
        DigestType::Sha512 => hash::<Sha512>(data),
        DigestType::Sha3_256 => hash::<Sha3_256>(data),
        DigestType::Sha3_512 => hash::<Sha3_512>(data),
    }
}

fn hash<D: Digest>(data: &[u8]) -> Output {
    Output::new(&D::digest(data))
}

/// Which digest of the fields this text is; packets tell by its length alone, and SHA-2 is tried before SHA-3.
pub(super) fn recognise(fields: &[u8], text: &[u8]) -> Option<DigestType> {
    let mut given = [0; DIGEST_MAX];
    let length = base64::decode(text.iter().copied(), &mut given)?;
    let given = given.get(..length)?;
    DigestType::ALL
        .into_iter()
        .filter(|kind| kind.text_len() == text.len())
        .find(|&kind| digest(kind, fields).bytes().ct_eq(given).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digests of "abc" in the examples of RFC 1321, FIPS 180-4 and FIPS 202, by their first bytes.
    #[test]
    fn each_name_is_its_function() {
        for (kind, first) in [
            (DigestType::Md5, [0x90, 0x01, 0x50, 0x98]),
            (DigestType::Sha1, [0xa9, 0x99, 0x3e, 0x36]),
            (DigestType::Sha256, [0xba, 0x78, 0x16, 0xbf]),
            (DigestType::Sha384, [0xcb, 0x00, 0x75, 0x3f]),
            (DigestType::Sha512, [0xdd, 0xaf, 0x35, 0xa1]),
            (DigestType::Sha3_256, [0x3a, 0x98, 0x5d, 0xa7]),
            (DigestType::Sha3_512, [0xb7, 0x51, 0x85, 0x0b]),
        ] {
            let output = digest(kind, b"abc");
            assert_eq!(output.bytes().len(), kind.size());
            assert_eq!(output.bytes()[..4], first, "{kind:?}");
        }
        let lengths = DigestType::ALL.map(DigestType::text_len);
        assert_eq!(lengths, [22, 27, 43, 64, 86, 43, 86]);
    }

    #[test]
    fn a_digest_is_recognised_whole_or_not_at_all() {
        for kind in DigestType::ALL {
            let mut text = String::new();
            base64::encode(digest(kind, b"fields").bytes(), &mut text);
            assert_eq!(recognise(b"fields", text.as_bytes()), Some(kind));
            assert_eq!(recognise(b"Fields", text.as_bytes()), None);
            for cut in 0..text.len() {
                assert_eq!(recognise(b"fields", &text.as_bytes()[..cut]), None);
            }
            text.push('A');
            assert_eq!(recognise(b"fields", text.as_bytes()), None);
        }
    }
}
