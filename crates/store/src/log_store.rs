//! Where the log's bytes live: a directory of files, or memory.
//!
//! The log itself (segments, frames, snapshots) is written against this trait only, so that tests
//! can make any operation fail and see what a crash would leave.

mod directory;
#[cfg(test)]
mod faulty;
mod memory;

use std::io;
use std::path::PathBuf;

pub(crate) use directory::{Directory, LockError};
#[cfg(test)]
pub(crate) use faulty::{Fault, Faulty, Names};
pub(crate) use memory::Memory;

/// A flat set of named files.
pub(crate) trait LogStore: Send + Sync {
    /// The names of all files.
    fn list(&self) -> io::Result<Vec<String>>;

    /// A file's content from its start.
    fn read(&self, name: &str) -> io::Result<Box<dyn io::Read + '_>>;

    /// A new, empty file; one that was there is emptied. Its name is durable after
    /// [`LogStore::sync_names`].
    fn create(&self, name: &str) -> io::Result<Box<dyn LogFile>>;

    /// A file that is there, to be appended to.
    fn open(&self, name: &str) -> io::Result<Box<dyn LogFile>>;

    /// Gives a file another name in one step, replacing what has that name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renames and removals durable.
    fn sync_names(&self) -> io::Result<()>;

    /// A small file that is written over in place; created if need be.
    fn note(&self, name: &str) -> io::Result<Box<dyn Note>>;

    /// Makes a file take this many bytes of the disk, or leaves nothing. One that does is left.
    fn reserve(&self, name: &str, bytes: u64) -> io::Result<()>;

    /// Bytes for which there is room now.
    fn room(&self) -> io::Result<u64>;

    /// What to call a file in a message.
    fn path(&self, name: &str) -> PathBuf;
}

/// A file that is only ever appended to, or cut.
pub(crate) trait LogFile: Send {
    /// Says that many small appends will come, each of them synced. Room for them may be laid out
    /// ahead: until the file is dropped, or for good after a crash, zeros may follow its end.
    fn will_grow(&mut self) {}

    /// On an error, any part of `bytes` may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was appended durable.
    fn sync(&mut self) -> io::Result<()>;

    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// A small file that is written over in place.
pub(crate) trait Note: Send {
    /// Replaces its first bytes. After a crash they are all there, or some, or none.
    fn write(&mut self, content: &[u8]) -> io::Result<()>;

    /// Makes what was written durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// Whether an error means that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
