//! The watchers of one range.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::inbox::{Bells, Inbox};
use crate::Revision;

/// What the watchers of a range need to know to sleep through what does not concern them.
///
/// It is written under the key space's write lock and read under its read lock, which orders it.
pub(super) struct Touched {
    last: AtomicU64,
    forgotten: AtomicU64,
}

pub(super) struct Interest {
    touched: Arc<Touched>,
    subscriptions: Vec<Arc<Subscription>>,
}

/// One watcher's entry.
pub(crate) struct Subscription {
    token: u64,
    inbox: Arc<Inbox>,
    touched: Arc<Touched>,
    /// Its token is in the inbox.
    queued: AtomicBool,
    /// Where it stands among the subscriptions of its range.
    place: AtomicUsize,
}

impl Interest {
    pub fn new(last: Revision, forgotten: Revision) -> Interest {
        let touched =
            Touched { last: AtomicU64::new(last.0), forgotten: AtomicU64::new(forgotten.0) };
        Interest { touched: Arc::new(touched), subscriptions: Vec::new() }
    }

    /// Adds a watcher, who is to look at once what there is already.
    pub fn add(&mut self, inbox: Arc<Inbox>, token: u64) -> Arc<Subscription> {
        let subscription = Arc::new(Subscription {
            token,
            inbox,
            touched: self.touched.clone(),
            queued: AtomicBool::new(false),
            place: AtomicUsize::new(self.subscriptions.len()),
        });
        self.subscriptions.push(subscription.clone());
        subscription
    }

    /// Says whether the watcher was here, and how many are left.
    pub fn remove(&mut self, subscription: &Arc<Subscription>) -> (bool, usize) {
        let place = subscription.place.load(Ordering::Relaxed);
        let here = self.subscriptions.get(place).is_some_and(|s| Arc::ptr_eq(s, subscription));
        if here {
            self.subscriptions.swap_remove(place);
            if let Some(moved) = self.subscriptions.get(place) {
                moved.place.store(place, Ordering::Relaxed);
            }
        }
        (here, self.subscriptions.len())
    }

    pub fn touch(&self, revision: Revision, bells: &mut Bells) {
        self.touched.last.store(revision.0, Ordering::Relaxed);
        for subscription in &self.subscriptions {
            subscription.queue(bells);
        }
    }

    pub fn forget(&self, revision: Revision) {
        self.touched.forgotten.store(revision.0, Ordering::Relaxed);
    }

    pub fn close(self, bells: &mut Bells) {
        for subscription in self.subscriptions {
            subscription.inbox.close();
            bells.add(&subscription.inbox);
        }
    }
}

impl Subscription {
    /// No revision above this one touched the range.
    pub fn last(&self) -> Revision {
        Revision(self.touched.last.load(Ordering::Relaxed))
    }

    /// The newest revision that touched the range and is no longer kept, or an older bound for it.
    pub fn forgotten(&self) -> Revision {
        Revision(self.touched.forgotten.load(Ordering::Relaxed))
    }

    /// To be called before looking: what happens from now on queues the token again.
    pub fn dequeued(&self) {
        self.queued.store(false, Ordering::Release);
    }

    /// The reader has not looked at everything.
    pub fn requeue(&self) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.inbox.requeue(self.token);
        }
    }

    fn queue(&self, bells: &mut Bells) {
        if !self.queued.swap(true, Ordering::AcqRel) && self.inbox.push(self.token) {
            bells.add(&self.inbox);
        }
    }
}
