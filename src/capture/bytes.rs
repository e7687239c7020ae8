//! Reads of fixed fields out of untrusted bytes; what is not there is `FrameCut`.

use crate::reason::Reason;

/// `N` bytes from `at` on.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Reason> {
    bytes.get(at..).and_then(|tail| tail.first_chunk()).copied().ok_or(Reason::FrameCut)
}

/// The byte at `at`.
pub(super) fn byte(bytes: &[u8], at: usize) -> Result<u8, Reason> {
    bytes.get(at).copied().ok_or(Reason::FrameCut)
}

/// The big-endian number of two bytes at `at`.
pub(super) fn be16(bytes: &[u8], at: usize) -> Result<u16, Reason> {
    array(bytes, at).map(u16::from_be_bytes)
}

/// Everything from `at` on.
pub(super) fn from(bytes: &[u8], at: usize) -> Result<&[u8], Reason> {
    bytes.get(at..).ok_or(Reason::FrameCut)
}

/// Judges the inside of a layer that is there in full: a cut there means that two lengths contradict each other.
pub(super) fn enclosed<T>(inner: Result<T, Reason>) -> Result<T, Reason> {
    inner.map_err(|reason| match reason {
        Reason::FrameCut => Reason::FrameMalformed,
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_end_where_the_bytes_end() {
        let bytes = [1, 2, 3];
        assert_eq!(byte(&bytes, 2), Ok(3));
        assert_eq!(byte(&bytes, 3), Err(Reason::FrameCut));
        assert_eq!(be16(&bytes, 1), Ok(0x0203));
        assert_eq!(be16(&bytes, 2), Err(Reason::FrameCut));
        assert_eq!(array::<4>(&bytes, 0), Err(Reason::FrameCut));
        assert_eq!(array::<0>(&bytes, usize::MAX), Err(Reason::FrameCut));
        assert_eq!(from(&bytes, 3), Ok(&[][..]));
        assert_eq!(from(&bytes, 4), Err(Reason::FrameCut));
    }

    #[test]
    fn only_a_cut_turns_into_a_contradiction() {
        assert_eq!(enclosed::<()>(Err(Reason::FrameCut)), Err(Reason::FrameMalformed));
        assert_eq!(enclosed::<()>(Err(Reason::Fragment)), Err(Reason::Fragment));
        assert_eq!(enclosed(Ok(1)), Ok(1));
    }
}
