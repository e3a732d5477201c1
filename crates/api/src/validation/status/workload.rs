//! How many pods a workload says that it has.

use serde_json::Value;

use crate::read;
use crate::validation::field::Field;

/// How many pods a workload has: all of them, then those in one state or another.
pub(super) struct Counts {
    /// What is not negative, in upstream's order.
    numbers: &'static [&'static str],
    /// What is at most `replicas`.
    parts: &'static [&'static str],
    /// What upstream calls those that available ones are among.
    ready: &'static str,
}

pub(super) const REPLICA_SET: Counts = Counts {
    numbers: &[
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
    ],
    parts: &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
    ready: "readyReplicas",
};
pub(super) const DEPLOYMENT: Counts = Counts {
    numbers: &[
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "collisionCount",
    ],
    parts: &["updatedReplicas", "readyReplicas", "availableReplicas"],
    ready: "readyReplicas",
};
pub(super) const STATEFUL_SET: Counts = Counts {
    numbers: &[
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
        "collisionCount",
    ],
    parts: &["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"],
    ready: "status.readyReplicas",
};
pub(super) const DAEMON_SET: [&str; 9] = [
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
];

/// How many pods there are, and that no part of them is more than all.
pub(super) fn counts(status: &Field<'_>, counts: &Counts) {
    const TOO_MANY: &str = "cannot be greater than status.replicas";
    let all = status.at("replicas");
    counts.numbers.iter().for_each(|field| status.at(field).not_negative());
    for part in counts.parts.iter().map(|field| status.at(field)) {
        if part.number() > all.number() {
            part.invalid(TOO_MANY);
        }
    }
    let (available, ready) = (status.at("availableReplicas"), status.at("readyReplicas"));
    if available.number() > ready.number() {
        available.invalid(format!("cannot be greater than {}", counts.ready));
    }
}

/// Names that were taken make more of them, never fewer.
pub(super) fn collisions(status: &Field<'_>, old: &Value) {
    let count = status.at("collisionCount");
    let old = read::at(old, &["status", "collisionCount"]);
    if old.as_i64().is_some_and(|old| !count.is_some() || count.number() < old) {
        count.invalid_number("cannot be decremented");
    }
}
