//! What the store's handles, its watchers and its writer share.

use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::space::{Batch, Pin, Space};
use crate::watched::Watched;
use crate::{Options, Revision};

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
        let bells = self.watched().signal(&batches);
        for batch in batches {
            space.apply(batch);
        }
        let given_up = space.trim(options);
        self.watched().forget(&given_up);
        drop(space);
        bells.ring();
    }

    /// Begins anew with another key space. Watchers of the old one end.
    pub fn replace(&self, new: Space) {
        let mut space = self.write();
        space.replace(new);
        let bells = self.watched().lag();
        drop(space);
        bells.ring();
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
