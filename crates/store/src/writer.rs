//! The one thread that writes.
//!
//! It takes all transactions that wait, works them out one after another on a [`Stage`], makes
//! them durable with one append and one sync, publishes them, and then answers. A snapshot is
//! written beside it by a thread of its own.

mod snapshotting;

use std::sync::Arc;
use std::thread;

use snapshotting::Snapshotting;
use tokio::sync::{mpsc, oneshot};

use crate::log::{AppendError, Entry, Log, write_frame};
use crate::shared::Shared;
use crate::space::Batch;
use crate::stage::Stage;
use crate::{Options, Revision, Txn, TxnReply};

/// The most bytes of keys and values one transaction may carry.
pub const TXN_BYTES_MAX: usize = 8 << 20;

/// Jobs that may wait for the writer; beyond it, callers wait to be let in.
pub(crate) const WAITING_JOBS_MAX: usize = 1_024;

/// A group is closed when it has this many writes or bytes.
const GROUP_WRITES_MAX: usize = 512;
const GROUP_BYTES_MAX: usize = 4 << 20;

/// Why a write was refused. It changed nothing and is not in the log, except after `Failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// There is no room on the disk. Reads go on, and writes will when there is room.
    #[error("there is no room left for the store's log")]
    Full,
    /// The disk failed: what became of the write shows when the store is opened again; until then
    /// there are no more writes.
    #[error("the store's log failed; open the store again")]
    Failed,
    /// The transaction carries more than [`TXN_BYTES_MAX`].
    #[error("the transaction is larger than {TXN_BYTES_MAX} bytes")]
    TooLarge,
    /// One branch of the transaction writes a key twice.
    #[error("the transaction writes a key twice")]
    DuplicateKey,
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
    Commit(Txn, Answer<TxnReply, WriteError>),
    Compact(Revision, Answer<(), CompactError>),
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

/// Writes that become durable together.
#[derive(Default)]
struct Group {
    writes: Vec<Write>,
    bytes: usize,
}

enum Write {
    Commit(Txn, Answer<TxnReply, WriteError>),
    Compact(Revision, Answer<(), CompactError>),
}

/// What a group comes to, before it is durable.
#[derive(Default)]
struct Outcome {
    replies: Vec<Reply>,
    batches: Vec<Batch>,
    /// Empty when there is nothing to log.
    frame: Vec<u8>,
    compact: Option<Revision>,
}

enum Reply {
    Commit(Answer<TxnReply, WriteError>, TxnReply),
    Compact(Answer<(), CompactError>, Result<(), CompactError>),
}

impl Group {
    fn is_full(&self) -> bool {
        self.writes.len() >= GROUP_WRITES_MAX || self.bytes >= GROUP_BYTES_MAX
    }
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
                Job::Commit(txn, reply) => {
                    group.bytes += txn.bytes();
                    group.writes.push(Write::Commit(txn, reply));
                }
                Job::Compact(revision, reply) => group.writes.push(Write::Compact(revision, reply)),
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
        if group.writes.is_empty() {
            return;
        }
        let Outcome { replies, batches, frame, compact } = self.work_out(group);
        if let Err(error) = self.write(&frame, &batches) {
            return self.refuse(replies, error);
        }
        if !batches.is_empty() {
            self.shared.publish(batches, &self.options);
        }
        if let Some(revision) = compact {
            self.shared.compact(revision);
        }
        for reply in replies {
            // Whoever asked may have gone; what was done stays done.
            match reply {
                Reply::Commit(to, reply) => drop(to.send(Ok(reply))),
                Reply::Compact(to, reply) => drop(to.send(reply)),
            }
        }
        let compacted = self.shared.read().compacted();
        if self.log.snapshot_due(compacted, &self.options) {
            self.snapshotting.start(self.log.store());
        }
    }

    fn work_out(&self, group: Group) -> Outcome {
        let space = self.shared.read();
        let mut stage = Stage::new(&space);
        let mut outcome = Outcome::default();
        let mut frame = Vec::with_capacity(group.bytes);
        let mut is_empty = true;
        write_frame(&mut frame, |entries| {
            let start = entries.len();
            for write in group.writes {
                let reply = match write {
                    Write::Commit(txn, to) => {
                        Reply::Commit(to, work_out(&mut stage, &txn, entries))
                    }
                    Write::Compact(revision, to) => {
                        let compacted = space.compacted().max(outcome.compact.unwrap_or_default());
                        let checked = check_compact(revision, compacted, stage.head());
                        if checked.is_ok() {
                            Entry::encode_compact(entries, revision);
                            outcome.compact = Some(revision);
                        }
                        Reply::Compact(to, checked)
                    }
                };
                outcome.replies.push(reply);
            }
            is_empty = entries.len() == start;
        });
        outcome.batches = stage.into_batches();
        outcome.frame = if is_empty { Vec::new() } else { frame };
        outcome
    }

    fn write(&mut self, frame: &[u8], batches: &[Batch]) -> Result<(), WriteError> {
        if frame.is_empty() {
            return Ok(());
        }
        let head = || self.shared.read().head();
        let last = batches.last().map_or_else(head, |batch| batch.revision);
        self.log.append(frame, last).map_err(|error| match error {
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

    fn refuse(&mut self, replies: Vec<Reply>, error: WriteError) {
        for reply in replies {
            match reply {
                Reply::Commit(to, _) => drop(to.send(Err(error))),
                Reply::Compact(to, _) => drop(to.send(Err(CompactError::Write(error)))),
            }
        }
        // A snapshot may be what makes room.
        let compacted = self.shared.read().compacted();
        if error == WriteError::Full && self.log.snapshot_frees(compacted) {
            self.snapshotting.start(self.log.store());
        }
    }
}

/// Works out one transaction and logs what it writes.
fn work_out(stage: &mut Stage<'_>, txn: &Txn, entries: &mut Vec<u8>) -> TxnReply {
    let before = stage.head();
    let reply = stage.run(txn);
    if reply.revision > before {
        let ops = if reply.succeeded { &txn.success } else { &txn.failure };
        Entry::encode_write(entries, reply.revision, ops);
    }
    reply
}

fn check_compact(
    revision: Revision,
    compacted: Revision,
    head: Revision,
) -> Result<(), CompactError> {
    if revision > head {
        Err(CompactError::Future { head })
    } else if revision <= compacted {
        Err(CompactError::Compacted { compacted })
    } else {
        Ok(())
    }
}
