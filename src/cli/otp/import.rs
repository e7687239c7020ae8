//! `spa-knockd otp import`: the chains of an OPIE server go on here, each with its next password.

use std::path::PathBuf;

use argh::FromArgs;
use spa_knockd::input::text_of;
use spa_knockd::otp::chain::Algorithm;
use spa_knockd::otp::opiekeys;
use spa_knockd::otp::record::Record;
use spa_knockd::otp::store::is_user;

use super::super::{Failure, complain, count, say};
use super::{refused, store};

/// take over the users of OPIE's key file; whoever has one-time passwords here already is left alone
#[derive(FromArgs)]
#[argh(subcommand, name = "import")]
pub(super) struct Import {
    /// OPIE's file, such as /etc/opiekeys
    #[argh(option)]
    opiekeys: PathBuf,
    /// what OPIE was built for, which the file does not say: md5 (default), sha1 or md4
    #[argh(option, default = "Algorithm::Md5", from_str_fn(algorithm))]
    algorithm: Algorithm,
    /// where what must survive a reboot is kept (default /etc/spa-knockd/state)
    #[argh(option)]
    state_dir: Option<PathBuf>,
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    text.parse().map_err(str::to_owned)
}

pub(super) fn import(arguments: &Import) -> Result<(), Failure> {
    let path = arguments.opiekeys.display();
    let text = text_of(&arguments.opiekeys).map_err(|error| format!("{path}: {error}"))?;
    let locked = store(arguments.state_dir.as_ref()).lock().map_err(refused)?;
    let (mut taken, mut left) = (0_usize, 0_usize);
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index.saturating_add(1), line)) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let problem = match opiekeys::parse(line, arguments.algorithm) {
            None => "it is no line of OPIE's".to_owned(),
            Some(found) if !is_user(&found.user) => "the name must be 1 to 64 letters, digits and _".to_owned(),
            Some(found) => match found.chain {
                None => format!("{} was disabled", found.user),
                Some(_) if !matches!(locked.read(&found.user), Ok(None)) => {
                    format!("{} has one-time passwords here already", found.user)
                }
                Some(chain) => {
                    locked.write(&found.user, &Record::Chain(chain)).map_err(|trouble| trouble.to_string())?;
                    taken = taken.saturating_add(1);
                    continue;
                }
            },
        };
        left = left.saturating_add(1);
        complain(&format!("{path}:{number}: left out: {problem}"));
    }
    say(&format!("{} taken over\n", count(taken, "user")))?;
    if left == 0 { Ok(()) } else { Err(Failure::new()) }
}
