//! `/etc/config/fwknopd`, from which OpenWrt's init script writes access.conf and fwknopd.conf, taken apart into the same.

use std::path::Path;

use super::access_file::{Stanza, bound, read_file};
use super::report::{Place, Report};
use super::server::{self, Server};
use super::text::{self, Setting};
use super::{unknown, variables, which};
use crate::config::printable;
use crate::uci::{self, Section};

/// Stanzas and server; `None`, with a problem, where the file cannot be read or is not what fwknopd used.
pub(super) fn read(path: &Path, report: &mut Report) -> Option<(Vec<Stanza>, Server)> {
    let file = Place { file: path.display().to_string().into(), line: None };
    let text = match read_file(path) {
        Ok(text) => text,
        Err(error) => {
            report.problem(&file, None, format!("cannot be read: {error}"));
            return None;
        }
    };
    let sections = match uci::parse(&text) {
        Ok(sections) => sections,
        Err(mistake) => {
            let place = Place { line: Some(mistake.line), ..file };
            report.problem(&place, None, format!("{}; {}", mistake.problem, mistake.remedy));
            return None;
        }
    };
    if !is_used(&sections, &file, report) {
        return None;
    }
    let (mut stanzas, mut lines, mut network) = (Vec::new(), Vec::new(), None);
    for (index, section) in sections.iter().enumerate() {
        let place = Place { line: Some(section.line), ..file.clone() };
        let same = |other: &Section| other.kind == section.kind && other.name == section.name;
        if section.name.is_some() && sections.iter().take(index).any(same) {
            report.problem(&place, None, "another section has this name, and uci makes one of them; rename it");
        }
        match section.kind.as_str() {
            "global" => {}
            "network" => {
                let named = settings(section, &file, report).into_iter().rfind(|setting| setting.name == "network");
                network = named.or(network);
            }
            "config" => lines.extend(settings(section, &file, report)),
            "access" => stanzas.extend(stanza(section, place, report)),
            kind => report.note(
                &format!("config {}", printable(kind.as_bytes())),
                "sections of this type are passed over, as by fwknop's init script",
            ),
        }
    }
    if let Some(folder) = lines.iter().rfind(|setting: &&Setting| setting.name == which::FOLDER) {
        let text = "fwknopd reads this folder and none of the access sections here; name it with --access";
        report.problem(&folder.place, Some(which::FOLDER), text);
    }
    if stanzas.is_empty() && report.problems.is_empty() {
        report.problem(&file, None, "there is no section of type access");
    }
    bound(&stanzas, &file, report);
    Some((stanzas, server::section(lines, network, file, report)))
}

/// Whether fwknopd was started with what stands here.
fn is_used(sections: &[Section], file: &Place, report: &mut Report) -> bool {
    let globals = sections.iter().filter(|section| section.kind == "global");
    let switch = globals.flat_map(|section| &section.entries).rfind(|entry| entry.name == "uci_enabled");
    let value = switch.and_then(|entry| entry.value.text());
    if matches!(value, Some("1" | "on" | "true" | "yes" | "enabled")) {
        return true;
    }
    let place = Place { line: switch.map(|entry| entry.line), ..file.clone() };
    report.problem(
        &place,
        Some("uci_enabled"),
        "is not 1, so fwknopd used its own files and nothing of this one; import those with \
         --access /etc/fwknop/access.conf --fwknopd /etc/fwknop/fwknopd.conf",
    );
    false
}

/// The lines that the init script writes for a section.
fn settings(section: &Section, file: &Place, report: &mut Report) -> Vec<Setting> {
    let mut found = Vec::new();
    for entry in &section.entries {
        let place = Place { line: Some(entry.line), ..file.clone() };
        if entry.list {
            let problem = "is a list, which fwknop's init script passes over; write one option, with commas";
            report.problem(&place, Some(&entry.name), problem);
        } else {
            found.extend(text::joined(&entry.name, entry.value.bytes(), place, report));
        }
    }
    found
}

/// The stanza of an access section. SOURCE may stand anywhere: the init script writes it first.
fn stanza(section: &Section, place: Place, report: &mut Report) -> Option<Stanza> {
    let file = Place { line: None, ..place.clone() };
    let settings = settings(section, &file, report);
    if !section.entries.iter().any(|entry| entry.name == "SOURCE") {
        report.problem(&place, Some("SOURCE"), "is missing in this section");
        return None;
    }
    let mut stanza = Stanza { place, settings: Vec::new() };
    for setting in settings {
        match variables::access(&setting.name) {
            Some(fate) => stanza.sort_in(setting, fate, report),
            None => unknown(report, &setting, variables::ACCESS),
        }
    }
    Some(stanza)
}
