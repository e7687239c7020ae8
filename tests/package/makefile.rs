//! The Makefiles and test.sh keep the rules that OpenWrt's feeds have for them.

use std::path::Path;
use std::process::Command;

use super::{Folder, SOURCES, done, failed};

fn makefile(directory: &str) -> String {
    std::fs::read_to_string(Path::new(SOURCES).join(directory).join("Makefile")).unwrap()
}

/// What the variables are worth when OpenWrt's own rules, reduced to what matters here, have read the Makefile.
fn value(expression: &str) -> String {
    let sdk = Folder::new();
    sdk.write("rules.mk", "INCLUDE_DIR:=$(TOPDIR)\nSTAGING_DIR:=/staging\n");
    sdk.write("package.mk", "BuildPackage=\n");
    // The feed's rules have these words in this form.
    sdk.write(
        "lang/rust/rust-package.mk",
        "CARGO_RUSTFLAGS+=-Ctarget-feature=-crt-static\nCARGO_PKG_VARS=RUSTFLAGS=\"$(CARGO_RUSTFLAGS)\"\n\
         define Build/Compile/Cargo\ncargo $(strip $(2)) --features $(RUST_PKG_FEATURES)\nendef\n",
    );
    sdk.write("show.mk", "show:\n\t@echo '$(subst ','\\'',$(SHOW))'\n");
    let mut make = Command::new("make");
    make.args(["--no-print-directory", "-C"]).arg(Path::new(SOURCES).join("openwrt"));
    make.args(["-f", "Makefile", "-f"]).arg(sdk.path("show.mk")).arg("-I").arg(sdk.path("lang/rust"));
    make.arg(format!("TOPDIR={}", sdk.0.display())).arg(format!("SHOW={expression}")).arg("show");
    done(make.env_remove("MAKEFLAGS")).trim().to_owned()
}

#[test]
fn the_feeds_build_has_64_bit_times_and_its_own_libpcap() {
    let environment = value("$(CARGO_PKG_VARS)");
    assert_eq!(
        environment,
        "RUSTFLAGS=\"-Ctarget-feature=-crt-static --cfg=libc_unstable_musl_v1_2\" \
         RUST_LIBC_UNSTABLE_MUSL_V1_2_3=1 LIBPCAP_LIBDIR=/staging/usr/lib LIBPCAP_VER=1.10.0"
    );
    assert_eq!(value("$(strip $(Build/Compile))"), "cargo --no-default-features --features seccomp,qr");
}

#[test]
fn they_are_written_as_the_feeds_want_them() {
    for directory in ["openwrt", "luci-app/luci-app-spa-knockd"] {
        let text = makefile(directory);
        assert!(text.starts_with("# SPDX-License-Identifier: MIT OR Apache-2.0\n"), "{directory}");
        let mut inside = None;
        for line in text.lines() {
            assert_eq!(line, line.trim_end(), "{directory}");
            match line.strip_prefix("define ") {
                Some(name) => inside = Some(name),
                None if line == "endef" => inside = None,
                None => {}
            }
            let Some(name) = inside.filter(|name| !line.ends_with(name)) else {
                continue;
            };
            // Commands begin with a tab, facts with two blanks, and lists of files with neither.
            let begins = match name.split('/').next_back().unwrap() {
                "install" | "Compile" => line.starts_with('\t'),
                "spa-knockd" | "description" => line.starts_with("  ") && !line.contains('\t'),
                "conffiles" => line.starts_with('/'),
                _ => true,
            };
            assert!(begins, "{directory}: {name}: {line}");
        }
    }
}

#[test]
fn they_say_what_a_feed_asks_for() {
    let text = makefile("openwrt");
    for name in [
        "PKG_NAME",
        "PKG_VERSION",
        "PKG_RELEASE",
        "PKG_SOURCE",
        "PKG_SOURCE_URL",
        "PKG_HASH",
        "PKG_MAINTAINER",
        "PKG_LICENSE",
        "PKG_LICENSE_FILES",
        "PKG_BUILD_DEPENDS",
    ] {
        assert!(text.lines().any(|line| line.starts_with(&format!("{name}:="))), "{name}");
    }
    let place = |text: &str, word: &str| text.find(word).unwrap_or_else(|| panic!("no {word}"));
    let order =
        ["PKG_HASH:=", "include $(INCLUDE_DIR)/package.mk", "include ../../lang/rust/rust-package.mk", "define "];
    assert!(order.map(|word| place(&text, word)).is_sorted());
    assert!(text.ends_with("$(eval $(call RustBinPackage,spa-knockd))\n$(eval $(call BuildPackage,spa-knockd))\n"));
    for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(Path::new(SOURCES).join(file).exists());
    }
    // apk has no opkg, and no script may ask for it.
    assert!(!text.lines().any(|line| !line.starts_with('#') && line.contains("opkg")));
    let page = makefile("luci-app/luci-app-spa-knockd");
    assert!(page.ends_with("include ../../luci.mk\n\n# call BuildPackage - OpenWrt buildroot signature\n"));
}

#[test]
fn test_sh_notices_another_version_and_a_daemon_that_does_not_work() {
    let run = |directory: &Path, version: &str| {
        let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
        let mut test = Command::new("sh");
        test.arg(Path::new(SOURCES).join("openwrt/test.sh")).args(["spa-knockd", version]);
        test.env("PATH", path).output().unwrap()
    };
    let built = Path::new(env!("CARGO_BIN_EXE_spa-knockd")).parent().unwrap();
    super::succeeded(&run(built, env!("CARGO_PKG_VERSION")));
    failed(&run(built, "9.9.9"));

    let broken = Folder::new();
    let script = format!("#!/bin/sh\n[ $# -gt 1 ] || echo spa-knockd {}\n", env!("CARGO_PKG_VERSION"));
    broken.write("spa-knockd", &script);
    done(Command::new("chmod").arg("755").arg(broken.path("spa-knockd")));
    failed(&run(&broken.0, env!("CARGO_PKG_VERSION")));
}
