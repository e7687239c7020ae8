//! `spa-knockd page`, and the program under the name of `open-sesame`: the page for one visitor, as a CGI program.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use argh::FromArgs;
use spa_knockd::web;

use super::{Failure, RUN_DIR};

/// The name that makes the program the page, whatever its arguments.
const NAME: &str = "open-sesame";

/// serve one visitor of the one-time-password page, as web servers start it (CGI); so does the name open-sesame
#[derive(FromArgs)]
#[argh(subcommand, name = "page")]
pub(super) struct Arguments {
    /// the daemon's socket for the page (default /var/run/spa-knockd/web.sock)
    #[argh(option)]
    socket: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let default = || Path::new(RUN_DIR).join(web::FILE);
    let socket = arguments.socket.clone().unwrap_or_else(default);
    if !socket.is_absolute() {
        return Err(format!(
            "--socket {}: name the whole path of a socket on this machine; a page that is not on the firewall's own \
             machine would need a way there that is authenticated and cannot be replayed, and there is none yet",
            socket.display()
        ));
    }
    web::serve(&socket)
}

/// Serves the page where the program is called by that name. A visitor's query may then stand among the arguments
/// (RFC 3875, section 4.4), so none is looked at; whoever asks for the program itself, however it is called, is such a
/// visitor, too.
pub(super) fn serve_by_name(called: Option<&OsStr>) -> Option<Result<(), Failure>> {
    let last = |path: &OsStr| Path::new(path).file_name().map(OsStr::to_os_string);
    let own = called.and_then(last)?;
    let is_asked_for =
        |variable: &&str| env::var_os(variable).is_some_and(|script| last(&script).as_ref() == Some(&own));
    let is_script =
        || env::var_os("GATEWAY_INTERFACE").is_some() && ["SCRIPT_NAME", "SCRIPT_FILENAME"].iter().any(is_asked_for);
    (own == NAME || is_script()).then(|| run(&Arguments { socket: None }))
}
