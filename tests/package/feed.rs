//! The index of a feed says of each package what opkg checks.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};

use super::{ARCH, Folder, SOURCES, built, done, failed, member, pack, sources, succeeded};

fn index(directory: &Path) -> String {
    done(Command::new(Path::new(SOURCES).join("cross/index")).arg(directory));
    let plain = std::fs::read_to_string(directory.join("Packages")).unwrap();
    let gzipped = done(Command::new("gzip").arg("-dc").arg(directory.join("Packages.gz")));
    assert_eq!(plain, gzipped);
    plain
}

/// A package that is no more than a control file with a description of so many letters.
fn small(folder: &Folder, letters: usize) {
    let control = format!("Package: small\nVersion: 1\nArchitecture: all\nDescription: {}\n", "x".repeat(letters));
    folder.write("work/control", &control);
    let script = "cd \"$0/work\" && tar -czf control.tar.gz ./control && tar -czf ../small_1_all.ipk ./control.tar.gz";
    done(Command::new("sh").args(["-c", script]).arg(&folder.0));
}

#[test]
fn each_package_has_its_control_its_name_its_size_and_its_hash() {
    let sources = sources();
    succeeded(&pack(&sources, &[ARCH]));
    let package = built(&sources);
    let made = std::fs::read_to_string(package.with_file_name("Packages")).unwrap();

    let bytes = std::fs::read(&package).unwrap();
    let hash = Sha256::digest(&bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let control = member(&package, "control.tar.gz", "./control");
    let makers = ["Maintainer:", "LicenseFiles:", "Source:", "SourceName:", "Require-User:", "SourceDateEpoch:"];
    let mut expected = String::new();
    for line in control.lines().filter(|line| !makers.iter().any(|field| line.starts_with(field))) {
        if line.starts_with("Description:") {
            let name = package.file_name().unwrap().to_str().unwrap();
            write!(expected, "Filename: {name}\nSize: {}\nSHA256sum: {hash}\n", bytes.len()).unwrap();
        }
        writeln!(expected, "{line}").unwrap();
    }
    assert_eq!(made.trim_end(), expected.trim_end());
    assert!(made.ends_with("\n\n"));

    // Another package in the directory is one more paragraph, after a new look.
    std::fs::copy(&package, package.with_file_name("other.ipk")).unwrap();
    assert_eq!(index(package.parent().unwrap()).matches("\n\n").count(), 2);
}

#[test]
fn sizes_that_old_usign_programs_hash_wrongly_are_avoided() {
    let folder = Folder::new();
    small(&folder, 1);
    let one = index(&folder.0).len();
    // (64 + size) % 128 is 110 or 111 where a signature would not be accepted.
    let to = |rest: usize| 1 + (128 + rest - (64 + one) % 128) % 128;
    for (rest, padding) in [(109, 0), (110, 2), (111, 2), (112, 0)] {
        small(&folder, to(rest));
        let text = index(&folder.0);
        let padded = text.len() - text.trim_end().len() - 2;
        assert_eq!(padded, padding, "{rest}");
        assert_eq!((64 + text.len() - padded) % 128, rest);
    }
}

#[test]
fn a_signature_goes_with_the_index_that_it_was_for() {
    let folder = Folder::new();
    small(&folder, 1);
    index(&folder.0);
    folder.write("Packages.sig", "a signature");
    index(&folder.0);
    assert!(folder.path("Packages.sig").exists());
    small(&folder, 2);
    index(&folder.0);
    assert!(!folder.path("Packages.sig").exists());
}

#[test]
fn a_directory_without_packages_has_an_empty_index_and_what_is_no_package_none() {
    let folder = Folder::new();
    assert_eq!(index(&folder.0), "");
    folder.write("broken.ipk", "not an archive");
    folder.write("Packages", "before");
    failed(&Command::new(Path::new(SOURCES).join("cross/index")).arg(&folder.0).output().unwrap());
    assert_eq!(std::fs::read_to_string(folder.path("Packages")).unwrap(), "before");
}
