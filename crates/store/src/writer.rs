//! The one thread that writes.
//!
//! It takes all transactions that wait, works them out one after another on a [`Stage`], makes
//! them durable with one append and one sync, publishes them, and then answers. A snapshot is
//! written beside it by a thread of its own.

mod admission;
pub(crate) mod aging;
mod alarm;
mod group;
mod housekeeping;
mod snapshotting;

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use admission::Admission;
use aging::Aging;
use alarm::Alarm;
pub(crate) use group::Write;
use group::{Group, Outcome, Reply};
use snapshotting::Snapshotting;
use tokio::sync::{mpsc, oneshot};

use crate::lease::expiry::Expiry;
use crate::log::{AppendError, Log, checkpoint};
use crate::shared::Shared;
use crate::space::EventKind;
use crate::stats::Report;
use crate::{Options, ReadError, Revision};

/// The most bytes of keys and values one transaction may carry.
pub const TXN_BYTES_MAX: usize = 8 << 20;

/// Jobs that may wait for the writer; beyond it, callers wait to be let in.
pub(crate) const WAITING_JOBS_MAX: usize = 1_024;

/// Why a write was refused. It changed nothing and is not in the log, except after `Failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// There is no room on the disk. Reads go on, deletes too while what is held back for them
    /// lasts, and puts will when there is room.
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
    /// Something is due that was to be done later.
    Wake,
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
    let aging = Aging::new(options.history_age_max);
    let alarm = Alarm::new(sender.downgrade());
    let report = Report::default();
    let quota_refused = None;
    let mut writer =
        Writer { log, shared, options, snapshotting, aging, alarm, quota_refused, report };
    writer.begin();
    thread::Builder::new().name("store-writer".into()).spawn(move || writer.run(jobs))?;
    Ok(sender)
}

struct Writer {
    log: Log,
    shared: Arc<Shared>,
    options: Options,
    snapshotting: Snapshotting,
    aging: Aging,
    alarm: Alarm,
    /// The least growth that was refused for the quota, while there is no room for it.
    quota_refused: Option<u64>,
    report: Report,
}

impl Writer {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut closer = None;
        while closer.is_none()
            && let Some(first) = jobs.blocking_recv()
        {
            let group;
            (group, closer) = self.gather(first, &mut jobs);
            self.shared.begin_commit();
            if !group.is_empty() {
                self.commit(group);
            }
            self.keep_house();
            self.shared.end_commit();
        }
        drop(jobs);
        // Lets go of the directory's lock, with the log.
        drop(self);
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
                Job::Wake => self.add_what_is_due(&mut group),
            }
            next = if group.is_full() { None } else { jobs.try_recv().ok() };
        }
        (group, None)
    }

    fn commit(&mut self, group: Group) {
        let (outcome, written) = self.write(group);
        match written {
            Ok(()) => self.publish(outcome),
            Err(error) => self.refuse(outcome, error),
        }
    }

    /// Works out a group and makes it durable. If that takes the last room there is, it is worked
    /// out again: puts are refused, and all else goes on in the room that was held back.
    fn write(&mut self, group: Group) -> (Outcome, Result<(), WriteError>) {
        self.restore_reserve();
        let outcome = self.work_out(group);
        let written = self.append(&outcome);
        if written != Err(WriteError::Full) || !self.give_up_reserve() {
            return (outcome, written);
        }
        self.keep_leases(&outcome);
        let outcome = self.work_out(outcome.into_group());
        let written = self.append(&outcome);
        (outcome, written)
    }

    fn work_out(&mut self, group: Group) -> Outcome {
        let space = self.shared.read();
        let disk_full = !self.log.holds_reserve();
        let mut admission = Admission::new(&space, &self.options, disk_full);
        let outcome = group.work_out(&space, &mut admission);
        self.quota_refused = admission.refused_for_quota().or(self.quota_refused);
        outcome
    }

    fn append(&mut self, outcome: &Outcome) -> Result<(), WriteError> {
        if outcome.frame.is_empty() {
            return Ok(());
        }
        let head = || self.shared.read().head();
        let last = outcome.staged.batches.last().map_or_else(head, |batch| batch.revision);
        let checkpoint = || checkpoint(&self.shared.read());
        self.log.append(&outcome.frame, last, checkpoint).map_err(|error| match error {
            AppendError::Full(cause) => {
                tracing::debug!(%cause, "no room for the log");
                WriteError::Full
            }
            AppendError::Failed(cause) => {
                tracing::error!(%cause, "the log failed: no more writes until it is opened again");
                WriteError::Failed
            }
            AppendError::FailedBefore => WriteError::Failed,
        })
    }

    fn publish(&mut self, outcome: Outcome) {
        let Outcome { replies, staged, compact, .. } = outcome;
        for event in staged.batches.iter().flat_map(|batch| &batch.events) {
            match event.kind {
                EventKind::Put => self.report.puts += 1,
                EventKind::Delete => self.report.deletes += 1,
            }
        }
        if let Some(batch) = staged.batches.last() {
            self.aging.note(batch.revision, Instant::now());
        }
        self.shared.publish(staged, &self.options);
        if let Some(revision) = compact {
            self.shared.compact(revision);
        }
        let done = |reply: &&Reply| matches!(reply, Reply::Commit(_, _, Ok(_)));
        self.report.txns += replies.iter().filter(done).count() as u64;
        self.tell();
        replies.into_iter().for_each(Reply::send);
    }

    fn refuse(&mut self, outcome: Outcome, error: WriteError) {
        self.keep_leases(&outcome);
        self.tell();
        outcome.replies.into_iter().for_each(|reply| reply.refuse(error));
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

impl Drop for Writer {
    /// However the writer ends, nobody waits for it any more.
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared.report().failed = true;
        }
        self.shared.watched().close().ring();
    }
}
