//! The fields of a JSON object, taken one by one; those that nobody took are wiped, as a password may be among them.

use serde_json::{Map, Value};
use zeroize::Zeroize as _;

/// An object's fields. Those that nobody has taken are wiped when it is dropped.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// The fields of a value that is an object.
    pub(super) fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(fields) => Some(Self(fields)),
            mut other => {
                wipe(&mut other);
                None
            }
        }
    }

    /// A field, which must be there.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// A field that is there, and is null or can be read.
    #[expect(clippy::option_option, reason = "a field may be null, or be wrong")]
    pub(super) fn perhaps<T>(&mut self, name: &str, read: fn(Value) -> Option<T>) -> Option<Option<T>> {
        match self.take(name)? {
            Value::Null => Some(None),
            value => read(value).map(Some),
        }
    }

    /// A field that is text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        text(self.take(name)?)
    }

    /// A field that is true or false.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name)?.as_bool()
    }

    /// A field that is a count.
    pub(super) fn number(&mut self, name: &str) -> Option<u32> {
        number(self.take(name)?)
    }

    /// Nothing is left, as a field that is not known may mean anything.
    pub(super) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

/// Whether nothing in this JSON is nested deeper than so much: reading takes stack for each level, and the desk's thread
/// has little.
pub(super) fn is_flat(line: &[u8], most: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    line.iter().all(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth = depth.saturating_add(1),
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth <= most
    })
}

/// Wipes all texts of a value.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        _ => {}
    }
}

/// A text.
pub(super) fn text(mut value: Value) -> Option<String> {
    if let Value::String(text) = &mut value {
        return Some(std::mem::take(text));
    }
    wipe(&mut value);
    None
}

/// A list of texts.
pub(super) fn texts(value: Value) -> Option<Vec<String>> {
    let Value::Array(values) = value else { return None };
    values.into_iter().map(text).collect()
}

/// A count.
#[expect(clippy::needless_pass_by_value, reason = "taken out of an object, as all others")]
pub(super) fn number(value: Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

/// One of several things, as serde writes it: its name, or an object with what is said of it under its name.
pub(super) fn variant(value: Value) -> Option<(String, Option<Value>)> {
    match value {
        Value::String(name) => Some((name, None)),
        Value::Object(fields) if fields.len() == 1 => {
            fields.into_iter().next().map(|(name, value)| (name, Some(value)))
        }
        mut other => {
            wipe(&mut other);
            None
        }
    }
}
