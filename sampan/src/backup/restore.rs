//! Turning a backup into the state of an instance, so that a crash at any moment leaves the old
//! state or the new one.
//!
//! First everything is made and checked in a folder beside ([`stage`]); nothing of the instance
//! has changed then. A marker in that folder makes it the instance's new state: from there on, old
//! folders are moved away and new ones into place ([`finish`]), which whoever opens the
//! instance next completes if this process does not.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use store::{ImportError, Revision};

use super::read::{Backup, ReadError};
use super::{About, Contents, PKI, Part, Space};
use crate::instance::EXTERNAL_STORE;

/// How far revisions are raised above those of the backup: more than any store went on since.
pub const REVISION_BUMP: u64 = 1_000_000_000;
/// Where the new state is made.
const STAGING: &str = "restoring";
/// Its marker, once it is whole.
const MARKER: &str = "ready.json";
/// What is the state of an instance in its data directory.
const STATE: [&str; 4] = ["store", "etcd", PKI, EXTERNAL_STORE];

/// Why a backup could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("restore the {}", space.title())]
    Import { space: Space, source: ImportError },
    #[error("the backup holds a file {0:?}, which this version of sampan does not know")]
    UnknownFile(String),
    #[error("{action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

/// What is about to happen, as the marker says it.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    /// Where the old state goes, in the data directory.
    before: String,
    /// What the old state has.
    old: Vec<String>,
    /// What the new state has.
    new: Vec<String>,
}

/// What a backup was turned into.
#[derive(Debug)]
pub struct Staged {
    /// Where it came from.
    pub about: About,
    /// What was read.
    pub contents: Contents,
    /// The revision that each key space has now.
    pub revisions: Vec<(Space, Revision)>,
}

/// Whether the instance has any state that a restore would replace.
pub fn has_state(data_dir: &Path) -> bool {
    STATE.iter().any(|name| data_dir.join(name).exists())
}

/// Reads a whole backup and makes the new state beside the old one.
pub fn stage(data_dir: &Path, from: impl Read) -> Result<Staged, RestoreError> {
    let staging = data_dir.join(STAGING);
    discard(&staging)?;
    let staged = fill(&staging, from);
    if staged.is_err() {
        // What is left of it is discarded by the next restore at the latest.
        let _ = discard(&staging);
    }
    staged
}

fn fill(staging: &Path, from: impl Read) -> Result<Staged, RestoreError> {
    make_dir(staging)?;
    let mut backup = Backup::begin(from)?;
    let about = backup.about().clone();
    let mut revisions = Vec::new();
    while let Some(mut reader) = backup.next_part()? {
        match reader.part().clone() {
            Part::Space { space, .. } => {
                let dir = staging.join(space.folder());
                let revision = store::import(&dir, &mut reader, REVISION_BUMP)
                    .map_err(|source| RestoreError::Import { space, source })?;
                revisions.push((space, revision));
            }
            Part::File { path } => write_file(staging, &path, &mut reader)?,
        }
        reader.skip()?;
    }
    Ok(Staged { about, contents: backup.contents(), revisions })
}

fn write_file(staging: &Path, path: &str, mut from: impl Read) -> Result<(), RestoreError> {
    let name = path.strip_prefix(PKI).and_then(|rest| rest.strip_prefix('/'));
    let name = name.filter(|name| !name.contains('/') && !matches!(*name, "" | "." | ".."));
    let name = name.ok_or_else(|| RestoreError::UnknownFile(path.to_owned()))?;
    let folder = staging.join(PKI);
    if !folder.exists() {
        make_dir(&folder)?;
    }
    let to = folder.join(name);
    let mut written = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
        io::copy(&mut from, &mut file)?;
        file.sync_all()
    };
    written().map_err(|source| RestoreError::Io { action: "write", path: to.clone(), source })?;
    sync(&folder)
}

/// Makes what was staged the state of the instance. The old state goes to `before` in the data
/// directory.
pub fn commit(data_dir: &Path, before: &str) -> Result<(), RestoreError> {
    let there = |dir: &Path| {
        let names = STATE.iter().filter(|name| dir.join(name).exists());
        names.map(|name| (*name).to_owned()).collect()
    };
    let staging = data_dir.join(STAGING);
    let plan = Plan { before: before.to_owned(), old: there(data_dir), new: there(&staging) };
    let marker = staging.join(MARKER);
    let text = serde_json::to_string(&plan).expect("names are JSON");
    sync(&staging)?;
    crate::server::write_secret(&marker, &text).map_err(|error| RestoreError::Io {
        action: "write",
        path: marker,
        source: io::Error::other(error),
    })?;
    sync(&staging)?;
    finish(data_dir).map(|_| ())
}

/// Completes a restore that was committed and then interrupted. Returns whether there was one.
pub fn finish(data_dir: &Path) -> Result<bool, RestoreError> {
    let staging = data_dir.join(STAGING);
    let Some(plan) = read_plan(&staging.join(MARKER))? else { return Ok(false) };
    let before = data_dir.join(&plan.before);
    if !plan.old.is_empty() && !before.exists() {
        make_dir(&before)?;
    }
    for name in &plan.old {
        let is_old = !plan.new.contains(name) || staging.join(name).exists();
        if is_old && data_dir.join(name).exists() {
            rename(&data_dir.join(name), &before.join(name))?;
        }
    }
    for name in plan.new.iter().filter(|name| staging.join(name).exists()) {
        rename(&staging.join(name), &data_dir.join(name))?;
    }
    sync(data_dir)?;
    discard(&staging)?;
    Ok(true)
}

fn read_plan(marker: &Path) -> Result<Option<Plan>, RestoreError> {
    let failed = |source| RestoreError::Io { action: "read", path: marker.to_owned(), source };
    match fs::read_to_string(marker) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| failed(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn make_dir(path: &Path) -> Result<(), RestoreError> {
    let made = DirBuilder::new().mode(0o700).create(path);
    made.map_err(|source| RestoreError::Io { action: "create", path: path.to_owned(), source })
}

fn discard(staging: &Path) -> Result<(), RestoreError> {
    match fs::remove_dir_all(staging) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(RestoreError::Io { action: "remove", path: staging.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), RestoreError> {
    let renamed = fs::rename(from, to);
    renamed.map_err(|source| RestoreError::Io { action: "move", path: from.to_owned(), source })
}

fn sync(dir: &Path) -> Result<(), RestoreError> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|source| RestoreError::Io { action: "sync", path: dir.to_owned(), source })
}

#[cfg(test)]
mod tests;
