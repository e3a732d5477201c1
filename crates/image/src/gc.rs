//! Deleting what no image needs any more.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::lock::FileLock;
use crate::scratch::Scratch;
use crate::{Digest, ImageStore, StoreError, build, files};

/// What one garbage collection did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Blobs deleted.
    pub blobs: usize,
    /// Unpacked layers deleted.
    pub layers: usize,
    /// Bytes of the deleted blobs.
    pub bytes: u64,
    /// Somebody was importing, building or unpacking: nothing was looked at. Try again later.
    pub busy: bool,
}

impl ImageStore {
    /// Deletes blobs and unpacked layers that neither a reference nor an image in `in_use` (manifest
    /// digests) needs, unless they are younger than `min_age`.
    ///
    /// An unreadable image keeps everything: nothing is deleted on a guess.
    pub fn collect_garbage(
        &self,
        in_use: &HashSet<Digest>,
        min_age: Duration,
    ) -> Result<Report, StoreError> {
        let lock = FileLock::try_exclusive(&self.dir().join("gc.lock"));
        let Some(_alone) = lock.map_err(|source| self.collect_error(source))? else {
            return Ok(Report { busy: true, ..Report::default() });
        };
        let needed = self.needed(in_use)?;
        self.sweep(&needed, min_age).map_err(|source| self.collect_error(source))
    }

    /// Every digest, of blobs and of unpacked layers, that must stay.
    fn needed(&self, in_use: &HashSet<Digest>) -> Result<HashSet<Digest>, StoreError> {
        let mut roots = in_use.clone();
        roots.extend(self.index()?.into_values());
        let mut needed = HashSet::new();
        for root in roots {
            let Some(image) = self.get(&root)? else { continue };
            needed.insert(root);
            needed.insert(image.config_digest);
            needed.extend(image.layers.iter().flat_map(|layer| [layer.digest, layer.diff_id]));
        }
        Ok(needed)
    }

    fn sweep(&self, needed: &HashSet<Digest>, min_age: Duration) -> io::Result<Report> {
        let mut report = Report::default();
        for path in garbage(self.blobs().dir(), needed, min_age)? {
            report.bytes += fs::metadata(&path)?.len();
            report.blobs += 1;
            fs::remove_file(&path)?;
        }
        for path in garbage(&self.dir().join("layers"), needed, min_age)? {
            // Renamed first: a crash half-way through must not leave half a layer in its place.
            let scratch = Scratch::new(&self.tmp())?;
            fs::rename(&path, scratch.path().join("layer"))?;
            report.layers += 1;
        }
        files::sync_dir(self.blobs().dir())?;
        build::forget_missing(self)?;
        Ok(report)
    }

    fn collect_error(&self, source: io::Error) -> StoreError {
        StoreError::Collect { dir: self.dir().to_owned(), source }
    }
}

fn garbage(
    dir: &Path,
    needed: &HashSet<Digest>,
    min_age: Duration,
) -> io::Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let digest = name.to_str().and_then(|name| Digest::from_hex(name).ok());
        let unneeded = digest.is_some_and(|digest| !needed.contains(&digest));
        if unneeded && age(&entry.metadata()?) >= min_age {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Since the last change of the inode: renaming into place and reuse of a blob both count, and a
/// layer's own old modification times do not.
fn age(metadata: &fs::Metadata) -> Duration {
    let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
    let nanos = u32::try_from(metadata.ctime_nsec()).unwrap_or(0);
    let changed = UNIX_EPOCH + Duration::new(seconds, nanos);
    SystemTime::now().duration_since(changed).unwrap_or(Duration::ZERO)
}
