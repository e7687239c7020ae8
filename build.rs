//! Tells the program its build date (a router clock that stands before it is not set), and packs the words of one-time
//! passwords.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The commit's time in Unix seconds, where this is a git checkout.
fn commit_time() -> Option<u64> {
    let out = Command::new("git").args(["log", "-1", "--format=%ct"]).output().ok()?;
    String::from_utf8(out.stdout).ok()?.trim().parse().ok()
}

/// The words as numbers of five bits a letter, each as the difference to the one before in groups of seven bits: a
/// quarter of the list's size. Those of one to three letters come first, and both parts are sorted.
fn pack(list: &str) -> Vec<u8> {
    let mut packed = Vec::new();
    let (mut before, mut length) = (0, 3);
    for word in list.lines() {
        if word.len() > length {
            (before, length) = (0, 4);
        }
        let number = (0..length)
            .fold(0_u32, |sum, at| sum << 5 | word.as_bytes().get(at).map_or(0, |&letter| u32::from(letter & 0x1f)));
        let difference = number.checked_sub(before).filter(|difference| *difference > 0).expect("words.txt is sorted");
        let groups = [14, 7, 0].map(|shift| difference >> shift);
        let needed = groups.iter().filter(|group| **group > 0);
        packed.extend(needed.map(|group| u8::try_from(group & 0x7f).expect("seven bits") | 0x80));
        if let Some(last) = packed.last_mut() {
            *last &= 0x7f;
        }
        before = number;
    }
    packed
}

fn main() {
    println!("cargo:rerun-if-changed=src/otp/words.txt");
    let list = std::fs::read_to_string("src/otp/words.txt").expect("src/otp/words.txt");
    let packed = std::path::Path::new(&std::env::var_os("OUT_DIR").expect("OUT_DIR")).join("otp-words");
    std::fs::write(packed, pack(&list)).expect("OUT_DIR can be written");
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
