//! No space left, on the flash or in memory: what was good stays, and the reason is said.

use super::machine::Router;
use super::{OF_WAN, config, simple};

/// Puts a small disk at a directory, with what is there, and fills it.
fn fill(router: &Router, directory: &str) {
    router.good(&format!("mkdir -p {directory} && cp -a {directory} /tmp/kept"));
    let place = router.at(directory.trim_start_matches('/'));
    let place = place.to_str().expect("UTF-8");
    router.outside(&["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", place]);
    router.good(&format!(
        "cp -a /tmp/kept/. {directory}/ && rm -r /tmp/kept && ! cat /dev/urandom >{directory}/filler 2>/dev/null"
    ));
}

#[test]
fn a_full_flash_refuses_a_first_start_without_a_trace() {
    let router = Router::new(&simple());
    fill(&router, "/usr/share/nftables.d");
    router.refused("start");
    assert_eq!(router.drop_ins(), ["filler"]);
    let (code, words) = router.status();
    assert!(code == 3 && words.contains("cannot be written to /usr/share/nftables.d; is the flash full?"), "{words}");
    assert_eq!(router.fw4_calls(), "");
    router.good("rm /usr/share/nftables.d/filler");
    router.init("reload");
    router.serving();
    assert_eq!(router.drop_ins(), OF_WAN);
}

#[test]
fn a_full_flash_leaves_the_rules_that_are_there() {
    let router = Router::new(&simple());
    router.init("start");
    let daemon = router.serving();
    fill(&router, "/usr/share/nftables.d");
    router.up("lan", "eth2");
    router.configure(&config("\tlist network 'wan'\n\tlist network 'lan'\n"));
    router.refused("reload");
    let mut kept = router.drop_ins();
    kept.retain(|place| place != "filler");
    assert_eq!(kept, OF_WAN);
    assert_eq!(router.serving(), daemon);
    assert!(router.status().1.contains("is the flash full?"));
}

#[test]
fn a_full_memory_leaves_the_daemon_with_what_it_has() {
    let router = Router::new(&simple());
    router.init("start");
    let daemon = router.serving();
    fill(&router, "/var/etc");
    let resolved = router.read("var/etc/spa-knockd/config");
    router.configure(&config("\tlist network 'wan'\n\tlist port '4433'\n"));
    router.refused("reload");
    assert_eq!((router.serving(), router.read("var/etc/spa-knockd/config")), (daemon, resolved));
    assert!(router.status().1.contains("/var/etc/spa-knockd cannot be written; is /var full?"));
    router.init("stop");
    router.wait("the daemon's end", || !router.running());
    router.good("rm -r /var/etc/spa-knockd && ! cat /dev/urandom >/var/etc/more 2>/dev/null");
    router.refused("start");
    assert_eq!(router.status().0, 3);
}
