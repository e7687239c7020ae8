//! The `otpauth` URI that authenticator apps read from a QR code.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::base32;
use super::record::Record;

/// The URI of a record, with the issuer that the app is to show; none for a chain, which no app knows.
#[must_use]
pub fn otpauth(record: &Record, user: &str, issuer: &str) -> Option<Zeroizing<String>> {
    let (kind, token) = match record {
        Record::Chain(_) => return None,
        Record::Hotp { token, .. } => ("hotp", token),
        Record::Totp { token, .. } => ("totp", token),
    };
    let secret = base32::encode(token.secret.bytes());
    // Room for all of it: a text that grows would leave copies of the secret behind.
    let mut uri = Zeroizing::new(String::with_capacity(secret.len() + 6 * issuer.len() + 3 * user.len() + 128));
    let _ = write!(uri, "otpauth://{kind}/");
    escape(issuer, &mut uri);
    uri.push(':');
    escape(user, &mut uri);
    let _ = write!(uri, "?secret={}&issuer=", *secret);
    escape(issuer, &mut uri);
    let _ = write!(uri, "&algorithm={}&digits={}", token.algorithm.name().to_ascii_uppercase(), token.digits);
    let _ = match record {
        Record::Totp { period, .. } => write!(uri, "&period={period}"),
        Record::Hotp { counter, .. } => write!(uri, "&counter={counter}"),
        Record::Chain(_) => Ok(()),
    };
    Some(uri)
}

/// Every byte but letters, digits, `-`, `.`, `_` and `~` as `%XX` (RFC 3986, section 2).
fn escape(text: &str, uri: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knock::fwknop::keys::Secret;
    use crate::otp::codes::{Algorithm, Token};

    #[test]
    fn apps_can_read_it() {
        let token =
            |algorithm, digits| Token { algorithm, digits, secret: Secret::new(b"12345678901234567890".to_vec()) };
        let record = Record::Totp { token: token(Algorithm::Sha1, 6), period: 30, floor: 0 };
        assert_eq!(
            *otpauth(&record, "alice", "router & co").unwrap(),
            "otpauth://totp/router%20%26%20co:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=router%20%26%20co\
             &algorithm=SHA1&digits=6&period=30"
        );
        let record = Record::Hotp { token: token(Algorithm::Sha512, 8), counter: 7 };
        let uri = otpauth(&record, "alice", "spa-knockd").unwrap();
        assert!(uri.starts_with("otpauth://hotp/spa-knockd:alice?secret="), "{}", *uri);
        assert!(uri.ends_with("&algorithm=SHA512&digits=8&counter=7"), "{}", *uri);
    }
}
