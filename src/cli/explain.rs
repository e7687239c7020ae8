//! `spa-knockd explain`: what would happen to a packet, and why; no firewall is touched.

use std::net::IpAddr;
use std::path::PathBuf;

use argh::FromArgs;
use spa_knockd::capture::Transport;
use spa_knockd::daemon::clock::wall;
use spa_knockd::engine::{Clock, Engine, Memory};
use spa_knockd::input::bytes_of;

use super::explanation::{Arrival, Explainer, Explanation, explain, explain_savefile};
use super::{CONFIG, Failure, load_config, say, say_json};

/// say what would happen to packets, in order, and why; the packet's destination counts as the router's own address,
/// and where a stanza has no `nat_target`, private addresses count as behind the router
#[derive(FromArgs)]
#[argh(subcommand, name = "explain")]
pub(super) struct Arguments {
    /// the UCI configuration (default /etc/config/spa-knockd)
    #[argh(option, default = "CONFIG.into()")]
    config: PathBuf,
    /// the time of arrival in Unix seconds (default: this machine's clock)
    #[argh(option)]
    now: Option<u64>,
    /// the packet's source address (default 192.0.2.1)
    #[argh(option, default = "IpAddr::from([192, 0, 2, 1])")]
    src: IpAddr,
    /// the packet's destination address (default: a documentation address of the family of the source)
    #[argh(option)]
    dst: Option<IpAddr>,
    /// its transport: udp, tcp or icmp (default udp)
    #[argh(option, default = "Transport::Udp", from_str_fn(transport))]
    proto: Transport,
    /// its destination port (default: the first configured one)
    #[argh(option)]
    dport: Option<u16>,
    /// a capture file to read, instead of payload files; its frames have their own times
    #[argh(option)]
    pcap: Option<PathBuf>,
    /// look the host names of NAT requests up, by this machine's resolver; without it, what is said of a name holds
    /// if its address is permitted
    #[argh(switch)]
    resolve: bool,
    /// print one JSON object a packet
    #[argh(switch)]
    json: bool,
    /// files that hold one payload each, byte for byte
    #[argh(positional)]
    payload: Vec<PathBuf>,
}

pub(super) fn transport(text: &str) -> Result<Transport, String> {
    match text {
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        "icmp" => Ok(Transport::Icmp),
        _ => Err("it is udp, tcp or icmp".to_owned()),
    }
}

impl Arguments {
    /// Whether there is something to explain: payload files, or a capture file.
    pub(super) fn is_complete(&self) -> bool {
        self.pcap.is_some() == self.payload.is_empty()
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = load_config(&arguments.config)?;
    let mut engine = Engine::new(&config, Memory::default());
    let mut explainer = Explainer { main: &config.main, engine: &mut engine, resolve: arguments.resolve };
    if let Some(path) = &arguments.pcap {
        let each = |explanation: &Explanation| print(explanation, arguments.json);
        return explain_savefile(path, &path.display().to_string(), &mut explainer, each);
    }
    let clock = arguments.now.map_or_else(wall, |unix| Clock { unix, given: true });
    let arrival = Arrival {
        source: arguments.src,
        destination: arguments.dst,
        transport: arguments.proto,
        port: arguments.dport,
    };
    for path in &arguments.payload {
        let payload = bytes_of(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let datagram = arrival.datagram(&payload, &config.main)?;
        let explanation = explain(path.display().to_string(), &datagram, clock, &mut explainer);
        print(&explanation, arguments.json)?;
        if !arguments.json && payload.ends_with(b"\n") {
            say("  hint: the file ends with a newline, which no client sends; remove it and ask again\n")?;
        }
    }
    Ok(())
}

/// For a program or for a person.
fn print(explanation: &Explanation, json: bool) -> Result<(), Failure> {
    if json {
        return say_json(explanation);
    }
    let by = explanation.access.as_deref().map(|access| format!(" by {access}")).unwrap_or_default();
    let mut text = match explanation.reason {
        None => format!("{}: grant{by}\n", explanation.packet),
        Some(code) => {
            format!("{}: refuse{by}: {code}\n  {}\n", explanation.packet, explanation.words().unwrap_or_default())
        }
    };
    if !explanation.captured {
        text.push_str("  it would not be captured: port, transport or length do not fit the configured filter\n");
    }
    if let Some(fields) = &explanation.fields {
        text.push_str(&format!(
            "  user {}, timestamp {}, version {}, type {}, message {}, digest {}\n",
            fields.user, fields.timestamp, fields.version, fields.message_type, fields.message, fields.digest,
        ));
    }
    if let Some(name) = &explanation.awaits {
        text.push_str(&format!("  if the address of {name}, which --resolve looks up, is permitted\n"));
    }
    for opened in &explanation.grants {
        text.push_str(&format!("  {opened}\n"));
    }
    for stanza in &explanation.stanzas {
        text.push_str(&format!("  stanza {}: {}\n", stanza.access, stanza.reason.unwrap_or("grants")));
    }
    say(&text)
}
