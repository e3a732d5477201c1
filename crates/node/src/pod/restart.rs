//! When a container that ended is started again: at once the first time, then after a wait
//! that doubles from 10 s to 5 min and is forgotten after 10 min of running.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The wait before the second restart.
const WAIT_MIN: Duration = Duration::from_secs(10);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// A container that ran this long is trusted again.
const RESET_AFTER: SignedDuration = SignedDuration::from_secs(600);
/// More failures than these change nothing: the wait is at its longest.
const FAILURES_MAX: u32 = 6;

/// The restart policy of a container, as the pod's policy and a sidecar's own say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Always,
    OnFailure,
    Never,
}

impl Policy {
    /// The policy named in a pod's or container's `restartPolicy`.
    pub(crate) fn parse(word: Option<&str>) -> Self {
        match word {
            Some("Never") => Self::Never,
            Some("OnFailure") => Self::OnFailure,
            _ => Self::Always,
        }
    }

    pub(crate) fn restarts_after(self, exit_code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => exit_code != 0,
            Self::Never => false,
        }
    }
}

/// How often a container ended lately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// What can be known of a container that this process did not see fail.
    pub(crate) fn from_restarts(restarts: u32) -> Self {
        Self { failures: restarts.min(FAILURES_MAX) }
    }

    /// Notes that a container was started again after a run from `started` to `finished`.
    pub(crate) fn restarted(&mut self, started: Option<Timestamp>, finished: Timestamp) {
        if started.is_some_and(|started| finished.duration_since(started) >= RESET_AFTER) {
            self.failures = 0;
        }
        self.failures = (self.failures + 1).min(FAILURES_MAX);
    }

    /// The wait after a run from `started` to its end at `finished`.
    pub(crate) fn wait(&self, started: Option<Timestamp>, finished: Timestamp) -> Duration {
        let ran_long =
            started.is_some_and(|started| finished.duration_since(started) >= RESET_AFTER);
        match self.failures {
            _ if ran_long => Duration::ZERO,
            0 => Duration::ZERO,
            n => (WAIT_MIN * 2u32.pow(n - 1)).min(WAIT_MAX),
        }
    }
}

/// The instant a wait that began at `from` is over.
pub(crate) fn after(from: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    from.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// The time from `now` to `instant`; zero when it has passed.
pub(crate) fn until(now: Timestamp, instant: Timestamp) -> Duration {
    Duration::try_from(instant.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn waits_double_from_ten_seconds_to_five_minutes() {
        let mut backoff = Backoff::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            waits.push(backoff.wait(Some(at(0)), at(1)).as_secs());
            backoff.restarted(Some(at(0)), at(1));
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn ten_minutes_of_running_are_forgiven() {
        let mut backoff = Backoff::from_restarts(5);
        assert_eq!(backoff.wait(Some(at(0)), at(599)).as_secs(), 160);
        assert_eq!(backoff.wait(Some(at(0)), at(600)).as_secs(), 0);
        backoff.restarted(Some(at(0)), at(600));
        assert_eq!(backoff.wait(Some(at(600)), at(601)).as_secs(), 10);
    }

    #[test]
    fn policies_look_at_the_exit_code() {
        for (word, zero, one) in
            [("Always", true, true), ("OnFailure", false, true), ("Never", false, false)]
        {
            let policy = Policy::parse(Some(word));
            assert_eq!((policy.restarts_after(0), policy.restarts_after(1)), (zero, one), "{word}");
        }
        assert_eq!(Policy::parse(None), Policy::Always);
    }

    #[test]
    fn until_the_past_is_zero() {
        assert_eq!(until(at(5), at(3)), Duration::ZERO);
        assert_eq!(until(at(5), at(8)), Duration::from_secs(3));
        assert_eq!(after(at(5), Duration::from_secs(2)), at(7));
    }
}
