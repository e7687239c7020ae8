//! The journal in the run directory: every knock is in it before anything opens.
//!
//! It is text, one record a line; the first line names the format, the boot and the journal itself. Behind each
//! record stands its check ([`super::files::check`]) in eight hexadecimal digits: a damaged record is not believed,
//! neither when it names another knock nor when it names another time.
//!
//! ```text
//! spa-knockd-journal 2 BOOT-ID JOURNAL-ID
//! clock UNIX            the router's clock at the last honoured knock
//! horizon UNIX          timestamps up to here are refused
//! newest STANZA UNIX    the newest timestamp that the stanza honoured
//! floor STANZA UNIX     the timestamp up to which it refuses since the reboot
//! lost                  an earlier memory was damaged
//! knock UNIX KEY        a knock that was carried over
//! begin                 the end of what was carried over
//! knock UNIX KEY CLOCK STANZA|-    a knock, and who is about to honour it at which router clock
//! ```

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::boot;
use super::files::{check, read_own, replace};
use crate::engine::Memory;
use crate::limits::JOURNAL_MAX;
use crate::replay::{Entry, Key, ReplayMemory};

/// The name of the file in the run directory.
pub const FILE: &str = "journal";

/// The first word of a journal, and its format.
const MAGIC: &str = "spa-knockd-journal 2";

/// The line that ends what a new journal carries over.
const BEGIN: &str = "begin";

/// Records that may be appended before the journal is written anew, besides those that are still needed.
const SLACK: usize = 4096;

/// A journal that was read.
#[derive(Debug, Default)]
pub struct Replayed {
    /// What it remembers.
    pub memory: Memory,
    /// The boot that wrote it.
    pub boot: String,
    /// Its own identifier.
    pub id: String,
    /// How many knocks were appended to it.
    pub knocks: u32,
}

/// The open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    id: String,
    inode: u64,
    length: u64,
    knocks: u32,
    lines: usize,
    torn: bool,
}

impl Journal {
    /// Begins a new journal that holds this memory, in the place of the old one.
    ///
    /// # Errors
    /// What the system says; an old journal is then as it was.
    pub fn create(path: &Path, memory: &Memory) -> io::Result<Self> {
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        let id = hex(&id);
        let (text, lines) = write_memory(memory, &boot::id(), &id);
        let file = replace(path, text.as_bytes())?;
        let written = file.metadata()?;
        let (inode, length) = (written.ino(), written.len());
        Ok(Self { path: path.to_owned(), file, id, inode, length, knocks: 0, lines, torn: false })
    }

    /// Appends one knock with one write(2); `honouring` names the stanza that is about to open for it.
    ///
    /// # Errors
    /// What the system says, or that the file was removed, replaced or changed; nothing may open then.
    pub fn append(&mut self, entry: Entry, clock: u64, honouring: Option<&str>) -> io::Result<()> {
        if self.torn {
            return Err(io::Error::other("its last record could not be completed or taken back"));
        }
        // What is appended to a file that the next process will not read, or not understand, is not remembered.
        let found = fs::symlink_metadata(&self.path)?;
        if (found.ino(), found.len()) != (self.inode, self.length) {
            self.torn = true;
            return Err(io::Error::other("somebody removed, replaced or changed it"));
        }
        let line = knock_line(entry, clock, honouring);
        match self.file.write(line.as_bytes()) {
            Ok(written) if written == line.len() => {
                self.length = self.length.saturating_add(u64::try_from(written).unwrap_or(0));
                self.knocks = self.knocks.saturating_add(1);
                self.lines = self.lines.saturating_add(1);
                Ok(())
            }
            outcome => {
                self.torn = self.file.set_len(self.length).is_err();
                Err(outcome.err().unwrap_or_else(|| io::Error::from(io::ErrorKind::StorageFull)))
            }
        }
    }

    /// Whether the file should be written anew because most of it is of no use any more.
    #[must_use]
    pub fn is_overgrown(&self, living: usize) -> bool {
        self.lines > living.saturating_add(SLACK)
    }

    /// Takes note that it could not be written anew: that is tried again when it has grown as much once more.
    pub fn postpone(&mut self, living: usize) {
        self.lines = living;
    }

    /// Writes the journal anew with this memory.
    ///
    /// # Errors
    /// What the system says; the journal is then as it was.
    pub fn renew(&mut self, memory: &Memory) -> io::Result<()> {
        *self = Self::create(&self.path, memory)?;
        Ok(())
    }

    /// The journal's identifier and the knocks appended to it, for the state file.
    #[must_use]
    pub fn position(&self) -> (&str, u32) {
        (&self.id, self.knocks)
    }
}

/// Reads a journal; `None` where there is none. What is not a record marks the memory as lost, except for a
/// last line without an end: its write was cut, so nothing opened for it.
///
/// # Errors
/// What the system says.
pub fn read(path: &Path) -> io::Result<Option<Replayed>> {
    let Some(text) = read_own(path, JOURNAL_MAX)? else { return Ok(None) };
    let mut replayed = Replayed::default();
    let mut complete = false;
    let mut lines = text.split_inclusive(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    let header = lines.next().and_then(checked);
    let header = header.and_then(|line| line.strip_prefix(MAGIC)?.trim_start().split_once(' '));
    if let Some((boot, id)) = header {
        boot.clone_into(&mut replayed.boot);
        id.clone_into(&mut replayed.id);
    } else {
        replayed.memory.lost = true;
    }
    for line in lines {
        match checked(line) {
            Some(BEGIN) => complete = true,
            Some(record) if read_record(record, &mut replayed).is_some() => {}
            _ => replayed.memory.lost = true,
        }
    }
    replayed.memory.lost |= !complete;
    Ok(Some(replayed))
}

/// Takes one record in; `None` where it is not one.
fn read_record(line: &str, replayed: &mut Replayed) -> Option<()> {
    let memory = &mut replayed.memory;
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["clock", unix] => memory.clock_floor = memory.clock_floor.max(unix.parse().ok()?),
        ["horizon", unix] => memory.replay.raise_horizon(unix.parse().ok()?),
        ["newest", stanza, unix] => memory.newest.raise(stanza, unix.parse().ok()?),
        ["floor", stanza, unix] => memory.floors.raise(stanza, unix.parse().ok()?),
        ["lost"] => memory.lost = true,
        ["knock", timestamp, key, clock, stanza] => {
            let entry = Entry { timestamp: timestamp.parse().ok()?, key: unhex(key)? };
            let clock: u64 = clock.parse().ok()?;
            if *stanza != "-" {
                memory.clock_floor = memory.clock_floor.max(clock);
                memory.newest.raise(stanza, entry.timestamp);
            }
            remember(&mut memory.replay, entry);
            replayed.knocks = replayed.knocks.saturating_add(1);
        }
        ["knock", timestamp, key] => {
            remember(&mut memory.replay, Entry { timestamp: timestamp.parse().ok()?, key: unhex(key)? });
        }
        _ => return None,
    }
    Some(())
}

/// Remembers a knock once, however often it stands there; one that no longer fits is kept out by time.
fn remember(replay: &mut ReplayMemory, entry: Entry) {
    if !replay.has_seen(entry) && replay.remember(entry).is_err() {
        replay.raise_horizon(entry.timestamp);
    }
}

/// A whole journal, and its number of lines.
fn write_memory(memory: &Memory, boot: &str, id: &str) -> (String, usize) {
    let (mut text, mut lines) = (String::new(), 0);
    let mut record = |record: fmt::Arguments<'_>| {
        put(&mut text, record);
        lines += 1;
    };
    record(format_args!("{MAGIC} {boot} {id}"));
    record(format_args!("clock {}", memory.clock_floor));
    record(format_args!("horizon {}", memory.replay.horizon()));
    for (stanza, unix) in &memory.newest {
        record(format_args!("newest {stanza} {unix}"));
    }
    for (stanza, unix) in &memory.floors {
        record(format_args!("floor {stanza} {unix}"));
    }
    if memory.lost {
        record(format_args!("lost"));
    }
    for entry in memory.replay.entries() {
        record(format_args!("knock {} {}", entry.timestamp, hex(&entry.key)));
    }
    record(format_args!("{BEGIN}"));
    (text, lines)
}

/// The record of one knock.
fn knock_line(entry: Entry, clock: u64, honouring: Option<&str>) -> String {
    let (mut line, honouring) = (String::new(), honouring.unwrap_or("-"));
    put(&mut line, format_args!("knock {} {} {clock} {honouring}", entry.timestamp, hex(&entry.key)));
    line
}

/// Appends a record with its check and its end.
fn put(text: &mut String, record: fmt::Arguments<'_>) {
    let start = text.len();
    // Writing into a String does not fail.
    let _ = text.write_fmt(record);
    let check = check(text.get(start..).unwrap_or_default().as_bytes());
    let _ = writeln!(text, " {check:08x}");
}

/// The record of a line whose check fits.
fn checked(line: &[u8]) -> Option<&str> {
    let (record, written) = str::from_utf8(line).ok()?.rsplit_once(' ')?;
    (written == format!("{:08x}", check(record.as_bytes()))).then_some(record)
}

/// Bytes as lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A knock's identity from its 32 digits.
fn unhex(text: &str) -> Option<Key> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some(u128::from_str_radix(text, 16).ok()?.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(timestamp: u64) -> Entry {
        Entry { timestamp, key: u128::from(timestamp).to_be_bytes() }
    }

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("spa-journal-{name}-{}", std::process::id()));
        super::super::files::make_private_directory(&path).unwrap();
        path
    }

    #[test]
    fn what_is_appended_is_read_back() {
        let directory = directory("back");
        let path = directory.join(FILE);
        let mut memory = Memory { clock_floor: 900, ..Memory::default() };
        memory.replay.raise_horizon(500);
        memory.replay.remember(entry(600)).unwrap();
        memory.floors.insert("bob".to_owned(), 700);
        let mut journal = Journal::create(&path, &memory).unwrap();
        journal.append(entry(1000), 1003, Some("alice")).unwrap();
        journal.append(entry(1001), 1004, None).unwrap();
        let back = read(&path).unwrap().unwrap();
        assert_eq!(back.boot, boot::id());
        assert_eq!((back.id.as_str(), back.knocks), (journal.position().0, 2));
        assert_eq!(back.memory.clock_floor, 1003);
        assert_eq!(back.memory.newest.get("alice"), Some(&1000));
        assert_eq!(back.memory.floors.get("bob"), Some(&700));
        assert!(back.memory.replay.has_seen(entry(600)));
        assert!(back.memory.replay.has_seen(entry(1001)));
        assert!(back.memory.replay.has_seen(entry(500)));
        assert!(!back.memory.lost);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_journal_cut_anywhere_is_damaged_or_lacks_whole_knocks_only() {
        let directory = directory("cut");
        let path = directory.join(FILE);
        let mut journal = Journal::create(&path, &Memory::default()).unwrap();
        journal.append(entry(1000), 1003, Some("alice")).unwrap();
        journal.append(entry(1001), 1004, Some("alice")).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let back = read(&path).unwrap().unwrap();
            assert!(back.memory.lost || back.knocks < 2, "cut at {length}");
        }
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn junk_is_noticed() {
        let directory = directory("junk");
        let path = directory.join(FILE);
        Journal::create(&path, &Memory::default()).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        for junk in ["x", "knock 1 2 3 4", "knock 1 zz 3 a", "newest a -1", "", "horizon 99999999999999999999999"] {
            let mut line = String::new();
            put(&mut line, format_args!("{junk}"));
            fs::write(&path, format!("{whole}{line}")).unwrap();
            assert!(read(&path).unwrap().unwrap().memory.lost, "{junk}");
        }
        fs::write(&path, format!("{whole}clock 5\n")).unwrap();
        assert!(read(&path).unwrap().unwrap().memory.lost, "a record without its check");
        fs::write(&path, [0xff, 0x0a, 0xff]).unwrap();
        assert!(read(&path).unwrap().unwrap().memory.lost);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_removed_journal_takes_no_more_knocks_until_it_is_renewed() {
        let directory = directory("removed");
        let path = directory.join(FILE);
        let mut journal = Journal::create(&path, &Memory::default()).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(journal.append(entry(1), 1, None).is_err());
        assert!(journal.append(entry(1), 1, None).is_err());
        journal.renew(&Memory::default()).unwrap();
        journal.append(entry(1), 1, None).unwrap();
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_journal_that_somebody_moved_replaced_or_changed_takes_no_more_knocks() {
        let directory = directory("moved");
        let path = directory.join(FILE);
        for harm in [
            |path: &Path| fs::rename(path, path.with_extension("away")),
            |path: &Path| {
                fs::copy(path, path.with_extension("copy")).and(fs::rename(path.with_extension("copy"), path))
            },
            |path: &Path| fs::write(path, ""),
        ] {
            let mut journal = Journal::create(&path, &Memory::default()).unwrap();
            journal.append(entry(1), 1, None).unwrap();
            harm(&path).unwrap();
            assert!(journal.append(entry(2), 1, None).is_err());
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}
