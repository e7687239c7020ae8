//! procd's jail: where the daemon can live in it, and what is made ready for it.

use std::os::unix::fs::MetadataExt as _;

use super::machine::Router;
use super::{config, simple};

/// A router that has a jail, with this configuration; it was started.
fn started(text: &str) -> Router {
    let router = Router::new(text);
    router.write("sbin/ujail", "");
    router.good("chmod 755 /sbin/ujail");
    router.init("start");
    router
}

const JAIL: &str = "jail spa-knockd procfs\nmount /var/etc/spa-knockd\n\
                    mount_rw /etc/spa-knockd/state /var/run/spa-knockd\n\
                    capabilities /etc/capabilities/spa-knockd.json\nuser spa-knockd\ngroup spa-knockd\nno_new_privs 1\n";

#[test]
fn the_jail_is_there_where_ujail_is() {
    let router = started(&simple());
    let instance = router.read("tmp/procd/instance");
    assert!(instance.ends_with(JAIL), "{instance}");
    for directory in ["etc/spa-knockd/state", "var/run/spa-knockd"] {
        let found = router.at(directory).metadata().expect("a directory");
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (62201, 62201, 0o700), "{directory}");
    }
    router.init("stop");
    router.write("lib/libpreload-seccomp.so", "");
    router.init("start");
    assert!(router.read("tmp/procd/instance").ends_with(&format!("{JAIL}seccomp /etc/seccomp/spa-knockd.json\n")));
    let router = Router::new(&simple());
    router.init("start");
    assert!(!router.read("tmp/procd/instance").contains("jail"));
}

#[test]
fn the_jail_is_not_there_where_the_daemon_could_not_work_in_it() {
    let wol = "\tlist command 'wol=/bin/true'\n";
    for (main, stanza, jailed) in [
        ("\toption jail '0'\n", "", false),
        ("\toption jail '1'\n", "", true),
        ("", wol, false),
        ("", "\toption allow_nat '1'\n\toption nat_dns '1'\n", false),
        ("", "\n\nconfig access 'bob'\n\toption enabled '0'\n\tlist command 'wol=/bin/true'\n", true),
        ("\tlist transport 'tcp'\n\toption tcp_listen '443'\n", "", false),
        ("\tlist transport 'tcp'\n\toption tcp_listen '8443'\n", "", true),
    ] {
        let router = started(&(config(&format!("\tlist network 'wan'\n{main}")) + stanza));
        router.serving();
        assert_eq!(router.read("tmp/procd/instance").contains("jail"), jailed, "{main}{stanza}");
    }
}

#[test]
fn a_refused_configuration_does_not_change_the_jail_of_what_runs() {
    let router = started(&simple());
    let daemon = router.serving();
    router.write(
        "etc/config/spa-knockd",
        &(config("\toption jail '0'\n\toption nonsense '1'\n") + "\tlist command 'a=/bin/true'\n"),
    );
    router.refused("reload");
    assert_eq!((router.serving(), router.starts()), (daemon, 1));
    // A good one does, and procd restarts the daemon for it.
    router.configure(&config("\tlist network 'wan'\n\toption jail '0'\n"));
    router.init("reload");
    router.serving();
    assert_eq!(router.starts(), 2);
}

#[test]
fn what_root_left_in_its_directories_is_handed_over_and_nothing_behind_a_link() {
    let router = started(&simple());
    router.serving();
    // A daemon of another number was killed, and its socket stands in the way of the next.
    router.good("kill -9 $(cat /tmp/procd/pid)");
    router.wait("end", || !router.running());
    router.good("chown 999:999 /var/run/spa-knockd/control.sock");
    router.good("spa-knockd state reset && rm /var/run/spa-knockd/journal");
    assert_eq!(router.at("etc/spa-knockd/state/state.json").metadata().expect("a file").uid(), 0);
    router.good("ln -s /etc/shadow /var/run/spa-knockd/journal && : >/etc/shadow");
    router.init("start");
    for file in router.good("ls /etc/spa-knockd/state").lines() {
        assert_eq!(router.at("etc/spa-knockd/state").join(file).metadata().expect("a file").uid(), 62201, "{file}");
    }
    // The daemon that starts puts its own in the place of it.
    let socket = router.at("var/run/spa-knockd/control.sock");
    router.wait("socket", || socket.metadata().is_ok_and(|found| found.uid() == 62201));
    assert_eq!(router.at("etc/shadow").metadata().expect("a file").uid(), 0);
}

#[test]
fn what_has_another_name_is_never_handed_over() {
    let router = Router::new(&simple());
    router.write("sbin/ujail", "");
    // The daemon's user wants to have root's files, which it could link by such a kernel.
    router.good(
        "chmod 755 /sbin/ujail && mkdir -p /etc/spa-knockd/state && : >/etc/shadow && chmod 600 /etc/shadow && \
         chown 62201:62201 /etc/spa-knockd/state && ln /etc/shadow /etc/spa-knockd/state/journal && \
         ln -s /etc/passwd /tmp/soft && ln /tmp/soft /etc/spa-knockd/state/state.json && : >/etc/spa-knockd/state/lock",
    );
    router.init("start");
    let owner = |path: &str| router.at(path).symlink_metadata().expect("a file").uid();
    for path in ["etc/shadow", "etc/passwd", "tmp/soft", "etc/spa-knockd/state/journal"] {
        assert_eq!(owner(path), 0, "{path}");
    }
    // The rest is, as before.
    assert_eq!((owner("etc/spa-knockd/state"), owner("etc/spa-knockd/state/lock")), (62201, 62201));
    let log = router.log();
    let line =
        "warn /etc/spa-knockd/state/journal has another name, so it is not handed over to the daemon; remove it\n";
    assert!(log.contains(line), "{log}");
}

#[test]
fn without_the_user_or_its_directories_there_is_no_jail() {
    let router = Router::new(&simple());
    router.write("sbin/ujail", "");
    router.good("chmod 755 /sbin/ujail && mkdir -p /etc/spa-knockd && : >/etc/spa-knockd/state");
    router.init("start");
    assert!(!router.read("tmp/procd/instance").contains("jail"));
    assert!(router.log().starts_with("warn it is not in procd's jail"));
}
