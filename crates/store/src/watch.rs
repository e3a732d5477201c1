//! Watchers: cursors into the shared history, and a bell that rings when there is something.
//!
//! They own no queue. A slow one falls behind in the history, which is bounded by the store's
//! options, and is told so when what it has not seen was compacted.

mod cursor;
mod set;

use std::sync::Arc;

use cursor::{Cursor, Portion};
pub use set::{Changes, WatchSet};
use tokio::task::coop;

use crate::shared::Shared;
use crate::watched::Inbox;
use crate::{Batch, Range, Revision};

/// Why a watch could not start or go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The first revision wanted is no longer kept.
    #[error("history is compacted up to {compacted}")]
    Compacted {
        /// Revisions above this one can be watched, and this one too unless the store was opened
        /// since.
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
    inbox: Arc<Inbox>,
    cursor: Cursor,
}

impl Watcher {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        range: Range,
        from: Revision,
    ) -> Result<Watcher, WatchError> {
        let inbox = Arc::new(Inbox::default());
        let cursor = Cursor::start(shared, range, from, inbox.clone(), 0)?;
        Ok(Watcher { inbox, cursor })
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
            let closed = self.inbox.is_closed();
            self.inbox.pop();
            let reading = self.cursor.read(Portion::ONE)?;
            match reading.batches.into_iter().next() {
                Some(batch) => return Ok(batch),
                None if reading.more => {}
                None if closed => return Err(WatchError::Closed),
                None => self.inbox.wait().await,
            }
        }
    }

    /// Every change at or below this revision has been handed out by [`Watcher::next`].
    pub fn progress(&self) -> Revision {
        self.cursor.progress()
    }
}
