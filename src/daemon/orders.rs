//! The daemon's end of the helper: its start with the table of commands, and orders that never wait.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

use super::facts::{Facts, Occasion};
use super::helper::ARGUMENT;
use super::message::{Answer, Message, Order, Row};
use super::privileges::numbers_of;
use crate::config::{self, Config};
use crate::limits::HELPER_MESSAGE_MAX;

/// What people read of a helper that has ended.
pub(super) const ENDED: &str = "the helper process has ended: no command runs and no name is looked up until the service is \
                                restarted";

/// The helper process, as the daemon holds it. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Helper {
    socket: OwnedFd,
    child: Child,
    /// Stanza and name of each row of the helper's table.
    rows: Vec<(String, String)>,
    /// Whether it has hung up: nothing of it can be awaited any more.
    ended: bool,
}

/// Longer than any answer of the helper, in bytes.
const ANSWER_MAX: usize = 2_048;

/// What came of listening to the helper.
#[derive(Debug)]
pub(super) enum Heard {
    /// It says nothing at present.
    Nothing,
    /// What a host name stands for.
    Answer(Answer),
    /// It will not say anything any more, for this reason.
    End(String),
}

/// What of a configuration the helper knows: stanza, commands, user.
type Known<'a> = Vec<(&'a str, &'a [config::Command], &'a str)>;

fn known(config: &Config) -> Known<'_> {
    let with = config.access.iter().filter(|access| !access.commands.list.is_empty());
    with.map(|access| (access.name.as_str(), access.commands.list.as_slice(), access.commands.user.as_str())).collect()
}

/// Whether host names are looked up for any stanza: that, too, a helper is told at its start.
pub(super) fn looks_up(config: &Config) -> bool {
    config.access.iter().any(|access| access.nat_dns)
}

/// Whether a helper of the one configuration also serves the other one.
pub(super) fn is_same(old: &Config, new: &Config) -> bool {
    known(old) == known(new)
}

/// A line for each stanza whose `command_user` this machine does not have.
#[must_use]
pub fn unknown_users(config: &Config) -> Vec<String> {
    let unknown = known(config).into_iter().filter(|(_, _, user)| numbers_of(user).is_none());
    let line = |(stanza, _, user): (&str, _, &str)| {
        format!(
            "access '{stanza}', option command_user '{user}': this machine has no such user; name one of /etc/passwd"
        )
    };
    unknown.map(line).collect()
}

impl Helper {
    /// Starts the helper where the configuration names commands or has host names looked up. It inherits what is open
    /// without close-on-exec, and keeps root: so this comes before everything else.
    ///
    /// # Errors
    /// One line.
    pub(super) fn start(config: &Config, syslog: bool) -> Result<Option<Self>, String> {
        let known = known(config);
        let looks_up = looks_up(config);
        if known.is_empty() && !looks_up {
            return Ok(None);
        }
        if let Some(line) = unknown_users(config).into_iter().next() {
            return Err(line);
        }
        let failed = |error: Errno| format!("helper: {error}");
        let (socket, other) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).map_err(failed)?;
        let child = Command::new("/proc/self/exe")
            .arg0("spa-knockd")
            .arg(ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(other))
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("the helper process does not start: {error}"))?;
        let mut this = Self { socket, child, rows: Vec::new(), ended: false };
        for (stanza, commands, user) in known {
            let (uid, gid) = numbers_of(user).ok_or("a user is gone")?;
            for command in commands {
                let row = Row {
                    stanza: stanza.to_owned(),
                    name: command.name.clone(),
                    program: command.program.clone(),
                    arguments: command.arguments.clone(),
                    uid,
                    gid,
                };
                this.tell(&Message::Row(row), SendFlags::empty())?;
                this.rows.push((stanza.to_owned(), command.name.clone()));
            }
        }
        let log_level = config.main.log_level.to_string();
        this.tell(&Message::Ready { log_level, syslog, looks_up }, SendFlags::empty())?;
        Ok(Some(this))
    }

    /// Has a stanza's command run, without waiting for anything.
    ///
    /// # Errors
    /// One line: the helper is busy or gone.
    pub(super) fn order(&mut self, facts: &Facts, command: &str, occasion: Occasion) -> Result<(), String> {
        let is_it = |(stanza, name): &(String, String)| **stanza == *facts.access && *name == command;
        let row = self.rows.iter().position(is_it).ok_or("the helper does not know the command")?;
        let (values, waits) = (facts.values(command, occasion), matches!(occasion, Occasion::Close(_)));
        self.tell(&Message::Run(Order { row, values, waits }), SendFlags::DONTWAIT)
    }

    /// What becomes readable when the helper has something to say, and hangs up when it ends; absent after that.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        (!self.ended).then(|| self.socket.as_fd())
    }

    /// Takes note that the helper has hung up.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Whether it has hung up.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Has a host name looked up, without waiting for anything.
    ///
    /// # Errors
    /// One line: the helper is busy or gone.
    pub(super) fn look_up(&mut self, id: u32, name: &str) -> Result<(), String> {
        self.tell(&Message::Look { id, name: name.to_owned() }, SendFlags::DONTWAIT)
    }

    /// What the helper says, without waiting for it.
    pub(super) fn hear(&mut self) -> Heard {
        let mut room = [0; ANSWER_MAX];
        match recv(self.socket.as_fd(), &mut room[..], RecvFlags::DONTWAIT) {
            Ok((length @ 1.., _)) => match Answer::read(room.get(..length).unwrap_or_default()) {
                Some(answer) => Heard::Answer(answer),
                None => Heard::End("the helper process is not understood".to_owned()),
            },
            Err(Errno::AGAIN | Errno::INTR) => Heard::Nothing,
            Ok(_) | Err(_) => Heard::End("the helper process has ended; restart the service".to_owned()),
        }
    }

    fn tell(&mut self, message: &Message, flags: SendFlags) -> Result<(), String> {
        let bytes = message.bytes();
        if bytes.len() > HELPER_MESSAGE_MAX {
            return Err("what the helper must know is too long".to_owned());
        }
        match send(self.socket.as_fd(), &bytes, flags | SendFlags::NOSIGNAL) {
            Ok(_) => Ok(()),
            Err(Errno::AGAIN) => Err("the helper process is busy".to_owned()),
            Err(error) => match self.child.try_wait() {
                Ok(Some(status)) => Err(format!("the helper process has ended ({status}); restart the service")),
                _ => Err(format!("the helper process cannot be told: {error}")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(lines: &str) -> Config {
        let text = format!(
            "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\nconfig access 'alice'\n\toption key 'k'\n\
             \toption hmac_key 'h'\n\tlist open 'tcp/22'\n{lines}"
        );
        config::parse(text.as_bytes(), "config").unwrap().config
    }

    #[test]
    fn a_helper_serves_as_long_as_its_table_is_the_same() {
        let one = config("\tlist command 'a=/a'\n");
        assert!(is_same(&one, &config("\tlist command 'a=/a'\n\toption on_open 'a'\n\toption timeout '9'\n")));
        for other in [
            "",
            "\tlist command 'a=/a x'\n",
            "\tlist command 'b=/a'\n",
            "\tlist command 'a=/a'\n\toption command_user 'root'\n",
        ] {
            assert!(!is_same(&one, &config(other)), "{other}");
        }
        assert!(is_same(&config(""), &config("\toption command_user 'root'\n")));
    }

    #[test]
    fn users_that_are_not_there_are_named_where_they_matter() {
        let user = "\toption command_user 'no.such-user'\n";
        assert_eq!(unknown_users(&config(user)), [""; 0]);
        let lines = unknown_users(&config(&format!("\tlist command 'a=/a'\n{user}")));
        assert!(lines.len() == 1 && lines[0].contains("'no.such-user'"), "{lines:?}");
    }

    #[test]
    fn the_longest_command_fits_a_message() {
        let row = |program: String| {
            Message::Row(Row {
                stanza: "s".repeat(crate::limits::NAME_MAX),
                name: "n".repeat(crate::limits::COMMAND_NAME_MAX),
                program,
                arguments: vec![String::new(); crate::limits::COMMAND_MAX / 2],
                uid: u32::MAX,
                gid: u32::MAX,
            })
        };
        let worst = row("\\".repeat(crate::limits::COMMAND_MAX));
        assert!(worst.bytes().len() < HELPER_MESSAGE_MAX);
    }
}
