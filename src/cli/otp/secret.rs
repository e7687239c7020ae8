//! What must not be seen: a line of standard input, asked for without an echo where a person types it.

use std::io::Write as _;

use rustix::io::Errno;
use rustix::stdio::stdin;
use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use spa_knockd::otp::chain::{PASSPHRASE_EVERYWHERE, Seed};
use zeroize::Zeroizing;

use super::super::{Failure, complain};
use super::make;

/// Longest line that is read, in bytes.
const LINE_MAX: usize = 1_024;

/// The terminal without its echo; it comes back when this is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> Option<Self> {
        let before = tcgetattr(stdin()).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(stdin(), OptionalActions::Flush, &silent).ok()?;
        Some(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}

/// The next line of standard input, without its end.
pub(super) fn line(what: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let silence = if isatty(stdin()) {
        let _ = write!(std::io::stderr(), "{what}: ");
        Some(Silence::begin().ok_or("the terminal's echo cannot be switched off")?)
    } else {
        None
    };
    // Byte by byte, as the next line is somebody else's, and not by std's buffer, which nobody wipes.
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_MAX));
    let mut byte = Zeroizing::new([0_u8]);
    while line.len() < LINE_MAX {
        let read = loop {
            match rustix::io::read(stdin(), &mut *byte) {
                Err(Errno::INTR) => {}
                read => break read.map_err(|error| format!("standard input: {error}"))?,
            }
        };
        if read == 0 || *byte == *b"\n" {
            break;
        }
        line.extend_from_slice(&*byte);
    }
    drop(silence);
    if line.len() == LINE_MAX {
        return Err(format!("the {what} has {LINE_MAX} bytes or more"));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    if line.is_empty() { Err(format!("there is no {what} on standard input")) } else { Ok(line) }
}

/// The same as text.
pub(super) fn text(what: &str) -> Result<Zeroizing<String>, Failure> {
    let mut line = line(what)?;
    match String::from_utf8(std::mem::take(&mut *line)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(format!("the {what} is no text"))
        }
    }
}

/// A passphrase that RFC 2289 permits; a person who chooses it types it twice.
pub(super) fn passphrase(seed: Option<&Seed>, is_new: bool) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let passphrase = line("passphrase")?;
    make::passphrase(&passphrase, seed)?;
    if passphrase.len() > PASSPHRASE_EVERYWHERE {
        let problem = format!("longer than {PASSPHRASE_EVERYWHERE} bytes, which not every calculator takes");
        complain(&format!("warning: the passphrase is {problem}"));
    }
    if is_new && isatty(stdin()) && line("passphrase again")? != passphrase {
        return Err("the two passphrases differ".to_owned());
    }
    Ok(passphrase)
}
