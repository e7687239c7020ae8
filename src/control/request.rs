//! From one line to one request, or to the words that say what is wrong with it.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::{VERSION, json};
use crate::config::printable;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// How the daemon is.
    Status,
    /// The living grants, but for so many of the first ones.
    Grants {
        /// How many the client has already.
        skip: usize,
    },
    /// What happened lately.
    Events {
        /// Whether what happens from now on is wanted too.
        follow: bool,
    },
    /// The end of living grants before their time: those of this stanza and of this source; without either, all.
    Revoke {
        /// Only grants of this stanza.
        access: Option<String>,
        /// Only grants for this source address, and widened ones that hold it.
        source: Option<IpAddr>,
        /// Whether the connections that they let in are to end, too.
        kill: bool,
    },
    /// The configuration is to be read again.
    Reload,
    /// How the page of one-time passwords is, and who is locked out of it.
    Otp,
    /// What strangers tried at this user's one-time passwords is to be forgotten.
    Forgive {
        /// The user.
        user: String,
    },
}

/// The requests by name, with the fields that each has besides `v` and `request`.
const REQUESTS: [(&str, &[&str]); 7] = [
    ("status", &[]),
    ("grants", &["skip"]),
    ("events", &["follow"]),
    ("revoke", &["access", "source", "all", "kill"]),
    ("reload", &[]),
    ("otp", &[]),
    ("forgive", &["user"]),
];

impl Request {
    /// Reads one line without its end.
    ///
    /// # Errors
    /// One sentence for the client.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let fields: Map<String, Value> =
            serde_json::from_slice(line).map_err(|error| format!("the request is not a JSON object: {error}"))?;
        match fields.get("v") {
            Some(version) if *version == VERSION => {}
            Some(version) => {
                return Err(format!(
                    "version {} is not known; this daemon speaks version {VERSION}",
                    printable(json(version).as_bytes())
                ));
            }
            None => return Err(format!("the field v is missing; this daemon speaks version {VERSION}")),
        }
        let Some(name) = fields.get("request").and_then(Value::as_str) else {
            return Err("the field request is missing, or no string".to_owned());
        };
        let Some((name, known)) = REQUESTS.iter().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = REQUESTS.iter().map(|(name, _)| *name).collect();
            return Err(format!("there is no request '{}', only {}", printable(name.as_bytes()), names.join(", ")));
        };
        let allowed = |field: &str| field == "v" || field == "request" || known.contains(&field);
        if let Some(stranger) = fields.keys().find(|field| !allowed(field)) {
            return Err(format!("the request {name} has no field '{}'", printable(stranger.as_bytes())));
        }
        match *name {
            "status" => Ok(Self::Status),
            "grants" => Ok(Self::Grants { skip: number(&fields, "skip")? }),
            "events" => Ok(Self::Events { follow: flag(&fields, "follow")? }),
            "revoke" => revoke(&fields),
            "otp" => Ok(Self::Otp),
            "forgive" => match text(&fields, "user")? {
                Some(user) => Ok(Self::Forgive { user: user.to_owned() }),
                None => Err("the field user is missing".to_owned()),
            },
            _ => Ok(Self::Reload),
        }
    }
}

/// Which grants are to end; nothing named is no wish to end all.
fn revoke(fields: &Map<String, Value>) -> Result<Request, String> {
    let access = text(fields, "access")?.map(str::to_owned);
    let source = match text(fields, "source")? {
        Some(source) => Some(source.parse().map_err(|_| "the field source is no IPv4 or IPv6 address".to_owned())?),
        None => None,
    };
    match (flag(fields, "all")?, access.is_some() || source.is_some()) {
        (true, true) => Err("all grants, or those of a stanza or source: not both".to_owned()),
        (false, false) => Err("name the field access or source, or all".to_owned()),
        _ => Ok(Request::Revoke { access, source, kill: flag(fields, "kill")? }),
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    let text = value.as_str().ok_or_else(|| format!("the field {name} is no string"))?;
    // It goes into a log line.
    if text.chars().any(char::is_control) {
        return Err(format!("the field {name} has characters that are not printable"));
    }
    Ok(Some(text))
}

fn flag(fields: &Map<String, Value>, name: &str) -> Result<bool, String> {
    fields.get(name).map_or(Ok(false), |value| value.as_bool().ok_or_else(|| format!("the field {name} is no boolean")))
}

fn number(fields: &Map<String, Value>, name: &str) -> Result<usize, String> {
    let Some(value) = fields.get(name) else { return Ok(0) };
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| format!("the field {name} is no count"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_read() {
        for (line, request) in [
            (r#"{"v":1,"request":"status"}"#, Request::Status),
            (r#"{"request":"grants","v":1}"#, Request::Grants { skip: 0 }),
            (r#"{"v":1,"request":"grants","skip":256}"#, Request::Grants { skip: 256 }),
            (r#"{"v":1,"request":"events"}"#, Request::Events { follow: false }),
            (r#" {"v":1, "request":"events", "follow":true} "#, Request::Events { follow: true }),
            (
                r#"{"v":1,"request":"revoke","access":"alice","source":"2001:db8::1"}"#,
                Request::Revoke { access: Some("alice".into()), source: "2001:db8::1".parse().ok(), kill: false },
            ),
            (
                r#"{"v":1,"request":"revoke","all":true,"kill":true}"#,
                Request::Revoke { access: None, source: None, kill: true },
            ),
            (r#"{"v":1,"request":"reload"}"#, Request::Reload),
            (r#"{"v":1,"request":"otp"}"#, Request::Otp),
            (r#"{"v":1,"request":"forgive","user":"alice"}"#, Request::Forgive { user: "alice".into() }),
        ] {
            assert_eq!(Request::parse(line.as_bytes()), Ok(request), "{line}");
            // Cut anywhere, it is no request any more.
            let line = line.trim_end();
            for cut in 0..line.len() {
                assert!(Request::parse(&line.as_bytes()[..cut]).is_err(), "{line} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let deep = "[".repeat(4000);
        for (line, words) in [
            ("", "not a JSON object"),
            ("status", "not a JSON object"),
            ("[1]", "not a JSON object"),
            (&deep, "not a JSON object"),
            ("{\"v\":1,\"request\":\"\u{0}\"}", "not a JSON object"),
            (r#"{"request":"status"}"#, "v is missing"),
            (r#"{"v":2,"request":"status"}"#, "version 2 is not known"),
            (r#"{"v":"1","request":"status"}"#, "is not known"),
            (r#"{"v":1.5,"request":"status"}"#, "is not known"),
            (r#"{"v":1}"#, "request is missing"),
            (r#"{"v":1,"request":7}"#, "request is missing"),
            (r#"{"v":1,"request":"stat\u001bus"}"#, "no request 'stat\\u{1b}us'"),
            (r#"{"v":1,"request":"status","follow":true}"#, "status has no field 'follow'"),
            (r#"{"v":1,"request":"grants","skip":-1}"#, "no count"),
            (r#"{"v":1,"request":"events","follow":1}"#, "no boolean"),
            (r#"{"v":1,"request":"revoke","kill":true}"#, "access or source, or all"),
            (r#"{"v":1,"request":"revoke","all":true,"kill":1}"#, "kill is no boolean"),
            (r#"{"v":1,"request":"revoke"}"#, "access or source, or all"),
            (r#"{"v":1,"request":"revoke","all":false}"#, "access or source, or all"),
            (r#"{"v":1,"request":"revoke","all":true,"access":"a"}"#, "not both"),
            (r#"{"v":1,"request":"revoke","access":null}"#, "no string"),
            (r#"{"v":1,"request":"revoke","access":"a\nspa-knockd: grant b"}"#, "not printable"),
            (r#"{"v":1,"request":"forgive"}"#, "user is missing"),
            (r#"{"v":1,"request":"forgive","user":1}"#, "no string"),
            (r#"{"v":1,"request":"otp","user":"a"}"#, "otp has no field 'user'"),
            (r#"{"v":1,"request":"revoke","source":"192.0.2.0/24"}"#, "no IPv4 or IPv6 address"),
        ] {
            let error = Request::parse(line.as_bytes()).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
