//! The leases there are.
//!
//! A lease is kept alive under the lock for readers: its deadline is an atomic, and what was
//! renewed is noted for the writer, which logs it with the next frame.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::clock::{Clock, millis};
use super::{Lease, LeaseId};

/// What a lease has left at least when the store is opened, if its TTL is that long: time for a
/// client whose server was away.
const LEFT_AT_OPEN_MIN: Duration = Duration::from_secs(3);

/// What a keep-alive can take to the disk, given back when the store is opened.
const LOGGED_LATE_MAX: Duration = Duration::from_secs(1);

/// A lease as the log and snapshots hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoggedLease {
    pub id: LeaseId,
    pub ttl_ms: u64,
    /// By the wall clock, since 1970.
    pub deadline_ms: u64,
}

pub(crate) struct Leases {
    table: BTreeMap<LeaseId, Held>,
    renewed: Mutex<Renewed>,
    clock: Clock,
}

/// Leases that were kept alive, which the log does not say yet.
#[derive(Default)]
struct Renewed {
    ids: BTreeSet<LeaseId>,
    /// Somebody will take them.
    is_awaited: bool,
}

struct Held {
    ttl: Duration,
    /// By the clock, in microseconds.
    deadline: AtomicU64,
    /// It is being ended: no keep-alive can save it.
    ending: AtomicBool,
}

impl Held {
    fn until(ttl: Duration, deadline: Duration) -> Held {
        let deadline = AtomicU64::new(micros(deadline));
        Held { ttl, deadline, ending: AtomicBool::new(false) }
    }

    fn deadline(&self) -> Duration {
        Duration::from_micros(self.deadline.load(Ordering::Relaxed))
    }

    fn remaining(&self, clock: &Clock) -> Duration {
        self.deadline().saturating_sub(clock.now())
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Leases {
    pub fn new() -> Leases {
        Leases { table: BTreeMap::new(), renewed: Mutex::default(), clock: Clock::new() }
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn contains(&self, id: LeaseId) -> bool {
        self.table.contains_key(&id)
    }

    pub fn ids(&self) -> impl Iterator<Item = LeaseId> {
        self.table.keys().copied()
    }

    pub fn get(&self, id: LeaseId) -> Option<Lease> {
        let held = self.table.get(&id)?;
        Some(Lease { id, ttl: held.ttl, remaining: held.remaining(&self.clock) })
    }

    /// From now on, for its whole TTL.
    pub fn grant(&mut self, id: LeaseId, ttl: Duration) {
        self.table.insert(id, Held::until(ttl, self.clock.now().saturating_add(ttl)));
    }

    pub fn remove(&mut self, id: LeaseId) {
        self.table.remove(&id);
        self.renewed().ids.remove(&id);
    }

    pub fn clear(&mut self) {
        self.table.clear();
        self.renewed().ids.clear();
    }

    /// As the log has it.
    pub fn restore(&mut self, logged: LoggedLease) {
        let ttl = Duration::from_millis(logged.ttl_ms);
        let left = logged.deadline_ms.saturating_sub(self.clock.wall_ms());
        let left = Duration::from_millis(left).saturating_add(LOGGED_LATE_MAX);
        let left = left.max(LEFT_AT_OPEN_MIN).min(ttl);
        self.table.insert(logged.id, Held::until(ttl, self.clock.now().saturating_add(left)));
    }

    /// Gives a lease its whole TTL again. `None` when it is not there any more; else also whether it
    /// is the first to be renewed since the writer took those before, so that he must be told.
    pub fn keep_alive(&self, id: LeaseId) -> Option<(Lease, bool)> {
        let held = self.table.get(&id)?;
        let mut renewed = self.renewed();
        // Under the lock of `renewed`, like the decision that a lease ends.
        if held.ending.load(Ordering::Relaxed) {
            return None;
        }
        let deadline = self.clock.now().saturating_add(held.ttl);
        held.deadline.store(micros(deadline), Ordering::Relaxed);
        let is_first = !std::mem::replace(&mut renewed.is_awaited, true);
        renewed.ids.insert(id);
        Some((Lease { id, ttl: held.ttl, remaining: held.ttl }, is_first))
    }

    /// Decides that a lease ends, if its time is up.
    pub fn begin_to_end(&self, id: LeaseId) -> bool {
        let Some(held) = self.table.get(&id) else { return false };
        let _renewing = self.renewed();
        let is_due = held.deadline() <= self.clock.now();
        held.ending.store(is_due, Ordering::Relaxed);
        is_due
    }

    /// It could not be ended: it can be kept alive again.
    pub fn end_refused(&self, id: LeaseId) {
        if let Some(held) = self.table.get(&id) {
            held.ending.store(false, Ordering::Relaxed);
        }
    }

    /// When a lease ends if it is not kept alive, by the clock; `None` when it is not there.
    pub fn deadline(&self, id: LeaseId) -> Option<Duration> {
        self.table.get(&id).map(Held::deadline)
    }

    /// The leases that were kept alive since this was asked last.
    pub fn take_renewed(&self) -> BTreeSet<LeaseId> {
        std::mem::take(&mut *self.renewed()).ids
    }

    /// What was taken did not get to the disk: it goes with what is taken next.
    pub fn not_logged(&self, renewed: &BTreeSet<LeaseId>) {
        self.renewed().ids.extend(renewed.iter().filter(|id| self.contains(**id)));
    }

    pub fn logged(&self, id: LeaseId) -> Option<LoggedLease> {
        let held = self.table.get(&id)?;
        let left = millis(held.remaining(&self.clock));
        Some(self.logged_with(id, held.ttl, left))
    }

    /// A lease that is granted now.
    pub fn logged_new(&self, id: LeaseId, ttl: Duration) -> LoggedLease {
        self.logged_with(id, ttl, millis(ttl))
    }

    fn logged_with(&self, id: LeaseId, ttl: Duration, left_ms: u64) -> LoggedLease {
        let deadline_ms = self.clock.wall_ms().saturating_add(left_ms);
        LoggedLease { id, ttl_ms: millis(ttl), deadline_ms }
    }

    /// All of them, in the order of their names.
    pub fn all_logged(&self) -> Vec<LoggedLease> {
        self.table.keys().filter_map(|id| self.logged(*id)).collect()
    }

    fn renewed(&self) -> MutexGuard<'_, Renewed> {
        self.renewed.lock().expect("nothing panics while it holds the renewed leases")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: LeaseId = LeaseId(7);

    /// What is left of a lease of 10 s that was logged with a deadline in `seconds` from now.
    fn check_left_at_open(seconds: i64, expected: u64) {
        let mut leases = Leases::new();
        let deadline_ms = leases.clock.wall_ms().saturating_add_signed(seconds * 1_000);
        leases.restore(LoggedLease { id: ID, ttl_ms: 10_000, deadline_ms });
        let left = leases.get(ID).unwrap().remaining;
        let expected = Duration::from_secs(expected);
        assert!(left <= expected && left + Duration::from_secs(1) > expected, "{left:?}");
    }

    #[test]
    fn a_lease_goes_on_with_what_was_left_when_the_store_is_opened() {
        check_left_at_open(6, 7);
        check_left_at_open(60, 10);
        check_left_at_open(1, 3);
        check_left_at_open(-5, 3);
    }

    #[test]
    fn a_short_lease_gets_no_more_than_its_ttl_at_opening() {
        let mut leases = Leases::new();
        leases.restore(LoggedLease { id: ID, ttl_ms: 500, deadline_ms: 0 });
        assert!(leases.get(ID).unwrap().remaining <= Duration::from_millis(500));
    }

    #[test]
    fn keeping_alive_gives_the_whole_ttl_again_and_is_noted_once() {
        let mut leases = Leases::new();
        leases.grant(ID, Duration::from_secs(10));
        leases.clock.advance(Duration::from_secs(8));
        assert!(leases.get(ID).unwrap().remaining <= Duration::from_secs(2));
        assert!(leases.keep_alive(ID).is_some_and(|(_, first)| first));
        assert!(leases.keep_alive(ID).is_some_and(|(_, first)| !first));
        assert!(leases.get(ID).unwrap().remaining > Duration::from_secs(9));
        let renewed = leases.take_renewed();
        assert_eq!(renewed, BTreeSet::from([ID]));
        assert!(leases.take_renewed().is_empty());
        leases.not_logged(&renewed);
        assert!(leases.keep_alive(ID).is_some_and(|(_, first)| first), "it is to be tried again");
        assert_eq!(leases.take_renewed(), renewed);
        assert_eq!(leases.keep_alive(LeaseId(8)), None);
    }

    #[test]
    fn a_lease_that_is_ending_cannot_be_kept_alive() {
        let mut leases = Leases::new();
        leases.grant(ID, Duration::from_secs(10));
        assert!(!leases.begin_to_end(ID), "it is not due");
        assert!(leases.keep_alive(ID).is_some());
        leases.clock.advance(Duration::from_secs(10));
        assert!(leases.begin_to_end(ID));
        assert_eq!(leases.keep_alive(ID), None);
        leases.end_refused(ID);
        assert!(leases.keep_alive(ID).is_some());
    }

    #[test]
    fn what_is_logged_reads_back_as_what_is_left() {
        let mut leases = Leases::new();
        leases.grant(ID, Duration::from_secs(100));
        leases.clock.advance(Duration::from_secs(40));
        let logged = leases.logged(ID).unwrap();
        let mut again = Leases::new();
        again.clock.advance(Duration::from_secs(40));
        again.restore(logged);
        let left = again.get(ID).unwrap().remaining.as_secs();
        assert!((59..=61).contains(&left), "{left}");
    }
}
