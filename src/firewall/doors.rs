//! The elements that were revoked, as the doors by which connections came in.

use std::net::{IpAddr, Ipv4Addr};

use super::connections::Connection;
use super::revoke::Ended;
use crate::sorted::SortedMap;

/// Sources that the kernel is asked for one by one; of more, it gives all connections at once.
const SOURCES_MAX: usize = 8;
/// Targets whose place is remembered.
const TARGETS_MAX: usize = 1_024;

/// Elements by their source, because there may be as many of them as connections.
pub(super) struct Doors<'a> {
    /// In the order of their sources.
    single: Vec<&'a Ended>,
    ranges: Vec<&'a Ended>,
    is_own: &'a dyn Fn(IpAddr) -> bool,
    targets: SortedMap<IpAddr, bool>,
}

impl<'a> Doors<'a> {
    /// `is_own` tells whether what is sent to an address ends at this router.
    pub(super) fn new(ended: impl IntoIterator<Item = &'a Ended>, is_own: &'a dyn Fn(IpAddr) -> bool) -> Self {
        let is_single = |door: &&Ended| door.element.first == door.element.last;
        let (mut single, ranges): (Vec<_>, _) = ended.into_iter().partition(is_single);
        single.sort_unstable_by_key(|door| (door.element.first, *door));
        Self { single, ranges, is_own, targets: SortedMap::default() }
    }

    /// Whether any is of the family.
    pub(super) fn has(&self, v6: bool) -> bool {
        self.single.iter().chain(&self.ranges).any(|door| door.element.first.is_ipv6() == v6)
    }

    /// All sources of IPv4, where they are few and single ones; or else none.
    pub(super) fn sources(&self) -> Vec<Ipv4Addr> {
        let v4 = |door: &&Ended| match door.element.first {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        };
        let mut sources: Vec<Ipv4Addr> = self.single.iter().filter_map(v4).collect();
        sources.dedup();
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
            if let Some(known) = targets.get(&target) {
                return *known;
            }
            let known = is_own(target);
            targets.insert(target, known);
            known
        };
        let start = single.partition_point(|door| door.element.first < connection.source);
        let single = single.iter().skip(start).take_while(|door| door.element.first == connection.source);
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
