//! Bytes of which some bits are not known: what a register holds while a stranger's packet passes.

use std::cmp::Ordering;

/// Bytes of all data registers, `NFT_REG32_COUNT` words.
const SIZE: usize = 64;
/// Bytes of a word.
const WORD: usize = 4;

/// Why bits are not known; the later, the less can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The stranger's own address: in no list that names some.
    Source,
    /// It differs from packet to packet.
    Differs,
    /// The walk does not understand it.
    Opaque,
}

/// Whether a test holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    /// For every stranger.
    Yes,
    /// For none.
    No,
    /// For some, or nobody can tell.
    Unknown(Origin),
}

impl Truth {
    /// The opposite. A stranger whose address is compared with some is none of them.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No | Self::Unknown(Origin::Source) => Self::Yes,
            Self::Unknown(origin) => Self::Unknown(origin),
        }
    }

    pub(super) fn of(is: bool) -> Self {
        if is { Self::Yes } else { Self::No }
    }
}

/// One byte: its value where `known` has ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) value: u8,
    pub(super) known: u8,
    pub(super) origin: Origin,
}

impl Cell {
    /// A byte that is known.
    pub(super) const fn known(value: u8) -> Self {
        Self { value, known: u8::MAX, origin: Origin::Source }
    }

    /// A byte that is not known.
    pub(super) const fn unknown(origin: Origin) -> Self {
        Self { value: 0, known: 0, origin }
    }

    fn least(self) -> u8 {
        self.value & self.known
    }

    fn most(self) -> u8 {
        self.value | !self.known
    }
}

/// Why not all bits are known; `None` where they are.
pub(super) fn doubt(cells: &[Cell]) -> Option<Origin> {
    cells.iter().filter(|cell| cell.known != u8::MAX).map(|cell| cell.origin).max()
}

/// The bytes, where all are known.
pub(super) fn bytes(cells: &[Cell]) -> Option<Vec<u8>> {
    doubt(cells).is_none().then(|| cells.iter().map(|cell| cell.value).collect())
}

/// Whether the bytes are these.
pub(super) fn equals(cells: &[Cell], data: &[u8]) -> Truth {
    let differs = |(cell, byte): (&Cell, &u8)| (cell.value ^ byte) & cell.known != 0;
    if cells.len() != data.len() || cells.iter().zip(data).any(differs) {
        return Truth::No;
    }
    doubt(cells).map_or(Truth::Yes, Truth::Unknown)
}

/// Whether the order of the bytes, as one number, to these is among the `wanted` ones.
pub(super) fn compares(cells: &[Cell], data: &[u8], wanted: impl Fn(Ordering) -> bool) -> Truth {
    let least = cells.iter().map(|cell| cell.least()).cmp(data.iter().copied());
    let most = cells.iter().map(|cell| cell.most()).cmp(data.iter().copied());
    let mut possible = [Ordering::Less, Ordering::Equal, Ordering::Greater]
        .into_iter()
        .filter(|order| (least..=most).contains(order))
        .map(wanted);
    let first = possible.next().unwrap_or(false);
    if possible.all(|other| other == first) {
        return Truth::of(first);
    }
    Truth::Unknown(doubt(cells).unwrap_or(Origin::Opaque))
}

/// Whether the bytes, as one number, are within these two.
pub(super) fn within(cells: &[Cell], from: &[u8], to: &[u8]) -> Truth {
    match (compares(cells, from, Ordering::is_ge), compares(cells, to, Ordering::is_le)) {
        (Truth::No, _) | (_, Truth::No) => Truth::No,
        (Truth::Yes, other) | (other, Truth::Yes) => other,
        (one, _) => one,
    }
}

/// The data registers.
#[derive(Clone, Debug)]
pub(super) struct Registers([Cell; SIZE]);

impl Registers {
    /// Registers of which nothing is known.
    pub(super) fn new() -> Self {
        Self([Cell::unknown(Origin::Opaque); SIZE])
    }

    /// The bytes from the start of a register on.
    pub(super) fn get(&self, register: u32, length: usize) -> Option<&[Cell]> {
        let at = offset(register)?;
        self.0.get(at..at.checked_add(length)?)
    }

    /// Writes bytes from the start of a register on as far as there is room, and zeros up to the end of the word, as the kernel does.
    pub(super) fn set(&mut self, register: u32, length: usize, byte: impl Fn(usize) -> Cell) {
        let whole = length.next_multiple_of(WORD);
        let Some(rest) = offset(register).and_then(|at| self.0.get_mut(at..)) else { return };
        let (place, _) = rest.split_at_mut(whole.min(rest.len()));
        for (index, cell) in place.iter_mut().enumerate() {
            *cell = if index < length { byte(index) } else { Cell::known(0) };
        }
    }

    /// Changes the bytes of `length` from one register to another.
    pub(super) fn change(&mut self, from: u32, to: u32, length: usize, change: impl Fn(usize, &[Cell]) -> Cell) {
        let Some(old) = self.get(from, length).map(<[Cell]>::to_vec) else { return };
        self.set(to, length, |index| change(index, &old));
    }

    /// Forgets all of them.
    pub(super) fn forget(&mut self, origin: Origin) {
        self.0 = [Cell::unknown(origin); SIZE];
    }
}

/// Where a register starts: four of 16 bytes, or 16 of four bytes that are the same ones.
fn offset(register: u32) -> Option<usize> {
    let at = match register {
        1..=4 => (register - 1) * 16,
        8..=23 => (register - 8) * 4,
        _ => return None,
    };
    usize::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(bytes: &[u8]) -> Vec<Cell> {
        bytes.iter().map(|&byte| Cell::known(byte)).collect()
    }

    #[test]
    fn known_bytes_compare_as_numbers_do() {
        let port = cells(&[0, 22]);
        assert_eq!(equals(&port, &[0, 22]), Truth::Yes);
        assert_eq!(equals(&port, &[0, 23]), Truth::No);
        assert_eq!(equals(&port, &[0]), Truth::No);
        assert_eq!(within(&port, &[0, 1], &[0, 22]), Truth::Yes);
        assert_eq!(within(&port, &[0, 23], &[1, 0]), Truth::No);
        assert_eq!(compares(&port, &[1, 0], Ordering::is_lt), Truth::Yes);
        assert_eq!(compares(&port, &[0, 22], Ordering::is_gt), Truth::No);
    }

    #[test]
    fn what_is_not_known_is_decided_by_what_is() {
        let mut half = cells(&[10, 0]);
        half[1] = Cell::unknown(Origin::Differs);
        assert_eq!(equals(&half, &[11, 0]), Truth::No);
        assert_eq!(equals(&half, &[10, 0]), Truth::Unknown(Origin::Differs));
        assert_eq!(within(&half, &[9, 9], &[11, 0]), Truth::Yes);
        assert_eq!(within(&half, &[10, 0], &[10, 255]), Truth::Yes);
        assert_eq!(within(&half, &[10, 1], &[10, 255]), Truth::Unknown(Origin::Differs));
        assert_eq!(within(&half, &[11, 1], &[12, 255]), Truth::No);
        half[0] = Cell::unknown(Origin::Opaque);
        assert_eq!(equals(&half, &[10, 0]), Truth::Unknown(Origin::Opaque));
    }

    #[test]
    fn a_stranger_is_none_of_those_that_are_named() {
        assert_eq!(Truth::Unknown(Origin::Source).negated(), Truth::Yes);
        assert_eq!(Truth::Unknown(Origin::Differs).negated(), Truth::Unknown(Origin::Differs));
        assert_eq!((Truth::Yes.negated(), Truth::No.negated()), (Truth::No, Truth::Yes));
    }

    #[test]
    fn registers_overlap_as_in_the_kernel() {
        let mut registers = Registers::new();
        registers.set(1, 16, |_| Cell::known(9));
        registers.set(9, 2, |_| Cell::known(7));
        let read = bytes(registers.get(1, 9).unwrap());
        assert_eq!(read, Some(vec![9, 9, 9, 9, 7, 7, 0, 0, 9]));
        assert_eq!(registers.get(4, 17), None);
        assert_eq!(registers.get(0, 1), None);
        assert_eq!(registers.get(24, 1), None);
        assert_eq!(doubt(registers.get(23, 4).unwrap()), Some(Origin::Opaque));
        registers.set(23, 16, |_| Cell::known(1));
        assert_eq!(doubt(registers.get(23, 4).unwrap()), None);
    }
}
