//! `spa-knockd check`: every mistake of a configuration at once.

use std::path::PathBuf;

use argh::FromArgs;
use serde::Serialize;
use spa_knockd::config::{self, Config};
use spa_knockd::daemon::clock::wall;
use spa_knockd::daemon::orders::unknown_users;

use super::{CONFIG, Failure, complain, complain_all, count, say, say_json};

/// check a configuration; name every mistake with its place and remedy
#[derive(FromArgs)]
#[argh(subcommand, name = "check")]
pub(super) struct Arguments {
    /// the UCI configuration (default /etc/config/spa-knockd)
    #[argh(option, default = "CONFIG.into()")]
    config: PathBuf,
    /// print one JSON object
    #[argh(switch)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    ok: bool,
    access: usize,
    faults: Vec<String>,
    warnings: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (access, faults, warnings) = match config::load(&arguments.config) {
        Ok(loaded) => {
            let of_file = loaded.warnings.iter().map(ToString::to_string);
            let of_machine = unknown_users(&loaded.config).into_iter().chain(ended(&loaded.config, wall().unix));
            let warnings = of_file.chain(of_machine).collect();
            (loaded.config.access.len(), Vec::new(), warnings)
        }
        Err(faults) => (0, faults, Vec::<String>::new()),
    };
    let path = arguments.config.display();
    if arguments.json {
        say_json(&Report {
            ok: faults.is_empty(),
            access,
            faults: faults.iter().map(ToString::to_string).collect(),
            warnings,
        })?;
    } else {
        complain_all(&faults);
        for warning in &warnings {
            complain(&format!("warning: {warning}"));
        }
    }
    if !faults.is_empty() {
        return Err(Failure::new());
    }
    if !arguments.json {
        say(&format!("{path}: good, {} enabled\n", count(access, "access stanza")))?;
    }
    Ok(())
}

/// A line for each stanza whose time is over by this machine's clock.
fn ended(config: &Config, unix: u64) -> impl Iterator<Item = String> {
    let over = config.access.iter().filter(move |access| access.expires.is_some_and(|expires| expires <= unix));
    over.map(|access| {
        format!(
            "access '{}', option expires: by this machine's clock it has ended, and knocks are refused",
            access.name
        )
    })
}
