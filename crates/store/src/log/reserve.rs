//! Room held back on the disk for what must go on when it is full.

use std::io;

use crate::log_store::{LogStore, is_full};

const NAME: &str = "reserve";

/// How much is held back: room for some ten thousand deletes, or the snapshot of a small store.
pub(crate) const RESERVE_BYTES: u64 = 4 << 20;

/// More room than the reserve takes, so that it is not laid and given up in turns.
const MARGIN_BYTES: u64 = 1 << 20;

/// A file that takes room, while there is room.
pub(super) struct Reserve {
    held: bool,
}

impl Reserve {
    /// Lays the reserve; where there is no room for it, the disk is full from the start.
    pub fn open(store: &dyn LogStore) -> Reserve {
        let mut reserve = Reserve { held: false };
        if let Err(error) = reserve.lay(store) {
            tracing::warn!(%error, "no room to hold back for a full disk: puts are refused");
        }
        reserve
    }

    pub fn is_held(&self) -> bool {
        self.held
    }

    pub fn bytes(&self) -> u64 {
        if self.held { RESERVE_BYTES } else { 0 }
    }

    fn lay(&mut self, store: &dyn LogStore) -> io::Result<()> {
        store.reserve(NAME, RESERVE_BYTES)?;
        store.sync_names()?;
        self.held = true;
        Ok(())
    }

    /// Lays it again if there is room; whether it is held now.
    pub fn restore(&mut self, store: &dyn LogStore) -> bool {
        let has_room = || {
            let room = store.room();
            // Where the file system does not say, trying tells.
            room.map_or(true, |room| room >= RESERVE_BYTES + MARGIN_BYTES)
        };
        if !self.held
            && has_room()
            && let Err(error) = self.lay(store)
            && !is_full(&error)
        {
            tracing::warn!(%error, "could not hold back room for a full disk");
        }
        self.held
    }

    /// Makes room by giving it up; whether there was any to give.
    pub fn give_up(&mut self, store: &dyn LogStore) -> bool {
        if !self.held {
            return false;
        }
        let given_up = store.remove(NAME).and_then(|()| store.sync_names());
        if let Err(error) = &given_up {
            tracing::warn!(%error, "could not give up the room held back for a full disk");
        }
        self.held = false;
        given_up.is_ok()
    }
}
