//! `spa-knockd otp print` and `calc`: the card for the wallet, and a calculator as any other.

use std::path::PathBuf;

use argh::FromArgs;
use serde::Serialize;
use spa_knockd::control::client::utc;
use spa_knockd::daemon::clock::wall;
use spa_knockd::otp::card::Card;
use spa_knockd::otp::chain::{Algorithm, Seed, parse_sequence, passwords};
use spa_knockd::otp::record::Record;
use spa_knockd::otp::words;
use zeroize::Zeroizing;

use super::super::{Failure, say, say_json};
use super::{make, refused, secret, store, user};

/// print a card with a user's next passwords; the passphrase is read from standard input
#[derive(FromArgs)]
#[argh(subcommand, name = "print")]
pub(super) struct Print {
    /// the user
    #[argh(positional)]
    name: String,
    /// how many passwords (default 50)
    #[argh(option, short = 'n', long = "count", default = "50", from_str_fn(count))]
    count: u16,
    /// print a page of HTML for a printer, instead of text
    #[argh(switch)]
    html: bool,
    /// where what must survive a reboot is kept (default /etc/spa-knockd/state)
    #[argh(option)]
    state_dir: Option<PathBuf>,
}

/// compute passwords as any calculator of RFC 2289 does; the passphrase is read from standard input
#[derive(FromArgs)]
#[argh(subcommand, name = "calc")]
pub(super) struct Calc {
    /// md5 (default), sha1 or md4
    #[argh(option, default = "Algorithm::Md5", from_str_fn(algorithm))]
    algorithm: Algorithm,
    /// the number in the challenge
    #[argh(option, from_str_fn(sequence))]
    sequence: u16,
    /// the seed in the challenge
    #[argh(option, from_str_fn(seed))]
    seed: Seed,
    /// how many passwords, this number and those below (default 1)
    #[argh(option, short = 'n', long = "count", default = "1", from_str_fn(count))]
    count: u16,
    /// print one JSON object a password
    #[argh(switch)]
    json: bool,
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    text.parse().map_err(str::to_owned)
}

fn sequence(text: &str) -> Result<u16, String> {
    parse_sequence(text).filter(|number| *number > 0).ok_or_else(|| "the number is 1 to 9999".to_owned())
}

fn count(text: &str) -> Result<u16, String> {
    parse_sequence(text).filter(|number| *number > 0).ok_or_else(|| "the count is 1 to 9999".to_owned())
}

fn seed(text: &str) -> Result<Seed, String> {
    text.parse().map_err(|fault: spa_knockd::otp::chain::SeedFault| fault.to_string())
}

pub(super) fn print(arguments: &Print) -> Result<(), Failure> {
    let name = user(&arguments.name)?;
    let listed = store(arguments.state_dir.as_ref()).list().map_err(refused)?;
    let listed = listed.into_iter().find(|listed| listed.user == name);
    let record = listed.ok_or_else(|| format!("{name} has no one-time passwords; add makes them"))?.record;
    let Record::Chain(chain) = record.map_err(|trouble| trouble.to_string())? else {
        return Err(format!("the codes of {name} come from an app; there is no list of them"));
    };
    if chain.sequence <= 1 {
        return Err(format!("no password of {name} is left: spa-knockd otp reset {name}"));
    }
    let passphrase = secret::passphrase(None, false)?;
    let list = make::card(name, &chain, &passphrase, arguments.count)?;
    let date = utc(wall().unix);
    let date = date.get(..10).unwrap_or_default();
    let card = Card { user: name, algorithm: chain.algorithm, seed: &chain.seed, date, passwords: &list };
    say(&if arguments.html { card.html() } else { card.text() })
}

/// What `--json` prints.
#[derive(Serialize)]
struct Computed<'a> {
    sequence: u16,
    words: &'a str,
    hex: &'a str,
}

pub(super) fn calc(arguments: &Calc) -> Result<(), Failure> {
    let passphrase = secret::passphrase(Some(&arguments.seed), false)?;
    let count = arguments.count.min(arguments.sequence);
    let list = passwords(arguments.algorithm, &passphrase, &arguments.seed, arguments.sequence, count);
    for (sequence, password) in &list {
        let (words, hex) = (words::encode(password), password.to_hex());
        if arguments.json {
            say_json(&Computed { sequence: *sequence, words: &words, hex: &hex })?;
        } else if list.len() == 1 {
            say(&Zeroizing::new(format!("{}\n{}\n", *words, *hex)))?;
        } else {
            say(&Zeroizing::new(format!("{sequence}: {:29} {}\n", *words, *hex)))?;
        }
    }
    Ok(())
}
