//! The plaintext of a packet: its fields, read and written.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::base64;
use super::digest::{digest, recognise};
use super::keys::DigestType;
use super::message::{self, Request};
use crate::limits::{CLIENT_TIMEOUT_MAX, MESSAGE_FIELD_MAX, TIMESTAMP_FIELD_MAX, USER_FIELD_MAX, VERSION_FIELD_MAX};
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
        matches!(self, Self::NatAccess | Self::TimeoutNatAccess | Self::LocalNat | Self::TimeoutLocalNat)
    }

    /// Whether a client timeout must end the fields.
    #[must_use]
    pub fn has_timeout(self) -> bool {
        matches!(self, Self::TimeoutAccess | Self::TimeoutNatAccess | Self::TimeoutLocalNat)
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
    let (random, _) = plaintext.split_first_chunk::<RANDOM_DIGITS>().ok_or(Reason::Decrypt)?;
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
    let version = parts.next().filter(|version| is_version(version))?.to_owned();
    let message_type = usize::try_from(number(parts.next()?, 2)?).ok()?;
    let message_type = *MessageType::ALL.get(message_type)?;
    let message = decode(parts.next()?, MESSAGE_FIELD_MAX)?;
    let tail: Vec<&str> = parts.collect();
    let (nat, server_auth, timeout) = match (message_type.has_nat(), message_type.has_timeout(), tail.as_slice()) {
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
pub(crate) fn is_user(user: &str) -> bool {
    !user.is_empty() && user.bytes().all(|byte| matches!(byte, b' '..=b'~') && !br#""/\[]:;|=,+*?<>"#.contains(&byte))
}

/// Whether this can stand in the version field.
pub(super) fn is_version(version: &str) -> bool {
    (1..=VERSION_FIELD_MAX).contains(&version.len())
        && version.bytes().all(|byte| matches!(byte, b' '..=b'9' | b';'..=b'~'))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives the fields the digest that belongs to them, and reads them.
    fn read_fields(text: &str) -> Result<Fields, Reason> {
        let mut plaintext = format!("{text}:");
        base64::encode(digest(DigestType::Sha256, text.as_bytes()).bytes(), &mut plaintext);
        read(plaintext.as_bytes()).map(|(fields, _)| fields)
    }

    fn b64(text: &str) -> String {
        let mut encoded = String::new();
        base64::encode(text.as_bytes(), &mut encoded);
        encoded
    }

    /// Five fields, and the rest behind them.
    fn access(user: &str, timestamp: &str, version: &str, kind: &str, rest: &str) -> Result<Fields, Reason> {
        read_fields(&format!("0000000000000042:{user}:{timestamp}:{version}:{kind}:{rest}"))
    }

    #[test]
    fn each_type_has_just_its_own_fields() {
        // One text that suits both optional fields, so that only their number tells them apart.
        let (message, text) = (b64("1.2.3.4,tcp/22"), "10.1.1.5,80");
        for kind in MessageType::ALL {
            for (texts, timeout) in (0..4).flat_map(|texts| [(texts, false), (texts, true)]) {
                let rest =
                    message.clone() + &format!(":{}", b64(text)).repeat(texts) + if timeout { ":90" } else { "" };
                let read = access("YWxpY2U", "1", "3.0.0", &kind.number().to_string(), &rest);
                let least = usize::from(kind.has_nat());
                if timeout == kind.has_timeout() && (least..=least + 1).contains(&texts) {
                    let fields = read.unwrap();
                    assert_eq!(fields.message_type, kind);
                    assert_eq!(fields.nat.as_deref(), kind.has_nat().then_some(text));
                    assert_eq!(fields.server_auth.as_deref(), (texts > least).then_some(text));
                    assert_eq!(fields.client_timeout, timeout.then_some(90));
                } else {
                    assert_eq!(read, Err(Reason::Fields), "{kind:?} {texts} {timeout}");
                }
            }
        }
    }

    #[test]
    fn fields_at_and_beyond_their_edges() {
        let ok = |user: &str, timestamp: &str, version: &str, kind: &str, rest: &str| {
            let rest = format!("{}{rest}", b64("1.2.3.4,tcp/22"));
            match access(user, timestamp, version, kind, &rest) {
                Ok(_) => true,
                Err(Reason::Fields) => false,
                Err(reason) => panic!("{reason}"),
            }
        };
        let user = |name: &str| ok(&b64(name), "1", "3.0.0", "1", "");
        assert!(user("a") && user("o'neil @home_1.2-3") && user(&"a".repeat(48)));
        assert!(!user("") && !user(&"a".repeat(49)) && !user("a\n") && !user("\u{e4}") && !user("a\0"));
        for forbidden in r#""/\[]:;|=,+*?<>"#.chars() {
            assert!(!user(&format!("a{forbidden}")), "{forbidden}");
        }
        let timestamp = |digits: &str| ok("YQ", digits, "3.0.0", "1", "");
        assert!(timestamp("0") && timestamp("2147483648") && timestamp("999999999999"));
        for wrong in ["", "1000000000000", "-1", "+1", " 1", "1 ", "1x", "x", "0x1", "1.0"] {
            assert!(!timestamp(wrong), "{wrong:?}");
        }
        let version = |text: &str| ok("YQ", "1", text, "1", "");
        assert!(version("1") && version("1.9.12") && version("12345678"));
        assert!(!version("") && !version("123456789"));
        let kind = |text: &str| ok("YQ", "1", "3.0.0", text, "");
        assert!(kind("1") && kind("01"));
        for wrong in ["", "7", "001", "-1", "x", "1x", " 1", "99"] {
            assert!(!kind(wrong), "{wrong:?}");
        }
        let timeout = |text: &str| ok("YQ", "1", "3.0.0", "3", &format!(":{text}"));
        assert!(timeout("0") && timeout("65536") && timeout("0000000030"));
        for wrong in ["", "65537", "-1", "+1", "1s", "99999999999", "4294967297"] {
            assert!(!timeout(wrong), "{wrong:?}");
        }
        // Not base64, padded, with unused bits, of impossible length.
        for wrong in ["Y!", "YQ==", "YR", "Y"] {
            assert!(!ok(wrong, "1", "3.0.0", "1", ""), "{wrong:?}");
        }
    }

    #[test]
    fn a_message_field_ends_at_256_characters() {
        let message = |length: usize| b64(&("1.2.3.4,".to_owned() + &"x".repeat(length - 8)));
        assert_eq!(message(192).len(), 256);
        assert_eq!(access("YQ", "1", "3.0.0", "0", &message(192)).unwrap().message.len(), 192);
        assert_eq!(access("YQ", "1", "3.0.0", "0", &message(193)), Err(Reason::Fields));
        assert_eq!(access("YQ", "1", "3.0.0", "0", ""), Err(Reason::Fields));
    }

    #[test]
    fn the_first_doubt_names_the_reason() {
        let read = |text: &str| read(text.as_bytes()).map(drop);
        let cut = "A".repeat(43);
        for (text, reason) in [
            ("", Reason::Decrypt),
            ("1234567890123456", Reason::Decrypt),
            ("12345678901234567:a", Reason::Decrypt),
            ("123456789012345:a:b:c:d:e:f:g", Reason::Decrypt),
            ("1234567890123456:", Reason::Fields),
            ("1234567890123456:a:b:c:d:e", Reason::Fields),
            ("1234567890123456:a:b:c:d:e:f\u{7f}", Reason::Fields),
            ("1234567890123456:a:b:c:d:e:f", Reason::Digest),
            (&format!("1234567890123456:a:b:c:d:e:{cut}"), Reason::Digest),
        ] {
            assert_eq!(read(text), Err(reason), "{text:?}");
        }
        let doubtful =
            |message: &str, nat: &str| access("YQ", "1", "3", "2", &format!("{}:{}", b64(message), b64(nat)));
        assert_eq!(doubtful("x", "x"), Err(Reason::Message));
        assert_eq!(doubtful("1.2.3.4,tcp/22", "x"), Err(Reason::Nat));
        assert!(doubtful("1.2.3.4,tcp/22", "x.y,1").is_ok());
    }

    #[test]
    fn types_stand_at_their_numbers() {
        for (number, kind) in (0..).zip(MessageType::ALL) {
            assert_eq!(kind.number(), number);
        }
    }
}
