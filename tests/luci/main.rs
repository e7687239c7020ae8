//! The LuCI pages: rights, menu, options, texts and pure functions; their form is checked by tests/lint.sh.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod capture;
mod options;
mod rights;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is installed by the package of the pages.
fn app() -> PathBuf {
    root().join("luci-app/luci-app-spa-knockd")
}

/// Where the browser finds the scripts.
fn resources() -> PathBuf {
    app().join("htdocs/luci-static/resources")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every script with its path below `resources()`, in order.
fn scripts() -> Vec<(String, String)> {
    fn below(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("the scripts") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "js") {
                found.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    below(&resources(), &mut paths);
    paths.sort();
    let name = |path: &Path| path.strip_prefix(resources()).unwrap().to_str().expect("a name in UTF-8").to_owned();
    paths.iter().map(|path| (name(path), read(path))).collect()
}

/// Demands that a file is what is made here, or writes it.
fn is_generated(path: &Path, content: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, content).expect("the file can be written");
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, content, "{}: run UPDATE_DOCS=1 cargo test --test luci", path.display());
}

#[test]
fn the_pure_functions_do_what_their_tests_say() {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("tests/luci"))
        .expect("the directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_str().is_some_and(|path| path.ends_with(".test.mjs")))
        .collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    let run = Command::new("node").arg("--test").args(&files).env_remove("NODE_OPTIONS").output().expect("node");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    let passed = said.lines().find_map(|line| line.rsplit_once("pass ")).map(|(_, count)| count.trim());
    assert!(passed.and_then(|count| count.parse().ok()).is_some_and(|count: u32| count >= 20), "{said}");
}
