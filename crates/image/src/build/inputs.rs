//! What a build was made of, and whether it still is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::digest::HashingReader;

/// A source tree with more files than this is handed to the build tool every time.
const FILES_MAX: usize = 50_000;
/// File systems stamp with a clock that lags the precise one by up to a tick.
const CLOCK_SLACK: Duration = Duration::from_millis(20);

/// Folders and single files. Files that are not there count too: one that appears is a change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Inputs {
    trees: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
}

/// A file's state; `None` in a [`Snapshot`] for one that is not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stamp {
    size: u64,
    modified_ns: u64,
    content: Digest,
}

pub(super) type Snapshot = BTreeMap<PathBuf, Option<Stamp>>;

/// How the files compare with a snapshot.
#[derive(Debug, PartialEq)]
pub(super) enum Comparison {
    Same,
    /// Only times differ: the snapshot with the new ones.
    Touched(Snapshot),
    Changed,
}

impl Inputs {
    /// Adds a folder with all below it.
    pub(super) fn tree(&mut self, dir: &Path) {
        self.trees.insert(dir.to_owned());
    }

    /// Adds a file, or a folder with all below it. Files inside a known tree are there already.
    pub(super) fn file(&mut self, path: &Path) {
        if path.is_dir() {
            self.tree(path);
        } else {
            self.files.insert(path.to_owned());
        }
    }

    /// The state of all files now. `None` when there are too many, or when one has changed since
    /// `started`: then it is not known which of its states was built.
    pub(super) fn snapshot(&self, started: SystemTime) -> io::Result<Option<Snapshot>> {
        let Some(paths) = self.paths()? else { return Ok(None) };
        let latest = nanoseconds(started.checked_sub(CLOCK_SLACK).unwrap_or(UNIX_EPOCH));
        let mut snapshot = Snapshot::new();
        for path in paths {
            let stamp = stamp(&path)?;
            if stamp.as_ref().is_some_and(|stamp| stamp.modified_ns >= latest) {
                return Ok(None);
            }
            snapshot.insert(path, stamp);
        }
        Ok(Some(snapshot))
    }

    /// Compares sizes and times, and contents where only times differ.
    pub(super) fn compare(&self, before: &Snapshot) -> io::Result<Comparison> {
        let Some(paths) = self.paths()? else { return Ok(Comparison::Changed) };
        if paths.len() != before.len() {
            return Ok(Comparison::Changed);
        }
        let mut touched = Vec::new();
        for path in paths {
            let Some(then) = before.get(&path) else { return Ok(Comparison::Changed) };
            match compare(&path, then.as_ref())? {
                Comparison::Same => {}
                Comparison::Touched(newer) => touched.push(newer),
                Comparison::Changed => return Ok(Comparison::Changed),
            }
        }
        if touched.is_empty() {
            return Ok(Comparison::Same);
        }
        let mut snapshot = before.clone();
        snapshot.extend(touched.into_iter().flatten());
        Ok(Comparison::Touched(snapshot))
    }

    fn paths(&self) -> io::Result<Option<BTreeSet<PathBuf>>> {
        let mut paths = self.files.clone();
        for tree in &self.trees {
            if !walk(tree, &mut paths)? {
                return Ok(None);
            }
        }
        Ok(Some(paths))
    }
}

fn compare(path: &Path, before: Option<&Stamp>) -> io::Result<Comparison> {
    let (before, metadata) = match (before, metadata(path)?) {
        (None, None) => return Ok(Comparison::Same),
        (Some(before), Some(metadata)) => (before, metadata),
        _ => return Ok(Comparison::Changed),
    };
    if metadata.len() != before.size {
        return Ok(Comparison::Changed);
    }
    if modified(&metadata)? == before.modified_ns {
        return Ok(Comparison::Same);
    }
    match stamp(path)? {
        Some(now) if now.content == before.content => {
            Ok(Comparison::Touched(Snapshot::from([(path.to_owned(), Some(now))])))
        }
        _ => Ok(Comparison::Changed),
    }
}

fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    let Some(metadata) = metadata(path)? else { return Ok(None) };
    let mut reader = HashingReader::new(File::open(path)?);
    io::copy(&mut reader, &mut io::sink())?;
    let (content, size) = reader.finish();
    Ok(Some(Stamp { size, modified_ns: modified(&metadata)?, content }))
}

/// `None` for what is not there or is not a file (a dangling link, a socket).
fn metadata(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_file().then_some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        Err(error) => Err(error),
    }
}

fn modified(metadata: &fs::Metadata) -> io::Result<u64> {
    metadata.modified().map(nanoseconds)
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Adds the files below `dir`; false when there are too many. Links to folders are not followed.
fn walk(dir: &Path, paths: &mut BTreeSet<PathBuf>) -> io::Result<bool> {
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        let entries = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if !is_foreign(&path) {
                    pending.push(path);
                }
            } else {
                paths.insert(path);
            }
            if paths.len() > FILES_MAX {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Build outputs, version control, and packages of their own (which are inputs themselves if the
/// build uses them).
fn is_foreign(dir: &Path) -> bool {
    dir.file_name().is_some_and(|name| name == ".git" || name == "node_modules")
        || ["CACHEDIR.TAG", "Cargo.toml", "go.mod"].iter().any(|name| dir.join(name).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree {
        dir: tempfile::TempDir,
        inputs: Inputs,
        before: Snapshot,
    }

    impl Tree {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            for (path, text) in [("src/main.rs", "one"), ("target/CACHEDIR.TAG", ""), (".x", "")] {
                let path = dir.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let mut inputs = Inputs::default();
            inputs.tree(dir.path());
            inputs.file(&dir.path().join("../absent"));
            let later = SystemTime::now() + Duration::from_secs(60);
            let before = inputs.snapshot(later).unwrap().unwrap();
            Self { dir, inputs, before }
        }

        fn check(&self, expected: &str, change: impl FnOnce(&Path)) {
            change(self.dir.path());
            let found = match self.inputs.compare(&self.before).unwrap() {
                Comparison::Same => "same",
                Comparison::Touched(newer) => {
                    assert_eq!(self.inputs.compare(&newer).unwrap(), Comparison::Same);
                    "touched"
                }
                Comparison::Changed => "changed",
            };
            assert_eq!(found, expected);
        }
    }

    fn set_time(path: &Path) {
        let time = UNIX_EPOCH + Duration::from_secs(1);
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn untouched_files_and_build_outputs_are_no_change() {
        Tree::new().check("same", |dir| fs::write(dir.join("target/new"), "x").unwrap());
    }

    #[test]
    fn a_new_time_with_the_old_content_is_only_a_touch() {
        Tree::new().check("touched", |dir| set_time(&dir.join("src/main.rs")));
    }

    #[test]
    fn edits_additions_and_removals_are_changes() {
        Tree::new().check("changed", |dir| fs::write(dir.join("src/main.rs"), "longer").unwrap());
        Tree::new().check("changed", |dir| {
            fs::write(dir.join("src/main.rs"), "two").unwrap();
            set_time(&dir.join("src/main.rs"));
        });
        Tree::new().check("changed", |dir| fs::write(dir.join("src/new.rs"), "").unwrap());
        Tree::new().check("changed", |dir| fs::remove_file(dir.join("src/main.rs")).unwrap());
    }

    #[test]
    fn a_file_changed_during_the_build_leaves_no_snapshot() {
        let tree = Tree::new();
        let started = SystemTime::now() - Duration::from_secs(60);
        assert_eq!(tree.inputs.snapshot(started).unwrap(), None);
    }
}
