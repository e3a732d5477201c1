//! A watcher: a cursor into the shared history, and a signal that there is something for it.
//!
//! It owns no queue. A slow one falls behind in the history, which is bounded by the store's
//! options, and is told so when what it has not seen was compacted.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::coop;

use crate::shared::{LAGGED, Shared, Touched};
use crate::{Batch, Range, Revision};

/// Batches looked at under one lock while a watcher catches up.
const BATCHES_PER_STEP_MAX: usize = 1_024;

/// Why a watch could not start or go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The first revision wanted is no longer kept.
    #[error("revisions up to {compacted} are no longer kept")]
    Compacted {
        /// Only revisions above this one can be watched.
        compacted: Revision,
    },
    /// The watcher was so slow that revisions it had not seen were compacted.
    #[error("the watcher fell behind the history that is kept")]
    Lagged,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Hands out every change of a range, in order, from its first revision on.
pub struct Watcher {
    shared: Arc<Shared>,
    range: Range,
    signal: watch::Receiver<Touched>,
    /// The next revision to look at.
    cursor: Revision,
}

enum Step {
    Found(Batch),
    /// Nothing yet, but not all was looked at.
    More,
    /// Nothing up to the head.
    Idle,
}

impl Watcher {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        range: Range,
        from: Revision,
    ) -> Result<Watcher, WatchError> {
        let space = shared.read();
        let cursor = if from == Revision::NONE { space.head().next() } else { from };
        if cursor <= space.compacted() {
            return Err(WatchError::Compacted { compacted: space.compacted() });
        }
        let signal = shared.watched().subscribe(&range, &space).ok_or(WatchError::Closed)?;
        Ok(Watcher { shared: shared.clone(), range, signal, cursor })
    }

    /// The next changes: all of one revision that lie in the range. Waits until there are some.
    ///
    /// Dropping the future loses nothing. After an error the watcher is of no more use.
    ///
    /// # Errors
    /// [`WatchError::Lagged`] when changes were compacted before they were asked for,
    /// [`WatchError::Closed`] when the store is closed and everything was handed out.
    pub async fn next(&mut self) -> Result<Batch, WatchError> {
        loop {
            coop::consume_budget().await;
            match self.step()? {
                Step::Found(batch) => return Ok(batch),
                Step::More => {}
                Step::Idle => self.signal.changed().await.map_err(|_| WatchError::Closed)?,
            }
        }
    }

    /// Every change at or below this revision has been handed out by [`Watcher::next`].
    pub fn progress(&self) -> Revision {
        let space = self.shared.read();
        let handed_out = Revision(self.cursor.0 - 1);
        if self.signal.borrow().last < self.cursor {
            handed_out.max(space.head())
        } else {
            handed_out
        }
    }

    fn step(&mut self) -> Result<Step, WatchError> {
        let space = self.shared.read();
        let touched = *self.signal.borrow_and_update();
        if touched.last < self.cursor {
            self.cursor = self.cursor.max(space.head().next());
            return Ok(Step::Idle);
        }
        if self.cursor <= touched.forgotten {
            return Err(WatchError::Lagged);
        }
        let mut looked_at = 0;
        for batch in space.batches_from(self.cursor).take(BATCHES_PER_STEP_MAX) {
            looked_at += 1;
            self.cursor = batch.revision.next();
            if let Some(found) = batch.within(&self.range) {
                return Ok(Step::Found(found));
            }
        }
        if looked_at == BATCHES_PER_STEP_MAX {
            return Ok(Step::More);
        }
        // The head of a mirror can be ahead of its last batch.
        self.cursor = self.cursor.max(space.head().next());
        Ok(Step::Idle)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // The signal of one that fell behind is not among the others any more.
        if self.signal.borrow().last != LAGGED {
            self.shared.watched().release(&self.range);
        }
    }
}
