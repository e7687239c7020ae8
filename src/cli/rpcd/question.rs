//! What rpcd hands on: one JSON object, read field by field, and wiped.

use serde_json::{Map, Value};
use spa_knockd::input::read_up_to;
use zeroize::{Zeroize as _, Zeroizing};

use super::super::Failure;

/// Bytes of a question: a capture of some hundred knocks in base64, as much as uhttpd lets through.
const QUESTION_MAX: u64 = 64 * 1024;

/// What rpcd adds to each question.
const SESSION: &str = "ubus_rpc_session";

/// A question's fields.
#[derive(Default)]
pub(super) struct Question(Map<String, Value>);

impl Drop for Question {
    /// One of them may be a passphrase.
    fn drop(&mut self) {
        for value in self.0.values_mut() {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
}

impl Question {
    /// Reads what rpcd passes on.
    pub(super) fn read() -> Result<Self, Failure> {
        let read = read_up_to(rustix::stdio::stdin(), QUESTION_MAX + 1);
        let text = read.map_err(|error| format!("standard input: {error}"))?;
        if u64::try_from(text.len()).map_or(true, |length| length > QUESTION_MAX) {
            return Err(format!("the question is longer than {QUESTION_MAX} bytes"));
        }
        Self::parse(&text)
    }

    fn parse(text: &[u8]) -> Result<Self, Failure> {
        if text.trim_ascii().is_empty() {
            return Ok(Self(Map::new()));
        }
        let mut fields: Map<String, Value> =
            serde_json::from_slice(text).map_err(|error| format!("the question is no JSON object: {error}"))?;
        fields.remove(SESSION);
        Ok(Self(fields))
    }

    /// A field that is text; what is empty or null is absent.
    pub(super) fn text(&mut self, field: &str) -> Result<Option<String>, Failure> {
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(_) => Err(format!("{field}: it is text")),
        }
    }

    /// A field that is a secret.
    pub(super) fn secret(&mut self, field: &str) -> Result<Option<Zeroizing<String>>, Failure> {
        Ok(self.text(field)?.map(Zeroizing::new))
    }

    /// A field that is text with a meaning.
    pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        field: &str,
    ) -> Result<Option<T>, Failure> {
        let text = self.text(field)?;
        text.map(|text| text.parse().map_err(|fault| format!("{field}: {fault}"))).transpose()
    }

    pub(super) fn number(&mut self, field: &str) -> Result<Option<u64>, Failure> {
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| format!("{field}: it is a number")),
        }
    }

    pub(super) fn switch(&mut self, field: &str) -> Result<bool, Failure> {
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(value),
            Some(_) => Err(format!("{field}: it is true or false")),
        }
    }

    /// Nothing else was asked, so that a misspelt field is never ignored.
    pub(super) fn end(self) -> Result<(), Failure> {
        self.0.keys().next().map_or(Ok(()), |field| Err(format!("there is no field {field:?} here")))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn a_question_is_read_field_by_field() {
        let mut question = Question::parse(br#"{"access":"a","all":false,"skip":3,"ubus_rpc_session":"0"}"#).unwrap();
        assert_eq!(question.text("access").unwrap().as_deref(), Some("a"));
        assert_eq!((question.switch("all"), question.number("skip")), (Ok(false), Ok(Some(3))));
        assert_eq!(question.end(), Ok(()));
        let mut question = Question::parse(br#"{"access":1,"all":"yes","skip":-1,"source":"x"}"#).unwrap();
        assert_eq!(question.text("access").unwrap_err(), "access: it is text");
        assert_eq!(question.switch("all").unwrap_err(), "all: it is true or false");
        assert_eq!(question.number("skip").unwrap_err(), "skip: it is a number");
        assert!(question.parsed::<IpAddr>("source").unwrap_err().starts_with("source: "));
        let misspelt = Question::parse(br#"{"acess":"a"}"#).unwrap();
        assert_eq!(misspelt.end().unwrap_err(), "there is no field \"acess\" here");
        assert!(Question::parse(b"").unwrap().0.is_empty());
        for text in [&b"[]"[..], b"{", b"null", b"\xff"] {
            assert!(Question::parse(text).is_err());
        }
    }
}
