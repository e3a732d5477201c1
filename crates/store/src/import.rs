//! A new store from what was exported from another.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Revision;
use crate::log::SnapshotWriter;
use crate::log::manifest::Manifest;
use crate::log::snapshot::{self, LoadError, Loaded};
use crate::log_store::{Directory, LockError, LogStore};

/// Why no store was made of an export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// There is something in the directory already.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// Another process is importing into the directory.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The export could not be read.
    #[error("read the export")]
    Read(#[source] io::Error),
    /// The export is damaged, cut off, or not an export.
    #[error("the export is damaged at byte {offset}: {reason}")]
    Damaged {
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        reason: &'static str,
    },
    /// It was written by a version whose format this one does not know.
    #[error("the export has format {format}, which this version does not read")]
    Format {
        /// Its format.
        format: u32,
    },
    /// The new head would be beyond the last revision there can be.
    #[error("revision {revision} cannot be raised by {bump}")]
    Bump {
        /// The revision of the export.
        revision: Revision,
        /// What was to be added.
        bump: u64,
    },
    /// The store could not be written.
    #[error("{action} {}", path.display())]
    Write {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl From<LoadError> for ImportError {
    fn from(error: LoadError) -> ImportError {
        match error {
            LoadError::Io(source) => ImportError::Read(source),
            LoadError::Format(format) => ImportError::Format { format },
            LoadError::Damaged { offset, reason } => ImportError::Damaged { offset, reason },
        }
    }
}

/// Makes the store `dir`, which must not be there or be empty, of the stream that
/// [`crate::Export::next_chunk`] gives. Its head is the revision of the export plus `bump`; nothing
/// below can be read or watched. A bump keeps those who saw later revisions of the old store from
/// mistaking new ones for them.
///
/// The directory is there as a whole or not at all. Blocks, and holds all keys in memory.
///
/// # Errors
/// When there is a store already, or the export is damaged, or something cannot be read or written.
pub fn import(dir: &Path, from: impl Read, bump: u64) -> Result<Revision, ImportError> {
    check_empty(dir)?;
    let loaded = read(from)?;
    let head = loaded.revision.0.checked_add(bump).filter(|head| *head < u64::MAX).map(Revision);
    let head = head.ok_or(ImportError::Bump { revision: loaded.revision, bump })?;
    let unfinished = beside(dir);
    let write = |action, path: &Path| {
        let path = path.to_owned();
        move |source| ImportError::Write { action, path, source }
    };
    let directory = Directory::lock(&unfinished).map_err(|error| match error {
        LockError::InUse(_) => ImportError::InUse { path: dir.to_owned() },
        LockError::Io(source) => write("create", &unfinished)(source),
    })?;
    clear(&directory).map_err(write("clear", &unfinished))?;
    save(directory, head, &loaded).map_err(write("write to", &unfinished))?;
    fs::rename(&unfinished, dir).map_err(write("create", dir))?;
    sync_parent(dir).map_err(write("make durable", dir))?;
    Ok(head)
}

fn check_empty(dir: &Path) -> Result<(), ImportError> {
    match fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(ImportError::NotEmpty { path: dir.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(ImportError::Write { action: "list", path: dir.to_owned(), source }),
    }
}

fn read(from: impl Read) -> Result<Loaded, ImportError> {
    let mut from = BufReader::new(from);
    let loaded = snapshot::read(&mut from, None)?;
    let damaged = |reason| ImportError::Damaged { offset: loaded.bytes, reason };
    if from.read(&mut [0]).map_err(ImportError::Read)? > 0 {
        return Err(damaged("something follows its end"));
    }
    if loaded.entries.values().any(|kv| kv.mod_revision > loaded.revision) {
        return Err(damaged("a key is newer than the whole"));
    }
    Ok(loaded)
}

/// Where the store is made before it gets its name.
fn beside(dir: &Path) -> PathBuf {
    let mut name = OsString::from(dir.file_name().unwrap_or_default());
    name.push(".importing");
    dir.with_file_name(name)
}

/// Removes what an import that was cut off left.
fn clear(directory: &Directory) -> io::Result<()> {
    let names = directory.list()?;
    names.iter().filter(|name| snapshot::is_name(name)).try_for_each(|name| directory.remove(name))
}

fn save(directory: Directory, head: Revision, loaded: &Loaded) -> io::Result<()> {
    let directory: Arc<dyn LogStore> = Arc::new(directory);
    let mut writer = SnapshotWriter::create(directory.clone(), head)?;
    let entries: Vec<_> = loaded.entries.values().cloned().collect();
    writer.add_settings(&loaded.settings)?;
    writer.add(&entries)?;
    writer.finish()?;
    Manifest { snapshot: head, segment: Revision::NONE }.write(directory.as_ref())
}

fn sync_parent(dir: &Path) -> io::Result<()> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests;
