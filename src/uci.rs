//! UCI text, read and written as OpenWrt's `uci` does; every section and option keeps its line.

use std::fmt;

use zeroize::Zeroizing;

use crate::limits::CONFIG_MAX;

/// The value of an option: bytes, as `uci` keeps them; wiped when dropped and never printed,
/// because it may be a key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Value(Zeroizing<Vec<u8>>);

impl Value {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text; `None` where the bytes are not UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Adds a byte; an outgrown buffer is wiped.
    fn push(&mut self, byte: u8) {
        if self.0.len() == self.0.capacity() {
            let mut larger = Vec::with_capacity(self.0.len().saturating_mul(2).max(64));
            larger.extend_from_slice(&self.0);
            self.0 = Zeroizing::new(larger);
        }
        self.0.push(byte);
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value")
    }
}

/// One `option` or `list` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whether it is a `list` line.
    pub list: bool,
    /// The name: ASCII letters, digits and `_`.
    pub name: String,
    /// The value; empty where the line has none.
    pub value: Value,
    /// The line of the file, from 1.
    pub line: u32,
}

/// One `config` line and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The type: printable ASCII.
    pub kind: String,
    /// The name: ASCII letters, digits and `_`; an anonymous section has none.
    pub name: Option<String>,
    /// The line of the file, from 1.
    pub line: u32,
    /// Its options, in file order.
    pub entries: Vec<Entry>,
}

/// Why a text is not UCI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line of the file, from 1.
    pub line: u32,
    /// What is wrong there.
    pub problem: &'static str,
    /// What helps.
    pub remedy: &'static str,
}

/// Reads a configuration file. A `package` line is read and has no meaning here.
///
/// The grammar is that of libuci's `file.c`, with one difference on the safe side: what follows a
/// `;` directly behind an unquoted value is read, where libuci drops it.
///
/// # Errors
///
/// The first place that `uci` would refuse too, or a text larger than [`CONFIG_MAX`].
pub fn parse(text: &[u8]) -> Result<Vec<Section>, Mistake> {
    let mut reader = Reader { rest: text, line: 1 };
    if u64::try_from(text.len()).map_or(true, |length| length > CONFIG_MAX) {
        return Err(reader.mistake("the file is larger than 1 MiB", "remove what is not configuration"));
    }
    let mut sections: Vec<Section> = Vec::new();
    while reader.find_command() {
        let line = reader.line;
        match reader.command() {
            b"package" | b"p" => {
                reader.name(|byte| is_name(byte) || byte == b'-')?;
            }
            b"config" | b"c" => {
                let kind = reader.name(|byte| byte.is_ascii_graphic())?;
                let name = reader.optional_name()?;
                sections.push(Section { kind, name, line, entries: Vec::new() });
            }
            command @ (b"option" | b"o" | b"list" | b"l") => {
                let list = matches!(command, b"list" | b"l");
                let name = reader.name(is_name)?;
                let value = reader.argument()?.unwrap_or_default();
                let Some(section) = sections.last_mut() else {
                    return Err(Mistake {
                        line,
                        problem: "an option stands before the first section",
                        remedy: "begin with a line such as: config spa-knockd 'main'",
                    });
                };
                section.entries.push(Entry { list, name, value, line });
            }
            _ => {
                return Err(Mistake {
                    line,
                    problem: "the line begins with an unknown word",
                    remedy: "begin it with config, option, list or #, and close every quote before it",
                });
            }
        }
        reader.end_of_command()?;
    }
    Ok(sections)
}

/// Writes sections as `uci` does: a blank line before each, a tab before each option, every value
/// in single quotes. [`parse`] reads the same sections back, unless a value holds a NUL byte.
#[must_use]
pub fn write(sections: &[Section]) -> Zeroizing<Vec<u8>> {
    let mut text = Value::default();
    for section in sections {
        put(&mut text, b"\nconfig ");
        if section.kind.bytes().all(|byte| is_name(byte) || byte == b'-') {
            put(&mut text, section.kind.as_bytes());
        } else {
            put_quoted(&mut text, section.kind.as_bytes());
        }
        if let Some(name) = &section.name {
            put(&mut text, b" ");
            put_quoted(&mut text, name.as_bytes());
        }
        put(&mut text, b"\n");
        for entry in &section.entries {
            put(&mut text, if entry.list { b"\tlist " } else { b"\toption " });
            put(&mut text, entry.name.as_bytes());
            put(&mut text, b" ");
            put_quoted(&mut text, entry.value.bytes());
            put(&mut text, b"\n");
        }
    }
    text.0
}

/// Adds bytes as they are.
fn put(text: &mut Value, bytes: &[u8]) {
    for byte in bytes {
        text.push(*byte);
    }
}

/// Adds a value in single quotes; a quote in it becomes `'\''`.
fn put_quoted(text: &mut Value, bytes: &[u8]) {
    text.push(b'\'');
    for byte in bytes {
        if *byte == b'\'' {
            put(text, br"'\''");
        } else {
            text.push(*byte);
        }
    }
    text.push(b'\'');
}

/// Whether section and option names may hold the byte.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What C's `isspace` says.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// The text that is left, and where it stands.
struct Reader<'a> {
    rest: &'a [u8],
    line: u32,
}

impl<'a> Reader<'a> {
    fn mistake(&self, problem: &'static str, remedy: &'static str) -> Mistake {
        Mistake { line: self.line, problem, remedy }
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        if *first == b'\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(*first)
    }

    /// Skips blank space, comments and separators; whether a command follows.
    fn find_command(&mut self) -> bool {
        while let Some(byte) = self.peek() {
            if byte == b'#' {
                self.skip_comment();
            } else if is_space(byte) || byte == b';' {
                self.take();
            } else {
                return true;
            }
        }
        false
    }

    /// Skips to the end of the line.
    fn skip_comment(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.take();
        }
    }

    /// Skips blank space within the line.
    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| is_space(byte) && byte != b'\n') {
            self.take();
        }
    }

    /// The first word of the line; it holds no line end.
    fn command(&mut self) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| is_space(*byte)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        word
    }

    /// The next word of the command; `None` at its end.
    fn argument(&mut self) -> Result<Option<Value>, Mistake> {
        self.skip_blanks();
        if matches!(self.peek(), None | Some(b'\n' | b'#' | b';')) {
            return Ok(None);
        }
        let mut value = Value::default();
        while let Some(byte) = self.peek() {
            match byte {
                b'\'' => self.single_quoted(&mut value)?,
                b'"' => self.double_quoted(&mut value)?,
                b'#' | b';' => break,
                b'\\' => self.escaped(&mut value)?,
                byte if is_space(byte) => break,
                _ => self.plain(&mut value)?,
            }
        }
        Ok(Some(value))
    }

    /// Everything up to the next single quote, as it is.
    fn single_quoted(&mut self, value: &mut Value) -> Result<(), Mistake> {
        let open = self.line;
        self.take();
        loop {
            match self.peek() {
                None => return Err(unclosed(open)),
                Some(b'\'') => break,
                Some(_) => self.plain(value)?,
            }
        }
        self.take();
        Ok(())
    }

    /// Everything up to the next double quote, with backslashes.
    fn double_quoted(&mut self, value: &mut Value) -> Result<(), Mistake> {
        let open = self.line;
        self.take();
        loop {
            match self.peek() {
                None => return Err(unclosed(open)),
                Some(b'"') => break,
                Some(b'\\') => self.escaped(value)?,
                Some(_) => self.plain(value)?,
            }
        }
        self.take();
        Ok(())
    }

    /// A backslash: the next byte as it is, and nothing for a line end.
    fn escaped(&mut self, value: &mut Value) -> Result<(), Mistake> {
        self.take();
        match self.rest {
            [b'\r', b'\n', ..] => {
                self.take();
                self.take();
                Ok(())
            }
            [b'\n', ..] => {
                self.take();
                Ok(())
            }
            _ => self.plain(value),
        }
    }

    /// One byte as it is.
    fn plain(&mut self, value: &mut Value) -> Result<(), Mistake> {
        match self.peek() {
            Some(0) => Err(self.mistake("a NUL byte", "write text, and keys with other bytes in base64")),
            Some(byte) => {
                self.take();
                value.push(byte);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A word of such bytes.
    fn name(&mut self, allowed: impl Fn(u8) -> bool) -> Result<String, Mistake> {
        self.some_name(allowed)?
            .ok_or_else(|| self.mistake("a name is missing", "write for example: option timeout '30'"))
    }

    /// The name of a section, where it has one.
    fn optional_name(&mut self) -> Result<Option<String>, Mistake> {
        self.some_name(is_name)
    }

    fn some_name(&mut self, allowed: impl Fn(u8) -> bool) -> Result<Option<String>, Mistake> {
        let line = self.line;
        let Some(value) = self.argument()?.filter(|value| !value.bytes().is_empty()) else {
            return Ok(None);
        };
        match value.text() {
            Some(text) if text.bytes().all(allowed) => Ok(Some(text.to_owned())),
            _ => Err(Mistake {
                line,
                problem: "a name has a character that UCI names cannot have",
                remedy: "use letters, digits and _",
            }),
        }
    }

    /// Nothing may be left but a comment or the next command.
    fn end_of_command(&mut self) -> Result<(), Mistake> {
        self.skip_blanks();
        match self.peek() {
            None | Some(b'\n' | b'#' | b';') => Ok(()),
            Some(_) => Err(self.mistake("there are too many words", "put a value with blanks in single quotes")),
        }
    }
}

/// The mistake of a quote that nothing closes.
fn unclosed(line: u32) -> Mistake {
    Mistake {
        line,
        problem: "the quote that opens here is never closed",
        remedy: r"close it; a single quote inside single quotes is written '\''",
    }
}
