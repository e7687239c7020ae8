//! Is a guarded port open already? A stranger's first packet walks through the living ruleset, rule by rule.
//!
//! What the walk does not know of a packet (who sends it, when, by which mark) lets a rule that asks for it do
//! nothing: "open to some" is not "open to everybody", and "closed to some" is not closed. What it does not
//! understand makes it say so instead of guessing.

mod bits;
mod elements;
mod expression;
pub mod finding;
pub mod guarded;
mod iptables;
mod look;
mod numbers;
mod packet;
mod ruleset;
mod walk;

use std::fmt;
use std::net::IpAddr;

use rustix::io::Errno;

pub use self::finding::{Finding, RuleName, lines};
pub use self::guarded::{At, Guarded, guarded};
pub use self::packet::Way;

use self::elements::Sets;
use self::look::Look;
use self::ruleset::Ruleset;
use super::Guard;
use super::socket::Requests;

/// Why the ruleset was not examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// Without `CAP_NET_ADMIN`.
    Denied,
    /// More rules than are read.
    Large,
    /// It changed all the time.
    Moving,
    /// The kernel's error.
    Kernel(Errno),
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the living ruleset was not examined: ")?;
        match self {
            Self::Denied => f.write_str("not permitted"),
            Self::Large => f.write_str("it has too many rules"),
            Self::Moving => f.write_str("it changes all the time"),
            Self::Kernel(errno) => write!(f, "{errno}"),
        }
    }
}

/// What must be known of the machine.
pub struct Surroundings<'a> {
    /// The machine's own addresses that strangers may connect to.
    pub own: &'a [IpAddr],
    /// Where a packet to an address goes.
    pub way: &'a dyn Fn(IpAddr) -> Way,
    /// The number of a device.
    pub index: &'a dyn Fn(&str) -> Option<u32>,
    /// The guard of standalone mode as a configuration makes it, where that is to be looked at instead of the living one.
    pub planned: Option<&'a Guard>,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("own", &self.own).finish_non_exhaustive()
    }
}

/// What an examination found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// Guarded ports that are open to everybody.
    pub open: Vec<Finding>,
    /// What could not be told, and why, one sentence each.
    pub not_examined: Vec<String>,
    /// Whether fw4's table is there.
    pub has_fw4: bool,
    /// The names of the sets whose elements counted.
    pub sets: Vec<Box<str>>,
}

/// Reads the living ruleset and lets a stranger's packets walk to every guarded port.
///
/// # Errors
/// Why the ruleset cannot be read.
pub fn examine(devices: &[String], guarded: &[Guarded], surroundings: &Surroundings<'_>) -> Result<Examined, Unseen> {
    let open = || Requests::open().map_err(|_| Unseen::Denied);
    let mut requests = open()?;
    let mut ruleset = Ruleset::read(&mut requests)?;
    if let Some(guard) = surroundings.planned {
        ruleset = ruleset.with(guard);
    }
    let mut read = |name: &elements::Name| {
        let set = elements::read(&mut requests, name);
        if set.is_none() {
            // What the kernel still had to say of a large set goes with the socket.
            requests = open().ok()?;
        }
        set
    };
    Ok(Look::new(&ruleset, Sets::new(&mut read), guarded, surroundings).at(devices))
}
