//! When which revisions were superseded, as exactly as compaction by age needs it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::Revision;

/// An age is divided into so many spans; what was written in one span grows old together.
const SPANS: u32 = 64;

/// Which revisions are how old.
pub(crate) struct Aging {
    max: Option<Duration>,
    /// Oldest first; at most one more than there are spans.
    marks: VecDeque<Mark>,
}

/// In the time from `since` to `at` the head rose to `head`.
struct Mark {
    since: Instant,
    at: Instant,
    head: Revision,
}

impl Aging {
    pub fn new(max: Option<Duration>) -> Aging {
        Aging { max, marks: VecDeque::new() }
    }

    /// The head is this one now.
    pub fn note(&mut self, head: Revision, now: Instant) {
        let Some(max) = self.max else { return };
        match self.marks.back_mut() {
            Some(mark) if now.saturating_duration_since(mark.since) < max / SPANS => {
                (mark.at, mark.head) = (now, head);
            }
            _ => self.marks.push_back(Mark { since: now, at: now, head }),
        }
    }

    /// The revision below which all is too old, if that was not said before.
    pub fn expired(&mut self, now: Instant) -> Option<Revision> {
        let mut expired = None;
        while self.due().is_some_and(|due| due <= now) {
            expired = self.marks.pop_front().map(|mark| mark.head);
        }
        expired
    }

    /// When something will be too old next.
    pub fn due(&self) -> Option<Instant> {
        Some(self.marks.front()?.at + self.max?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn revisions_expire_when_they_are_as_old_as_that() {
        let start = Instant::now();
        let at = |minutes: u64| start + Duration::from_secs(minutes * 60);
        let mut aging = Aging::new(Some(HOUR));
        aging.note(Revision(5), at(0));
        aging.note(Revision(9), at(10));
        assert_eq!(aging.due(), Some(at(60)));
        assert_eq!(aging.expired(at(59)), None);
        assert_eq!(aging.expired(at(60)), Some(Revision(5)));
        assert_eq!(aging.expired(at(69)), None);
        assert_eq!(aging.expired(at(99)), Some(Revision(9)));
        assert_eq!(aging.due(), None);
    }

    #[test]
    fn under_constant_writes_the_marks_are_bounded_and_none_is_early() {
        let start = Instant::now();
        let mut aging = Aging::new(Some(HOUR));
        for second in 0..20_000 {
            let now = start + Duration::from_secs(second);
            aging.note(Revision(second + 1), now);
            if let Some(expired) = aging.expired(now) {
                let age = second + 1 - expired.0;
                assert!((3_600..3_720).contains(&age), "{age} s");
            }
            assert!(aging.marks.len() <= SPANS as usize + 1);
        }
    }

    #[test]
    fn without_an_age_nothing_is_noted() {
        let mut aging = Aging::new(None);
        aging.note(Revision(5), Instant::now());
        assert_eq!(aging.due(), None);
    }
}
