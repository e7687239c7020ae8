//! Whether this machine has the programs of `list command`, for `check`.

use std::fs::metadata;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::config::Config;

/// A line for each command whose program this machine does not have, or cannot run.
#[must_use]
pub fn missing_programs(config: &Config) -> Vec<String> {
    let commands = config.access.iter().flat_map(|access| access.commands.list.iter().map(move |one| (access, one)));
    let line = |(access, command): (&crate::config::Access, &crate::config::Command)| {
        let (problem, remedy) = fault(Path::new(&command.program))?;
        let (stanza, name, program) = (&access.name, &command.name, &command.program);
        Some(format!("access '{stanza}', list command '{name}={program}': {problem}; {remedy}"))
    };
    commands.filter_map(line).collect()
}

/// What is wrong with a program, and what helps; nothing where one may not look.
fn fault(program: &Path) -> Option<(&'static str, &'static str)> {
    match metadata(program) {
        Ok(found) if !found.is_file() => Some(("this is no file", "name a program")),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => {
            Some(("this file is not executable", "chmod +x helps, or name another program"))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Some(("this machine has no such program", "install it, or correct the path"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_cannot_run_are_named_with_their_stanza() {
        let text = "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\nconfig access 'alice'\n\toption key 'k'\n\
                    \toption hmac_key 'h'\n\tlist command 'good=/bin/sh x'\n\tlist command 'none=/does/not/exist'\n\
                    \tlist command 'folder=/etc'\n\tlist command 'data=/etc/passwd'\n\tlist command 'under=/etc/passwd/x'\n";
        let config = crate::config::parse(text.as_bytes(), "config").unwrap().config;
        let lines = missing_programs(&config);
        for (line, fragment) in
            lines.iter().zip(["no such program; install", "no file; name", "not executable; chmod", "no such program"])
        {
            assert!(line.starts_with("access 'alice', list command '") && line.contains(fragment), "{line}");
        }
        assert_eq!(lines.len(), 4, "{lines:#?}");
    }
}
