//! Wakes the writer at a time. Nothing runs before it, and nothing when there is none.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Instant;

use tokio::sync::mpsc::WeakSender;

use super::Job;

/// A thread of its own, from the first time that is asked for.
pub(super) struct Alarm {
    jobs: WeakSender<Job>,
    times: Option<Sender<Instant>>,
    next: Option<Instant>,
}

impl Alarm {
    pub fn new(jobs: WeakSender<Job>) -> Alarm {
        Alarm { jobs, times: None, next: None }
    }

    /// Asks for [`Job::Wake`] at a time, or earlier if one is asked for already.
    pub fn set(&mut self, at: Instant) {
        if self.next.is_some_and(|next| next <= at) {
            return;
        }
        self.next = Some(at);
        if self.times.is_none() {
            self.times = self.start();
        }
        if let Some(times) = &self.times {
            // An error means that the writer has no jobs any more, and ends.
            let _ = times.send(at);
        }
    }

    /// It rang.
    pub fn rang(&mut self) {
        self.next = None;
    }

    fn start(&self) -> Option<Sender<Instant>> {
        let (times, asked) = mpsc::channel();
        let jobs = self.jobs.clone();
        let thread = thread::Builder::new().name("store-alarm".into());
        match thread.spawn(move || ring(&asked, &jobs)) {
            Ok(_) => Some(times),
            Err(error) => {
                tracing::warn!(%error, "no thread for what is due later: it waits for a write");
                None
            }
        }
    }
}

/// Rings at every time that was asked for, until the writer has gone.
fn ring(asked: &Receiver<Instant>, jobs: &WeakSender<Job>) {
    while let Ok(mut at) = asked.recv() {
        loop {
            let left = at.saturating_duration_since(Instant::now());
            match asked.recv_timeout(left) {
                Ok(earlier) => at = at.min(earlier),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        let Some(jobs) = jobs.upgrade() else { return };
        if jobs.blocking_send(Job::Wake).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_rings_at_the_earliest_time_that_was_asked_for() {
        let (sender, mut jobs) = tokio::sync::mpsc::channel(4);
        let mut alarm = Alarm::new(sender.downgrade());
        let start = Instant::now();
        alarm.set(start + Duration::from_secs(3_600));
        alarm.set(start + Duration::from_millis(30));
        alarm.set(start + Duration::from_secs(60));
        assert!(matches!(jobs.blocking_recv(), Some(Job::Wake)));
        assert!((30..30_000).contains(&start.elapsed().as_millis()));
        alarm.rang();
        alarm.set(Instant::now());
        assert!(matches!(jobs.blocking_recv(), Some(Job::Wake)));
    }
}
