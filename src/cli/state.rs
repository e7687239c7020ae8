//! `spa-knockd state`: what the daemon remembers of honoured knocks, and how to make it forget.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use argh::FromArgs;
use serde::Serialize;
use spa_knockd::daemon::journal::{self, Journal};
use spa_knockd::daemon::store::load;
use spa_knockd::engine::Memory;
use spa_knockd::replay::ReplayMemory;

use super::{Failure, complain, places, say, say_json};

/// show or reset what is remembered of honoured knocks
#[derive(FromArgs)]
#[argh(subcommand, name = "state")]
pub(super) struct Arguments {
    #[argh(subcommand)]
    action: Action,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Action {
    Show(Show),
    Reset(Reset),
}

/// show the floors and how many knocks are remembered
#[derive(FromArgs)]
#[argh(subcommand, name = "show")]
struct Show {
    /// where what must survive a reboot is kept (default /etc/spa-knockd/state)
    #[argh(option)]
    state_dir: Option<PathBuf>,
    /// where the journal is kept (default /var/run/spa-knockd, or the state directory where only that is given)
    #[argh(option)]
    run_dir: Option<PathBuf>,
    /// print one JSON object
    #[argh(switch)]
    json: bool,
}

/// forget all floors, after a clock that was wrongly in the future; knocks already seen stay refused
#[derive(FromArgs)]
#[argh(subcommand, name = "reset")]
struct Reset {
    /// where what must survive a reboot is kept (default /etc/spa-knockd/state)
    #[argh(option)]
    state_dir: Option<PathBuf>,
    /// where the journal is kept (default /var/run/spa-knockd, or the state directory where only that is given)
    #[argh(option)]
    run_dir: Option<PathBuf>,
}

/// What `show --json` prints.
#[derive(Serialize)]
struct Report<'a> {
    clock_floor: u64,
    horizon: u64,
    remembered: usize,
    newest: &'a BTreeMap<String, u64>,
    floors: &'a BTreeMap<String, u64>,
    lost: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Show(arguments) => show(arguments),
        Action::Reset(arguments) => reset(arguments),
    }
}

fn show(arguments: &Show) -> Result<(), Failure> {
    let found = load(&places(arguments.state_dir.as_ref(), arguments.run_dir.as_ref()));
    for warning in &found.warnings {
        complain(&format!("warning: {warning}"));
    }
    let memory = &found.memory;
    let report = Report {
        clock_floor: memory.clock_floor,
        horizon: memory.replay.horizon(),
        remembered: memory.replay.entries().len(),
        newest: &memory.newest,
        floors: &memory.floors,
        lost: memory.lost,
    };
    if arguments.json {
        return say_json(&report);
    }
    let mut text = format!(
        "clock at the last honoured knock: {}\nknocks remembered: {}\ntimestamps refused up to: {}\n",
        report.clock_floor, report.remembered, report.horizon,
    );
    for (stanza, newest) in report.newest {
        text.push_str(&format!("stanza {stanza}: newest honoured timestamp {newest}"));
        if let Some(floor) = report.floors.get(stanza) {
            text.push_str(&format!(", refused up to {floor} since the last reboot"));
        }
        text.push('\n');
    }
    say(&text)
}

fn reset(arguments: &Reset) -> Result<(), Failure> {
    let places = places(arguments.state_dir.as_ref(), arguments.run_dir.as_ref());
    let _lock = places.lock()?;
    let found = load(&places);
    let mut replay = ReplayMemory::default();
    for entry in found.memory.replay.entries() {
        // It came from a memory of the same size.
        let _ = replay.remember(entry);
    }
    let memory = Memory { replay, ..Memory::default() };
    remove(&places.state_file())?;
    if places.run.join(journal::FILE).exists() {
        let path = places.journal_file();
        Journal::create(&path, &memory).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    say("The floors are forgotten; knocks already seen stay refused. Start the service again.\n")
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(format!("{}: {error}", path.display())),
        _ => Ok(()),
    }
}
