//! A map whose entries stand sorted in one piece of memory: for a few of them, or for many that come in their order.
//!
//! A tree's code is made anew for each kind of entry, and each takes 3 to 6 KB of a router's flash (docs/size.md).

use std::borrow::Borrow;
use std::{mem, slice, vec};

use serde::{Serialize, Serializer};

/// A map in the order of its keys. What comes or goes moves all entries behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortedMap<K, V>(Vec<(K, V)>);

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }

    /// The value of this key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(self.place(key).ok()?).map(|(_, value)| value)
    }

    /// Whether the key is there.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// Gives the key this value, and gives back the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(place) => self.0.get_mut(place).map(|(_, old)| mem::replace(old, value)),
            Err(place) => {
                self.0.insert(place, (key, value));
                None
            }
        }
    }

    /// Takes the key out, and gives back its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        Some(self.0.remove(place).1)
    }

    /// Keeps the entries of which this is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }
}

impl<V: Ord + Copy> SortedMap<String, V> {
    /// Gives the key this value unless the one that it has is higher.
    pub fn raise(&mut self, key: &str, value: V) {
        let highest = self.get(key).map_or(value, |old| value.max(*old));
        self.insert(key.to_owned(), highest);
    }
}

impl<K, V> SortedMap<K, V> {
    /// All entries in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// All keys in their order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// All values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all entries.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a SortedMap<K, V> {
    type Item = &'a (K, V);
    type IntoIter = slice::Iter<'a, (K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        map.extend(entries);
        map
    }
}

impl<K: Serialize, V: Serialize> Serialize for SortedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// Puts a list in order, each entry once: a set, for whoever only goes through it.
pub fn once_each<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((any::<u8>(), any::<u16>(), 0_u8..8), 0..200)) {
            let (mut map, mut model) = (SortedMap::default(), BTreeMap::new());
            for (key, value, step) in steps {
                match step {
                    0 => {
                        map.retain(|known, _| known % 7 != key % 7);
                        model.retain(|known, _| known % 7 != key % 7);
                    }
                    1 => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                    _ => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                }
                prop_assert_eq!(map.get(&key), model.get(&key));
                prop_assert_eq!(map.contains_key(&value.to_be_bytes()[0]), model.contains_key(&value.to_be_bytes()[0]));
                prop_assert!(map.iter().eq(model.iter()) && map.keys().eq(model.keys()) && map.values().eq(model.values()));
                prop_assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
            }
            let again: SortedMap<u8, u16> = model.into_iter().rev().collect();
            prop_assert_eq!(&again, &map);
            prop_assert!(map.into_iter().eq(again.iter().map(|(key, value)| (*key, *value))));
        }
    }

    #[test]
    fn a_value_is_raised_and_never_lowered() {
        let mut map = SortedMap::default();
        for (value, highest) in [(5, 5), (3, 5), (9, 9)] {
            map.raise("a", value);
            assert_eq!(map.get("a"), Some(&highest));
        }
        map.raise("b", 0);
        assert_eq!(serde_json::to_string(&map).unwrap(), r#"{"a":9,"b":0}"#);
        map.clear();
        assert!(map.is_empty());
    }

    #[test]
    fn a_list_becomes_a_set() {
        let mut list = vec![3, 1, 3, 2, 1];
        once_each(&mut list);
        assert_eq!(list, [1, 2, 3]);
    }
}
