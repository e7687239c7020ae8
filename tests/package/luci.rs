//! The LuCI page's package: its files where LuCI looks for them, for every processor.

use std::process::Command;

use super::{ARCH, Folder, VERSION, member, pack, sources, succeeded};

const APP: &str = "luci-app/luci-app-spa-knockd";

/// The sources with a page of these files instead of the one that is there.
fn page(files: &[&str]) -> Folder {
    let sources = sources();
    for part in ["htdocs", "root", "po"] {
        let _ = std::fs::remove_dir_all(sources.path(APP).join(part));
    }
    for file in files {
        sources.write(&format!("{APP}/{file}"), file);
    }
    sources
}

#[test]
fn without_a_page_there_is_no_package_and_it_says_so() {
    let sources = page(&[]);
    let output = pack(&sources, &[ARCH]);
    succeeded(&output);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.ends_with("ipk: luci-app/luci-app-spa-knockd has no htdocs and no root yet: no package for it\n"));
    assert!(!sources.path("target/cross/packages/all").exists());
}

#[test]
fn the_page_is_where_luci_looks() {
    let view = "htdocs/luci-static/resources/view/spa-knockd/main.js";
    let rules = "root/usr/share/rpcd/acl.d/luci-app-spa-knockd.json";
    let sources = page(&[view, rules, "po/templates/spa-knockd.pot"]);
    succeeded(&pack(&sources, &[ARCH]));
    let directory = sources.path("target/cross/packages/all");
    let package = directory.join(format!("luci-app-spa-knockd_{VERSION}_all.ipk"));

    assert_eq!(member(&package, "data.tar.gz", &view.replace("htdocs", "./www")), view);
    assert_eq!(member(&package, "data.tar.gz", &rules.replace("root", ".")), rules);
    let script = "tar -xzOf \"$1\" ./data.tar.gz | tar -tvzf - | grep -c ^-rw-r--r--";
    let files = super::done(Command::new("bash").args(["-c", script, "-"]).arg(&package));
    assert_eq!(files, "2\n");

    let control = member(&package, "control.tar.gz", "./control");
    for line in [
        "Package: luci-app-spa-knockd",
        "Architecture: all",
        "Depends: luci-base, luci-lib-uqr, spa-knockd",
        "Section: luci",
    ] {
        assert!(control.lines().any(|found| found == line), "{line} is not in {control}");
    }
    assert!(member(&package, "control.tar.gz", "./postinst-pkg").contains("/etc/init.d/rpcd reload"));
    let index = std::fs::read_to_string(directory.join("Packages")).unwrap();
    assert!(index.starts_with("Package: luci-app-spa-knockd\n"));
}
