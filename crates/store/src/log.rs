//! The durable log: segments of frames, and snapshots that replace old ones.
//!
//! The log holds every revision that is kept. Compaction moves what is kept; once enough closed
//! segments hold nothing that is, a snapshot of the key space at the compacted revision is written
//! beside them and they are removed. So opening is: newest snapshot, then the segments in order.
//!
//! A segment begins with all leases and records there are, so those before it need not be kept for
//! them.
//!
//! Files: `<first revision>.log`, `<revision>.snapshot`, `manifest` (which of these there must be),
//! `tail` (how far the newest segment was acknowledged), `reserve` (room for when the disk is
//! full), `*.tmp` for what is being written.

mod entry;
mod frame;
pub mod fuzzing;
pub(crate) mod manifest;
mod open;
mod reserve;
mod segment;
pub(crate) mod snapshot;
mod tail;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;

pub(crate) use entry::Entry;
pub(crate) use frame::write as write_frame;
use manifest::Manifest;
pub use open::OpenError;
pub(crate) use reserve::RESERVE_BYTES;
use reserve::Reserve;
use segment::Segment;
pub(crate) use snapshot::SnapshotWriter;
use tail::{Acknowledged, Tail};

use crate::log_store::{LogFile, LogStore, is_full};
use crate::space::Space;
use crate::stats::{Histogram, Report};
use crate::{Options, Revision};

/// A segment holds at least this many times what its checkpoint takes before the next is begun.
const CHECKPOINT_SHARE_MIN: u64 = 4;

/// Why a frame could not be made durable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// No room; the log is as it was, and a later append may work.
    #[error("there is no room for the log")]
    Full(#[source] io::Error),
    /// What is on disk is no longer known. No append works until the log is opened again.
    #[error("append to the log")]
    Failed(#[source] io::Error),
    /// An append failed before.
    #[error("the log failed before and was not opened again since")]
    FailedBefore,
}

pub(crate) struct Log {
    store: Arc<dyn LogStore>,
    segment_bytes_max: u64,
    /// Oldest first; the last one is appended to.
    segments: VecDeque<Segment>,
    file: Box<dyn LogFile>,
    tail: Tail,
    reserve: Reserve,
    failed: bool,
    snapshot: Option<Revision>,
    snapshot_bytes: u64,
    fsyncs: Histogram,
}

/// The frame that a segment begins with.
pub(crate) fn checkpoint(space: &Space) -> Vec<u8> {
    let mut frame = Vec::new();
    write_frame(&mut frame, |out| {
        Entry::encode_checkpoint(out, space.compacted(), &space.settings());
    });
    frame
}

impl Log {
    /// The segment that is appended to.
    fn active(&mut self) -> &mut Segment {
        self.segments.back_mut().expect("a log always has a segment")
    }

    /// Makes one frame durable. `last` is the newest revision in it, or before it; `checkpoint` is
    /// the frame to begin a segment with, if one must be begun.
    pub fn append(
        &mut self,
        frame: &[u8],
        last: Revision,
        checkpoint: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), AppendError> {
        if self.failed {
            return Err(AppendError::FailedBefore);
        }
        self.rotate_if_due(checkpoint)?;
        let good = self.active().bytes;
        if let Err(error) = self.file.append(frame) {
            return Err(self.undo(good, error));
        }
        // After a failed sync the kernel may have dropped the pages and call the next one a
        // success. Only reading the file again tells what is there.
        let start = Instant::now();
        self.file.sync().map_err(|error| self.fail(error))?;
        self.fsyncs.observe(start.elapsed());
        let active = self.active();
        active.bytes = good + frame.len() as u64;
        active.last = last;
        let to = Acknowledged { first: active.first, bytes: active.bytes };
        self.tail.advance(to);
        Ok(())
    }

    fn fail(&mut self, error: io::Error) -> AppendError {
        self.failed = true;
        AppendError::Failed(error)
    }

    /// Cuts off what a failed append may have left.
    fn undo(&mut self, good: u64, error: io::Error) -> AppendError {
        match self.file.truncate(good) {
            Ok(()) if is_full(&error) => AppendError::Full(error),
            Ok(()) => self.fail(error),
            Err(error) => self.fail(error),
        }
    }

    fn rotate_if_due(&mut self, checkpoint: impl FnOnce() -> Vec<u8>) -> Result<(), AppendError> {
        let max = self.segment_bytes_max;
        let active = self.active();
        let is_large = active.bytes >= max.max(active.bytes_at_first * CHECKPOINT_SHARE_MIN);
        if !is_large && active.format == segment::FORMAT {
            return Ok(());
        }
        self.rotate(&checkpoint())
    }

    /// Closes the segment that is appended to, and begins the next one.
    pub fn rotate(&mut self, checkpoint: &[u8]) -> Result<(), AppendError> {
        let active = self.active().clone();
        if active.is_unused() {
            // Without a revision of its own it would have the same name as the next.
            return self.begin_again(active.first, checkpoint);
        }
        let first = active.last.next();
        let manifest = Manifest { segment: first, ..self.manifest() };
        manifest.prepare(self.store.as_ref()).map_err(|error| self.full_or_failed(error))?;
        let created = segment::create(self.store.as_ref(), first, checkpoint);
        let (segment, file) = created.map_err(|error| self.full_or_failed(error))?;
        // What is written to the new segment counts only if it is missed when it is not there.
        Manifest::install(self.store.as_ref()).map_err(|error| self.fail(error))?;
        self.segments.push_back(segment);
        self.file = file;
        Ok(())
    }

    fn begin_again(&mut self, first: Revision, checkpoint: &[u8]) -> Result<(), AppendError> {
        self.tail.retract().map_err(|error| self.full_or_failed(error))?;
        let created = segment::create_again(self.store.as_ref(), first, checkpoint);
        let (segment, file) = created.map_err(|error| self.full_or_failed(error))?;
        *self.active() = segment;
        self.file = file;
        Ok(())
    }

    fn full_or_failed(&mut self, error: io::Error) -> AppendError {
        if is_full(&error) { AppendError::Full(error) } else { self.fail(error) }
    }

    /// The files there must be.
    fn manifest(&self) -> Manifest {
        let segment = self.segments.back().map_or(Revision::NONE, |segment| segment.first);
        Manifest { snapshot: self.snapshot.unwrap_or_default(), segment }
    }

    /// Bytes in closed segments that hold nothing above `compacted`.
    fn droppable_bytes(&self, compacted: Revision) -> u64 {
        let closed = self.segments.iter().take(self.segments.len() - 1);
        closed.take_while(|segment| segment.last <= compacted).map(|segment| segment.bytes).sum()
    }

    /// Whether a snapshot at `compacted` is worth its cost.
    pub fn snapshot_due(&self, compacted: Revision, options: &Options) -> bool {
        let enough = options.snapshot_after_bytes.max(self.snapshot_bytes).max(1);
        self.droppable_bytes(compacted) >= enough
    }

    /// The revision up to which history must be given up for the log to stay within the bound
    /// that [`Options`] promises. Mostly history is bounded by itself; but the log also holds what
    /// is no history, as keep-alives of leases.
    pub fn overlong(&self, compacted: Revision, options: &Options) -> Option<Revision> {
        let history = (options.history_bytes_max as u64).saturating_mul(2);
        let max = history.saturating_add(options.segment_bytes);
        let mut kept = self.closed_bytes() - self.droppable_bytes(compacted);
        let mut given_up = None;
        let closed = self.segments.iter().take(self.segments.len() - 1);
        for segment in closed.skip_while(|segment| segment.last <= compacted) {
            if kept <= max {
                break;
            }
            kept -= segment.bytes;
            given_up = Some(segment.last);
        }
        given_up
    }

    fn closed_bytes(&self) -> u64 {
        let closed = self.segments.iter().take(self.segments.len() - 1);
        closed.map(|segment| segment.bytes).sum()
    }

    /// Bytes of all segments and the snapshot.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum::<u64>() + self.snapshot_bytes
    }

    /// Whether room is held back, as there was enough of it.
    pub fn holds_reserve(&self) -> bool {
        self.reserve.is_held()
    }

    /// Holds back room again if there is enough; whether it does.
    pub fn restore_reserve(&mut self) -> bool {
        self.reserve.restore(self.store.as_ref())
    }

    /// Makes room of what is held back; whether it could.
    pub fn give_up_reserve(&mut self) -> bool {
        self.reserve.give_up(self.store.as_ref())
    }

    /// Says how the log is.
    pub fn report(&self, report: &mut Report) {
        report.disk_bytes = self.bytes() + self.reserve.bytes();
        report.segments = self.segments.len();
        report.snapshot_bytes = self.snapshot_bytes;
        report.failed = self.failed;
        report.fsyncs = self.fsyncs;
    }

    pub fn store(&self) -> &Arc<dyn LogStore> {
        &self.store
    }

    /// A snapshot has become durable: what it replaces goes.
    pub fn snapshot_taken(&mut self, revision: Revision, bytes: u64) -> io::Result<()> {
        // What it replaces may go only when it would be missed itself.
        Manifest { snapshot: revision, ..self.manifest() }.write(self.store.as_ref())?;
        let replaced = self.snapshot.replace(revision).filter(|old| *old != revision);
        self.snapshot_bytes = bytes;
        if let Some(old) = replaced {
            self.store.remove(&snapshot::name(old))?;
        }
        while self.segments.len() > 1 && self.segments[0].last <= revision {
            self.store.remove(&segment::name(self.segments[0].first))?;
            self.segments.pop_front();
        }
        self.store.sync_names()
    }
}
