//! What a client and its stanza share: keys, encryption mode, HMAC digest.

use std::fmt;
use std::str::FromStr;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::base64;

/// Key bytes, wiped when dropped and never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Reads the text of a `..._base64` option, with its padding or without; `None` where it is not base64.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        let mut bytes = base64::decode_option(text)?;
        Some(Self(std::mem::take(&mut *bytes)))
    }

    /// The text for a `..._base64` option, with padding.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        base64::encode_option(&self.0)
    }

    /// The key bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The hash functions of fwknop, for the digest inside a packet and for its HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigestType {
    /// MD5, 22 base64 characters.
    Md5,
    /// SHA-1, 27 base64 characters.
    Sha1,
    /// SHA-256, 43 base64 characters; fwknop's default.
    #[default]
    Sha256,
    /// SHA-384, 64 base64 characters.
    Sha384,
    /// SHA-512, 86 base64 characters.
    Sha512,
    /// SHA3-256 of FIPS 202, 43 base64 characters.
    Sha3_256,
    /// SHA3-512 of FIPS 202, 86 base64 characters.
    Sha3_512,
}

impl DigestType {
    /// Every digest, in fwknop's order.
    pub const ALL: [Self; 7] =
        [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512, Self::Sha3_256, Self::Sha3_512];

    /// The spelling of fwknop's configuration files, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha3_256 => "sha3_256",
            Self::Sha3_512 => "sha3_512",
        }
    }
}

impl FromStr for DigestType {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|digest| text.eq_ignore_ascii_case(digest.name()))
            .ok_or("the digest is one of md5 sha1 sha256 sha384 sha512 sha3_256 sha3_512")
    }
}

/// How the AES cipher is used; both sides must be configured alike, the packet does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Cipher block chaining, fwknop's default.
    #[default]
    Cbc,
    /// 128-bit cipher feedback.
    Cfb,
    /// Output feedback.
    Ofb,
    /// Counter mode, a 128-bit big-endian counter that begins at the derived IV.
    Ctr,
    /// Electronic code book: equal blocks show. Clients before 2.5 do not have it.
    Ecb,
    /// CBC with the key filled or cut to 16 bytes, as clients before fwknop 2.5 do.
    Legacy,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 6] = [Self::Cbc, Self::Cfb, Self::Ofb, Self::Ctr, Self::Ecb, Self::Legacy];

    /// The spelling of the configuration, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cbc => "cbc",
            Self::Cfb => "cfb",
            Self::Ofb => "ofb",
            Self::Ctr => "ctr",
            Self::Ecb => "ecb",
            Self::Legacy => "legacy",
        }
    }
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|mode| text.eq_ignore_ascii_case(mode.name()))
            .ok_or("the encryption mode is one of cbc cfb ofb ctr ecb legacy")
    }
}

/// One set of keys, as a stanza holds it; a stanza in rotation holds two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    /// How the cipher is used.
    pub mode: Mode,
    /// The encryption key, 1 to 32 bytes.
    pub key: Secret,
    /// The HMAC digest and key; without it packets carry no HMAC.
    pub hmac: Option<(DigestType, Secret)>,
}
