//! The lines of JSON on the page's socket: one asked, one answered, one exchange a connection.

mod read;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::limits::PAGE_LINE_MAX;

/// The version of both lines. Program and daemon are of one package, so another version is refused.
pub const VERSION: u32 = 1;

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
