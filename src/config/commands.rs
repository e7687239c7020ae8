//! The commands that a stanza names, and when they run.

use super::fault::Complaint;
use super::section::Options;
use crate::limits::{COMMAND_MAX, COMMAND_NAME_MAX, COMMANDS_MAX};

/// What a stanza may have run: a program and its arguments, as the router's owner wrote them; no shell reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What the client's command message says.
    pub name: String,
    /// The program's absolute path.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// Everything about commands in one stanza.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commands {
    /// The commands; no name occurs twice.
    pub list: Vec<Command>,
    /// As whom they run.
    pub user: String,
    /// The name of the command that runs after a door or a way opened.
    pub on_open: Option<String>,
    /// The name of the command that runs when the last of what a grant opened is gone.
    pub on_close: Option<String>,
}

impl Default for Commands {
    fn default() -> Self {
        Self { list: Vec::new(), user: "nobody".to_owned(), on_open: None, on_close: None }
    }
}

impl Commands {
    /// Whether there is a command of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.list.iter().any(|command| command.name == name)
    }
}

/// Reads what the section says of commands.
pub(super) fn read(options: &mut Options<'_>) -> Commands {
    let list = options.many("command", command);
    let twice = list.iter().enumerate().find(|(index, one)| list.iter().take(*index).any(|two| two.name == one.name));
    if let Some((_, command)) = twice {
        let problem = format!("the name '{}' is given twice", command.name);
        options.refuse("command", Complaint::new(problem, "give every command a name of its own"));
    }
    if list.len() > COMMANDS_MAX {
        let problem = format!("there are more than {COMMANDS_MAX} commands");
        options.refuse("command", Complaint::new(problem, "share them out among stanzas"));
    }
    let user = options.one("command_user", user).unwrap_or_else(|| Commands::default().user);
    let [on_open, on_close] = ["on_open", "on_close"].map(|option| {
        options.one(option, |text| {
            if list.iter().any(|command| command.name == text) {
                Ok(text.to_owned())
            } else {
                let remedy = "write the NAME of one of its list command";
                Err(Complaint::new("the stanza has no command of this name", remedy))
            }
        })
    });
    Commands { list, user, on_open, on_close }
}

/// Reads `NAME=PROGRAM ARG...`.
fn command(text: &str) -> Result<Command, Complaint> {
    const REMEDY: &str = "write for example 'wol=/usr/bin/etherwake -i br-lan 00:11:22:33:44:55'";
    let (name, line) = text.split_once('=').ok_or_else(|| Complaint::new("is not NAME=PROGRAM ARG...", REMEDY))?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > COMMAND_NAME_MAX || !name.bytes().all(is_name) {
        let problem =
            format!("the name before = must be 1 to {COMMAND_NAME_MAX} letters, digits and underscores of ASCII");
        return Err(Complaint::new(problem, REMEDY));
    }
    if text.len() > COMMAND_MAX {
        return Err(Complaint::new(format!("is longer than {COMMAND_MAX} bytes"), "write a script and name it"));
    }
    if line.contains(['\'', '"']) {
        return Err(Complaint::new(
            "has quotes, and no shell reads it: words end at blanks",
            "write a script that holds what needs them, and name it",
        ));
    }
    let mut words = line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
    match words.next() {
        Some(program) if program.starts_with('/') => {
            Ok(Command { name: name.to_owned(), program, arguments: words.collect() })
        }
        _ => Err(Complaint::new("the program is no absolute path", REMEDY)),
    }
}

fn user(text: &str) -> Result<String, Complaint> {
    let is_user = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if text.bytes().all(is_user) {
        Ok(text.to_owned())
    } else {
        Err(Complaint::new("is no name of a user", "write a user of /etc/passwd, such as 'nobody'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_blanks_and_nothing_else_is_special() {
        let read = command("wol=/usr/bin/etherwake  -i br-lan $(id) a=b;c ").unwrap();
        assert_eq!((read.name.as_str(), read.program.as_str()), ("wol", "/usr/bin/etherwake"));
        assert_eq!(read.arguments, ["-i", "br-lan", "$(id)", "a=b;c"]);
        assert_eq!(command("A_9=/x").unwrap().arguments, [""; 0]);
    }

    #[test]
    fn whatever_is_no_command_has_its_complaint() {
        let long_name = format!("{}=/x", "n".repeat(33));
        let long = format!("n=/{}", "x".repeat(COMMAND_MAX));
        for (text, fragment) in [
            ("", "NAME=PROGRAM"),
            ("wol", "NAME=PROGRAM"),
            ("=/x", "letters, digits"),
            ("w l=/x", "letters, digits"),
            ("wöl=/x", "letters, digits"),
            (&long_name, "1 to 32"),
            (&long, "longer than"),
            ("wol=", "absolute path"),
            ("wol=  ", "absolute path"),
            ("wol=x", "absolute path"),
            ("wol=./x /y", "absolute path"),
            ("wol=/bin/sh -c 'id'", "quotes"),
            ("wol=/bin/sh -c \"id\"", "quotes"),
        ] {
            let complaint = command(text).unwrap_err();
            assert!(complaint.problem.contains(fragment), "{text}: {}", complaint.problem);
        }
        assert!(command(&format!("{}=/x", "n".repeat(32))).is_ok());
    }
}
