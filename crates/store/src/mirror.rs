//! A store that mirrors another one: it is read and watched like any, and its writes are requests
//! to whoever feeds it.
//!
//! The feeder carries requests to the store behind, and tells the mirror what happens there, in
//! order. Revisions are those of the store behind; not each of them happens here, so they have
//! gaps. Nothing is logged, and there are no leases and no records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::shared::Shared;
use crate::space::{Batch, Event, EventKind, Space};
use crate::stage::Staged;
use crate::writer::aging::Aging;
use crate::writer::{Closer, Job, WAITING_JOBS_MAX, Write};
use crate::{CompactError, KeyValue, Options, Range, Revision, Txn, TxnReply, WriteError};

/// The feeder's side of a mirrored store. The store is open while this lives.
pub struct Mirror {
    shared: Arc<Shared>,
    options: Options,
    jobs: Mutex<mpsc::Receiver<Job>>,
    closer: std::sync::Mutex<Option<Closer>>,
    aging: std::sync::Mutex<Aging>,
}

/// What somebody wants done in the store behind.
#[derive(Debug)]
#[non_exhaustive]
pub enum Request {
    /// A transaction. Its answer must wait until the mirror shows what it did.
    Commit(Txn, Answer<TxnReply, WriteError>),
    /// Forget the history below a revision.
    Compact(Revision, Answer<(), CompactError>),
}

/// Where an answer goes. Dropped without one, it says that the store is closed.
#[derive(Debug)]
pub struct Answer<T, E>(oneshot::Sender<Result<T, E>>);

/// What the store behind is asked for a write; others are refused here.
fn request(write: Write) -> Option<Request> {
    const NOT_HERE: WriteError = WriteError::Unsupported;
    match write {
        Write::Commit(txn, answer) => return Some(Request::Commit(txn, Answer(answer))),
        Write::Compact(revision, answer) => {
            return Some(Request::Compact(revision, Answer(answer)));
        }
        Write::Grant(_, _, answer) => drop(answer.send(Err(NOT_HERE))),
        Write::Revoke(_, answer) => drop(answer.send(Err(NOT_HERE))),
        Write::Record(_, _, answer) => drop(answer.send(Err(NOT_HERE))),
        Write::Expire(_) | Write::LogRenewed => {}
    }
    None
}

impl<T, E> Answer<T, E> {
    /// Answers. Whoever asked may have gone; that is not an error.
    pub fn send(self, result: Result<T, E>) {
        let _ = self.0.send(result);
    }
}

/// A mirrored store that nobody feeds yet, and the side that feeds it.
pub(crate) fn pair(options: Options) -> (Arc<Shared>, mpsc::Sender<Job>, Mirror) {
    let shared = Arc::new(Shared::new(Space::new()));
    let (sender, jobs) = mpsc::channel(WAITING_JOBS_MAX);
    let (jobs, closer) = (Mutex::new(jobs), std::sync::Mutex::default());
    let aging = std::sync::Mutex::new(Aging::new(options.history_age_max));
    let mirror = Mirror { shared: shared.clone(), options, jobs, closer, aging };
    (shared, sender, mirror)
}

impl Mirror {
    /// The next request; `None` when the store was closed, or has no handle any more.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&self) -> Option<Request> {
        let mut jobs = self.jobs.lock().await;
        loop {
            match jobs.recv().await? {
                Job::Write(write) => {
                    if let Some(request) = request(write) {
                        return Some(request);
                    }
                }
                Job::Close(closer) => {
                    self.closed_by(closer);
                    return None;
                }
                Job::SnapshotEnded(_) | Job::Wake => unreachable!("a mirror takes no snapshots"),
            }
        }
    }

    fn closed_by(&self, closer: Closer) {
        *self.closer.lock().expect("nothing panics while it holds this") = Some(closer);
    }

    /// The newest revision that the mirror shows.
    pub fn revision(&self) -> Revision {
        self.shared.read().head()
    }

    /// What the store behind holds at a revision: the first load, or the next one when it went on
    /// unseen. Watchers are told of what differs: each key that changed at the revision that
    /// changed it last, then, at the revision of the load, the keys that are gone.
    ///
    /// When the store behind is another one or was restored, and has not got further than the
    /// mirror, watchers end with [`crate::WatchError::Lagged`].
    pub fn reset(&self, entries: Vec<KeyValue>, revision: Revision) {
        let head = self.revision();
        let batches = self.difference(&entries, revision);
        let is_back = revision < head || revision == head && !batches.is_empty();
        if head <= Revision::FIRST || is_back {
            let entries = entries.into_iter().map(|kv| (kv.key.clone(), kv)).collect();
            return self.shared.replace(Space::restored(entries, revision));
        }
        self.publish(batches);
        let mut space = self.shared.write();
        space.advance(revision);
        space.mark_unseen();
    }

    fn publish(&self, batches: Vec<Batch>) {
        let last = batches.last().map(|batch| batch.revision);
        self.shared.publish(Staged { batches, ..Staged::default() }, &self.options);
        self.age(last);
    }

    /// Forgets what has become too old; notes how old the head is, when it is new.
    fn age(&self, head: Option<Revision>) {
        let now = Instant::now();
        let mut aging = self.aging.lock().expect("nothing panics while it holds this");
        if let Some(head) = head {
            aging.note(head, now);
        }
        let expired = aging.expired(now);
        drop(aging);
        if let Some(revision) = expired {
            self.shared.compact(revision);
        }
    }

    fn difference(&self, entries: &[KeyValue], revision: Revision) -> Vec<Batch> {
        let space = self.shared.read();
        let head = space.head();
        let mut gone: BTreeMap<Bytes, KeyValue> =
            space.entries(&Range::all()).map(|kv| (kv.key.clone(), kv.clone())).collect();
        let mut changes: BTreeMap<Revision, Vec<Event>> = BTreeMap::new();
        for kv in entries {
            let prev = gone.remove(&kv.key);
            if prev.as_ref() == Some(kv) {
                continue;
            }
            let kv = kv.clone();
            // Another store may say that it changed before the mirror's head.
            let at = if kv.mod_revision > head { kv.mod_revision } else { revision };
            changes.entry(at).or_default().push(Event { kind: EventKind::Put, kv, prev });
        }
        for (key, prev) in gone {
            let event = Event {
                kind: EventKind::Delete,
                kv: KeyValue::deleted(key, revision),
                prev: Some(prev),
            };
            changes.entry(revision).or_default().push(event);
        }
        changes.into_iter().map(|(revision, events)| Batch { revision, events }).collect()
    }

    /// All that one revision changed. What was before is filled in here. A batch at or below the
    /// mirror's head was seen before, and is passed over.
    pub fn apply(&self, batch: Batch) {
        let Batch { revision, events } = batch;
        if revision <= self.revision() {
            return;
        }
        let events = self.with_previous(revision, events);
        if events.is_empty() {
            return self.progress(revision);
        }
        self.publish(vec![Batch { revision, events }]);
    }

    fn with_previous(&self, revision: Revision, events: Vec<Event>) -> Vec<Event> {
        let space = self.shared.read();
        let mut changed: BTreeMap<Bytes, Option<KeyValue>> = BTreeMap::new();
        let mut complete = Vec::with_capacity(events.len());
        for Event { kind, kv, .. } in events {
            let now = changed.get(&kv.key).cloned();
            let prev = now.unwrap_or_else(|| space.get(&kv.key).cloned());
            let kv = match kind {
                EventKind::Put => kv,
                EventKind::Delete if prev.is_none() => continue,
                EventKind::Delete => KeyValue::deleted(kv.key, revision),
            };
            changed.insert(kv.key.clone(), (kind == EventKind::Put).then(|| kv.clone()));
            complete.push(Event { kind, kv, prev });
        }
        complete
    }

    /// Up to a revision, nothing happened that was not applied. Said again and again, even of the
    /// same revision, it keeps history from growing older than the options allow.
    pub fn progress(&self, revision: Revision) {
        self.shared.write().advance(revision);
        self.age(None);
    }

    /// Forgets the history below a revision, as the store behind did.
    pub fn compact(&self, revision: Revision) {
        self.shared.compact(revision);
    }

    /// Closes the store for all its handles: watchers end once they have seen what there is, and
    /// writes are refused.
    pub fn close(self) {}
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.jobs.get_mut().close();
        self.shared.watched().close().ring();
        let closer = self.closer.get_mut().ok().and_then(Option::take);
        if let Some(done) = closer {
            // Whoever closed the store may have gone.
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
