//! Private files: 0600, written beside and renamed, so that a reader sees all or nothing.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::PkiError;

pub(super) fn make_directory(path: &Path) -> Result<(), PkiError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| failed("make directory", path, source))
}

/// The file's text, or `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, PkiError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, error)),
    }
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), PkiError> {
    let beside = path.with_extension("tmp");
    let written = write_beside(&beside, text)
        .and_then(|()| std::fs::rename(&beside, path))
        .and_then(|()| sync_directory(path));
    written.map_err(|source| failed("write", path, source))
}

fn write_beside(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file: File =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Only then a crash cannot take the new name away.
fn sync_directory(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

fn failed(act: &'static str, path: &Path, source: std::io::Error) -> PkiError {
    PkiError::File { act, path: path.to_owned(), source }
}
