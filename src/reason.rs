//! Every refusal, once: its code, how far the knock had come, and what people read.
//!
//! `docs/reasons.md` is made from this table; a test keeps it true.

use std::fmt;

/// How far a knock had come when it was refused; later stages compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The captured frame held no datagram to look at.
    Frame,
    /// The payload cannot be a knock, whoever sent it.
    Outer,
    /// The stanza is not for this packet.
    Gate,
    /// The sender did not prove that it holds the keys.
    Authentication,
    /// The keys fit, the content does not follow the format.
    Content,
    /// The knock is genuine, but not of now.
    Freshness,
    /// The knock is genuine and new, and asks for what it may not have.
    Policy,
    /// The knock was allowed, and the door did not open.
    Opening,
}

macro_rules! reasons {
    ($($(#[doc = $text:literal])+ $name:ident = $code:literal, $stage:ident;)+) => {
        /// Why a packet did not open anything.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $text])+ $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the checks.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable code that logs, counters and `--json` use.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// How far the knock had come.
            #[must_use]
            pub fn stage(self) -> Stage {
                match self { $(Self::$name => Stage::$stage,)+ }
            }

            /// What it means and what helps, in one or two sentences.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => concat!($($text),+).trim_ascii(),)+ }
            }
        }
    };
}

reasons! {
    /// The frame ends before its headers do.
    FrameCut = "frame_cut", Frame;
    /// The frame carries neither IPv4 nor IPv6.
    FrameNotIp = "frame_not_ip", Frame;
    /// The frame was sent by this host itself.
    FrameOutgoing = "frame_outgoing", Frame;
    /// A header contradicts itself: a wrong version, or a length that does not fit.
    FrameMalformed = "frame_malformed", Frame;
    /// The packet is a fragment; a knock fits one packet.
    Fragment = "fragment", Frame;
    /// The packet carries none of the transports that knocks use.
    FrameTransport = "frame_transport", Frame;
    /// The payload is shorter or longer than any knock; fwknop's are 140 to 1500 characters.
    Size = "size", Outer;
    /// The payload begins with the salt prefix that fwknop's client takes off: a replay trick.
    Prefix = "prefix", Outer;
    /// The payload has a byte outside the base64 alphabet, padding, or bits that no encoder leaves.
    Base64 = "base64", Outer;
    /// The payload is an HTTP request that is no knock: its data is shorter than a packet, or `User-Agent: Fwknop` is
    /// missing and `any_user_agent` is 0.
    Http = "http", Outer;
    /// The packet's source address is not in the stanza's `source` list.
    Source = "source", Gate;
    /// The packet's destination address is not in the stanza's `destination` list.
    Destination = "destination", Gate;
    /// The stanza's `expires` date has passed.
    Expired = "expired", Gate;
    /// The HMAC is wrong or missing: another HMAC key, another HMAC digest, or a changed packet.
    Hmac = "hmac", Authentication;
    /// Decryption gave no knock: another key, another encryption mode, or a damaged packet.
    Decrypt = "decrypt", Authentication;
    /// The digest inside the packet does not match its fields.
    Digest = "digest", Content;
    /// A field of the packet is missing, too many, too long or not what it must be.
    Fields = "fields", Content;
    /// The message of the packet does not name an address and ports, or a command, as its type demands.
    Message = "message", Content;
    /// The NAT field of the packet is not a host and a port.
    Nat = "nat", Content;
    /// The router's clock stands before the program's date, or more than `max_age` behind the last honoured knock,
    /// so no time can be judged; this ends by itself once NTP has set the clock. If it had been wrongly in the
    /// future, `spa-knockd state reset` is the remedy.
    ClockNotSet = "clock_not_set", Freshness;
    /// The knock is older than `max_age`: the client's or the router's clock is off, or the packet was kept back.
    TooOld = "too_old", Freshness;
    /// The knock is more than `max_age` in the future: the client's or the router's clock is off.
    TooNew = "too_new", Freshness;
    /// This knock was seen before, or is no newer than one that was seen and forgotten. If the router's clock had
    /// been wrongly in the future, `spa-knockd state reset` is the remedy.
    Replay = "replay", Freshness;
    /// The knock is not newer than the newest one that this stanza honoured before the last reboot, or ever where
    /// `max_age` is 0. If the clock had been wrongly in the future, `spa-knockd state reset` is the remedy.
    NotNewer = "not_newer", Freshness;
    /// The replay memory is full of knocks that are still fresh; wait for `max_age` seconds.
    ReplayFull = "replay_full", Freshness;
    /// The user name in the knock is not the stanza's `require_username`.
    Username = "username", Policy;
    /// The knock leaves the address open (0.0.0.0), and the stanza demands one, or `X-Forwarded-For` names several:
    /// knock with `-a` or `-R`, or set `require_source_address` to 0.
    SourceAddressRequired = "source_address_required", Policy;
    /// The address to open for is of another family than the packet's: IPv6 is granted only to a knock that came
    /// over IPv6, and a destination must be of the source's family.
    Family = "family", Policy;
    /// The address to open for is loopback, link-local, multicast, reserved, or the router's own.
    AddressForbidden = "address_forbidden", Policy;
    /// The knock is a command message, and its text is not the name of one of the stanza's commands: see `command`.
    CommandNotAllowed = "command_not_allowed", Policy;
    /// The knock asks for a forward to an inside host, and the stanza does not allow that: see `forward` and
    /// `allow_nat`.
    NatNotAllowed = "nat_not_allowed", Policy;
    /// The knock asks for a redirect on the router itself, and the stanza does not allow that: see `allow_local_nat`.
    LocalNatNotAllowed = "local_nat_not_allowed", Policy;
    /// The knock asks for a port in the stanza's `restrict` list.
    PortRestricted = "port_restricted", Policy;
    /// The knock asks for a port that is not in the stanza's `open` list.
    PortNotAllowed = "port_not_allowed", Policy;
    /// The NAT request names a host, and the stanza does not let names be looked up: knock with the host's address, or
    /// set `nat_dns` to 1.
    NatName = "nat_name", Policy;
    /// The host name of the NAT request has no address: the router's resolver does not know it or did not answer in
    /// time, or too many look-ups were under way.
    NatUnresolved = "nat_unresolved", Policy;
    /// The NAT request leads to where it may not: to an address outside `nat_target` (by default the networks behind
    /// the router), to the router itself, or to a loopback, link-local, multicast or broadcast address. A redirect on
    /// the router itself must lead to one of its own addresses.
    NatTarget = "nat_target", Policy;
    /// The journal in the run directory cannot be written, so a replay could not be told later.
    Journal = "journal", Opening;
    /// The nftables table or set is missing; in fw4 mode, is the drop-in installed and the firewall started?
    FirewallMissing = "firewall_missing", Opening;
    /// The nftables set is full.
    FirewallFull = "firewall_full", Opening;
    /// The kernel denied the change of the firewall; the daemon needs `CAP_NET_ADMIN`.
    FirewallDenied = "firewall_denied", Opening;
    /// The kernel refused the change of the firewall for another reason; the log has its error.
    FirewallError = "firewall_error", Opening;
    /// The command was allowed, and the helper process could not be told: it is busy or gone; the log has its error.
    Helper = "helper", Opening;
    /// The stanza has an `on_close`, and the daemon cannot remember one more grant whose end has a command run; wait
    /// for the end of another one.
    ClosingFull = "closing_full", Opening;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_stages_ascend() {
        let mut codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Reason::ALL.len());
        assert!(Reason::ALL.is_sorted_by_key(|reason| reason.stage()));
    }
}
