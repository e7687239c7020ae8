//! One transaction for nftables: begin, the changes, end; the kernel takes all of it or nothing.

use std::time::Duration;

use super::element::Element;
use super::numbers::{ACK, APPEND, BATCH_BEGIN, BATCH_END, CREATE, INET, REQUEST, SUBSYSTEM, attr, kind};
use super::sets::Set;
use super::wire::{Header, Writer};

const SET_INTERVAL: u32 = 0x4;
const SET_MAP: u32 = 0x8;
const SET_TIMEOUT: u32 = 0x10;
const SET_CONCAT: u32 = 0x80;
/// The type of the comment in an element's user data, as nft writes it.
const COMMENT: u8 = 0;
/// The shortest life that is asked of the kernel: it counts in ticks of up to 10 ms, and takes a
/// timeout of less than one for none at all.
pub(super) const LIFE_MIN: Duration = Duration::from_millis(20);
/// The longest comment that the user data holds with its closing zero byte.
const COMMENT_MAX: usize = 127;

/// A base chain's place: where packets enter it.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// The type of the chain: `filter` or `nat`.
    pub kind: &'static str,
    /// The number of the hook, `NF_INET_`.
    pub number: u32,
    /// The priority; chains of lower ones see a packet first.
    pub priority: i32,
}

/// One transaction being written.
#[derive(Debug)]
pub struct Batch {
    writer: Writer,
    table: &'static str,
    first: u32,
    last_start: usize,
    /// The set that each change is about, in the order of the changes.
    subjects: Vec<Option<Set>>,
}

impl Batch {
    /// Begins a transaction on a table of family inet; its messages count up from `sequence`.
    #[must_use]
    pub fn new(table: &'static str, sequence: u32) -> Self {
        let mut writer = Writer::default();
        writer.message(boundary(BATCH_BEGIN, sequence), |_| ());
        Self { writer, table, first: sequence, last_start: 0, subjects: Vec::new() }
    }

    /// How many changes it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// Makes the table, or leaves it where it is.
    pub fn make_table(&mut self) {
        let table = self.table;
        self.change(kind::NEW_TABLE, CREATE, None, |writer| {
            writer.text(attr::TABLE, table);
            writer.u32(attr::TABLE_FLAGS, 0);
        });
    }

    /// Deletes the table with all that is in it.
    pub fn delete_table(&mut self) {
        let table = self.table;
        self.change(kind::DEL_TABLE, 0, None, |writer| {
            writer.text(attr::TABLE, table);
        });
    }

    /// Declares a set under a number of this transaction, or leaves it where it is.
    pub fn make_set(&mut self, set: Set, id: u32) {
        let table = self.table;
        self.change(kind::NEW_SET, CREATE, Some(set), |writer| {
            writer.text(attr::TABLE, table);
            writer.text(attr::SET, set.name());
            let interval = if set.is_interval() { SET_INTERVAL | SET_CONCAT } else { 0 };
            let map = if set.is_map() { SET_MAP } else { 0 };
            writer.u32(attr::SET_FLAGS, SET_TIMEOUT | interval | map);
            writer.u32(attr::SET_KEY_TYPE, set.key_type());
            writer.u32(attr::SET_KEY_LENGTH, set.key_length());
            if set.is_map() {
                writer.u32(attr::SET_DATA_TYPE, set.data_type());
                writer.u32(attr::SET_DATA_LENGTH, set.data_length());
            }
            writer.u32(attr::SET_ID, id);
            writer.nest(attr::SET_DESCRIPTION, |writer| {
                writer.u32(attr::DESCRIPTION_SIZE, set.size());
                if set.is_interval() {
                    writer.nest(attr::DESCRIPTION_FIELDS, |writer| {
                        for &length in set.fields() {
                            writer.nest(attr::LIST_ENTRY, |writer| {
                                writer.u32(attr::FIELD_LENGTH, length.into());
                            });
                        }
                    });
                }
            });
        });
    }

    /// Makes a chain, or leaves it where it is; one with a hook accepts what its rules do not judge.
    pub fn make_chain(&mut self, name: &str, hook: Option<Hook>) {
        let table = self.table;
        self.change(kind::NEW_CHAIN, CREATE, None, |writer| {
            writer.text(attr::TABLE, table);
            writer.text(attr::CHAIN_NAME, name);
            let Some(hook) = hook else { return };
            writer.nest(attr::CHAIN_HOOK, |writer| {
                writer.u32(attr::HOOK_NUMBER, hook.number);
                writer.u32(attr::HOOK_PRIORITY, hook.priority.cast_unsigned());
            });
            writer.u32(attr::CHAIN_POLICY, super::expr::ACCEPT);
            writer.text(attr::CHAIN_TYPE, hook.kind);
        });
    }

    /// Deletes all rules of a chain.
    pub fn flush_chain(&mut self, chain: &str) {
        let table = self.table;
        self.change(kind::DEL_RULE, 0, None, |writer| {
            writer.text(attr::TABLE, table);
            writer.text(attr::RULE_CHAIN, chain);
        });
    }

    /// Appends a rule to a chain; `expressions` writes what it does.
    pub fn append_rule(&mut self, chain: &str, expressions: impl FnOnce(&mut Writer)) {
        let table = self.table;
        self.change(kind::NEW_RULE, CREATE | APPEND, None, |writer| {
            writer.text(attr::TABLE, table);
            writer.text(attr::RULE_CHAIN, chain);
            writer.nest(attr::RULE_EXPRESSIONS, expressions);
        });
    }

    /// Adds an element that the kernel takes away after `timeout`, at least 20 ms; one that is there
    /// stays.
    ///
    /// `comment` is shown by nft; of a longer one, the first 127 bytes are kept.
    pub fn add_element(&mut self, element: &Element, timeout: Duration, comment: &str) {
        let timeout = u64::try_from(timeout.max(LIFE_MIN).as_millis()).unwrap_or(u64::MAX);
        self.element(kind::NEW_ELEMENT, CREATE, element, Some(timeout), Some(comment));
    }

    /// Adds an element that stays; see [`Batch::add_element`].
    pub fn add_endless_element(&mut self, element: &Element, comment: &str) {
        self.element(kind::NEW_ELEMENT, CREATE, element, None, Some(comment));
    }

    /// Deletes all elements of a set.
    pub fn flush_set(&mut self, set: Set) {
        let table = self.table;
        self.change(kind::DEL_ELEMENT, 0, Some(set), |writer| {
            writer.text(attr::SET, set.name());
            writer.text(attr::TABLE, table);
        });
    }

    /// Deletes an element; where it is missing, the kernel refuses the whole transaction.
    pub fn delete_element(&mut self, element: &Element) {
        self.element(kind::DEL_ELEMENT, 0, element, None, None);
    }

    /// Deletes an element whether or not it is there.
    pub fn remove_element(&mut self, element: &Element, timeout: Duration, comment: &str) {
        self.add_element(element, timeout, comment);
        self.delete_element(element);
    }

    /// Gives an element a new timeout whether it is there, just about to expire, or gone.
    ///
    /// Deleting it first would fail where it is gone; adding it alone would leave the old timeout on
    /// kernels before 6.12.
    pub fn renew_element(&mut self, element: &Element, timeout: Duration, comment: &str) {
        self.remove_element(element, timeout, comment);
        self.add_element(element, timeout, comment);
    }

    fn element(&mut self, kind: u16, flags: u16, element: &Element, timeout: Option<u64>, comment: Option<&str>) {
        let table = self.table;
        self.change(kind, flags, Some(element.set), |writer| {
            writer.text(attr::SET, element.set.name());
            writer.text(attr::TABLE, table);
            writer.nest(attr::ELEMENTS, |writer| {
                writer.nest(attr::LIST_ENTRY, |writer| {
                    if let Some(timeout) = timeout {
                        writer.u64(attr::ELEMENT_TIMEOUT, timeout);
                    }
                    writer.nest(attr::ELEMENT_KEY, |writer| {
                        writer.attribute(attr::DATA_VALUE, element.key().bytes());
                    });
                    if let Some(end) = element.key_end() {
                        writer.nest(attr::ELEMENT_KEY_END, |writer| {
                            writer.attribute(attr::DATA_VALUE, end.bytes());
                        });
                    }
                    // A deletion names the key alone.
                    let Some(comment) = comment else { return };
                    if let Some(data) = element.data() {
                        writer.nest(attr::ELEMENT_DATA, |writer| {
                            writer.attribute(attr::DATA_VALUE, data.bytes());
                        });
                    }
                    writer.attribute(attr::ELEMENT_USERDATA, &userdata(comment));
                });
            });
        });
    }

    fn change(&mut self, kind: u16, flags: u16, subject: Option<Set>, body: impl FnOnce(&mut Writer)) {
        self.last_start = self.writer.bytes().len();
        self.subjects.push(subject);
        let header = Header {
            kind,
            flags: REQUEST | flags,
            sequence: self.next_sequence().wrapping_sub(1),
            family: INET,
            resource: 0,
        };
        self.writer.message(header, body);
    }

    fn next_sequence(&self) -> u32 {
        let count = u32::try_from(self.subjects.len()).unwrap_or(u32::MAX);
        self.first.wrapping_add(count).wrapping_add(1)
    }

    /// Ends the transaction; its last change asks the kernel for an acknowledgement.
    #[must_use]
    pub fn finish(mut self) -> Finished {
        if !self.is_empty() {
            self.writer.add_flags(self.last_start, ACK);
        }
        let end = self.next_sequence();
        self.writer.message(boundary(BATCH_END, end), |_| ());
        Finished { writer: self.writer, first: self.first, end, subjects: self.subjects }
    }
}

fn boundary(kind: u16, sequence: u32) -> Header {
    Header { kind, flags: REQUEST, sequence, family: 0, resource: SUBSYSTEM }
}

/// A comment as nft keeps it: its type, its length with the closing zero byte, its bytes.
fn userdata(comment: &str) -> Vec<u8> {
    let kept = comment.as_bytes().get(..COMMENT_MAX).unwrap_or(comment.as_bytes());
    let length = u8::try_from(kept.len() + 1).unwrap_or(u8::MAX);
    [&[COMMENT, length], kept, &[0]].concat()
}

/// Reads the comment out of an element's user data.
pub(super) fn comment(mut userdata: &[u8]) -> Option<&[u8]> {
    loop {
        let (&[kind, length], rest) = userdata.split_first_chunk::<2>()?;
        let (value, rest) = rest.split_at_checked(length.into())?;
        if kind == COMMENT {
            return Some(value.strip_suffix(&[0]).unwrap_or(value));
        }
        userdata = rest;
    }
}

/// A whole transaction, ready to be sent.
#[derive(Debug)]
pub struct Finished {
    writer: Writer,
    first: u32,
    end: u32,
    subjects: Vec<Option<Set>>,
}

impl Finished {
    /// The messages.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.writer.bytes()
    }

    /// The number of the last change, which is acknowledged.
    #[must_use]
    pub fn last_change(&self) -> u32 {
        self.end.wrapping_sub(1)
    }

    /// The first number behind those of this transaction.
    #[must_use]
    pub fn next_sequence(&self) -> u32 {
        self.end.wrapping_add(1)
    }

    /// Whether an answer with this number is about this transaction.
    #[must_use]
    pub fn owns(&self, sequence: u32) -> bool {
        sequence.wrapping_sub(self.first) <= self.end.wrapping_sub(self.first)
    }

    /// The set that the change of this number is about.
    #[must_use]
    pub fn subject(&self, sequence: u32) -> Option<Set> {
        let place = sequence.wrapping_sub(self.first).checked_sub(1)?;
        *self.subjects.get(usize::try_from(place).ok()?)?
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::Messages;
    use super::*;
    use crate::access::Opening;

    fn element() -> Element {
        Element::of(&Opening {
            source: "192.0.2.1".parse().unwrap(),
            destination: None,
            port: "tcp/22".parse().unwrap(),
        })
        .unwrap()
    }

    #[test]
    fn messages_count_up_and_the_last_change_asks_for_an_answer() {
        let mut batch = Batch::new("fw4", u32::MAX - 1);
        batch.renew_element(&element(), Duration::from_secs(30), "alice");
        let batch = batch.finish();
        let read: Vec<_> =
            Messages(batch.bytes()).map(|message| (message.sequence, message.kind, message.flags)).collect();
        assert_eq!(
            read,
            [(u32::MAX - 1, 0x10, 1), (u32::MAX, 0xa0c, 0x401), (0, 0xa0e, 1), (1, 0xa0c, 0x405), (2, 0x11, 1)]
        );
        assert_eq!((batch.last_change(), batch.next_sequence()), (1, 3));
        assert!(batch.owns(u32::MAX - 1) && batch.owns(2) && !batch.owns(3));
        assert_eq!(batch.subject(u32::MAX), Some(Set::In4));
        assert_eq!(batch.subject(2), None);
        assert_eq!(batch.subject(u32::MAX - 1), None);
    }

    #[test]
    fn comments_come_back_from_user_data() {
        assert_eq!(comment(&userdata("alice")), Some(&b"alice"[..]));
        assert_eq!(comment(&[1, 1, 9, 0, 2, b'x', 0]), Some(&b"x"[..]));
        for cut in 0..7 {
            assert_eq!(comment(&userdata("alice")[..cut]), None);
        }
        assert_eq!(comment(&userdata(&"a".repeat(300))).unwrap().len(), 127);
    }
}
