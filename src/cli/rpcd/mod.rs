//! `spa-knockd rpcd`: what the page in LuCI may ask, as rpcd's executable plugins are asked.
//!
//! `list` prints the methods with their arguments; `call METHOD` reads one JSON object from standard input and prints
//! one. What is asked is checked here again, whoever let it through; a fault is an answer, `ok` false with `error`.
//! No secret is in an argument of the command line.

mod passwords;
mod question;

use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use argh::FromArgs;
use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::Value;
use spa_knockd::capture::Transport;
use spa_knockd::control::json;
use spa_knockd::daemon::clock::wall;
use spa_knockd::daemon::privileges::{User, is_root, renounce};
use spa_knockd::engine::{Engine, Memory};
use spa_knockd::knock::fwknop::base64;
use spa_knockd::knock::fwknop::keys::DigestType;
use spa_knockd::limits::PACKET_MAX;
use zeroize::Zeroizing;

use super::ask::{ask, connect, object, request};
use super::explain::transport;
use super::explanation::{Arrival, Explainer, Explanation, explain, explain_savefile};
use super::{CONFIG, Failure, STATE_DIR, USER, check, keygen, load_quietly, say, say_json};
use question::Question;

/// Bytes of explanations in one answer: ubus has messages of at most 1 MiB, and its form of numbers is longer.
const EXPLANATIONS_MAX: usize = 384 * 1024;

/// Packets of a capture file that are explained.
const FRAMES_MAX: usize = 256;

/// answer the LuCI page, in the manner of rpcd's plugins: `list`, or `call METHOD` with a JSON object on standard input
#[derive(FromArgs)]
#[argh(subcommand, name = "rpcd")]
pub(super) struct Arguments {
    /// the UCI configuration (default /etc/config/spa-knockd)
    #[argh(option, default = "CONFIG.into()")]
    config: PathBuf,
    /// the daemon's control socket (default /var/run/spa-knockd/control.sock)
    #[argh(option)]
    socket: Option<PathBuf>,
    /// where what must survive a reboot is kept (default /etc/spa-knockd/state)
    #[argh(option, default = "STATE_DIR.into()")]
    state_dir: PathBuf,
    /// list or call
    #[argh(positional)]
    verb: String,
    /// the method to call
    #[argh(positional)]
    method: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match (arguments.verb.as_str(), &arguments.method) {
        ("list", None) => say(METHODS),
        ("call", Some(method)) => {
            let answer = Question::read().and_then(|question| answer(method, question, arguments));
            match answer {
                // It may hold fresh keys.
                Ok(answer) => say(&Zeroizing::new(json(&answer) + "\n")),
                Err(error) => say_json(&object(vec![("ok", false.into()), ("error", error.into())])),
            }
        }
        _ => Err("rpcd: say `list`, or `call` and a method".to_owned()),
    }
}

/// The methods, with a value of the right kind for each argument.
const METHODS: &str = concat!(
    r#"{"status":{},"grants":{"skip":0},"events":{},"check":{},"#,
    r#""explain":{"payload":"","source":"","destination":"","transport":"","port":0},"explain_capture":{"data":""},"#,
    r#""revoke":{"access":"","source":"","all":true,"kill":true},"keygen":{"hmac_digest":""},"#,
    r#""otp_list":{},"otp_forgive":{"user":""},"otp_remove":{"user":""},"#,
    r#""otp_add":{"user":"","kind":"","passphrase":"","count":0,"digits":0},"#,
    r#""otp_reset":{"user":"","kind":"","passphrase":"","count":0,"digits":0},"#,
    r#""otp_card":{"user":"","passphrase":"","count":0}}"#,
    "\n"
);

fn answer(method: &str, mut question: Question, arguments: &Arguments) -> Result<Value, Failure> {
    match method {
        "status" | "events" => {
            question.end()?;
            ask_daemon(arguments, &request(method, vec![]))
        }
        "grants" => {
            let skip = question.number("skip")?.unwrap_or(0);
            question.end()?;
            ask_daemon(arguments, &request(method, vec![("skip", skip.into())]))
        }
        "revoke" => revoke(question, arguments),
        "check" => {
            question.end()?;
            read_back(&check::report(&arguments.config))
        }
        "explain" => explain_payload(question, &arguments.config),
        "explain_capture" => explain_capture(question, &arguments.config),
        "keygen" => {
            let digest = question.text("hmac_digest")?.unwrap_or_else(|| DigestType::Sha256.name().to_owned());
            question.end()?;
            let digest = digest.parse().map_err(|fault| format!("hmac_digest: {fault}"))?;
            let (key, hmac_key) = keygen::fresh(digest)?;
            Ok(object(vec![
                ("ok", true.into()),
                ("key_base64", key.as_str().into()),
                ("hmac_key_base64", hmac_key.as_str().into()),
            ]))
        }
        "otp_list" => passwords::list(question, arguments),
        "otp_forgive" => passwords::forgive(question, arguments),
        "otp_add" => passwords::make(question, arguments, false),
        "otp_reset" => passwords::make(question, arguments, true),
        "otp_remove" => passwords::remove(question, arguments),
        "otp_card" => passwords::card(question, arguments),
        _ => Err(format!("there is no method {method:?}")),
    }
}

/// The daemon judges what is asked for; nothing named is no wish to end all.
fn revoke(mut question: Question, arguments: &Arguments) -> Result<Value, Failure> {
    let mut fields: Vec<(&str, Value)> = Vec::new();
    fields.extend(question.text("access")?.map(|access| ("access", access.into())));
    fields.extend(question.parsed::<IpAddr>("source")?.map(|source| ("source", source.to_string().into())));
    for switch in ["all", "kill"] {
        fields.extend(question.switch(switch)?.then_some((switch, true.into())));
    }
    question.end()?;
    ask_daemon(arguments, &request("revoke", fields))
}

/// What the daemon says; where none listens, that is no fault of the question, and `away` tells it from one.
fn ask_daemon(arguments: &Arguments, request: &Value) -> Result<Value, Failure> {
    match connect(arguments.socket.as_ref()) {
        Ok(mut daemon) => ask(&mut daemon, request),
        Err(error) => Ok(object(vec![("ok", false.into()), ("error", error.into()), ("away", true.into())])),
    }
}

/// One payload as text, as `fwknop -B` saves it; what a copy adds at its ends is no part of it.
fn explain_payload(mut question: Question, config: &Path) -> Result<Value, Failure> {
    let payload = question.text("payload")?.unwrap_or_default();
    let arrival = Arrival {
        source: question.parsed("source")?.unwrap_or_else(|| IpAddr::from([192, 0, 2, 1])),
        destination: question.parsed("destination")?,
        transport: question.text("transport")?.map_or(Ok(Transport::Udp), |text| transport(&text))?,
        port: question.number("port")?.map(u16::try_from).transpose().map_err(|_| "port: it is 0 to 65535")?,
    };
    question.end()?;
    let payload = payload.trim();
    if payload.is_empty() || payload.len() > PACKET_MAX {
        return Err(format!("payload: a packet of 1 to {PACKET_MAX} characters is needed"));
    }
    with_engine(config, |explainer| {
        let datagram = arrival.datagram(payload.as_bytes(), explainer.main)?;
        let explanation = explain("the packet".to_owned(), &datagram, wall(), explainer);
        Ok(vec![value_of(&explanation)?])
    })
}

/// A capture file in base64.
fn explain_capture(mut question: Question, config: &Path) -> Result<Value, Failure> {
    let data = question.text("data")?.unwrap_or_default();
    question.end()?;
    let capture = base64::decode_vec(data.trim_end_matches('=')).ok_or("data: it is no base64")?;
    let memory = memfd_create("capture", MemfdFlags::CLOEXEC).map_err(|error| format!("no memory file: {error}"))?;
    let mut left = capture.as_slice();
    while !left.is_empty() {
        let written = rustix::io::write(&memory, left).map_err(|error| format!("no memory file: {error}"))?;
        left = left.get(written..).unwrap_or_default();
    }
    let path = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
    with_engine(config, |explainer| {
        // What somebody has sent meets libpcap, which is C, only without root's rights.
        let confined = if is_root() { User::find(USER).become_it() } else { Ok(()) };
        confined.and_then(|()| renounce()).map_err(|error| format!("cannot give up rights: {error}"))?;
        let (mut explanations, mut length) = (Vec::new(), 0_usize);
        let each = |explanation: &Explanation| {
            if explanations.len() >= FRAMES_MAX {
                return Err(format!("the capture has more than {FRAMES_MAX} packets; save fewer"));
            }
            let value = value_of(explanation)?;
            length = length.saturating_add(json(&value).len());
            if length > EXPLANATIONS_MAX {
                return Err(
                    "what is to be said of the capture is too long for one answer; save fewer packets".to_owned()
                );
            }
            explanations.push(value);
            Ok(())
        };
        explain_savefile(&path, "the capture", explainer, each)?;
        Ok(explanations)
    })
    .map_err(|error| error.replace(&path.display().to_string(), "the capture"))
}

/// What is explained by the saved configuration.
fn with_engine(
    config: &Path,
    explanations: impl FnOnce(&mut Explainer<'_>) -> Result<Vec<Value>, Failure>,
) -> Result<Value, Failure> {
    let config = load_quietly(config)?;
    let mut engine = Engine::new(&config, Memory::default());
    let mut explainer = Explainer { main: &config.main, engine: &mut engine, resolve: false };
    Ok(object(vec![("ok", true.into()), ("explanations", explanations(&mut explainer)?.into())]))
}

/// The explanation with the reason in words.
fn value_of(explanation: &Explanation) -> Result<Value, Failure> {
    let mut value = read_back(explanation)?;
    if let (Some(fields), Some(words)) = (value.as_object_mut(), explanation.words()) {
        fields.insert("text".to_owned(), words.into());
    }
    Ok(value)
}

/// What would be written, as fields: serde's own way without the writing is code of 10 KB more.
fn read_back(body: &impl serde::Serialize) -> Result<Value, Failure> {
    let read = serde_json::to_vec(body).and_then(|text| serde_json::from_slice(&text));
    read.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_that_is_listed_is_known() {
        let arguments = Arguments {
            config: "/nonexistent".into(),
            socket: Some("/nonexistent".into()),
            state_dir: "/nonexistent".into(),
            verb: String::new(),
            method: None,
        };
        for method in serde_json::from_str::<serde_json::Map<String, Value>>(METHODS).unwrap().keys() {
            let outcome = answer(method, Question::default(), &arguments);
            assert!(!outcome.is_err_and(|error| error.starts_with("there is no method")), "{method}");
        }
        assert!(answer("shutdown", Question::default(), &arguments).is_err());
    }
}
