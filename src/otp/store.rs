//! The store: one private file a user, changed under a lock, on the disk before anybody is let in.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::chain::{self, Password, Seed};
use super::challenge::Challenge;
use super::decoy::Decoys;
use super::directory::Directory;
use super::record::{Chain, Record};
use super::verify::{Circumstances, Why, judge};
use crate::limits::{NAME_MAX, OTP_LOCK_TIME, OTP_RECORD_MAX};

/// The store's directory in the state directory.
pub const DIRECTORY: &str = "otp";

/// The lock. No user can have this name, nor the next one.
const LOCK: &str = ".lock";

/// The key of the decoys for those who have no chain.
const DECOY: &str = ".decoy";

/// Its length, in bytes.
const DECOY_LEN: usize = 32;

/// How many records are looked at for one that a decoy can be like.
const LIKE_MAX: usize = 16;

/// What is looked for where a name cannot be a user's, so that the answer takes as long.
const NOBODY: &str = ".nobody";

/// A response that was accepted. It is on the disk that it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Passwords left, where they come to an end.
    pub left: Option<u16>,
    /// Whether a new chain has begun with it.
    pub renewed: bool,
}

/// What went wrong with a file, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The file.
    pub path: PathBuf,
    /// One line.
    pub problem: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)
    }
}

/// Why nobody was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The user has no record.
    NoRecord,
    /// The response was not accepted.
    Response(Why),
    /// Another verification, or the command line, held the store for too long.
    Busy,
    /// The record is damaged, or cannot be read or written.
    Store(Trouble),
}

/// One user, as `list` shows it.
#[derive(Debug)]
pub struct Listed {
    /// The name.
    pub user: String,
    /// What is stored.
    pub record: Result<Record, Trouble>,
}

/// The store of a state directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    state: PathBuf,
}

/// The locked store.
#[derive(Debug)]
pub struct Locked {
    directory: Directory,
    _lock: File,
}

impl Store {
    /// The store in this state directory; nothing is touched yet.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }

    /// The lock or the directory failed.
    fn trouble(&self, error: &io::Error) -> Refusal {
        if error.kind() == io::ErrorKind::WouldBlock {
            return Refusal::Busy;
        }
        let problem = format!("cannot be used: {error}; it must be a directory of the daemon's user");
        Refusal::Store(Trouble { path: self.state.join(DIRECTORY), problem })
    }

    /// Opens and locks the store; `None` where there is none and `make` is not set.
    fn enter(&self, make: bool) -> Result<Option<Locked>, Refusal> {
        let open = || -> io::Result<Option<Locked>> {
            let Some(directory) = Directory::open(&self.state, DIRECTORY, make)? else { return Ok(None) };
            let lock = directory.lock(LOCK, Duration::from_millis(OTP_LOCK_TIME))?;
            Ok(Some(Locked { directory, _lock: lock }))
        };
        open().map_err(|error| self.trouble(&error))
    }

    /// Makes the store where it is missing, and locks it.
    ///
    /// # Errors
    /// [`Refusal::Busy`] or [`Refusal::Store`].
    pub fn lock(&self) -> Result<Locked, Refusal> {
        self.enter(true)?.ok_or(Refusal::NoRecord)
    }

    /// Gives the store to the owner of the state directory: for a start as root, after the state directory was handed
    /// over to the daemon's user, because the command line may have made the store before.
    ///
    /// # Errors
    /// What the system says.
    pub fn hand_over(&self) -> io::Result<()> {
        Directory::open(&self.state, DIRECTORY, false)?.map_or(Ok(()), |directory| directory.hand_over(&self.state))
    }

    /// Judges a response and writes down that it was accepted. Only then does this return [`Accepted`]: a crash at
    /// any moment before leaves the old record or the new one, and nobody was let in.
    ///
    /// # Errors
    /// [`Refusal`]. After [`Refusal::Store`] the password may be spent.
    pub fn verify(&self, user: &str, text: &str, circumstances: Circumstances) -> Result<Accepted, Refusal> {
        let known = self.enter(false)?;
        let record = match &known {
            Some(locked) => locked.read(if is_user(user) { user } else { NOBODY })?,
            None => None,
        };
        let verdict = judge(record.as_ref().unwrap_or(&nobody()), text, circumstances);
        let (Some(locked), Some(_)) = (known, record) else { return Err(Refusal::NoRecord) };
        if let Some(next) = &verdict.next {
            locked.write(user, next).map_err(Refusal::Store)?;
        }
        let renewed = verdict.outcome.map_err(Refusal::Response)?;
        Ok(Accepted { left: verdict.next.and_then(|next| next.left()), renewed })
    }

    /// The challenge of a user, at this time in Unix seconds: the real one of a chain, and for everybody else, known or
    /// not, a decoy that looks like one of the `others`, who are users that may have chains.
    ///
    /// # Errors
    /// [`Refusal::Busy`], or [`Refusal::Store`] where not even a decoy can be made.
    pub fn challenge(&self, user: &str, others: &[&str], unix: u64) -> Result<Challenge, Refusal> {
        // Without the lock: a file that is replaced whole can be read at any time, and asking must not keep others out.
        let directory = Directory::open(&self.state, DIRECTORY, false).map_err(|error| self.trouble(&error))?;
        let decoys = self.decoys(directory.as_ref())?;
        let chain_of = |user: &str| match directory.as_ref().map(|directory| read(directory, user)) {
            Some(Ok(Some(Record::Chain(chain)))) => Some(chain),
            _ => None,
        };
        // One that has come to its end would ask for a password that there never was.
        let own = chain_of(if is_user(user) { user } else { NOBODY }).filter(|chain| chain.sequence > 1);
        Ok(match own {
            Some(Chain { algorithm, sequence, seed, .. }) => {
                Challenge { algorithm, sequence: sequence.saturating_sub(1), seed }
            }
            None => {
                let ranked = decoys.rank(user, others);
                let like = ranked.into_iter().filter(|other| is_user(other)).take(LIKE_MAX).find_map(chain_of);
                decoys.challenge(user, like.as_ref(), unix)
            }
        })
    }

    /// Whom of the others a name is like that nobody has: always the same one, while he is there.
    ///
    /// # Errors
    /// See [`Self::challenge`].
    pub fn like<'a>(&self, name: &str, others: &[&'a str]) -> Result<Option<&'a str>, Refusal> {
        let directory = Directory::open(&self.state, DIRECTORY, false).map_err(|error| self.trouble(&error))?;
        Ok(self.decoys(directory.as_ref())?.rank(name, others).into_iter().next())
    }

    /// The decoys of this router; their key is made where it is missing.
    fn decoys(&self, directory: Option<&Directory>) -> Result<Decoys, Refusal> {
        let key = match directory.and_then(decoy_key) {
            Some(key) => key,
            None => self.lock()?.make_decoy_key().map_err(Refusal::Store)?,
        };
        Ok(Decoys::new(key))
    }

    /// Every user of the store, by name; a damaged record does not hide the others.
    ///
    /// # Errors
    /// [`Refusal::Busy`] or [`Refusal::Store`].
    pub fn list(&self) -> Result<Vec<Listed>, Refusal> {
        let Some(locked) = self.enter(false)? else { return Ok(Vec::new()) };
        let mut names = locked.directory.names().map_err(|error| self.trouble(&error))?;
        names.retain(|name| is_user(name));
        names.sort_unstable();
        let listed = names.into_iter().filter_map(|user| {
            let record = match locked.read(&user) {
                Ok(record) => Ok(record?),
                Err(Refusal::Store(trouble)) => Err(trouble),
                Err(_) => return None,
            };
            Some(Listed { user, record })
        });
        Ok(listed.collect())
    }
}

impl Locked {
    /// The record of a user; `None` where there is none.
    ///
    /// # Errors
    /// [`Refusal::Store`].
    pub fn read(&self, user: &str) -> Result<Option<Record>, Refusal> {
        read(&self.directory, user).map_err(Refusal::Store)
    }

    /// Stores a record in the place of what there is.
    ///
    /// # Errors
    /// What the system says; what is stored then is the old record or the new one.
    pub fn write(&self, user: &str, record: &Record) -> Result<(), Trouble> {
        self.put(user, record.to_text().as_bytes())
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<(), Trouble> {
        self.directory.replace(name, content).map_err(|error| {
            let problem = format!("cannot be written: {error}; nobody is let in before it can");
            Trouble { path: self.directory.path(name), problem }
        })
    }

    /// Removes the record of a user; whether there was one.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, user: &str) -> Result<bool, Trouble> {
        self.directory.remove(user).map_err(|error| {
            let problem = format!("cannot be removed: {error}");
            Trouble { path: self.directory.path(user), problem }
        })
    }

    /// The key of the decoys, made where it is missing.
    fn make_decoy_key(&self) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        if let Some(key) = decoy_key(&self.directory) {
            return Ok(key);
        }
        let mut key = Zeroizing::new(vec![0; DECOY_LEN]);
        getrandom::fill(&mut key).map_err(|error| Trouble {
            path: self.directory.path(DECOY),
            problem: format!("no random bytes: {error}"),
        })?;
        self.put(DECOY, &key)?;
        Ok(key)
    }
}

/// The record of a user; `None` where there is none.
fn read(directory: &Directory, user: &str) -> Result<Option<Record>, Trouble> {
    let trouble = |problem| Trouble { path: directory.path(user), problem };
    let content = directory.read(user, OTP_RECORD_MAX);
    let content = content.map_err(|error| trouble(format!("cannot be read: {error}; {}", remedy(user))))?;
    let Some(content) = content else { return Ok(None) };
    let damaged = || trouble(format!("the record is damaged, or of another version; {}", remedy(user)));
    Record::parse(&content).map(Some).ok_or_else(damaged)
}

/// The key of the decoys, where there is one.
fn decoy_key(directory: &Directory) -> Option<Zeroizing<Vec<u8>>> {
    directory.read(DECOY, OTP_RECORD_MAX).ok().flatten().filter(|key| key.len() == DECOY_LEN)
}

/// Whether a user may have this name: that of a section of the configuration, so it is a file name, too.
#[must_use]
pub fn is_user(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What helps against a record that cannot be used.
fn remedy(user: &str) -> String {
    format!("put a copy back that was not used since, or make new ones: spa-knockd otp remove {user}, then otp add")
}

/// The record that is tried for whoever has none, so that a wrong name takes as long as a wrong password.
fn nobody() -> Record {
    Record::Chain(Chain {
        algorithm: chain::Algorithm::Md5,
        sequence: 2,
        seed: Seed::from_number(0),
        last: Password::new([0; 8]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_sections_and_nothing_that_leaves_the_directory() {
        for name in ["alice", "A_9", &"a".repeat(64)] {
            assert!(is_user(name), "{name}");
        }
        for name in ["", ".", "..", ".lock", "a/b", "../a", "a.new", "a b", "zoë", "a\0", &"a".repeat(65)] {
            assert!(!is_user(name), "{name}");
        }
    }
}
