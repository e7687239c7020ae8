//! A name server of the lab's own, and a daemon that asks nobody else.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::daemon::Daemon;
use super::{Lab, Place};

/// Length of a DNS header (RFC 1035, section 4.1.1).
const HEADER: usize = 12;

/// The type of an IPv4 address (RFC 1035, section 3.2.2).
const A: [u8; 2] = [0, 1];

/// A name server: it knows the names that it was given, and never answers for those that begin with `hang`.
#[derive(Debug)]
pub(crate) struct NameServer {
    socket: Arc<UdpSocket>,
    asked: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Lab {
    /// A name server at the router's loopback address.
    pub(crate) fn name_server(&self, known: &'static [(&'static str, Ipv4Addr)]) -> NameServer {
        let socket = self.within(Place::Router, || UdpSocket::bind(("127.0.0.1", 53)).expect("bind"));
        let socket = Arc::new(socket);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let thread = thread::spawn({
            let (socket, asked) = (Arc::clone(&socket), Arc::clone(&asked));
            move || {
                let mut bytes = [0; 512];
                // A shut down socket reads as an empty datagram from nobody.
                while let Ok((length @ 1.., from)) = socket.recv_from(&mut bytes) {
                    let Some((name, answer)) = answer(&bytes[..length], known) else { continue };
                    let hangs = name.starts_with("hang");
                    asked.lock().expect("the questions").push(name);
                    if !hangs {
                        let _ = socket.send_to(&answer, from);
                    }
                }
            }
        });
        NameServer { socket, asked, thread: Some(thread) }
    }

    /// Starts the daemon, with these lines in its /etc/hosts and the lab's name server in its /etc/resolv.conf, and
    /// waits until it is ready.
    pub(crate) fn daemon_with_names(&self, config: &str, hosts: &str) -> Daemon {
        self.configure(config);
        let run = self.daemon_command(&["--interface", "wan"]);
        let words: Vec<_> = run.get_args().skip(3).map(|word| word.to_string_lossy().into_owned()).collect();
        let mut daemon = Daemon::spawn(self.with_names(hosts, &words), config);
        daemon.wait_ready();
        daemon
    }

    /// A command of the router's that has these files in /etc.
    pub(crate) fn with_names(&self, hosts: &str, words: &[String]) -> Command {
        let resolv = "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n";
        for (name, text) in [("hosts", hosts), ("resolv.conf", resolv), ("nsswitch.conf", "hosts: files dns\n")] {
            fs::write(self.dir().join(name), text).expect("write the file");
        }
        // `ip netns exec` gives the shell mounts of its own, so these go with it.
        let script = "for name in hosts resolv.conf nsswitch.conf; do mount --bind \"$0/$name\" \"/etc/$name\" || exit 1; done\n\
                      exec \"$@\"";
        let mut command = self.command(Place::Router, "sh", &["-c", script]);
        command.arg(self.dir()).args(words);
        command
    }
}

impl NameServer {
    /// The names that were asked for so far, each question once.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("the questions").clone()
    }

    /// Waits until somebody has asked for this name.
    pub(crate) fn wait_asked(&self, name: &str) {
        super::wait_for(name, Duration::from_secs(3), || self.asked().iter().any(|asked| asked == name).then_some(()));
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        // It wakes the thread although the call says that the socket was not connected.
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The name in a question, and the answer to it: an address, none of this type, or no such name.
fn answer(question: &[u8], known: &[(&str, Ipv4Addr)]) -> Option<(String, Vec<u8>)> {
    let (mut labels, mut at) = (Vec::new(), HEADER);
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let name = labels.join(".");
    let asks_for_v4 = question.get(at..at + 2)? == A;
    let address = known.iter().find(|(known, _)| *known == name).map(|(_, address)| *address);
    let found = address.filter(|_| asks_for_v4);
    let code = if address.is_some() { 0 } else { 3 };
    let mut answer = question.get(..2)?.to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(found.is_some()), 0, 0, 0, 0]);
    answer.extend(question.get(HEADER..at + 4)?);
    if let Some(address) = found {
        // The name by its place in the question, type A, class IN, no life, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        answer.extend(address.octets());
    }
    Some((name, answer))
}
