//! Bytes by their digest, under `blobs/sha256/<hex>`.
//!
//! A blob appears with its whole, verified, synced content or not at all.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::digest::HashingReader;
use crate::scratch::Scratch;
use crate::{Digest, files};

/// A blob that is in the store now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewBlob {
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
}

#[derive(Debug)]
pub(crate) struct Blobs {
    dir: PathBuf,
    tmp: PathBuf,
}

impl Blobs {
    pub(crate) fn new(root: &Path) -> Self {
        Self { dir: root.join("blobs/sha256"), tmp: root.join("tmp") }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(digest.hex())
    }

    /// The blob's size, if it is here.
    pub(crate) fn size(&self, digest: &Digest) -> io::Result<Option<u64>> {
        match fs::metadata(self.path(digest)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A small blob whole, its digest checked.
    pub(crate) fn read(&self, digest: &Digest, size_max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path(digest))?.take(size_max + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > size_max {
            return Err(invalid(format!("blob {digest} is larger than {size_max} bytes")));
        }
        if Digest::of(&bytes) != *digest {
            return Err(invalid(format!("the content of blob {digest} has changed on disk")));
        }
        Ok(bytes)
    }

    pub(crate) fn open(&self, digest: &Digest) -> io::Result<File> {
        File::open(self.path(digest))
    }

    /// Stores what `reader` gives.
    pub(crate) fn write(&self, reader: impl Read) -> io::Result<NewBlob> {
        let scratch = Scratch::new(&self.tmp)?;
        let path = scratch.path().join("blob");
        let mut file = File::create(&path)?;
        let mut hashing = HashingReader::new(reader);
        io::copy(&mut hashing, &mut file)?;
        let (digest, size) = hashing.finish();
        self.adopt(&path, digest)?;
        Ok(NewBlob { digest, size })
    }

    /// Moves a finished file of known digest into the store.
    pub(crate) fn adopt(&self, file: &Path, digest: Digest) -> io::Result<()> {
        let target = self.path(&digest);
        if let Ok(existing) = File::options().write(true).open(&target) {
            // Young again: the garbage collector must not take it from under its new user.
            return existing.set_modified(SystemTime::now());
        }
        File::open(file)?.sync_all()?;
        fs::rename(file, &target)?;
        files::sync_dir(&self.dir)
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("blobs/sha256")).unwrap();
        fs::create_dir_all(root.path().join("tmp")).unwrap();
        let blobs = Blobs::new(root.path());
        (root, blobs)
    }

    #[test]
    fn a_blob_is_found_by_its_digest() {
        let (root, blobs) = blobs();
        let blob = blobs.write(&b"hello"[..]).unwrap();
        assert_eq!(blob, NewBlob { digest: Digest::of(b"hello"), size: 5 });
        assert_eq!(blobs.read(&blob.digest, 10).unwrap(), b"hello");
        assert_eq!(blobs.size(&Digest::of(b"other")).unwrap(), None);
        assert_eq!(fs::read_dir(root.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_blob_that_changed_on_disk_is_not_handed_out() {
        let (_root, blobs) = blobs();
        let blob = blobs.write(&b"hello"[..]).unwrap();
        fs::write(blobs.path(&blob.digest), "hullo").unwrap();
        assert!(blobs.read(&blob.digest, 10).unwrap_err().to_string().contains("changed on disk"));
    }

    #[test]
    fn a_blob_above_the_bound_is_not_read() {
        let (_root, blobs) = blobs();
        let blob = blobs.write(&b"hello"[..]).unwrap();
        assert!(blobs.read(&blob.digest, 4).unwrap_err().to_string().contains("larger than 4"));
    }
}
