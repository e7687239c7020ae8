//! What is legal and unwise.

use super::{KEY, check, keyed, load_text, opening, text};

#[test]
fn warnings() {
    let one = |text: &str, line, option, fragment: &str| {
        let warnings = load_text(text).expect(text).warnings;
        assert_eq!(warnings.len(), 1, "{text}\n{warnings:#?}");
        check(&warnings[0], Some(line), option, fragment, text);
    };
    let good = keyed("");
    one(&good.replace("list network 'wan'", ""), 1, Some("device"), "--interface");
    one(
        &good.replace("list network 'wan'", "list network 'wan'\n\toption max_age '0'"),
        4,
        Some("max_age"),
        "do not grow old",
    );
    one(
        &good.replace("list network 'wan'", "list network 'wan'\n\tlist protect 'tcp/22'"),
        4,
        Some("protect"),
        "no effect",
    );
    let main = |lines: &str| good.replace("list network 'wan'", &format!("list network 'wan'\n\t{lines}"));
    one(&main("option tcp_listen '62201'"), 4, Some("tcp_listen"), "a scan sees it open");
    one(
        &main("list transport 'http'\n\toption trust_forwarded_for '1'"),
        5,
        Some("trust_forwarded_for"),
        "no HMAC covers the header",
    );
    one(&text("", "option key 'OpenSesame'"), 6, Some("hmac_key_base64"), "without an HMAC key");
    one(&keyed("option encryption_mode 'ecb'"), 10, Some("encryption_mode"), "equal blocks");
    one(&opening("list open 'any'", ""), 7, Some("open"), "every port");
    one(&text("", "option key 'short'\n\toption hmac_key 'OpenSesame'"), 8, Some("key"), "only 5 bytes");
    one(&text("", "option key 'OpenSesame'\n\toption hmac_key 'short'"), 9, Some("hmac_key"), "only 5 bytes");
    one(&keyed("option timeout '400'"), 10, Some("timeout"), "gets 300 at most");
    one(&keyed("option max_timeout '20'"), 10, Some("max_timeout"), "gets 20 at most");
    one(&keyed("option max_timeout '3601'"), 6, None, "cut to the 3600 seconds");
    let legacy = load_text(&keyed("option encryption_mode 'legacy'")).unwrap().warnings;
    assert_eq!(legacy.len(), 2);
    check(&legacy[0], Some(8), Some("key_base64"), "first 16 bytes", "legacy");
    check(&legacy[1], Some(10), Some("encryption_mode"), "before fwknop 2.5", "legacy");
    let twin = format!("{good}\nconfig access 'bob'\n\tlist open 'tcp/22'\n\toption key_base64 '{KEY}'\n");
    let warnings = load_text(&twin).unwrap().warnings;
    check(&warnings[1], Some(12), None, "'alice' has the same encryption key", &twin);
    check(&warnings[0], Some(12), Some("hmac_key_base64"), "without an HMAC key", &twin);
}
