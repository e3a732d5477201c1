//! The record of a build, by which the next one can tell that nothing has changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::assemble::{CERTIFICATES, Packed};
use super::inputs::{Comparison, Inputs, Snapshot};
use super::{Binary, BuildError, Source, cargo, go, tool};
use crate::scratch::Scratch;
use crate::{Digest, ImageStore, Reference, files};

/// Raised when the same binary would be packed into a different image.
const FORMAT: u32 = 1;

/// What decides, beside the source, what a build makes.
pub(super) struct Key {
    place: String,
    fingerprint: Digest,
}

/// What is known of the last build of a folder.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    fingerprint: Digest,
    pub(super) image: Digest,
    pub(super) size_before_strip: u64,
    pub(super) size_after_strip: u64,
    inputs: Inputs,
    snapshot: Snapshot,
}

impl Key {
    pub(super) fn new(source: Source, dir: &Path, name: &Reference) -> Result<Self, BuildError> {
        let version = match source {
            Source::Cargo => cargo::version(dir)?,
            Source::Go => go::version(dir)?,
        };
        let place = format!("{}\0{}", dir.display(), name.canonical());
        let environment = tool::relevant_environment();
        let fingerprint = format!("{FORMAT}\0{source:?}\0{place}\0{version}\0{environment:?}");
        let place = Digest::of(place.as_bytes()).hex();
        Ok(Self { place, fingerprint: Digest::of(fingerprint.as_bytes()) })
    }

    fn path(&self, store: &ImageStore) -> PathBuf {
        store.dir().join("builds").join(&self.place).with_extension("json")
    }
}

/// The last build's record, if building again would make the same.
pub(super) fn lookup(store: &ImageStore, key: &Key) -> Option<Record> {
    let path = key.path(store);
    match check(store, key, &path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "build record not usable");
            None
        }
    }
}

fn check(store: &ImageStore, key: &Key, path: &Path) -> io::Result<Option<Record>> {
    let mut record: Record = serde_json::from_slice(&fs::read(path)?)?;
    if record.fingerprint != key.fingerprint {
        return Ok(None);
    }
    match record.inputs.compare(&record.snapshot)? {
        Comparison::Changed => return Ok(None),
        Comparison::Same => {}
        Comparison::Touched(newer) => {
            record.snapshot = newer;
            write(store, path, &record)?;
        }
    }
    Ok(Some(record))
}

/// Records a finished build. That it cannot be recorded costs the next build time, nothing more.
pub(super) fn remember(
    store: &ImageStore,
    key: &Key,
    binary: &Binary,
    packed: &Packed,
    started: SystemTime,
) -> Record {
    let mut inputs = binary.inputs.clone().unwrap_or_default();
    inputs.file(Path::new(CERTIFICATES));
    let mut record = Record {
        fingerprint: key.fingerprint,
        image: packed.image,
        size_before_strip: packed.size_before_strip,
        size_after_strip: packed.size_after_strip,
        inputs,
        snapshot: Snapshot::new(),
    };
    let path = key.path(store);
    let snapshot = match binary.inputs {
        Some(_) => record.inputs.snapshot(started),
        None => Ok(None),
    };
    let written = snapshot.and_then(|snapshot| match snapshot {
        Some(snapshot) => {
            record.snapshot = snapshot;
            write(store, &path, &record)
        }
        None => files::remove_all(&path),
    });
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "build not recorded");
    }
    record
}

fn write(store: &ImageStore, path: &Path, record: &Record) -> io::Result<()> {
    let scratch = Scratch::new(&store.tmp())?;
    let bytes = serde_json::to_vec(record)?;
    files::replace(path, &scratch.path().join("record"), &bytes)
}

/// Removes the records of images that are gone.
pub(crate) fn forget_missing(store: &ImageStore) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Made {
        image: Digest,
    }
    for entry in fs::read_dir(store.dir().join("builds"))? {
        let path = entry?.path();
        let made: Result<Made, _> = serde_json::from_slice(&fs::read(&path)?);
        let kept = match made {
            Ok(made) => store.blobs().size(&made.image)?.is_some(),
            Err(_) => false,
        };
        if !kept {
            files::remove_all(&path)?;
        }
    }
    Ok(())
}
