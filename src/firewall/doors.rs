//! The elements that were revoked, as the doors by which connections came in.

use std::collections::BTreeMap;
use std::net::IpAddr;

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

    /// All sources of the family, where they are few and single ones; or else none.
    pub(super) fn sources(&self, v6: bool) -> Vec<IpAddr> {
        let sources: Vec<IpAddr> = self.single.keys().copied().filter(|source| source.is_ipv6() == v6).collect();
        let is_few = sources.len() <= SOURCES_MAX;
        let is_all = !self.ranges.iter().any(|door| door.element.first.is_ipv6() == v6);
        if is_few && is_all { sources } else { Vec::new() }
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
        assert_eq!((doors.sources(false).len(), doors.sources(true).len()), (SOURCES_MAX, 1));
        assert!(doors.has(false) && doors.has(true));
        all.push(four(SOURCES_MAX));
        all.push(ended(Set::Net6, "2001:db8::", "2001:db8::f"));
        let doors = Doors::new(&all, &own);
        assert_eq!((doors.sources(false), doors.sources(true)), (vec![], vec![]));
        assert!(!Doors::new(&all[..2], &own).has(true));
        assert!(Doors::new(&all[10..], &own).has(true));
    }
}
