//! The plaintext of a packet: its fields, read and written.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::base64;
use super::digest::{digest, recognise};
use super::keys::DigestType;
use super::message::{self, Request};
use crate::limits::{
    CLIENT_TIMEOUT_MAX, MESSAGE_FIELD_MAX, TIMESTAMP_FIELD_MAX, USER_FIELD_MAX, VERSION_FIELD_MAX,
};
use crate::reason::Reason;

/// What a client says its version of the protocol is; no server compares it.
pub const VERSION: &str = "3.0.0";

/// The digits of the random value.
pub(super) const RANDOM_DIGITS: usize = 16;

/// Longest client timeout field, in digits, leading zeros included.
const TIMEOUT_FIELD_MAX: usize = 10;

/// The fewest separators: random, user, timestamp, version, type, message, digest.
const SEPARATORS_MIN: usize = 6;

/// What kind of message a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    /// 0: run a command.
    Command,
    /// 1: open ports.
    Access,
    /// 2: forward a port to an inside host.
    NatAccess,
    /// 3: as 1, for as long as the client asks.
    TimeoutAccess,
    /// 4: as 2, for as long as the client asks.
    TimeoutNatAccess,
    /// 5: redirect a port of the server itself.
    LocalNat,
    /// 6: as 5, for as long as the client asks.
    TimeoutLocalNat,
}

impl MessageType {
    /// Every type; each stands at its number.
    pub const ALL: [Self; 7] = [
        Self::Command,
        Self::Access,
        Self::NatAccess,
        Self::TimeoutAccess,
        Self::TimeoutNatAccess,
        Self::LocalNat,
        Self::TimeoutLocalNat,
    ];

    /// The number in the packet.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Command => 0,
            Self::Access => 1,
            Self::NatAccess => 2,
            Self::TimeoutAccess => 3,
            Self::TimeoutNatAccess => 4,
            Self::LocalNat => 5,
            Self::TimeoutLocalNat => 6,
        }
    }

    /// A short name for logs and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Access => "access",
            Self::NatAccess => "nat_access",
            Self::TimeoutAccess => "client_timeout_access",
            Self::TimeoutNatAccess => "client_timeout_nat_access",
            Self::LocalNat => "local_nat_access",
            Self::TimeoutLocalNat => "client_timeout_local_nat_access",
        }
    }

    /// Whether a NAT field must follow the message.
    #[must_use]
    pub fn has_nat(self) -> bool {
        matches!(
            self,
            Self::NatAccess | Self::TimeoutNatAccess | Self::LocalNat | Self::TimeoutLocalNat
        )
    }

    /// Whether a client timeout must end the fields.
    #[must_use]
    pub fn has_timeout(self) -> bool {
        matches!(
            self,
            Self::TimeoutAccess | Self::TimeoutNatAccess | Self::TimeoutLocalNat
        )
    }
}

/// The fields of a packet, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The random value as a number; sixteen decimal digits in the packet, leading zeros included.
    pub random: u64,
    /// The user name, 1 to 48 bytes of printable ASCII.
    pub user: String,
    /// When the packet was made, in Unix seconds; at most twelve digits.
    pub timestamp: u64,
    /// The client's protocol version, 1 to 8 characters.
    pub version: String,
    /// What kind of message it is.
    pub message_type: MessageType,
    /// The message, 1 to 192 bytes.
    pub message: String,
    /// The NAT field, just where the type has one, 1 to 192 bytes.
    pub nat: Option<String>,
    /// The server authentication field, which nobody uses, 1 to 192 bytes.
    pub server_auth: Option<String>,
    /// The lifetime that the client asks for, in seconds, just where the type has one; 0 asks for nothing.
    pub client_timeout: Option<u32>,
    /// The digest that guarded the fields.
    pub digest_type: DigestType,
}

/// Reads a decrypted plaintext; allocates nothing before the digest was right.
///
/// # Errors
/// In this order: [`Reason::Decrypt`] where it does not begin with sixteen digits, as a wrong key has it;
/// [`Reason::Fields`] for a byte that is not printable ASCII, or too few fields; [`Reason::Digest`];
/// [`Reason::Fields`] for a field that is wrong in itself; [`Reason::Message`] and [`Reason::Nat`].
pub fn read(plaintext: &[u8]) -> Result<(Fields, Request), Reason> {
    let (random, _) = plaintext
        .split_first_chunk::<RANDOM_DIGITS>()
        .ok_or(Reason::Decrypt)?;
    if !random.iter().all(u8::is_ascii_digit) || plaintext.get(RANDOM_DIGITS) != Some(&b':') {
        return Err(Reason::Decrypt);
    }
    if !plaintext.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Reason::Fields);
    }
    let plaintext = str::from_utf8(plaintext).map_err(|_| Reason::Fields)?;
    if plaintext.bytes().filter(|&byte| byte == b':').count() < SEPARATORS_MIN {
        return Err(Reason::Fields);
    }
    let (text, hashed) = plaintext.rsplit_once(':').ok_or(Reason::Fields)?;
    let digest_type = recognise(text.as_bytes(), hashed.as_bytes()).ok_or(Reason::Digest)?;
    let fields = split(text, digest_type).ok_or(Reason::Fields)?;
    let request = message::read(&fields)?;
    Ok((fields, request))
}

/// Reads the fields before the digest.
fn split(text: &str, digest_type: DigestType) -> Option<Fields> {
    let mut parts = text.split(':');
    let random = number(parts.next()?, RANDOM_DIGITS)?;
    let user = decode(parts.next()?, USER_FIELD_MAX).filter(|user| is_user(user))?;
    let timestamp = number(parts.next()?, TIMESTAMP_FIELD_MAX)?;
    let version = parts
        .next()
        .filter(|version| is_version(version))?
        .to_owned();
    let message_type = usize::try_from(number(parts.next()?, 2)?).ok()?;
    let message_type = *MessageType::ALL.get(message_type)?;
    let message = decode(parts.next()?, MESSAGE_FIELD_MAX)?;
    let tail: Vec<&str> = parts.collect();
    let (nat, server_auth, timeout) = match (
        message_type.has_nat(),
        message_type.has_timeout(),
        tail.as_slice(),
    ) {
        (false, false, []) => (None, None, None),
        (false, false, [auth]) => (None, Some(*auth), None),
        (false, true, [timeout]) => (None, None, Some(*timeout)),
        (false, true, [auth, timeout]) => (None, Some(*auth), Some(*timeout)),
        (true, false, [nat]) => (Some(*nat), None, None),
        (true, false, [nat, auth]) => (Some(*nat), Some(*auth), None),
        (true, true, [nat, timeout]) => (Some(*nat), None, Some(*timeout)),
        (true, true, [nat, auth, timeout]) => (Some(*nat), Some(*auth), Some(*timeout)),
        _ => return None,
    };
    // An absent field is fine, a present one must decode.
    let optional = |field: Option<&str>| match field {
        Some(field) => decode(field, MESSAGE_FIELD_MAX).map(Some),
        None => Some(None),
    };
    let server_auth = optional(server_auth)?;
    if server_auth.as_deref().is_some_and(|text| !is_text(text)) {
        return None;
    }
    let client_timeout = match timeout {
        Some(timeout) => Some(timeout_seconds(timeout)?),
        None => None,
    };
    Some(Fields {
        random,
        user,
        timestamp,
        version,
        message_type,
        message,
        nat: optional(nat)?,
        server_auth,
        client_timeout,
        digest_type,
    })
}

/// Writes the plaintext, digest included, as [`read`] takes it; the fields are not judged here.
pub(super) fn write(fields: &Fields) -> Zeroizing<String> {
    // Room for the longest plaintext of all: a string that grew would leave its old half behind, unwiped.
    let mut text = Zeroizing::new(String::with_capacity(crate::limits::PACKET_MAX));
    // Writing to a String cannot fail.
    let _ = write!(text, "{:0RANDOM_DIGITS$}:", fields.random);
    base64::encode(fields.user.as_bytes(), &mut text);
    let number = fields.message_type.number();
    let _ = write!(text, ":{}:{}:{number}:", fields.timestamp, fields.version);
    base64::encode(fields.message.as_bytes(), &mut text);
    for field in [&fields.nat, &fields.server_auth].into_iter().flatten() {
        text.push(':');
        base64::encode(field.as_bytes(), &mut text);
    }
    if let Some(timeout) = fields.client_timeout {
        let _ = write!(text, ":{timeout}");
    }
    let hashed = digest(fields.digest_type, text.as_bytes());
    text.push(':');
    base64::encode(hashed.bytes(), &mut text);
    text
}

/// Whether a user name holds only what fwknop allows in one; its length is not judged.
pub(super) fn is_user(user: &str) -> bool {
    !user.is_empty()
        && user
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && !br#""/\[]:;|=,+*?<>"#.contains(&byte))
}

/// Whether this can stand in the version field.
pub(super) fn is_version(version: &str) -> bool {
    (1..=VERSION_FIELD_MAX).contains(&version.len())
        && version
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'9' | b';'..=b'~'))
}

/// Whether a decoded field is free of control characters, which only harm where people read it.
pub(super) fn is_text(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// A base64 field of at most so many characters; `None` where it is not text.
fn decode(field: &str, longest: usize) -> Option<String> {
    if !(1..=longest).contains(&field.len()) {
        return None;
    }
    let bytes = base64::decode_vec(field)?;
    let text = str::from_utf8(&bytes).ok()?;
    Some(text.to_owned())
}

/// One to so many decimal digits, without sign, blank or anything else.
fn number(field: &str, longest: usize) -> Option<u64> {
    if !(1..=longest).contains(&field.len()) || !field.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    field.parse().ok()
}

/// A client timeout; leading zeros change nothing.
fn timeout_seconds(field: &str) -> Option<u32> {
    let seconds = u32::try_from(number(field, TIMEOUT_FIELD_MAX)?).ok()?;
    (seconds <= CLIENT_TIMEOUT_MAX).then_some(seconds)
}
