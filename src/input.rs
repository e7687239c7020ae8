//! Files and streams read to their end, within a bound, and without copies left behind of what may be secret.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::limits::CONFIG_MAX;

/// Where nothing tells how much there will be, the first room for it, in bytes.
const ROOM: usize = 4_096;

/// Reads to the end, but never more than so many bytes. What is read is wiped when dropped, and so is each smaller room
/// that it grew out of: it may be a key or a password, and std's own buffers are never wiped.
///
/// # Errors
/// What the system says.
pub fn read_up_to(from: impl AsFd, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let from = from.as_fd();
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut room = Zeroizing::new(vec![0; most.min(ROOM)]);
    let mut length = 0_usize;
    loop {
        let Some(rest) = room.get_mut(length..).filter(|rest| !rest.is_empty()) else {
            if length == most {
                return Ok(room);
            }
            let mut larger = Zeroizing::new(vec![0; length.saturating_mul(2).min(most)]);
            larger.iter_mut().zip(room.iter()).for_each(|(to, from)| *to = *from);
            room = larger;
            continue;
        };
        match rustix::io::read(from, rest) {
            Ok(0) => {
                room.truncate(length);
                return Ok(room);
            }
            Ok(count) => length = length.saturating_add(count),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a file of at most 1 MiB holds.
///
/// # Errors
/// What the system says, and [`io::ErrorKind::FileTooLarge`]: half of a file may say the opposite of the whole one.
pub fn bytes_of(path: impl AsRef<Path>) -> io::Result<Zeroizing<Vec<u8>>> {
    let bytes = read_up_to(File::open(path)?, CONFIG_MAX.saturating_add(1))?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= CONFIG_MAX);
    if fits { Ok(bytes) } else { Err(io::ErrorKind::FileTooLarge.into()) }
}

/// The text of a file of at most 1 MiB, which holds no secret: it is not wiped.
///
/// # Errors
/// Those of [`bytes_of`], and [`io::ErrorKind::InvalidData`] where it is no text.
pub fn text_of(path: impl AsRef<Path>) -> io::Result<String> {
    let mut bytes = bytes_of(path)?;
    String::from_utf8(std::mem::take(&mut *bytes)).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn all_is_read_but_never_more_than_was_asked_for() {
        let content: Vec<u8> = (0_u32..50_000).map(|number| number.to_le_bytes()[0]).collect();
        for length in [0, 1, 4_095, 4_096, 4_097, 8_192, 50_000] {
            for most in [1, 4_096, 4_097, 49_999, 50_000, 50_001] {
                let (mut writer, reader) = UnixStream::pair().unwrap();
                let sent = content[..length].to_vec();
                let writes = std::thread::spawn(move || {
                    // In pieces, and to a reader that may have enough.
                    let _ = sent.chunks(1_000).try_for_each(|piece| writer.write_all(piece));
                });
                let read = read_up_to(&reader, most).unwrap();
                drop(reader);
                writes.join().unwrap();
                let wanted = length.min(usize::try_from(most).unwrap());
                assert!(read[..] == content[..wanted], "{length} of {most}: {}", read.len());
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        assert!(read_up_to(File::open("/").unwrap(), 9).is_err());
        assert_eq!(text_of("/nonexistent").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(text_of("/proc/self/comm").unwrap().lines().count(), 1);
        let own = std::env::temp_dir().join(format!("spa-knockd-input-{}", std::process::id()));
        for (content, kind) in [
            (vec![b'a'; 1 << 20], None),
            (vec![b'a'; (1 << 20) + 1], Some(io::ErrorKind::FileTooLarge)),
            (vec![0xff], Some(io::ErrorKind::InvalidData)),
        ] {
            std::fs::write(&own, content).unwrap();
            assert_eq!(text_of(&own).err().map(|error| error.kind()), kind);
        }
        std::fs::remove_file(&own).unwrap();
    }
}
