//! Leases that end when they may, and when they may not.

use std::time::Duration;

use crate::trial::history::Moment;
use crate::trial::leases::{Broken, Leases, Promise};
use crate::trial::timeline::LeaseEnd;

const SECOND: Moment = 1_000_000_000;

/// A lease of ten seconds with a key, granted at one second.
fn granted() -> Leases {
    let promise =
        Promise { grace_after_start: Duration::from_secs(3), late_max: Duration::from_secs(1) };
    let mut leases = Leases::new(promise);
    leases.granted(7, Duration::from_secs(10), SECOND, SECOND + 1);
    leases.attached(7);
    leases
}

fn ends(leases: &mut Leases, seen: Moment) -> Result<(), Broken> {
    leases.ended(LeaseEnd { lease: 7, revision: 5, seen })
}

#[test]
fn a_lease_ends_when_its_time_is_over() {
    let mut leases = granted();
    leases.overdue(12 * SECOND).expect("it may be a little late");
    ends(&mut leases, 11 * SECOND).expect("ten seconds later");
    assert_eq!(leases.lapsed_count, 1);
}

#[test]
fn a_lease_that_ends_early_is_refused() {
    let mut leases = granted();
    leases.renewed(7, 5 * SECOND, Some(5 * SECOND), 5 * SECOND);
    assert!(matches!(ends(&mut leases, 14 * SECOND), Err(Broken::Early { lease: 7, .. })));
}

#[test]
fn a_renewal_without_an_answer_may_count_or_not() {
    let mut leases = granted();
    leases.renewed(7, 5 * SECOND, None, 6 * SECOND);
    leases.overdue(16 * SECOND).expect("it may have been renewed");
    ends(&mut leases, 11 * SECOND).expect("or not");
}

#[test]
fn a_lease_that_never_ends_is_refused() {
    let mut leases = granted();
    assert!(matches!(leases.overdue(13 * SECOND), Err(Broken::Late { lease: 7, .. })));
}

#[test]
fn a_start_gives_a_lease_some_time_again() {
    let mut leases = granted();
    leases.restarted(20 * SECOND);
    leases.overdue(24 * SECOND).expect("three seconds and one");
    assert!(leases.overdue(25 * SECOND).is_err());
}

#[test]
fn a_revoked_lease_ends_at_once() {
    let mut leases = granted();
    leases.revoking(7, 2 * SECOND);
    leases.revoked(7, 2 * SECOND);
    let mut slow = granted();
    slow.revoking(7, 2 * SECOND);
    slow.revoked(7, 2 * SECOND);
    ends(&mut leases, 2 * SECOND).expect("it was asked for");
    assert_eq!(leases.revoked_count, 1);
    assert!(matches!(slow.overdue(4 * SECOND), Err(Broken::Late { .. })));
}

#[test]
fn a_lease_ends_once() {
    let mut leases = granted();
    ends(&mut leases, 11 * SECOND).expect("ten seconds later");
    assert!(matches!(ends(&mut leases, 12 * SECOND), Err(Broken::Twice { .. })));
    let strange = LeaseEnd { lease: 8, revision: 6, seen: SECOND };
    assert!(matches!(leases.ended(strange), Err(Broken::Strange { lease: 8, .. })));
}

#[test]
fn a_client_that_is_told_too_early_that_its_lease_is_gone_complains() {
    let mut leases = granted();
    assert!(leases.told_gone(7, 9 * SECOND).is_err());
    leases.told_gone(7, 11 * SECOND).expect("ten seconds later");
}
