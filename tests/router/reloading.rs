//! A running daemon and a configuration, a network or a zone that changes.

use super::machine::{PASSWD, Router};
use super::{config, simple};

#[test]
fn a_changed_configuration_is_read_by_the_same_process() {
    let router = Router::new(&simple());
    router.init("start");
    let daemon = router.serving();
    router.configure(&config("\tlist network 'wan'\n\tlist port '4433'\n"));
    router.init("reload");
    assert!(router.good("spa-knockd status").contains("udp 4433 on eth1"));
    assert_eq!((router.serving(), router.starts(), router.log()), (daemon, 1, String::new()));
    assert!(!router.at("var/etc/spa-knockd/config.old").exists());
}

#[test]
fn a_reload_that_changes_nothing_does_not_even_ask_the_daemon() {
    let router = Router::new(&simple());
    router.init("start");
    let daemon = router.serving();
    for _ in 0..3 {
        router.init("reload");
    }
    assert_eq!(router.serving(), daemon);
    assert!(!router.read("tmp/daemon.log").contains("was read again"));
}

#[test]
fn what_needs_a_restart_gets_one() {
    let router = Router::new(&simple());
    router.init("start");
    let daemon = router.serving();
    router.write(
        "etc/config/spa-knockd",
        &config("\tlist network 'wan'\n\tlist transport 'tcp'\n\toption tcp_listen '8022'\n"),
    );
    router.init("reload");
    assert_ne!(router.serving(), daemon);
    assert!(router.log().ends_with("notice the new configuration needs a restart of the daemon\n"));
    assert_eq!(router.status().0, 0);
}

#[test]
fn an_invalid_one_leaves_the_running_daemon_alone() {
    let router = Router::new(&simple());
    router.init("start");
    let daemon = router.serving();
    let resolved = router.read("var/etc/spa-knockd/config");
    router.configure(&simple().replace("tcp/22", "tcp/65536"));
    for action in ["reload", "start"] {
        router.refused(action);
        assert_eq!((router.serving(), router.read("var/etc/spa-knockd/config")), (daemon.clone(), resolved.clone()));
        let (code, words) = router.status();
        assert!(
            code == 0 && words.starts_with("running by its former configuration, for the new one is refused:\n"),
            "{words}"
        );
        assert!(words.contains("/etc/config/spa-knockd:8: "), "{words}");
    }
    let log = router.log();
    assert!(log.starts_with("err /etc/config/spa-knockd:8: ") && log.lines().count() == 1, "{log}");
    // Not even a restart ends the only way in.
    router.refused("restart");
    assert_eq!(router.serving(), daemon);
    router.configure(&simple());
    router.init("restart");
    assert_ne!(router.serving(), daemon);
}

#[test]
fn what_the_daemon_refuses_is_not_what_a_crash_would_start_it_with() {
    let router = Router::new(&simple());
    router.init("start");
    let daemon = router.serving();
    let resolved = router.read("var/etc/spa-knockd/config");
    // The check knows nothing of the daemon's user, who may not read this.
    router.write("etc/passwd", &PASSWD.replace("62201", "62202"));
    router.configure(&config("\tlist network 'wan'\n\tlist port '4433'\n"));
    router.refused("reload");
    assert_eq!((router.serving(), router.read("var/etc/spa-knockd/config")), (daemon, resolved));
    let (code, words) = router.status();
    assert!(code == 0 && words.contains("refused:\n") && words.contains("gave up root"), "{words}");
    // So the next reload tries again.
    router.write("etc/passwd", PASSWD);
    router.init("reload");
    assert!(router.good("spa-knockd status").contains("udp 4433 on eth1"));
    assert_eq!(router.status(), (0, "running\n".to_owned()));
}

#[test]
fn a_daemon_that_cannot_be_asked_is_restarted() {
    let router = Router::new(&simple());
    router.init("start");
    let daemon = router.serving();
    router.remove("var/run/spa-knockd/control.sock");
    router.configure(&config("\tlist network 'wan'\n\tlist port '4433'\n"));
    router.init("reload");
    assert_ne!(router.serving(), daemon);
    assert!(router.good("spa-knockd status").contains("udp 4433 on eth1"));
    assert_eq!(router.log(), "notice the daemon cannot be asked to read its configuration again; it is restarted\n");
}

#[test]
fn a_device_with_another_name_is_followed() {
    let router = Router::new(&simple());
    router.init("start");
    let daemon = router.serving();
    router.up("wan", "eth2");
    router.init("reload");
    assert!(router.good("spa-knockd status").contains("udp 62201 on eth2"));
    assert_eq!(router.serving(), daemon);
}

#[test]
fn a_network_that_goes_down_keeps_its_device() {
    let router = Router::new(&simple());
    router.init("start");
    let daemon = router.serving();
    router.remove("tmp/up/wan");
    router.init("reload");
    assert_eq!((router.serving(), router.starts(), router.log()), (daemon, 1, String::new()));
    // Also over a restart of the service.
    router.init("restart");
    router.serving();
}

#[test]
fn a_network_that_nobody_knows_does_not_end_the_daemon() {
    let router = Router::new(&simple());
    router.init("start");
    let daemon = router.serving();
    let resolved = router.read("var/etc/spa-knockd/config");
    // Misspelt; beside one that was never up; and removed.
    router.write("etc/config/network", "config interface 'wan'\n\nconfig interface 'lte'\n");
    for (main, unknown) in [
        ("\tlist network 'wann'\n", "wann"),
        ("\tlist network 'lte'\n\tlist network 'wann'\n", "wann"),
        ("\tlist network 'wan'\n", "wan"),
    ] {
        router.configure(&config(main));
        if unknown == "wan" {
            router.write("etc/config/network", "config interface 'lan'\n");
            router.remove("tmp/up/wan");
        }
        for action in ["reload", "start", "restart"] {
            router.refused(action);
            assert_eq!(
                (router.serving(), router.read("var/etc/spa-knockd/config")),
                (daemon.clone(), resolved.clone()),
                "{action}"
            );
            let (code, words) = router.status();
            assert!(code == 0 && words.starts_with("running by its former configuration"), "{words}");
            assert!(words.contains(&format!("there is no network '{unknown}'")), "{words}");
        }
    }
    // It comes up again. Where nothing ran before, it is awaited.
    router.up("wan", "eth1");
    router.init("reload");
    assert_eq!((router.serving(), router.status().1), (daemon, "running\n".to_owned()));
    router.configure(&config("\tlist network 'wann'\n"));
    router.init("stop");
    router.wait("end", || !router.running());
    router.init("start");
    assert!(router.status().1.starts_with("not running yet:\n  there is no network 'wann'"));
    router.up("wann", "eth1");
    router.write("etc/config/firewall", &super::machine::zone("wan", "wann"));
    router.init("reload");
    router.serving();
}

#[test]
fn a_device_with_a_name_that_could_be_more_than_a_name_is_left_out() {
    let router = Router::new(&config("\tlist network 'wan'\n\tlist device 'eth2'\n\tlist zone 'wan'\n"));
    router.up("wan", "e'\toption");
    router.init("start");
    router.serving();
    assert_eq!(router.log(), "warn network 'wan': its device has a name that is not understood\n");
    assert!(!router.read("var/etc/spa-knockd/config").contains("list device 'e'"));
}

#[test]
fn switched_off_it_ends_and_takes_its_rules_along() {
    let router = Router::new(&simple());
    router.init("start");
    router.serving();
    router.good("nft add element inet fw4 spa_in4_v1 '{ 192.0.2.1 . tcp . 22 timeout 60s }'");
    router.configure(&simple().replace("enabled '1'", "enabled '0'"));
    router.init("reload");
    router.wait("end", || !router.running());
    assert_eq!(router.drop_ins().len(), 0);
    assert!(!router.good("nft list ruleset").contains("spa_"));
    assert_eq!(router.status(), (3, "not running:\n  option enabled is '0' in /etc/config/spa-knockd\n".to_owned()));
}

#[test]
fn a_stop_leaves_open_what_is_open_until_the_kernel_closes_it() {
    let router = Router::new(&simple());
    router.init("start");
    router.serving();
    router.good("nft add element inet fw4 spa_in4_v1 '{ 192.0.2.1 . tcp . 22 timeout 60s }'");
    router.init("stop");
    router.wait("end", || !router.running());
    assert!(router.good("nft list set inet fw4 spa_in4_v1").contains("192.0.2.1"));
}
