//! What the store's handles, its watchers and its writer share.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use crate::space::{Batch, Pin, Space};
use crate::{Options, Range, Revision};

/// The key space, and who wants to hear of changes. Locks are taken in the order of the fields.
pub(crate) struct Shared {
    space: RwLock<Space>,
    watched: Mutex<Watched>,
}

const HELD_BRIEFLY: &str = "nothing panics while it holds the key space";

impl Shared {
    pub fn new(space: Space) -> Shared {
        Shared { space: RwLock::new(space), watched: Mutex::default() }
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Space> {
        self.space.read().expect(HELD_BRIEFLY)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, Space> {
        self.space.write().expect(HELD_BRIEFLY)
    }

    pub fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().expect(HELD_BRIEFLY)
    }

    /// Makes durable changes visible. Watchers are signalled under the same lock: whoever sees the
    /// new head also sees whether it concerns him.
    pub fn publish(&self, batches: Vec<Batch>, options: &Options) {
        let mut space = self.write();
        self.watched().signal(&batches);
        for batch in batches {
            space.apply(batch);
        }
        let given_up = space.trim(options);
        self.watched().forget(&given_up);
    }

    /// Begins anew with another key space. Watchers of the old one end.
    pub fn replace(&self, new: Space) {
        let mut space = self.write();
        space.replace(new);
        self.watched().lag();
    }

    /// Forgets the history below a revision.
    pub fn compact(&self, revision: Revision) {
        let mut space = self.write();
        let given_up = space.compact(revision);
        self.watched().forget(&given_up);
    }

    /// Lets go of the state that a snapshot was taken of.
    pub fn unpin(&self, pin: Pin) {
        let mut space = self.write();
        let given_up = space.unpin(pin);
        self.watched().forget(&given_up);
    }
}

/// The ranges that are watched. Watchers of the same range share one signal, so a change costs one
/// comparison for each range, not for each watcher.
#[derive(Default)]
pub(crate) struct Watched {
    ranges: HashMap<Range, watch::Sender<Touched>>,
    closed: bool,
}

/// What the watchers of a range need to know to sleep through what does not concern them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touched {
    /// No revision above this one touched the range.
    pub last: Revision,
    /// The newest revision that touched the range and is no longer kept, or an older bound for it.
    pub forgotten: Revision,
}

/// What a watcher is told that can never catch up.
pub(crate) const LAGGED: Revision = Revision(u64::MAX);

impl Watched {
    /// The signal of a range, or `None` when the store is closed. Of a range that was not watched
    /// before, everything up to the head may have touched it.
    pub fn subscribe(&mut self, range: &Range, space: &Space) -> Option<watch::Receiver<Touched>> {
        if self.closed {
            return None;
        }
        if !self.ranges.contains_key(range) {
            // Two last watchers of a range that go at the same time leave its signal behind.
            self.ranges.retain(|_, signal| signal.receiver_count() > 0);
        }
        let new = Touched { last: space.head(), forgotten: space.compacted() };
        let signal = self.ranges.entry(range.clone()).or_insert_with(|| watch::Sender::new(new));
        Some(signal.subscribe())
    }

    /// The last watcher of a range is about to go.
    pub fn release(&mut self, range: &Range) {
        if self.ranges.get(range).is_some_and(|signal| signal.receiver_count() <= 1) {
            self.ranges.remove(range);
        }
    }

    /// Ends every watcher once it has seen what there is.
    pub fn close(&mut self) {
        self.closed = true;
        self.ranges.clear();
    }

    /// Ends every watcher with the error that it fell behind.
    fn lag(&mut self) {
        for (_, signal) in self.ranges.drain() {
            signal.send_modify(|touched| *touched = Touched { last: LAGGED, forgotten: LAGGED });
        }
    }

    fn signal(&mut self, batches: &[Batch]) {
        for (range, signal) in &self.ranges {
            if let Some(batch) = batches.iter().rev().find(|batch| batch.touches(range)) {
                signal.send_modify(|touched| touched.last = batch.revision);
            }
        }
    }

    /// Wakes nobody: who has seen these batches need not know, who has not was told of them.
    fn forget(&mut self, given_up: &[Batch]) {
        for (range, signal) in &self.ranges {
            if let Some(batch) = given_up.iter().rev().find(|batch| batch.touches(range)) {
                signal.send_if_modified(|touched| {
                    touched.forgotten = batch.revision;
                    false
                });
            }
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }
}
