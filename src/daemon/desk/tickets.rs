//! Tickets: who has let somebody in may see what is open, and close it. Each is 128 random bits and ends with its grant.

use std::net::IpAddr;
use std::time::Duration;

use subtle::ConstantTimeEq as _;

use super::tokens::hex;
use crate::access::Grant;
use crate::limits::PAGE_TICKETS_MAX;

/// What a ticket stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Whose password it was, and so the section, too.
    pub(super) user: String,
    /// For which address.
    pub(super) address: IpAddr,
    /// What was opened.
    pub(super) grant: Grant,
    /// When that ends at the latest, a time since boot.
    pub(super) until: Duration,
}

/// All that are good.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    kept: Vec<(String, Kept)>,
}

impl Tickets {
    /// Makes a ticket. Where there are too many, the one that ends first is good no more.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub(super) fn give(&mut self, kept: Kept, now: Duration) -> Result<String, getrandom::Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        let ticket = hex(&random);
        self.kept.retain(|(_, kept)| kept.until > now);
        if self.kept.len() >= PAGE_TICKETS_MAX {
            let first = self.kept.iter().enumerate().min_by_key(|(_, (_, kept))| kept.until).map(|(place, _)| place);
            first.map(|place| self.kept.swap_remove(place));
        }
        self.kept.push((ticket.clone(), kept));
        Ok(ticket)
    }

    /// What a ticket stands for. How long that takes tells nothing of other tickets.
    pub(super) fn find(&self, ticket: &str, now: Duration) -> Option<&Kept> {
        let mut found = None;
        for (known, kept) in &self.kept {
            if bool::from(known.as_bytes().ct_eq(ticket.as_bytes())) {
                found = Some(kept);
            }
        }
        found.filter(|kept| kept.until > now)
    }

    /// Ends all tickets for what this user has open for this address.
    pub(super) fn end(&mut self, user: &str, address: IpAddr) {
        self.kept.retain(|(_, kept)| kept.user != user || kept.address != address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(address: &str, until: u64) -> Kept {
        let grant =
            Grant { access: "alice".into(), openings: Vec::new(), forwards: Vec::new(), command: None, timeout: 300 };
        Kept { user: "alice".to_owned(), address: address.parse().unwrap(), grant, until: Duration::from_secs(until) }
    }

    #[test]
    fn a_ticket_is_good_until_its_grant_ends() {
        let mut tickets = Tickets::default();
        let now = Duration::from_secs(10);
        let ticket = tickets.give(kept("192.0.2.1", 310), now).unwrap();
        assert_eq!(ticket.len(), 32);
        assert_eq!(tickets.find(&ticket, now), Some(&kept("192.0.2.1", 310)));
        assert_eq!(tickets.find(&ticket, Duration::from_secs(310)), None);
        for wrong in ["", &ticket[..31], &ticket.to_uppercase().replace(|digit: char| digit.is_ascii_digit(), "g")] {
            assert_eq!(tickets.find(wrong, now), None, "{wrong}");
        }
        let other = tickets.give(kept("192.0.2.2", 310), now).unwrap();
        assert_ne!(ticket, other);
        tickets.end("bob", "192.0.2.1".parse().unwrap());
        assert!(tickets.find(&ticket, now).is_some());
        tickets.end("alice", "192.0.2.1".parse().unwrap());
        assert!(tickets.find(&ticket, now).is_none() && tickets.find(&other, now).is_some());
    }

    #[test]
    fn their_number_is_bounded_and_those_that_end_first_go() {
        let mut tickets = Tickets::default();
        let given: Vec<String> =
            (0..300).map(|more| tickets.give(kept("192.0.2.1", 1_000 + more), Duration::ZERO).unwrap()).collect();
        let good: Vec<bool> = given.iter().map(|ticket| tickets.find(ticket, Duration::ZERO).is_some()).collect();
        assert_eq!(tickets.kept.len(), PAGE_TICKETS_MAX);
        assert!(good[..44].iter().all(|good| !good) && good[44..].iter().all(|good| *good));
        tickets.give(kept("192.0.2.1", 9_000), Duration::from_secs(5_000)).unwrap();
        assert_eq!(tickets.kept.len(), 1, "what is over goes first");
    }
}
