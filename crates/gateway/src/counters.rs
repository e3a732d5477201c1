//! What happened on each route.

use std::sync::atomic::{AtomicU64, Ordering};

/// What happened on one route since it is in the table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteCounts {
    /// The route's host, as [`crate::Host`] displays it.
    pub host: String,
    /// The route's path, as [`crate::Path`] displays it.
    pub path: String,
    /// Requests that took the route.
    pub requests: u64,
    /// Requests that were tried again on another connection or endpoint.
    pub retries: u64,
    /// Responses of endpoints, by the first digit of their status: index 0 is 1xx.
    pub responses: [u64; 5],
    /// Requests the gateway answered itself: no endpoint, no connection, no response in time.
    pub failures: u64,
}

#[derive(Debug)]
pub(crate) struct Counters {
    host: String,
    path: String,
    requests: AtomicU64,
    retries: AtomicU64,
    responses: [AtomicU64; 5],
    failures: AtomicU64,
}

fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub fn new(host: String, path: String) -> Counters {
        Counters {
            host,
            path,
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            responses: Default::default(),
            failures: AtomicU64::new(0),
        }
    }

    pub fn request(&self) {
        add_one(&self.requests);
    }

    pub fn retry(&self) {
        add_one(&self.retries);
    }

    pub fn failure(&self) {
        add_one(&self.failures);
    }

    pub fn response(&self, status: http::StatusCode) {
        let class = usize::from(status.as_u16() / 100);
        if let Some(counter) = class.checked_sub(1).and_then(|index| self.responses.get(index)) {
            add_one(counter);
        }
    }

    pub fn read(&self) -> RouteCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RouteCounts {
            host: self.host.clone(),
            path: self.path.clone(),
            requests: read(&self.requests),
            retries: read(&self.retries),
            responses: self.responses.each_ref().map(read),
            failures: read(&self.failures),
        }
    }
}
