//! The packages, the feed's index and the maintainer scripts: made by cross/ipk of this machine's own binary, looked at with
//! tar, and run under busybox in a root directory of their own.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a panic is how a test fails")]

mod contents;
mod feed;
mod luci;
mod makefile;
mod router;
mod routers;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the sources are.
const SOURCES: &str = env!("CARGO_MANIFEST_DIR");

/// The architecture that the packages are said to be for: what is inside is this machine's binary.
const ARCH: &str = "mips_24kc";

/// The time that every file in a package bears: 9 September 2001.
const EPOCH: &str = "1000000000";

/// The package's version, as OpenWrt writes it.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-r1");

/// A directory that goes when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("spa-package-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// This machine's own binary, without what debuggers read, which would take longest to pack.
fn daemon() -> &'static Path {
    static DAEMON: OnceLock<PathBuf> = OnceLock::new();
    DAEMON.get_or_init(|| {
        let stripped = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package-daemon");
        done(Command::new("strip").arg("-o").arg(&stripped).arg(env!("CARGO_BIN_EXE_spa-knockd")));
        stripped
    })
}

/// A copy of what packages are made of, to change; and something where cross/build would leave the binary.
fn sources() -> Folder {
    let folder = Folder::new();
    for name in ["cross", "openwrt", "files", "luci-app", "Cargo.toml"] {
        done(Command::new("cp").arg("-r").arg(Path::new(SOURCES).join(name)).arg(&folder.0));
    }
    let bin = folder.path("target/cross/bin").join(ARCH);
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::copy("/bin/true", bin.join("spa-knockd")).unwrap();
    folder
}

/// Packs in this copy of the sources, whatever comes of it.
fn pack(sources: &Folder, words: &[&str]) -> Output {
    Command::new(sources.path("cross/ipk")).args(words).env("SOURCE_DATE_EPOCH", EPOCH).output().unwrap()
}

/// The package for routers, made once for all who only look at it.
fn package() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let sources = sources();
        std::fs::copy(daemon(), sources.path(&format!("target/cross/bin/{ARCH}/spa-knockd"))).unwrap();
        succeeded(&pack(&sources, &[ARCH]));
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package.ipk");
        std::fs::copy(built(&sources), &kept).unwrap();
        kept
    })
}

/// Where the package for routers lands in a copy of the sources.
fn built(sources: &Folder) -> PathBuf {
    sources.path(&format!("target/cross/packages/{ARCH}/spa-knockd_{VERSION}_{ARCH}.ipk"))
}

/// A member of an archive inside a package: `control.tar.gz`, `./control`.
fn member(package: &Path, archive: &str, name: &str) -> String {
    let script = format!("tar -xzOf \"$1\" ./{archive} | tar -xzOf - {name}");
    done(Command::new("bash").args(["-euo", "pipefail", "-c", &script, "-"]).arg(package))
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Runs what must succeed and gives what it said.
fn done(command: &mut Command) -> String {
    succeeded(&command.output().unwrap())
}

/// Why something failed.
fn failed(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr.clone()).unwrap()
}
