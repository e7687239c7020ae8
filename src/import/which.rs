//! Whose stanzas count: fwknopd.conf may name another access.conf than the user, or a folder in its place.

use std::fs::canonicalize;
use std::path::{Path, PathBuf};

use super::report::{Place, Report};
use super::text::Setting;
use crate::config::printable;

/// What fwknopd reads in place of every access.conf, its command line's included.
pub(super) const FOLDER: &str = "ACCESS_FOLDER";

/// What fwknopd reads where its command line names nothing else.
const FILE: &str = "ACCESS_FILE";

/// How many variables may lead to each other.
const VARIABLES_MAX: usize = 8;

/// What is to be read of `named` by `--access` and of these lines of fwknopd.conf; `None`, with a problem, where that
/// is not what fwknopd read.
pub(super) fn stanzas(named: Option<&Path>, lines: &[Setting], file: &Place, report: &mut Report) -> Option<PathBuf> {
    let last = |name: &str| lines.iter().rposition(|setting| setting.name == name);
    let Some(at) = last(FOLDER).or_else(|| last(FILE)) else {
        if named.is_none() {
            let text = format!("neither {FOLDER} nor {FILE} is set; name the access.conf with --access");
            report.problem(file, None, text);
        }
        return named.map(Path::to_path_buf);
    };
    let (earlier, rest) = lines.split_at_checked(at)?;
    let setting = rest.first()?;
    let Some(path) = resolve(&setting.text(), earlier) else {
        let text =
            "begins with a variable that no line before it sets, and fwknopd ignores such a line; write the path";
        report.problem(&setting.place, Some(&setting.name), text);
        return None;
    };
    let shown = printable(path.display().to_string().as_bytes());
    match named {
        None if path.is_absolute() => Some(path),
        None => {
            let text = format!("{shown} depends on where fwknopd was started; name it with --access");
            report.problem(&setting.place, Some(&setting.name), text);
            None
        }
        Some(named) => {
            differ(named, &path, &shown, setting, report);
            Some(named.to_path_buf())
        }
    }
}

/// Says that `--access` names something else than fwknopd.conf; for a folder that is a problem.
fn differ(named: &Path, path: &Path, shown: &str, setting: &Setting, report: &mut Report) {
    let real = canonicalize(path);
    if real.as_ref().is_ok_and(|real| canonicalize(named).is_ok_and(|named| named == *real)) {
        return;
    }
    let named_as = printable(named.display().to_string().as_bytes());
    if setting.name != FOLDER {
        let text = format!("names {shown}; it is {named_as} that is imported, as --access says");
        report.note(FILE, &text);
    } else if named.is_dir() && real.is_err() {
        let text = format!("{shown} is not on this machine; {named_as} is imported in its place, as --access says");
        report.note(FOLDER, &text);
    } else {
        let text = format!(
            "fwknopd reads the *.conf of {shown} and no other file, so {named_as} never counted; name that folder, or a \
             copy of it on a machine without it, with --access, or leave --access out"
        );
        report.problem(&setting.place, Some(FOLDER), text);
    }
}

/// The path as fwknopd makes it: a variable of an earlier line may stand at its beginning.
fn resolve(text: &str, mut earlier: &[Setting]) -> Option<PathBuf> {
    let mut text = text.to_owned();
    for _ in 0..VARIABLES_MAX {
        let Some(rest) = text.strip_prefix('$') else {
            return Some(PathBuf::from(text));
        };
        let end = rest.find(|letter: char| !(letter.is_ascii_uppercase() || letter == '_')).unwrap_or(rest.len());
        let (name, tail) = rest.split_at_checked(end)?;
        let at = earlier.iter().rposition(|setting| setting.name == name)?;
        let value = earlier.get(at)?.text();
        text = value + tail;
        earlier = earlier.get(..at)?;
    }
    None
}
