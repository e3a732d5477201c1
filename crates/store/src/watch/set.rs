//! Many watches with one reader.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::coop;

use super::cursor::{Cursor, Portion};
use crate::shared::Shared;
use crate::watched::Inbox;
use crate::{Batch, Range, Revision, WatchError};

/// What one watch is given at a time while it catches up; the revision that reaches the bound in
/// bytes is still given whole.
const PORTION: Portion = Portion { batches: 1_000, bytes: 1 << 20 };

/// Any number of watches that one task reads. A watch that has nothing costs nothing but its few
/// hundred bytes; those that have something take turns.
pub struct WatchSet {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    cursors: HashMap<u64, Cursor>,
}

/// What a watch in a [`WatchSet`] has seen since it was asked last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// One batch or more, in order; each is all of a revision that lies in the range.
    pub batches: Vec<Batch>,
    /// Every change at or below this revision has been handed out with these.
    pub through: Revision,
}

impl WatchSet {
    pub(crate) fn new(shared: &Arc<Shared>) -> WatchSet {
        WatchSet { shared: shared.clone(), inbox: Arc::default(), cursors: HashMap::new() }
    }

    /// Adds a watch of `range` under a token of the caller's choice; one that is there under it
    /// goes. `from` is the first revision wanted; [`Revision::NONE`] stands for the next to come.
    ///
    /// # Errors
    /// When the revision is not kept any more, or the store is closed.
    pub fn add(&mut self, token: u64, range: Range, from: Revision) -> Result<(), WatchError> {
        self.remove(token);
        let cursor = Cursor::start(&self.shared, range, from, self.inbox.clone(), token)?;
        if from != Revision::NONE {
            cursor.requeue();
        }
        self.cursors.insert(token, cursor);
        Ok(())
    }

    /// Removes a watch; says whether it was there.
    pub fn remove(&mut self, token: u64) -> bool {
        let removed = self.cursors.remove(&token).is_some();
        if removed {
            self.inbox.discard(token);
        }
        removed
    }

    /// How many watches there are.
    pub fn len(&self) -> usize {
        self.cursors.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cursors.is_empty()
    }

    /// The next watch that has something, and what. A watch that failed is gone. Waits until
    /// there is one; dropping the future loses nothing.
    ///
    /// # Errors
    /// [`WatchError::Closed`] when the store is closed and everything was handed out.
    pub async fn next(&mut self) -> Result<(u64, Result<Changes, WatchError>), WatchError> {
        loop {
            coop::consume_budget().await;
            let closed = self.inbox.is_closed();
            match self.inbox.pop() {
                Some(token) => {
                    if let Some(found) = self.read(token) {
                        return Ok((token, found));
                    }
                }
                None if closed => return Err(WatchError::Closed),
                None => self.inbox.wait().await,
            }
        }
    }

    /// The head, if everything up to it was handed out to every watch.
    pub fn progress(&self) -> Option<Revision> {
        let space = self.shared.read();
        self.inbox.is_empty().then(|| space.head())
    }

    /// Up to where everything was handed out to one watch.
    pub fn progress_of(&self, token: u64) -> Option<Revision> {
        self.cursors.get(&token).map(Cursor::progress)
    }

    fn read(&mut self, token: u64) -> Option<Result<Changes, WatchError>> {
        let cursor = self.cursors.get_mut(&token)?;
        match cursor.read(PORTION) {
            Ok(reading) => {
                if reading.more {
                    cursor.requeue();
                }
                let (batches, through) = (reading.batches, reading.through);
                (!batches.is_empty()).then_some(Ok(Changes { batches, through }))
            }
            Err(error) => {
                self.remove(token);
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests;
