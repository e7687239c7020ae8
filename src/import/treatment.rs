//! What becomes of each variable of fwknop, in words: the table of docs/migrating-from-fwknop.md.

use super::variables::{ACCESS, Fate, PERL, PERL_FAMILY, SERVER, SERVER_FAMILIES, of_option};
use crate::config::options;

/// What becomes of one variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// `access.conf` or `fwknopd.conf`.
    pub file: &'static str,
    /// The variable; with a `*` at its end, all whose names begin so.
    pub variable: String,
    /// One word or two: honoured, honoured in another way, ignored, refused.
    pub fate: &'static str,
    /// The option that it becomes, the difference, or the reason.
    pub text: String,
}

/// Every variable that `import` knows, in the order of its tables.
#[must_use]
pub fn treatments() -> Vec<Treatment> {
    let access = ACCESS.iter().map(|(name, fate)| treatment("access.conf", (*name).to_owned(), *fate));
    let perl = treatment("access.conf", format!("{PERL_FAMILY}*"), Fate::Refused(PERL));
    let server = SERVER.iter().map(|(name, fate)| treatment("fwknopd.conf", (*name).to_owned(), *fate));
    let families = SERVER_FAMILIES
        .into_iter()
        .map(|(start, reason)| treatment("fwknopd.conf", format!("{start}*"), Fate::Refused(reason)));
    access.chain([perl]).chain(server).chain(families).collect()
}

fn treatment(file: &'static str, variable: String, fate: Fate) -> Treatment {
    let (fate, text) = match fate {
        Fate::Honoured => ("honoured", options_of(&variable)),
        Fate::Changed(text) => ("honoured in another way", text.to_owned()),
        Fate::Silent => ("ignored", "changes nothing here".to_owned()),
        Fate::Noted(reason) => ("ignored", reason.to_owned()),
        Fate::Refused(reason) => ("refused", reason.to_owned()),
        Fate::RefusedIfYes(reason) => ("refused where it says Y", reason.to_owned()),
        Fate::RefusedUnless(default, reason) => ("refused unless default", format!("`{default}`; {reason}")),
    };
    Treatment { file, variable, fate, text }
}

/// The options that a variable becomes.
fn options_of(variable: &str) -> String {
    let all = options::MAIN.iter().chain(options::ACCESS);
    let mut names: Vec<_> =
        all.map(|known| known.name).filter(|option| of_option(option).contains(&variable)).collect();
    names.dedup();
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_empty() {
        for row in treatments() {
            assert!(!row.text.is_empty() && !row.text.contains('|'), "{row:?}");
        }
    }
}
