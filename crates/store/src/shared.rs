//! What the store's handles, its watchers and its writer share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{
    Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

use crate::lease::expiry::Expiry;
use crate::space::{Pin, Setting, Space};
use crate::stage::Staged;
use crate::stats::Report;
use crate::watched::Watched;
use crate::{Lease, LeaseId, Options, Revision, Stats};

/// The key space, and who wants to hear of changes. Locks are taken in the order of the fields.
///
/// A panic while a lock is held does not spread to those who take it later: what is published is
/// durable already, and readers and watchers of a writer that is gone must still be answered.
pub(crate) struct Shared {
    space: RwLock<Space>,
    watched: Mutex<Watched>,
    report: Mutex<Report>,
    expiry: OnceLock<Expiry>,
    committing: AtomicBool,
}

impl Shared {
    pub fn new(space: Space) -> Shared {
        let (watched, report) = (Mutex::default(), Mutex::default());
        let (space, expiry) = (RwLock::new(space), OnceLock::new());
        Shared { space, watched, report, expiry, committing: AtomicBool::new(false) }
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Space> {
        self.space.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, Space> {
        self.space.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the writer says of itself.
    pub fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Between these two, whoever is left without an answer is so because the writer panicked.
    pub fn begin_commit(&self) {
        self.committing.store(true, Ordering::Release);
    }

    pub fn end_commit(&self) {
        self.committing.store(false, Ordering::Release);
    }

    /// Whether the disk failed, or the writer did: there are no more writes.
    pub fn has_failed(&self) -> bool {
        self.report().failed
    }

    /// Whether a writer that is gone did not end by being told to.
    pub fn has_panicked(&self) -> bool {
        self.committing.load(Ordering::Acquire)
    }

    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        self.read().measure(&mut stats);
        stats.watchers = self.watched().watchers();
        self.report().tell(&mut stats);
        stats
    }

    /// Makes durable changes visible. Watchers are signalled under the same lock: whoever sees the
    /// new head also sees whether it concerns him.
    pub fn publish(&self, staged: Staged, options: &Options) {
        let Staged { batches, settings } = staged;
        let granted: Vec<_> = settings.iter().filter_map(Setting::granted).collect();
        let mut space = self.write();
        let bells = self.watched().signal(&batches);
        for batch in batches {
            space.apply(batch);
        }
        settings.into_iter().for_each(|setting| space.set(setting));
        let given_up = space.trim(options);
        self.watched().forget(&given_up);
        drop(space);
        bells.ring();
        if let Some(expiry) = self.expiry.get() {
            granted.into_iter().for_each(|id| expiry.granted(id));
        }
    }

    /// From now on, leases end when their time is up.
    pub fn start_expiry(&self, expiry: Expiry) {
        let ids: Vec<_> = self.read().leases().ids().collect();
        let expiry = self.expiry.get_or_init(|| expiry);
        ids.into_iter().for_each(|id| expiry.granted(id));
    }

    #[cfg(test)]
    pub fn expiry_clock_moved(&self) {
        self.expiry.get().expect("the store is open").clock_moved();
    }

    /// Gives a lease its whole TTL again; it is logged soon.
    pub fn keep_alive(&self, id: LeaseId) -> Option<Lease> {
        let (lease, is_first) = self.read().leases().keep_alive(id)?;
        if is_first && let Some(expiry) = self.expiry.get() {
            expiry.renewed();
        }
        Some(lease)
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
