//! Tells the program its build date (a router clock that stands before it is not set), and packs the words of one-time
//! passwords.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The commit's time in Unix seconds, where this is a git checkout.
fn commit_time() -> Option<u64> {
    let out = Command::new("git").args(["log", "-1", "--format=%ct"]).output().ok()?;
    String::from_utf8(out.stdout).ok()?.trim().parse().ok()
}

/// The words as numbers of five bits a letter, each as the difference to the one before in groups of seven bits: a
/// quarter of the list's size. Those of one to three letters come first, and both parts are sorted.
fn pack(list: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut packed = Vec::new();
    let (mut before, mut length) = (0, 3);
    for word in list.lines() {
        if word.len() > length {
            (before, length) = (0, 4);
        }
        let letter = |at| word.as_bytes().get(at).map_or(0, |&letter| u32::from(letter & 0x1f));
        let number = (0..length).fold(0_u32, |sum, at| sum << 5 | letter(at));
        let difference = number.checked_sub(before).ok_or("words.txt is not sorted")?;
        for shift in [14, 7, 0] {
            let (group, more) = (difference >> shift, if shift > 0 { 0x80 } else { 0 });
            if group > 0 {
                packed.push(u8::try_from(group & 0x7f)? | more);
            }
        }
        before = number;
    }
    Ok(packed)
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=src/otp/words.txt");
    let packed = pack(&fs::read_to_string("src/otp/words.txt")?)?;
    fs::write(Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join("otp-words"), packed)?;
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=.git/HEAD");
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let epoch =
        env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok()).or_else(commit_time).unwrap_or_else(now);
    println!("cargo:rustc-env=SPA_KNOCKD_BUILD_EPOCH={epoch}");
    Ok(())
}
