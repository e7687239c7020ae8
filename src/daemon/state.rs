//! The state file on flash: what must survive a reboot, and no more.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::files::{check, read_own, replace};
use crate::sorted::SortedMap;

/// The name of the file in the state directory.
pub const FILE: &str = "state.json";

/// The layout that this program writes.
const FORMAT: u32 = 1;

/// Larger than any state file that this program writes, in bytes.
const SIZE_MAX: u64 = 1 << 20;

/// The floors of DESIGN D6, and how much of the journal they take into account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// The layout of the file.
    format: u32,
    /// The router's own clock at the last honoured knock, in Unix seconds.
    pub clock_floor: u64,
    /// For each stanza the newest timestamp that it honoured.
    pub newest: SortedMap<String, u64>,
    /// Which journal was in use.
    pub journal: String,
    /// How many knocks that journal held: one that holds fewer has lost some.
    pub knocks: u32,
    /// The check of all the rest; a file without one was written by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<u32>,
}

impl State {
    /// A state to be written.
    #[must_use]
    pub fn new(clock_floor: u64, newest: SortedMap<String, u64>, journal: String, knocks: u32) -> Self {
        Self { format: FORMAT, clock_floor, newest, journal, knocks, check: None }
    }

    /// Reads the file; `None` where there is none.
    ///
    /// # Errors
    /// One line that says why the file cannot be used.
    pub fn read(path: &Path) -> Result<Option<Self>, String> {
        let Some(text) = read_own(path, SIZE_MAX).map_err(|error| error.to_string())? else { return Ok(None) };
        let fields = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        let mut state = Self::of(fields)?;
        let written = state.check.take();
        if written.is_some() && written != state.checked().ok().and_then(|checked| checked.check) {
            return Err("it is damaged: its check does not fit".to_owned());
        }
        if state.format != FORMAT {
            return Err(format!("it has format {}, this program knows {FORMAT}", state.format));
        }
        Ok(Some(state))
    }

    /// What the fields of a file say, all of which must be there and no other.
    fn of(mut fields: Map<String, Value>) -> Result<Self, String> {
        let number = |field: &str, value: Option<Value>| {
            value.and_then(|value| value.as_u64()).ok_or_else(|| format!("the field {field} is missing, or no count"))
        };
        let short = |field: &str, value: Option<Value>| {
            u32::try_from(number(field, value)?).map_err(|_| format!("the field {field} is no such count"))
        };
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) => Ok(text),
            _ => Err("the field journal is missing, or no text".to_owned()),
        };
        let Some(Value::Object(newest)) = fields.remove("newest") else {
            return Err("the field newest is missing, or no object".to_owned());
        };
        let mut state = Self {
            format: short("format", fields.remove("format"))?,
            clock_floor: number("clock_floor", fields.remove("clock_floor"))?,
            newest: SortedMap::default(),
            journal: text(fields.remove("journal"))?,
            knocks: short("knocks", fields.remove("knocks"))?,
            check: match fields.remove("check") {
                None | Some(Value::Null) => None,
                check => Some(short("check", check)?),
            },
        };
        for (stanza, unix) in newest {
            let unix = number("newest", Some(unix))?;
            state.newest.insert(stanza, unix);
        }
        match fields.keys().next() {
            Some(field) => Err(format!("there is no field {field}")),
            None => Ok(state),
        }
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
