//! What outlives the process: the journal in the run directory and the state file in the state directory.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::boot;
use super::files::{make_private_directory, open_own};
use super::journal::{self, Journal};
use super::scribe::{Office, Scribe};
use super::state::{self, State};
use crate::engine::{Engine, Memory};
use crate::replay::Entry;

/// How long after a knock was honoured the state file is written: off the capture path, and within the second
/// that DESIGN D7 allows.
const STATE_DELAY: Duration = Duration::from_millis(500);

/// The lock that keeps two daemons, or a daemon and `state reset`, from one run directory.
pub(super) const LOCK: &str = "lock";

/// What the system says of a symbolic link that is not to be followed.
const LOOP: i32 = rustix::io::Errno::LOOP.raw_os_error();

/// Where the two files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The directory of the state file, on flash.
    pub state: PathBuf,
    /// The directory of the journal, in memory.
    pub run: PathBuf,
}

impl Places {
    /// The state file.
    #[must_use]
    pub fn state_file(&self) -> PathBuf {
        self.state.join(state::FILE)
    }

    /// The journal.
    #[must_use]
    pub fn journal_file(&self) -> PathBuf {
        self.run.join(journal::FILE)
    }

    /// Makes both directories and takes the lock; `None` where the run directory cannot be written.
    ///
    /// # Errors
    /// One line, where another process holds the lock or a link stands in its place.
    pub fn lock(&self) -> Result<Option<File>, String> {
        // A directory that cannot be made shows as a file that cannot be written, and is reported there.
        let _ = make_private_directory(&self.state);
        let _ = make_private_directory(&self.run);
        let path = self.run.join(LOCK);
        let lock = match open_own(&path, true) {
            Ok(lock) => lock,
            // Too many links: a symbolic one stands in its place.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput || error.raw_os_error() == Some(LOOP) => {
                return Err(format!("{}: {error}", path.display()));
            }
            Err(_) => return Ok(None),
        };
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| format!("{}: another spa-knockd uses this directory; stop it first", self.run.display()))?;
        Ok(Some(lock))
    }
}

/// What was found on disk.
#[derive(Debug)]
pub struct Found {
    /// What the engine goes on from.
    pub memory: Memory,
    /// What a person should know, one line each.
    pub warnings: Vec<String>,
    /// Whether the state file lacks what the journal knows, or cannot know: the last process could not write it any
    /// more.
    pub unsaved: bool,
}

/// Reads both files and joins what they say.
///
/// After a reboot, that is without a journal of this boot, a stanza refuses timestamps up to the newest one it
/// honoured. Where something is damaged and the rest cannot make up for it, the memory is marked as lost.
#[must_use]
pub fn load(places: &Places) -> Found {
    let mut warnings = Vec::new();
    let state_file = places.state_file();
    let (state, damaged) = match State::read(&state_file) {
        Ok(state) => (state.unwrap_or_default(), false),
        Err(problem) => {
            warnings.push(format!("{}: {problem}; it will be written anew", state_file.display()));
            (State::default(), true)
        }
    };
    let journal_file = places.journal_file();
    let journal = journal::read(&journal_file).unwrap_or_else(|error| {
        warnings.push(format!("{}: {error}", journal_file.display()));
        Some(journal::Replayed { memory: Memory { lost: true, ..Memory::default() }, ..journal::Replayed::default() })
    });
    let journal = journal.unwrap_or_default();
    let same_boot = journal.boot != boot::UNKNOWN && journal.boot == boot::id();
    let mut memory = journal.memory;
    let known = |stanza: &String, unix: &u64| state.newest.get(stanza).is_some_and(|newest| newest >= unix);
    let unsaved = damaged
        || memory.clock_floor > state.clock_floor
        || !memory.newest.iter().all(|(stanza, unix)| known(stanza, unix));
    memory.clock_floor = memory.clock_floor.max(state.clock_floor);
    for (stanza, unix) in &state.newest {
        memory.newest.raise(stanza, *unix);
    }
    if same_boot {
        memory.lost |= state.journal == journal.id && journal.knocks < state.knocks;
    } else {
        memory.lost |= damaged;
        for (stanza, unix) in &memory.newest {
            memory.floors.raise(stanza, *unix);
        }
    }
    if memory.lost {
        warnings.push(format!(
            "what was honoured before is not known for sure ({} and {}): knocks made before this start, or up to \
             max_age after it, are refused; with max_age 0 all are, until `spa-knockd state reset`",
            journal_file.display(),
            state_file.display(),
        ));
    }
    let unsaved = unsaved || memory.lost;
    Found { memory, warnings, unsaved }
}

/// The open journal, and when the state file is due.
#[derive(Debug)]
pub struct Store {
    places: Places,
    journal: Option<Journal>,
    state_due: Option<Duration>,
    writer: Writer,
}

/// Who writes the state file.
#[derive(Debug)]
enum Writer {
    /// The caller waits for the disk.
    Here(Scribe),
    /// Nobody waits.
    Elsewhere(Office),
}

impl Writer {
    /// Whether the last attempt failed, as far as it has come.
    fn has_failed(&self) -> bool {
        match self {
            Self::Here(scribe) => scribe.has_failed(),
            Self::Elsewhere(office) => office.has_failed(),
        }
    }
}

impl Store {
    /// Begins a new journal with what the engine knows. Where that fails, every knock tries again, and none opens
    /// before it succeeds.
    #[must_use]
    pub fn open(places: Places, engine: &Engine) -> Self {
        let writer = Writer::Here(Scribe::new(places.state_file()));
        let mut store = Self { places, journal: None, state_due: None, writer };
        if let Err(line) = store.renew(engine) {
            log::warn!("{line}; no knock is honoured until it can be written");
        }
        store
    }

    /// From now on the state file is written while the daemon goes on; the thread keeps the rights of this moment.
    pub fn write_elsewhere(&mut self) {
        match Office::open(Scribe::new(self.places.state_file())) {
            Ok(office) => self.writer = Writer::Elsewhere(office),
            Err(error) => log::warn!("no thread for the state file: {error}; knocks wait while it is written"),
        }
    }

    /// Whether knocks can be put into the journal, as far as is known.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.journal.is_some()
    }

    /// Puts a knock into the journal; `honouring` names the stanza that is about to open for it.
    ///
    /// # Errors
    /// One line that says why not ([`crate::reason::Reason::Journal`]); nothing may open then.
    pub fn record(&mut self, entry: Entry, clock: u64, honouring: Option<&str>, engine: &Engine) -> Result<(), String> {
        let appended = self.journal.as_mut().map(|journal| journal.append(entry, clock, honouring));
        if let Some(Ok(())) = appended {
            return Ok(());
        }
        self.renew(engine)?;
        // The engine's memory holds this knock already, and so does the new journal; but not yet who honours it, which
        // the state file must learn also when this process is killed before it is written.
        let Some(journal) = &mut self.journal else { return Ok(()) };
        journal.append(entry, clock, honouring).map_err(|error| cannot_write(&self.places.journal_file(), &error))
    }

    /// Writes the journal anew where most of it is of no use any more; not on the way of a knock.
    pub fn tidy(&mut self, engine: &Engine) {
        let living = engine.remembered();
        if self.journal.as_ref().is_some_and(|journal| journal.is_overgrown(living))
            && let Err(line) = self.renew(engine)
        {
            log::warn!("{line}");
            if let Some(journal) = &mut self.journal {
                journal.postpone(living);
            }
        }
    }

    /// Takes note that a knock was honoured, by this process or just before the end of the last one: the state file
    /// is due soon.
    pub fn honoured(&mut self, now: Duration) {
        self.state_due.get_or_insert(now.saturating_add(STATE_DELAY));
    }

    /// Writes down that a loss was made up for while the daemon ran.
    pub fn settled(&mut self, engine: &Engine, now: Duration) {
        if let Err(line) = self.renew(engine) {
            log::warn!("{line}");
        }
        self.honoured(now);
    }

    /// When the state file is due, on the clock of [`super::clock::since_boot`].
    #[must_use]
    pub fn state_due(&self) -> Option<Duration> {
        self.state_due
    }

    /// Writes the state file where it is due, or whatever is unsaved where `now` is absent. A failure is warned of
    /// once; the next honoured knock tries again, and so does the end of the process.
    pub fn save(&mut self, now: Option<Duration>, engine: &Engine) {
        let is_due = match (self.state_due, now) {
            (Some(due), Some(now)) => now >= due,
            (None, Some(_)) => false,
            (due, None) => due.is_some() || self.writer.has_failed(),
        };
        if !is_due {
            return;
        }
        self.state_due = None;
        if engine.is_lost() {
            // A sound file would vouch for what is not known.
            return;
        }
        let (journal, knocks) = self.journal.as_ref().map_or(("", 0), Journal::position);
        let (clock_floor, newest) = engine.floors();
        let state = State::new(clock_floor, newest, journal.to_owned(), knocks);
        match &mut self.writer {
            Writer::Here(scribe) => scribe.write(&state),
            Writer::Elsewhere(office) => office.write(state),
        }
    }

    /// A new journal in the place of the old one.
    fn renew(&mut self, engine: &Engine) -> Result<(), String> {
        let path = self.places.journal_file();
        let memory = engine.memory();
        let renewed = match &mut self.journal {
            Some(journal) => journal.renew(&memory),
            None => Journal::create(&path, &memory).map(|journal| self.journal = Some(journal)),
        };
        renewed.map_err(|error| cannot_write(&path, &error))
    }
}

/// The line for a journal that cannot be written.
fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("{}: cannot write the journal: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const CONFIG: &[u8] = b"config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'eth0'\n\
        config access 'alice'\n\toption key 'OpenSesame-2024'\n\toption hmac_key 'Hm@cSecret-77-x'\n\
        \tlist open 'tcp/22'\n";

    fn places(name: &str) -> Places {
        let directory = std::env::temp_dir().join(format!("spa-store-{name}-{}", std::process::id()));
        Places { state: directory.join("state"), run: directory.join("run") }
    }

    fn remove(places: &Places) {
        fs::remove_dir_all(places.run.parent().unwrap()).unwrap();
    }

    #[test]
    fn the_lock_is_held_once_and_harms_no_file_that_a_link_names() {
        let places = places("lock");
        let held = places.lock().unwrap();
        assert!(held.is_some());
        assert!(places.lock().unwrap_err().contains("another spa-knockd"));
        drop(held);
        let precious = places.state.join("precious");
        fs::write(&precious, "of somebody else").unwrap();
        let lock = places.run.join(LOCK);
        for symbolic in [false, true] {
            fs::remove_file(&lock).unwrap();
            if symbolic { std::os::unix::fs::symlink(&precious, &lock) } else { fs::hard_link(&precious, &lock) }
                .unwrap();
            assert!(places.lock().is_err());
            assert_eq!(fs::read_to_string(&precious).unwrap(), "of somebody else");
        }
        remove(&places);
    }

    #[test]
    fn what_a_killed_process_could_not_save_is_saved_by_the_next() {
        let places = places("killed");
        let _lock = places.lock().unwrap();
        let config = crate::config::parse(CONFIG, "test").unwrap().config;
        let mut memory = Memory { clock_floor: 5, ..Memory::default() };
        memory.newest.insert("alice".to_owned(), 5000);
        drop(Journal::create(&places.journal_file(), &memory).unwrap());

        let found = load(&places);
        assert!(found.unsaved);
        let engine = Engine::new(&config, found.memory);
        let mut store = Store::open(places.clone(), &engine);
        store.honoured(Duration::ZERO);
        store.save(None, &engine);
        fs::remove_file(places.journal_file()).unwrap();
        let found = load(&places);
        assert_eq!(found.memory.floors.get("alice"), Some(&5000), "a reboot took the journal");
        assert!(!found.unsaved);

        fs::write(places.state_file(), "junk").unwrap();
        assert!(load(&places).unsaved);
        remove(&places);
    }

    #[test]
    fn a_memory_that_is_still_lost_leaves_its_mark_in_the_damaged_state_file() {
        let places = places("mark");
        let _lock = places.lock().unwrap();
        fs::write(places.state_file(), "junk").unwrap();
        let config = crate::config::parse(CONFIG, "test").unwrap().config;
        let engine = Engine::new(&config, load(&places).memory);
        let mut store = Store::open(places.clone(), &engine);
        store.honoured(Duration::ZERO);
        store.save(None, &engine);
        fs::remove_file(places.journal_file()).unwrap();
        assert!(load(&places).memory.lost);
        remove(&places);
    }
    #[test]
    fn a_journal_that_had_to_be_renewed_for_a_knock_knows_who_honours_it() {
        let places = places("renewed");
        let _lock = places.lock().unwrap();
        let config = crate::config::parse(CONFIG, "test").unwrap().config;
        let engine = Engine::new(&config, Memory::default());
        let mut store = Store::open(places.clone(), &engine);
        fs::remove_file(places.journal_file()).unwrap();
        store.record(Entry { timestamp: 5000, key: [7; 16] }, 5001, Some("alice"), &engine).unwrap();
        let found = load(&places);
        assert_eq!((found.memory.newest.get("alice"), found.memory.clock_floor), (Some(&5000), 5001));
        assert!(found.unsaved);
        remove(&places);
    }

    #[test]
    fn what_could_not_be_saved_is_saved_at_the_end() {
        let places = places("end");
        let _lock = places.lock().unwrap();
        let config = crate::config::parse(CONFIG, "test").unwrap().config;
        let engine = Engine::new(&config, Memory { clock_floor: 5, ..Memory::default() });
        let mut store = Store::open(places.clone(), &engine);
        fs::create_dir(places.state_file()).unwrap();
        store.honoured(Duration::ZERO);
        store.save(Some(STATE_DELAY), &engine);
        assert!(State::read(&places.state_file()).is_err());
        fs::remove_dir(places.state_file()).unwrap();
        store.save(Some(STATE_DELAY * 9), &engine);
        assert!(!places.state_file().exists(), "nothing wakes a daemon that is idle");
        store.save(None, &engine);
        assert_eq!(State::read(&places.state_file()).unwrap().unwrap().clock_floor, 5);
        remove(&places);
    }

    #[test]
    fn an_overgrown_journal_that_cannot_be_renewed_is_left_alone_for_a_while() {
        let places = places("overgrown");
        let _lock = places.lock().unwrap();
        let config = crate::config::parse(CONFIG, "test").unwrap().config;
        let engine = Engine::new(&config, Memory::default());
        let mut store = Store::open(places.clone(), &engine);
        let inode =
            |places: &Places| std::os::unix::fs::MetadataExt::ino(&fs::metadata(places.journal_file()).unwrap());
        let grow = |store: &mut Store| {
            for timestamp in 0..5000 {
                store.record(Entry { timestamp, key: [7; 16] }, 5, None, &engine).unwrap();
            }
        };
        let first = inode(&places);
        grow(&mut store);
        let in_the_way = places.journal_file().with_extension(super::super::files::BESIDE);
        fs::create_dir(&in_the_way).unwrap();
        store.tidy(&engine);
        fs::remove_dir(&in_the_way).unwrap();
        store.tidy(&engine);
        assert_eq!(inode(&places), first, "tried again at once, as at every packet of a flood");
        grow(&mut store);
        store.tidy(&engine);
        assert_ne!(inode(&places), first);
        remove(&places);
    }
}
