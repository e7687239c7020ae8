//! Mistakes with keys, which no message may repeat.

use spa_knockd::config::parse;

use super::{HMAC_KEY, KEY, OTHER_KEY, check, demand, keyed, load_text, text};

#[test]
fn faults_of_the_keys() {
    let long = "k".repeat(33);
    let long_hmac = "h".repeat(129);
    let encoded_long = "A".repeat(44);
    let encoded_long_hmac = "A".repeat(183);
    let none = "option hmac_key 'OpenSesame'";
    for (lines, at, option, fragment) in [
        (none.to_owned(), 6, "key_base64", "no encryption key"),
        (format!("option key ''\n\t{none}"), 6, "key_base64", "no encryption key"),
        (format!("option key '__CHANGEME__'\n\t{none}"), 8, "key", "placeholder"),
        (format!("option key 'CHANGEME'\n\t{none}"), 8, "key", "placeholder"),
        (format!("option key_base64 'CHANGEME'\n\t{none}"), 8, "key_base64", "placeholder"),
        (format!("option key '{long}'\n\t{none}"), 8, "key", "1 to 32 bytes"),
        (format!("option key_base64 '{encoded_long}'\n\t{none}"), 8, "key_base64", "1 to 32 bytes"),
        (format!("option key_base64 'a.b.c'\n\t{none}"), 8, "key_base64", "not base64"),
        (format!("option key_base64 '===='\n\t{none}"), 8, "key_base64", "not base64"),
        (format!("option key_base64 'Zh=='\n\t{none}"), 8, "key_base64", "not base64"),
        (format!("option key '{KEY}'\n\toption key_base64 '{KEY}'\n\t{none}"), 9, "key_base64", "key and key_base64"),
        (
            "option key 'Sesame-Open'\n\toption key 'OpenSesame'\n\toption hmac_key 'x2345678'".to_owned(),
            9,
            "key",
            "in line 8",
        ),
        (
            format!("option key '{KEY}'\n\toption hmac_key '{long_hmac}'").replace(KEY, "OpenSesame"),
            9,
            "hmac_key",
            "1 to 128 bytes",
        ),
        (
            format!("option key 'OpenSesame'\n\toption hmac_key_base64 '{encoded_long_hmac}'"),
            9,
            "hmac_key_base64",
            "1 to 136 bytes",
        ),
        ("option key 'OpenSesame'\n\toption hmac_key '__CHANGEME__'".to_owned(), 9, "hmac_key", "placeholder"),
        ("option key 'OpenSesame'\n\toption hmac_key_base64 '*'".to_owned(), 9, "hmac_key_base64", "not base64"),
        ("option key 'OpenSesame'\n\toption hmac_key 'OpenSesame'".to_owned(), 9, "hmac_key", "are the same"),
        (
            "option key 'OpenSesame'\n\toption hmac_key_base64 'T3BlblNlc2FtZQ'".to_owned(),
            9,
            "hmac_key_base64",
            "are the same",
        ),
        ("option key 'OpenSesame'\n\tlist hmac_key 'a2345678'".to_owned(), 9, "hmac_key", "no list"),
        (
            format!("option key 'OpenSesame'\n\toption hmac_key 'a2345678'\n\toption hmac_key_base64 '{HMAC_KEY}'"),
            10,
            "hmac_key_base64",
            "hmac_key and",
        ),
    ] {
        let faults = load_text(&text("", &lines)).expect_err(&lines);
        assert_eq!(faults.len(), 1, "{lines}\n{faults:#?}");
        check(&faults[0], Some(at), Some(option), fragment, &lines);
        let shown = faults[0].to_string();
        for secret in [&long, &long_hmac, &encoded_long, "T3BlblNlc2FtZQ", "a.b.c", "Sesame-Open", "a2345678"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn faults_of_the_next_keys() {
    let next = format!("option next_key_base64 '{OTHER_KEY}'");
    let next_hmac = format!("option next_hmac_key_base64 '{HMAC_KEY}'");
    demand(&keyed(&next), Some(10), Some("next_key_base64"), "next_hmac_key_base64 beside it");
    demand(&keyed(&next_hmac), Some(10), Some("next_hmac_key_base64"), "no next_key_base64 beside");
    demand(
        &keyed(&format!("{next}\n\t{}", next_hmac.replace(HMAC_KEY, OTHER_KEY))),
        Some(11),
        Some("next_hmac_key_base64"),
        "are the same",
    );
    demand(
        &keyed(&format!("{}\n\t{next_hmac}", next.replace(OTHER_KEY, KEY))),
        Some(10),
        Some("next_key_base64"),
        "the present ones",
    );
    demand(
        &keyed(&format!("{}\n\t{next_hmac}", next.replace(OTHER_KEY, "!"))),
        Some(10),
        Some("next_key_base64"),
        "not base64",
    );
    demand(
        &keyed(&format!("{next}\n\t{}", next_hmac.replace(HMAC_KEY, "!"))),
        Some(11),
        Some("next_hmac_key_base64"),
        "not base64",
    );
    let keys = &load_text(&keyed(&format!("{next}\n\t{next_hmac}"))).unwrap().config.access[0].keys;
    assert_eq!(keys.len(), 2);
    assert_eq!((keys[0].mode, keys[0].hmac.clone()), (keys[1].mode, keys[1].hmac.clone()));
    assert_ne!(keys[0].key, keys[1].key);
    let plain = text("", &format!("option key 'OpenSesame'\n\t{next}\n\t{next_hmac}"));
    assert!(load_text(&plain).unwrap().config.access[0].keys[1].hmac.is_some());
}

#[test]
fn any_bytes_may_be_a_passphrase() {
    let text = keyed("").into_bytes();
    let at = text.windows(10).position(|window| window == b"key_base64").unwrap();
    let mut text: Vec<u8> = text;
    let end = at + text[at..].iter().position(|byte| *byte == b'\n').unwrap();
    text.splice(at..end, *b"key '\xff\xfe it'\\''s \x01'");
    let loaded = parse(&text, "file").unwrap();
    assert_eq!(loaded.config.access[0].keys[0].key.bytes(), b"\xff\xfe it's \x01");
}
