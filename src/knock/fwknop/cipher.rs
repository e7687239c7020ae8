//! From passphrase and salt to AES-256, in six modes, padding included.

use aes_gcm::aes::Aes256;
use cbc::cipher::consts::{U16, U32};
use cbc::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit, StreamCipher};
use md5::Md5;
use sha2::digest::Digest;
use zeroize::{Zeroize, Zeroizing};

use super::keys::Mode;

/// The block of AES, in bytes.
pub(super) const BLOCK: usize = 16;

/// The length of a packet's salt, in bytes.
pub(super) const SALT: usize = 8;

/// The key that clients before fwknop 2.5 made: cut to this many bytes, or filled up with the digit `0`.
const LEGACY_KEY: usize = 16;

/// AES key and IV of one packet, wiped when dropped.
pub(super) struct PacketKey {
    mode: Mode,
    key: Array<u8, U32>,
    iv: Array<u8, U16>,
}

impl Drop for PacketKey {
    fn drop(&mut self) {
        self.key.zeroize();
        self.iv.zeroize();
    }
}

impl PacketKey {
    /// Derives them as OpenSSL's `EVP_BytesToKey` does with MD5 and one round.
    pub(super) fn derive(mode: Mode, key: &[u8], salt: &[u8; SALT]) -> Self {
        let mut legacy = Zeroizing::new([b'0'; LEGACY_KEY]);
        let key = if mode == Mode::Legacy {
            for (to, from) in legacy.iter_mut().zip(key) {
                *to = *from;
            }
            legacy.as_slice()
        } else {
            key
        };
        let link = |before: &[u8]| Md5::new().chain_update(before).chain_update(key).chain_update(salt).finalize();
        let mut first = link(&[]);
        let mut second = link(&first);
        let derived = Self { mode, key: first.concat(second), iv: link(&second) };
        first.zeroize();
        second.zeroize();
        derived
    }

    /// Decrypts whole blocks where they stand; a rest shorter than a block stays as it is.
    pub(super) fn decrypt(&self, data: &mut [u8]) {
        let Self { mode, key, iv } = self;
        let (blocks, _) = Array::<u8, U16>::slice_as_chunks_mut(data);
        match mode {
            Mode::Cbc | Mode::Legacy => {
                cbc::Decryptor::<Aes256>::new(key, iv).decrypt_blocks(blocks);
            }
            Mode::Cfb => cfb_mode::Decryptor::<Aes256>::new(key, iv).decrypt_blocks(blocks),
            Mode::Ecb => ecb::Decryptor::<Aes256>::new(key).decrypt_blocks(blocks),
            Mode::Ofb | Mode::Ctr => self.apply_keystream(data),
        }
    }

    /// Encrypts whole blocks where they stand; a rest shorter than a block stays as it is.
    pub(super) fn encrypt(&self, data: &mut [u8]) {
        let Self { mode, key, iv } = self;
        let (blocks, _) = Array::<u8, U16>::slice_as_chunks_mut(data);
        match mode {
            Mode::Cbc | Mode::Legacy => {
                cbc::Encryptor::<Aes256>::new(key, iv).encrypt_blocks(blocks);
            }
            Mode::Cfb => cfb_mode::Encryptor::<Aes256>::new(key, iv).encrypt_blocks(blocks),
            Mode::Ecb => ecb::Encryptor::<Aes256>::new(key).encrypt_blocks(blocks),
            Mode::Ofb | Mode::Ctr => self.apply_keystream(data),
        }
    }

    /// What the two modes that make a keystream do, in both directions.
    fn apply_keystream(&self, data: &mut [u8]) {
        let Self { mode, key, iv } = self;
        if *mode == Mode::Ofb {
            ofb::Ofb::<Aes256>::new(key, iv).apply_keystream(data);
        } else {
            ctr::Ctr128BE::<Aes256>::new(key, iv).apply_keystream(data);
        }
    }
}

/// What must be appended before encryption, in every mode: so many bytes of that value, 1 to 16.
pub(super) fn padding(length: usize) -> impl Iterator<Item = u8> {
    let rest = BLOCK - length % BLOCK;
    std::iter::repeat_n(u8::try_from(rest).unwrap_or_default(), rest)
}

/// Takes the padding off; what has none stays whole, as clients before fwknop 2.0.4 sent it.
pub(super) fn unpad(data: &[u8]) -> &[u8] {
    let whole = || {
        let &last = data.last()?;
        let count = usize::from(last);
        if !(1..=BLOCK).contains(&count) {
            return None;
        }
        let (text, padding) = data.split_at_checked(data.len().checked_sub(count)?)?;
        padding.iter().all(|&byte| byte == last).then_some(text)
    };
    whole().unwrap_or(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knock::fwknop::base64;

    fn unhex(text: &serde_json::Value) -> Vec<u8> {
        let text = text.as_str().unwrap();
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// Every intermediate value of the recorded packets: AES key, IV, padded plaintext, ciphertext.
    #[test]
    fn the_recorded_packets_go_through_these_very_values() {
        let (mut seen, mut sealed) = (0, 0);
        let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/fwknop");
        for file in std::fs::read_dir(vectors).unwrap() {
            let text = std::fs::read(file.unwrap().path()).unwrap();
            let group: serde_json::Value = serde_json::from_slice(&text).unwrap();
            for vector in group["vectors"].as_array().unwrap() {
                let crypto = &vector["expected"]["crypto"];
                // Those with several stanzas have no keys of their own.
                let (true, Some(mode)) = (crypto.is_object(), vector["encryption_mode"].as_str()) else {
                    continue;
                };
                let salt: [u8; SALT] = unhex(&crypto["salt_hex"]).try_into().unwrap();
                let key = unhex(&vector["keys"]["encryption"]["hex"]);
                let derived = PacketKey::derive(mode.parse().unwrap(), &key, &salt);
                assert_eq!(derived.key.as_slice(), unhex(&crypto["aes_key_hex"]), "{}", vector["id"]);
                assert_eq!(derived.iv.as_slice(), unhex(&crypto["iv_hex"]), "{}", vector["id"]);

                let padded = unhex(&crypto["padded_plaintext_hex"]);
                let plaintext = crypto["plaintext"].as_str().unwrap().as_bytes();
                assert_eq!(unpad(&padded), plaintext, "{}", vector["id"]);
                let mut data = padded.clone();
                derived.encrypt(&mut data);
                if let Some(text) = crypto["hmac_input"].as_str() {
                    assert_eq!(base64::decode_vec(text).unwrap()[16..], data, "{}", vector["id"]);
                    sealed += 1;
                }
                derived.decrypt(&mut data);
                assert_eq!(data, padded, "{}", vector["id"]);
                seen += 1;
            }
        }
        assert!(seen >= 80 && sealed >= 60, "{seen} {sealed}");
    }

    #[test]
    fn what_is_padded_is_unpadded_and_the_rest_left_alone() {
        for length in 0..=48 {
            let mut data = vec![b'x'; length];
            data.extend(padding(length));
            assert!(data.len() > length && data.len().is_multiple_of(BLOCK));
            assert_eq!(unpad(&data), &[b'x'].repeat(length));
        }
        let whole = [b'x'; 16];
        let ends = |tail: &[u8]| [&whole[..16 - tail.len()], tail].concat();
        for tail in [&[0][..], &[17], &[1, 2], &[2, 3, 3], &[16], &[255; 16]] {
            let data = ends(tail);
            assert_eq!(unpad(&data), data, "{tail:?}");
        }
        assert!(unpad(&[]).is_empty());
        assert_eq!(unpad(&[2]), &[2]);
    }
}
