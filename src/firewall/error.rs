//! Why the firewall could not be changed, and what helps.

use std::fmt;
use std::io;

use rustix::io::Errno;

use super::sets::Set;
use crate::reason::Reason;

/// Why not all was revoked that should have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrevoked {
    /// How many elements ended all the same.
    pub elements: usize,
    /// What stands against the rest.
    pub error: FirewallError,
}

impl From<FirewallError> for Unrevoked {
    fn from(error: FirewallError) -> Self {
        Self { elements: 0, error }
    }
}

impl fmt::Display for Unrevoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.elements {
            0 => write!(f, "{}", self.error),
            elements => write!(f, "{elements} set elements were revoked, and then: {}", self.error),
        }
    }
}

impl std::error::Error for Unrevoked {}

/// Why the firewall could not be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirewallError {
    /// The table is not there, or the set is not in it.
    Missing {
        /// The table of family inet.
        table: &'static str,
        /// The set; `None` where the whole table is missing.
        set: Option<Set>,
    },
    /// The set holds as many elements as it may.
    Full(Set),
    /// The kernel wants `CAP_NET_ADMIN`.
    Denied,
    /// The kernel refused for another reason.
    Kernel {
        /// What was being done.
        doing: &'static str,
        /// The kernel's error.
        errno: Errno,
    },
    /// The kernel lets nobody read or end connections.
    Connections(Errno),
    /// The kernel's answer is not what it must be.
    Answer(&'static str),
    /// No set can say what was granted.
    Opening(&'static str),
    /// No rule can name this interface.
    Interface(String),
}

impl FirewallError {
    /// The code under which the refusal of a knock is counted.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Missing { .. } => Reason::FirewallMissing,
            Self::Full(_) => Reason::FirewallFull,
            Self::Denied => Reason::FirewallDenied,
            Self::Kernel { .. } | Self::Connections(_) | Self::Answer(_) | Self::Opening(_) | Self::Interface(_) => {
                Reason::FirewallError
            }
        }
    }

    /// Whether knocks are refused for it. Without a set of ended connections they are honoured all the same.
    #[must_use]
    pub fn refuses_knocks(&self) -> bool {
        !matches!(self, Self::Missing { set: Some(set), .. } if set.is_cut())
    }

    /// The error of an errno that means the same whatever was done.
    pub(super) fn kernel(doing: &'static str, errno: Errno) -> Self {
        if errno == Errno::PERM || errno == Errno::ACCESS { Self::Denied } else { Self::Kernel { doing, errno } }
    }
}

impl fmt::Display for FirewallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { table, set } => {
                match set {
                    Some(set) => write!(f, "set {} is missing in table inet {table}", set.name())?,
                    None => write!(f, "table inet {table} is missing")?,
                }
                f.write_str(match set {
                    _ if *table != super::FW4_TABLE => ": `spa-knockd run` makes it in standalone mode",
                    Some(_) => ": `/etc/init.d/spa-knockd start` declares it to fw4, and `fw4 restart` makes it",
                    None => {
                        ": start the firewall with `fw4 restart`; without fw4, as on most systems but OpenWrt, write \
                         option firewall 'standalone'"
                    }
                })
            }
            Self::Full(set) if set.is_cut() => {
                let set = set.name();
                write!(
                    f,
                    "set {set} is full: `nft flush set inet {} {set}`, in standalone mode `inet {}`, makes room; what it \
                     kept ended may be taken up again then",
                    super::FW4_TABLE,
                    super::standalone::TABLE
                )
            }
            Self::Full(set) => {
                write!(f, "set {} is full: wait until grants expire, or delete elements with nft", set.name())
            }
            Self::Denied => f.write_str("the kernel denied it: CAP_NET_ADMIN is needed"),
            Self::Kernel { doing, errno } => {
                write!(f, "could not {doing}: {}", io::Error::from(*errno))
            }
            Self::Connections(errno) => write!(
                f,
                "connections cannot be ended: {}; the kernel needs nf_conntrack_netlink, on OpenWrt \
                 kmod-nf-conntrack-netlink. Nothing was revoked",
                io::Error::from(*errno)
            ),
            Self::Answer(what) => write!(f, "the kernel's answer cannot be used: {what}"),
            Self::Opening(what) => write!(f, "cannot be granted: {what}"),
            Self::Interface(name) => {
                write!(
                    f,
                    "interface name {name:?} cannot be guarded: name each one, with 1 to 15 letters, digits or any of . _ - @ :"
                )
            }
        }
    }
}

impl std::error::Error for FirewallError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_what_is_wrong_and_what_helps() {
        let missing = FirewallError::Missing { table: super::super::FW4_TABLE, set: Some(Set::In4) };
        assert!(missing.to_string().contains("spa_in4_v1 is missing in table inet fw4"));
        assert!(missing.to_string().contains("fw4 restart"));
        assert_eq!(missing.reason(), Reason::FirewallMissing);
        assert!(missing.refuses_knocks());
        assert!(!FirewallError::Missing { table: super::super::FW4_TABLE, set: Some(Set::Cut6) }.refuses_knocks());
        assert_eq!(FirewallError::kernel("x", Errno::PERM), FirewallError::Denied);
        let [full, cut] = [Set::In4, Set::Cut4].map(|set| FirewallError::Full(set).to_string());
        assert!(full.contains("wait until grants expire") && !cut.contains("wait"), "{full}; {cut}");
        assert!(cut.contains("`nft flush set inet fw4 spa_cut4_v1`"), "{cut}");
        let none = FirewallError::Connections(Errno::OPNOTSUPP);
        assert!(none.to_string().contains("kmod-nf-conntrack-netlink. Nothing was revoked"), "{none}");
        let no_table = FirewallError::Missing { table: super::super::FW4_TABLE, set: None };
        assert!(no_table.to_string().ends_with("write option firewall 'standalone'"), "{no_table}");
        assert!(!missing.to_string().contains("standalone"), "there is a fw4: {missing}");
        let other = FirewallError::kernel("add an element", Errno::NOMEM);
        assert!(other.to_string().starts_with("could not add an element: "));
        assert_eq!(other.reason(), Reason::FirewallError);
    }
}
