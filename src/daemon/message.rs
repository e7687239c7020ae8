//! What the daemon and its helper say to each other: datagrams that are lists of texts, in JSON.

use std::net::IpAddr;

use super::helper::VARIABLES;

/// One datagram from the daemon.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// One more command, before all orders.
    Row(Row),
    /// The table is whole; what follows are orders, and names to look up where `looks_up` says so.
    Ready { log_level: String, syslog: bool, looks_up: bool },
    /// Run a command.
    Run(Order),
    /// Look a host name up.
    Look { id: u32, name: String },
}

/// A command of the table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) stanza: String,
    pub(super) name: String,
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Which command to run, and what its environment says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// The place of the command in the table.
    pub(super) row: usize,
    /// What the variables hold.
    pub(super) values: [String; VARIABLES.len()],
    /// Whether it waits for its turn where many run, instead of being refused.
    pub(super) waits: bool,
}

/// What a host name stands for, as the daemon hears it; nothing where that could not be found out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Of the look-up.
    pub(super) id: u32,
    /// In the resolver's order.
    pub(super) addresses: Vec<IpAddr>,
}

impl Message {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let flag = |flag: bool| if flag { "1" } else { "0" };
        match self {
            Self::Row(row) => {
                let (uid, gid) = (row.uid.to_string(), row.gid.to_string());
                let mut words = vec!["row", &row.stanza, &row.name, &row.program, &uid, &gid];
                words.extend(row.arguments.iter().map(String::as_str));
                written(&words)
            }
            Self::Ready { log_level, syslog, looks_up } => {
                written(&["ready", log_level, flag(*syslog), flag(*looks_up)])
            }
            Self::Run(order) => {
                let row = order.row.to_string();
                let mut words = vec!["run", &row, flag(order.waits)];
                words.extend(order.values.iter().map(String::as_str));
                written(&words)
            }
            Self::Look { id, name } => written(&["look", &id.to_string(), name]),
        }
    }

    /// The message; `None` for what no daemon says.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let words = read(bytes)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Some(match *words {
            ["row", stanza, name, program, uid, gid, ref arguments @ ..] => Self::Row(Row {
                stanza: stanza.to_owned(),
                name: name.to_owned(),
                program: program.to_owned(),
                arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
            }),
            ["ready", log_level, syslog, looks_up] => {
                Self::Ready { log_level: log_level.to_owned(), syslog: syslog == "1", looks_up: looks_up == "1" }
            }
            ["run", row, waits, ref values @ ..] => Self::Run(Order {
                row: row.parse().ok()?,
                values: <[&str; VARIABLES.len()]>::try_from(values).ok()?.map(str::to_owned),
                waits: waits == "1",
            }),
            ["look", id, name] => Self::Look { id: id.parse().ok()?, name: name.to_owned() },
            _ => return None,
        })
    }
}

impl Answer {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let words: Vec<String> =
            std::iter::once(self.id.to_string()).chain(self.addresses.iter().map(IpAddr::to_string)).collect();
        written(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The answer; `None` for what no helper says.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let words = read(bytes)?;
        let (id, addresses) = words.split_first()?;
        let addresses = addresses.iter().map(|address| address.parse().ok()).collect::<Option<_>>()?;
        Some(Self { id: id.parse().ok()?, addresses })
    }
}

fn written(words: &[&str]) -> Vec<u8> {
    // A list of texts can always be written.
    serde_json::to_vec(words).unwrap_or_default()
}

fn read(bytes: &[u8]) -> Option<Vec<String>> {
    serde_json::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let row = |arguments: &[&str]| {
            Message::Row(Row {
                stanza: "alice".to_owned(),
                name: "lamp \"on\"".to_owned(),
                program: "/bin/lamp".to_owned(),
                arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
                uid: u32::MAX,
                gid: 0,
            })
        };
        let values = std::array::from_fn(|number| format!("{number}\n\0"));
        for message in [
            row(&[]),
            row(&["", "\\", "ä"]),
            Message::Ready { log_level: "info".to_owned(), syslog: true, looks_up: false },
            Message::Ready { log_level: "info".to_owned(), syslog: false, looks_up: true },
            Message::Run(Order { row: 7, values, waits: true }),
            Message::Look { id: 9, name: "host.example".to_owned() },
        ] {
            let bytes = message.bytes();
            assert!((0..bytes.len()).all(|cut| Message::read(&bytes[..cut]).is_none()), "{message:?}");
            assert_eq!(Message::read(&bytes), Some(message));
        }
        for addresses in [vec![], vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]] {
            let answer = Answer { id: 3, addresses };
            assert_eq!(Answer::read(&answer.bytes()), Some(answer));
        }
    }

    #[test]
    fn what_nobody_says_is_not_understood() {
        for bytes in [
            &b"[]"[..],
            b"{}",
            b"[1]",
            br#"["rows"]"#,
            br#"["row","a","b","c","1"]"#,
            br#"["row","a","b","c","-1","1"]"#,
            br#"["run","1","1","a"]"#,
            br#"["look","x","a"]"#,
            br#"["ready","info","1","1","1"]"#,
            b"\xff",
        ] {
            assert_eq!(Message::read(bytes), None);
        }
        for bytes in [&b"[]"[..], br#"["x"]"#, br#"["1","192.0.2"]"#, br#"["4294967296"]"#] {
            assert_eq!(Answer::read(bytes), None);
        }
    }
}
