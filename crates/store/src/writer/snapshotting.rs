//! Takes snapshots beside the writer, so that no write waits for one.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::Job;
use crate::log::{Log, SnapshotWriter};
use crate::log_store::LogStore;
use crate::shared::Shared;
use crate::space::Pin;
use crate::{Range, Revision};

/// Keys copied under one lock of the key space.
const KEYS_PER_LOCK_MAX: usize = 1_000;

/// How long to wait after a snapshot that failed.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// What became of a snapshot: its revision and size.
pub(crate) type Outcome = io::Result<(Revision, u64)>;

pub(super) struct Snapshotting {
    shared: Arc<Shared>,
    /// How the result gets to the writer; weak, as the writer ends with the last sender.
    jobs: mpsc::WeakSender<Job>,
    running: Option<(JoinHandle<()>, Pin)>,
    failed: Option<Instant>,
    stop: Arc<AtomicBool>,
}

impl Snapshotting {
    pub fn new(shared: Arc<Shared>, jobs: mpsc::WeakSender<Job>) -> Snapshotting {
        Snapshotting { shared, jobs, running: None, failed: None, stop: Arc::default() }
    }

    /// Whether none runs, and none failed a moment ago.
    pub fn may_start(&self) -> bool {
        let failed_lately = self.failed.is_some_and(|at| at.elapsed() < RETRY_AFTER);
        self.running.is_none() && !failed_lately
    }

    /// Starts a snapshot at the compacted revision, if it may.
    pub fn start(&mut self, store: &Arc<dyn LogStore>) {
        if !self.may_start() {
            return;
        }
        let pin = self.shared.write().pin();
        let revision = pin.revision();
        let (shared, store) = (self.shared.clone(), store.clone());
        let (stop, jobs) = (self.stop.clone(), self.jobs.clone());
        let spawned = thread::Builder::new().name("store-snapshot".into()).spawn(move || {
            // A panic must not leave the writer waiting for the end of this one for ever.
            let taken = panic::catch_unwind(AssertUnwindSafe(|| {
                take(&shared, store, revision, &stop).map(|bytes| (revision, bytes))
            }));
            let outcome = taken.unwrap_or_else(|_| Err(io::Error::other("it panicked")));
            if let Some(jobs) = jobs.upgrade() {
                // The writer may be closing; then the next opening finds what there is.
                let _ = jobs.blocking_send(Job::SnapshotEnded(outcome));
            }
        });
        match spawned {
            Ok(running) => self.running = Some((running, pin)),
            Err(error) => {
                self.shared.unpin(pin);
                self.give_up(&error);
            }
        }
    }

    /// Frees what a snapshot replaced.
    pub fn ended(&mut self, log: &mut Log, outcome: Outcome) {
        if let Some((running, pin)) = self.running.take() {
            join(running);
            self.shared.unpin(pin);
        }
        let taken = outcome.and_then(|(revision, bytes)| log.snapshot_taken(revision, bytes));
        match taken {
            Ok(()) => self.failed = None,
            Err(error) => self.give_up(&error),
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        tracing::warn!(%error, "a snapshot failed; the log is kept, and it is tried again later");
        self.failed = Some(Instant::now());
    }
}

impl Drop for Snapshotting {
    /// Ends a running snapshot and waits for it: it writes to the directory.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some((running, _)) = self.running.take() {
            join(running);
        }
    }
}

fn join(running: JoinHandle<()>) {
    if running.join().is_err() {
        tracing::error!("the thread that took a snapshot panicked");
    }
}

fn take(
    shared: &Shared,
    store: Arc<dyn LogStore>,
    revision: Revision,
    stop: &AtomicBool,
) -> io::Result<u64> {
    let mut writer = SnapshotWriter::create(store, revision)?;
    let settings = shared.read().settings();
    writer.add_settings(&settings)?;
    let mut rest = Range::all();
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "the store was closed"));
        }
        let page = shared.read().page_at_pin(&rest, revision, KEYS_PER_LOCK_MAX);
        let Some(last) = page.last() else { return writer.finish() };
        rest = rest.after(&last.key);
        writer.add(&page)?;
    }
}
