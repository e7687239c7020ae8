//! `spa-knockd otp add` and `reset`: a new chain, or a new secret for an app.

use std::path::PathBuf;

use argh::FromArgs;
use serde::Serialize;
use spa_knockd::otp::chain::{self, Seed, parse_sequence};
use spa_knockd::otp::challenge::Challenge;
use spa_knockd::otp::codes::{self, PERIOD};
use spa_knockd::otp::record::{self, Chain, Record};
use spa_knockd::otp::response::{self, Response};
use spa_knockd::otp::uri::otpauth;
use zeroize::Zeroizing;

use super::super::{Failure, complain, say, say_json};
#[cfg(feature = "qr")]
use super::qr;
use super::{DIGITS, ISSUER, make, refused, secret, store, user};

/// The number of a new chain's first password, by OPIE's habit.
const SEQUENCE: u16 = 499;

/// make a user's one-time passwords: a chain of the passphrase on standard input, or a secret for an app
#[derive(FromArgs)]
#[argh(subcommand, name = "add")]
pub(super) struct Add {
    /// the user: the name of a section `config otp`
    #[argh(positional)]
    name: String,
    /// codes of the time, for an authenticator app
    #[argh(switch)]
    totp: bool,
    /// counted codes, for an app or a device without a clock
    #[argh(switch)]
    hotp: bool,
    /// read the app's secret in base32 from standard input, instead of making one
    #[argh(switch)]
    secret: bool,
    /// read the chain's first password from standard input, computed elsewhere, instead of a passphrase
    #[argh(switch)]
    first: bool,
    /// md5 (default), sha1 or md4 for a chain; sha1 (default), sha256 or sha512 for an app
    #[argh(option)]
    algorithm: Option<String>,
    /// the number of the chain's first password (default 499)
    #[argh(option, from_str_fn(sequence))]
    sequence: Option<u16>,
    /// the chain's seed (default: two letters and four digits by chance)
    #[argh(option)]
    seed: Option<String>,
    /// digits of a code, 6 (default) to 8
    #[argh(option, from_str_fn(digits))]
    digits: Option<u8>,
    /// the life of a code of the time, in seconds (default 30, the only one that many apps know)
    #[argh(option, from_str_fn(period))]
    period: Option<u32>,
    /// the name that the app shows beside the user's (default spa-knockd)
    #[argh(option, default = "ISSUER.to_owned()")]
    issuer: String,
    /// where what must survive a reboot is kept (default /etc/spa-knockd/state)
    #[argh(option)]
    state_dir: Option<PathBuf>,
    /// print one JSON object
    #[argh(switch)]
    json: bool,
}

/// replace a user's one-time passwords by new ones of the same kind
#[derive(FromArgs)]
#[argh(subcommand, name = "reset")]
pub(super) struct Reset {
    /// the user
    #[argh(positional)]
    name: String,
    /// the name that the app shows beside the user's (default spa-knockd)
    #[argh(option, default = "ISSUER.to_owned()")]
    issuer: String,
    /// where what must survive a reboot is kept (default /etc/spa-knockd/state)
    #[argh(option)]
    state_dir: Option<PathBuf>,
    /// print one JSON object
    #[argh(switch)]
    json: bool,
}

fn sequence(text: &str) -> Result<u16, String> {
    parse_sequence(text).filter(|number| *number > 1).ok_or_else(|| "a chain begins at 2 to 9999".to_owned())
}

fn digits(text: &str) -> Result<u8, String> {
    text.parse().ok().filter(|digits| record::is_digits(*digits)).ok_or_else(|| "a code has 6 to 8 digits".to_owned())
}

fn period(text: &str) -> Result<u32, String> {
    let period = text.parse().ok().filter(|period| record::is_period(*period));
    period.ok_or_else(|| "a code lives for 10 to 300 seconds".to_owned())
}

impl Add {
    /// The options that the kind does not have.
    fn fault(&self) -> Option<&'static str> {
        let is_app = self.totp || self.hotp;
        let of_chain = self.first || self.sequence.is_some() || self.seed.is_some();
        let of_app = self.secret || self.digits.is_some();
        match () {
            () if self.totp && self.hotp => Some("name --totp or --hotp, not both"),
            () if is_app && of_chain => Some("--first, --sequence and --seed are a chain's"),
            () if !is_app && of_app => Some("--secret and --digits are an app's: name --totp or --hotp"),
            () if !self.totp && self.period.is_some() => Some("--period is for codes of the time: name --totp"),
            () if self.first && self.seed.is_none() => Some("--first needs the --seed that it was computed with"),
            () => None,
        }
    }

    /// The record that is asked for.
    fn record(&self) -> Result<Record, Failure> {
        if let Some(fault) = self.fault() {
            return Err(fault.to_owned());
        }
        if self.totp || self.hotp {
            let algorithm = self.algorithm.as_deref().map_or(Ok(codes::Algorithm::Sha1), str::parse)?;
            let mut token = make::token(algorithm, self.digits.unwrap_or(DIGITS))?;
            if self.secret {
                let text = secret::text("secret")?;
                token.secret = record::secret(&text).ok_or("the secret must be base32 of 16 to 128 bytes")?;
            }
            return Ok(make::app(token, self.totp.then_some(self.period.unwrap_or(PERIOD))));
        }
        let algorithm = self.algorithm.as_deref().map_or(Ok(chain::Algorithm::Md5), str::parse)?;
        let seed = self.seed.as_deref().map(str::parse::<Seed>).transpose().map_err(|fault| fault.to_string())?;
        let sequence = self.sequence.unwrap_or(SEQUENCE);
        match seed {
            Some(seed) if self.first => first(algorithm, sequence, seed),
            seed => computed(algorithm, sequence, seed, None),
        }
    }
}

/// A chain whose first password was computed elsewhere.
fn first(algorithm: chain::Algorithm, sequence: u16, seed: Seed) -> Result<Record, Failure> {
    let text = secret::text("first password")?;
    let Ok(Response::Plain(readings)) = response::parse(&text) else {
        return Err("the first password is neither six words nor 16 hex digits".to_owned());
    };
    if readings.word.is_some() && readings.hex.is_some() {
        return Err("the first password can be read as words and as hex: write word: or hex: before it".to_owned());
    }
    let last = readings.word.or(readings.hex).ok_or("the first password is missing")?;
    Ok(Record::Chain(Chain { algorithm, sequence, seed, last }))
}

/// A chain of the passphrase on standard input, with a new seed where none is given.
fn computed(
    algorithm: chain::Algorithm,
    sequence: u16,
    seed: Option<Seed>,
    used: Option<&Seed>,
) -> Result<Record, Failure> {
    let passphrase = secret::passphrase(seed.as_ref(), true)?;
    let seed = seed.map_or_else(|| make::seed(used), Ok)?;
    Ok(Record::Chain(make::chain(algorithm, &passphrase, sequence, seed)))
}

pub(super) fn add(arguments: &Add) -> Result<(), Failure> {
    let name = user(&arguments.name)?;
    let store = store(arguments.state_dir.as_ref());
    let exists = || format!("{name} has one-time passwords already; reset makes new ones, remove ends them");
    // Asked before anybody types a passphrase for nothing, and again when nobody else can add.
    if store.list().map_err(refused)?.iter().any(|listed| listed.user == name) {
        return Err(exists());
    }
    let record = arguments.record()?;
    let locked = store.lock().map_err(refused)?;
    if locked.read(name).map_err(refused)?.is_some() {
        return Err(exists());
    }
    locked.write(name, &record).map_err(|trouble| trouble.to_string())?;
    drop(locked);
    tell(name, &record, &arguments.issuer, arguments.json)
}

pub(super) fn reset(arguments: &Reset) -> Result<(), Failure> {
    let name = user(&arguments.name)?;
    let store = store(arguments.state_dir.as_ref());
    let none = || format!("{name} has no one-time passwords; add makes them");
    let listed = store.list().map_err(refused)?.into_iter().find(|listed| listed.user == name);
    let old = listed.ok_or_else(none)?.record.map_err(|trouble| trouble.to_string())?;
    let record = match old {
        Record::Chain(Chain { algorithm, seed, .. }) => computed(algorithm, SEQUENCE, None, Some(&seed))?,
        Record::Hotp { token: old, .. } => make::app(make::token(old.algorithm, old.digits)?, None),
        Record::Totp { token: old, period, .. } => make::app(make::token(old.algorithm, old.digits)?, Some(period)),
    };
    let locked = store.lock().map_err(refused)?;
    locked.read(name).map_err(refused)?.ok_or_else(none)?;
    locked.write(name, &record).map_err(|trouble| trouble.to_string())?;
    drop(locked);
    tell(name, &record, &arguments.issuer, arguments.json)
}

/// What `--json` prints.
#[derive(Serialize)]
struct Told<'a> {
    user: &'a str,
    kind: &'a str,
    challenge: Option<String>,
    left: Option<u16>,
    uri: Option<&'a str>,
}

/// Says what the user has now; an app's secret this once.
fn tell(name: &str, record: &Record, issuer: &str, json: bool) -> Result<(), Failure> {
    let uri = otpauth(record, name, issuer);
    let challenge = match record {
        Record::Chain(chain) => {
            if chain.algorithm == chain::Algorithm::Md4 {
                complain("warning: passwords of md4 are taken only with option allow_md4 '1'");
            }
            Some(Challenge {
                algorithm: chain.algorithm,
                sequence: chain.sequence.saturating_sub(1),
                seed: chain.seed.clone(),
            })
        }
        Record::Hotp { .. } | Record::Totp { .. } => None,
    };
    let challenge = challenge.map(|challenge| challenge.to_string());
    let uri = uri.as_ref().map(|uri| uri.as_str());
    if json {
        return say_json(&Told { user: name, kind: record.kind(), challenge, left: record.left(), uri });
    }
    let mut text = Zeroizing::new(String::with_capacity(1 << 15));
    if let Some(uri) = uri {
        text.push_str("Let the app read this now; it is not shown again.\n\n");
        #[cfg(feature = "qr")]
        if let Some(code) = qr::code(uri) {
            text.push_str(&code);
            text.push('\n');
        }
        text.push_str(uri);
        text.push('\n');
    }
    if let (Some(challenge), Some(left)) = (challenge, record.left()) {
        text.push_str(&format!(
            "{left} passwords, the next challenge is: {challenge}\nFor the wallet: spa-knockd otp print {name} -n 50\n"
        ));
    }
    text.push_str(&format!("What they open is said by: config otp '{name}'\n"));
    say(&text)
}
