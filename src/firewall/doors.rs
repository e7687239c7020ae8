//! The elements that were revoked, as the doors by which connections came in.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::connections::Connection;
use super::revoke::Ended;

/// Sources that the kernel is asked for one by one; of more, it gives all connections at once.
const SOURCES_MAX: usize = 8;
/// Targets whose place is remembered.
const TARGETS_MAX: usize = 1_024;

/// Elements by their source, because there may be as many of them as connections.
pub(super) struct Doors<'a> {
    single: BTreeMap<IpAddr, Vec<&'a Ended>>,
    ranges: Vec<&'a Ended>,
    is_own: &'a dyn Fn(IpAddr) -> bool,
    targets: BTreeMap<IpAddr, bool>,
}

impl<'a> Doors<'a> {
    /// `is_own` tells whether what is sent to an address ends at this router.
    pub(super) fn new(ended: impl IntoIterator<Item = &'a Ended>, is_own: &'a dyn Fn(IpAddr) -> bool) -> Self {
        let mut doors = Self { single: BTreeMap::new(), ranges: Vec::new(), is_own, targets: BTreeMap::new() };
        for door in ended {
            if door.element.first == door.element.last {
                doors.single.entry(door.element.first).or_default().push(door);
            } else {
                doors.ranges.push(door);
            }
        }
        doors
    }

    /// Whether any is of the family.
    pub(super) fn has(&self, v6: bool) -> bool {
        self.single.keys().chain(self.ranges.iter().map(|door| &door.element.first)).any(|from| from.is_ipv6() == v6)
    }

    /// All sources of IPv4, where they are few and single ones; or else none.
    pub(super) fn sources(&self) -> Vec<Ipv4Addr> {
        let v4 = |address: &IpAddr| match address {
            IpAddr::V4(v4) => Some(*v4),
            IpAddr::V6(_) => None,
        };
        let sources: Vec<Ipv4Addr> = self.single.keys().filter_map(v4).collect();
        let is_wide = self.ranges.iter().any(|door| door.element.first.is_ipv4());
        if is_wide || sources.len() > SOURCES_MAX { Vec::new() } else { sources }
    }

    /// The one that let the connection in.
    pub(super) fn letting_in(&mut self, connection: &Connection) -> Option<&'a Ended> {
        let Self { single, ranges, is_own, targets } = self;
        let target = connection.target;
        let mut ends_here = || {
            if targets.len() >= TARGETS_MAX {
                targets.clear();
            }
            *targets.entry(target).or_insert_with(|| is_own(target))
        };
        let single = single.get(&connection.source).into_iter().flatten();
        single.chain(&*ranges).copied().find(|door| connection.came_by(&door.element, &mut ends_here))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::element::Element;
    use crate::firewall::sets::Set;

    fn ended(set: Set, first: &str, last: &str) -> Ended {
        let (first, last) = (first.parse().unwrap(), last.parse().unwrap());
        let port = Some("tcp/22".parse().unwrap());
        let element = Element { set, port, destination: None, first, last, source_port: None, translation: None };
        Ended { element, access: "alice".into() }
    }

    #[test]
    fn few_single_sources_are_asked_for_and_many_or_wide_ones_are_not() {
        let own = |_| true;
        let four = |n: usize| ended(Set::In4, &format!("192.0.2.{n}"), &format!("192.0.2.{n}"));
        let mut all: Vec<Ended> = (0..SOURCES_MAX).map(four).collect();
        all.push(ended(Set::In6, "2001:db8::1", "2001:db8::1"));
        let doors = Doors::new(&all, &own);
        assert_eq!(doors.sources().len(), SOURCES_MAX);
        assert!(doors.has(false) && doors.has(true));
        all.push(ended(Set::Net6, "2001:db8::", "2001:db8::f"));
        assert_eq!(Doors::new(&all, &own).sources().len(), SOURCES_MAX);
        assert!(!Doors::new(&all[..2], &own).has(true) && Doors::new(&all[9..], &own).has(true));
        assert!(!Doors::new(&all[8..], &own).has(false));
        all.push(ended(Set::Net4, "192.0.2.0", "192.0.2.255"));
        assert_eq!(Doors::new(&all, &own).sources(), Vec::<Ipv4Addr>::new());
        let many: Vec<Ended> = (0..=SOURCES_MAX).map(four).collect();
        assert_eq!(Doors::new(&many, &own).sources(), Vec::<Ipv4Addr>::new());
    }
}
