//! New keys from the system's random generator, as long as fwknop's own tools make them.

use zeroize::Zeroize;

use super::keys::{DigestType, KeySet, Mode, Secret};
use crate::limits::KEY_MAX;

/// Makes an encryption key of 32 bytes and an HMAC key that suits the digest, for CBC mode.
///
/// # Errors
/// The system's, where it has no random numbers.
pub fn generate(digest: DigestType) -> Result<KeySet, getrandom::Error> {
    Ok(KeySet { mode: Mode::Cbc, key: random(KEY_MAX)?, hmac: Some((digest, random(hmac_key_len(digest))?)) })
}

/// The HMAC key's length, in bytes: fwknop's where it has one; for SHA-3, for which its tool fails, that of SHA-256.
#[must_use]
pub fn hmac_key_len(digest: DigestType) -> usize {
    match digest {
        DigestType::Md5 => 16,
        DigestType::Sha1 => 20,
        DigestType::Sha256 | DigestType::Sha3_256 | DigestType::Sha3_512 => 64,
        DigestType::Sha384 | DigestType::Sha512 => 128,
    }
}

fn random(length: usize) -> Result<Secret, getrandom::Error> {
    let mut bytes = vec![0; length];
    if let Err(error) = getrandom::fill(&mut bytes) {
        bytes.zeroize();
        return Err(error);
    }
    Ok(Secret::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_length_and_are_never_the_same() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..143 {
            for digest in DigestType::ALL {
                let keys = generate(digest).unwrap();
                let (kind, hmac) = keys.hmac.unwrap();
                assert_eq!((keys.key.bytes().len(), kind), (32, digest));
                assert_eq!(hmac.bytes().len(), hmac_key_len(digest));
                for key in [keys.key, hmac] {
                    let option = key.to_base64();
                    assert_eq!(option.len(), key.bytes().len().div_ceil(3) * 4);
                    assert_eq!(Secret::from_base64(&option), Some(key.clone()));
                    assert_eq!(Secret::from_base64(option.trim_end_matches('=')), Some(key.clone()));
                    assert_eq!(Secret::from_base64(&format!("{}=", *option)), None);
                    assert!(seen.insert(key.bytes().to_vec()));
                }
            }
        }
        assert_eq!(seen.len(), 2002);
    }
}
