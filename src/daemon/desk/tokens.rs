//! Tokens of forms: a form that is sent back was made here, lately, for this very visitor.

use std::net::IpAddr;
use std::time::Duration;

use hmac::digest::common::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// How long one token is handed out, in seconds.
const PERIOD: u64 = 600;

/// Earlier tokens that are taken.
const EARLIER: u64 = 5;

/// Bytes of a token, before they are written in hex.
const LENGTH: usize = 16;

/// Makes tokens and knows them again, until the daemon ends.
#[derive(Debug)]
pub(super) struct Tokens {
    key: Zeroizing<[u8; 32]>,
}

impl Tokens {
    /// With a new key.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key)?;
        Ok(Self { key })
    }

    /// The token for this visitor now, a time since boot.
    pub(super) fn token(&self, visitor: IpAddr, now: Duration) -> String {
        hex(&self.of(visitor, period(now)))
    }

    /// Whether the visitor got this token, and not too long ago.
    pub(super) fn is_of(&self, token: &str, visitor: IpAddr, now: Duration) -> bool {
        let period = period(now);
        let mut found = false;
        for earlier in 0..=EARLIER {
            let known = period.checked_sub(earlier).map(|period| hex(&self.of(visitor, period)));
            found |= known.is_some_and(|known| bool::from(known.as_bytes().ct_eq(token.as_bytes())));
        }
        found
    }

    fn of(&self, visitor: IpAddr, period: u64) -> [u8; LENGTH] {
        // A key of any length is taken.
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(&*self.key) else { return [0; LENGTH] };
        mac.update(&period.to_be_bytes());
        match visitor.to_canonical() {
            IpAddr::V4(address) => mac.update(&address.octets()),
            IpAddr::V6(address) => mac.update(&address.octets()),
        }
        mac.finalize().into_bytes().first_chunk().copied().unwrap_or_default()
    }
}

fn period(now: Duration) -> u64 {
    now.as_secs().checked_div(PERIOD).unwrap_or(0)
}

/// Bytes as hex digits.
pub(super) fn hex(bytes: &[u8; LENGTH]) -> String {
    format!("{:032x}", u128::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_visitor_for_most_of_an_hour() {
        let (tokens, others) = (Tokens::new().unwrap(), Tokens::new().unwrap());
        let visitor: IpAddr = "192.0.2.1".parse().unwrap();
        let at = |seconds: u64| Duration::from_secs(7_200 + seconds);
        let token = tokens.token(visitor, at(0));
        assert_eq!(token.len(), 32);
        for (seconds, good) in [(0, true), (599, true), (3_000, true), (3_599, true), (3_600, false), (86_400, false)] {
            assert_eq!(tokens.is_of(&token, visitor, at(seconds)), good, "after {seconds} s");
        }
        assert!(tokens.is_of(&token, "::ffff:192.0.2.1".parse().unwrap(), at(0)));
        for other in ["192.0.2.2", "2001:db8::1"] {
            assert!(!tokens.is_of(&token, other.parse().unwrap(), at(0)), "{other}");
        }
        assert!(!others.is_of(&token, visitor, at(0)), "another start");
        for cut in 0..token.len() {
            assert!(!tokens.is_of(&token[..cut], visitor, at(0)));
        }
        let early = tokens.token(visitor, Duration::ZERO);
        assert!(tokens.is_of(&early, visitor, Duration::from_secs(1)));
    }
}
