//! What the page asks of one-time passwords: who has them, who must wait, and new ones, which are told once.

use std::num::NonZeroU16;
use std::path::Path;

use serde_json::Value;
use spa_knockd::config::Page;
use spa_knockd::control::client::utc;
use spa_knockd::daemon::clock::wall;
use spa_knockd::otp::chain::{Algorithm, Password};
use spa_knockd::otp::codes::{self, PERIOD};
use spa_knockd::otp::record::{Chain, Record, is_digits};
use spa_knockd::otp::store::{Refusal, Store};
use spa_knockd::otp::uri::otpauth;
use spa_knockd::otp::words;
use zeroize::Zeroizing;

use super::super::ask::{list as list_of, number, object, request, text};
use super::super::otp::{DIGITS, FEW, ISSUER, make, refused, user};
use super::super::{Failure, load_quietly};
use super::question::Question;
use super::{Arguments, ask_daemon};

/// The most passwords of a chain that is made here, and of a card: as many as the command line's chain has.
const COUNT_MAX: u64 = 498;

/// Where none is named.
const COUNT: u64 = 50;

/// Bytes of a passphrase that nobody knows.
const UNKNOWN_LEN: usize = 32;

/// Where OpenWrt has the web server that the page is for.
const WEB_SERVER: &str = "/usr/sbin/uhttpd";

/// The certificate that the init script makes where none is named, and its key.
const OWN_CERTIFICATE: (&str, &str) = ("/etc/spa-knockd/page.crt", "/etc/spa-knockd/page.key");

/// Who has one-time passwords, who must wait, and whether the page can be there. No secret is told.
pub(super) fn list(question: Question, arguments: &Arguments) -> Result<Value, Failure> {
    question.end()?;
    let config = load_quietly(&arguments.config).ok();
    let sections: Vec<&str> =
        config.iter().flat_map(|config| &config.otp).map(|otp| otp.access.name.as_str()).collect();
    // A daemon that is away, or has no page, has locked nobody out.
    let locks =
        ask_daemon(arguments, &request("otp", vec![])).ok().filter(|reply| reply.get("ok") == Some(&true.into()));
    let paused = |user: &str| {
        let waiting = locks.iter().flat_map(|reply| list_of(reply, "paused")).find(|one| text(one, "user") == user);
        waiting.map(|one| number(one, "seconds"))
    };
    let listed = Store::new(&arguments.state_dir).list().map_err(refused)?;
    let has_none = |name: &&&str| listed.iter().all(|one| one.user != ***name);
    let without: Vec<&str> = sections.iter().filter(has_none).copied().collect();
    let users: Vec<Value> = listed
        .iter()
        .map(|one| {
            let (kind, left, error) = match &one.record {
                Ok(record) => (Some(record.kind()), record.left(), None),
                Err(trouble) => (None, None, Some(trouble.to_string())),
            };
            object(vec![
                ("user", one.user.as_str().into()),
                ("enabled", sections.contains(&one.user.as_str()).into()),
                ("kind", kind.into()),
                ("left", left.into()),
                ("few", left.is_some_and(|left| left < FEW).into()),
                ("paused", paused(&one.user).into()),
                ("error", error.into()),
            ])
        })
        .collect();
    Ok(object(vec![
        ("ok", true.into()),
        ("users", users.into()),
        ("without", without.into()),
        ("throttled", locks.as_ref().map(|reply| number(reply, "throttled")).into()),
        ("page", config.as_ref().and_then(|config| config.page.as_ref()).map(page).into()),
    ]))
}

/// What a page that is switched on needs of this machine.
fn page(page: &Page) -> Value {
    let files = page.cert.as_deref().zip(page.key.as_deref()).unwrap_or(OWN_CERTIFICATE);
    let certificate = [files.0, files.1].into_iter().all(|file| Path::new(file).is_file());
    object(vec![
        ("port", page.port.map(NonZeroU16::get).into()),
        ("plain_port", page.plain_port.map(NonZeroU16::get).into()),
        ("certificate", certificate.into()),
        ("server", Path::new(WEB_SERVER).is_file().into()),
    ])
}

/// Has the daemon forget what was tried at a user's.
pub(super) fn forgive(mut question: Question, arguments: &Arguments) -> Result<Value, Failure> {
    let name = name(&mut question)?;
    question.end()?;
    ask_daemon(arguments, &request("forgive", vec![("user", name.into())]))
}

/// New passwords, for a user who has none or in the place of those that there are.
pub(super) fn make(mut question: Question, arguments: &Arguments, replace: bool) -> Result<Value, Failure> {
    let name = name(&mut question)?;
    let kind = question.text("kind")?.unwrap_or_default();
    let passphrase = question.secret("passphrase")?;
    let count = count(&mut question)?;
    let digits = question.number("digits")?.map_or(Ok(DIGITS), u8::try_from);
    let digits = digits.ok().filter(|digits| is_digits(*digits)).ok_or("digits: a code has 6 to 8 digits")?;
    question.end()?;
    if kind != "chain" && passphrase.is_some() {
        return Err("passphrase: only a chain has one".to_owned());
    }
    let locked = Store::new(&arguments.state_dir).lock().map_err(refused)?;
    let old = match locked.read(&name) {
        // Nothing of a damaged record goes on in new passwords.
        Err(Refusal::Store(_)) if replace => None,
        Err(refusal) => return Err(refused(refusal)),
        Ok(None) if replace => return Err(format!("{name} has no one-time passwords")),
        Ok(Some(_)) if !replace => return Err(format!("{name} has one-time passwords already")),
        Ok(old) => old,
    };
    let period = (kind == "totp").then_some(PERIOD);
    let (record, passwords) = match kind.as_str() {
        "chain" => {
            let (chain, passwords) = chain(&name, passphrase, count, old.as_ref())?;
            (Record::Chain(chain), passwords)
        }
        "totp" | "hotp" => (make::app(make::token(codes::Algorithm::Sha1, digits)?, period), Vec::new()),
        _ => return Err("kind: it is chain, totp or hotp".to_owned()),
    };
    locked.write(&name, &record).map_err(|trouble| trouble.to_string())?;
    Ok(tell(&name, &record, &passwords))
}

/// A chain with so many passwords, and all of them. Without a passphrase it is one that nobody knows.
fn chain(
    name: &str,
    passphrase: Option<Zeroizing<String>>,
    count: u16,
    old: Option<&Record>,
) -> Result<(Chain, Vec<(u16, Password)>), Failure> {
    let used = match old {
        Some(Record::Chain(chain)) => Some(&chain.seed),
        _ => None,
    };
    let seed = make::seed(used)?;
    let passphrase = match passphrase {
        Some(text) => Zeroizing::new(text.as_bytes().to_vec()),
        None => {
            let mut bytes = Zeroizing::new(vec![0; UNKNOWN_LEN]);
            getrandom::fill(&mut bytes).map_err(|error| make::no_random(&error))?;
            bytes
        }
    };
    make::passphrase(&passphrase, Some(&seed))?;
    let chain = make::chain(Algorithm::Md5, &passphrase, count.saturating_add(1), seed);
    let passwords = make::card(name, &chain, &passphrase, count)?;
    Ok((chain, passwords))
}

/// Ends a user's passwords for good; that there were none is no fault.
pub(super) fn remove(mut question: Question, arguments: &Arguments) -> Result<Value, Failure> {
    let name = name(&mut question)?;
    question.end()?;
    let locked = Store::new(&arguments.state_dir).lock().map_err(refused)?;
    let removed = locked.remove(&name).map_err(|trouble| trouble.to_string())?;
    Ok(object(vec![("ok", true.into()), ("removed", removed.into())]))
}

/// The passwords that are next in a chain whose passphrase is known.
pub(super) fn card(mut question: Question, arguments: &Arguments) -> Result<Value, Failure> {
    let name = name(&mut question)?;
    let passphrase = question.secret("passphrase")?.ok_or("passphrase: it is missing")?;
    let count = count(&mut question)?;
    question.end()?;
    let record = Store::new(&arguments.state_dir).lock().and_then(|locked| locked.read(&name)).map_err(refused)?;
    match &record {
        Some(record @ Record::Chain(chain)) if chain.sequence > 1 => {
            let passwords = make::card(&name, chain, passphrase.as_bytes(), count)?;
            Ok(tell(&name, record, &passwords))
        }
        Some(Record::Chain(_)) => Err(format!("no password of {name} is left")),
        Some(_) => Err(format!("the codes of {name} come from an app; there is no list of them")),
        None => Err(format!("{name} has no one-time passwords")),
    }
}

/// What the user has now, with the secrets, this once.
fn tell(name: &str, record: &Record, passwords: &[(u16, Password)]) -> Value {
    let (seed, algorithm) = match record {
        Record::Chain(chain) => (Some(chain.seed.text()), chain.algorithm.name()),
        Record::Hotp { token, .. } | Record::Totp { token, .. } => (None, token.algorithm.name()),
    };
    let date = utc(wall().unix);
    let one = |(number, password): &(u16, Password)| {
        object(vec![("number", (*number).into()), ("words", words::encode(password).as_str().into())])
    };
    object(vec![
        ("ok", true.into()),
        ("user", name.into()),
        ("kind", record.kind().into()),
        ("algorithm", algorithm.into()),
        ("seed", seed.into()),
        ("left", record.left().into()),
        ("date", date.get(..10).into()),
        ("passwords", passwords.iter().map(one).collect::<Vec<_>>().into()),
        ("uri", otpauth(record, name, ISSUER).as_ref().map(|uri| uri.as_str()).into()),
    ])
}

/// A name that a user may have.
fn name(question: &mut Question) -> Result<String, Failure> {
    let name = question.text("user")?.unwrap_or_default();
    user(&name).map_err(|fault| format!("user: {fault}"))?;
    Ok(name)
}

/// How many passwords.
fn count(question: &mut Question) -> Result<u16, Failure> {
    let count = question.number("count")?.unwrap_or(COUNT);
    let fits = (1..=COUNT_MAX).contains(&count).then(|| u16::try_from(count).ok()).flatten();
    fits.ok_or_else(|| format!("count: a card has 1 to {COUNT_MAX} passwords"))
}
