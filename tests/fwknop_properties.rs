//! What must hold for every fwknop packet, whatever its fields, keys and damage.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use sha2::{Digest, Sha256};
use spa_knockd::knock::fwknop::fields::{self, Fields, MessageType};
use spa_knockd::knock::fwknop::keys::{DigestType, KeySet, Mode, Secret};
use spa_knockd::knock::fwknop::{EncodeError, Opened, SpaText, Verifier, base64, encode, encode::seal, encode_fresh};
use spa_knockd::reason::Reason;

fn open(payload: &[u8], keys: &KeySet) -> Result<Opened, Reason> {
    Verifier::new(keys).authenticate(SpaText::parse(payload)?)?.open()
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|v4| v4.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|v6| v6.to_string()),
    ]
}

/// Messages long enough for the shortest packet that is allowed.
fn message(message_type: MessageType) -> BoxedStrategy<String> {
    if message_type == MessageType::Command {
        return (address(), "[ -~]{30,120}").prop_map(|(address, command)| format!("{address},{command}")).boxed();
    }
    let port = (select(vec!["tcp", "udp"]), 1..=u16::MAX).prop_map(|(proto, port)| format!("{proto}/{port}"));
    (address(), vec(port, 3..=12)).prop_map(|(address, ports)| format!("{address},{}", ports.join(","))).boxed()
}

prop_compose! {
    fn any_fields()(message_type in select(MessageType::ALL.to_vec()))(
        random in 0..10_u64.pow(16),
        user in "[ -~&&[^\"/\\\\\\[\\]:;|=,+*?<>]]{1,48}",
        timestamp in 1_000_000_000..10_u64.pow(12),
        version in "[!-9;-~]{5,8}",
        message_type in Just(message_type),
        message in message(message_type),
        nat in (prop_oneof![address(), "[a-z][a-z0-9-]{0,60}[a-z]\\.[a-z]{1,7}"], 1..=u16::MAX),
        server_auth in option::of("[ -~]{1,192}"),
        client_timeout in 0..=65_536_u32,
        digest_type in select(DigestType::ALL.to_vec()),
    ) -> Fields {
        Fields {
            random,
            user,
            timestamp,
            version,
            message_type,
            message,
            nat: message_type.has_nat().then(|| format!("{},{}", nat.0, nat.1)),
            server_auth,
            client_timeout: message_type.has_timeout().then_some(client_timeout),
            digest_type,
        }
    }
}

prop_compose! {
    fn any_keys()(
        mode in select(Mode::ALL.to_vec()),
        key in vec(any::<u8>(), 1..=32),
        hmac in option::weighted(0.7, (select(DigestType::ALL.to_vec()), vec(any::<u8>(), 1..=136))),
    ) -> KeySet {
        KeySet { mode, key: Secret::new(key), hmac: hmac.map(|(kind, key)| (kind, Secret::new(key))) }
    }
}

/// A plaintext with the digest that belongs to it, right or wrong as it is.
fn with_digest(fields: &[u8]) -> Vec<u8> {
    let mut digest = ":".to_owned();
    base64::encode(&Sha256::digest(fields), &mut digest);
    [fields, digest.as_bytes()].concat()
}

fn plain_keys() -> KeySet {
    KeySet { mode: Mode::Cbc, key: Secret::new(b"key".to_vec()), hmac: None }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn what_was_encoded_decodes_to_the_same(fields in any_fields(), keys in any_keys(), salt: [u8; 8]) {
        let packet = encode(&fields, &keys, salt).unwrap();
        let opened = open(packet.as_bytes(), &keys).unwrap();
        prop_assert_eq!(opened.fields, fields);
    }

    #[test]
    fn junk_never_opens_and_never_panics(junk in "[A-Za-z0-9+/]{0,300}", keys in any_keys(), tail in vec(any::<u8>(), 0..3)) {
        prop_assert!(open(junk.as_bytes(), &keys).is_err());
        prop_assert!(open(&[junk.as_bytes(), &tail].concat(), &keys).is_err());
    }

    #[test]
    fn any_bytes_as_plaintext_are_refused(plaintext in vec(any::<u8>(), 0..200), digits in any::<bool>()) {
        let start: &[u8] = if digits { b"1234567890123456:" } else { b"" };
        prop_assert!(fields::read(&[start, &plaintext].concat()).is_err());
        prop_assert!(fields::read(&with_digest(&[start, &plaintext].concat())).is_err());
    }

    /// Every plaintext that is accepted can be made again: the decoder is nowhere laxer than the encoder.
    #[test]
    fn a_damaged_plaintext_with_the_right_digest_is_refused_or_still_sound(
        fields in any_fields(), at: prop::sample::Index, with in select(b":/,.0189=+-aAZz \n\0\x7f\x80".to_vec()), how in 0..4,
    ) {
        let fields = Fields { digest_type: DigestType::Sha256, ..fields };
        let packet = encode(&fields, &plain_keys(), [0; 8]).unwrap();
        let mut text = plaintext(&packet);
        let end = text.iter().rposition(|&byte| byte == b':').unwrap();
        text.truncate(end);
        let at = at.index(end);
        match how {
            0 => text[at] = with,
            1 => text.insert(at, with),
            2 => drop(text.remove(at)),
            _ => text.truncate(at),
        }
        let damaged = with_digest(&text);
        if let Ok((read, _)) = fields::read(&damaged) {
            let again = encode(&read, &plain_keys(), [0; 8]);
            prop_assert!(again.is_ok() || again == Err(EncodeError::Size), "{:?} {:?}", again, read);
        } else {
            let packet = seal(&damaged, &plain_keys(), [0; 8]);
            prop_assert!(open(packet.as_bytes(), &plain_keys()).is_err());
        }
    }
}

/// Decrypts a packet of `plain_keys` with OpenSSL's derivation, independently of the decoder's own buffers.
fn plaintext(packet: &str) -> Vec<u8> {
    use aes_gcm::aes::Aes256;
    use cbc::cipher::{BlockModeDecrypt, KeyIvInit, block_padding::Pkcs7};
    let sealed = base64::decode_vec(&format!("U2FsdGVkX1{packet}")).unwrap();
    let salt = &sealed[8..16];
    let link = |before: &[u8]| md5::Md5::digest([before, b"key", salt].concat()).to_vec();
    let (first, second) = (link(b""), link(&link(b"")));
    let key: [u8; 32] = [first, second.clone()].concat().try_into().unwrap();
    let iv: [u8; 16] = link(&second).try_into().unwrap();
    let mut data = sealed[16..].to_vec();
    let cipher = cbc::Decryptor::<Aes256>::new(&key.into(), &iv.into());
    cipher.decrypt_padded::<Pkcs7>(&mut data).unwrap().to_vec()
}

fn sample() -> Fields {
    Fields {
        random: 42,
        user: "alice".to_owned(),
        timestamp: 1_795_304_783,
        version: fields::VERSION.to_owned(),
        message_type: MessageType::TimeoutNatAccess,
        message: "203.0.113.21,tcp/22".to_owned(),
        nat: Some("10.1.1.5,80".to_owned()),
        server_auth: None,
        client_timeout: Some(30),
        digest_type: DigestType::Sha256,
    }
}

#[test]
fn every_change_of_one_byte_is_refused() {
    let kinds = DigestType::ALL.map(Some).into_iter().chain([None]);
    for (kind, mode) in kinds.zip(Mode::ALL.into_iter().cycle()) {
        let keys = KeySet { mode, hmac: kind.map(|kind| (kind, Secret::new(b"hmac".to_vec()))), ..plain_keys() };
        let packet = encode(&sample(), &keys, [9; 8]).unwrap().into_bytes();
        assert!(open(&packet, &keys).is_ok());
        for at in 0..packet.len() {
            for change in [1, 2, 0x20, 0x80] {
                let mut damaged = packet.clone();
                damaged[at] ^= change;
                assert!(open(&damaged, &keys).is_err(), "{kind:?} {mode:?} {at} {change}");
            }
        }
        for cut in 1..packet.len() {
            assert!(open(&packet[cut..], &keys).is_err(), "{kind:?} {mode:?} {cut}");
            assert!(open(&packet[..packet.len() - cut], &keys).is_err(), "{kind:?} {mode:?} {cut}");
        }
        for extra in ["A", "=", "/", "AA", "AAAA", "\n", "U2FsdGVkX1"] {
            assert!(open(&[&packet, extra.as_bytes()].concat(), &keys).is_err(), "{kind:?} {mode:?} {extra:?}");
            assert!(open(&[extra.as_bytes(), &packet].concat(), &keys).is_err(), "{kind:?} {mode:?} {extra:?}");
        }
    }
}

#[test]
fn keys_work_at_every_edge_of_their_length() {
    for mode in Mode::ALL {
        for length in [1, 15, 16, 17, 31, 32] {
            let keys = KeySet { mode, key: Secret::new(vec![b'k'; length]), hmac: None };
            let packet = encode(&sample(), &keys, [9; 8]).unwrap();
            assert_eq!(open(packet.as_bytes(), &keys).unwrap().fields, sample());
            // One byte more is another key, but for legacy mode, which cuts.
            let longer = KeySet { key: Secret::new(vec![b'k'; length + 1]), ..keys };
            assert_eq!(
                open(packet.as_bytes(), &longer).is_ok(),
                mode == Mode::Legacy && length >= 16,
                "{mode:?} {length}"
            );
        }
    }
    for (kind, block) in DigestType::ALL.into_iter().zip([64, 64, 64, 128, 128, 136, 72]) {
        for length in [1, block - 1, block, block + 1, 128, 136] {
            let hmac = |length| Some((kind, Secret::new(vec![b'h'; length])));
            let keys = KeySet { hmac: hmac(length), ..plain_keys() };
            let packet = encode(&sample(), &keys, [9; 8]).unwrap();
            assert!(open(packet.as_bytes(), &keys).is_ok());
            let longer = KeySet { hmac: hmac(length + 1), ..keys };
            assert_eq!(open(packet.as_bytes(), &longer), Err(Reason::Hmac), "{kind:?} {length}");
        }
    }
}

#[test]
fn the_encoder_refuses_what_no_decoder_takes() {
    let refused = |fields: Fields| encode(&fields, &plain_keys(), [0; 8]).unwrap_err();
    let user = |user: &str| refused(Fields { user: user.to_owned(), ..sample() });
    for name in ["", &"a".repeat(49), "a/b", "a\"b", "a:b", "a,b", "a=b", "a\nb", "\u{e4}"] {
        assert_eq!(user(name), EncodeError::User, "{name:?}");
    }
    let message = |message: &str| refused(Fields { message: message.to_owned(), ..sample() });
    assert_eq!(message("203.0.113.21"), EncodeError::Message);
    assert_eq!(message(&("203.0.113.21".to_owned() + &",tcp/22".repeat(26))), EncodeError::Message);
    assert_eq!(refused(Fields { nat: None, ..sample() }), EncodeError::Nat);
    assert_eq!(refused(Fields { nat: Some("a b,1".to_owned()), ..sample() }), EncodeError::Nat);
    assert_eq!(refused(Fields { client_timeout: None, ..sample() }), EncodeError::ClientTimeout);
    assert_eq!(refused(Fields { client_timeout: Some(65_537), ..sample() }), EncodeError::ClientTimeout);
    assert_eq!(refused(Fields { random: 10_u64.pow(16), ..sample() }), EncodeError::Random);
    assert_eq!(refused(Fields { timestamp: 10_u64.pow(12), ..sample() }), EncodeError::Timestamp);
    for version in ["", "3:0", "123456789", "\u{e4}"] {
        assert_eq!(refused(Fields { version: version.to_owned(), ..sample() }), EncodeError::Version);
    }
    for auth in ["", "a\nb", &"a".repeat(193)] {
        assert_eq!(refused(Fields { server_auth: Some(auth.to_owned()), ..sample() }), EncodeError::ServerAuth);
    }
    let access = Fields { message_type: MessageType::Access, nat: None, client_timeout: None, ..sample() };
    assert_eq!(refused(Fields { nat: sample().nat, ..access.clone() }), EncodeError::Nat);
    assert_eq!(refused(Fields { client_timeout: Some(1), ..access.clone() }), EncodeError::ClientTimeout);
    let short = Fields { timestamp: 0, user: "a".to_owned(), digest_type: DigestType::Md5, ..access };
    assert_eq!(refused(short), EncodeError::Size);
    // The largest of all still fits.
    let long = Fields {
        user: "u".repeat(48),
        timestamp: 10_u64.pow(12) - 1,
        version: "v".repeat(8),
        message: "1.2.3.4".to_owned() + &",tcp/22".repeat(26),
        server_auth: Some("s".repeat(192)),
        digest_type: DigestType::Sha512,
        ..sample()
    };
    let keys = KeySet { hmac: Some((DigestType::Sha512, Secret::new(b"h".to_vec()))), ..plain_keys() };
    let packet = encode(&long, &keys, [0; 8]).unwrap();
    assert!(packet.len() > 800);
    assert_eq!(open(packet.as_bytes(), &keys).unwrap().fields, long);
}

#[test]
fn fresh_packets_are_never_the_same() {
    let mut packets = std::collections::HashSet::new();
    let mut randoms = std::collections::HashSet::new();
    for _ in 0..200 {
        let packet = encode_fresh(&sample(), &plain_keys()).unwrap();
        let fields = open(packet.as_bytes(), &plain_keys()).unwrap().fields;
        randoms.insert(fields.random);
        assert_eq!(Fields { random: 42, ..fields }, sample());
        packets.insert(packet);
    }
    assert_eq!((packets.len(), randoms.len()), (200, 200));
}
