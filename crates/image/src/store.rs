//! The image store: one directory that several processes may use at once.

mod manifest;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use oci_spec::image::{ImageConfiguration, ImageManifest};

use crate::blobs::{Blobs, NewBlob};
use crate::compression::Compression;
use crate::index::IndexFile;
use crate::lock::FileLock;
use crate::scratch::{self, Scratch};
use crate::unpack::{self, UnpackError};
use crate::{Digest, Reference, files};
use manifest::{layers, manifest_json, parse_document, sha256};

/// The largest manifest or configuration that is read; registries allow 4 MiB.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 4 << 20;

/// Images on disk. Cheap to clone; safe to open from several processes at once.
#[derive(Clone, Debug)]
pub struct ImageStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    blobs: Blobs,
    index: IndexFile,
    /// Layers are unpacked one at a time: thirty pods of one image must not unpack it thirty times.
    unpacking: Mutex<()>,
}

/// An image in the store.
#[derive(Clone, Debug)]
pub struct Image {
    /// The manifest's digest: the image's identity.
    pub digest: Digest,
    /// The configuration's digest, which Docker calls the image id.
    pub config_digest: Digest,
    /// Every name it goes by here; may be empty.
    pub references: Vec<Reference>,
    /// The image's own defaults: entry point, environment, user, ….
    pub config: ImageConfiguration,
    /// Bottom first, as in the manifest.
    pub layers: Vec<Layer>,
    /// Bytes of the manifest, the configuration and all layers as stored.
    pub size: u64,
}

impl Image {
    /// When the image says it was made, in RFC 3339.
    pub fn created(&self) -> Option<&str> {
        self.config.created().as_deref()
    }
}

/// One layer of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The digest of the layer as stored, compressed or not.
    pub digest: Digest,
    /// The digest of the uncompressed tar archive.
    pub diff_id: Digest,
    /// Stored bytes.
    pub size: u64,
}

/// A layer to make an image of; its blob is in the store already.
#[derive(Clone, Copy, Debug)]
pub struct NewLayer {
    /// The stored tar archive.
    pub blob: NewBlob,
    /// How it is compressed.
    pub compression: Compression,
}

/// What went wrong with the store itself.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store's directories cannot be made or used.
    #[error("open image store {dir}")]
    Open {
        /// The store.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The index of references cannot be read or written.
    #[error("update image index {path}")]
    Index {
        /// The index file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A blob cannot be written.
    #[error("write a blob to {dir}")]
    Write {
        /// The blobs' directory.
        dir: PathBuf,
        /// Why; a full disk is one reason.
        source: io::Error,
    },
    /// A blob that an image needs is gone or damaged.
    #[error("read {what} {digest} of an image: import or build the image again")]
    Read {
        /// What the blob is.
        what: &'static str,
        /// Which blob.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// A manifest or configuration is not what the OCI image specification says.
    #[error("the {what} {digest} is not valid: {reason}")]
    Malformed {
        /// What the blob is.
        what: &'static str,
        /// Which blob.
        digest: Digest,
        /// What is wrong with it.
        reason: String,
    },
    /// The garbage collector cannot list or delete files.
    #[error("collect garbage in {dir}")]
    Collect {
        /// The store.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ImageStore {
    /// Opens the store in `dir`, making it if need be, and clears what crashed processes left.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        let dir = dir.as_ref();
        Self::prepare(dir).map_err(|source| StoreError::Open { dir: dir.to_owned(), source })
    }

    fn prepare(dir: &Path) -> io::Result<Self> {
        for part in ["blobs/sha256", "layers", "tmp", "builds"] {
            fs::create_dir_all(dir.join(part))?;
        }
        let dir = dir.canonicalize()?;
        scratch::clean(&dir.join("tmp"))?;
        let blobs = Blobs::new(&dir);
        let index = IndexFile::new(&dir);
        let inner = Inner { dir, blobs, index, unpacking: Mutex::new(()) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The image a reference names, if it is here. A digest in the reference decides over the tag.
    pub fn find(&self, reference: &Reference) -> Result<Option<Image>, StoreError> {
        let names = self.index()?;
        let digest = match reference.digest() {
            None => names.get(reference).copied(),
            Some(wanted) => names
                .iter()
                .find(|(name, digest)| name.same_repository(reference) && **digest == wanted)
                .map(|(_, digest)| *digest),
        };
        digest.map(|digest| self.load(digest, &names)).transpose()
    }

    /// The image with this manifest digest, named or not.
    pub fn get(&self, digest: &Digest) -> Result<Option<Image>, StoreError> {
        let here = self.inner.blobs.size(digest);
        match here.map_err(|source| read_error("manifest", *digest, source))? {
            None => Ok(None),
            Some(_) => self.load(*digest, &self.index()?).map(Some),
        }
    }

    /// Every named image, in the order of their first names. A damaged one is left out, and logged.
    pub fn list(&self) -> Result<Vec<Image>, StoreError> {
        let names = self.index()?;
        let mut images: Vec<Image> = Vec::new();
        for digest in names.values() {
            if images.iter().any(|image| image.digest == *digest) {
                continue;
            }
            match self.load(*digest, &names) {
                Ok(image) => images.push(image),
                Err(error) => tracing::warn!(%digest, %error, "image left out of the list"),
            }
        }
        Ok(images)
    }

    /// Takes a name away; whether it was there. The bytes go with the next garbage collection.
    pub fn remove(&self, reference: &Reference) -> Result<bool, StoreError> {
        self.update_index(|names| names.remove(reference).is_some())
    }

    /// Lets `reference` name the image with this manifest digest, in place of what it named before.
    pub fn tag(&self, reference: &Reference, digest: Digest) -> Result<(), StoreError> {
        self.update_index(|names| {
            names.insert(reference.clone(), digest);
        })
    }

    /// Stores a layer's archive for [`ImageStore::add`].
    pub fn write_layer(&self, archive: impl io::Read) -> Result<NewBlob, StoreError> {
        self.inner.blobs.write(archive).map_err(|source| self.write_error(source))
    }

    /// Makes an image of a configuration (its JSON bytes, kept as they are) and its layers, bottom
    /// first, and gives it `names`.
    pub fn add(
        &self,
        config: &[u8],
        layers: &[NewLayer],
        names: &[Reference],
    ) -> Result<Image, StoreError> {
        let _writing = self.writing()?;
        let config = self.write_layer(config)?;
        let manifest = manifest_json(config, layers);
        let manifest = self.write_layer(&manifest[..])?;
        let image = self.load(manifest.digest, &self.index()?)?;
        for name in names {
            self.tag(name, manifest.digest)?;
        }
        Ok(Image { references: self.names_of(manifest.digest)?, ..image })
    }

    /// The image's unpacked layers, **top first** as overlayfs wants them; unpacks what is missing.
    /// No directory appears twice.
    pub fn rootfs(&self, image: &Image) -> Result<Vec<PathBuf>, UnpackError> {
        let mut lower: Vec<PathBuf> = Vec::new();
        for layer in image.layers.iter().rev() {
            let dir = self.layer_dir(&layer.diff_id);
            // A layer stacked twice shows what its top place shows, and overlayfs refuses it twice.
            if lower.contains(&dir) {
                continue;
            }
            if !dir.exists() {
                self.unpack_layer(layer, &dir)?;
            }
            lower.push(dir);
        }
        Ok(lower)
    }

    fn unpack_layer(&self, layer: &Layer, dir: &Path) -> Result<(), UnpackError> {
        let _turn = self.inner.unpacking.lock().unwrap_or_else(PoisonError::into_inner);
        if dir.exists() {
            return Ok(());
        }
        let _writing = self.writing_lock().map_err(|source| unpack::step("lock", dir, source))?;
        let archive = self.inner.blobs.open(&layer.digest);
        let archive =
            archive.map_err(|source| UnpackError::Missing { digest: layer.digest, source })?;
        let scratch = Scratch::new(&self.tmp());
        let scratch = scratch.map_err(|source| unpack::step("create", &self.tmp(), source))?;
        let root = scratch.path().join("layer");
        unpack::layer(archive, &layer.diff_id, &root)?;
        publish(&root, dir).map_err(|source| unpack::step("rename into place", dir, source))
    }

    fn load(
        &self,
        digest: Digest,
        names: &BTreeMap<Reference, Digest>,
    ) -> Result<Image, StoreError> {
        let bytes = self.document("manifest", digest)?;
        let manifest: ImageManifest = parse_document("manifest", digest, &bytes)?;
        let config_digest = sha256(digest, manifest.config().digest())?;
        let config_bytes = self.document("configuration", config_digest)?;
        let config: ImageConfiguration =
            parse_document("configuration", config_digest, &config_bytes)?;
        let layers = layers(digest, &manifest, &config)?;
        let blobs: u64 = layers.iter().map(|layer| layer.size).sum();
        let size = blobs + bytes.len() as u64 + config_bytes.len() as u64;
        let references = names.iter().filter(|(_, d)| **d == digest).map(|(n, _)| n.clone());
        let references = references.collect();
        Ok(Image { digest, config_digest, references, config, layers, size })
    }

    fn document(&self, what: &'static str, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let bytes = self.inner.blobs.read(&digest, DOCUMENT_BYTES_MAX);
        bytes.map_err(|source| read_error(what, digest, source))
    }

    pub(crate) fn index(&self) -> Result<BTreeMap<Reference, Digest>, StoreError> {
        let index = self.inner.index.read();
        index.map(|index| index.references).map_err(|source| self.index_error(source))
    }

    fn update_index<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<Reference, Digest>) -> T,
    ) -> Result<T, StoreError> {
        let result = self.inner.index.update(|index| change(&mut index.references));
        result.map_err(|source| self.index_error(source))
    }

    fn names_of(&self, digest: Digest) -> Result<Vec<Reference>, StoreError> {
        let names = self.index()?;
        Ok(names.into_iter().filter(|(_, d)| *d == digest).map(|(name, _)| name).collect())
    }

    pub(crate) fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.inner.dir
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.inner.dir.join("tmp")
    }

    fn layer_dir(&self, diff_id: &Digest) -> PathBuf {
        self.inner.dir.join("layers").join(diff_id.hex())
    }

    /// Keeps the garbage collector away while blobs are written that nothing names yet.
    pub(crate) fn writing(&self) -> Result<FileLock, StoreError> {
        self.writing_lock().map_err(|source| self.write_error(source))
    }

    fn writing_lock(&self) -> io::Result<FileLock> {
        FileLock::shared(&self.inner.dir.join("gc.lock"))
    }

    pub(crate) fn write_error(&self, source: io::Error) -> StoreError {
        StoreError::Write { dir: self.inner.blobs.dir().to_owned(), source }
    }

    fn index_error(&self, source: io::Error) -> StoreError {
        StoreError::Index { path: self.inner.index.path(), source }
    }
}

/// Another process may have unpacked the same layer meanwhile: the first one stays.
fn publish(root: &Path, dir: &Path) -> io::Result<()> {
    match fs::rename(root, dir) {
        Err(_) if dir.exists() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => files::sync_dir(dir.parent().expect("layers live in a directory")),
    }
}

fn read_error(what: &'static str, digest: Digest, source: io::Error) -> StoreError {
    StoreError::Read { what, digest, source }
}

#[cfg(test)]
mod tests;
