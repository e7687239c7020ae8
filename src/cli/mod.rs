//! The command line: one file a subcommand.
//!
//! Exit status 0: done. 1: the thing asked for failed or found faults. 2: the command line itself is wrong. 3, of
//! `reload` alone: the configuration is good, and only a restart takes it over.

mod ask;
mod check;
mod events;
mod explain;
mod explanation;
mod firewall;
mod grants;
mod import;
mod keygen;
mod opened;
mod otp;
mod page;
mod reload;
mod revoke;
mod rpcd;
mod run;
mod state;
mod status;

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use argh::{FromArgs, SubCommands};
use spa_knockd::config::{self, Config};
use spa_knockd::daemon::store::Places;
use spa_knockd::daemon::{helper, resolver};

/// One authenticated packet opens one port for one address for a few seconds.
#[derive(FromArgs)]
struct Arguments {
    /// print the version
    #[argh(switch, short = 'V')]
    version: bool,
    #[argh(subcommand)]
    command: Option<Command>,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Command {
    Run(run::Arguments),
    Check(check::Arguments),
    Explain(explain::Arguments),
    Status(status::Arguments),
    Grants(grants::Arguments),
    Events(events::Arguments),
    Revoke(revoke::Arguments),
    Reload(reload::Arguments),
    Keygen(keygen::Arguments),
    Import(import::Arguments),
    State(state::Arguments),
    Firewall(firewall::Arguments),
    Otp(otp::Arguments),
    Page(page::Arguments),
    Rpcd(rpcd::Arguments),
}

/// What a subcommand failed with: a line for people, without secrets; empty where all is said already.
type Failure = String;

/// Where the configuration is on a router.
const CONFIG: &str = "/etc/config/spa-knockd";

/// Where the state is kept on a router.
const STATE_DIR: &str = "/etc/spa-knockd/state";

/// Whom the daemon becomes.
const USER: &str = "spa-knockd";

/// Where the journal is kept on a router.
const RUN_DIR: &str = "/var/run/spa-knockd";

/// Reads the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    if let Some(outcome) = page::serve_by_name(std::env::args_os().next().as_deref()) {
        return finish(outcome);
    }
    let words: Vec<String> = match std::env::args_os().map(std::ffi::OsString::into_string).collect() {
        Ok(words) => words,
        Err(word) => {
            complain(&format!("the word {} is not UTF-8", word.display()));
            return ExitCode::from(2);
        }
    };
    let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    if words == [helper::ARGUMENT] {
        return finish(helper::serve());
    }
    if words == [resolver::ARGUMENT] {
        return finish(resolver::serve());
    }
    if let Some(fault) = words.first().and_then(|word| unknown(word)) {
        complain(&fault);
        return ExitCode::from(2);
    }
    let arguments = match Arguments::from_args(&["spa-knockd"], &words) {
        Ok(arguments) => arguments,
        Err(exit) if exit.status.is_ok() => return finish(say(&exit.output)),
        Err(exit) => {
            complain(exit.output.trim_end());
            return ExitCode::from(2);
        }
    };
    if arguments.version {
        return finish(say(&format!("spa-knockd {}\n", env!("CARGO_PKG_VERSION"))));
    }
    let Some(command) = arguments.command else {
        complain("name a command; `spa-knockd --help` lists them");
        return ExitCode::from(2);
    };
    if let Command::Explain(arguments) = &command
        && !arguments.is_complete()
    {
        complain("explain: give payload files, or one --pcap FILE");
        return ExitCode::from(2);
    }
    if let Command::Revoke(arguments) = &command
        && let Some(fault) = arguments.fault()
    {
        complain(fault);
        return ExitCode::from(2);
    }
    if let Command::Import(arguments) = &command
        && let Some(fault) = arguments.fault()
    {
        complain(fault);
        return ExitCode::from(2);
    }
    finish(match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Grants(arguments) => grants::run(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        Command::Revoke(arguments) => revoke::run(&arguments),
        Command::Reload(arguments) => return reload::run(&arguments),
        Command::Keygen(arguments) => keygen::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::State(arguments) => state::run(&arguments),
        Command::Firewall(arguments) => firewall::run(&arguments),
        Command::Otp(arguments) => otp::run(&arguments),
        Command::Page(arguments) => page::run(&arguments),
        Command::Rpcd(arguments) => rpcd::run(&arguments),
    })
}

/// What to say of a first word that is neither an option nor a command.
fn unknown(word: &str) -> Option<String> {
    let mut names: Vec<&str> = Command::COMMANDS.iter().map(|command| command.name).collect();
    if word.starts_with('-') || word == "help" || names.contains(&word) {
        return None;
    }
    let last = names.pop()?;
    Some(format!("there is no command {word:?}, only {} and {last}", names.join(", ")))
}

/// Says what failed, and makes the exit status of it.
fn finish(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_empty() {
                complain(&failure);
            }
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to standard error; there is nobody left to tell where that is closed.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "spa-knockd: {line}");
}

/// Writes to standard output.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| format!("standard output: {error}"))
}

/// Writes one JSON object a line to standard output.
fn say_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(value).map_err(|error| error.to_string())?;
    say(&format!("{line}\n"))
}

/// Reads the configuration; says every fault, one a line.
fn load_config(path: &Path) -> Result<Config, Failure> {
    match config::load(path) {
        Ok(loaded) => Ok(loaded.config),
        Err(faults) => {
            complain_all(&faults);
            Err(Failure::new())
        }
    }
}

/// Reads the configuration; its faults become one failure.
fn load_quietly(path: &Path) -> Result<Config, Failure> {
    config::load(path).map(|loaded| loaded.config).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })
}

/// Says each, one a line.
fn complain_all(lines: &[impl Display]) {
    for line in lines {
        complain(&line.to_string());
    }
}

/// A number and its noun.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The directories of state and journal: the journal goes with the state where only that is given.
fn places(state: Option<&PathBuf>, run: Option<&PathBuf>) -> Places {
    let run_default = || state.cloned().unwrap_or_else(|| PathBuf::from(RUN_DIR));
    Places {
        state: state.cloned().unwrap_or_else(|| PathBuf::from(STATE_DIR)),
        run: run.cloned().unwrap_or_else(run_default),
    }
}
