//! Tells the program its build date: a router clock that stands before it is not set.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The commit's time in Unix seconds, where this is a git checkout.
fn commit_time() -> Option<u64> {
    let out = Command::new("git").args(["log", "-1", "--format=%ct"]).output().ok()?;
    String::from_utf8(out.stdout).ok()?.trim().parse().ok()
}

fn main() {
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=.git/HEAD");
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let epoch = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse().ok())
        .or_else(commit_time)
        .unwrap_or_else(now);
    println!("cargo:rustc-env=SPA_KNOCKD_BUILD_EPOCH={epoch}");
}
