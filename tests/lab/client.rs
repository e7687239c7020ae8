//! The real fwknop client, on the internet's side of the lab.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::{Lab, Place};

/// One key in the two ways that configurations write it.
#[derive(Clone)]
pub(crate) enum Key {
    /// Random bytes in base64.
    Base64(String),
    /// A passphrase.
    Passphrase(String),
}

/// The keys that client and server share.
#[derive(Clone)]
pub(crate) struct Keys {
    /// The encryption key.
    pub(crate) encryption: Key,
    /// The HMAC key; old clients have none.
    pub(crate) hmac: Option<Key>,
}

impl Keys {
    /// Both keys in base64.
    pub(crate) fn base64(encryption: &str, hmac: &str) -> Self {
        Self { encryption: Key::Base64(encryption.to_owned()), hmac: Some(Key::Base64(hmac.to_owned())) }
    }

    /// Both keys as passphrases.
    pub(crate) fn passphrases(encryption: &str, hmac: &str) -> Self {
        Self { encryption: Key::Passphrase(encryption.to_owned()), hmac: Some(Key::Passphrase(hmac.to_owned())) }
    }

    /// The client's options for these keys.
    pub(crate) fn args(&self) -> Vec<String> {
        let mut args = match &self.encryption {
            Key::Base64(key) => vec!["--key-base64-rijndael".to_owned(), key.clone()],
            Key::Passphrase(key) => vec!["--key-rijndael".to_owned(), key.clone()],
        };
        match &self.hmac {
            Some(Key::Base64(key)) => {
                args.extend(["--use-hmac".into(), "--key-base64-hmac".into(), key.clone()]);
            }
            Some(Key::Passphrase(key)) => {
                args.extend(["--use-hmac".into(), "--key-hmac".into(), key.clone()]);
            }
            None => {}
        }
        args
    }

    /// The lines of an access stanza for these keys.
    pub(crate) fn uci(&self) -> String {
        let encryption = match &self.encryption {
            Key::Base64(key) => format!("\toption key_base64 '{key}'\n"),
            Key::Passphrase(key) => format!("\toption key '{key}'\n"),
        };
        let hmac = match &self.hmac {
            Some(Key::Base64(key)) => format!("\toption hmac_key_base64 '{key}'\n"),
            Some(Key::Passphrase(key)) => format!("\toption hmac_key '{key}'\n"),
            None => String::new(),
        };
        encryption + &hmac
    }
}

impl Lab {
    /// Runs the client with a home of its own; panics unless it succeeded.
    pub(crate) fn fwknop(&self, keys: &Keys, args: &[&str]) -> String {
        let home = format!("HOME={}", self.dir().display());
        let line = command_line(keys, args);
        let mut all = vec![home.as_str()];
        all.extend(line.iter().map(String::as_str));
        self.run(Place::Wan, "env", &all)
    }

    /// Has the client knock at the router from the friend's side.
    pub(crate) fn knock(&self, keys: &Keys, args: &[&str]) {
        let mut all = vec!["-D", "203.0.113.1"];
        all.extend(args);
        self.fwknop(keys, &all);
    }

    /// Has the client build a packet without sending it.
    pub(crate) fn packet(&self, keys: &Keys, args: &[&str]) -> Vec<u8> {
        let file = self.saved_packet();
        let file = file.to_string_lossy();
        let mut all = vec!["-D", "203.0.113.1", "-T", "-B", &file];
        all.extend(args);
        self.fwknop(keys, &all);
        let text = std::fs::read(&*file).expect("read the saved packet");
        std::fs::remove_file(&*file).expect("remove the saved packet");
        text.trim_ascii().to_owned()
    }

    /// Sends a packet to the router's knock port.
    pub(crate) fn send_packet(&self, from: IpAddr, to: IpAddr, packet: &[u8]) {
        self.send_udp(Place::Wan, from, SocketAddr::new(to, 62201), packet);
    }

    fn saved_packet(&self) -> PathBuf {
        self.dir().join("packet")
    }
}

/// The client's command line with these keys.
pub(crate) fn command_line(keys: &Keys, args: &[&str]) -> Vec<String> {
    let mut line = vec!["fwknop".to_owned(), "--no-rc-file".into(), "--no-save-args".into()];
    line.extend(args.iter().copied().map(str::to_owned));
    line.extend(keys.args());
    line
}
