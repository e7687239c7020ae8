//! `spa-knockd explain`: what would happen to a packet, and why; no firewall is touched.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use argh::FromArgs;
use serde::Serialize;
use spa_knockd::capture::savefile::Savefile;
use spa_knockd::capture::{Datagram, Transport};
use spa_knockd::config::Main;
use spa_knockd::daemon::clock::wall;
use spa_knockd::daemon::resolver;
use spa_knockd::engine::{Clock, Engine, Memory, Verdict};
use spa_knockd::reason::{Reason, Stage};

use super::opened::{Opened, grants, grants_by_name, place_of};
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

/// What is said of one packet.
#[derive(Serialize)]
struct Explanation {
    packet: String,
    captured: bool,
    verdict: &'static str,
    reason: Option<&'static str>,
    format: Option<&'static str>,
    access: Option<String>,
    /// The host name whose address the grant depends on.
    awaits: Option<String>,
    stanzas: Vec<StanzaReason>,
    fields: Option<Fields>,
    grants: Vec<Opened>,
}

/// What every packet goes through.
struct Explainer<'a> {
    main: &'a Main,
    engine: &'a mut Engine,
    resolve: bool,
}

/// One stanza's own reason.
#[derive(Serialize)]
struct StanzaReason {
    access: String,
    reason: Option<&'static str>,
}

/// What the knock says.
#[derive(Serialize)]
struct Fields {
    user: String,
    timestamp: u64,
    version: String,
    #[serde(rename = "type")]
    message_type: u8,
    message: String,
    nat: Option<String>,
    client_timeout: Option<u32>,
    digest: &'static str,
}

fn transport(text: &str) -> Result<Transport, String> {
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
        return explain_savefile(path, arguments, &mut explainer);
    }
    let clock = arguments.now.map_or_else(wall, |unix| Clock { unix, given: true });
    let default_dst = if arguments.src.is_ipv6() {
        IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 2])
    } else {
        IpAddr::from([192, 0, 2, 2])
    };
    let destination = arguments.dst.unwrap_or(default_dst);
    if destination.is_ipv4() != arguments.src.is_ipv4() {
        return Err("--src and --dst are of different families".to_owned());
    }
    let first_port = config.main.ports.first().map_or(0, |range| *range.start());
    for path in &arguments.payload {
        let payload = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let datagram = Datagram {
            source: arguments.src,
            destination,
            transport: arguments.proto,
            source_port: 0,
            destination_port: arguments.dport.unwrap_or(first_port),
            payload: &payload,
        };
        let explanation = explain(path.display().to_string(), &datagram, clock, &mut explainer);
        print(&explanation, arguments.json)?;
        if !arguments.json && payload.ends_with(b"\n") {
            say("  hint: the file ends with a newline, which no client sends; remove it and ask again\n")?;
        }
    }
    Ok(())
}

/// Each frame of a capture file, at its own time.
fn explain_savefile(path: &Path, arguments: &Arguments, explainer: &mut Explainer<'_>) -> Result<(), Failure> {
    let mut savefile = Savefile::open(path).map_err(|error| error.to_string())?;
    let mut number = 0_u64;
    while let Some(frame) = savefile.next() {
        let (unix, captured) = frame.map_err(|error| error.to_string())?;
        number += 1;
        let packet = format!("{} frame {number}", path.display());
        let explanation = match captured {
            Ok(datagram) => explain(packet, &datagram, Clock { unix, given: true }, explainer),
            Err(reason) => Explanation {
                packet,
                captured: false,
                verdict: "refuse",
                reason: Some(reason.code()),
                format: None,
                access: None,
                awaits: None,
                stanzas: Vec::new(),
                fields: None,
                grants: Vec::new(),
            },
        };
        print(&explanation, arguments.json)?;
    }
    Ok(())
}

/// Puts one datagram through the engine; what hangs on the address of a name is a grant unless `resolve` finds a
/// reason against it.
fn explain(packet: String, datagram: &Datagram<'_>, clock: Clock, with: &mut Explainer<'_>) -> Explanation {
    let mut stanzas = Vec::new();
    let place_of = |address| place_of(address, datagram);
    let mut verdict = with.engine.handle(datagram, clock, &place_of, &mut |access, outcome: Result<(), Reason>| {
        stanzas.push(StanzaReason { access: access.to_string(), reason: outcome.err().map(Reason::code) });
    });
    if with.resolve
        && let Some(pending) = verdict.awaits.take()
    {
        let addresses = resolver::addresses_of(pending.name()).unwrap_or_default();
        verdict = with.engine.resolved(pending, &addresses, clock, &place_of, &mut |access, outcome| {
            let asked = stanzas.iter_mut().find(|stanza| *stanza.access == **access);
            asked.into_iter().for_each(|stanza| stanza.reason = outcome.err().map(Reason::code));
        });
    }
    let awaits = verdict.awaits.as_ref();
    if awaits.is_some() {
        let waiting = stanzas.iter_mut().filter(|stanza| stanza.reason == Some(Reason::NatUnresolved.code()));
        waiting.for_each(|stanza| stanza.reason = None);
    }
    let reason = verdict.outcome.as_ref().err().copied().filter(|_| awaits.is_none());
    if reason.is_none() {
        with.engine.honoured(&verdict, clock);
    }
    Explanation {
        packet,
        captured: with.main.filter().matches(datagram) || with.main.listens_to(datagram),
        verdict: if reason.is_none() { "grant" } else { "refuse" },
        reason: reason.map(Reason::code),
        format: reason.is_none_or(|reason| reason.stage() > Stage::Outer).then_some("fwknop"),
        access: verdict.access.as_deref().map(str::to_owned),
        awaits: awaits.map(|pending| pending.name().to_owned()),
        stanzas,
        fields: fields(&verdict),
        grants: match (&verdict.outcome, awaits) {
            (_, Some(pending)) => grants_by_name(pending, datagram),
            (Ok(grant), None) => grants(grant, datagram),
            (Err(_), None) => Vec::new(),
        },
    }
}

/// What the knock says, where its keys fitted.
fn fields(verdict: &Verdict) -> Option<Fields> {
    verdict.fields.as_ref().map(|fields| Fields {
        user: fields.user.clone(),
        timestamp: fields.timestamp,
        version: fields.version.clone(),
        message_type: fields.message_type.number(),
        message: fields.message.clone(),
        nat: fields.nat.clone(),
        client_timeout: fields.client_timeout,
        digest: fields.digest_type.name(),
    })
}

/// For a program or for a person.
fn print(explanation: &Explanation, json: bool) -> Result<(), Failure> {
    if json {
        return say_json(explanation);
    }
    let by = explanation.access.as_deref().map(|access| format!(" by {access}")).unwrap_or_default();
    let mut text = match explanation.reason {
        None => format!("{}: grant{by}\n", explanation.packet),
        Some(code) => format!("{}: refuse{by}: {code}\n  {}\n", explanation.packet, text_of(code)),
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

/// The explanation that belongs to a code.
fn text_of(code: &str) -> &'static str {
    Reason::ALL.iter().find(|reason| reason.code() == code).map_or("", |reason| reason.text())
}
