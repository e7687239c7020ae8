//! access.conf and what it includes, taken apart into stanzas.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::report::{Place, Report};
use super::text::{Setting, settings};
use super::variables::{self, Fate, KEYS};
use super::{judge, unknown};
use crate::input::read_up_to;
use crate::limits::{CONFIG_MAX, STANZAS_MAX};

/// How deep files may include each other, counting the first one, as in fwknop.
const DEPTH_MAX: usize = 3;

/// How many files are read; includes of includes grow quickly.
const FILES_MAX: usize = 256;

/// One stanza: SOURCE and what follows it.
#[derive(Debug)]
pub(super) struct Stanza {
    /// The SOURCE line.
    pub(super) place: Place,
    /// Its variables that are honoured, in file order.
    pub(super) settings: Vec<Setting>,
}

impl Stanza {
    /// The last of these variables: fwknop lets the last one win.
    pub(super) fn last(&self, names: &[&str]) -> Option<&Setting> {
        self.settings.iter().rev().find(|setting| names.contains(&setting.name.as_str()))
    }

    /// Keeps a variable that has an option here, and says what becomes of another.
    pub(super) fn sort_in(&mut self, setting: Setting, fate: Fate, report: &mut Report) {
        if !judge(report, &setting, fate) {
            return;
        }
        if setting.value.text().is_none() && !KEYS.contains(&setting.name.as_str()) {
            report.problem(&setting.place, Some(&setting.name), "the value is not UTF-8");
            return;
        }
        if self.last(&[&setting.name]).is_some() {
            let note = format!(
                "is given twice in a stanza; as in fwknop, the last one counts ({}:{})",
                setting.place.file,
                setting.place.line.unwrap_or(0)
            );
            report.note(&setting.name, &note);
        }
        self.settings.push(setting);
    }
}

/// Reads access.conf, or every `*.conf` of a folder.
pub(super) fn read(path: &Path, report: &mut Report) -> Vec<Stanza> {
    let mut reader = Reader { stanzas: Vec::new(), open: Vec::new(), files: 0, report };
    let start = Place { file: path.display().to_string().into(), line: None };
    if path.is_dir() {
        reader.folder(path, &start);
    } else {
        reader.file(path, &start);
    }
    let stanzas = reader.stanzas;
    if stanzas.is_empty() && report.problems.is_empty() {
        report.problem(&start, None, "there is no stanza; each begins with SOURCE");
    }
    bound(&stanzas, &start, report);
    stanzas
}

/// Complains about too many stanzas.
pub(super) fn bound(stanzas: &[Stanza], start: &Place, report: &mut Report) {
    if stanzas.len() > STANZAS_MAX {
        report.problem(start, None, format!("there are more than {STANZAS_MAX} stanzas"));
    }
}

/// What has been read, and the files that are being read.
struct Reader<'a> {
    stanzas: Vec<Stanza>,
    open: Vec<PathBuf>,
    files: usize,
    report: &'a mut Report,
}

impl Reader<'_> {
    /// Every file of a folder whose name ends in `.conf`, in the order of their names.
    fn folder(&mut self, path: &Path, place: &Place) {
        let entries = fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>());
        match entries {
            Ok(mut files) => {
                files.retain(|file| file.extension() == Some(OsStr::new("conf")));
                files.sort_unstable();
                for file in files {
                    self.file(&file, place);
                }
            }
            Err(error) => {
                let text = format!("the folder cannot be read: {error}");
                self.report.problem(place, None, text);
            }
        }
    }

    /// A file of stanzas.
    fn file(&mut self, path: &Path, place: &Place) {
        let Some((text, name)) = self.enter(path, place) else {
            return;
        };
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut current = None;
        for setting in settings(&text, &name, self.report) {
            if let Some(include) = setting.name.strip_prefix('%') {
                let target = folder.join(setting.text());
                match (include, current) {
                    ("include", _) => self.file(&target, &setting.place),
                    ("include_folder", _) => self.folder(&target, &setting.place),
                    ("include_keys", Some(stanza)) => self.keys(&target, &setting.place, stanza),
                    ("include_keys", None) => self.outside(&setting),
                    _ => self.report.problem(
                        &setting.place,
                        None,
                        "there is %include, %include_folder and %include_keys",
                    ),
                }
                continue;
            }
            if setting.name == "SOURCE" {
                current = Some(self.stanzas.len());
                self.stanzas.push(Stanza { place: setting.place.clone(), settings: vec![setting] });
                continue;
            }
            match (variables::access(&setting.name), current) {
                (None, _) => unknown(self.report, &setting, variables::ACCESS),
                (Some(_), None) => self.outside(&setting),
                (Some(fate), Some(stanza)) => self.sort_in(setting, fate, stanza),
            }
        }
        self.open.pop();
    }

    /// A file of keys for a stanza.
    fn keys(&mut self, path: &Path, place: &Place, stanza: usize) {
        let Some((text, name)) = self.enter(path, place) else {
            return;
        };
        for setting in settings(&text, &name, self.report) {
            match variables::access(&setting.name) {
                Some(fate) if KEYS.contains(&setting.name.as_str()) || fate == Fate::Refused(variables::GPG) => {
                    self.sort_in(setting, fate, stanza);
                }
                Some(_) => self.report.problem(&setting.place, Some(&setting.name), "a file of keys cannot set it"),
                None => unknown(self.report, &setting, variables::ACCESS),
            }
        }
        self.open.pop();
    }

    /// Puts a variable into its stanza.
    fn sort_in(&mut self, setting: Setting, fate: Fate, stanza: usize) {
        if let Some(stanza) = self.stanzas.get_mut(stanza) {
            stanza.sort_in(setting, fate, self.report);
        }
    }

    /// Complains about a variable before the first SOURCE, which fwknop ignores.
    fn outside(&mut self, setting: &Setting) {
        self.report.problem(
            &setting.place,
            Some(&setting.name),
            "it stands before the first SOURCE, where fwknop ignores it",
        );
    }

    /// Reads a file and notes that it is open; `None` where that is not possible or not allowed.
    fn enter(&mut self, path: &Path, place: &Place) -> Option<(Zeroizing<Vec<u8>>, Place)> {
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let refusal = if self.open.contains(&real) {
            Some("the file includes itself".to_owned())
        } else if self.open.len() >= DEPTH_MAX {
            Some(format!("files include each other more than {DEPTH_MAX} levels deep"))
        } else if self.files >= FILES_MAX {
            Some(format!("more than {FILES_MAX} files are included"))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.report.problem(place, None, refusal);
            return None;
        }
        self.files += 1;
        match read_file(path) {
            Ok(text) => {
                self.open.push(real);
                Some((text, Place { file: path.display().to_string().into(), line: None }))
            }
            Err(error) => {
                let text = format!(
                    "{} cannot be read: {error}",
                    crate::config::printable(path.display().to_string().as_bytes())
                );
                self.report.problem(place, None, text);
                None
            }
        }
    }
}

/// The bytes of a regular file of bounded size.
pub(super) fn read_file(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let meta = fs::metadata(path)?;
    if !meta.is_file() || meta.len() > CONFIG_MAX {
        return Err(std::io::Error::other("it is no file, or larger than 1 MiB"));
    }
    read_up_to(fs::File::open(path)?, CONFIG_MAX)
}
