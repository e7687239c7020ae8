//! The recorded packets of fwknop 2.6.10 and of an independent encoder: decoding, refusing, encoding.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use serde_json::Value;
use spa_knockd::knock::fwknop::keys::{KeySet, Secret};
use spa_knockd::knock::fwknop::{Opened, SpaText, Verifier, encode, encode::seal};
use spa_knockd::reason::Reason;

/// Groups whose packets are not symmetric fwknop texts, or that have no packets at all.
const OTHER_FORMATS: [(&str, &str); 3] = [
    ("gpg", "OpenPGP messages, which this daemon refuses in the configuration"),
    ("http-proxy", "the request that a client sends to a proxy"),
    ("config-access", "configuration texts"),
];

/// Refused for another reason than their format: the packets themselves are genuine.
const NOT_FORMAT: [&str; 7] = ["timestamp", "policy", "source", "expired", "replay", "destination", "http"];

struct Vector {
    id: String,
    json: Value,
}

fn vectors() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/fwknop")).unwrap() {
        let file = file.unwrap().path();
        let group = file.file_stem().unwrap().to_str().unwrap();
        if OTHER_FORMATS.iter().any(|(name, _)| *name == group) {
            continue;
        }
        let json: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for json in json["vectors"].as_array().unwrap() {
            let id = json["id"].as_str().unwrap().to_owned();
            vectors.push(Vector { id, json: json.clone() });
        }
    }
    vectors
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The keys of a vector or of one of its stanzas.
fn keys(json: &Value) -> KeySet {
    let hmac = &json["keys"]["hmac"];
    let kind = json["hmac_type"].as_str().map(|name| name.parse().unwrap());
    KeySet {
        mode: json["encryption_mode"].as_str().unwrap().parse().unwrap(),
        key: Secret::new(unhex(&json["keys"]["encryption"]["hex"])),
        hmac: hmac.is_object().then(|| (kind.unwrap_or_default(), Secret::new(unhex(&hmac["hex"])))),
    }
}

impl Vector {
    fn stanzas(&self) -> Vec<KeySet> {
        match self.json["stanzas"].as_array() {
            Some(stanzas) => stanzas.iter().map(keys).collect(),
            None => vec![keys(&self.json)],
        }
    }

    fn expected(&self, name: &str) -> &Value {
        &self.json["expected"][name]
    }

    /// Whether the last packet is a request that a daemon with HTTP switched on would look into.
    fn over_http(&self) -> bool {
        self.json["packets"].as_array().unwrap().last().unwrap()["transport"] == "http"
            && self.expected("stage") != "base64"
    }

    /// The last packet; of one sent over HTTP, the text that the request carries.
    fn payload(&self) -> Vec<u8> {
        let payload = unhex(&self.json["packets"].as_array().unwrap().last().unwrap()["payload_hex"]);
        match payload.split_at_checked(5) {
            Some((method, request)) if self.over_http() && method.eq_ignore_ascii_case(b"GET /") => {
                let end = request.iter().position(|&byte| byte == b' ').unwrap();
                let plain = |byte: &u8| match byte {
                    b'-' => b'+',
                    b'_' => b'/',
                    byte => *byte,
                };
                request[..end].iter().map(plain).collect()
            }
            _ => payload,
        }
    }
}

fn open(payload: &[u8], keys: &KeySet) -> Result<Opened, Reason> {
    Verifier::new(keys).authenticate(SpaText::parse(payload)?)?.open()
}

fn assert_fields(opened: &Opened, expected: &Value, id: &str) {
    let fields = &opened.fields;
    assert_eq!(expected["rand"], format!("{:016}", fields.random), "{id}");
    assert_eq!(expected["username"], fields.user, "{id}");
    assert_eq!(expected["timestamp"], fields.timestamp, "{id}");
    assert_eq!(expected["version"], fields.version, "{id}");
    assert_eq!(expected["message_type"], fields.message_type.number(), "{id}");
    assert_eq!(expected["message"], fields.message, "{id}");
    assert_eq!(expected["nat_access"].as_str(), fields.nat.as_deref(), "{id}");
    assert_eq!(expected["server_auth"].as_str(), fields.server_auth.as_deref(), "{id}");
    assert_eq!(expected["client_timeout"], fields.client_timeout.unwrap_or(0), "{id}");
    assert_eq!(expected["digest_type"], fields.digest_type.name(), "{id}");
}

#[test]
fn accepted_packets_give_exactly_their_fields() {
    let (mut seen, mut listed, mut encoded) = (0, 0, 0);
    for vector in vectors().iter().filter(|vector| vector.expected("verdict") == "accept") {
        let id = &vector.id;
        let payload = vector.payload();
        let mut stanzas = vector.stanzas();
        // Stanzas are counted from 1; where there are several, the vector says which one granted.
        let at = vector.expected("stanza").as_u64().map_or(0, |number| usize::try_from(number).unwrap() - 1);
        let keys = stanzas.swap_remove(at);
        let opened = open(&payload, &keys).unwrap_or_else(|reason| panic!("{id}: {reason}"));
        // The independent encoder's packets carry no list of fields; their plaintext below says as much.
        if vector.expected("fields")["rand"].is_string() {
            assert_fields(&opened, vector.expected("fields"), id);
            listed += 1;
        }
        if let Some(text) = vector.expected("spa_text").as_str() {
            assert_eq!(text.as_bytes(), payload, "{id}");
        }
        seen += 1;

        let crypto = vector.expected("crypto");
        if crypto.is_null() {
            assert!(id.contains("-multi-"), "{id}");
            continue;
        }
        let salt = unhex(&crypto["salt_hex"]).try_into().unwrap();
        let plaintext = crypto["plaintext"].as_str().unwrap().as_bytes();
        if unhex(&crypto["padded_plaintext_hex"]) == plaintext {
            // An old client's packet without padding; we always pad.
            assert!(id.contains("unpadded"), "{id}");
            continue;
        }
        assert_eq!(seal(plaintext, &keys, salt).as_bytes(), payload, "{id}");
        assert_eq!(encode(&opened.fields, &keys, salt).unwrap().as_bytes(), payload, "{id}");
        encoded += 1;
    }
    assert_eq!((seen, listed, encoded), (110, 87, 99));
}

#[test]
fn refused_packets_are_refused_for_their_reason() {
    let (mut seen, mut genuine) = (0, 0);
    for vector in vectors().iter().filter(|vector| vector.expected("verdict") == "reject") {
        let id = &vector.id;
        let payload = vector.payload();
        let results: Vec<_> = vector.stanzas().iter().map(|keys| open(&payload, keys).map(drop)).collect();
        let Some(stage) = vector.expected("stage").as_str() else {
            // Several stanzas: who may have what is not the format's business, but strangers stay outside.
            assert_eq!(results.iter().all(Result::is_err), id.ends_with("-none"), "{id}");
            continue;
        };
        if NOT_FORMAT.contains(&stage) {
            assert_eq!(results, [Ok(())], "{id}");
            genuine += 1;
            continue;
        }
        if id == "shared-neg-081-msg-ip-v6" {
            // An IPv6 allow address is our extension; over IPv4 policy refuses it by its family.
            assert_eq!(results, [Ok(())], "{id}");
            continue;
        }
        let code = results[0].map_err(Reason::code);
        assert_eq!(code, Err(stage), "{id}");
        seen += 1;
    }
    assert_eq!((seen, genuine), (88, 16));
}

#[test]
fn a_packet_has_one_replay_key_with_and_without_its_hmac() {
    let vector = vectors().into_iter().find(|vector| vector.id == "shared-multi-13-strip-hmac").unwrap();
    let packets = vector.json["packets"].as_array().unwrap();
    let stanzas = vector.stanzas();
    let keys: Vec<_> = packets
        .iter()
        .map(|packet| stanzas.iter().find_map(|keys| open(&unhex(&packet["payload_hex"]), keys).ok()).unwrap())
        .map(|opened| opened.replay_key)
        .collect();
    assert_ne!(packets[0]["payload_hex"], packets[1]["payload_hex"]);
    assert_eq!(keys[0], keys[1]);
}
