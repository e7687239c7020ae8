//! From fields to packet text: what a client sends.

use std::fmt;

use zeroize::Zeroizing;

use super::cipher::{BLOCK, PacketKey, SALT, padding};
use super::fields::{self, Fields};
use super::keys::KeySet;
use super::mac::MacKey;
use super::text::PREFIX;
use super::verify::MAGIC;
use super::{base64, message};
use crate::limits::{
    CLIENT_TIMEOUT_MAX, MESSAGE_FIELD_MAX, PACKET_MAX, PACKET_MIN, TIMESTAMP_FIELD_MAX, USER_FIELD_MAX,
};
use crate::reason::Reason;

/// Why fields do not make a packet that a server would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The random value has more than sixteen digits.
    Random,
    /// The user name is empty, longer than 48 bytes, or has a character that fwknop forbids.
    User,
    /// The timestamp has more than twelve digits.
    Timestamp,
    /// The version is not 1 to 8 printable characters without a colon.
    Version,
    /// The message is longer than 192 bytes, or not what its type demands.
    Message,
    /// The NAT field is missing, superfluous, longer than 192 bytes, or not a host and a port.
    Nat,
    /// The server authentication field is empty, longer than 192 bytes, or has a control character.
    ServerAuth,
    /// The client timeout is missing, superfluous or above 65536 seconds.
    ClientTimeout,
    /// The packet would be shorter than 140 or longer than 1500 characters.
    Size,
    /// The system gave no random numbers.
    Entropy,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Random => "the random value has more than 16 digits",
            Self::User => "the user name must be 1 to 48 characters, none of them \" / \\ [ ] : ; | = , + * ? < >",
            Self::Timestamp => "the timestamp has more than 12 digits",
            Self::Version => "the version must be 1 to 8 printable characters without a colon",
            Self::Message => "the message must be ADDRESS,PROTO/PORT[,...] or ADDRESS,COMMAND of at most 192 bytes",
            Self::Nat => {
                "the NAT field must be HOST,PORT of at most 192 bytes, for just the message types that have one"
            }
            Self::ServerAuth => "the server authentication must be 1 to 192 bytes of text",
            Self::ClientTimeout => "the timeout must be 0 to 65536 seconds, for just the message types that have one",
            Self::Size => "the packet must be 140 to 1500 characters",
            Self::Entropy => "the system gave no random numbers",
        })
    }
}

impl std::error::Error for EncodeError {}

/// Makes the packet text: sealed, its prefix taken off, the HMAC at its end where there is an HMAC key.
///
/// A salt must never be used twice with one key; [`encode_fresh`] sees to that.
///
/// # Errors
/// What no decoder would take; see [`EncodeError`].
pub fn encode(fields: &Fields, keys: &KeySet, salt: [u8; SALT]) -> Result<String, EncodeError> {
    check(fields)?;
    let packet = seal(fields::write(fields).as_bytes(), keys, salt);
    if (PACKET_MIN..=PACKET_MAX).contains(&packet.len()) { Ok(packet) } else { Err(EncodeError::Size) }
}

/// As [`encode`], with a salt and a random value (in place of the fields' own) from the system's generator.
///
/// # Errors
/// As [`encode`], and [`EncodeError::Entropy`].
pub fn encode_fresh(fields: &Fields, keys: &KeySet) -> Result<String, EncodeError> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|_| EncodeError::Entropy)?;
    encode(&Fields { random: random_digits()?, ..fields.clone() }, keys, salt)
}

/// Seals any plaintext, right or wrong: for [`encode`], and for tests of what decoders do with wrong ones.
#[must_use]
pub fn seal(plaintext: &[u8], keys: &KeySet, salt: [u8; SALT]) -> String {
    // All room from the start: a buffer that grew would leave its old half behind, unwiped.
    let mut sealed = Zeroizing::new(Vec::with_capacity(MAGIC.len() + SALT + plaintext.len() + BLOCK));
    sealed.extend_from_slice(MAGIC);
    sealed.extend_from_slice(&salt);
    sealed.extend_from_slice(plaintext);
    sealed.extend(padding(plaintext.len()));
    if let Some((_, data)) = sealed.split_at_mut_checked(MAGIC.len() + SALT) {
        PacketKey::derive(keys.mode, keys.key.bytes(), &salt).encrypt(data);
    }
    let mut text = String::new();
    base64::encode(&sealed, &mut text);
    let mut packet = text.split_off(PREFIX.len());
    if let Some((kind, key)) = &keys.hmac {
        MacKey::new(*kind, key).append(&mut packet);
    }
    packet
}

/// Refuses what a decoder would refuse.
fn check(fields: &Fields) -> Result<(), EncodeError> {
    let demand = |fine: bool, error: EncodeError| if fine { Ok(()) } else { Err(error) };
    let fits = |text: &str| base64::encoded_len(text.len()) <= MESSAGE_FIELD_MAX;
    let user = &fields.user;
    demand(fields.random < RANDOM_END, EncodeError::Random)?;
    demand(fields::is_user(user) && base64::encoded_len(user.len()) <= USER_FIELD_MAX, EncodeError::User)?;
    demand(fields.timestamp.checked_ilog10().is_none_or(below_timestamp_digits), EncodeError::Timestamp)?;
    demand(fields::is_version(&fields.version), EncodeError::Version)?;
    demand(fits(&fields.message), EncodeError::Message)?;
    demand(fields.nat.is_some() == fields.message_type.has_nat(), EncodeError::Nat)?;
    demand(fields.nat.as_deref().is_none_or(fits), EncodeError::Nat)?;
    let auth = fields.server_auth.as_deref();
    demand(auth.is_none_or(|auth| fits(auth) && fields::is_text(auth)), EncodeError::ServerAuth)?;
    demand(fields.client_timeout.is_some() == fields.message_type.has_timeout(), EncodeError::ClientTimeout)?;
    demand(fields.client_timeout.is_none_or(|seconds| seconds <= CLIENT_TIMEOUT_MAX), EncodeError::ClientTimeout)?;
    match message::read(fields) {
        Ok(_) => Ok(()),
        Err(Reason::Nat) => Err(EncodeError::Nat),
        Err(_) => Err(EncodeError::Message),
    }
}

/// The first number with more than sixteen digits.
const RANDOM_END: u64 = 10_u64.pow(16);

/// Whether a number with this logarithm fits the timestamp field.
fn below_timestamp_digits(logarithm: u32) -> bool {
    usize::try_from(logarithm).is_ok_and(|logarithm| logarithm < TIMESTAMP_FIELD_MAX)
}

/// A number of up to sixteen digits, each equally likely.
fn random_digits() -> Result<u64, EncodeError> {
    // Numbers from the incomplete last round would favour small values; they come once in 1845 draws.
    const END: u64 = u64::MAX - u64::MAX % RANDOM_END;
    loop {
        let number = getrandom::u64().map_err(|_| EncodeError::Entropy)?;
        if number < END {
            return Ok(number % RANDOM_END);
        }
    }
}
