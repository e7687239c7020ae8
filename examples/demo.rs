//! Shows a port that opens for one knocker for a few seconds: real client, real kernel, real wire.
//!
//! Run it with `make demo`. It ends with status 0 only if every step happened.
#![expect(clippy::print_stdout, reason = "the demo is there to be read")]
#![expect(clippy::expect_used, reason = "a step that does not happen ends the demo")]

#[path = "../tests/lab/mod.rs"]
mod lab;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use lab::client::{Key, Keys, command_line};
use lab::wire::{Door, echoes};
use lab::{FRIEND, Lab, Place, ROUTER, STRANGER};

/// How long the port stays open, in seconds.
const TIMEOUT: u64 = 6;
const SSH: SocketAddr = SocketAddr::new(ROUTER, 22);
const TELNET: SocketAddr = SocketAddr::new(ROUTER, 23);

fn main() {
    let lab = Lab::new();
    title("A router, the internet before it, and a service on port 22");
    let keys = lab::daemon::keygen();
    show("spa-knockd keygen", "KEY_BASE64: …\nHMAC_KEY_BASE64: …");
    let _ssh = lab.tcp_echo(Place::Router, 22);
    let daemon = lab.daemon(&config(&keys));
    show("spa-knockd run --config FILE --interface wan", &daemon.log());

    title("Nobody may connect: port 22 looks like port 23, where nothing listens");
    see(&lab, "the friend", FRIEND, SSH, Door::Refused);
    see(&lab, "the friend", FRIEND, TELNET, Door::Refused);
    see(&lab, "a stranger", STRANGER, SSH, Door::Refused);

    title("The friend knocks with the fwknop client: one UDP packet, no answer");
    let knock = ["-A", "tcp/22", "-a", "203.0.113.2", "-D", "203.0.113.1"];
    let sent = Instant::now();
    lab.fwknop(&keys, &knock);
    show(&elided(&command_line(&keys, &knock), &keys), "");
    let element = lab.wait_element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
    let opened = Instant::now();
    assert_eq!(element.timeout, TIMEOUT, "the grant's life");
    list_set(&lab);

    title("The port is open, for the friend alone");
    see(&lab, "the friend", FRIEND, SSH, Door::Open);
    see(&lab, "a stranger", STRANGER, SSH, Door::Refused);
    let mut session = lab.connect(Place::Wan, FRIEND, SSH).expect("a session");
    assert!(echoes(&mut session, "hello"), "the session carries nothing");
    say("the friend's session carries data both ways");

    title("The kernel counts down");
    thread::sleep(Duration::from_secs(3));
    list_set(&lab);
    let left = lab.element("spa_in4_v1", &["203.0.113.2", "tcp", "22"]);
    assert!(left.expect("the element").expires < element.expires, "no countdown");

    title("The time is up: closed again, the session lives on");
    let end = Duration::from_secs(TIMEOUT) + Duration::from_millis(400);
    thread::sleep(end.saturating_sub(opened.elapsed()));
    list_set(&lab);
    see(&lab, "the friend", FRIEND, SSH, Door::Refused);
    assert!(echoes(&mut session, "still here"), "the session was cut");
    say("the friend's session still carries data both ways");

    title("What the daemon logged");
    let log = daemon.stop();
    indent(&log);
    assert!(log.contains("alice"), "the log does not name the knocker");
    println!("\nEvery step happened, {:.1} s after the knock.", sent.elapsed().as_secs_f32());
}

fn config(keys: &Keys) -> String {
    format!(
        "config spa-knockd 'main'\n\
         \toption enabled '1'\n\
         \tlist device 'wan'\n\
         \toption firewall 'standalone'\n\
         \n\
         config access 'alice'\n{}\
         \tlist open 'tcp/22'\n\
         \toption timeout '{TIMEOUT}'\n",
        keys.uci()
    )
}

/// Connects, says what came of it, and ends the demo if it is not what should come.
fn see(lab: &Lab, who: &str, from: std::net::IpAddr, to: SocketAddr, expected: Door) {
    let door = lab.try_connect(Place::Wan, from, to);
    let word = match door {
        Door::Open => "connected",
        Door::Refused => "connection refused",
        Door::Filtered => "no answer",
    };
    say(&format!("{who} {from:<13} → {to}: {word}"));
    assert_eq!(door, expected, "from {from} to {to}");
}

/// Shows the set as nft prints it.
fn list_set(lab: &Lab) {
    let args = ["list", "set", "inet", "spa_knockd", "spa_in4_v1"];
    let text = lab.run(Place::Router, "nft", &args);
    show(&format!("nft {}", args.join(" ")), &text);
}

/// The command line with the keys left out.
fn elided(line: &[String], keys: &Keys) -> String {
    let secret = |word: &String| {
        [Some(&keys.encryption), keys.hmac.as_ref()]
            .into_iter()
            .flatten()
            .any(|(Key::Base64(key) | Key::Passphrase(key))| key == word)
    };
    let words: Vec<_> = line.iter().map(|word| if secret(word) { "…" } else { word.as_str() }).collect();
    words.join(" ")
}

fn title(text: &str) {
    println!("\n── {text}");
}

fn say(text: &str) {
    println!("   {text}");
}

/// A command and what it printed.
fn show(command: &str, output: &str) {
    say(&format!("$ {command}"));
    indent(output);
}

fn indent(text: &str) {
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        println!("     {}", line.replace('\t', "    "));
    }
}
