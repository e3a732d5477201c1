//! The state machine of a probe: thresholds, and when to look again. Pure; `probing` runs it.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Probe};

/// The first wait of an early look; it doubles up to the period.
const EARLY_WAIT: Duration = Duration::from_millis(25);

/// What a probe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Startup,
    Readiness,
    Liveness,
}

impl Kind {
    /// The word that begins messages about it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }

    pub(crate) fn of(self, container: &Container) -> Option<&Probe> {
        match self {
            Self::Startup => container.startup_probe.as_ref(),
            Self::Readiness => container.readiness_probe.as_ref(),
            Self::Liveness => container.liveness_probe.as_ref(),
        }
    }
}

/// The timings and thresholds of a probe, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub initial_delay: Duration,
    pub period: Duration,
    pub timeout: Duration,
    pub success_threshold: u32,
    pub failure_threshold: u32,
}

impl Settings {
    pub(crate) fn of(probe: &Probe) -> Self {
        let whole = |value: Option<i32>, default: u32| {
            value.and_then(|value| u32::try_from(value).ok()).filter(|v| *v > 0).unwrap_or(default)
        };
        let seconds = |value, default| Duration::from_secs(u64::from(whole(value, default)));
        Self {
            initial_delay: seconds(probe.initial_delay_seconds, 0),
            period: seconds(probe.period_seconds, 10),
            timeout: seconds(probe.timeout_seconds, 1),
            success_threshold: whole(probe.success_threshold, 1),
            failure_threshold: whole(probe.failure_threshold, 3),
        }
    }
}

/// What is thought of a container after some looks.
#[derive(Debug, Clone)]
pub(crate) struct Tracker {
    kind: Kind,
    settings: Settings,
    verdict: bool,
    /// Looks in a row that came out like the last one.
    run: u32,
    last: Option<bool>,
    /// The next early wait; None once early looks are over.
    early: Option<Duration>,
}

impl Tracker {
    /// `verdict` is what was thought before; a live container is taken to be well.
    pub(crate) fn new(kind: Kind, settings: Settings, verdict: bool) -> Self {
        let early = (kind != Kind::Liveness && !verdict).then_some(EARLY_WAIT);
        Self { kind, settings, verdict, run: 0, last: None, early }
    }

    /// Takes one look's result; Some when the verdict changes. A startup or liveness verdict
    /// of false is told every time the threshold is reached.
    pub(crate) fn record(&mut self, ok: bool) -> Option<bool> {
        if !ok && self.is_early() {
            return None;
        }
        self.early = None;
        self.run = if self.last == Some(ok) { self.run.saturating_add(1) } else { 1 };
        self.last = Some(ok);
        let threshold =
            if ok { self.settings.success_threshold } else { self.settings.failure_threshold };
        if self.run < threshold {
            return None;
        }
        let fatal = !ok && self.kind != Kind::Readiness && self.run == threshold;
        let changed = self.verdict != ok;
        self.verdict = ok;
        (changed || fatal).then_some(ok)
    }

    /// The wait until the next look. Before the first period is over, a container that is not
    /// up yet is looked at more often, so that it is not found ready a whole period late;
    /// what these looks find missing does not count against it.
    pub(crate) fn wait(&mut self) -> Duration {
        match self.early {
            Some(wait) if wait * 2 < self.settings.period => {
                self.early = Some(wait * 2);
                wait
            }
            _ => {
                self.early = None;
                self.settings.period
            }
        }
    }

    /// Whether the look just made is one of the early ones.
    fn is_early(&self) -> bool {
        self.early.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(success: u32, failure: u32) -> Settings {
        Settings {
            initial_delay: Duration::ZERO,
            period: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            success_threshold: success,
            failure_threshold: failure,
        }
    }

    /// `looks` and `expected` are `+`, `-` and (no change) `.`.
    fn check(mut tracker: Tracker, looks: &str, expected: &str) {
        tracker.early = None;
        let told: String = looks
            .chars()
            .map(|look| match tracker.record(look == '+') {
                Some(true) => '+',
                Some(false) => '-',
                None => '.',
            })
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn readiness_changes_at_its_thresholds() {
        check(Tracker::new(Kind::Readiness, settings(1, 3), false), "-+--+---+", ".+.....-+");
        check(Tracker::new(Kind::Readiness, settings(2, 1), false), "+-++-", "...+-");
    }

    #[test]
    fn readiness_kept_from_before_needs_its_threshold_to_fall() {
        check(Tracker::new(Kind::Readiness, settings(1, 3), true), "+---", "...-");
    }

    #[test]
    fn liveness_is_told_when_it_fails_for_good() {
        check(Tracker::new(Kind::Liveness, settings(1, 3), true), "+--+----", "......-.");
    }

    #[test]
    fn startup_failure_is_told_though_it_was_never_up() {
        check(Tracker::new(Kind::Startup, settings(1, 2), false), "--", ".-");
        check(Tracker::new(Kind::Startup, settings(1, 2), false), "-+", ".+");
    }

    #[test]
    fn early_looks_come_soon_and_do_not_count_against() {
        let mut tracker = Tracker::new(Kind::Startup, settings(1, 1), false);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let told = tracker.record(false);
            waits.push((tracker.wait().as_millis(), told));
        }
        let expected = [25, 50, 100, 200, 400, 1000];
        assert_eq!(waits[..6], expected.map(|wait| (wait, None)));
        assert_eq!(waits[6], (1000, Some(false)));
    }

    #[test]
    fn defaults_are_upstreams() {
        let defaults = Settings::of(&Probe::default());
        let seconds = Duration::from_secs;
        assert_eq!(
            (defaults.initial_delay, defaults.period, defaults.timeout),
            (seconds(0), seconds(10), seconds(1))
        );
        assert_eq!((defaults.success_threshold, defaults.failure_threshold), (1, 3));
    }
}
