//! Private files that are replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a directory that only its owner may enter, with its parents, where it is missing.
///
/// # Errors
/// What the system says.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes `content` beside `path` with mode 0600, brings it to the disk, and puts it in the place of `path`;
/// whoever reads `path` sees the old content or the new, whatever fails in between.
///
/// # Errors
/// What the system says; `path` is then as it was.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<File> {
    let beside = path.with_extension("new");
    let written = write_new(&beside, content).and_then(|file| {
        fs::rename(&beside, path)?;
        Ok(file)
    });
    if written.is_err() {
        // The leftover is worth nothing, and removing it may fail for the same reason.
        let _ = fs::remove_file(&beside);
    }
    let file = written?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(file)
}

/// A new file with this content, on the disk, open for appending.
fn write_new(path: &Path, content: &[u8]) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_replaced_file_is_private_and_whole() {
        let directory = std::env::temp_dir().join(format!("spa-files-{}", std::process::id()));
        make_private_directory(&directory).unwrap();
        let path = directory.join("state.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_failure_leaves_the_old_content() {
        let path = Path::new("/proc/self/state.json");
        assert!(replace(path, b"x").is_err());
    }
}
