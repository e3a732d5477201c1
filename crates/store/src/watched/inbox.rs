//! Where a reader of watches learns which of them have something.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

/// The tokens of the watches that have something, and a bell for their one reader. Each watch has
/// at most one token in it, so it is no longer than there are watches.
#[derive(Default)]
pub(crate) struct Inbox {
    ready: Mutex<VecDeque<u64>>,
    closed: AtomicBool,
    bell: Notify,
}

/// Inboxes that got their first token, or were closed.
#[derive(Default)]
#[must_use = "their readers sleep until they are rung"]
pub(crate) struct Bells(Vec<Arc<Inbox>>);

impl Inbox {
    /// Queues a token; says whether it is the only one.
    pub(super) fn push(&self, token: u64) -> bool {
        let mut ready = self.ready();
        ready.push_back(token);
        ready.len() == 1
    }

    /// Queues a token by the reader itself, who will look at it without a bell.
    pub fn requeue(&self, token: u64) {
        self.ready().push_back(token);
    }

    /// Takes the oldest token.
    pub fn pop(&self) -> Option<u64> {
        self.ready().pop_front()
    }

    /// Takes a token out of the middle.
    pub fn discard(&self, token: u64) {
        self.ready().retain(|queued| *queued != token);
    }

    /// Whether nothing waits to be looked at.
    pub fn is_empty(&self) -> bool {
        self.ready().is_empty()
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether nothing more will come than is here.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until there may be a token. A bell that rang before is not lost.
    pub async fn wait(&self) {
        self.bell.notified().await;
    }

    fn ready(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.ready.lock().expect("nothing panics while it holds an inbox")
    }
}

impl Bells {
    pub(super) fn add(&mut self, inbox: &Arc<Inbox>) {
        self.0.push(inbox.clone());
    }

    /// Wakes the readers. Call it with no lock held that they take first thing.
    pub fn ring(self) {
        for inbox in self.0 {
            inbox.bell.notify_one();
        }
    }
}
