//! What a message asks for: the address to open for, and ports, a forward or a command.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use super::fields::{Fields, MessageType, is_text};
use crate::limits::{HOST_NAME_MAX, NAT_HOST_MAX};
use crate::net::{Port, parse_port};
use crate::reason::Reason;

/// Longest label of a host name, in characters (RFC 1035, section 2.3.4).
const LABEL_MAX: usize = 63;

/// The address that a knock wants something opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowAddress {
    /// `0.0.0.0` or `::`: wherever the packet comes from.
    PacketSource,
    /// This address. An IPv6 one is an extension that fwknopd itself does not know.
    Address(IpAddr),
}

/// The inside host of a forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatHost {
    /// An address; an IPv6 one is an extension that fwknopd itself does not know.
    Address(IpAddr),
    /// A host name that the server has to resolve.
    Name(String),
}

/// Where a forward leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatTarget {
    /// The host.
    pub host: NatHost,
    /// The port of the service there.
    pub port: NonZeroU16,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// Open these ports, at least one.
    Access(Vec<Port>),
    /// Forward an outside port to a host behind the server.
    Nat {
        /// The outside ports, at least one; fwknopd uses only the first.
        ports: Vec<Port>,
        /// The inside service.
        target: NatTarget,
    },
    /// Redirect an outside port to a service of the server itself.
    LocalNat {
        /// The outside ports, at least one; fwknopd uses only the first.
        ports: Vec<Port>,
        /// The service.
        target: NatTarget,
    },
    /// Run this command; at least one character, none of them a control character.
    Command(String),
}

/// The meaning of a packet's message and NAT field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whom it is for.
    pub address: AllowAddress,
    /// What it is.
    pub kind: RequestKind,
}

impl Request {
    /// The host name that has to be looked up, where there is one.
    #[must_use]
    pub fn host_name(&self) -> Option<&str> {
        match &self.kind {
            RequestKind::Nat { target, .. } | RequestKind::LocalNat { target, .. } => match &target.host {
                NatHost::Name(name) => Some(name),
                NatHost::Address(_) => None,
            },
            RequestKind::Access(_) | RequestKind::Command(_) => None,
        }
    }

    /// The same request with this address in the place of the host.
    #[must_use]
    pub fn at(mut self, address: IpAddr) -> Self {
        if let RequestKind::Nat { target, .. } | RequestKind::LocalNat { target, .. } = &mut self.kind {
            target.host = NatHost::Address(address);
        }
        self
    }
}

/// Reads message and NAT field as the message type has them.
///
/// # Errors
/// [`Reason::Message`], then [`Reason::Nat`].
pub fn read(fields: &Fields) -> Result<Request, Reason> {
    let (address, rest) = fields.message.split_once(',').ok_or(Reason::Message)?;
    let address = allow_address(address).ok_or(Reason::Message)?;
    let kind = match fields.message_type {
        MessageType::Command if is_text(rest) => RequestKind::Command(rest.to_owned()),
        MessageType::Command => return Err(Reason::Message),
        MessageType::Access | MessageType::TimeoutAccess => RequestKind::Access(ports(rest)?),
        MessageType::NatAccess | MessageType::TimeoutNatAccess => {
            RequestKind::Nat { ports: ports(rest)?, target: target(fields)? }
        }
        MessageType::LocalNat | MessageType::TimeoutLocalNat => {
            RequestKind::LocalNat { ports: ports(rest)?, target: target(fields)? }
        }
    };
    Ok(Request { address, kind })
}

fn allow_address(text: &str) -> Option<AllowAddress> {
    let address: IpAddr = text.parse().ok()?;
    Some(if address.is_unspecified() { AllowAddress::PacketSource } else { AllowAddress::Address(address) })
}

fn ports(text: &str) -> Result<Vec<Port>, Reason> {
    text.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_| Reason::Message)
}

fn target(fields: &Fields) -> Result<NatTarget, Reason> {
    fields.nat.as_deref().and_then(nat_target).ok_or(Reason::Nat)
}

/// Reads `host,port`, with exactly one comma.
fn nat_target(text: &str) -> Option<NatTarget> {
    let (host, port) = text.split_once(',')?;
    let port = parse_port(port)?;
    if host.len() > NAT_HOST_MAX {
        return None;
    }
    let host = if let Ok(v4) = host.parse::<Ipv4Addr>() {
        NatHost::Address(v4.into())
    } else if let Ok(v6) = host.parse::<Ipv6Addr>() {
        NatHost::Address(v6.into())
    } else if is_host_name(host) {
        NatHost::Name(host.to_owned())
    } else {
        return None;
    };
    Some(NatTarget { host, port })
}

/// Letters, digits and inner hyphens in labels (RFC 1123, section 2.1), with one final dot or none.
///
/// A last label of digits alone would be no name but an odd spelling of an address, which resolvers take for one.
pub(crate) fn is_host_name(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X");
    text.len() <= HOST_NAME_MAX && text.split('.').all(is_label) && !numeric
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knock::fwknop::fields::VERSION;
    use crate::knock::fwknop::keys::DigestType;

    fn request(message_type: MessageType, message: &str, nat: Option<&str>) -> Result<Request, Reason> {
        read(&Fields {
            random: 0,
            user: "alice".to_owned(),
            timestamp: 0,
            version: VERSION.to_owned(),
            message_type,
            message: message.to_owned(),
            nat: nat.map(str::to_owned),
            server_auth: None,
            client_timeout: None,
            digest_type: DigestType::Sha256,
        })
    }

    fn refuse(message_type: MessageType, messages: &[&str]) {
        for message in messages {
            assert_eq!(request(message_type, message, None), Err(Reason::Message), "{message:?}");
        }
    }

    #[test]
    fn access_names_an_address_and_ports() {
        let asked = request(MessageType::Access, "203.0.113.9,tcp/22,udp/65535,tcp/22", None).unwrap();
        assert_eq!(asked.address, AllowAddress::Address("203.0.113.9".parse().unwrap()));
        let RequestKind::Access(ports) = asked.kind else { panic!("{asked:?}") };
        let ports: Vec<_> = ports.iter().map(Port::to_string).collect();
        assert_eq!(ports, ["tcp/22", "udp/65535", "tcp/22"]);
        for open in ["0.0.0.0,tcp/1", "::,tcp/1", "0:0:0:0:0:0:0:0,tcp/1"] {
            let asked = request(MessageType::TimeoutAccess, open, None).unwrap();
            assert_eq!(asked.address, AllowAddress::PacketSource);
        }
        let asked = request(MessageType::Access, "2001:db8::1,tcp/1", None).unwrap();
        assert_eq!(asked.address, AllowAddress::Address("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_address_or_no_port_list_is_refused() {
        refuse(
            MessageType::Access,
            &[
                "",
                ",",
                ",tcp/22",
                "203.0.113.9",
                "203.0.113.9,",
                "203.0.113.9;tcp/22",
                "203.0.113,tcp/22",
                "203.0.113.09,tcp/22",
                "0203.0.113.9,tcp/22",
                "256.0.0.1,tcp/22",
                "1.2.3.4.5,tcp/22",
                " 1.2.3.4,tcp/22",
                "1.2.3.4 ,tcp/22",
                "+1.2.3.4,tcp/22",
                "0x1.2.3.4,tcp/22",
                "localhost,tcp/22",
                "fe80::1%eth0,tcp/22",
                "[2001:db8::1],tcp/22",
                "1.2.3.4,tcp/22,",
                "1.2.3.4,,tcp/22",
                "1.2.3.4, tcp/22",
                "1.2.3.4,tcp/22 ",
                "1.2.3.4,tcp/22\n",
                "1.2.3.4,tcp/0",
                "1.2.3.4,tcp/65536",
                "1.2.3.4,tcp/",
                "1.2.3.4,tcp",
                "1.2.3.4,22",
                "1.2.3.4,tcp/1-9",
                "1.2.3.4,TCP/22",
                "1.2.3.4,icmp/8",
                "1.2.3.4,none/0",
                "1.2.3.4,sctp/22",
                "1.2.3.4,tcp/22;id",
                "1.2.3.4,tcp/\u{662}",
            ],
        );
    }

    #[test]
    fn a_command_is_free_text_after_the_first_comma() {
        let asked = request(MessageType::Command, "203.0.113.9,/bin/echo a,b", None).unwrap();
        assert_eq!(asked.kind, RequestKind::Command("/bin/echo a,b".to_owned()));
        refuse(MessageType::Command, &["", "id", "1.2.3.4", "1.2.3.4,", "1.2.3,id", "1.2.3.4,a\nb", "1.2.3.4,a\0"]);
    }

    #[test]
    fn a_nat_field_is_one_host_and_one_port() {
        let name = |label: usize, tail: &str| "a".repeat(label) + tail;
        for (nat, host) in [
            ("10.1.1.5,80", NatHost::Address("10.1.1.5".parse().unwrap())),
            ("2001:db8::5,80", NatHost::Address("2001:db8::5".parse().unwrap())),
            ("web-1.lan,65535", NatHost::Name("web-1.lan".to_owned())),
            ("3com.example.,1", NatHost::Name("3com.example.".to_owned())),
            (&(name(63, ".a") + ",1"), NatHost::Name(name(63, ".a"))),
        ] {
            let asked = request(MessageType::NatAccess, "1.2.3.4,tcp/22", Some(nat)).unwrap();
            let RequestKind::Nat { target, .. } = asked.kind else { panic!("{asked:?}") };
            assert_eq!(target.host, host);
            let local = request(MessageType::TimeoutLocalNat, "1.2.3.4,tcp/22", Some(nat)).unwrap();
            assert!(matches!(local.kind, RequestKind::LocalNat { .. }));
        }
        let long = [name(64, ".a") + ",1", name(60, &format!(".{}", name(10, ",1")))];
        for nat in [
            "",
            ",",
            ",80",
            "10.1.1.5",
            "10.1.1.5,",
            "10.1.1.5,0",
            "10.1.1.5,65536",
            "10.1.1.5,80,81",
            "10.1.1.5, 80",
            "10.1.1.5 ,80",
            "10.1.1.5:80",
            "010.1.1.5,80",
            "10.1.1,80",
            "1234,80",
            "10.0x1,80",
            "256.1.1.1,80",
            "10.1.1.5.,80",
            "-a,80",
            "a-,80",
            "a-.b,80",
            "a..b,80",
            ".a,80",
            "a..,80",
            ".,80",
            "a_b,80",
            "a/b,80",
            "a;id,80",
            "$(id),80",
            "a\nb,80",
            "a\u{e4},80",
            "fe80::1%eth0,80",
            &long[0],
            &long[1],
        ] {
            let asked = request(MessageType::NatAccess, "1.2.3.4,tcp/22", Some(nat));
            assert_eq!(asked, Err(Reason::Nat), "{nat:?}");
        }
        assert_eq!(request(MessageType::LocalNat, "1.2.3.4,tcp/22", None), Err(Reason::Nat));
        assert_eq!(request(MessageType::LocalNat, "1.2.3.4,tcp/0", Some("")), Err(Reason::Message));
    }
}
