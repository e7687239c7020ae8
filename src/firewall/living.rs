//! The grants that live now and until when, on `CLOCK_BOOTTIME`.
//!
//! The kernel closes by itself; this memory serves renewal, which never shortens, and the refill of a
//! table that was deleted and came back.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use super::batch::{Batch, LIFE_MIN};
use super::element::Element;
use super::sets::Set;

/// The expiry of an element without a timeout: the owner made it, and it is left alone.
pub(super) const FOREVER: Duration = Duration::MAX;
/// Entries below which nobody looks for expired ones.
const PRUNE_MIN: usize = 64;

/// Until when an element lives, and who granted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) expiry: Duration,
    pub(super) access: Arc<str>,
}

impl Life {
    /// The time left, where the kernel can be asked for it.
    pub(super) fn remaining(&self, now: Duration) -> Option<Duration> {
        if self.expiry == FOREVER {
            return Some(FOREVER);
        }
        let left = self.expiry.checked_sub(now)?;
        (left >= LIFE_MIN).then_some(left)
    }
}

/// What a staged change must restore if the kernel refuses it, newest last.
#[derive(Debug, Default)]
pub(super) struct Undo(Vec<(Element, Option<Life>)>);

/// The elements that live now.
#[derive(Debug, Default)]
pub(super) struct Living {
    elements: BTreeMap<Element, Life>,
    /// At how many entries the expired ones are dropped next: every grant pays a constant share.
    prune_at: usize,
}

impl Living {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Element, &Life)> {
        self.elements.iter()
    }

    pub(super) fn contains(&self, element: &Element) -> bool {
        self.elements.contains_key(element)
    }

    /// The element of the same key, whatever its data: there is at most one.
    fn same_key(&self, element: &Element) -> Option<(&Element, &Life)> {
        let key = element.bare();
        self.elements.range(key..).next().filter(|(found, _)| found.bare() == key)
    }

    /// When the last of what this element opened ends, whoever granted it; a range may have been cut into pieces.
    pub(super) fn until(&self, element: &Element) -> Option<Duration> {
        if !element.set.is_interval() {
            return self.elements.get(element).map(|life| life.expiry);
        }
        let pieces = self.same_door(element);
        let pieces = pieces.filter(|(found, _)| found.first <= element.last && element.first <= found.last);
        pieces.map(|(_, life)| life.expiry).max()
    }

    /// Takes over an element that is in the kernel.
    pub(super) fn adopt(&mut self, element: Element, life: Life) {
        if let Some(other) = self.same_key(&element).map(|(other, _)| *other) {
            self.elements.remove(&other);
        }
        self.elements.insert(element, life);
    }

    pub(super) fn forget(&mut self, element: &Element) -> Option<Life> {
        self.elements.remove(element)
    }

    /// Keeps those of which this is true.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Element, &Life) -> bool) {
        self.elements.retain(|element, life| keep(element, life));
    }

    /// Drops what has expired.
    pub(super) fn prune(&mut self, now: Duration) {
        self.retain(|_, life| life.expiry > now);
        self.prune_at = (self.elements.len() * 2).max(PRUNE_MIN);
    }

    /// Writes into the batch what makes `element` live until `expiry` or, where it lives longer,
    /// leaves it so; and remembers that.
    pub(super) fn stage(&mut self, element: &Element, life: &Life, now: Duration, batch: &mut Batch, undo: &mut Undo) {
        if self.elements.len() >= self.prune_at {
            self.prune(now);
        }
        if element.set.is_interval() {
            self.stage_range(element, life, now, batch, undo);
        } else {
            match self.same_key(element) {
                Some((old, old_life)) if old == element && old_life.expiry >= life.expiry => {
                    confirm(element, old_life, now, batch);
                    return;
                }
                // The kernel takes no other data under a living key.
                Some((old, old_life)) if old != element => {
                    let (old, old_life) = (*old, old_life.clone());
                    self.drop_element(&old, &old_life, now, batch, undo);
                }
                _ => {}
            }
            self.renew(element, life, now, batch, undo);
        }
    }

    /// Undoes what was staged.
    pub(super) fn revert(&mut self, undo: Undo) {
        for (element, life) in undo.0.into_iter().rev() {
            match life {
                Some(life) => self.elements.insert(element, life),
                None => self.elements.remove(&element),
            };
        }
    }

    /// Ranges may not overlap, so that each address gets the longer of the two lives and no more:
    /// longer ranges stay and the new one fills the gaps between them, shorter ones are cut down to
    /// what lies outside the new one.
    fn stage_range(&mut self, element: &Element, life: &Life, now: Duration, batch: &mut Batch, undo: &mut Undo) {
        let overlaps: Vec<(Element, Life)> = self
            .same_door(element)
            .filter(|(old, old_life)| old.first <= element.last && element.first <= old.last && old_life.expiry > now)
            .map(|(old, life)| (*old, life.clone()))
            .collect();
        let mut from = Some(element.first);
        let mut pieces = Vec::new();
        for (old, old_life) in &overlaps {
            if old_life.expiry >= life.expiry {
                confirm(old, old_life, now, batch);
                pieces.extend(from.and_then(|from| piece(element, from, before(old.first)?)));
                // Somebody else's range may lie inside another, so the next gap never moves back.
                from = after(old.last)
                    .filter(|&next| next <= element.last)
                    .and_then(|next| from.map(|from| from.max(next)));
                continue;
            }
            if old == element {
                continue;
            }
            self.drop_element(old, old_life, now, batch, undo);
            let left = before(element.first).and_then(|end| piece(old, old.first, end));
            let right = after(element.last).and_then(|start| piece(old, start, old.last));
            for rest in left.iter().chain(&right) {
                self.renew(rest, old_life, now, batch, undo);
            }
        }
        pieces.extend(from.and_then(|from| piece(element, from, element.last)));
        for piece in &pieces {
            self.renew(piece, life, now, batch, undo);
        }
    }

    /// The ranges of the same set and port, in the order of their addresses.
    fn same_door(&self, element: &Element) -> impl Iterator<Item = (&Element, &Life)> {
        let (lowest, highest) = if element.set == Set::Net6 {
            (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)))
        } else {
            (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::BROADCAST))
        };
        let door = |first, last| Element { first, last, ..*element };
        self.elements.range(door(lowest, lowest)..=door(highest, highest))
    }

    fn drop_element(&mut self, old: &Element, life: &Life, now: Duration, batch: &mut Batch, undo: &mut Undo) {
        if life.expiry == FOREVER {
            batch.add_endless_element(old, &life.access);
            batch.delete_element(old);
        } else {
            let timeout = life.remaining(now).unwrap_or(LIFE_MIN);
            batch.remove_element(old, timeout, &life.access);
        }
        undo.0.push((*old, self.elements.remove(old)));
    }

    fn renew(&mut self, element: &Element, life: &Life, now: Duration, batch: &mut Batch, undo: &mut Undo) {
        let Some(timeout) = life.remaining(now) else {
            return;
        };
        batch.renew_element(element, timeout, &life.access);
        undo.0.push((*element, self.elements.insert(*element, life.clone())));
    }
}

/// Makes sure that an element which lives long enough is there. One without a timeout is the owner's.
fn confirm(element: &Element, life: &Life, now: Duration, batch: &mut Batch) {
    if let Some(timeout) = life.remaining(now).filter(|_| life.expiry != FOREVER) {
        batch.add_element(element, timeout, &life.access);
    }
}

/// The part of a range between two addresses; `None` where that is empty.
fn piece(element: &Element, first: IpAddr, last: IpAddr) -> Option<Element> {
    let (first, last) = (first.max(element.first), last.min(element.last));
    (first <= last).then_some(Element { first, last, ..*element })
}

fn before(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => Some(Ipv4Addr::from_bits(v4.to_bits().checked_sub(1)?).into()),
        IpAddr::V6(v6) => Some(Ipv6Addr::from_bits(v6.to_bits().checked_sub(1)?).into()),
    }
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => Some(Ipv4Addr::from_bits(v4.to_bits().checked_add(1)?).into()),
        IpAddr::V6(v6) => Some(Ipv6Addr::from_bits(v6.to_bits().checked_add(1)?).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::element::Translation;
    use super::*;
    use crate::access::Opening;
    use proptest::prelude::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn element(source: &str) -> Element {
        Element::of(&Opening { source: source.parse().unwrap(), destination: None, port: "tcp/22".parse().unwrap() })
            .unwrap()
    }

    fn grant(living: &mut Living, source: &str, seconds: u64, now: Duration) -> (Batch, Undo) {
        let mut batch = Batch::new("t", 1);
        let mut undo = Undo::default();
        let life = Life { expiry: now + Duration::from_secs(seconds), access: "alice".into() };
        living.stage(&element(source), &life, now, &mut batch, &mut undo);
        (batch, undo)
    }

    fn listed(living: &Living) -> Vec<String> {
        living
            .iter()
            .map(|(element, life)| {
                let left = (life.expiry - NOW).as_secs();
                format!("{}-{} {left}", element.first, element.last)
            })
            .collect()
    }

    #[test]
    fn a_renewal_extends_and_never_shortens() {
        let mut living = Living::default();
        assert_eq!(grant(&mut living, "192.0.2.1", 30, NOW).0.len(), 3);
        assert_eq!(grant(&mut living, "192.0.2.1", 10, NOW).0.len(), 1);
        assert_eq!(listed(&living), ["192.0.2.1-192.0.2.1 30"]);
        grant(&mut living, "192.0.2.1", 60, NOW);
        assert_eq!(listed(&living), ["192.0.2.1-192.0.2.1 60"]);
    }

    #[test]
    fn a_wider_shorter_range_fills_the_gaps_around_a_longer_one() {
        let mut living = Living::default();
        grant(&mut living, "192.0.2.16/28", 60, NOW);
        grant(&mut living, "192.0.2.0/24", 30, NOW);
        assert_eq!(
            listed(&living),
            ["192.0.2.0-192.0.2.15 30", "192.0.2.16-192.0.2.31 60", "192.0.2.32-192.0.2.255 30"]
        );
    }

    #[test]
    fn a_narrower_longer_range_is_cut_out_of_a_wider_one() {
        let mut living = Living::default();
        grant(&mut living, "2001:db8::/32", 30, NOW);
        grant(&mut living, "2001:db8::/64", 60, NOW);
        assert_eq!(
            listed(&living),
            ["2001:db8::-2001:db8::ffff:ffff:ffff:ffff 60", "2001:db8:0:1::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 30"]
        );
        let (batch, _) = grant(&mut living, "2001:db8::/64", 10, NOW);
        assert_eq!((batch.len(), living.iter().count()), (1, 2));
    }

    #[test]
    fn a_range_of_somebody_else_inside_another_opens_no_gap() {
        let mut living = Living::default();
        grant(&mut living, "192.0.2.0/25", 60, NOW);
        let life = Life { expiry: NOW + Duration::from_secs(90), access: "owner".into() };
        living.adopt(element("192.0.2.16/28"), life);
        grant(&mut living, "192.0.2.0/24", 30, NOW);
        assert_eq!(
            listed(&living),
            ["192.0.2.0-192.0.2.127 60", "192.0.2.16-192.0.2.31 90", "192.0.2.128-192.0.2.255 30"]
        );
    }

    #[test]
    fn an_element_ends_with_the_last_of_its_pieces() {
        let mut living = Living::default();
        let until = |living: &Living, source| living.until(&element(source)).map(|end| (end - NOW).as_secs());
        grant(&mut living, "192.0.2.1", 30, NOW);
        grant(&mut living, "192.0.2.0/24", 20, NOW);
        grant(&mut living, "192.0.2.16/28", 60, NOW);
        for (source, end) in [
            ("192.0.2.1", Some(30)),
            ("192.0.2.2", None),
            ("192.0.2.0/24", Some(60)),
            ("192.0.2.0/28", Some(20)),
            ("192.0.2.16/28", Some(60)),
            ("192.0.3.0/24", None),
            ("2001:db8::/32", None),
        ] {
            assert_eq!(until(&living, source), end, "{source}");
        }
    }

    #[test]
    fn a_refused_change_is_undone() {
        let mut living = Living::default();
        grant(&mut living, "192.0.2.0/24", 30, NOW);
        grant(&mut living, "192.0.2.64/26", 90, NOW);
        let before = listed(&living);
        let (_, undo) = grant(&mut living, "192.0.2.0/25", 60, NOW);
        assert_ne!(listed(&living), before);
        living.revert(undo);
        assert_eq!(listed(&living), before);
    }

    #[test]
    fn a_translation_moves_at_once_and_a_refused_move_is_undone() {
        let translated = |to: &str| Element {
            set: Set::Dnat4,
            translation: Some(Translation::Destination(to.parse().unwrap())),
            ..element("192.0.2.1")
        };
        let life = |seconds| Life { expiry: NOW + Duration::from_secs(seconds), access: "alice".into() };
        let mut living = Living::default();
        let stage = |living: &mut Living, to, seconds| {
            let (mut batch, mut undo) = (Batch::new("t", 1), Undo::default());
            living.stage(&translated(to), &life(seconds), NOW, &mut batch, &mut undo);
            (batch.len(), undo)
        };
        assert_eq!(stage(&mut living, "10.0.0.2:22", 60).0, 3);
        assert_eq!(stage(&mut living, "10.0.0.2:22", 30).0, 1);
        // The old one is added and deleted, whether or not it is still there; then as any renewal.
        let (changes, undo) = stage(&mut living, "10.0.0.3:22", 30);
        assert_eq!(changes, 5);
        assert_eq!(living.iter().collect::<Vec<_>>(), [(&translated("10.0.0.3:22"), &life(30))]);
        living.revert(undo);
        assert_eq!(living.iter().collect::<Vec<_>>(), [(&translated("10.0.0.2:22"), &life(60))]);
        living.adopt(translated("10.0.0.4:22"), life(10));
        assert_eq!(living.iter().count(), 1);
    }

    #[test]
    fn what_the_kernel_would_take_for_endless_is_never_asked_for() {
        let life = |millis| Life { expiry: NOW + Duration::from_millis(millis), access: "a".into() };
        assert_eq!(life(0).remaining(NOW), None);
        assert_eq!(life(19).remaining(NOW), None);
        assert_eq!(life(20).remaining(NOW), Some(LIFE_MIN));
        assert_eq!(life(20).remaining(NOW * 2), None);
    }

    #[test]
    fn expired_entries_do_not_pile_up() {
        let mut living = Living::default();
        for host in 0..2_000u32 {
            let now = NOW + Duration::from_secs(u64::from(host) * 10);
            let source = Ipv4Addr::from_bits(0xc000_0000 + host).to_string();
            grant(&mut living, &source, 5, now);
        }
        assert!(living.iter().count() <= PRUNE_MIN);
    }

    proptest! {
        /// Each address lives exactly as long as the longest grant that held it.
        #[test]
        fn ranges_give_each_address_its_longest_grant(
            grants in proptest::collection::vec((any::<u8>(), 24u8..32, 1u64..50), 1..12)
        ) {
            let mut living = Living::default();
            let mut model = [0u64; 256];
            for &(host, length, seconds) in &grants {
                let prefix = crate::net::Prefix::new(IpAddr::from([192, 0, 2, host]), length).unwrap();
                grant(&mut living, &prefix.to_string(), seconds, NOW);
                for (low, longest) in (0..=255u8).zip(&mut model) {
                    if prefix.contains(IpAddr::from([192, 0, 2, low])) {
                        *longest = seconds.max(*longest);
                    }
                }
            }
            for (low, &longest) in (0..=255u8).zip(&model) {
                let address = IpAddr::from([192, 0, 2, low]);
                let lives: Vec<_> = living
                    .iter()
                    .filter(|(element, _)| element.first <= address && address <= element.last)
                    .map(|(_, life)| (life.expiry - NOW).as_secs())
                    .collect();
                let expected: &[u64] = if longest == 0 { &[] } else { &[longest] };
                prop_assert_eq!(&lives[..], expected);
            }
        }
    }
}
