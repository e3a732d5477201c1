//! How long a controller waits before it looks again at an object that it failed with: longer each time in a row,
//! so that what cannot be, such as pods beyond a quota, is not tried and told of every second.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The first wait; it doubles with each failure in a row up to [`WAIT_MAX`].
const WAIT_MIN: Duration = Duration::from_secs(1);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Objects whose failures are remembered; with more, all begin anew. One that is deleted while it
/// fails is forgotten only then.
const OBJECTS_LEN_MAX: usize = 4096;

/// The failures in a row of one controller's objects, by uid.
#[derive(Debug, Default)]
pub(super) struct Patience {
    waits: Mutex<HashMap<String, Duration>>,
}

impl Patience {
    /// Counts a failure. Returns how long to wait now.
    pub(super) fn failed(&self, uid: &str) -> Duration {
        let mut waits = self.waits();
        if waits.len() >= OBJECTS_LEN_MAX && !waits.contains_key(uid) {
            waits.clear();
        }
        let longer = |last: &Duration| (*last * 2).min(WAIT_MAX);
        let wait = waits.get(uid).map_or(WAIT_MIN, longer);
        waits.insert(uid.to_owned(), wait);
        wait
    }

    /// The next failure is a first one again.
    pub(super) fn succeeded(&self, uid: &str) {
        self.waits().remove(uid);
    }

    fn waits(&self) -> MutexGuard<'_, HashMap<String, Duration>> {
        // A panic leaves nothing half done in it.
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_until_it_succeeds() {
        let patience = Patience::default();
        let waits: Vec<u64> = (0..7).map(|_| patience.failed("a").as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(patience.failed("b").as_secs(), 1);
        patience.succeeded("a");
        assert_eq!(patience.failed("a").as_secs(), 1);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let patience = Patience::default();
        for uid in 0..=OBJECTS_LEN_MAX {
            patience.failed(&uid.to_string());
        }
        assert_eq!(patience.waits().len(), 1);
    }
}
