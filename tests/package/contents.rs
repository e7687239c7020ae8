//! What is in a package: nothing of this machine, and all that a router gets.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::{ARCH, EPOCH, SOURCES, VERSION, built, daemon, done, failed, member, pack, package, sources, succeeded};

/// Mode, owner and time of each member of an archive inside the package.
fn listed(archive: &str) -> BTreeMap<String, (String, String)> {
    let script = format!("tar -xzOf \"$1\" {archive} | tar --numeric-owner --full-time --utc -tvzf -");
    let text = done(Command::new("bash").args(["-euo", "pipefail", "-c", &script, "-"]).arg(package()));
    let member = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, _, _, _, _, name, "->", target] = *words {
            assert_eq!((name, target), ("./usr/share/spa-knockd/page/open-sesame", "/usr/sbin/spa-knockd"));
        } else {
            assert_eq!(words.len(), 6, "{line}");
        }
        assert_eq!([words[1], words[3], words[4]], ["0/0", "2001-09-09", "01:46:40"], "{line}");
        (words[5].to_owned(), (words[0].to_owned(), words[2].to_owned()))
    };
    text.lines().map(member).collect()
}

/// Every file under this directory, by its name on the router.
fn files(directory: &Path, name: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{name}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), &name, found);
        } else {
            found.push(name);
        }
    }
}

#[test]
fn it_is_a_gzipped_tar_of_three_members_in_opkgs_order() {
    let bytes = std::fs::read(package()).unwrap();
    // Deflate, no flags (so no file name) and no time.
    assert_eq!(bytes[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    let names = done(Command::new("tar").arg("-tzf").arg(package()));
    assert_eq!(names, "./debian-binary\n./data.tar.gz\n./control.tar.gz\n");
    assert_eq!(done(Command::new("tar").arg("-xzOf").arg(package()).arg("./debian-binary")), "2.0\n");
}

#[test]
fn it_holds_what_files_has_and_the_daemon_and_no_more() {
    let mut expected = BTreeMap::new();
    let mut names = Vec::new();
    files(&Path::new(SOURCES).join("files"), ".", &mut names);
    for name in names {
        let text = std::fs::read(Path::new(SOURCES).join("files").join(&name)).unwrap();
        // What says who runs it can be run; what will hold keys is root's alone.
        let mode = match &*name {
            "./etc/config/spa-knockd" => "-rw-------",
            _ if text.starts_with(b"#!") => "-rwxr-xr-x",
            _ => "-rw-r--r--",
        };
        expected.insert(name, (mode.to_owned(), text.len().to_string()));
    }
    // All that there is for the page's server to find.
    expected.insert("./usr/share/spa-knockd/page/open-sesame".to_owned(), ("lrwxrwxrwx".to_owned(), "0".to_owned()));
    let daemon = std::fs::metadata(daemon()).unwrap().len();
    expected.insert("./usr/sbin/spa-knockd".to_owned(), ("-rwxr-xr-x".to_owned(), daemon.to_string()));

    let mut found = listed("./data.tar.gz");
    let directories = found.extract_if(.., |_, (mode, _)| mode.starts_with('d'));
    assert!(directories.into_iter().all(|(_, (mode, _))| mode == "drwxr-xr-x"));
    assert_eq!(found, expected);
}

#[test]
fn its_control_says_what_opkg_and_the_base_system_read() {
    let control = member(package(), "control.tar.gz", "./control");
    let fields: Vec<(&str, &str)> =
        control.lines().filter(|line| !line.starts_with(' ')).map(|line| line.split_once(": ").unwrap()).collect();
    let value = |name: &str| fields.iter().find(|(field, _)| *field == name).unwrap().1;
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "Package",
            "Version",
            "Depends",
            "Source",
            "SourceName",
            "License",
            "LicenseFiles",
            "Section",
            "Require-User",
            "SourceDateEpoch",
            "URL",
            "Maintainer",
            "Architecture",
            "Installed-Size",
            "Description"
        ]
    );
    assert_eq!(value("Package"), "spa-knockd");
    assert_eq!(value("Version"), VERSION);
    assert_eq!(value("Architecture"), ARCH);
    assert_eq!(value("SourceDateEpoch"), EPOCH);
    // libpcap is inside.
    assert_eq!(value("Depends"), "firewall4, kmod-nft-core, kmod-nft-fib, kmod-nft-nat");
    // The jailed daemon gives its socket to the page's group by being in it.
    let users = "spa-knockd=62201:spa-knockd=62201:spa-knock-web=62202 spa-knock-web=62202:spa-knock-web=62202";
    assert_eq!(value("Require-User"), users);
    // LuCI without TLS, or none, is no reason to have no knocks.
    assert!(!control.lines().any(|line| line.starts_with("Depends: ") && line.contains("uhttpd")));
    let size = done(
        Command::new("bash").args(["-c", "tar -xzOf \"$1\" ./data.tar.gz | gzip -dc | wc -c", "-"]).arg(package()),
    );
    assert_eq!(value("Installed-Size"), size.trim());
    // The last field, and each further line of it begins with a blank.
    let (_, description) = control.split_once("\nDescription: ").unwrap();
    assert!(description.lines().skip(1).all(|line| line.starts_with(' ')), "{description}");
    assert!(description.contains("kmod-nf-conntrack-netlink") && description.contains("uhttpd"));
}

#[test]
fn its_scripts_can_be_run_and_its_configuration_is_the_owners() {
    let modes: Vec<(String, String)> =
        listed("./control.tar.gz").into_iter().map(|(name, (mode, _))| (name, mode)).collect();
    let expected = [
        ("./", "drwxr-xr-x"),
        ("./conffiles", "-rw-r--r--"),
        ("./control", "-rw-r--r--"),
        ("./postinst", "-rwxr-xr-x"),
        ("./postinst-pkg", "-rwxr-xr-x"),
        ("./postrm", "-rwxr-xr-x"),
        ("./prerm", "-rwxr-xr-x"),
        ("./prerm-pkg", "-rwxr-xr-x"),
    ];
    assert_eq!(modes, expected.map(|(name, mode)| (name.to_owned(), mode.to_owned())));
    assert_eq!(member(package(), "control.tar.gz", "./conffiles"), "/etc/config/spa-knockd\n");
}

#[test]
fn the_same_input_makes_the_same_bytes() {
    let (one, other) = (sources(), sources());
    succeeded(&pack(&one, &[ARCH]));
    // Another directory, another time, another place, and somebody careful.
    let script = "umask 077; chmod -R go= files; exec cross/ipk \"$0\"";
    let mut command = Command::new("bash");
    command.args(["-c", script, ARCH]).current_dir(&other.0);
    done(command.envs([("SOURCE_DATE_EPOCH", EPOCH), ("TZ", "Asia/Tokyo"), ("LC_ALL", "C.UTF-8"), ("MAKEFLAGS", "n")]));
    for name in [built(&one), built(&one).with_file_name("Packages"), built(&one).with_file_name("Packages.gz")] {
        let twin = built(&other).with_file_name(name.file_name().unwrap());
        assert!(std::fs::read(&name).unwrap() == std::fs::read(twin).unwrap(), "{}", name.display());
    }
}

#[test]
fn what_cannot_be_packed_is_named_and_leaves_nothing() {
    let sources = sources();
    let failure = failed(&pack(&sources, &["mipsel_24kc"]));
    assert_eq!(failure, "ipk: no target/cross/bin/mipsel_24kc/spa-knockd: run cross/build mipsel_24kc first\n");
    assert_eq!(failed(&pack(&sources, &["mips"])), "ipk: mips is not in cross/routers\n");

    let mut undated = Command::new(sources.path("cross/ipk"));
    undated.arg(ARCH).env_remove("SOURCE_DATE_EPOCH").env("GIT_CEILING_DIRECTORIES", "/");
    let failure = failed(&undated.output().unwrap());
    assert_eq!(failure, "ipk: not a git checkout: set SOURCE_DATE_EPOCH\n");

    let makefile = std::fs::read_to_string(sources.path("openwrt/Makefile")).unwrap();
    let other = makefile.replace(&format!("PKG_VERSION:={}", env!("CARGO_PKG_VERSION")), "PKG_VERSION:=9.9.9");
    sources.write("openwrt/Makefile", &other);
    let failure = failed(&pack(&sources, &[ARCH]));
    assert!(failure.starts_with("ipk: openwrt/Makefile is not of version "), "{failure}");
    assert!(!built(&sources).exists());
}

#[test]
fn without_a_word_it_packs_for_all_routers_and_elsewhere_where_it_is_told_to() {
    let sources = sources();
    sources.write("cross/routers", "# comment\n\nmips_24kc mips_24kc x\nx86_64\tx86_64\ty\n");
    let failure = failed(&pack(&sources, &[]));
    assert!(
        failure.ends_with("ipk: no target/cross/bin/x86_64/spa-knockd: run cross/build x86_64 first\n"),
        "{failure}"
    );
    assert!(built(&sources).exists());

    let bin = sources.path("target/cross/bin");
    std::fs::rename(&bin, sources.path("bin")).unwrap();
    succeeded(&pack(&sources, &["--bin", "bin", "--out", "feed", ARCH]));
    assert_eq!(std::fs::read_dir(sources.path("feed").join(ARCH)).unwrap().count(), 3);
    failed(&pack(&sources, &["--bin"]));
    failed(&pack(&sources, &["--other", "x", ARCH]));
}

#[test]
fn a_package_of_another_version_does_not_stay_in_the_feed() {
    let sources = sources();
    let old = built(&sources).with_file_name(format!("spa-knockd_0.0.1-r1_{ARCH}.ipk"));
    std::fs::create_dir_all(old.parent().unwrap()).unwrap();
    std::fs::write(&old, "").unwrap();
    succeeded(&pack(&sources, &[ARCH]));
    assert!(!old.exists() && built(&sources).exists());
}
