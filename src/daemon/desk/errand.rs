//! What desk and one poll say to each other.

use std::net::IpAddr;
use std::time::Duration;

use crate::access::Grant;
use crate::net::Port;

/// What somebody asks for who has typed a one-time password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// The section.
    pub(super) section: String,
    /// Where the visit comes from.
    pub(super) visitor: IpAddr,
    /// The address to open for instead.
    pub(super) instead: Option<IpAddr>,
    /// The ports to open; all that there are where absent.
    pub(super) ports: Option<Vec<Port>>,
}

impl Wish {
    /// The address that it is about.
    pub(super) fn address(&self) -> IpAddr {
        self.instead.unwrap_or(self.visitor).to_canonical()
    }
}

/// What the desk wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Whether the section's policy allows it; a refusal is logged.
    Judge(Wish),
    /// The same work for a name that nobody has, by the section that it seems to be; nothing is said of it.
    Weigh(Wish),
    /// What a password that was right and is spent is good for; a refusal is logged.
    Open(Wish),
    /// The end of what a section has opened for an address.
    Close {
        /// The section.
        section: String,
        /// The address.
        address: IpAddr,
    },
    /// Whether something of a grant is still open.
    Look(Grant),
    /// A password was right, and its user's chain is a new one from now on, for the log; nobody waits for an answer.
    Renewed {
        /// The section.
        section: String,
        /// Where the visit came from.
        visitor: IpAddr,
    },
    /// A refusal for the log; nobody waits for an answer.
    Note(Note),
}

/// A refusal by the desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// The section, where there is one: of other names only whoever typed them knows what they are.
    pub(super) section: Option<String>,
    /// Where the visit comes from.
    pub(super) visitor: IpAddr,
    /// The stable code.
    pub(super) code: &'static str,
    /// What it means and what helps.
    pub(super) text: String,
}

/// A want, and until when somebody waits for it.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) number: u32,
    pub(super) until: Duration,
    pub(super) want: Want,
}

/// What came of a want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The policy allows it; with the wall clock in Unix seconds, where that is set.
    Allowed(Option<u64>),
    /// No; it is in the log.
    Refused,
    /// It is open for so long.
    Opened(Grant, Duration),
    /// So many elements of sets were deleted.
    Closed(usize),
    /// It is open for so long still; none where nothing is.
    Left(Option<Duration>),
}

/// The answer to the errand of this number.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) number: u32,
    pub(super) done: Done,
}
