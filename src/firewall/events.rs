//! What others changed: the kernel's notifications, gathered into whole transactions.

use super::element::Element;
use super::numbers::{INET, attr, kind};
use super::sets::Set;
use super::wire::{Attributes, Message};

/// What one transaction of somebody else did to our table.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Transaction {
    /// The table was deleted.
    pub(super) deleted: bool,
    /// The handle of the table that was made.
    pub(super) created: Option<u64>,
    /// One of our sets was declared.
    pub(super) declared: bool,
    /// Elements of ours that were deleted.
    pub(super) revoked: Vec<Element>,
    /// Sets of ours that were deleted.
    pub(super) dropped: Vec<Set>,
    /// Rules, chains or sets were deleted.
    pub(super) dismantled: bool,
}

/// Reads notifications message by message.
#[derive(Debug)]
pub(super) struct Watch {
    table: &'static str,
    own: u32,
    current: Transaction,
    /// Whether somebody else changed what a look at the ruleset might see.
    pub(super) touched: bool,
    /// Sets whose elements such a look has asked for.
    pub(super) minded: Vec<Box<str>>,
}

impl Watch {
    /// Watches a table of family inet; what the socket of port `own` does is not news.
    pub(super) fn new(table: &'static str, own: u32) -> Self {
        Self { table, own, current: Transaction::default(), touched: false, minded: Vec::new() }
    }

    /// What was read of a transaction whose end was lost: the kernel tells only what it has made true.
    pub(super) fn cut(&mut self) -> Transaction {
        self.touched = true;
        std::mem::take(&mut self.current)
    }

    /// Takes one notification; the transaction that it ends, if it changed anything of ours.
    ///
    /// Of the deleted elements only those are kept that `known` says are ours to lose.
    pub(super) fn read(&mut self, message: &Message<'_>, known: impl Fn(&Element) -> bool) -> Option<Transaction> {
        if message.port == self.own {
            return None;
        }
        if message.kind == kind::NEW_GENERATION {
            let ended = std::mem::take(&mut self.current);
            return (ended != Transaction::default()).then_some(ended);
        }
        let (family, attributes) = message.netfilter()?;
        self.touched |= match message.kind {
            kind::NEW_ELEMENT | kind::DEL_ELEMENT => {
                let name = attributes.text(attr::SET).unwrap_or_default();
                self.minded.iter().any(|minded| minded.as_bytes() == name)
            }
            _ => true,
        };
        if family != INET || attributes.text(attr::TABLE) != Some(self.table.as_bytes()) {
            return None;
        }
        let set = || attributes.text(attr::SET).and_then(Set::from_name);
        let current = &mut self.current;
        current.dismantled |= matches!(message.kind, kind::DEL_RULE | kind::DEL_CHAIN | kind::DEL_SET);
        match message.kind {
            kind::DEL_TABLE => current.deleted = true,
            kind::NEW_TABLE => current.created = attributes.u64(attr::TABLE_HANDLE).or(Some(0)),
            kind::NEW_SET => current.declared |= set().is_some(),
            kind::DEL_SET => current.dropped.extend(set()),
            kind::DEL_ELEMENT => {
                let set = set()?;
                let list = attributes.nest(attr::ELEMENTS)?;
                let elements = list.filter_map(|(_, entry)| read_element(set, Attributes(entry)));
                current.revoked.extend(elements.filter(known));
            }
            _ => {}
        }
        None
    }
}

/// Reads an element of a notification or a dump; `None` for what is not of our making.
pub(super) fn read_element(set: Set, entry: Attributes<'_>) -> Option<Element> {
    let value = |kind| entry.nest(kind).and_then(|data| data.get(attr::DATA_VALUE));
    Element::from_kernel(set, value(attr::ELEMENT_KEY)?, value(attr::ELEMENT_KEY_END), value(attr::ELEMENT_DATA))
}

#[cfg(test)]
mod tests {
    use super::super::batch::Batch;
    use super::super::wire::{Header, Messages, Writer};
    use super::*;
    use crate::access::Opening;

    fn element() -> Element {
        Element::of(&Opening {
            source: "192.0.2.0/24".parse().unwrap(),
            destination: None,
            port: "tcp/22".parse().unwrap(),
        })
        .unwrap()
    }

    fn read(watch: &mut Watch, bytes: &[u8]) -> Vec<Transaction> {
        Messages(bytes).filter_map(|message| watch.read(&message, |_| true)).collect()
    }

    fn generation() -> Writer {
        let mut writer = Writer::default();
        let header = Header { kind: kind::NEW_GENERATION, flags: 0, sequence: 0, family: 0, resource: 0 };
        writer.message(header, |_| ());
        writer
    }

    fn deletion(table: &'static str) -> Vec<u8> {
        let mut batch = Batch::new(table, 1);
        batch.delete_element(&element());
        batch.delete_table();
        batch.finish().bytes().to_vec()
    }

    #[test]
    fn a_transaction_is_told_when_it_ends() {
        let mut watch = Watch::new("fw4", 77);
        assert_eq!(read(&mut watch, &deletion("fw4")), []);
        let ended = read(&mut watch, generation().bytes());
        assert_eq!(ended.len(), 1);
        assert!(ended[0].deleted);
        assert_eq!(ended[0].revoked, [element()]);
        assert_eq!(read(&mut watch, generation().bytes()), []);
    }

    #[test]
    fn a_transaction_whose_end_is_lost_is_told_as_far_as_it_was_heard() {
        let mut watch = Watch::new("fw4", 77);
        assert_eq!(read(&mut watch, &deletion("fw4")), []);
        let cut = watch.cut();
        assert!(cut.deleted && cut.revoked == [element()] && watch.touched);
        assert_eq!(read(&mut watch, generation().bytes()), []);
    }

    #[test]
    fn other_tables_and_our_own_changes_are_no_news() {
        for (table, own) in [("other", 77), ("fw4", 0)] {
            let mut watch = Watch::new("fw4", own);
            read(&mut watch, &deletion(table));
            assert_eq!(read(&mut watch, generation().bytes()), []);
        }
    }

    #[test]
    fn a_cut_notification_is_taken_as_far_as_it_goes() {
        let bytes = deletion("fw4");
        for cut in 0..bytes.len() {
            let mut watch = Watch::new("fw4", 77);
            read(&mut watch, &bytes[..cut]);
            let revoked = read(&mut watch, generation().bytes());
            assert!(revoked.iter().all(|ended| !ended.deleted || cut > bytes.len() - 60));
        }
    }
}
