//! `spa-knockd otp`: the users of one-time passwords, their cards, and a calculator. No secret is an argument.

mod add;
mod card;
mod import;
mod list;
pub(super) mod make;
#[cfg(feature = "qr")]
mod qr;
mod secret;

use std::path::PathBuf;

use argh::FromArgs;
use spa_knockd::otp::desk::Refused;
use spa_knockd::otp::store::{Refusal, Store, is_user};

use super::{Failure, STATE_DIR};

/// The digits of a code that every app knows.
pub(super) const DIGITS: u8 = 6;

/// Who issues the codes, in an app's list.
pub(super) const ISSUER: &str = "spa-knockd";

/// Below so many passwords it is time for a new chain (OPIE's own limit is 9).
pub(super) const FEW: u16 = 10;

/// keep the users of one-time passwords, print cards, compute passwords
#[derive(FromArgs)]
#[argh(subcommand, name = "otp")]
pub(super) struct Arguments {
    #[argh(subcommand)]
    action: Action,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Action {
    Add(add::Add),
    List(list::List),
    Print(card::Print),
    Reset(add::Reset),
    Remove(list::Remove),
    Calc(card::Calc),
    Import(import::Import),
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Add(arguments) => add::add(arguments),
        Action::List(arguments) => list::list(arguments),
        Action::Print(arguments) => card::print(arguments),
        Action::Reset(arguments) => add::reset(arguments),
        Action::Remove(arguments) => list::remove(arguments),
        Action::Calc(arguments) => card::calc(arguments),
        Action::Import(arguments) => import::import(arguments),
    }
}

/// The store of the state directory that was named, or of a router's.
fn store(state: Option<&PathBuf>) -> Store {
    Store::new(&state.cloned().unwrap_or_else(|| PathBuf::from(STATE_DIR)))
}

/// Why the store did not do what it was asked.
pub(super) fn refused(refusal: Refusal) -> Failure {
    Refused::Store(refusal).text()
}

/// Demands a name that a user may have.
pub(super) fn user(name: &str) -> Result<&str, Failure> {
    if is_user(name) { Ok(name) } else { Err(format!("the name {name:?} must be 1 to 64 letters, digits and _")) }
}
