//! The lab of the failing calls: one daemon, its descriptors, its knocks, and what must hold whatever failed.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use spa_knockd::knock::fwknop::encode::encode_fresh;
use spa_knockd::knock::fwknop::fields::{Fields, MessageType};

use super::common;
use super::lab::ask::context_switches;
use super::lab::daemon::Daemon;
use super::lab::{FRIEND, Lab, Place, ROUTER, wait_for};
use super::points::On;

/// How long anything may take that no fault delays.
pub(crate) const SOON: Duration = Duration::from_secs(3);

/// How long the daemon is watched for idle turns, and how many it may make: those of a state file that falls due.
const WATCH: Duration = Duration::from_millis(150);
const IDLE_TURNS: u64 = 8;

/// A host that the daemon has looked up.
const HOST: &str = "nas.lan.example";

/// Knocks honoured, and refusals by their codes.
pub(crate) type Counts = (u64, Value);

/// A knock, and the address for which it asks.
#[derive(Debug)]
pub(crate) struct Knock {
    pub(crate) packet: Vec<u8>,
    pub(crate) address: String,
}

/// A daemon with its lab.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) lab: Lab,
    pub(crate) daemon: Daemon,
    pub(crate) config: String,
    sender: UdpSocket,
    /// Distinguishes the addresses.
    made: u16,
    /// Distinguishes the rings of reloads.
    pub(crate) rings: u16,
    /// The addresses of the honoured knocks that nobody has revoked.
    pub(crate) open: BTreeSet<String>,
}

/// What makes a daemon start a helper.
pub(crate) const FOR_HELPER: &str =
    "\tlist command 'nothing=/bin/true'\n\toption allow_nat '1'\n\toption nat_dns '1'\n";

/// The configuration of every daemon here.
pub(crate) fn config(more: &str) -> String {
    let keys = common::keys(1);
    let (_, hmac) = keys.hmac.as_ref().expect("an HMAC key");
    format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n\toption firewall 'standalone'\n\
         \toption tcp_listen '62202'\n\nconfig access 'alice'\n\toption key_base64 '{}'\n\
         \toption hmac_key_base64 '{}'\n\tlist open 'tcp/22'\n\tlist open 'tcp/2222'\n\toption timeout '300'\n{more}",
        &*keys.key.to_base64(),
        &*hmac.to_base64()
    )
}

impl Stage {
    /// A fresh lab with a daemon that is ready; with `helper` it runs commands and looks names up.
    pub(crate) fn new(helper: bool) -> Self {
        let lab = Lab::new();
        let config = config(if helper { FOR_HELPER } else { "" });
        let daemon = if helper {
            lab.daemon_with_names(&config, &format!("127.0.0.1 localhost\n192.168.77.10 {HOST}\n"))
        } else {
            lab.daemon(&config)
        };
        Self::over(lab, daemon, config)
    }

    /// A lab with a daemon that runs already.
    pub(crate) fn over(lab: Lab, daemon: Daemon, config: String) -> Self {
        let sender = lab.within(Place::Wan, || UdpSocket::bind((FRIEND, 0)).expect("bind"));
        Self { lab, daemon, config, sender, made: 0, rings: 0, open: BTreeSet::new() }
    }

    /// A knock with this message behind an address that had none before.
    pub(crate) fn knock(&mut self, kind: MessageType, words: &str) -> Knock {
        self.made += 1;
        let [high, low] = self.made.to_be_bytes();
        self.knock_for(Ipv4Addr::new(10, 77, high, low).to_string(), kind, words)
    }

    fn knock_for(&self, address: String, kind: MessageType, words: &str) -> Knock {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
        let nat = (kind == MessageType::NatAccess).then(|| format!("{HOST},22"));
        let fields = Fields { message_type: kind, nat, ..common::fields(now, &format!("{address},{words}")) };
        let packet = encode_fresh(&fields, &common::keys(1)).expect("a knock").into_bytes();
        Knock { packet, address }
    }

    /// A knock for the usual door.
    pub(crate) fn plain(&mut self) -> Knock {
        self.knock(MessageType::Access, "tcp/22")
    }

    pub(crate) fn send(&self, knock: &Knock) {
        self.sender.send_to(&knock.packet, (ROUTER, 62201)).expect("send");
    }

    /// The same knock through the TCP listener.
    pub(crate) fn send_over_tcp(&self, knock: &Knock) {
        let to = SocketAddr::new(ROUTER, 62202);
        let mut stream = self.lab.connect(Place::Wan, FRIEND, to).expect("connect");
        // The daemon may have closed already.
        let _ = std::io::Write::write_all(&mut stream, &knock.packet);
    }

    /// Knocks honoured, and the counts of refusals.
    pub(crate) fn counts(&self) -> Counts {
        let status = self.lab.asked(&["status"]);
        (status["honoured"].as_u64().expect("a count"), status["refused"].clone())
    }

    /// Waits for one more verdict than these counts hold: the code of a refusal, or nothing; `None` where none comes.
    pub(crate) fn verdict(&mut self, before: &Counts, knock: &Knock, patience: Duration) -> Option<String> {
        let end = std::time::Instant::now() + patience;
        loop {
            let (honoured, refused) = self.counts();
            if honoured > before.0 {
                self.open.insert(knock.address.clone());
                return Some(String::new());
            }
            let mut codes = refused.as_object().expect("the reasons").iter();
            if let Some((code, _)) = codes.find(|(code, count)| before.1[code.as_str()] != **count) {
                return Some(code.clone());
            }
            if std::time::Instant::now() >= end {
                return None;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The addresses for which the kernel is open.
    pub(crate) fn opened(&self) -> BTreeSet<String> {
        let elements = self.lab.elements();
        let address = |key: &Vec<String>| key.iter().find(|part| part.starts_with("10.77.")).cloned();
        elements.iter().map(|element| address(&element.key).expect("the address of a knock")).collect()
    }

    /// Demands that the kernel is open for honoured knocks alone, and for all of them.
    pub(crate) fn opened_what_was_earned(&self) {
        let opened = self.opened();
        assert_eq!(opened, self.open, "the kernel is open for others than whom knocks were honoured for");
    }

    /// Demands that a fresh knock opens, as soon as nothing is awaited any more.
    pub(crate) fn fresh_knock_opens(&mut self) {
        let (before, knock) = (self.counts(), self.plain());
        self.send(&knock);
        assert_eq!(
            self.verdict(&before, &knock, SOON).as_deref(),
            Some(""),
            "of a fresh knock:\n{}",
            self.daemon.log()
        );
        self.opened_what_was_earned();
    }

    /// Demands that this knock, played again, is refused.
    pub(crate) fn is_refused_again(&mut self, knock: &Knock) {
        let before = self.counts();
        self.send(knock);
        let verdict = self.verdict(&before, knock, SOON).expect("a verdict on a replay");
        assert_eq!(verdict, "replay", "a replay was honoured");
    }

    /// Demands that a knock for the router's own address is refused, as every day.
    pub(crate) fn own_address_is_refused(&mut self) {
        let before = self.counts();
        let knock = self.knock_for(ROUTER.to_string(), MessageType::Access, "tcp/22");
        self.send(&knock);
        let verdict = self.verdict(&before, &knock, SOON);
        assert_eq!(verdict.as_deref(), Some("address_forbidden"), "of a knock for the router's own address");
    }

    /// Demands that the daemon sleeps when nothing happens, and gives its open descriptors.
    pub(crate) fn is_calm(&self) -> usize {
        let pid = self.daemon.pid();
        wait_for("calm", SOON, || {
            let before = context_switches(pid);
            thread::sleep(WATCH);
            (context_switches(pid) - before <= IDLE_TURNS).then_some(())
        });
        fs::read_dir(format!("/proc/{pid}/fd")).expect("read /proc").count()
    }

    /// The helper's process.
    pub(crate) fn helper(&self) -> u32 {
        let pid = self.daemon.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("the children");
        children.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a helper")
    }

    /// What strace is told to name the descriptor or file; `None` where any will do.
    pub(crate) fn name(&self, on: On) -> Option<String> {
        match on {
            On::Capture => self.socket("packet", 8, |_| true, 0),
            On::Requests => self.socket("netlink", 9, |row| row[1] == "12" && row[3] == "00000000", 0),
            On::Events => self.socket("netlink", 9, |row| row[1] == "12" && row[3] != "00000000", 0),
            On::Links => self.socket("netlink", 9, |row| row[1] == "0" && row[3] != "00000000", 0),
            On::Asking => self.socket("netlink", 9, |row| row[1] == "0" && row[3] == "00000000", 0),
            On::Routes => self.socket("netlink", 9, |row| row[1] == "0" && row[3] == "00000000", 1),
            On::Helper => self.socket("unix", 6, |row| row[4] == "0005", 0),
            on => path(&self.lab, on),
        }
    }

    /// The daemon's socket in this table of the kernel, whose row is as wished; the `nth` by its descriptor.
    fn socket(&self, table: &str, column: usize, wished: impl Fn(&[&str]) -> bool, nth: usize) -> Option<String> {
        let process = format!("/proc/{}", self.daemon.pid());
        let text = fs::read_to_string(format!("{process}/net/{table}")).expect("read /proc");
        let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        let inodes: Vec<String> = rows
            .iter()
            .filter(|row| row.len() > column && wished(row))
            .map(|row| format!("socket:[{}]", row[column]))
            .collect();
        let mut descriptors: Vec<u32> = fs::read_dir(format!("{process}/fd"))
            .expect("read /proc")
            .flatten()
            .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
            .collect();
        descriptors.sort_unstable();
        let links = descriptors.iter().filter_map(|fd| fs::read_link(format!("{process}/fd/{fd}")).ok());
        let mut names = links.map(|link| link.display().to_string()).filter(|name| inodes.contains(name));
        Some(names.nth(nth).unwrap_or_else(|| panic!("the daemon has no such socket: {table}\n{text}")))
    }
}

/// The file that the point is about, as the daemon names it.
pub(crate) fn path(lab: &Lab, on: On) -> Option<String> {
    let path = match on {
        On::Journal => lab.run_dir().join("journal"),
        On::NewJournal => lab.run_dir().join("journal.new"),
        On::NewState => lab.state_dir().join("state.new"),
        On::StateDirectory => lab.state_dir(),
        On::Config => lab.config_file(),
        On::Lock => lab.run_dir().join("lock"),
        On::Control => lab.socket(),
        On::File(name) => name.into(),
        _ => return None,
    };
    Some(path.display().to_string())
}
