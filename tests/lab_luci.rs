//! The pages in a browser, on LuCI's own files, with the real daemon and the real client in the lab.
//!
//! `make test-luci LUCI_SRC=…` runs this; it needs a checkout of LuCI, Chromium and Node.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that does not get what it needs ends the test"
)]

mod lab;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;

use lab::{Lab, Place};

const ROUTER_LAN: &str = "192.168.77.1";

/// The router's other files, as far as the pages read them.
const FIREWALL: &str = "config zone\n\toption name 'lan'\n\tlist network 'lan'\n\nconfig zone\n\toption name 'wan'\n\tlist network 'wan'\n";
const NETWORK: &str =
    "config interface 'lan'\n\toption device 'lan'\n\nconfig interface 'wan'\n\toption device 'wan'\n";

#[test]
fn from_a_fresh_install_to_a_phone_that_knocks() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scripts = source.join("tests/luci-browser");
    let luci = std::env::var("LUCI_SRC").expect("LUCI_SRC, a checkout of LuCI");
    let lab = Lab::new();
    lab.fw4_start();
    // Whoever is let in finds somebody there.
    let services =
        lab.within(Place::Router, || ["0.0.0.0:22", "0.0.0.0:443"].map(|at| TcpListener::bind(at).expect("a service")));

    let etc = lab.dir().join("etc");
    fs::create_dir(&etc).expect("the directory of UCI");
    let sample = fs::read_to_string(source.join("files/etc/config/spa-knockd")).expect("the sample configuration");
    // LuCI reads the empty ones by itself.
    let files =
        [("spa-knockd", sample.as_str()), ("firewall", FIREWALL), ("network", NETWORK), ("luci", ""), ("wireless", "")];
    for (name, text) in files {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(etc.join(name)).expect("a file of UCI");
        std::io::Write::write_all(&mut file, text.as_bytes()).expect("its text");
    }

    let program = lab::daemon::program();
    let mut server = lab
        .command(Place::Router, "node", &[])
        .arg(scripts.join("server.mjs"))
        .args([program.as_os_str(), lab.dir().as_os_str()])
        .arg(ROUTER_LAN)
        .env("LUCI_SRC", &luci)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the web server");
    let mut said = String::new();
    BufReader::new(server.stdout.take().expect("its output")).read_line(&mut said).expect("its first line");
    assert_eq!(said.trim(), "listening", "the web server did not start");

    let journey = lab
        .command(Place::Lan, "node", &["--test", "--test-reporter=spec"])
        .arg(scripts.join("journey.test.mjs"))
        .env("ROUTER_URL", format!("http://{ROUTER_LAN}"))
        .env("WAN", lab.netns(Place::Wan))
        .env("ROUTER", lab.netns(Place::Router))
        .env("ETC", &etc)
        .env("SOCKET", lab.dir().join("run/control.sock"))
        .env("PROGRAM", &program)
        .env("SHOTS", source.join("target/luci-browser"))
        .env_remove("NODE_OPTIONS")
        .status()
        .expect("node");
    let _ = server.kill();
    let _ = server.wait();
    drop(services);
    assert!(journey.success(), "see target/luci-browser for pictures of what failed");
}
