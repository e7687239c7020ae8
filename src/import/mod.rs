//! An existing fwknop server's configuration becomes UCI, or says which variable stands in the way.
//!
//! Every variable of fwknop is known: it has its option, or it is a problem, or it is a note because
//! nobody gets more or less access without it. None is dropped in silence that could change who gets in.

mod access_file;
mod nat;
mod report;
mod server;
mod stanza;
mod text;
mod transport;
mod treatment;
mod uci_file;
mod variables;
mod which;

use std::path::Path;

use crate::config::{self, nearest};
use crate::limits::TIMEOUT_MAX;
use crate::uci::{self, Entry, Section, Value};
use access_file::Stanza;
use report::Report;
use server::Server;
use text::Setting;
use variables::Fate;

pub use report::Problem;
pub use treatment::{Treatment, treatments};

/// What an import gave.
#[derive(Clone, PartialEq, Eq)]
pub struct Imported {
    /// The configuration as UCI text, with the notes as comments at its head. It holds the keys.
    pub uci: String,
    /// What is different from fwknop, and what was left out because it has no meaning here.
    pub notes: Vec<String>,
}

impl std::fmt::Debug for Imported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Imported").field("notes", &self.notes).finish_non_exhaustive()
    }
}

/// Reads access.conf (or a folder of such files) and fwknopd.conf, and writes them as UCI. Without `access`, the stanzas
/// are those that fwknopd.conf names.
///
/// # Errors
///
/// Every variable that cannot be honoured, with the reason, and every mistake in the files; and where fwknopd.conf says
/// that fwknopd reads others than `access`.
pub fn import(access: Option<&Path>, fwknopd: Option<&Path>) -> Result<Imported, Vec<Problem>> {
    let mut report = Report::default();
    let (lines, place) = server::read(fwknopd, &mut report);
    let access = which::stanzas(access, &lines, &place, &mut report);
    let server = server::section(lines, None, place, &mut report);
    let stanzas = access.map(|access| access_file::read(&access, &mut report)).unwrap_or_default();
    finish(&stanzas, &server, "access.conf and fwknopd.conf", report)
}

/// Reads what OpenWrt's package of fwknopd has in place of these files, `/etc/config/fwknopd`, and writes it as UCI
/// of ours.
///
/// # Errors
///
/// As [`import`]; and where the file says that fwknopd's own files count.
pub fn import_uci(path: &Path) -> Result<Imported, Vec<Problem>> {
    let mut report = Report::default();
    let Some((stanzas, server)) = uci_file::read(path, &mut report) else {
        return Err(report.problems);
    };
    finish(&stanzas, &server, "/etc/config/fwknopd", report)
}

/// Writes the sections, unless something stands in the way. `from` is what was read, for people.
fn finish(stanzas: &[Stanza], server: &Server, from: &str, mut report: Report) -> Result<Imported, Vec<Problem>> {
    let mut sections: Vec<Section> = stanzas
        .iter()
        .zip(1..)
        .map(|(stanza, number): (_, u32)| stanza::section(stanza, format!("access{number}"), server, &mut report))
        .collect();
    let mut main = server.section.clone();
    main.entries.extend(longest_timeout(&sections, &mut report));
    sections.insert(0, main);
    let text = uci::write(&sections);
    if report.problems.is_empty() {
        check(&text, stanzas, server, &mut report);
    }
    if !report.problems.is_empty() {
        return Err(report.problems);
    }
    let mut uci = format!("# Imported from fwknop's {from} by spa-knockd import.\n");
    for note in &report.notes {
        uci.push_str("# ");
        uci.push_str(note);
        uci.push('\n');
    }
    uci.push_str(&String::from_utf8_lossy(&text));
    Ok(Imported { uci, notes: report.notes })
}

/// Lets the configuration's own reader look at the result, and leads each fault back to its variable.
fn check(text: &[u8], stanzas: &[Stanza], server: &Server, report: &mut Report) {
    let Err(faults) = config::parse(text, "import") else {
        return;
    };
    for fault in faults {
        let number = fault.section.as_deref().and_then(|section| section.strip_prefix("access 'access"));
        let number = number.and_then(|number| number.strip_suffix('\'')?.parse::<usize>().ok());
        let stanza = number.and_then(|number| stanzas.get(number.checked_sub(1)?));
        let (settings, whole) =
            stanza.map_or((&server.settings, &server.place), |stanza| (&stanza.settings, &stanza.place));
        let variables = fault.option.as_deref().map(variables::of_option).unwrap_or_default();
        // Options of fwknopd's own UCI file may be called as ours.
        let comes_from = |setting: &&Setting| {
            variables.contains(&setting.name.as_str()) || fault.option.as_deref() == Some(&setting.name)
        };
        let setting = settings.iter().rev().find(comes_from).or_else(|| server.settings.iter().rev().find(comes_from));
        let place = setting.map_or(whole, |setting| &setting.place);
        let name = setting.map(|setting| setting.name.as_str()).or(variables.first().copied());
        let value = fault.value.map(|value| format!("'{value}': ")).unwrap_or_default();
        report.problem(place, name, format!("{value}{}; {}", fault.problem, fault.remedy));
    }
}

/// Raises main's `max_timeout` where a stanza goes beyond its default.
fn longest_timeout(sections: &[Section], report: &mut Report) -> Option<Entry> {
    const DEFAULT: u32 = 3600;
    let longest = sections
        .iter()
        .flat_map(|section| &section.entries)
        .filter(|entry| matches!(entry.name.as_str(), "timeout" | "max_timeout"))
        .filter_map(|entry| entry.value.text()?.parse::<u32>().ok())
        .filter(|seconds| *seconds <= TIMEOUT_MAX)
        .max()?;
    if longest <= DEFAULT {
        return None;
    }
    report
        .note("MAX_FW_TIMEOUT", &format!("main's max_timeout is raised to {longest} seconds, as the stanzas need it"));
    Some(entry("max_timeout", &longest.to_string()))
}

/// Whether the variable has an option here; what becomes of another is reported.
fn judge(report: &mut Report, setting: &Setting, fate: Fate) -> bool {
    let name = setting.name.as_str();
    let problem = match fate {
        Fate::Honoured | Fate::Changed(_) => return true,
        Fate::Silent => None,
        Fate::Noted(reason) => {
            report.note(name, reason);
            None
        }
        Fate::Refused(reason) => Some(reason.to_owned()),
        Fate::RefusedIfYes(reason) => setting.is_yes().then(|| reason.to_owned()),
        Fate::RefusedUnless(default, reason) => {
            let bare: String = setting.text().split_ascii_whitespace().collect();
            (bare != default).then(|| reason.to_owned())
        }
    };
    if let Some(problem) = problem {
        report.problem(&setting.place, Some(name), problem);
    }
    false
}

/// Complains about a name that fwknop does not have. A word that is like none may be part of a key
/// and is not shown.
fn unknown(report: &mut Report, setting: &Setting, table: &[(&str, Fate)]) {
    let near = nearest(&setting.name, table.iter().map(|(name, _)| *name));
    let capitals = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    let shown = near.is_some() || (setting.name.contains('_') && setting.name.bytes().all(capitals));
    let advice = near.map_or_else(|| "remove it".to_owned(), |near| format!("did you mean {near}?"));
    let name = shown.then_some(setting.name.as_str());
    report.problem(&setting.place, name, format!("fwknop has no such variable; {advice}"));
}

/// An `option` line.
fn entry(name: &str, value: &str) -> Entry {
    Entry { list: false, name: name.to_owned(), value: Value::new(value.as_bytes().to_vec()), line: 0 }
}

/// A `list` line.
fn list(name: &str, value: &str) -> Entry {
    Entry { list: true, ..entry(name, value) }
}
