//! An image archive's files, spooled into the store's own file system in one pass.
//!
//! Archives list their files in any order, and may be compressed, so nothing can be looked up in
//! place. A spooled file becomes a blob by a rename.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::Digest as _;

use crate::Digest;
use crate::compression::decompress;
use crate::import::ImportError;
use crate::scratch::Scratch;

/// Entries in an archive: its images' blobs and a few documents.
const ENTRIES_MAX: usize = 100_000;
/// Bytes of all entries together.
const BYTES_MAX: u64 = 256 << 30;
/// Old `docker save` archives link equal layers to each other.
const LINKS_MAX: usize = 8;
const BUFFER_BYTES: usize = 256 << 10;

/// The archive's regular files by name.
pub(crate) struct Spool {
    scratch: Scratch,
    entries: HashMap<String, Entry>,
    bytes: u64,
}

enum Entry {
    File(Spooled),
    Link(String),
}

/// One file of the archive.
#[derive(Debug, Clone)]
pub(crate) struct Spooled {
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl Spool {
    pub(crate) fn read(archive: &Path, tmp: &Path) -> Result<Self, ImportError> {
        let open = |source| ImportError::Open { path: archive.to_owned(), source };
        let spooled = |source| ImportError::Spool { path: archive.to_owned(), source };
        let scratch = Scratch::new(tmp).map_err(spooled)?;
        let mut spool = Self { scratch, entries: HashMap::new(), bytes: 0 };
        let reader = decompress(File::open(archive).map_err(open)?).map_err(open)?;
        let mut tar = tar::Archive::new(reader);
        let not_tar = |error| not_an_archive(archive, &error);
        for entry in tar.entries().map_err(not_tar)? {
            match entry {
                Err(error) if spool.entries.is_empty() => return Err(not_tar(error)),
                Err(source) => {
                    return Err(ImportError::Broken { path: archive.to_owned(), source });
                }
                Ok(entry) => spool.add(entry, archive)?,
            }
        }
        Ok(spool)
    }

    fn add<R: Read>(
        &mut self,
        mut entry: tar::Entry<'_, R>,
        archive: &Path,
    ) -> Result<(), ImportError> {
        if self.entries.len() >= ENTRIES_MAX {
            return Err(too_large(archive));
        }
        let name = normal(&String::from_utf8_lossy(&entry.path_bytes()));
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            let target = entry.link_name_bytes().unwrap_or_default();
            let target = String::from_utf8_lossy(&target).into_owned();
            let base = if kind.is_symlink() { parent(&name) } else { "" };
            self.entries.insert(name.clone(), Entry::Link(normal(&format!("{base}/{target}"))));
        } else if kind.is_file() || kind.is_contiguous() {
            let file = self.write(&mut entry, archive)?;
            self.entries.insert(name, Entry::File(file));
        }
        Ok(())
    }

    fn write(&mut self, reader: &mut impl Read, archive: &Path) -> Result<Spooled, ImportError> {
        let spooled = |source| ImportError::Spool { path: archive.to_owned(), source };
        let path = self.scratch.path().join(self.entries.len().to_string());
        let mut file = File::create(&path).map_err(spooled)?;
        let mut hasher = sha2::Sha256::new();
        let mut size = 0;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let n = reader
                .read(&mut buffer)
                .map_err(|source| ImportError::Broken { path: archive.to_owned(), source })?;
            if n == 0 {
                break;
            }
            size += n as u64;
            if self.bytes + size > BYTES_MAX {
                return Err(too_large(archive));
            }
            hasher.update(&buffer[..n]);
            file.write_all(&buffer[..n]).map_err(spooled)?;
        }
        self.bytes += size;
        Ok(Spooled { path, digest: Digest::from(hasher), size })
    }

    /// The file of this name, through links.
    pub(crate) fn file(&self, name: &str) -> Option<&Spooled> {
        let mut name = normal(name);
        for _ in 0..=LINKS_MAX {
            match self.entries.get(&name)? {
                Entry::File(file) => return Some(file),
                Entry::Link(target) => name.clone_from(target),
            }
        }
        None
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn not_an_archive(path: &Path, error: &std::io::Error) -> ImportError {
    let reason = format!("it cannot be read as a tar file ({error})");
    ImportError::NotAnImage { path: path.to_owned(), reason }
}

fn too_large(path: &Path) -> ImportError {
    let reason = format!("it holds more than {ENTRIES_MAX} files or {BYTES_MAX} bytes");
    ImportError::NotAnImage { path: path.to_owned(), reason }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// `./a/../b` as `b`. Names are only looked up, never opened, so this need not refuse anything.
fn normal(name: &str) -> String {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_in_their_normal_form() {
        for (name, expected) in
            [("./a/b", "a/b"), ("a/../b", "b"), ("/x//y/.", "x/y"), ("../../z", "z"), ("", "")]
        {
            assert_eq!(normal(name), expected, "{name}");
        }
    }
}
