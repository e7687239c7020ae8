//! `spa-knockd run`: the daemon, in the foreground.

use std::path::PathBuf;

use argh::FromArgs;
use spa_knockd::daemon::logger;
use spa_knockd::daemon::run::{Options, run as run_daemon};

use super::{CONFIG, Failure, USER, load_config, places};

/// capture knocks and open ports, in the foreground, until SIGTERM
#[derive(FromArgs)]
#[argh(subcommand, name = "run")]
pub(super) struct Arguments {
    /// the UCI configuration (default /etc/config/spa-knockd)
    #[argh(option, default = "CONFIG.into()")]
    config: PathBuf,
    /// a device to capture on, instead of the configuration's; may be given more than once
    #[argh(option)]
    interface: Vec<String>,
    /// where what must survive a reboot is kept (default /etc/spa-knockd/state)
    #[argh(option)]
    state_dir: Option<PathBuf>,
    /// where the journal is kept (default /var/run/spa-knockd, or the state directory where only that is given)
    #[argh(option)]
    run_dir: Option<PathBuf>,
    /// where the control socket is to be (default control.sock in the directory of the journal)
    #[argh(option)]
    socket: Option<PathBuf>,
    /// whom to become after the start (default spa-knockd)
    #[argh(option, default = "USER.to_owned()")]
    user: String,
    /// log to syslog instead of standard error
    #[argh(switch)]
    syslog: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = load_config(&arguments.config)?;
    logger::start(config.main.log_level, arguments.syslog)?;
    let options = Options {
        interfaces: arguments.interface.clone(),
        places: places(arguments.state_dir.as_ref(), arguments.run_dir.as_ref()),
        socket: arguments.socket.clone(),
        user: arguments.user.clone(),
        syslog: arguments.syslog,
        config: arguments.config.clone(),
    };
    run_daemon(config, &options)
}
