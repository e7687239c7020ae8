//! The lines of JSON on the page's socket: one asked, one answered, one exchange a connection.

use std::fmt;
use std::net::IpAddr;

use serde::{Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use super::fields::{Fields, is_flat, number, text, texts, variant};
use crate::limits::{NAME_MAX, OTP_RESPONSE_MAX, PAGE_ADDRESS_MAX, PAGE_HEADER_MAX, PAGE_LINE_MAX, PAGE_SERVICES_MAX};

/// The version of both lines. Program and daemon are of one package, so another version is refused.
pub const VERSION: u32 = 1;

/// How deep a line is nested at the most: a list in a form in what is asked in the line.
const DEPTH: usize = 4;

/// What the page asks the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ask {
    /// [`VERSION`].
    pub v: u32,
    /// Who asks, and how.
    pub visit: Visit,
    /// What for.
    pub what: What,
}

/// What the web server says of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Visit {
    /// The other end of the connection (`REMOTE_ADDR`).
    pub peer: IpAddr,
    /// The header `X-Forwarded-For` as it came.
    pub forwarded: Option<String>,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The header `Host` as it came.
    pub host: Option<String>,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The page that asks for the name.
    Entry,
    /// The form with the challenge for this name.
    Form {
        /// The name, which need not be anybody's.
        user: String,
    },
    /// The form, filled in.
    Login(Login),
    /// What is open.
    Ticket {
        /// What [`Opened::ticket`] said.
        ticket: String,
    },
    /// The end of what is open.
    Close {
        /// What [`Opened::ticket`] said.
        ticket: String,
    },
}

/// A form, filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Login {
    /// What [`Form::token`] said.
    pub token: String,
    /// The name.
    pub user: String,
    /// The one-time password as it was typed.
    pub response: Typed,
    /// Another address to open for than the visitor's, as it was typed; none where the field was empty.
    pub address: Option<String>,
    /// Some of [`Form::services`]; all where null.
    pub services: Option<Vec<String>>,
    /// Whether what the user has open for the address is to be closed, and nothing opened.
    pub sign_off: bool,
}

/// A secret that somebody typed: wiped when dropped, and not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Typed(Zeroizing<String>);

impl Typed {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(..)")
    }
}

impl Serialize for Typed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// [`VERSION`].
    pub v: u32,
    /// The visitor's address, the other end's or what a configured proxy says; none where that is no address.
    pub visitor: Option<IpAddr>,
    /// Whether the visit is encrypted.
    pub tls: bool,
    /// What came of the question.
    pub outcome: Outcome,
}

/// What can come of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The page that asks for the name.
    Entry,
    /// The form for a name.
    Form(Form),
    /// It is open.
    Opened(Opened),
    /// What was open is closed.
    Closed {
        /// How many elements of sets were deleted; 0 where nothing was open.
        count: u32,
    },
    /// The ticket is unknown, or what it stood for is over.
    Gone,
    /// No. Why is in the log alone.
    Refused,
    /// The password was right and is spent, and nothing could be opened.
    Spent,
    /// The form was too old, or another visitor's; nothing is spent, and here is a new one.
    Stale(Form),
    /// What was typed as another address is none, or more than one; nothing is spent, and here is a new form.
    Address(Form),
    /// Without TLS there is no page for this visitor.
    Plain,
    /// The page is not there under this name of a host.
    Host,
    /// The page is switched off.
    Off,
    /// Too many visitors are here at once.
    Busy,
    /// The page never sends this.
    Malformed,
}

/// The form for a name; that of an unknown name looks like any other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Form {
    /// The name as it was asked for.
    pub user: String,
    /// The challenge (RFC 2289, section 6.0), such as `otp-md5 98 ke1234 ext`.
    pub challenge: String,
    /// What can be opened, such as `tcp/22`.
    pub services: Vec<String>,
    /// Whether another address may be named.
    pub may_override: bool,
    /// How long what is opened stays open, in seconds.
    pub timeout: u32,
    /// To be sent back with the form.
    pub token: String,
}

/// What is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Opened {
    /// Whose password opened it.
    pub user: String,
    /// For which address or network.
    pub source: String,
    /// What, such as `tcp/22` or `tcp/2222 to 192.168.1.10:22`.
    pub opened: Vec<String>,
    /// How long still, in seconds.
    pub seconds: u32,
    /// Passwords left, where they come to an end and this is the answer to one.
    pub passwords_left: Option<u32>,
    /// To ask again what is open, and to close it: 32 hex digits.
    pub ticket: String,
    /// Whether a new chain has begun with this password.
    pub new_chain: bool,
}

impl Ask {
    /// Reads a line without its end. `None` for what the page never sends: another version, fields that are missing or
    /// unknown, texts that are too long or not printable.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = parse(line)?;
        let visit = Visit::of(fields.take("visit")?)?;
        let ask = Self { v: VERSION, visit, what: What::of(fields.take("what")?)? };
        fields.end()?;
        ask.is_sound().then_some(ask)
    }

    fn is_sound(&self) -> bool {
        let headers = [&self.visit.forwarded, &self.visit.host].into_iter().flatten();
        headers.into_iter().all(|header| is_short(header, PAGE_HEADER_MAX))
            && match &self.what {
                What::Entry => true,
                What::Form { user } => is_short(user, NAME_MAX),
                What::Ticket { ticket } | What::Close { ticket } => is_short(ticket, NAME_MAX),
                What::Login(login) => login.is_sound(),
            }
    }
}

impl Visit {
    fn of(value: Value) -> Option<Self> {
        let mut fields = Fields::of(value)?;
        let visit = Self {
            peer: fields.text("peer")?.parse().ok()?,
            forwarded: fields.perhaps("forwarded", text)?,
            tls: fields.flag("tls")?,
            host: fields.perhaps("host", text)?,
        };
        fields.end()?;
        Some(visit)
    }
}

impl What {
    fn of(value: Value) -> Option<Self> {
        let (name, value) = variant(value)?;
        let Some(value) = value else { return (name == "entry").then_some(Self::Entry) };
        let mut fields = Fields::of(value)?;
        let what = match name.as_str() {
            "form" => Self::Form { user: fields.text("user")? },
            "login" => Self::Login(Login::of(&mut fields)?),
            "ticket" => Self::Ticket { ticket: fields.text("ticket")? },
            "close" => Self::Close { ticket: fields.text("ticket")? },
            _ => return None,
        };
        fields.end()?;
        Some(what)
    }
}

impl Login {
    fn of(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            token: fields.text("token")?,
            user: fields.text("user")?,
            response: Typed::new(fields.text("response")?),
            address: fields.perhaps("address", text)?,
            services: fields.perhaps("services", texts)?,
            sign_off: fields.flag("sign_off")?,
        })
    }

    fn is_sound(&self) -> bool {
        let services = self.services.as_deref().unwrap_or_default();
        is_short(&self.token, NAME_MAX)
            && is_short(&self.user, NAME_MAX)
            && is_short(self.response.text(), OTP_RESPONSE_MAX)
            && self.address.as_ref().is_none_or(|address| is_short(address, PAGE_ADDRESS_MAX))
            && services.len() <= PAGE_SERVICES_MAX
            && services.iter().all(|service| is_short(service, NAME_MAX))
    }
}

impl Answer {
    /// Reads a line without its end; `None` where it is none of this version.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = parse(line)?;
        let visitor = fields.perhaps("visitor", |value| text(value)?.parse().ok())?;
        let tls = fields.flag("tls")?;
        let answer = Self { v: VERSION, visitor, tls, outcome: Outcome::of(fields.take("outcome")?)? };
        fields.end()?;
        Some(answer)
    }
}

impl Outcome {
    fn of(value: Value) -> Option<Self> {
        let (name, value) = variant(value)?;
        let Some(value) = value else {
            return Some(match name.as_str() {
                "entry" => Self::Entry,
                "gone" => Self::Gone,
                "refused" => Self::Refused,
                "spent" => Self::Spent,
                "plain" => Self::Plain,
                "host" => Self::Host,
                "off" => Self::Off,
                "busy" => Self::Busy,
                "malformed" => Self::Malformed,
                _ => return None,
            });
        };
        let mut fields = Fields::of(value)?;
        let outcome = match name.as_str() {
            "form" => Self::Form(Form::of(&mut fields)?),
            "stale" => Self::Stale(Form::of(&mut fields)?),
            "address" => Self::Address(Form::of(&mut fields)?),
            "opened" => Self::Opened(Opened::of(&mut fields)?),
            "closed" => Self::Closed { count: fields.number("count")? },
            _ => return None,
        };
        fields.end()?;
        Some(outcome)
    }
}

impl Form {
    fn of(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            user: fields.text("user")?,
            challenge: fields.text("challenge")?,
            services: texts(fields.take("services")?)?,
            may_override: fields.flag("may_override")?,
            timeout: fields.number("timeout")?,
            token: fields.text("token")?,
        })
    }
}

impl Opened {
    fn of(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            user: fields.text("user")?,
            source: fields.text("source")?,
            opened: texts(fields.take("opened")?)?,
            seconds: fields.number("seconds")?,
            passwords_left: fields.perhaps("passwords_left", number)?,
            ticket: fields.text("ticket")?,
            new_chain: fields.flag("new_chain")?,
        })
    }
}

/// The fields of a line of this version but for [`VERSION`] itself.
fn parse(line: &[u8]) -> Option<Fields> {
    if line.len() >= PAGE_LINE_MAX || !is_flat(line, DEPTH) {
        return None;
    }
    let mut fields = Fields::of(serde_json::from_slice(line).ok()?)?;
    (fields.number("v") == Some(VERSION)).then_some(fields)
}

/// A text of at most so many bytes, without control characters.
fn is_short(text: &str, most: usize) -> bool {
    text.len() <= most && !text.chars().any(char::is_control)
}

/// An [`Ask`] or an [`Answer`] as a line with its end; wiped when dropped. `None` where it is too long to be sent.
#[must_use]
pub fn line(body: &impl Serialize) -> Option<Zeroizing<Vec<u8>>> {
    // The whole buffer from the start: one that grows leaves copies of the password behind. No form grows beyond it, as its
    // fields are short.
    let mut line = Zeroizing::new(Vec::with_capacity(PAGE_LINE_MAX));
    serde_json::to_writer(&mut *line, body).ok()?;
    line.push(b'\n');
    (line.len() <= PAGE_LINE_MAX).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(what: What) -> Ask {
        let visit = Visit {
            peer: "2001:db8::9".parse().unwrap(),
            forwarded: None,
            tls: true,
            host: Some("knock.example:8443".to_owned()),
        };
        Ask { v: 1, visit, what }
    }

    fn login() -> Login {
        Login {
            token: "0a".repeat(16),
            user: "alice".to_owned(),
            response: Typed::new("A \"quoted\" word é".to_owned()),
            address: Some("192.0.2.1".to_owned()),
            services: Some(vec!["tcp/22".to_owned()]),
            sign_off: false,
        }
    }

    fn form() -> Form {
        Form {
            user: "alice".to_owned(),
            challenge: "otp-md5 98 ke1234 ext".to_owned(),
            services: vec!["tcp/22".to_owned()],
            may_override: true,
            timeout: 300,
            token: "0a".repeat(16),
        }
    }

    fn text(body: &impl Serialize) -> String {
        String::from_utf8(line(body).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn what_is_asked_has_this_form_and_comes_back() {
        let head =
            r#"{"v":1,"visit":{"peer":"2001:db8::9","forwarded":null,"tls":true,"host":"knock.example:8443"},"what":"#;
        for (what, json) in [
            (What::Entry, r#""entry"}"#),
            (What::Form { user: "alice".to_owned() }, r#"{"form":{"user":"alice"}}}"#),
            (What::Ticket { ticket: "00ff".to_owned() }, r#"{"ticket":{"ticket":"00ff"}}}"#),
            (What::Close { ticket: "00ff".to_owned() }, r#"{"close":{"ticket":"00ff"}}}"#),
            (
                What::Login(login()),
                r#"{"login":{"token":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","user":"alice","response":"A \"quoted\" word é","address":"192.0.2.1","services":["tcp/22"],"sign_off":false}}}"#,
            ),
            (
                What::Login(Login {
                    response: Typed::new(r#"[[{{"[\{["#.to_owned()),
                    address: None,
                    services: None,
                    sign_off: true,
                    ..login()
                }),
                r#"{"login":{"token":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","user":"alice","response":"[[{{\"[\\{[","address":null,"services":null,"sign_off":true}}}"#,
            ),
        ] {
            let asked = ask(what);
            let line = text(&asked);
            assert_eq!(line, format!("{head}{json}\n"));
            let bytes = line.trim_end().as_bytes();
            assert_eq!(Ask::parse(bytes), Some(asked));
            for cut in 0..bytes.len() {
                assert_eq!(Ask::parse(&bytes[..cut]), None, "{line} cut at {cut}");
            }
            for (place, _) in line.match_indices("{\"") {
                let more = [&line[..=place], "\"more\":1,", &line[place + 1..]].concat();
                assert_eq!(Ask::parse(more.trim_end().as_bytes()), None, "{more}");
            }
        }
    }

    #[test]
    fn what_is_answered_has_this_form_and_comes_back() {
        let opened = Opened {
            user: "alice".to_owned(),
            source: "192.0.2.1".to_owned(),
            opened: vec!["tcp/22".to_owned()],
            seconds: 300,
            passwords_left: Some(97),
            ticket: "00".repeat(16),
            new_chain: false,
        };
        for (outcome, json) in [
            (Outcome::Entry, r#""entry"}"#),
            (Outcome::Closed { count: 2 }, r#"{"closed":{"count":2}}}"#),
            (
                Outcome::Form(form()),
                r#"{"form":{"user":"alice","challenge":"otp-md5 98 ke1234 ext","services":["tcp/22"],"may_override":true,"timeout":300,"token":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}}}"#,
            ),
            (
                Outcome::Opened(opened.clone()),
                r#"{"opened":{"user":"alice","source":"192.0.2.1","opened":["tcp/22"],"seconds":300,"passwords_left":97,"ticket":"00000000000000000000000000000000","new_chain":false}}}"#,
            ),
            (
                Outcome::Stale(Form { services: vec![], may_override: false, ..form() }),
                r#"{"stale":{"user":"alice","challenge":"otp-md5 98 ke1234 ext","services":[],"may_override":false,"timeout":300,"token":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}}}"#,
            ),
            (
                Outcome::Address(form()),
                r#"{"address":{"user":"alice","challenge":"otp-md5 98 ke1234 ext","services":["tcp/22"],"may_override":true,"timeout":300,"token":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}}}"#,
            ),
            (
                Outcome::Opened(Opened { passwords_left: None, new_chain: true, ..opened }),
                r#"{"opened":{"user":"alice","source":"192.0.2.1","opened":["tcp/22"],"seconds":300,"passwords_left":null,"ticket":"00000000000000000000000000000000","new_chain":true}}}"#,
            ),
            (Outcome::Gone, r#""gone"}"#),
            (Outcome::Refused, r#""refused"}"#),
            (Outcome::Spent, r#""spent"}"#),
            (Outcome::Plain, r#""plain"}"#),
            (Outcome::Host, r#""host"}"#),
            (Outcome::Off, r#""off"}"#),
            (Outcome::Busy, r#""busy"}"#),
            (Outcome::Malformed, r#""malformed"}"#),
        ] {
            let answer = Answer { v: 1, visitor: "192.0.2.7".parse().ok(), tls: false, outcome };
            let line = text(&answer);
            assert_eq!(line, format!("{{\"v\":1,\"visitor\":\"192.0.2.7\",\"tls\":false,\"outcome\":{json}\n"));
            let line = line.trim_end();
            assert_eq!(Answer::parse(line.as_bytes()), Some(answer));
            for (place, _) in line.match_indices('{') {
                let more = [&line[..=place], "\"more\":1,", &line[place + 1..]].concat();
                assert_eq!(Answer::parse(more.as_bytes()), None, "{more}");
            }
        }
        let stranger = Answer { v: 1, visitor: None, tls: true, outcome: Outcome::Gone };
        assert_eq!(Answer::parse(text(&stranger).trim_end().as_bytes()), Some(stranger));
    }

    #[test]
    fn what_the_page_never_sends_is_not_taken() {
        let long = |length: usize| "x".repeat(length);
        let with = |change: &dyn Fn(&mut Login)| {
            let mut login = login();
            change(&mut login);
            ask(What::Login(login))
        };
        for bad in [
            Ask { v: 2, ..ask(What::Entry) },
            ask(What::Form { user: long(65) }),
            ask(What::Form { user: "a\0".to_owned() }),
            ask(What::Form { user: "a\nb".to_owned() }),
            ask(What::Close { ticket: long(65) }),
            with(&|login| login.response = Typed::new(long(161))),
            with(&|login| login.response = Typed::new("\u{1b}".to_owned())),
            with(&|login| login.address = Some(long(65))),
            with(&|login| login.token = long(65)),
            with(&|login| login.services = Some(vec![String::new(); 65])),
            with(&|login| login.services = Some(vec![long(65)])),
        ] {
            assert_eq!(Ask::parse(text(&bad).trim_end().as_bytes()), None, "{bad:?}");
        }
        let good = text(&ask(What::Entry));
        let good = good.trim_end();
        assert!(Ask::parse(good.as_bytes()).is_some());
        for (part, other) in [
            (r#""v":1,"#, ""),
            (r#""tls":true"#, r#""tls":1"#),
            (r#""tls":true"#, r#""tls":true,"uid":0"#),
            ("2001:db8::9", "2001:db8::9%eth0"),
            ("2001:db8::9", "999.999.999.999"),
            (r#""entry""#, r#""exit""#),
            (r#""entry""#, r#"{"entry":{},"exit":{}}"#),
            ("knock.example:8443", &long(300)),
            ("{", "[".repeat(4000).as_str()),
            ("true", &[r#"{"a":"#.repeat(120).as_str(), "1", &"}".repeat(120)].concat()),
            ("true", "[[[1]]]"),
        ] {
            assert!(good.contains(part));
            assert_eq!(Ask::parse(good.replacen(part, other, 1).as_bytes()), None, "{other}");
        }
        assert_eq!(Ask::parse(b"\xff{}"), None);
        assert_eq!(line(&Outcome::Closed { count: 0 }).map(|line| line.len()), Some(23));
        assert_eq!(line(&vec!["x"; 8192]), None);
    }

    #[test]
    fn a_password_is_not_shown() {
        assert!(!format!("{:?}", ask(What::Login(login()))).contains("quoted"));
    }
}
