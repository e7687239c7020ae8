//! From a line of JSON to what it asks or answers; nothing for whatever neither end sends.

use serde_json::Value;

use super::super::fields::{Fields, is_flat, number, text, texts, variant};
use super::{Answer, Ask, Form, Login, Opened, Outcome, Typed, VERSION, Visit, What};
use crate::limits::{NAME_MAX, OTP_RESPONSE_MAX, PAGE_ADDRESS_MAX, PAGE_HEADER_MAX, PAGE_LINE_MAX, PAGE_SERVICES_MAX};

/// How deep a line is nested at the most: a list in a form in what is asked in the line.
const DEPTH: usize = 4;

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
