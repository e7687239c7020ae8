//! New one-time passwords, for the command line and for the LuCI page: a secret comes in, a record or a card goes out.

use spa_knockd::otp::chain::{self, PASSPHRASE_MIN, Password, Seed, password, passwords};
use spa_knockd::otp::codes::{self, Token};
use spa_knockd::otp::record::{Chain, Record};

use super::super::Failure;

/// Demands a passphrase that RFC 2289 permits.
pub(in super::super) fn passphrase(passphrase: &[u8], seed: Option<&Seed>) -> Result<(), Failure> {
    if passphrase.len() < PASSPHRASE_MIN {
        return Err(format!("the passphrase must have at least {PASSPHRASE_MIN} characters"));
    }
    if seed.is_some_and(|seed| passphrase.eq_ignore_ascii_case(seed.text().as_bytes())) {
        return Err("the passphrase is the seed, which everybody may read".to_owned());
    }
    Ok(())
}

/// A new seed, which is not the one that was used.
pub(in super::super) fn seed(used: Option<&Seed>) -> Result<Seed, Failure> {
    loop {
        let seed = Seed::random().map_err(|error| no_random(&error))?;
        if Some(&seed) != used {
            return Ok(seed);
        }
    }
}

/// A chain that begins at this number.
pub(in super::super) fn chain(algorithm: chain::Algorithm, passphrase: &[u8], sequence: u16, seed: Seed) -> Chain {
    Chain { algorithm, sequence, last: password(algorithm, passphrase, &seed, sequence), seed }
}

/// A token with a new secret.
pub(in super::super) fn token(algorithm: codes::Algorithm, digits: u8) -> Result<Token, Failure> {
    Token::random(algorithm, digits).map_err(|error| no_random(&error))
}

/// An app's record that never was used: codes of the time where a period is given.
pub(in super::super) fn app(token: Token, period: Option<u32>) -> Record {
    match period {
        Some(period) => Record::Totp { token, period, floor: 0 },
        None => Record::Hotp { token, counter: 0 },
    }
}

/// The passwords that are next in a user's chain, so many of them or all that are left.
pub(in super::super) fn card(
    name: &str,
    chain: &Chain,
    passphrase: &[u8],
    count: u16,
) -> Result<Vec<(u16, Password)>, Failure> {
    let Chain { algorithm, sequence, seed, last } = chain;
    let count = count.min(sequence.saturating_sub(1));
    let mut list = passwords(*algorithm, passphrase, seed, *sequence, count.saturating_add(1));
    if list.first().is_none_or(|(_, found)| found != last) {
        return Err(format!("the passphrase is not the one that {name}'s chain was made with"));
    }
    list.remove(0);
    Ok(list)
}

/// The system's complaint.
pub(in super::super) fn no_random(error: &impl std::fmt::Display) -> Failure {
    format!("no random bytes: {error}")
}
