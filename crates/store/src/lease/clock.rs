//! What time it is: in memory by a clock that only goes forward, on disk by the wall clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) struct Clock {
    start: Instant,
    /// What a test has added.
    #[cfg(test)]
    ahead_ms: AtomicU64,
}

impl Clock {
    pub fn new() -> Clock {
        Clock {
            start: Instant::now(),
            #[cfg(test)]
            ahead_ms: AtomicU64::new(0),
        }
    }

    /// Since the clock was made. It never goes back.
    pub fn now(&self) -> Duration {
        self.start.elapsed() + self.ahead()
    }

    /// Since 1970, in milliseconds.
    pub fn wall_ms(&self) -> u64 {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        millis(wall + self.ahead())
    }

    #[cfg(not(test))]
    fn ahead(&self) -> Duration {
        Duration::ZERO
    }

    #[cfg(test)]
    fn ahead(&self) -> Duration {
        Duration::from_millis(self.ahead_ms.load(Ordering::Relaxed))
    }

    #[cfg(test)]
    pub fn advance(&self, by: Duration) {
        self.ahead_ms.fetch_add(millis(by), Ordering::Relaxed);
    }
}

/// Whole milliseconds, rounded up: what is said to last that long must not last less.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
