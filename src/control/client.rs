//! The other end: how the command line asks a running daemon.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::json;
use crate::config::date::format_utc;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a reply, several times more than the longest: who asks may be root, and who answers is not.
const REPLY_MAX: u64 = 4 * 1024 * 1024;

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<UnixStream>,
    path: String,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// One line: nobody listens there, or we may not ask.
    pub fn connect(path: &Path) -> Result<Self, String> {
        let path_text = path.display().to_string();
        let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                format!("no daemon listens at {path_text}; is spa-knockd running?")
            }
            io::ErrorKind::PermissionDenied => format!("{path_text}: {error}; ask as root"),
            _ => format!("{path_text}: {error}"),
        })?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|error| format!("{path_text}: {error}"))?;
        Ok(Self { reader: BufReader::new(stream), path: path_text })
    }

    /// Asks, and gives the reply, whether it is good or bad.
    ///
    /// # Errors
    /// One line, where no reply comes or it is none.
    pub fn ask(&mut self, request: &Value) -> Result<Value, String> {
        // Where the daemon closed already, it has said why.
        let _ = self.reader.get_mut().write_all((json(request) + "\n").as_bytes());
        self.next_line()?.ok_or_else(|| format!("{}: the daemon closed the connection without an answer", self.path))
    }

    /// The next line, for however long it takes; `None` when the daemon has ended.
    ///
    /// # Errors
    /// One line, where the connection breaks or the line is no JSON.
    pub fn follow(&mut self) -> Result<Option<Value>, String> {
        let patient = self.reader.get_mut().set_read_timeout(None);
        patient.map_err(|error| format!("{}: {error}", self.path))?;
        self.next_line()
    }

    fn next_line(&mut self) -> Result<Option<Value>, String> {
        let mut line = String::new();
        match self.reader.by_ref().take(REPLY_MAX).read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) if !line.ends_with('\n') => Err(format!("{}: the answer was cut, or is too long", self.path)),
            Ok(_) => {
                let reply = serde_json::from_slice(line.as_bytes());
                reply.map(Some).map_err(|error| format!("{}: no JSON came back: {error}", self.path))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(format!("{}: no answer within {} s", self.path, PATIENCE.as_secs()))
            }
            Err(error) => Err(format!("{}: {error}", self.path)),
        }
    }
}

/// The reply, where it is good; otherwise the daemon's words.
///
/// # Errors
/// What the daemon said.
pub fn good(reply: Value) -> Result<Value, String> {
    if reply.get("ok").and_then(Value::as_bool) == Some(true) {
        return Ok(reply);
    }
    let words = reply.get("error").and_then(Value::as_str).unwrap_or("the daemon refused, and did not say why");
    Err(words.to_owned())
}

/// Unix seconds as people read them, UTC, such as `2026-11-22T02:03:04Z`.
#[must_use]
pub fn utc(unix: u64) -> String {
    match format_utc(unix) {
        Some(date) if !date.contains('T') => date + "T00:00:00Z",
        Some(time) => time,
        None => unix.to_string(),
    }
}
