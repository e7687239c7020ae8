//! `spa-knockd import`: the UCI configuration for an existing fwknop server.

use std::path::PathBuf;

use argh::FromArgs;
use spa_knockd::import::import;

use super::{Failure, complain, complain_all, count, say};

/// print the UCI configuration for an existing fwknop server; name what cannot be honoured
#[derive(FromArgs)]
#[argh(subcommand, name = "import")]
pub(super) struct Arguments {
    /// the access.conf of the fwknop server
    #[argh(option)]
    access: PathBuf,
    /// its fwknopd.conf
    #[argh(option)]
    fwknopd: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match import(&arguments.access, arguments.fwknopd.as_deref()) {
        Ok(imported) => {
            for note in &imported.notes {
                complain(&format!("note: {note}"));
            }
            say(&imported.uci)
        }
        Err(problems) => {
            complain_all(&problems);
            Err(format!("{} cannot be honoured; nothing was imported", count(problems.len(), "setting")))
        }
    }
}
