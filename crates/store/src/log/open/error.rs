//! Why a store could not be opened.

use std::io;
use std::path::PathBuf;

use crate::Revision;
use crate::log_store::LockError;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the directory open.
    #[error("{} is in use by another process{}", path.display(), of_id(*pid))]
    InUse {
        /// The store's directory.
        path: PathBuf,
        /// The other process, if it is known.
        pid: Option<u32>,
    },
    /// The operating system refused something.
    #[error("{action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file holds something that was good once and is not now. Nothing was changed.
    #[error("{} is damaged at byte {offset}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        reason: &'static str,
    },
    /// A file is missing, or belongs to another store. Nothing was changed.
    #[error("{} holds revision {found} where {expected} should follow", path.display())]
    Gap {
        /// The file that does not follow.
        path: PathBuf,
        /// The revision that is missing.
        expected: Revision,
        /// The one found.
        found: Revision,
    },
    /// A file that the store had is not there. Nothing was changed.
    #[error("{} is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Written by a version whose format this one does not know.
    #[error("{} has format {format}, which this version does not read", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

fn of_id(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

pub(super) fn damaged(path: PathBuf, offset: usize, reason: &'static str) -> OpenError {
    OpenError::Damaged { path, offset: offset as u64, reason }
}

impl OpenError {
    pub(crate) fn from_lock(path: PathBuf, error: LockError) -> OpenError {
        match error {
            LockError::InUse(pid) => OpenError::InUse { path, pid },
            LockError::Io(source) => OpenError::Io { action: "lock", path, source },
        }
    }
}
