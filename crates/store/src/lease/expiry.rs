//! The thread that ends leases when their time is up, and sees to it that keep-alives get to the
//! disk when nothing else does.
//!
//! It sleeps until the earliest deadline it knows. A keep-alive does not wake it: it looks at the
//! lease when the old deadline comes, and sleeps on until the new one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use super::LeaseId;
use crate::shared::Shared;
use crate::writer::{Job, Write};

/// How long a keep-alive waits for a frame to go with.
const FLUSH_AFTER: Duration = Duration::from_millis(500);

/// When to look again at a lease that is being ended: the disk may have been full.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Leases that one job ends.
const ENDED_AT_ONCE_MAX: usize = 256;

/// Leases that are taken as due under one lock.
const LOOKED_AT_MAX: usize = 4_096;

enum Wake {
    /// There is a new lease.
    Granted(LeaseId),
    /// A lease was kept alive, the first one since the last flush.
    Renewed,
    /// A test has moved the clock.
    #[cfg(test)]
    Clock,
}

/// The way to the thread, which is started with the first lease.
pub(crate) struct Expiry {
    shared: Weak<Shared>,
    jobs: mpsc::WeakSender<Job>,
    wakes: OnceLock<Sender<Wake>>,
}

impl Expiry {
    pub fn new(shared: &Arc<Shared>, jobs: mpsc::WeakSender<Job>) -> Expiry {
        Expiry { shared: Arc::downgrade(shared), jobs, wakes: OnceLock::new() }
    }

    pub fn granted(&self, id: LeaseId) {
        self.wake(Wake::Granted(id));
    }

    pub fn renewed(&self) {
        self.wake(Wake::Renewed);
    }

    #[cfg(test)]
    pub fn clock_moved(&self) {
        self.wake(Wake::Clock);
    }

    fn wake(&self, wake: Wake) {
        let wakes = self.wakes.get_or_init(|| self.start());
        if wakes.send(wake).is_err() {
            tracing::debug!("the store is closed: no lease ends any more");
        }
    }

    fn start(&self) -> Sender<Wake> {
        let (sender, wakes) = channel();
        let (shared, jobs) = (self.shared.clone(), self.jobs.clone());
        let thread = Thread { shared, jobs, deadlines: BinaryHeap::new(), flush_at: None };
        let spawned =
            thread::Builder::new().name("store-leases".into()).spawn(move || thread.run(&wakes));
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for leases: they end when the store is opened again");
        }
        sender
    }
}

struct Thread {
    shared: Weak<Shared>,
    jobs: mpsc::WeakSender<Job>,
    /// When to look at which lease, by the clock of the leases; earliest first.
    deadlines: BinaryHeap<Reverse<(Duration, LeaseId)>>,
    flush_at: Option<Duration>,
}

impl Thread {
    /// Ends with the store.
    fn run(mut self, wakes: &Receiver<Wake>) {
        loop {
            let Some(now) = self.now() else { return };
            let wake = match self.next_look() {
                Some(at) => wakes.recv_timeout(at.saturating_sub(now)),
                None => wakes.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match wake {
                Ok(wake) => self.woken(wake),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.end_what_is_due().is_none() {
                return;
            }
        }
    }

    fn now(&self) -> Option<Duration> {
        Some(self.shared.upgrade()?.read().leases().clock().now())
    }

    fn next_look(&self) -> Option<Duration> {
        let earliest = self.deadlines.peek().map(|Reverse((at, _))| *at);
        earliest.into_iter().chain(self.flush_at).min()
    }

    fn woken(&mut self, wake: Wake) {
        match wake {
            // It is looked at at once, which tells when to look again.
            Wake::Granted(id) => self.deadlines.push(Reverse((Duration::ZERO, id))),
            Wake::Renewed => self.flush_at = self.now().map(|now| now + FLUSH_AFTER),
            #[cfg(test)]
            Wake::Clock => {}
        }
    }

    /// `None` when the store is closed.
    fn end_what_is_due(&mut self) -> Option<()> {
        let due = self.take_due()?;
        let now = self.now()?;
        let jobs = self.jobs.upgrade()?;
        for ids in due.chunks(ENDED_AT_ONCE_MAX) {
            jobs.blocking_send(Job::Write(Write::Expire(ids.to_vec()))).ok()?;
        }
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush_at = None;
            jobs.blocking_send(Job::Write(Write::LogRenewed)).ok()?;
        }
        Some(())
    }

    /// The leases whose time is up. They are looked at again: by then they should be gone.
    fn take_due(&mut self) -> Option<Vec<LeaseId>> {
        let shared = self.shared.upgrade()?;
        let space = shared.read();
        let now = space.leases().clock().now();
        let mut due = Vec::new();
        while let Some(Reverse((at, id))) = self.deadlines.peek().copied()
            && at <= now
            && due.len() < LOOKED_AT_MAX
        {
            self.deadlines.pop();
            match space.leases().deadline(id) {
                Some(deadline) if deadline <= now => {
                    due.push(id);
                    self.deadlines.push(Reverse((now + RETRY_AFTER, id)));
                }
                Some(deadline) => self.deadlines.push(Reverse((deadline, id))),
                None => {}
            }
        }
        Some(due)
    }
}
