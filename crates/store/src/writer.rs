//! The one thread that writes.
//!
//! It takes all transactions that wait, works them out one after another on a [`Stage`], makes
//! them durable with one append and one sync, publishes them, and then answers. A snapshot is
//! written beside it by a thread of its own.

mod group;
mod snapshotting;

use std::sync::Arc;
use std::thread;

pub(crate) use group::Write;
use group::{Group, Outcome, Reply};
use snapshotting::Snapshotting;
use tokio::sync::{mpsc, oneshot};

use crate::lease::expiry::Expiry;
use crate::log::{AppendError, Log, checkpoint};
use crate::shared::Shared;
use crate::space::Batch;
use crate::{Options, ReadError, Revision};

/// The most bytes of keys and values one transaction may carry.
pub const TXN_BYTES_MAX: usize = 8 << 20;

/// Jobs that may wait for the writer; beyond it, callers wait to be let in.
pub(crate) const WAITING_JOBS_MAX: usize = 1_024;

/// Why a write was refused. It changed nothing and is not in the log, except after `Failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// There is no room on the disk. Reads go on, and writes will when there is room.
    #[error("there is no room left for the store's log")]
    Full,
    /// Keys and values, with their history, have reached the quota of the options. Deletes go on,
    /// and puts will when there is room again.
    #[error("the store has reached its quota")]
    Quota,
    /// The disk failed: what became of the write shows when the store is opened again; until then
    /// there are no more writes.
    #[error("the store's log failed; open the store again")]
    Failed,
    /// The transaction carries more than [`TXN_BYTES_MAX`], or is nested deeper than
    /// [`crate::TXN_DEPTH_MAX`]; or the records would take more than [`crate::RECORDS_BYTES_MAX`].
    #[error("the write is larger than the store takes")]
    TooLarge,
    /// The transaction writes a key twice, whichever branches are taken.
    #[error("the transaction writes a key twice")]
    DuplicateKey,
    /// A put keeps the value or lease of a key that is not there.
    #[error("the key whose value or lease is to be kept is not there")]
    KeyNotFound,
    /// There is no such lease.
    #[error("there is no such lease")]
    LeaseNotFound,
    /// There is a lease of this name already.
    #[error("there is such a lease already")]
    LeaseExists,
    /// There are [`crate::LEASES_MAX`] leases.
    #[error("there are too many leases")]
    TooManyLeases,
    /// The transaction reads at a revision that cannot be read.
    #[error("read in the transaction")]
    Read(#[source] ReadError),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The store that this one mirrors did not answer: the write may have been applied, or be yet.
    #[error("the store behind this one did not answer; whether the write was applied is unknown")]
    Unavailable,
    /// Another process writes the store that this one mirrors; this one may not any more.
    #[error("another process has taken over the store")]
    Deposed,
    /// A mirror of another store does not have leases or records.
    #[error("the store mirrors another one, and has no leases or records of its own")]
    Unsupported,
}

/// Why history was not compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// It was before, up to this revision or a later one.
    #[error("history is already compacted up to {compacted}")]
    Compacted {
        /// Up to here.
        compacted: Revision,
    },
    /// The revision has not happened yet.
    #[error("the revision is in the future; the store is at {head}")]
    Future {
        /// The newest revision.
        head: Revision,
    },
    /// It could not be written.
    #[error("write the compaction")]
    Write(#[source] WriteError),
}

pub(crate) type Answer<T, E> = oneshot::Sender<Result<T, E>>;
pub(crate) type Closer = oneshot::Sender<()>;

pub(crate) enum Job {
    Write(Write),
    SnapshotEnded(snapshotting::Outcome),
    Close(Closer),
}

/// Starts the writer. It ends when told to, or when the last sender is dropped.
pub(crate) fn start(
    log: Log,
    shared: Arc<Shared>,
    options: Options,
) -> std::io::Result<mpsc::Sender<Job>> {
    let (sender, jobs) = mpsc::channel(WAITING_JOBS_MAX);
    let snapshotting = Snapshotting::new(shared.clone(), sender.downgrade());
    shared.start_expiry(Expiry::new(&shared, sender.downgrade()));
    let writer = Writer { log, shared, options, snapshotting };
    thread::Builder::new().name("store-writer".into()).spawn(move || writer.run(jobs))?;
    Ok(sender)
}

struct Writer {
    log: Log,
    shared: Arc<Shared>,
    options: Options,
    snapshotting: Snapshotting,
}

impl Writer {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut closer = None;
        while closer.is_none()
            && let Some(first) = jobs.blocking_recv()
        {
            let group;
            (group, closer) = self.gather(first, &mut jobs);
            self.commit(group);
        }
        drop(jobs);
        self.close();
        if let Some(done) = closer {
            // Whoever closed the store may have gone.
            let _ = done.send(());
        }
    }

    /// Takes what waits, up to a full group or the end of the store.
    fn gather(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>) -> (Group, Option<Closer>) {
        let mut group = Group::default();
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Close(done) => return (group, Some(done)),
                Job::SnapshotEnded(outcome) => self.snapshotting.ended(&mut self.log, outcome),
                Job::Write(write) => group.push(write),
            }
            next = if group.is_full() { None } else { jobs.try_recv().ok() };
        }
        (group, None)
    }

    /// The directory's lock is let go here, as the log's store is dropped.
    fn close(self) {
        let Writer { log, shared, snapshotting, .. } = self;
        snapshotting.stop();
        shared.watched().close().ring();
        drop(log);
    }

    fn commit(&mut self, group: Group) {
        if group.is_empty() {
            return;
        }
        let outcome = group.work_out(&self.shared.read());
        if let Err(error) = self.write(&outcome.frame, &outcome.staged.batches) {
            return self.refuse(outcome, error);
        }
        let Outcome { replies, staged, compact, .. } = outcome;
        self.shared.publish(staged, &self.options);
        if let Some(revision) = compact {
            self.shared.compact(revision);
        }
        replies.into_iter().for_each(Reply::send);
        let compacted = self.shared.read().compacted();
        if self.log.snapshot_due(compacted, &self.options) {
            self.snapshotting.start(self.log.store());
        }
    }

    fn write(&mut self, frame: &[u8], batches: &[Batch]) -> Result<(), WriteError> {
        if frame.is_empty() {
            return Ok(());
        }
        let head = || self.shared.read().head();
        let last = batches.last().map_or_else(head, |batch| batch.revision);
        let checkpoint = || checkpoint(&self.shared.read());
        self.log.append(frame, last, checkpoint).map_err(|error| match error {
            AppendError::Full(cause) => {
                tracing::warn!(%cause, "no room for the log: the write is refused");
                WriteError::Full
            }
            AppendError::Failed(cause) => {
                tracing::error!(%cause, "the log failed: no more writes until it is opened again");
                WriteError::Failed
            }
            AppendError::FailedBefore => WriteError::Failed,
        })
    }

    fn refuse(&mut self, outcome: Outcome, error: WriteError) {
        self.keep_leases(&outcome);
        outcome.replies.into_iter().for_each(|reply| reply.refuse(error));
        // A snapshot may be what makes room.
        let compacted = self.shared.read().compacted();
        if error == WriteError::Full && self.log.snapshot_frees(compacted) {
            self.snapshotting.start(self.log.store());
        }
    }

    /// Nothing of the outcome is durable: leases do not end, and keep-alives are still to be logged.
    fn keep_leases(&self, outcome: &Outcome) {
        let space = self.shared.read();
        space.leases().not_logged(&outcome.renewed);
        for reply in &outcome.replies {
            if let Reply::Expire(ids) = reply {
                ids.iter().for_each(|id| space.leases().end_refused(*id));
            }
        }
    }
}
