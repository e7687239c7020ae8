//! May this knock have that? A stanza's policy turns a genuine, fresh knock into a grant.

use std::net::IpAddr;
use std::sync::Arc;

use crate::net::{Port, Prefix};

/// One door: who may reach which port, and at which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opening {
    /// Who may come in: one address, or a network where the stanza widens.
    pub source: Prefix,
    /// The only destination address, of the source's family; any address of the router where absent.
    pub destination: Option<IpAddr>,
    /// The port.
    pub port: Port,
}

/// What a knock earned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The stanza that granted it; the comment of the set elements.
    pub access: Arc<str>,
    /// The doors, all with the same life; at least one, without repetition.
    pub openings: Vec<Opening>,
    /// How long the doors stay open, in seconds.
    pub timeout: u32,
}
