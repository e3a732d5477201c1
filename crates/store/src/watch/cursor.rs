//! A place in the history of a range.

use std::sync::Arc;

use crate::shared::Shared;
use crate::watched::{Inbox, Subscription};
use crate::{Batch, Range, Revision, WatchError};

/// Batches looked at under one lock while a watcher catches up.
const BATCHES_LOOKED_AT_MAX: usize = 1_024;

pub(super) struct Cursor {
    shared: Arc<Shared>,
    range: Range,
    subscription: Arc<Subscription>,
    /// The next revision to look at.
    next: Revision,
}

/// How much to read at once.
#[derive(Clone, Copy)]
pub(super) struct Portion {
    pub batches: usize,
    /// No more is added when there are this many bytes of keys and values.
    pub bytes: usize,
}

impl Portion {
    pub const ONE: Portion = Portion { batches: 1, bytes: usize::MAX };
}

/// What was found.
pub(super) struct Reading {
    pub batches: Vec<Batch>,
    /// Not all up to the head was looked at.
    pub more: bool,
    /// Nothing up to here is missing; the head, when there is no more.
    pub through: Revision,
}

impl Cursor {
    /// A cursor whose token is queued when there is something new. What there is already is to be
    /// read without being told.
    pub fn start(
        shared: &Arc<Shared>,
        range: Range,
        from: Revision,
        inbox: Arc<Inbox>,
        token: u64,
    ) -> Result<Cursor, WatchError> {
        let space = shared.read();
        let next = if from == Revision::NONE { space.head().next() } else { from };
        if next < space.watchable() {
            return Err(WatchError::Compacted { compacted: space.compacted() });
        }
        let subscription = shared.watched().subscribe(&range, &space, inbox, token);
        let subscription = subscription.ok_or(WatchError::Closed)?;
        Ok(Cursor { shared: shared.clone(), range, subscription, next })
    }

    /// Moves on, as far as a portion goes.
    pub fn read(&mut self, portion: Portion) -> Result<Reading, WatchError> {
        self.subscription.dequeued();
        let space = self.shared.read();
        let mut reading = Reading { batches: Vec::new(), more: false, through: space.head() };
        if self.subscription.last() < self.next {
            self.next = self.next.max(space.head().next());
            return Ok(reading);
        }
        if self.next <= self.subscription.forgotten() {
            return Err(WatchError::Lagged);
        }
        let mut bytes = 0;
        let mut kept = space.batches_from(self.next);
        for batch in kept.by_ref().take(BATCHES_LOOKED_AT_MAX) {
            self.next = batch.revision.next();
            if let Some(found) = batch.within(&self.range) {
                bytes += found.bytes();
                reading.batches.push(found);
            }
            if reading.batches.len() >= portion.batches || bytes >= portion.bytes {
                break;
            }
        }
        reading.more = kept.next().is_some();
        if reading.more {
            reading.through = Revision(self.next.0 - 1);
        } else {
            // The head of a mirror can be ahead of its last batch.
            self.next = self.next.max(space.head().next());
        }
        Ok(reading)
    }

    /// Queues the cursor's token by its own reader.
    pub fn requeue(&self) {
        self.subscription.requeue();
    }

    /// Nothing up to here is still to be read.
    pub fn progress(&self) -> Revision {
        let space = self.shared.read();
        if self.subscription.last() < self.next { space.head() } else { Revision(self.next.0 - 1) }
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.shared.watched().unsubscribe(&self.range, &self.subscription);
    }
}
