//! `spa-knockd firewall`: the nftables declarations of a configuration, and the end of standalone mode.

use std::path::PathBuf;

use argh::FromArgs;
use spa_knockd::firewall::{Guard, remove_standalone, script};

use super::{CONFIG, Failure, load_config, say};

/// show the nftables declarations, or remove the table of standalone mode
#[derive(FromArgs)]
#[argh(subcommand, name = "firewall")]
pub(super) struct Arguments {
    #[argh(subcommand)]
    action: Action,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Action {
    Show(Show),
    Remove(Remove),
}

/// print, as nft reads it, what the configuration's mode declares
#[derive(FromArgs)]
#[argh(subcommand, name = "show")]
struct Show {
    /// the UCI configuration (default /etc/config/spa-knockd)
    #[argh(option, default = "CONFIG.into()")]
    config: PathBuf,
    /// a captured device, instead of the configuration's; may be given more than once
    #[argh(option)]
    interface: Vec<String>,
}

/// delete the table of standalone mode: what it guarded is then open or closed as the rest of the ruleset says
#[derive(FromArgs)]
#[argh(subcommand, name = "remove")]
struct Remove {}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Show(arguments) => show(arguments),
        Action::Remove(Remove {}) => remove_standalone().map_err(|error| error.to_string()),
    }
}

fn show(arguments: &Show) -> Result<(), Failure> {
    let config = load_config(&arguments.config)?;
    let interfaces =
        if arguments.interface.is_empty() { config.main.devices.clone() } else { arguments.interface.clone() };
    say(&script(config.main.firewall, &Guard { interfaces, protect: config.main.protect.clone() }))
}
