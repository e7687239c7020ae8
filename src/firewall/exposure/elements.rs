//! The sets that a rule looks a known value up in: read when they are needed, few and small ones only.

use std::ops::ControlFlow;
use std::rc::Rc;

use super::bits::{Cell, Origin, Truth, bytes, doubt};
use super::numbers::{CATCH_ALL, INTERVAL, INTERVAL_END, attr as own};
use super::ruleset::{number, text};
use crate::firewall::numbers::{DUMP, attr, kind};
use crate::firewall::socket::{Asked, Requests};
use crate::firewall::wire::{Attributes, Writer};
use crate::limits::{LOOKED_UP_ELEMENTS_MAX, LOOKED_UP_SETS_MAX};
use crate::sorted::SortedMap;

/// What an element leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// Nothing: it is in a set.
    None,
    /// A value.
    Value(Vec<u8>),
    /// A verdict, and the chain that it names.
    Verdict(u32, Option<Box<str>>),
}

/// One element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) key: Vec<u8>,
    /// The last value of a range of concatenated fields.
    pub(super) last: Option<Vec<u8>>,
    pub(super) flags: u32,
    pub(super) data: Data,
}

/// A set or map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    /// Whether it holds intervals.
    pub(super) interval: bool,
    /// The lengths of concatenated fields in bytes, each padded to a word.
    pub(super) fields: Vec<usize>,
    pub(super) key_length: usize,
    /// Ordered by key, the end of an interval before the start of the next.
    pub(super) elements: Vec<Element>,
}

impl Set {
    /// Puts the elements in order.
    pub(super) fn sort(&mut self) {
        self.elements.sort_unstable_by(|one, other| {
            (&one.key, one.flags & INTERVAL_END == 0).cmp(&(&other.key, other.flags & INTERVAL_END == 0))
        });
    }

    /// The element for this key.
    fn find(&self, key: &[u8]) -> Option<&Element> {
        let named = |element: &&Element| element.flags & CATCH_ALL == 0;
        let found = if self.interval && self.fields.len() < 2 {
            let last = self.elements.iter().filter(named).take_while(|element| *element.key <= *key).last();
            last.filter(|element| element.flags & INTERVAL_END == 0)
        } else {
            self.elements.iter().filter(named).find(|element| self.holds(element, key))
        };
        found.or_else(|| self.elements.iter().find(|element| element.flags & CATCH_ALL != 0))
    }

    /// Whether a key is an element, or within one field by field.
    fn holds(&self, element: &Element, key: &[u8]) -> bool {
        let Some(last) = &element.last else { return *element.key == *key };
        let mut at = 0_usize;
        self.fields.iter().all(|length| {
            let part = at..at.saturating_add(*length);
            at = part.end;
            let (low, high) = (element.key.get(part.clone()), last.get(part.clone()));
            key.get(part).is_some_and(|key| low.is_some_and(|low| low <= key) && high.is_some_and(|high| key <= high))
        })
    }
}

/// A set that was looked for.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// It is all there.
    Whole(Rc<Set>),
    /// It is too large, or cannot be read.
    Unread,
}

/// Family, table and name of a set.
pub(super) type Name = (u8, Box<str>, Box<str>);

/// The sets that were read so far.
pub(super) struct Sets<'a> {
    read: &'a mut dyn FnMut(&Name) -> Option<Set>,
    found: SortedMap<Name, Found>,
    /// Sets that could not be read, for people.
    pub(super) unread: Vec<String>,
}

impl<'a> Sets<'a> {
    /// No set yet; `read` fetches one.
    pub(super) fn new(read: &'a mut dyn FnMut(&Name) -> Option<Set>) -> Self {
        Self { read, found: SortedMap::default(), unread: Vec::new() }
    }

    /// Looks a key up that begins with these cells: whether there is an element, and which data it has.
    pub(super) fn look_up(
        &mut self,
        name: Name,
        key: impl Fn(usize) -> Option<Vec<Cell>>,
        origin: Option<Origin>,
    ) -> (Truth, Data) {
        // Who the stranger is nobody knows: that set need not be read.
        if let Some(origin) = origin {
            return (Truth::Unknown(origin), Data::None);
        }
        let Found::Whole(set) = self.find(name) else { return (Truth::Unknown(Origin::Opaque), Data::None) };
        let Some(cells) = key(set.key_length) else { return (Truth::Unknown(Origin::Opaque), Data::None) };
        if let Some(origin) = doubt(&cells) {
            return (Truth::Unknown(origin), Data::None);
        }
        match bytes(&cells).and_then(|key| set.find(&key)) {
            Some(element) => (Truth::Yes, element.data.clone()),
            None => (Truth::No, Data::None),
        }
    }

    fn find(&mut self, name: Name) -> Found {
        if let Some(found) = self.found.get(&name) {
            return found.clone();
        }
        let read = if self.found.len() < LOOKED_UP_SETS_MAX { (self.read)(&name) } else { None };
        let found = read.map_or(Found::Unread, |set| Found::Whole(Rc::new(set)));
        if matches!(found, Found::Unread) {
            self.unread.push(format!("set {} of table {}", name.2, name.1));
        }
        self.found.insert(name, found.clone());
        found
    }

    /// The names of the sets that counted.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.found.keys()
    }
}

/// Reads a set and its elements; `None` for one with more than a few thousand, or that is gone.
pub(super) fn read(requests: &mut Requests, name: &Name) -> Option<Set> {
    let (family, table, set) = name;
    let body = |writer: &mut Writer| {
        writer.text(attr::TABLE, table);
        writer.text(attr::SET, set);
    };
    let mut found = Set::default();
    let asked = requests.exchange_until(kind::GET_SET, 0, *family, body, |_, answer, attributes| {
        if answer == kind::NEW_SET {
            found.interval = number(attributes, attr::SET_FLAGS).unwrap_or_default() & INTERVAL != 0;
            found.key_length = length(attributes, attr::SET_KEY_LENGTH);
            let fields = attributes.nest(attr::SET_DESCRIPTION).and_then(|nest| nest.nest(attr::DESCRIPTION_FIELDS));
            let lengths = fields.into_iter().flatten().map(|(_, field)| length(Attributes(field), attr::FIELD_LENGTH));
            found.fields = lengths.map(|length| length.next_multiple_of(4)).collect();
        }
        ControlFlow::Continue(())
    });
    asked.ok()?;
    let mut elements = Vec::new();
    let asked = requests.exchange_until(kind::GET_ELEMENT, DUMP, *family, body, |_, _, attributes| {
        let list = attributes.nest(attr::ELEMENTS).into_iter().flatten();
        elements.extend(list.filter_map(|(_, entry)| element(Attributes(entry))));
        if elements.len() > LOOKED_UP_ELEMENTS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    // One that changes while it is read is looked at again when the change is heard of.
    asked.ok().filter(|asked| *asked != Asked::Stopped)?;
    found.elements = elements;
    found.sort();
    Some(found)
}

fn length(attributes: Attributes<'_>, kind: u16) -> usize {
    number(attributes, kind).and_then(|length| usize::try_from(length).ok()).unwrap_or_default()
}

fn element(entry: Attributes<'_>) -> Option<Element> {
    let value = |kind| Some(entry.nest(kind)?.get(attr::DATA_VALUE)?.to_vec());
    let flags = number(entry, own::ELEMENT_FLAGS).unwrap_or_default();
    let data = match entry.nest(attr::ELEMENT_DATA) {
        None => Data::None,
        Some(data) => match data.nest(own::DATA_VERDICT) {
            Some(verdict) => Data::Verdict(number(verdict, own::VERDICT_CODE)?, text(verdict, own::VERDICT_CHAIN)),
            None => Data::Value(data.get(attr::DATA_VALUE)?.to_vec()),
        },
    };
    let key = if flags & CATCH_ALL != 0 { Vec::new() } else { value(attr::ELEMENT_KEY)? };
    Some(Element { key, last: value(attr::ELEMENT_KEY_END), flags, data })
}
