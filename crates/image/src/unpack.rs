//! A layer's archive made into a directory that overlayfs can stack.
//!
//! The archive is foreign data: every path is resolved by the kernel within the layer's root, and
//! the number of entries and of bytes is bounded.

mod entry;
mod root;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::Digest;
use crate::compression::decompress;
use crate::digest::HashingReader;
use root::Root;

/// More entries than any real layer has.
const ENTRIES_MAX: usize = 4_000_000;
/// Uncompressed bytes of one layer; what a decompression bomb is stopped at.
const BYTES_MAX: u64 = 64 << 30;
/// Layers with more files than this are synced with the whole file system, others file by file.
const FILES_SYNCED_SINGLY_MAX: usize = 64;

/// Why a layer cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The layer's archive is not in the store.
    #[error("read layer {digest}: import or build the image again")]
    Missing {
        /// The layer as stored.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// A step on the file system failed.
    #[error("{step} {path}")]
    Step {
        /// What was attempted.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive is damaged, or not an archive.
    #[error("read the archive of layer {diff_id}")]
    Archive {
        /// The layer.
        diff_id: Digest,
        /// Why.
        source: io::Error,
    },
    /// An entry's path leads out of the layer.
    #[error("the layer's entry `{name}` points outside of the image")]
    Traversal {
        /// The entry's name, or its link target.
        name: String,
    },
    /// An entry is of a kind that image layers do not have.
    #[error("the layer's entry `{name}` is of unknown kind {kind}")]
    Kind {
        /// The entry's name.
        name: String,
        /// The archive's type byte.
        kind: u8,
    },
    /// An entry's owner or numbers are out of range.
    #[error("the layer's entry `{name}` has an invalid {field}")]
    Field {
        /// The entry's name.
        name: String,
        /// Which field.
        field: &'static str,
    },
    /// The layer is larger than this store accepts.
    #[error("the layer has more than {limit} {what}")]
    TooLarge {
        /// Entries or bytes.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// The content is not what the image's configuration promises.
    #[error("the layer's content is {actual}, but the image says {expected}")]
    Mismatch {
        /// The diff id in the configuration.
        expected: Digest,
        /// The digest of the content.
        actual: Digest,
    },
}

pub(crate) fn step(step: &'static str, path: &Path, source: io::Error) -> UnpackError {
    UnpackError::Step { step, path: path.to_owned(), source }
}

/// Unpacks `archive`, compressed or not, into the new directory `root`; all of it is on disk when
/// this returns.
pub(crate) fn layer(archive: File, diff_id: &Digest, root: &Path) -> Result<(), UnpackError> {
    fs::create_dir(root).map_err(|source| step("create", root, source))?;
    let broken = |source| UnpackError::Archive { diff_id: *diff_id, source };
    let plain = decompress(archive).map_err(broken)?;
    let mut hashing = HashingReader::new(plain.take(BYTES_MAX + 1));
    let root = Root::open(root)?;
    let files = entries(&mut hashing, root, diff_id)?;
    // What follows the end mark is part of the content too.
    io::copy(&mut hashing, &mut io::sink()).map_err(broken)?;
    let (actual, length) = hashing.finish();
    if length > BYTES_MAX {
        return Err(UnpackError::TooLarge { what: "bytes", limit: BYTES_MAX });
    }
    if actual != *diff_id {
        return Err(UnpackError::Mismatch { expected: *diff_id, actual });
    }
    files.sync()
}

fn entries(reader: impl Read, mut root: Root, diff_id: &Digest) -> Result<Root, UnpackError> {
    let broken = |source| UnpackError::Archive { diff_id: *diff_id, source };
    let mut archive = tar::Archive::new(reader);
    for (count, entry) in archive.entries().map_err(broken)?.enumerate() {
        if count >= ENTRIES_MAX {
            return Err(UnpackError::TooLarge { what: "entries", limit: ENTRIES_MAX as u64 });
        }
        entry::unpack(entry.map_err(broken)?, &mut root)?;
    }
    root.finish()?;
    Ok(root)
}

#[cfg(test)]
mod tests;
