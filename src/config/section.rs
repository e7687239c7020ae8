//! One section under the reader's lens: its options by name, and every complaint at its place.

use super::fault::{Complaint, Fault, printable};
use super::options::{self, Known, NO, YES, find, nearest};
use crate::uci::{Entry, Section};

/// Faults and warnings of one file, in the order in which they were found.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) file: String,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Fault>,
}

impl Findings {
    /// A complaint about a place that has no option.
    pub(super) fn at(&self, line: Option<u32>, section: Option<String>, complaint: Complaint) -> Fault {
        Fault {
            file: self.file.clone(),
            line,
            section,
            option: None,
            value: None,
            problem: complaint.problem,
            remedy: complaint.remedy,
        }
    }
}

/// A section whose options have been told apart.
#[derive(Debug)]
pub(super) struct Options<'a> {
    section: &'a Section,
    label: String,
    given: Vec<(&'static Known, &'a Entry)>,
    findings: &'a mut Findings,
}

impl<'a> Options<'a> {
    /// Looks every option up in the table. An option with an empty value counts as not given.
    pub(super) fn new(section: &'a Section, table: &'static [Known], findings: &'a mut Findings) -> Self {
        let mut this = Self { section, label: label(section), given: Vec::new(), findings };
        for entry in &section.entries {
            let Some(known) = find(table, &entry.name) else {
                this.unknown(table, entry);
                continue;
            };
            if !entry.value.bytes().is_empty() {
                this.sort_in(known, entry);
            }
        }
        this
    }

    /// Keeps an option, unless its shape is wrong or this version does not have it.
    fn sort_in(&mut self, known: &'static Known, entry: &'a Entry) {
        let earlier = self.given.iter().find(|(other, _)| other.name == known.name);
        let earlier = earlier.map(|(_, earlier)| (earlier.line, earlier.list));
        let complaint = match (known, entry.list, earlier) {
            (Known { list: false, .. }, true, _) => {
                Complaint::new("it has one value and is no list", format!("write: option {} '...'", known.name))
            }
            (Known { list: false, .. }, false, Some((line, _))) => {
                Complaint::new(format!("it was given before, in line {line}"), "keep one of them")
            }
            (Known { list: true, .. }, list, Some((_, was_list))) if !(list && was_list) => Complaint::new(
                "it is given as an option and again",
                format!("write every value as: list {} '...'", known.name),
            ),
            (Known { off: Some(off), .. }, _, _) if !is_one_of(entry, off) => self.not_yet(known, entry),
            _ => {
                self.given.push((known, entry));
                return;
            }
        };
        self.fault_at(known, entry, complaint);
    }

    /// The complaint about a feature that this version does not have.
    fn not_yet(&self, known: &Known, entry: &Entry) -> Complaint {
        if known.name == "format" {
            const LATER: [&str; 4] = ["native", "ipt_pkd", "aldaba", "sequence"];
            let value = entry.value.text().unwrap_or_default();
            return if LATER.contains(&value) {
                Complaint::new("not yet: this version knows the format fwknop alone", "write 'fwknop'")
            } else {
                Complaint::new("there is no such format", "write 'fwknop'")
            };
        }
        let off = known.off.and_then(<[_]>::first);
        let remedy = off.map_or_else(|| "remove it".to_owned(), |off| format!("write '{off}' or remove it"));
        if off == Some(&"0") && is_no_flag(entry) {
            return Complaint::new("must be 1 or 0", remedy);
        }
        Complaint::new("not yet: this version does not have the feature", remedy)
    }

    /// Complains about a name that no table has. The value may be a misnamed key, so it is not shown.
    fn unknown(&mut self, table: &'static [Known], entry: &Entry) {
        let elsewhere = [
            ("spa-knockd 'main'", options::MAIN),
            ("access", options::ACCESS),
            ("otp", options::OTP),
            ("page 'page'", options::PAGE),
        ]
        .into_iter()
        .find(|(_, other)| find(other, &entry.name).is_some());
        let remedy = match (nearest(&entry.name, table.iter().map(|known| known.name)), elsewhere) {
            (_, Some((section, _))) => format!("it belongs to config {section}"),
            (Some(name), None) => format!("did you mean '{name}'?"),
            (None, None) => "remove it; the sample configuration names every option".to_owned(),
        };
        let complaint = Complaint::new("there is no such option", remedy);
        let fault = self.fault(Some(entry), Some(&entry.name), None, complaint);
        self.findings.faults.push(fault);
    }

    fn fault(&self, entry: Option<&Entry>, option: Option<&str>, value: Option<String>, complaint: Complaint) -> Fault {
        Fault {
            file: self.findings.file.clone(),
            line: Some(entry.map_or(self.section.line, |entry| entry.line)),
            section: Some(self.label.clone()),
            option: option.map(printable_name),
            value,
            problem: complaint.problem,
            remedy: complaint.remedy,
        }
    }

    fn fault_at(&mut self, known: &Known, entry: &Entry, complaint: Complaint) {
        let value = (!known.secret).then(|| printable(entry.value.bytes()));
        let fault = self.fault(Some(entry), Some(known.name), value, complaint);
        self.findings.faults.push(fault);
    }

    /// The place of an option: its last line where it is given, else that of the section.
    fn place(&self, name: &str, complaint: Complaint) -> Fault {
        let Some((known, entry)) = self.given.iter().rev().find(|(known, _)| known.name == name) else {
            return self.fault(None, Some(name), None, complaint);
        };
        let value = (!known.secret).then(|| printable(entry.value.bytes()));
        self.fault(Some(entry), Some(name), value, complaint)
    }

    /// Reports a mistake about an option, given or missing.
    pub(super) fn refuse(&mut self, name: &str, complaint: Complaint) {
        let fault = self.place(name, complaint);
        self.findings.faults.push(fault);
    }

    /// Reports a warning about an option, given or missing.
    pub(super) fn warn(&mut self, name: &str, complaint: Complaint) {
        let fault = self.place(name, complaint);
        self.findings.warnings.push(fault);
    }

    /// Whether the option has a value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// The option's line.
    pub(super) fn entry(&self, name: &str) -> Option<&'a Entry> {
        self.given.iter().find(|(known, _)| known.name == name).map(|(_, entry)| *entry)
    }

    /// The value of an option, or `None` where it is not given or refused.
    pub(super) fn one<T>(&mut self, name: &'static str, read: impl Fn(&str) -> Result<T, Complaint>) -> Option<T> {
        let mut first = None;
        self.each(name, &mut |text| {
            let value = read(text)?;
            first.get_or_insert(value);
            Ok(())
        });
        first
    }

    /// The values of an option that could be read; the others are reported.
    pub(super) fn many<T>(&mut self, name: &'static str, read: impl Fn(&str) -> Result<T, Complaint>) -> Vec<T> {
        let mut values = Vec::new();
        self.each(name, &mut |text| {
            values.push(read(text)?);
            Ok(())
        });
        values
    }

    /// Shows every value of an option, and reports those of which there is a complaint.
    fn each(&mut self, name: &'static str, read: &mut dyn FnMut(&str) -> Result<(), Complaint>) {
        let given = std::mem::take(&mut self.given);
        for (known, entry) in given.iter().filter(|(known, _)| known.name == name) {
            if let Err(complaint) = text(entry).and_then(&mut *read) {
                self.fault_at(known, entry, complaint);
            }
        }
        self.given = given;
    }

    /// A yes or no.
    pub(super) fn flag(&mut self, name: &'static str, default: bool) -> bool {
        let read = |text: &str| match text {
            text if YES.contains(&text) => Ok(true),
            text if NO.contains(&text) => Ok(false),
            _ => Err(Complaint::new("must be 1 or 0", format!("write '{}'", u8::from(default)))),
        };
        self.one(name, read).unwrap_or(default)
    }

    /// A whole number of a range, in the unit that the message names.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<u64>,
        default: u64,
        unit: &str,
    ) -> u64 {
        let read = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|number| digits && range.contains(number));
            number.ok_or_else(|| {
                let problem = format!("must be {} to {}{unit}", range.start(), range.end());
                Complaint::new(problem, format!("write for example '{default}'"))
            })
        };
        self.one(name, read).unwrap_or(default)
    }
}

/// How messages name a section.
pub(super) fn label(section: &Section) -> String {
    let name = section.name.as_deref().map(printable_name).unwrap_or_default();
    let kind = printable_name(&section.kind);
    if name.is_empty() { kind } else { format!("{kind} '{name}'") }
}

fn printable_name(name: &str) -> String {
    printable(name.as_bytes())
}

/// The value as text without control characters.
fn text(entry: &Entry) -> Result<&str, Complaint> {
    entry
        .value
        .text()
        .filter(|text| !text.chars().any(char::is_control))
        .ok_or_else(|| Complaint::new("has characters that are not printable", "write plain text"))
}

fn is_one_of(entry: &Entry, values: &[&str]) -> bool {
    entry.value.text().is_some_and(|text| values.contains(&text))
}

fn is_no_flag(entry: &Entry) -> bool {
    !is_one_of(entry, NO) && !is_one_of(entry, YES)
}
