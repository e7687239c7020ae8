//! RFC 2289, 2243, 4226 and 6238 by their own examples, and what a server must make of good and bad input.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is how a test fails")]

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use spa_knockd::knock::fwknop::keys::Secret;
use spa_knockd::otp::chain::{Password, SEED_MAX, Seed, SeedFault, password};
use spa_knockd::otp::challenge::Challenge;
use spa_knockd::otp::codes::Token;
use spa_knockd::otp::record::{Chain, Record};
use spa_knockd::otp::response::{self, Response};
use spa_knockd::otp::throttle::Admission;
use spa_knockd::otp::verify::{Circumstances, Why, judge};
use spa_knockd::otp::{opiekeys, words};

/// The vectors of one kind, of a file; panics where there are none.
fn vectors(file: &str, kind: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/otp").join(file);
    let all: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let of_kind = |vector: &&Value| vector.get("kind").or(all.get("kind")).unwrap() == kind;
    let found: Vec<Value> = all["vectors"].as_array().unwrap().iter().filter(of_kind).cloned().collect();
    assert!(!found.is_empty(), "{kind}");
    found
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} of {value}"))
}

fn sequence(value: &Value) -> u16 {
    number(value, "seq").try_into().unwrap()
}

#[test]
fn every_vector_is_of_a_kind_that_is_tested_here() {
    let count = |file: &str, kinds: &[&str]| kinds.iter().map(|kind| vectors(file, kind).len()).sum::<usize>();
    let otp = ["otp_compute", "otp_parse", "otp_inputs", "otp_challenge", "opiekeys_line", "otp_session"];
    assert_eq!(count("otp.json", &otp), 86);
    assert_eq!(count("hotp_totp.json", &["hotp", "totp", "hotp_check", "totp_check"]), 43);
}

#[test]
fn passwords_are_those_of_the_rfcs_in_hex_and_words() {
    for vector in vectors("otp.json", "otp_compute") {
        let (input, expect) = (&vector["input"], &vector["expect"]);
        let seed = text(input, "seed").parse().unwrap();
        let algorithm = text(input, "alg").parse().unwrap();
        let found = password(algorithm, text(input, "passphrase").as_bytes(), &seed, sequence(input));
        assert_eq!(*found.to_hex(), text(expect, "hex"), "{vector}");
        assert_eq!(*words::encode(&found), text(expect, "words"), "{vector}");
        assert_eq!(words::decode(text(expect, "words")), Some(found), "{vector}");
    }
}

#[test]
fn responses_have_the_readings_that_the_rfcs_give_them() {
    for vector in vectors("otp.json", "otp_parse") {
        let found: Vec<Value> = match response::parse(text(&vector["input"], "text")) {
            Ok(Response::Plain(readings)) => {
                let named = [("word", &readings.word), ("hex", &readings.hex)];
                named.iter().filter_map(|(kind, found)| Some(json!([kind, *found.as_ref()?.to_hex()]))).collect()
            }
            Ok(Response::Reinit(..)) => panic!("{vector}"),
            Err(_) => Vec::new(),
        };
        assert_eq!(Value::from(found), vector["expect"]["candidates"], "{vector}");
    }
}

#[test]
fn seeds_are_checked() {
    for vector in vectors("otp.json", "otp_inputs") {
        let found = text(&vector["input"], "seed").parse::<Seed>();
        match text(&vector["expect"], "check") {
            "seed-length" => assert_eq!(found, Err(SeedFault::Length), "{vector}"),
            "seed-charset" => assert_eq!(found, Err(SeedFault::Characters), "{vector}"),
            // The command line asks for the passphrase: tests/otp_cli.rs.
            "ok" | "passphrase-short" | "passphrase-long-warning" => {
                assert!(found.unwrap().text().len() <= SEED_MAX, "{vector}");
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn challenges_are_read_as_the_rfcs_write_them() {
    for vector in vectors("otp.json", "otp_challenge") {
        let found = Challenge::parse(text(&vector["input"], "text"));
        let mut expected = vector["expect"]["challenge"].clone();
        if let Some(challenge) = expected.as_object_mut() {
            challenge.remove("ext");
        }
        let found = found
            .map(|found| json!({ "alg": found.algorithm.name(), "seq": found.sequence, "seed": found.seed.text() }));
        assert_eq!(found.unwrap_or(Value::Null), expected, "{vector}");
    }
}

#[test]
fn opies_key_file_is_read_as_opie_reads_it() {
    for vector in vectors("otp.json", "opiekeys_line") {
        let found = opiekeys::parse(text(&vector["input"], "line"), "md5".parse().unwrap());
        let expected = &vector["expect"]["record"];
        let Some(found) = found else {
            assert!(expected.is_null(), "{vector}");
            continue;
        };
        assert_eq!(found.user, text(expected, "user"), "{vector}");
        assert_eq!(found.chain.is_none(), expected["disabled"] == true, "{vector}");
        if let Some(chain) = found.chain {
            assert_eq!(u64::from(chain.sequence), number(expected, "seq"), "{vector}");
            assert_eq!(
                u64::from(Record::Chain(chain.clone()).left().unwrap()),
                number(expected, "next_seq"),
                "{vector}"
            );
            assert_eq!(
                (chain.seed.text(), &**chain.last.to_hex()),
                (text(expected, "seed"), text(expected, "value_hex"))
            );
        }
    }
}

/// Reads what a session is in.
fn chain(state: &Value) -> Record {
    Record::Chain(Chain {
        algorithm: text(state, "alg").parse().unwrap(),
        sequence: sequence(state),
        seed: text(state, "seed").parse().unwrap(),
        last: Password::from_hex(text(state, "last_hex")).unwrap(),
    })
}

#[test]
fn sessions_end_where_the_vectors_say() {
    let circumstances = Circumstances { unix: None, allow_md4: false, allow_new_chain: true, codes: Admission::Any };
    for vector in vectors("otp.json", "otp_session") {
        let mut record = chain(&vector["input"]["state"]);
        for step in vector["input"]["steps"].as_array().unwrap() {
            let verdict = judge(&record, text(step, "response"), circumstances);
            let reason = match verdict.outcome {
                Ok(false) => "ok",
                Ok(true) => "reinit",
                Err(Why::Syntax) => "syntax",
                Err(Why::UnknownType) => "unknown-type",
                Err(Why::Mismatch) => "mismatch",
                Err(Why::Exhausted) => "exhausted",
                Err(Why::NewChain) => "bad-new-params",
                other => panic!("{other:?}"),
            };
            let expected = &step["expect"];
            assert_eq!(reason, text(expected, "reason"), "{step}");
            assert_eq!(verdict.outcome.is_ok(), expected["verdict"] == "accept", "{step}");
            record = verdict.next.unwrap_or(record);
            assert_eq!(record, chain(&expected["state"]), "{step}");
            assert_eq!(Record::parse(record.to_text().as_bytes()).as_ref(), Some(&record), "{step}");
        }
    }
}

fn token(input: &Value) -> Token {
    let hex = text(input, "secret_hex");
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    Token {
        algorithm: text(input, "alg").parse().unwrap(),
        digits: number(input, "digits").try_into().unwrap(),
        secret: Secret::new(bytes),
    }
}

#[test]
fn codes_are_those_of_the_rfcs() {
    for vector in vectors("hotp_totp.json", "hotp") {
        let input = &vector["input"];
        assert_eq!(*token(input).text(number(input, "counter")), text(&vector["expect"], "code"), "{vector}");
    }
    for vector in vectors("hotp_totp.json", "totp") {
        let input = &vector["input"];
        let step = (number(input, "time") - number(input, "t0")) / number(input, "step");
        assert_eq!(*token(input).text(step), text(&vector["expect"], "code"), "{vector}");
    }
}

#[test]
fn counted_codes_are_found_ahead_and_never_behind() {
    for vector in vectors("hotp_totp.json", "hotp_check") {
        let input = &vector["input"];
        let token = token(input);
        let codes = response::parse_codes(text(input, "code"), token.digits).unwrap();
        let counter = number(input, "counter");
        // The vectors count the steps beyond the expected one.
        let ahead = u16::try_from(number(input, "look_ahead")).unwrap() + 1;
        let found = token.after(counter, ahead, codes);
        assert_eq!(found.is_some(), vector["expect"]["verdict"] == "accept", "{vector}");
        assert_eq!(found.unwrap_or(counter), number(&vector["expect"], "next_counter"), "{vector}");
    }
}

#[test]
fn codes_of_the_time_are_taken_once() {
    for vector in vectors("hotp_totp.json", "totp_check") {
        let (input, expect) = (&vector["input"], &vector["expect"]);
        assert_eq!(number(input, "skew_steps"), 1);
        let period = number(input, "step").try_into().unwrap();
        let floor = |value: &Value| value["last_used_step"].as_u64().map_or(0, |last| last + 1);
        let record = Record::Totp { token: token(input), period, floor: floor(input) };
        let circumstances = Circumstances {
            unix: Some(number(input, "now")),
            allow_md4: false,
            allow_new_chain: true,
            codes: Admission::Any,
        };
        let verdict = judge(&record, text(input, "code"), circumstances);
        let reason = match verdict.outcome {
            Ok(_) => "ok",
            Err(Why::Syntax) => "syntax",
            Err(Why::WrongCode) => "mismatch",
            Err(Why::Replay) => "replay",
            other => panic!("{other:?}"),
        };
        assert_eq!(reason, text(expect, "reason"), "{vector}");
        let next = verdict.next.unwrap_or(record);
        assert_eq!(next, Record::Totp { token: token(input), period, floor: floor(expect) }, "{vector}");
        if reason == "ok" {
            assert_eq!(judge(&next, text(input, "code"), circumstances).outcome, Err(Why::Replay), "{vector}");
        }
    }
}
