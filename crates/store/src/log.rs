//! The durable log: segments of frames, and snapshots that replace old ones.
//!
//! The log holds every revision that is kept. Compaction moves what is kept; once enough closed
//! segments hold nothing that is, a snapshot of the key space at the compacted revision is written
//! beside them and they are removed. So opening is: newest snapshot, then the segments in order.
//!
//! A segment begins with all leases and records there are, so those before it need not be kept for
//! them.
//!
//! Files: `<first revision>.log`, `<revision>.snapshot`, `*.tmp` for a snapshot being written.

mod entry;
mod frame;
mod open;
mod segment;
pub(crate) mod snapshot;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

pub(crate) use entry::Entry;
pub(crate) use frame::write as write_frame;
pub use open::OpenError;
use segment::Segment;
pub(crate) use snapshot::SnapshotWriter;

use crate::log_store::{LogFile, LogStore, is_full};
use crate::space::Space;
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
    failed: bool,
    snapshot: Option<Revision>,
    snapshot_bytes: u64,
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
    /// The revision the next append may begin with.
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
        self.file.sync().map_err(|error| self.fail(error))?;
        let active = self.active();
        active.bytes = good + frame.len() as u64;
        active.last = last;
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
        let active = self.active().clone();
        let is_large = active.bytes >= max.max(active.bytes_at_first * CHECKPOINT_SHARE_MIN);
        if !is_large && active.format == segment::FORMAT {
            return Ok(());
        }
        let store = self.store.as_ref();
        let created = if active.is_unused() {
            // Without a revision of its own it would have the same name as the next.
            segment::create_again(store, active.first, &checkpoint()).inspect(|_| {
                self.segments.pop_back();
            })
        } else {
            segment::create(store, active.last.next(), &checkpoint())
        };
        match created {
            Ok((segment, file)) => {
                self.segments.push_back(segment);
                self.file = file;
                Ok(())
            }
            Err(error) if is_full(&error) => Err(AppendError::Full(error)),
            Err(error) => Err(self.fail(error)),
        }
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

    /// Whether a snapshot at `compacted` would free anything at all.
    pub fn snapshot_frees(&self, compacted: Revision) -> bool {
        self.droppable_bytes(compacted) > self.snapshot_bytes
    }

    pub fn store(&self) -> &Arc<dyn LogStore> {
        &self.store
    }

    /// A snapshot has become durable: what it replaces goes.
    pub fn snapshot_taken(&mut self, revision: Revision, bytes: u64) -> io::Result<()> {
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
