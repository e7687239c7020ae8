//! The packet that was last refused as seen before: whoever plays it again and again costs no cryptography.

use std::net::IpAddr;

use crate::capture::{Datagram, Transport};
use crate::engine::{Clock, Verdict};
use crate::reason::Reason;

/// A genuine packet that was refused as a replay, with the verdict on it.
///
/// The verdict on the same bytes in the same second is the same: what was seen before stays seen.
#[derive(Debug)]
pub(super) struct Again {
    payload: Vec<u8>,
    source: IpAddr,
    destination: IpAddr,
    transport: Transport,
    clock: Clock,
    pub(super) verdict: Verdict,
}

impl Again {
    /// Keeps the verdict at this time where it is that the packet is a replay.
    pub(super) fn of(datagram: &Datagram<'_>, clock: Clock, verdict: &Verdict) -> Option<Self> {
        let &Datagram { source, destination, transport, payload, .. } = datagram;
        let is_replay = matches!(verdict.outcome, Err(Reason::Replay)) && verdict.entry.is_none();
        is_replay.then(|| Self {
            payload: payload.to_vec(),
            source,
            destination,
            transport,
            clock,
            verdict: verdict.clone(),
        })
    }

    /// Whether its second is over.
    pub(super) fn is_over(&self, clock: Clock) -> bool {
        self.clock != clock
    }

    /// Whether this is that packet once more, by the same way: another way may be another stanza's.
    pub(super) fn is(&self, datagram: &Datagram<'_>, clock: Clock) -> bool {
        !self.is_over(clock)
            && (self.source, self.destination, self.transport)
                == (datagram.source, datagram.destination, datagram.transport)
            && self.payload == datagram.payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_packet_in_the_same_second_by_the_same_way_is_again() {
        let source = "192.0.2.9".parse().unwrap();
        let destination = "198.51.100.1".parse().unwrap();
        let datagram = Datagram {
            source,
            destination,
            transport: Transport::Udp,
            source_port: 9,
            destination_port: 62201,
            payload: b"packet",
        };
        let clock = Clock { unix: 1000, given: false };
        let verdict = |outcome| Verdict { outcome, access: None, fields: None, entry: None, awaits: None };
        for other in [Reason::Hmac, Reason::TooOld, Reason::NatUnresolved] {
            assert!(Again::of(&datagram, clock, &verdict(Err(other))).is_none());
        }
        let again = Again::of(&datagram, clock, &verdict(Err(Reason::Replay))).unwrap();
        assert!(again.is(&datagram, clock));
        assert!(again.is(&Datagram { source_port: 10, ..datagram }, clock));
        assert!(!again.is(&datagram, Clock { unix: 1001, ..clock }));
        assert!(!again.is(&Datagram { payload: b"packeT", ..datagram }, clock));
        assert!(!again.is(&Datagram { source: destination, ..datagram }, clock));
        assert!(!again.is(&Datagram { destination: source, ..datagram }, clock));
        assert!(!again.is(&Datagram { transport: Transport::Tcp, ..datagram }, clock));
    }
}
