//! `spa-knockd otp list` and `remove`: who has one-time passwords, and an end to them. No secret is shown.

use std::path::PathBuf;

use argh::FromArgs;
use serde::Serialize;
use spa_knockd::otp::record::Record;

use super::super::{Failure, complain, say, say_json};
use super::{FEW, refused, store, user};

/// list the users of one-time passwords, without any secret
#[derive(FromArgs)]
#[argh(subcommand, name = "list")]
pub(super) struct List {
    /// where what must survive a reboot is kept (default /etc/spa-knockd/state)
    #[argh(option)]
    state_dir: Option<PathBuf>,
    /// print one JSON object a user
    #[argh(switch)]
    json: bool,
}

/// remove a user's one-time passwords for good
#[derive(FromArgs)]
#[argh(subcommand, name = "remove")]
pub(super) struct Remove {
    /// the user
    #[argh(positional)]
    name: String,
    /// where what must survive a reboot is kept (default /etc/spa-knockd/state)
    #[argh(option)]
    state_dir: Option<PathBuf>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Row<'a> {
    user: &'a str,
    kind: Option<&'a str>,
    algorithm: Option<&'a str>,
    left: Option<u16>,
    error: Option<String>,
}

pub(super) fn list(arguments: &List) -> Result<(), Failure> {
    let mut damaged = false;
    let mut table = String::new();
    for listed in store(arguments.state_dir.as_ref()).list().map_err(refused)? {
        let user = listed.user.as_str();
        let record = match &listed.record {
            Ok(record) => record,
            Err(trouble) => {
                damaged = true;
                let error = trouble.to_string();
                complain(&error);
                if arguments.json {
                    say_json(&Row { user, kind: None, algorithm: None, left: None, error: Some(error) })?;
                }
                continue;
            }
        };
        let algorithm = match record {
            Record::Chain(chain) => chain.algorithm.name(),
            Record::Hotp { token, .. } | Record::Totp { token, .. } => token.algorithm.name(),
        };
        let left = record.left();
        if arguments.json {
            say_json(&Row { user, kind: Some(record.kind()), algorithm: Some(algorithm), left, error: None })?;
            continue;
        }
        table.push_str(&format!("{user:<16}  {:<5}  {algorithm:<6}", record.kind()));
        match left {
            Some(0) => table.push_str(&format!("  none left: spa-knockd otp reset {user}")),
            Some(left) if left < FEW => table.push_str(&format!("  {left} left: spa-knockd otp reset {user}")),
            Some(left) => table.push_str(&format!("  {left} left")),
            None => {}
        }
        table.push('\n');
    }
    say(&table)?;
    // What is wrong was said.
    if damaged { Err(Failure::new()) } else { Ok(()) }
}

pub(super) fn remove(arguments: &Remove) -> Result<(), Failure> {
    let name = user(&arguments.name)?;
    let locked = store(arguments.state_dir.as_ref()).lock().map_err(refused)?;
    if locked.remove(name).map_err(|trouble| trouble.to_string())? {
        say(&format!("{name} has no one-time passwords any more.\n"))
    } else {
        Err(format!("{name} has no one-time passwords"))
    }
}
