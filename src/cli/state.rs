//! `spa-knockd state`: what the daemon remembers of honoured knocks, and how to make it forget.

use std::io;
use std::path::{Path, PathBuf};

use argh::FromArgs;
use serde::Serialize;
use spa_knockd::daemon::clock::wall;
use spa_knockd::daemon::journal::Journal;
use spa_knockd::daemon::state::State;
use spa_knockd::daemon::store::load;
use spa_knockd::engine::BUILD_EPOCH;
use spa_knockd::sorted::SortedMap;

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

/// bring the floors down to this machine's clock, after one that was wrongly in the future; older knocks stay refused
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
    newest: &'a SortedMap<String, u64>,
    floors: &'a SortedMap<String, u64>,
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
    let clock = wall();
    let memory = found.memory.reset(clock);
    let failed = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    let path = places.state_file();
    let mut newest = memory.newest.clone();
    for (stanza, floor) in &memory.floors {
        newest.raise(stanza, *floor);
    }
    let state = State::new(memory.clock_floor, newest, String::new(), 0);
    state.write(&path).map_err(|error| failed(&path, error))?;
    let path = places.journal_file();
    Journal::create(&path, &memory).map_err(|error| failed(&path, error))?;
    say(if clock.unix < BUILD_EPOCH {
        "The clock is not set, so the floors are forgotten; knocks seen since the last boot stay refused. Start the \
         service again.\n"
    } else {
        "What was ahead of this machine's clock is brought down to it; older knocks stay refused. Start the service \
         again.\n"
    })
}
