//! The index: which reference names which manifest.
//!
//! One small JSON file, replaced as a whole. Readers take no lock and never see half of it;
//! writers take turns.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::lock::FileLock;
use crate::scratch::Scratch;
use crate::{Digest, Reference, files};

const FORMAT_VERSION: u32 = 1;

/// What the file holds.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Index {
    #[serde(default)]
    version: u32,
    #[serde(default)]
    pub(crate) references: BTreeMap<Reference, Digest>,
}

/// Where the file lives.
#[derive(Debug)]
pub(crate) struct IndexFile {
    dir: PathBuf,
}

impl IndexFile {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join("index.json")
    }

    /// The index as the last writer left it; empty when there never was one.
    pub(crate) fn read(&self) -> io::Result<Index> {
        let bytes = match fs::read(self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Index::default()),
            other => other?,
        };
        let index: Index = serde_json::from_slice(&bytes)?;
        if index.version > FORMAT_VERSION {
            let message = format!("format {} was written by a newer version", index.version);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(index)
    }

    /// Lets `change` edit the index alone; it is durable when this returns.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Index) -> T) -> io::Result<T> {
        let _turn = FileLock::exclusive(&self.dir.join("index.lock"))?;
        let before = self.read()?;
        let mut after = before.clone();
        let result = change(&mut after);
        if after != before {
            after.version = FORMAT_VERSION;
            let bytes = serde_json::to_vec_pretty(&after)?;
            let scratch = Scratch::new(&self.dir.join("tmp"))?;
            files::replace(&self.path(), &scratch.path().join("index.json"), &bytes)?;
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrent_updates_all_survive() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("tmp")).unwrap();
        let add = |n: usize| {
            let file = IndexFile::new(dir.path());
            let name = Reference::parse(&format!("image{n}")).unwrap();
            file.update(|index| index.references.insert(name, Digest::of(b"x"))).unwrap();
        };
        std::thread::scope(|scope| {
            for n in 0..8 {
                scope.spawn(move || add(n));
            }
        });
        assert_eq!(IndexFile::new(dir.path()).read().unwrap().references.len(), 8);
    }

    #[test]
    fn a_newer_format_is_refused_rather_than_lost() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("index.json"), r#"{"version": 99}"#).unwrap();
        let error = IndexFile::new(dir.path()).update(|_| ()).unwrap_err();
        assert!(error.to_string().contains("newer version"), "{error}");
    }
}
