//! The handle.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::log::Log;
use crate::log_store::{Directory, LogStore, Memory};
use crate::mirror::{self, Mirror};
use crate::shared::Shared;
use crate::watch::{WatchSet, Watcher};
use crate::writer::{self, Answer, Job, Write};
use crate::{
    CompactError, Export, KeyValue, Lease, LeaseId, OpenError, Options, Range, RangeReply,
    ReadError, Revision, Stats, TXN_BYTES_MAX, Txn, TxnReply, WatchError, WriteError,
};

/// A key space with a past, and its log. Clones are handles to the same store.
///
/// Calls that read take a lock for as long as they copy what they return; calls that write wait
/// for the disk. The store ends with [`Store::close`], or some time after its last handle.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
}

impl Store {
    /// Opens the store in a directory, which is created if need be and locked against others.
    /// What a crash left of a write that was never acknowledged is cut off.
    ///
    /// Reads all of it: call it where blocking is allowed.
    ///
    /// # Errors
    /// When another process has it, when the disk fails, or when a file is damaged or missing; in
    /// the last case nothing has been changed.
    pub fn open(dir: &Path, options: Options) -> Result<Store, OpenError> {
        let directory =
            Directory::lock(dir).map_err(|error| OpenError::from_lock(dir.to_owned(), error))?;
        Store::open_on(Arc::new(directory), options)
    }

    /// A new store that lives and dies with the process.
    pub fn in_memory() -> Store {
        Store::open_on(Arc::new(Memory::default()), Options::default())
            .expect("memory has nothing that could be refused")
    }

    /// A view of another store, and the side that feeds it. It shows nothing before the first
    /// [`Mirror::reset`], and is closed when the mirror goes.
    pub fn mirrored(options: Options) -> (Store, Mirror) {
        let (shared, jobs, mirror) = mirror::pair(options);
        (Store { shared, jobs }, mirror)
    }

    pub(crate) fn open_on(store: Arc<dyn LogStore>, options: Options) -> Result<Store, OpenError> {
        let path = store.path("");
        let (log, space) = Log::open(store, &options)?;
        let shared = Arc::new(Shared::new(space));
        let jobs = writer::start(log, shared.clone(), options).map_err(|source| OpenError::Io {
            action: "start the writer of",
            path,
            source,
        })?;
        Ok(Store { shared, jobs })
    }

    /// The newest revision.
    pub fn revision(&self) -> Revision {
        self.shared.read().head()
    }

    /// The oldest revision that can be read; those above it can be watched, mostly it too.
    pub fn compacted(&self) -> Revision {
        self.shared.read().compacted()
    }

    /// How the store is: its sizes and counts, and how long the disk takes.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// A key as it is now.
    pub fn get(&self, key: &[u8]) -> Option<KeyValue> {
        self.shared.read().get(key).cloned()
    }

    /// A range as it is now, or as it was `at` a revision; at most `limit` entries of it, or all
    /// when that is 0.
    ///
    /// # Errors
    /// When the revision is not kept any more, or has not happened yet.
    pub fn range(
        &self,
        range: &Range,
        at: Option<Revision>,
        limit: usize,
    ) -> Result<RangeReply, ReadError> {
        self.shared.read().range(range, at, limit)
    }

    /// How many keys a range holds, or held `at` a revision.
    ///
    /// # Errors
    /// When the revision is not kept any more, or has not happened yet.
    pub fn count(&self, range: &Range, at: Option<Revision>) -> Result<usize, ReadError> {
        self.shared.read().count(range, at)
    }

    /// Applies a transaction. It is durable when this returns.
    ///
    /// Once polled, a dropped future may still have its transaction applied.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn commit(&self, txn: Txn) -> Result<TxnReply, WriteError> {
        if !txn.is_shallow() || txn.bytes() > TXN_BYTES_MAX {
            return Err(WriteError::TooLarge);
        }
        if txn.writes_a_key_twice() {
            return Err(WriteError::DuplicateKey);
        }
        self.write(|answer| Write::Commit(txn, answer)).await
    }

    async fn write<T>(
        &self,
        write: impl FnOnce(Answer<T, WriteError>) -> Write,
    ) -> Result<T, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Write(write(reply))).await.map_err(|_| self.gone())?;
        answer.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// Why the writer does not answer.
    fn gone(&self) -> WriteError {
        let failed = self.shared.has_failed() || self.shared.has_panicked();
        if failed { WriteError::Failed } else { WriteError::Closed }
    }

    /// Grants a lease for `ttl`, after which it ends by itself unless it was kept alive. With
    /// [`LeaseId::NONE`] the store chooses its name. It is durable when this returns.
    ///
    /// # Errors
    /// When there is a lease of this name, or [`crate::LEASES_MAX`] leases; else see [`WriteError`].
    pub async fn grant_lease(&self, id: LeaseId, ttl: Duration) -> Result<Lease, WriteError> {
        self.write(|answer| Write::Grant(id, ttl, answer)).await
    }

    /// Ends a lease: deletes the keys attached to it, in key order, at one revision. Returns that
    /// revision; the head, when there was no key.
    ///
    /// # Errors
    /// When there is no such lease; else see [`WriteError`].
    pub async fn revoke_lease(&self, id: LeaseId) -> Result<Revision, WriteError> {
        self.write(|answer| Write::Revoke(id, answer)).await
    }

    /// Gives a lease its whole TTL again. This does not wait for the disk: it is durable with the
    /// next write, or within a second.
    ///
    /// # Errors
    /// When there is no such lease, or the store is closed, or its disk failed.
    pub async fn keep_alive(&self, id: LeaseId) -> Result<Lease, WriteError> {
        if self.jobs.is_closed() || self.shared.has_failed() {
            return Err(self.gone());
        }
        self.shared.keep_alive(id).ok_or(WriteError::LeaseNotFound)
    }

    /// A lease as it is now.
    pub fn lease(&self, id: LeaseId) -> Option<Lease> {
        self.shared.read().leases().get(id)
    }

    /// The leases there are, in the order of their names.
    pub fn leases(&self) -> Vec<LeaseId> {
        self.shared.read().leases().ids().collect()
    }

    /// The keys that are attached to a lease, in order.
    pub fn lease_keys(&self, id: LeaseId) -> Vec<Bytes> {
        self.shared.read().keys_of(id).cloned().collect()
    }

    /// The content of a record: a small thing that is kept beside the keys, under a name, without
    /// a revision.
    pub fn record(&self, name: &str) -> Option<Bytes> {
        self.shared.read().records().get(name).cloned()
    }

    /// The records whose names begin with `prefix`, in the order of their names.
    pub fn records(&self, prefix: &str) -> Vec<(String, Bytes)> {
        let space = self.shared.read();
        let found = space.records().with_prefix(prefix);
        found.map(|(name, content)| (name.clone(), content.clone())).collect()
    }

    /// Sets a record, or removes it. It is durable when this returns.
    ///
    /// # Errors
    /// When all records would take more than [`crate::RECORDS_BYTES_MAX`]; else see [`WriteError`].
    pub async fn put_record(&self, name: &str, content: Option<Bytes>) -> Result<(), WriteError> {
        self.write(|answer| Write::Record(name.to_owned(), content, answer)).await
    }

    /// Watches a range from a revision on: `from` is the first one whose changes are wanted;
    /// [`Revision::NONE`] stands for the next one to come.
    ///
    /// # Errors
    /// When the revision is not kept any more, or the store is closed.
    pub fn watch(&self, range: Range, from: Revision) -> Result<Watcher, WatchError> {
        Watcher::start(&self.shared, range, from)
    }

    /// How many watchers there are, those in sets too.
    pub fn watchers(&self) -> usize {
        self.shared.watched().watchers()
    }

    /// A set of watches for one reader, with none in it yet.
    pub fn watch_set(&self) -> WatchSet {
        WatchSet::new(&self.shared)
    }

    /// Forgets the history below a revision; the revision itself stays readable. History is also
    /// compacted without being asked, as the options say.
    ///
    /// # Errors
    /// When that was done before, or the revision has not happened yet, or it cannot be written.
    pub async fn compact(&self, revision: Revision) -> Result<(), CompactError> {
        let closed = || CompactError::Write(self.gone());
        let (reply, answer) = oneshot::channel();
        let job = Job::Write(Write::Compact(revision, reply));
        self.jobs.send(job).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// All of the store as it is now, to be read page by page while the store goes on.
    pub fn export(&self) -> Export {
        Export::start(&self.shared)
    }

    /// Closes the store for all handles: writes already asked for are finished, watchers end, and
    /// the directory is free when this returns.
    pub async fn close(self) {
        let (done, closed) = oneshot::channel();
        // An error means that it is closed already.
        if self.jobs.send(Job::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

#[cfg(test)]
mod tests;
