//! The real fwknop client against our decoder: key lengths, digests, modes and options that it sends differently.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::Command;

use spa_knockd::knock::fwknop::keys::{DigestType, KeySet, Mode, Secret};
use spa_knockd::knock::fwknop::{Opened, SpaText, Verifier};

/// A home of its own for the client, which writes its rc file there; gone with the value.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("spa-knockd-{}-{name}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        Self(path)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A left-over directory must not hide the failure that led here.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Lets the client make one packet; its test mode sends nothing.
fn packet(home: &Home, keys: &KeySet, options: &[&str]) -> Vec<u8> {
    let file = home.0.join("packet");
    let text = |key: &Secret| String::from_utf8(key.bytes().to_vec()).unwrap();
    let mut client = Command::new("fwknop");
    client.env_clear().env("HOME", &home.0).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    client.args(["--no-save-args", "--test", "-U", "alice", "-D", "127.0.0.1", "-a", "203.0.113.21"]);
    client.args(["-M", keys.mode.name(), "--key-rijndael", &text(&keys.key)]);
    if let Some((kind, key)) = &keys.hmac {
        client.args(["--hmac-digest-type", kind.name(), "--key-hmac", &text(key)]);
    }
    let output = client.args(options).arg("-B").arg(&file).output();
    let output = output.expect("this test needs fwknop's client; on Debian: apt-get install fwknop-client");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut packet = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(packet.pop(), Some(b'\n'));
    packet
}

fn open(packet: &[u8], keys: &KeySet) -> Opened {
    let verifier = Verifier::new(keys);
    let sealed = verifier.authenticate(SpaText::parse(packet).unwrap()).unwrap();
    sealed.open().unwrap()
}

fn key(length: usize, letter: char) -> Secret {
    Secret::new(letter.to_string().repeat(length).into_bytes())
}

#[test]
fn every_mode_and_digest_at_the_edges_of_the_key_length() {
    let home = Home::new("modes");
    let modes = Mode::ALL.into_iter().cycle();
    let digests = DigestType::ALL.into_iter().cycle();
    // 42 packets: every pair of mode and digest, the key lengths drifting through them.
    for (round, (mode, digest)) in (0..42).zip(modes.zip(digests)) {
        let length = [1, 15, 16, 17, 31, 32, 8][round % 7];
        // Legacy mode takes the first sixteen bytes of a longer key.
        let keys = KeySet { mode, key: key(length, 'k'), hmac: None };
        let opened = open(&packet(&home, &keys, &["-A", "tcp/22,udp/53", "--digest-type", digest.name()]), &keys);
        assert_eq!(opened.fields.digest_type, digest);
        assert_eq!(opened.fields.message, "203.0.113.21,tcp/22,udp/53");
        assert_eq!(opened.fields.user, "alice");
    }
}

#[test]
fn every_hmac_at_the_edges_of_its_block() {
    let home = Home::new("hmacs");
    for (kind, block) in DigestType::ALL.into_iter().zip([64, 64, 64, 128, 128, 136, 72]) {
        // The client cuts a passphrase to 128 bytes.
        for length in [1, block - 1, block, block + 1, 128].into_iter().filter(|&length| length <= 128) {
            let keys = KeySet { mode: Mode::Cbc, key: key(15, 'k'), hmac: Some((kind, key(length, 'h'))) };
            let opened = open(&packet(&home, &keys, &["-A", "tcp/22"]), &keys);
            assert_eq!(opened.fields.message, "203.0.113.21,tcp/22", "{kind:?} {length}");
        }
    }
}

#[test]
fn every_message_type() {
    let home = Home::new("types");
    let keys = KeySet { mode: Mode::Cbc, key: key(32, 'k'), hmac: Some((DigestType::Sha256, key(64, 'h'))) };
    type Case = (&'static [&'static str], u8, Option<&'static str>, Option<u32>);
    let cases: [Case; 7] = [
        (&["-C", "/bin/echo a,b"], 0, None, None),
        (&["-A", "tcp/22"], 1, None, None),
        (&["-A", "tcp/22", "-N", "10.1.1.5:80"], 2, Some("10.1.1.5,80"), None),
        (&["-A", "tcp/22", "-f", "90"], 3, None, Some(90)),
        (&["-A", "tcp/22", "-N", "web.lan:80", "-f", "65536"], 4, Some("web.lan,80"), Some(65_536)),
        (&["-A", "tcp/22", "--nat-local"], 5, Some("127.0.0.1,22"), None),
        (&["-A", "tcp/22", "--nat-local", "-f", "1"], 6, Some("127.0.0.1,22"), Some(1)),
    ];
    for (options, number, nat, timeout) in cases {
        let fields = open(&packet(&home, &keys, options), &keys).fields;
        assert_eq!(fields.message_type.number(), number);
        assert_eq!(fields.nat.as_deref(), nat, "{options:?}");
        assert_eq!(fields.client_timeout, timeout, "{options:?}");
    }
}
