//! `spa-knockd revoke`: the end of living grants before their time.

use std::net::IpAddr;
use std::path::PathBuf;

use argh::FromArgs;
use serde_json::Value;

use super::ask::{ask, connect, number, request};
use super::{Failure, complain, count, say, say_json};

/// end living grants now; established connections live on, unless they are killed
#[derive(FromArgs)]
#[argh(subcommand, name = "revoke")]
pub(super) struct Arguments {
    /// the grants of this access stanza
    #[argh(option)]
    access: Option<String>,
    /// the grants for this source address, and widened ones that hold it
    #[argh(option)]
    source: Option<IpAddr>,
    /// all grants
    #[argh(switch)]
    all: bool,
    /// end the connections that these grants let in, too
    #[argh(switch)]
    kill: bool,
    /// the daemon's control socket (default /var/run/spa-knockd/control.sock)
    #[argh(option)]
    socket: Option<PathBuf>,
    /// print the daemon's reply, one JSON object
    #[argh(switch)]
    json: bool,
}

impl Arguments {
    /// What is wrong with the command line: nothing named is no wish to end all.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let named = self.access.is_some() || self.source.is_some();
        (self.all == named).then_some("name --access or --source or both, or else --all")
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut fields: Vec<(&str, Value)> = Vec::new();
    fields.extend(arguments.access.as_ref().map(|access| ("access", access.as_str().into())));
    fields.extend(arguments.source.map(|source| ("source", source.to_string().into())));
    fields.extend(arguments.all.then_some(("all", true.into())));
    fields.extend(arguments.kill.then_some(("kill", true.into())));
    let revoked = ask(&mut connect(arguments.socket.as_ref())?, &request("revoke", fields))?;
    if arguments.json {
        return say_json(&revoked);
    }
    let for_whom = [
        arguments.access.as_ref().map(|access| format!(" of {access}")),
        arguments.source.map(|source| format!(" for {source}")),
    ];
    let for_whom: String = for_whom.into_iter().flatten().collect();
    let counted = |name, noun| count(usize::try_from(number(&revoked, name)).unwrap_or(usize::MAX), noun);
    let killed = if arguments.kill { format!(", ended: {}", counted("killed", "connection")) } else { String::new() };
    if revoked.get("resumable") == Some(&true.into()) {
        let why = revoked.get("why").and_then(Value::as_str).unwrap_or_default();
        complain(&format!("a session may go on, or be taken up again where its inside end speaks next: {why}"));
    }
    if number(&revoked, "revoked") == 0 {
        return say(&format!("nothing was open{for_whom}{killed}\n"));
    }
    say(&format!("revoked: {}{killed}\n", counted("revoked", "set element")))
}
