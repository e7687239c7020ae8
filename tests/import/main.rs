//! An fwknop server's files become UCI, and what cannot is named.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is how a test fails")]

mod access;
mod includes;
mod nat;
mod server;
mod uci;
mod vectors;
mod which;

use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use spa_knockd::config::{Config, parse};
use spa_knockd::import::{Imported, Problem, import};

/// A stanza that needs nothing more.
const KEYS: &str = "KEY OpenSesame-2024\nHMAC_KEY Hm@cSecret-77-x\n";

/// A folder that goes when the test ends, also when it fails.
struct Folder(PathBuf);

impl Folder {
    /// A folder with these files.
    fn new(files: &[(&str, &[u8])]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("spa-knockd-import-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let folder = Self(path);
        for (name, text) in files {
            let file = folder.0.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        folder
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// Imports `access.conf`, and `fwknopd.conf` where there is one.
    fn import(&self) -> Result<Imported, Vec<Problem>> {
        let server = self.0.join("fwknopd.conf");
        import(Some(&self.0.join("access.conf")), server.exists().then_some(server.as_path()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Imports these two texts.
fn both(access: &str, server: &str) -> Result<Imported, Vec<Problem>> {
    Folder::new(&[("access.conf", access.as_bytes()), ("fwknopd.conf", server.as_bytes())]).import()
}

/// The configuration that an access.conf becomes.
fn access(text: &str) -> Config {
    configuration(&both(text, "").unwrap())
}

/// What the import's text means; it must be a configuration without faults.
fn configuration(imported: &Imported) -> Config {
    parse(imported.uci.as_bytes(), "import").unwrap_or_else(|faults| panic!("{faults:#?}\n{}", imported.uci)).config
}

/// Demands exactly one problem, with this line and variable, whose text holds the fragment.
fn demand(problems: Result<Imported, Vec<Problem>>, line: u32, variable: Option<&str>, fragment: &str) {
    let problems = problems.unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    let shown = problems[0].to_string();
    assert_eq!((problems[0].line, problems[0].variable.as_deref()), (Some(line), variable), "{shown}");
    assert!(shown.contains(fragment) && !shown.contains('\n'), "{shown}\nhas no: {fragment}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_junk_panics_and_what_is_imported_is_a_configuration(
        junk in prop::collection::vec(any::<u8>(), 0..200),
        lines in prop::collection::vec(
            prop::sample::select(vec!["OPEN_PORTS", "RESTRICT_PORTS", "DESTINATION", "FW_ACCESS_TIMEOUT", "ACCESS_EXPIRE", "REQUIRE_USERNAME", "KEY", "HMAC_KEY", "FORCE_NAT", "FORCE_SNAT", "FORWARD_ALL", "%include"]), 0..6),
        value in "[ -~]{1,20}|[0-9./,]{1,20}|10\\.[0-9.]{5,8} [0-9]{1,5}|\\PC{1,6}",
    ) {
        let text: String = lines.iter().map(|name| format!("{name} {value}\n")).collect();
        let text = format!("SOURCE ANY\n{KEYS}{text}");
        if let Ok(imported) = both(&text, "ENABLE_IPT_FORWARDING Y\n") {
            configuration(&imported);
        }
        let mut text = text.into_bytes();
        text.extend_from_slice(&junk);
        if let Ok(imported) = Folder::new(&[("access.conf", &text), ("fwknopd.conf", &junk)]).import() {
            configuration(&imported);
        }
    }
}
