//! From a configuration to a daemon that runs, or to a reason why there is none.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::machine::{PASSWD, Router};
use super::{OF_WAN, config, simple};

#[test]
fn a_good_configuration_starts_the_daemon_on_the_device_of_its_network() {
    let router = Router::new(&simple());
    router.init("start");
    router.serving();
    assert_eq!(router.status(), (0, "running\n".to_owned()));
    assert_eq!(router.log(), "");
    let resolved = router.read("var/etc/spa-knockd/config");
    let head = "package spa-knockd\n\nconfig spa-knockd 'main'\n\tlist device 'eth1'\n\tlist zone 'wan'\n\toption enabled '1'\n";
    assert!(resolved.starts_with(head), "{resolved}");
    assert_eq!(router.drop_ins(), OF_WAN);
    let awaited = router.good("spa-knockd status");
    assert!(awaited.contains("udp 62201 on eth1"), "{awaited}");
    let command = "command /usr/sbin/spa-knockd run --config /var/etc/spa-knockd/config\n";
    assert!(router.read("tmp/procd/instance").contains(command));
    assert_eq!(router.read("tmp/procd/triggers"), "config spa-knockd firewall\ninterface wan\n");
}

#[test]
fn the_resolved_configuration_is_roots_and_its_groups() {
    let router = Router::new(&simple());
    router.write("etc/passwd", &PASSWD.replace("62201", "62202"));
    router.init("start");
    let of = |path: &str| {
        let found = router.at(path).metadata().expect("a file");
        (found.uid(), found.gid(), found.permissions().mode() & 0o777)
    };
    assert_eq!(of("var/etc/spa-knockd/config"), (0, 62_202, 0o640));
    assert_eq!(of("var/etc/spa-knockd"), (0, 0, 0o755));
    assert_eq!(of("var/etc"), (0, 0, 0o755));
    // Where there is no such user, the daemon goes on as the number that it then has.
    router.init("stop");
    router.write("etc/passwd", "root:x:0:0:root:/root:/bin/ash\n");
    router.init("start");
    assert_eq!(of("var/etc/spa-knockd/config"), (0, 62_201, 0o640));
}

#[test]
fn the_keys_go_into_no_directory_of_somebody_elses() {
    for (made, place) in [
        ("mkdir /var/etc && chown 65534 /var/etc", "/var/etc"),
        ("mkdir /tmp/theirs && ln -s /tmp/theirs /var/etc", "/var/etc"),
        ("ln -s /tmp/nowhere /var/etc", "/var/etc"),
        ("mkdir -p /var/etc/spa-knockd && chown 65534 /var/etc/spa-knockd", "/var/etc/spa-knockd"),
        ("mkdir -p /tmp/theirs /var/etc && ln -s /tmp/theirs /var/etc/spa-knockd", "/var/etc/spa-knockd"),
    ] {
        let router = Router::new(&simple());
        router.good(made);
        router.refused("start");
        let (code, words) = router.status();
        assert!(code == 3 && words.contains(&format!("  {place} is not a directory of root's own")), "{made}: {words}");
        assert_eq!(router.good("find /var/etc/ /tmp/theirs /tmp/nowhere -type f 2>/dev/null || true"), "", "{made}");
        assert_eq!(router.starts(), 0);
        router.good("rm -r /var/etc");
        router.init("start");
        router.serving();
    }
}

#[test]
fn the_package_as_installed_touches_nothing() {
    let router = Router::new(include_str!("../../files/etc/config/spa-knockd"));
    router.init("start");
    assert_eq!(router.status(), (3, "not running:\n  option enabled is '0' in /etc/config/spa-knockd\n".to_owned()));
    assert_eq!(router.log(), "notice option enabled is '0' in /etc/config/spa-knockd\n");
    assert_eq!((router.drop_ins().len(), router.starts(), router.fw4_calls()), (0, 0, String::new()));
    assert!(!router.at("var/etc/spa-knockd").exists());
}

#[test]
fn a_bad_configuration_is_refused_with_its_lines_and_mended_by_a_reload() {
    let router = Router::new(&simple().replace("tcp/22", "tcp/65536"));
    router.refused("start");
    let log = router.log();
    assert!(log.starts_with("err /etc/config/spa-knockd:8: ") && log.contains("'tcp/65536'"), "{log}");
    let (code, words) = router.status();
    assert!(
        code == 3 && words.starts_with("not running, for it was refused:\n  /etc/config/spa-knockd:8: "),
        "{words}"
    );
    assert_eq!((router.drop_ins().len(), router.starts()), (0, 0));
    // What was said is not said again; the triggers are there, though.
    router.refused("reload");
    assert_eq!((router.log(), router.starts()), (String::new(), 0));
    assert!(router.read("tmp/procd/triggers").starts_with("config spa-knockd firewall\n"));
    router.configure(&simple());
    router.init("reload");
    router.serving();
    assert_eq!(router.status(), (0, "running\n".to_owned()));
}

#[test]
fn text_that_is_no_configuration_is_refused_even_if_it_seems_disabled() {
    for text in [
        "config spa-knockd 'main'\n\toption enabled '1\n",
        "garbage\n",
        "config spa-knockd 'main'\n\toption enabled 'perhaps'\n",
    ] {
        let router = Router::new(text);
        router.refused("start");
        let (code, words) = router.status();
        assert!(code == 3 && words.contains("refused:\n  /etc/config/spa-knockd:"), "{text}: {words}");
        assert_eq!(router.starts(), 0);
    }
    let router = Router::new("");
    router.remove("etc/config/spa-knockd");
    router.refused("start");
    assert!(router.status().1.contains("/etc/config/spa-knockd is missing"));
}

#[test]
fn what_was_not_committed_does_not_count() {
    let router = Router::new(&simple());
    std::fs::create_dir(router.at("tmp/.uci")).expect("mkdir");
    router.write("tmp/.uci/spa-knockd", &config("\tlist network 'lan'\n\toption ring_kib '1'\n"));
    router.init("start");
    router.serving();
    assert!(!router.read("var/etc/spa-knockd/config").contains("ring_kib"));
}

#[test]
fn without_a_device_it_waits_for_the_network_to_come_up() {
    let router = Router::new(&simple());
    router.remove("tmp/up/wan");
    router.init("start");
    let said = "notice network 'wan' is not up and has no device yet; it is awaited\n\
                notice no device is there to capture on; the service starts when a network comes up\n";
    assert_eq!(router.log(), said);
    let (code, words) = router.status();
    assert!(code == 3 && words.starts_with("not running yet:\n  network 'wan' is not up"), "{words}");
    assert!(router.read("tmp/procd/triggers").ends_with("interface wan\n"));
    router.up("wan", "eth1");
    router.init("reload");
    router.serving();
    assert_eq!((router.log(), router.status()), (String::new(), (0, "running\n".to_owned())));
}

#[test]
fn of_two_networks_the_one_that_is_up_is_watched_and_the_other_awaited() {
    let router = Router::new(&config("\tlist network 'wan'\n\tlist network 'lte'\n"));
    router.write("etc/config/network", "config interface 'wan'\n\nconfig interface 'lte'\n");
    router.init("start");
    let daemon = router.serving();
    assert_eq!(router.log(), "notice network 'lte' is not up and has no device yet; it is awaited\n");
    assert_eq!(router.status().1, "running\n  network 'lte' is not up and has no device yet; it is awaited\n");
    assert_eq!(router.read("tmp/procd/triggers"), "config spa-knockd firewall\ninterface wan\ninterface lte\n");
    // It comes up, and is in no zone yet.
    router.up("lte", "eth2");
    router.init("reload");
    assert_eq!(router.serving(), daemon);
    let log = router.log();
    assert!(log.starts_with("warn device 'eth2' of lte is in no zone"), "{log}");
    let awaited = router.good("spa-knockd status");
    assert!(awaited.contains("udp 62201 on eth1, eth2"), "{awaited}");
}

#[test]
fn a_network_that_is_not_there_is_named_otherwise_than_one_that_is_down() {
    let router = Router::new(&config("\tlist network 'wna'\n\tlist device 'eth2'\n\tlist zone 'wan'\n"));
    router.init("start");
    router.serving();
    assert_eq!(router.log(), "warn there is no network 'wna' in /etc/config/network; correct list network\n");
}

#[test]
fn devices_that_are_named_stay_and_are_not_doubled() {
    let router = Router::new(&config("\tlist network 'wan'\n\tlist device 'eth1'\n\tlist device 'eth2'\n"));
    router.init("start");
    router.serving();
    let resolved = router.read("var/etc/spa-knockd/config");
    assert_eq!(resolved.matches("list device 'eth1'").count(), 1, "{resolved}");
    assert_eq!(resolved.matches("list device").count(), 2, "{resolved}");
}

#[test]
fn warnings_of_the_check_are_logged_and_shown_while_it_runs() {
    let router = Router::new(
        &simple().replace("\tlist open 'tcp/22'\n", "\tlist open 'any'\n\toption require_source_address '0'\n"),
    );
    router.init("start");
    router.serving();
    let log = router.log();
    assert!(log.starts_with("warn /etc/config/spa-knockd:"), "{log}");
    let (code, words) = router.status();
    assert!(code == 0 && words.starts_with("running\n  /etc/config/spa-knockd:"), "{words}");
}

#[test]
fn a_daemon_that_ended_by_itself_is_told_from_one_that_was_stopped() {
    let router = Router::new(&simple());
    router.init("start");
    router.serving();
    router.good("kill -9 $(cat /tmp/procd/pid)");
    router.wait("end", || !router.running());
    assert!(router.status().1.starts_with("not running, it ended by itself; logread"));
    router.init("start");
    router.serving();
    assert_eq!(router.starts(), 2);
    router.init("stop");
    router.wait("end", || !router.running());
    assert_eq!(router.status(), (3, "not running, it was not started\n".to_owned()));
}
