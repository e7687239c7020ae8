//! `spa-knockd import`: the UCI configuration for an existing fwknop server.

use std::path::PathBuf;

use argh::FromArgs;
use spa_knockd::import::{import, import_uci};

use super::{Failure, complain, complain_all, count, say};

/// print the UCI configuration for an existing fwknop server; name what cannot be honoured
#[derive(FromArgs)]
#[argh(subcommand, name = "import")]
pub(super) struct Arguments {
    /// the access.conf of the fwknop server, or a folder of such files (default: what its fwknopd.conf names)
    #[argh(option)]
    access: Option<PathBuf>,
    /// its fwknopd.conf
    #[argh(option)]
    fwknopd: Option<PathBuf>,
    /// or what OpenWrt has in place of both: /etc/config/fwknopd
    #[argh(option)]
    uci: Option<PathBuf>,
}

impl Arguments {
    /// What is wrong with the command line.
    pub(super) fn fault(&self) -> Option<&'static str> {
        match (&self.access, &self.fwknopd, &self.uci) {
            (Some(_), _, None) | (None, Some(_), None) | (None, None, Some(_)) => None,
            _ => Some("import: name --access or --fwknopd or both, or else --uci"),
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let imported = match &arguments.uci {
        Some(uci) => import_uci(uci),
        None => import(arguments.access.as_deref(), arguments.fwknopd.as_deref()),
    };
    match imported {
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
