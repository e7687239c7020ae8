//! The maintainer scripts under busybox, in a root directory of their own, in opkg's way and in apk's.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{Folder, done, member, package, succeeded};

/// An init script that only notes what it was told, and of whose daemon the file /running tells. Its commands fail where
/// /broken is there.
const INIT: &str = "#!/bin/sh\necho \"$1\" >>/log\ncase $1 in\nrunning) [ -e /running ]; exit ;;\n\
                    start) : >/running ;;\nstop | cleanup) rm -f /running ;;\nesac\n[ ! -e /broken ]\n";

/// Where opkg keeps the scripts.
const INFO: &str = "usr/lib/opkg/info";

/// A router without anything that is not asked for here: busybox, /lib/functions.sh and the package's files.
pub(super) struct Router(pub(super) Folder);

impl Router {
    pub(super) fn new() -> Self {
        let root = Folder::new();
        let path = std::env::var("PATH").unwrap();
        let busybox: Option<PathBuf> =
            std::env::split_paths(&path).map(|folder| folder.join("busybox")).find(|program| program.exists());
        let busybox = busybox.unwrap_or_else(|| panic!("no busybox on this machine: run tests/setup.sh lab"));
        put(&root, &busybox, "bin/busybox");
        // Of the static one, ldd says that it needs nothing, and fails.
        let libraries = Command::new("ldd").arg(&busybox).output().unwrap().stdout;
        for word in String::from_utf8(libraries).unwrap().split_whitespace().filter(|word| word.starts_with('/')) {
            put(&root, Path::new(word), word.trim_start_matches('/'));
        }
        done(Command::new("chroot").arg(&root.0).args(["/bin/busybox", "--install", "-s", "/bin"]));
        root.write("lib/functions.sh", include_str!("functions.sh"));

        for name in ["control", "postinst", "postinst-pkg", "prerm", "prerm-pkg", "postrm"] {
            let file = format!("{INFO}/spa-knockd.{name}");
            root.write(&file, &member(package(), "control.tar.gz", &format!("./{name}")));
            runnable(&root.path(&file));
        }
        root.write(&format!("{INFO}/spa-knockd.list"), "/etc/uci-defaults/99-test\n/etc/init.d/spa-knockd\n");
        root.write("etc/uci-defaults/99-test", "echo uci-defaults >>/log\n");
        root.write("etc/init.d/spa-knockd", INIT);
        runnable(&root.path("etc/init.d/spa-knockd"));
        Self(root)
    }

    /// Runs something on the router, with these words in its environment.
    pub(super) fn run(&self, environment: &[&str], command: &str) -> Output {
        self.0.write("log", "");
        let mut chroot = Command::new("chroot");
        chroot.arg(&self.0.0).arg("/bin/env").arg("-i").arg("PATH=/bin").args(environment);
        chroot.args(["/bin/sh", "-c", command]).output().unwrap()
    }

    /// What a script of the package has done, as opkg runs it.
    fn opkg(&self, environment: &[&str], command: &str) -> Vec<String> {
        succeeded(&self.run(environment, &format!("/{INFO}/spa-knockd.{command}")));
        self.log()
    }

    /// What a script has done, as OpenWrt packs it for apk: the package's own part follows.
    fn apk(&self, default: &str, upgrade: bool) -> Vec<String> {
        let own = member(package(), "control.tar.gz", &format!("./{default}-pkg"));
        let own: String = own.lines().filter(|line| !line.starts_with("#!")).map(|line| format!("{line}\n")).collect();
        // There is no such part of its own, then.
        let _ = std::fs::remove_file(self.0.path(&format!("{INFO}/spa-knockd.{default}-pkg")));
        let upgrade = if upgrade { "export PKG_UPGRADE=1\n" } else { "" };
        let script = format!("{upgrade}. /lib/functions.sh\nexport pkgname=spa-knockd\ndefault_{default}\n{own}");
        succeeded(&self.run(&[], &script));
        self.log()
    }

    fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.path("log")).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

fn put(root: &Folder, file: &Path, name: &str) {
    let target = root.path(name);
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    std::fs::copy(file, target).unwrap();
}

fn runnable(file: &Path) {
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o755)).unwrap();
}

const USER: &str = "user spa-knockd=62201:spa-knockd=62201:spa-knock-web=62202 spa-knock-web=62202:spa-knock-web=62202";

#[test]
fn opkg_installs_upgrades_and_removes() {
    let router = Router::new();
    assert_eq!(router.opkg(&["PKG_UPGRADE=0"], "postinst configure"), [USER, "uci-defaults", "enable", "start"]);
    assert_eq!(router.opkg(&["PKG_UPGRADE=1"], "prerm upgrade 9-r1"), ["stop"]);
    assert_eq!(router.opkg(&["PKG_UPGRADE=1"], "postrm upgrade 9-r1"), [""; 0]);
    assert_eq!(router.opkg(&["PKG_UPGRADE=1"], "postinst configure"), [USER, "running", "start"]);
    assert_eq!(router.opkg(&["PKG_UPGRADE=0"], "prerm remove"), ["cleanup", "disable", "stop"]);
    assert_eq!(router.opkg(&["PKG_UPGRADE=0"], "postrm remove"), [""; 0]);
}

#[test]
fn apk_upgrades_a_daemon_that_it_did_not_stop() {
    let router = Router::new();
    let installed = router.apk("postinst", false);
    assert_eq!(installed, [USER, "uci-defaults", "enable", "start"]);
    let upgraded = router.apk("postinst", true);
    assert_eq!(upgraded, [USER, "start", "running", "restart"]);
    let removed = router.apk("prerm", false);
    assert_eq!(removed, ["disable", "stop", "cleanup"]);
}

#[test]
fn what_was_seen_is_kept_and_it_is_said_so() {
    let router = Router::new();
    router.0.write("etc/spa-knockd/state/floors", "x");
    let said = succeeded(&router.run(&["PKG_UPGRADE=0"], &format!("/{INFO}/spa-knockd.postrm remove")));
    assert_eq!(said, "spa-knockd: /etc/spa-knockd is kept, so that old knocks stay refused\n");
    assert!(router.0.path("etc/spa-knockd/state/floors").exists());
    let said = succeeded(&router.run(&["PKG_UPGRADE=1"], &format!("/{INFO}/spa-knockd.postrm upgrade 9-r1")));
    assert_eq!(said, "");
}

#[test]
fn a_service_that_fails_does_not_keep_the_package_from_coming_or_going() {
    let router = Router::new();
    router.0.write("running", "");
    router.0.write("broken", "");
    for command in ["postinst configure", "prerm upgrade 9-r1", "prerm remove", "postrm remove"] {
        let upgrade = if command.contains("remove") { "PKG_UPGRADE=0" } else { "PKG_UPGRADE=1" };
        let output = router.run(&[upgrade], &format!("/{INFO}/spa-knockd.{command}"));
        assert!(matches!(output.status.code(), Some(0)), "{command}: {output:?}");
    }
}

#[test]
fn an_image_that_is_being_built_starts_and_stops_nothing() {
    let router = Router::new();
    // The image is a part of this root.
    std::fs::create_dir(router.0.path("image")).unwrap();
    done(Command::new("cp").arg("-r").args([router.0.path("lib"), router.0.path("usr"), router.0.path("image")]));
    let image = ["IPKG_INSTROOT=/image", "PKG_UPGRADE=1"];
    assert_eq!(router.opkg(&image, "postinst configure"), [USER, "rc.common enable"]);
    assert_eq!(router.opkg(&image[..1], "prerm remove"), ["rc.common disable"]);
    assert_eq!(router.opkg(&image[..1], "postrm remove"), [""; 0]);
    assert_eq!(router.opkg(&["IPKG_NO_SCRIPT=1"], "postinst configure"), [""; 0]);
    // Without a base system there is nothing that could be run.
    assert_eq!(router.opkg(&["IPKG_INSTROOT=/nowhere"], "postinst configure"), [""; 0]);
    assert_eq!(router.opkg(&["IPKG_INSTROOT=/nowhere"], "prerm remove"), [""; 0]);
}

#[test]
fn a_sysupgrade_keeps_what_was_seen() {
    let router = Router::new();
    router
        .0
        .write("lib/upgrade/keep.d/spa-knockd", &member(package(), "data.tar.gz", "./lib/upgrade/keep.d/spa-knockd"));
    router.0.write("etc/spa-knockd/state/floors", "x");
    let kept = succeeded(&router.run(&[], "find $(cat /lib/upgrade/keep.d/*) -type f"));
    assert_eq!(kept, "/etc/spa-knockd/state/floors\n");
}
