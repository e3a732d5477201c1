//! Importing image archives: `docker save`, OCI archives, compressed or not.

mod docker;
mod oci;

use std::io;
use std::path::{Path, PathBuf};

use crate::archive::{Spool, Spooled};
use crate::{Digest, ImageStore, ParseReferenceError, Reference, StoreError};

/// Why an archive cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read at all.
    #[error("open image archive {path}")]
    Open {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{path} is not an image archive: {reason}")]
    NotAnImage {
        /// The archive.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// The file is cut short or damaged.
    #[error("read image archive {path}")]
    Broken {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive's content cannot be written to the store.
    #[error("copy image archive {path} into the store")]
    Spool {
        /// The archive.
        path: PathBuf,
        /// Why; a full disk is one reason.
        source: io::Error,
    },
    /// The archive has no image for this machine.
    #[error("{path} has no image for {wanted}, only for {found}")]
    Platform {
        /// The archive.
        path: PathBuf,
        /// This machine.
        wanted: String,
        /// What the archive has.
        found: String,
    },
    /// An image in the archive has no name, and none can be made from the file's name.
    #[error("an image in {path} has no name: save it with one, such as `orders:dev`")]
    Unnamed {
        /// The archive.
        path: PathBuf,
    },
    /// An image in the archive has a name that is none.
    #[error("{path} names an image wrongly")]
    Name {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: ParseReferenceError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One archive on its way into the store.
struct Import<'a> {
    store: &'a ImageStore,
    path: &'a Path,
    spool: Spool,
}

impl ImageStore {
    /// Imports every image of an archive for this machine's platform, and gives back their names.
    ///
    /// Understood are docker archives (`docker save`, old layout and new) and OCI archives, plain or
    /// compressed. An image without a name gets the file's.
    pub fn import(&self, path: impl AsRef<Path>) -> Result<Vec<Reference>, ImportError> {
        let path = path.as_ref();
        let _writing = self.writing()?;
        let spool = Spool::read(path, &self.tmp())?;
        let import = Import { store: self, path, spool };
        if import.spool.file("index.json").is_some() {
            import.oci()
        } else if import.spool.file("manifest.json").is_some() {
            import.docker()
        } else if import.spool.is_empty() {
            Err(import.not_an_image("it is empty"))
        } else {
            Err(import.not_an_image("it has neither an index.json nor a manifest.json"))
        }
    }
}

impl Import<'_> {
    fn not_an_image(&self, reason: impl Into<String>) -> ImportError {
        ImportError::NotAnImage { path: self.path.to_owned(), reason: reason.into() }
    }

    fn file(&self, name: &str) -> Result<&Spooled, ImportError> {
        self.spool.file(name).ok_or_else(|| self.not_an_image(format!("{name} is missing in it")))
    }

    /// A JSON document of the archive, and its bytes.
    fn document<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<(T, Vec<u8>), ImportError> {
        let file = self.file(name)?;
        if file.size > crate::store::DOCUMENT_BYTES_MAX {
            return Err(self.not_an_image(format!("{name} has {} bytes", file.size)));
        }
        let bytes = std::fs::read(self.location(file))
            .map_err(|source| ImportError::Spool { path: self.path.to_owned(), source })?;
        let parsed = serde_json::from_slice(&bytes);
        let document = parsed.map_err(|error| self.not_an_image(format!("{name}: {error}")))?;
        Ok((document, bytes))
    }

    /// Where a file of the archive is now: an earlier image may have moved it into the store.
    fn location(&self, file: &Spooled) -> PathBuf {
        if file.path.exists() { file.path.clone() } else { self.store.blobs().path(&file.digest) }
    }

    /// Moves a file of the archive into the store, unless an earlier image did.
    fn adopt(&self, file: &Spooled) -> Result<(), ImportError> {
        let blobs = self.store.blobs();
        let adopted = blobs.adopt(&file.path, file.digest);
        adopted.map_err(|source| self.store.write_error(source).into())
    }

    /// The image's names, or one made of the file's name.
    fn names(&self, given: &[String]) -> Result<Vec<Reference>, ImportError> {
        if given.is_empty() {
            return Ok(vec![self.name_of_file("latest")?]);
        }
        given.iter().map(|name| self.name(name)).collect()
    }

    fn name(&self, text: &str) -> Result<Reference, ImportError> {
        Reference::parse(text)
            .map_err(|source| ImportError::Name { path: self.path.to_owned(), source })
    }

    fn name_of_file(&self, tag: &str) -> Result<Reference, ImportError> {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let stem = file.split('.').find(|part| !part.is_empty()).unwrap_or_default();
        Reference::parse(&format!("{stem}:{tag}"))
            .map_err(|_| ImportError::Unnamed { path: self.path.to_owned() })
    }

    /// Names the image that is now wholly in the store.
    fn publish(&self, digest: Digest, names: &[Reference]) -> Result<(), ImportError> {
        for name in names {
            self.store.tag(name, digest)?;
        }
        Ok(())
    }

    fn check_platform(&self, os: &str, architecture: &str) -> Result<(), ImportError> {
        let wanted = this_platform();
        let found = format!("{os}/{architecture}");
        // Some tools leave both out; the image may well be right.
        if architecture.is_empty() || found == wanted {
            return Ok(());
        }
        Err(ImportError::Platform { path: self.path.to_owned(), wanted, found })
    }
}

/// Such as `linux/amd64`, in Go's words as the image specification wants it.
fn this_platform() -> String {
    format!("linux/{}", oci_spec::image::Arch::default())
}

#[cfg(test)]
mod tests;
