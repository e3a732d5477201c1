//! Directories for work in progress, on the store's own file system.
//!
//! Each is held by a lock on itself, so that opening the store can tell a crashed process's
//! leftovers from a living one's work.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::files;
use crate::lock::FileLock;

/// How often a directory is made anew when a cleaner takes it in the moment before it is locked.
const ATTEMPTS_MAX: usize = 16;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A private directory, removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    _lock: FileLock,
}

impl Scratch {
    pub(crate) fn new(parent: &Path) -> io::Result<Self> {
        for _ in 0..ATTEMPTS_MAX {
            let serial = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{}-{serial}", std::process::id()));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other?,
            }
            if let Some(scratch) = Self::claim(path)? {
                return Ok(scratch);
            }
        }
        Err(io::Error::other("temporary directories vanish while they are made"))
    }

    /// Locks the fresh directory; `None` when a cleaner was quicker.
    fn claim(path: PathBuf) -> io::Result<Option<Self>> {
        let lock = match FileLock::try_directory(&path) {
            Ok(Some(lock)) => lock,
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(path.exists().then_some(Self { path, _lock: lock }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = files::remove_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove temporary directory");
        }
    }
}

/// Removes what processes that are gone have left in `parent`.
pub(crate) fn clean(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        let lock = match FileLock::try_directory(&path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if lock.is_some() {
            files::remove_all(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_spares_what_is_held_and_removes_what_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let held = Scratch::new(parent.path()).unwrap();
        let leftover = parent.path().join("1-1");
        fs::create_dir(&leftover).unwrap();
        fs::write(leftover.join("half"), "x").unwrap();

        clean(parent.path()).unwrap();
        assert!(held.path().exists());
        assert!(!leftover.exists());

        let path = held.path().to_owned();
        drop(held);
        assert!(!path.exists());
    }
}
