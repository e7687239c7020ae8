//! Packets that no client of fwknop makes, sealed with the right keys: what the whole engine says to each.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod common;

use common::{NOW, access, at, config, datagram, keys, nothing};
use sha2::{Digest, Sha256, Sha512};
use spa_knockd::engine::{Engine, Memory};
use spa_knockd::knock::fwknop::base64;
use spa_knockd::knock::fwknop::encode::seal;
use spa_knockd::knock::fwknop::keys::{KeySet, Mode};
use spa_knockd::reason::Reason;

/// A salt for each packet, so that none is the replay of another.
fn salt(number: usize) -> [u8; 8] {
    u64::try_from(number).unwrap().to_le_bytes()
}

fn b64(bytes: &[u8]) -> String {
    let mut text = String::new();
    base64::encode(bytes, &mut text);
    text
}

/// Fields with the digest that belongs to them.
fn hashed(fields: &[u8]) -> Vec<u8> {
    [fields, b":", b64(&Sha256::digest(fields)).as_bytes()].concat()
}

/// Good fields but for the timestamp, the type, the message and what follows it.
fn fields(timestamp: &str, kind: &str, message: &[u8], rest: &str) -> Vec<u8> {
    let message = b64(message);
    hashed(format!("0123456789012345:{}:{timestamp}:3.0.0:{kind}:{message}{rest}", b64(b"alice")).as_bytes())
}

fn good(message: &str) -> Vec<u8> {
    fields(&NOW.to_string(), "1", message.as_bytes(), "")
}

/// What an engine of these stanzas says to payloads, in order.
fn judge_all<'a>(stanzas: &[KeySet], payloads: impl IntoIterator<Item = &'a str>) -> Vec<Result<usize, Reason>> {
    let stanzas = stanzas.iter().zip(1..).map(|(keys, number): (_, u8)| access(&format!("s{number}"), keys.clone()));
    let mut engine = Engine::new(&config(stanzas.collect()), Memory::default());
    let verdicts = payloads.into_iter().map(|payload| {
        let datagram = datagram("198.51.100.7", "192.0.2.1", payload.as_bytes());
        let verdict = engine.handle(&datagram, at(NOW), &nothing, &mut |_, _| {});
        verdict.outcome.map(|grant| grant.openings.len())
    });
    verdicts.collect()
}

/// Demands these verdicts of plaintexts, sealed with the keys of the only stanza.
fn demand(keys: &KeySet, cases: &[(&str, Vec<u8>, Result<usize, Reason>)]) {
    let sealed: Vec<String> =
        cases.iter().enumerate().map(|(number, (_, plaintext, _))| seal(plaintext, keys, salt(number))).collect();
    let verdicts = judge_all(std::slice::from_ref(keys), sealed.iter().map(String::as_str));
    for ((name, _, expected), verdict) in cases.iter().zip(verdicts) {
        assert_eq!(verdict, *expected, "{name}, {:?}", keys.mode);
    }
}

#[test]
fn only_whole_padding_is_taken_off_and_only_once() {
    let good = good("203.0.113.9,tcp/22,udp/53");
    let padding = 16 - good.len() % 16;
    let padded = |tail: Vec<u8>| [good.as_slice(), &tail].concat();
    let repeated = |byte: u8, count: usize| padded(vec![byte; count]);
    let ansi = padded([vec![0; padding - 1], vec![u8::try_from(padding).unwrap()]].concat());
    for mode in [Mode::Cbc, Mode::Legacy, Mode::Cfb, Mode::Ofb, Mode::Ctr, Mode::Ecb] {
        let keys = KeySet { mode, ..keys(1) };
        demand(
            &keys,
            &[
                ("right", good.clone(), Ok(2)),
                ("padded twice", repeated(u8::try_from(padding).unwrap(), padding), Err(Reason::Fields)),
                ("zeros in place of padding", repeated(0, padding), Err(Reason::Fields)),
                ("a count of 17", repeated(17, padding), Err(Reason::Fields)),
                ("zeros and a count", ansi.clone(), Err(Reason::Fields)),
            ],
        );
    }
}

#[test]
fn a_plaintext_that_fills_its_blocks_needs_no_padding() {
    let unpadded = (1..=16).map(|length| good(&format!("203.0.113.9{}", ",tcp/22".repeat(length))));
    let plaintext = unpadded.into_iter().find(|plaintext| plaintext.len() % 16 == 0).unwrap();
    for mode in [Mode::Cbc, Mode::Legacy, Mode::Cfb, Mode::Ofb, Mode::Ctr, Mode::Ecb] {
        let keys = KeySet { mode, hmac: None, ..keys(1) };
        // The last block is nothing but padding; in every mode it can be cut off, as old clients did not send it.
        let sealed = base64::decode_vec(&format!("U2FsdGVkX1{}", seal(&plaintext, &keys, salt(1)))).unwrap();
        let cut = b64(&sealed[..sealed.len() - 16]);
        assert_eq!(judge_all(&[keys], [cut.strip_prefix("U2FsdGVkX1").unwrap()]), [Ok(1)], "{mode:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_found_wherever_they_stand() {
    let good = good("203.0.113.9,tcp/22");
    let (fields, _) = good.split_at(good.len() - 44);
    let mut cases = vec![("right", good.clone(), Ok(1))];
    for byte in [0, b'\t', b'\n', b'\r', 0x1f, 0x7f, 0x80, 0xc3, 0xff] {
        let with = |text: &[u8]| [text, &[byte]].concat();
        cases.push(("under the digest", hashed(&with(fields)), Err(Reason::Fields)));
        cases.push(("behind the digest", with(&good), Err(Reason::Fields)));
        let end = [with(&good), good.clone()].concat();
        cases.push(("between two packets", end, Err(Reason::Fields)));
        let user = format!("0123456789012345:{}:{NOW}:3.0.0:1:{}", b64(&[b'a', byte]), b64(b"203.0.113.9,tcp/22"));
        cases.push(("in the user name", hashed(user.as_bytes()), Err(Reason::Fields)));
    }
    demand(&keys(1), &cases);
}

#[test]
fn a_digest_has_one_spelling() {
    let good = good("203.0.113.9,tcp/22");
    let (fields, digest) = good.split_at(good.len() - 43);
    let with = |digest: &[u8]| [fields, digest].concat();
    let text = &fields[..fields.len() - 1];
    let long = b64(&Sha512::digest(text)).into_bytes();
    let next = |digest: &[u8]| {
        let (last, rest) = digest.split_last().unwrap();
        [rest, &[last + 1]].concat()
    };
    demand(
        &keys(1),
        &[
            ("right", good.clone(), Ok(1)),
            ("unused bits", with(&next(digest)), Err(Reason::Digest)),
            ("padded", with(&[digest, b"="].concat()), Err(Reason::Digest)),
            ("sha512", with(&long), Ok(1)),
            ("sha512 with unused bits", with(&next(&long)), Err(Reason::Digest)),
            ("cut", with(&digest[..42]), Err(Reason::Digest)),
            ("none", with(b""), Err(Reason::Digest)),
            ("of other fields", with(b64(&Sha256::digest(b"x")).as_bytes()), Err(Reason::Digest)),
            ("a colon behind it", [good.as_slice(), b":"].concat(), Err(Reason::Digest)),
        ],
    );
}

#[test]
fn times_neither_wrap_nor_take_an_odd_spelling() {
    let time = |text: &str| fields(text, "1", b"203.0.113.9,tcp/22", "");
    let seconds = |seconds: u64| time(&seconds.to_string());
    demand(
        &keys(1),
        &[
            ("oldest", seconds(NOW - 120), Ok(1)),
            ("too old", seconds(NOW - 121), Err(Reason::TooOld)),
            ("newest", seconds(NOW + 120), Ok(1)),
            ("too new", seconds(NOW + 121), Err(Reason::TooNew)),
            ("leading zeros", time(&format!("{NOW:012}")), Ok(1)),
            ("after 2038", seconds(1 << 31), Err(Reason::TooNew)),
            ("2^32 later", seconds(NOW + (1 << 32)), Err(Reason::TooNew)),
            ("2^32 itself", seconds(1 << 32), Err(Reason::TooNew)),
            ("largest", time(&"9".repeat(12)), Err(Reason::TooNew)),
            ("smallest", time("0"), Err(Reason::TooOld)),
            ("thirteen digits", time(&format!("{NOW:013}")), Err(Reason::Fields)),
            ("exponent", time("2e9"), Err(Reason::Fields)),
        ],
    );
}

#[test]
fn a_type_of_two_digits_is_the_same_type() {
    let now = NOW.to_string();
    let open = b"203.0.113.9,tcp/22";
    demand(
        &keys(1),
        &[
            ("01", fields(&now, "01", open, ""), Ok(1)),
            ("03", fields(&now, "03", open, ":90"), Ok(1)),
            ("00", fields(&now, "00", b"203.0.113.9,id", ""), Err(Reason::CommandNotAllowed)),
            ("00 without a command", fields(&now, "00", b"203.0.113.9", ""), Err(Reason::Message)),
            ("10", fields(&now, "10", open, ""), Err(Reason::Fields)),
            ("256", fields(&now, "256", open, ""), Err(Reason::Fields)),
        ],
    );
}

#[test]
fn a_packet_without_its_hmac_is_no_second_packet() {
    let guarded = keys(1);
    let bare = KeySet { hmac: None, ..keys(1) };
    let packet = seal(&good("203.0.113.9,tcp/22"), &guarded, salt(1));
    let stripped = &packet[..packet.len() - 43];
    let both = [guarded.clone(), bare];
    assert_eq!(judge_all(&both, [packet.as_str(), stripped]), [Ok(1), Err(Reason::Replay)]);
    assert_eq!(judge_all(&both, [stripped, packet.as_str()]), [Ok(1), Err(Reason::Replay)]);
    assert_eq!(judge_all(&[guarded], [stripped, packet.as_str()]), [Err(Reason::Hmac), Ok(1)]);
}
