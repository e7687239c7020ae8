//! The two servers, started alike: one stanza with known keys, and as many others as wanted.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use spa_knockd::knock::fwknop::keys::{DigestType, KeySet};
use spa_knockd::knock::fwknop::{base64, keygen};

use crate::lab::client::Keys;
use crate::lab::daemon::Daemon;
use crate::lab::disk::Tmpfs;
use crate::lab::{Lab, Place, events};

/// How long grants live, in seconds: beyond the end of the run, so that none is closed within it.
const TIMEOUT: u32 = 300;

/// A running server.
pub(crate) struct Server {
    pub(crate) daemon: Daemon,
    keys: KeySet,
    event: u8,
    _run_dir: Tmpfs,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// The keys of its last stanza.
    pub(crate) fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// What the kernel reports when it has opened a port.
    pub(crate) fn event(&self) -> u8 {
        self.event
    }
}

/// Starts spa-knockd with this many stanzas.
pub(crate) fn spa_knockd(lab: &Lab, stanzas: usize) -> Server {
    let mut config = String::from(
        "config spa-knockd 'main'\n\
         \toption enabled '1'\n\
         \tlist device 'wan'\n\
         \toption firewall 'standalone'\n\
         \tlist protect 'tcp/22'\n",
    );
    let all = key_sets(stanzas);
    for (count, keys) in all.iter().enumerate() {
        config += &format!(
            "\nconfig access 'user{count}'\n{}\tlist open 'any'\n\toption timeout '{TIMEOUT}'\n",
            texts(keys).uci()
        );
    }
    let run_dir = in_memory(lab.run_dir());
    Server { daemon: lab.daemon(&config), keys: last(all), event: events::NEW_ELEMENT, _run_dir: run_dir }
}

/// Starts fwknopd with this many stanzas.
pub(crate) fn fwknopd(lab: &Lab, stanzas: usize) -> Server {
    let all = key_sets(stanzas);
    let mut access = String::new();
    for keys in &all {
        let args = texts(keys).args();
        let mut values = args.iter().filter(|arg| !arg.starts_with("--"));
        let (key, hmac_key) = values.next().zip(values.next()).expect("two keys");
        access += &format!("SOURCE ANY\nKEY_BASE64 {key}\nHMAC_KEY_BASE64 {hmac_key}\nFW_ACCESS_TIMEOUT {TIMEOUT}\n");
    }
    let run = lab.dir().join("fwknop");
    let run_dir = in_memory(run.clone());
    let file = |name: &str, text: &str| {
        let path = run.join(name);
        fs::write(&path, text).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
        path
    };
    let config = "PCAP_INTF wan;\nPCAP_FILTER udp port 62201;\nENABLE_PCAP_PROMISC N;\n";
    let mut command = lab.command(Place::Router, "fwknopd", &["--foreground"]);
    command
        .arg("--config-file")
        .arg(file("fwknopd.conf", config))
        .arg("--access-file")
        .arg(file("access.conf", &access))
        .arg("--run-dir")
        .arg(&run)
        .arg("--digest-file")
        .arg(run.join("digest.cache"))
        .arg("--pid-file")
        .arg(run.join("fwknopd.pid"));
    let mut daemon = Daemon::spawn(command, "");
    daemon.wait_log("loop");
    Server { daemon, keys: last(all), event: events::NEW_RULE, _run_dir: run_dir }
}

/// A run directory is in memory, on a router as on any Linux.
pub(crate) fn in_memory(run_dir: PathBuf) -> Tmpfs {
    fs::create_dir(&run_dir).expect("mkdir");
    Tmpfs::mount(run_dir, 4096)
}

fn key_sets(count: usize) -> Vec<KeySet> {
    (0..count).map(|_| keygen::generate(DigestType::Sha256).expect("keys")).collect()
}

fn last(mut all: Vec<KeySet>) -> KeySet {
    all.pop().expect("at least one stanza")
}

/// The keys as configurations write them.
pub(crate) fn texts(keys: &KeySet) -> Keys {
    let (_, hmac) = keys.hmac.as_ref().expect("an HMAC key");
    Keys::base64(&base64::encode_option(keys.key.bytes()), &base64::encode_option(hmac.bytes()))
}
