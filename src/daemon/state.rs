//! The state file on flash: what must survive a reboot, and no more.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::{check, read_own, replace};

/// The name of the file in the state directory.
pub const FILE: &str = "state.json";

/// The layout that this program writes.
const FORMAT: u32 = 1;

/// Larger than any state file that this program writes, in bytes.
const SIZE_MAX: u64 = 1 << 20;

/// The floors of DESIGN D6, and how much of the journal they take into account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The layout of the file.
    format: u32,
    /// The router's own clock at the last honoured knock, in Unix seconds.
    pub clock_floor: u64,
    /// For each stanza the newest timestamp that it honoured.
    pub newest: BTreeMap<String, u64>,
    /// Which journal was in use.
    pub journal: String,
    /// How many knocks that journal held: one that holds fewer has lost some.
    pub knocks: u32,
    /// The check of all the rest; a file without one was written by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<u32>,
}

impl State {
    /// A state to be written.
    #[must_use]
    pub fn new(clock_floor: u64, newest: BTreeMap<String, u64>, journal: String, knocks: u32) -> Self {
        Self { format: FORMAT, clock_floor, newest, journal, knocks, check: None }
    }

    /// Reads the file; `None` where there is none.
    ///
    /// # Errors
    /// One line that says why the file cannot be used.
    pub fn read(path: &Path) -> Result<Option<Self>, String> {
        let Some(text) = read_own(path, SIZE_MAX).map_err(|error| error.to_string())? else { return Ok(None) };
        let mut state: Self = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        let written = state.check.take();
        if written.is_some() && written != state.checked().ok().and_then(|checked| checked.check) {
            return Err("it is damaged: its check does not fit".to_owned());
        }
        if state.format != FORMAT {
            return Err(format!("it has format {}, this program knows {FORMAT}", state.format));
        }
        Ok(Some(state))
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    /// What the system says; the old file is then as it was.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let checked = self.checked().map_err(io::Error::other)?;
        let mut text = serde_json::to_vec(&checked).map_err(io::Error::other)?;
        text.push(b'\n');
        replace(path, &text).map(drop)
    }

    /// This state with its check.
    fn checked(&self) -> serde_json::Result<Self> {
        let bare = Self { check: None, ..self.clone() };
        let check = check(&serde_json::to_vec(&bare)?);
        Ok(Self { check: Some(check), ..bare })
    }
}
