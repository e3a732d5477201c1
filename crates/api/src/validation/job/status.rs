//! What a write of a Job's status may say. Who manages the Job may not be our controller, so that
//! its steps from one state to the next are held to the rules; a rule whose fields stay as they
//! were is not asked again.

use std::collections::BTreeSet;

use serde_json::Value;

use super::indexes;
use crate::read;
use crate::validation::field::{Field, same};

const COMPLETE: &str = "Complete";
const FAILED: &str = "Failed";
const FAILURE: &str = "FailureTarget";
const SUCCESS: &str = "SuccessCriteriaMet";

/// A Job, what it was, and what changed between.
struct Change<'a> {
    job: &'a Field<'a>,
    status: Field<'a>,
    conditions: Field<'a>,
    old: &'a Value,
}

pub(in crate::validation) fn check(job: &Field<'_>, old: &Value) {
    let status = job.at("status");
    for count in ["active", "succeeded", "failed", "ready", "terminating"] {
        status.at(count).not_negative();
    }
    uncounted(&status.at("uncountedTerminatedPods"));
    let change = Change { job, conditions: status.at("conditions"), status, old };
    change.ends();
    change.times();
    change.finished();
    change.indexes();
    change.success();
    change.steps();
}

/// Pods that ended and are not in the counts yet, each once.
fn uncounted(pods: &Field<'_>) {
    let mut seen = BTreeSet::new();
    for list in ["succeeded", "failed"] {
        for pod in pods.at(list).items() {
            if pod.is_empty() {
                pod.invalid_text("must not be empty");
            } else if !seen.insert(pod.text()) {
                pod.duplicate();
            }
        }
    }
}

/// Is a condition of this type true?
fn holds(job: &Value, kind: &str) -> bool {
    let conditions = read::list(read::at(job, &["status"]), "conditions");
    conditions
        .iter()
        .any(|one| read::text(one, "type") == kind && read::text(one, "status") == "True")
}

impl Change<'_> {
    fn is(&self, kind: &str) -> bool {
        holds(self.job.value, kind)
    }

    fn was(&self, kind: &str) -> bool {
        holds(self.old, kind)
    }

    fn flips(&self, kind: &str) -> bool {
        self.is(kind) != self.was(kind)
    }

    fn is_finished(&self) -> bool {
        self.is(COMPLETE) || self.is(FAILED)
    }

    fn finishes(&self) -> bool {
        self.is_finished() != (self.was(COMPLETE) || self.was(FAILED))
    }

    fn before(&self, field: &str) -> &Value {
        read::at(self.old, &["status", field])
    }

    fn changes(&self, field: &str) -> bool {
        !same(self.status.at(field).value, self.before(field))
    }

    /// A Job ends in one way.
    fn ends(&self) {
        if self.is(COMPLETE) && self.is(FAILED) && (self.flips(COMPLETE) || self.flips(FAILED)) {
            self.conditions.invalid_unshown("cannot set Complete=True and Failed=true conditions");
        }
        if self.is(COMPLETE) && self.is(FAILURE) && (self.flips(COMPLETE) || self.flips(FAILURE)) {
            self.conditions
                .invalid_unshown("cannot set Complete=True and FailureTarget=true conditions");
        }
    }

    /// Times are in Go's one form of them, in UTC: their texts compare as they do.
    fn times(&self) {
        let (start, end) = (self.status.at("startTime"), self.status.at("completionTime"));
        if self.flips(COMPLETE) || self.changes("completionTime") {
            if end.is_some() && !self.is(COMPLETE) {
                end.invalid("cannot set completionTime when there is no Complete=True condition");
            }
            if !end.is_some() && self.is(COMPLETE) {
                end.required("completionTime is required for Complete jobs");
            }
        }
        let moved = self.changes("startTime") || self.changes("completionTime");
        if moved && start.is_some() && end.is_some() && end.text() < start.text() {
            end.invalid("completionTime cannot be set before startTime");
        }
    }

    /// What has ended has no pods that run, and accounts for all others.
    fn finished(&self) {
        if !self.is_finished() {
            return;
        }
        let [active, start, uncounted] =
            ["active", "startTime", "uncountedTerminatedPods"].map(|field| self.status.at(field));
        let touches = |field: &str| self.finishes() || self.changes(field);
        if touches("active") && active.number() > 0 {
            active.invalid("active>0 is invalid for finished job");
        }
        if touches("startTime") && !start.is_some() {
            start.required("startTime is required for finished job");
        }
        let counted = ["failed", "succeeded"].iter().all(|list| uncounted.at(list).is_empty());
        if touches("uncountedTerminatedPods") && !counted {
            uncounted.invalid("uncountedTerminatedPods needs to be empty for finished job");
        }
    }

    fn indexes(&self) {
        let spec = self.job.at("spec");
        let [done, failed] =
            ["completedIndexes", "failedIndexes"].map(|field| self.status.at(field));
        let count = spec.at("completions").int();
        let per_index = spec.at("backoffLimitPerIndex").is_some();
        let [new_done, new_failed] =
            ["completedIndexes", "failedIndexes"].map(|field| self.changes(field));
        if let Some(count) = count {
            for (list, new) in [(&done, new_done), (&failed, new_failed && per_index)] {
                if let Err(why) = indexes::total(list.text(), count)
                    && new
                {
                    let name = if std::ptr::eq(list, &done) { "completed" } else { "failed" };
                    list.invalid(format!("error parsing {name}Indexes: {why}"));
                }
            }
        }
        let is_indexed = spec.at("completionMode").text() == "Indexed";
        if new_done && !done.is_empty() && !is_indexed {
            done.invalid("cannot set non-empty completedIndexes when non-indexed completion mode");
        }
        if new_failed && !per_index && failed.is_some() {
            failed.invalid("cannot set non-null failedIndexes when backoffLimitPerIndex is null");
        }
        let both = count
            .filter(|_| new_done || new_failed)
            .and_then(|count| indexes::overlap(done.text(), failed.text(), count));
        if let Some(index) = both {
            let why = format!("failedIndexes and completedIndexes overlap at index: {index}");
            failed.invalid(why);
        }
    }

    fn success(&self) {
        for (other, word) in [(FAILED, "Failed"), (FAILURE, "FailureTarget")] {
            if self.is(SUCCESS) && self.is(other) {
                self.conditions.invalid_unshown(format!(
                    "cannot set SuccessCriteriaMet=True and {word}=true conditions"
                ));
            }
        }
        let policy = self.job.at("spec").at("successPolicy");
        if policy.is_some() && !self.is(SUCCESS) && self.is(COMPLETE) {
            self.conditions.invalid_unshown(
                "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True",
            );
        }
    }

    /// What does not go back.
    fn steps(&self) {
        for kind in [FAILED, COMPLETE, FAILURE] {
            if self.was(kind) && !self.is(kind) {
                self.conditions
                    .invalid_unshown(format!("cannot disable the terminal {kind}=True condition"));
            }
        }
        let spec = self.job.at("spec");
        let shrinks = spec.at("completionMode").text() == "Indexed"
            && spec.at("completions").value == spec.at("parallelism").value;
        for (field, held) in [("failed", true), ("succeeded", !shrinks)] {
            let count = self.status.at(field);
            if held && count.number() < self.before(field).as_i64().unwrap_or_default() {
                count.invalid_number(format!("cannot decrease the {field} counter"));
            }
        }
        let (start, end) = (self.status.at("startTime"), self.status.at("completionTime"));
        let ended = !self.before("completionTime").is_null();
        if end.is_some() && ended && self.changes("completionTime") {
            end.invalid("completionTime cannot be mutated");
        }
        let started = !self.before("startTime").is_null();
        if started && self.changes("startTime") && !spec.at("suspend").flag() {
            start.required("startTime cannot be removed for unsuspended job");
        }
        if self.was(SUCCESS) && !self.is(SUCCESS) {
            self.conditions.invalid_unshown("cannot disable the SuccessCriteriaMet=True condition");
        }
        if self.was(COMPLETE) && !self.was(SUCCESS) && self.is(SUCCESS) {
            self.conditions.invalid_unshown(
                "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::validation::update_status;

    /// A Job's status, then another one, and what is wrong with that.
    #[track_caller]
    fn check(spec: Value, old: Value, new: Value, expected: &[&str]) {
        let job = |status: Value| {
            json!({"metadata": {"name": "a", "namespace": "b"}, "spec": spec,
            "status": status})
        };
        let errors = update_status(&"batch/v1/Job".parse().unwrap(), &job(new), &job(old));
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, expected);
    }

    fn condition(kind: &str) -> Value {
        json!({"type": kind, "status": "True"})
    }

    #[test]
    fn a_job_that_is_complete_says_when_it_was() {
        let complete = |fields: Value| {
            let mut status = json!({"conditions": [condition("Complete")]});
            status.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            status
        };
        let (start, end) = ("2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z");
        check(
            json!({}),
            json!({"startTime": start}),
            complete(json!({"startTime": start, "completionTime": end})),
            &[],
        );
        check(
            json!({}),
            json!({}),
            complete(json!({"active": 1})),
            &[
                "status.completionTime: Required value: completionTime is required for Complete jobs",
                "status.active: Invalid value: 1: active>0 is invalid for finished job",
                "status.startTime: Required value: startTime is required for finished job",
            ],
        );
        check(
            json!({}),
            json!({"startTime": end}),
            json!({"startTime": end, "completionTime": start, "conditions": [condition("Complete"), condition("Failed")]}),
            &[
                "status.conditions: Invalid value: cannot set Complete=True and Failed=true conditions",
                "status.completionTime: Invalid value: \"2026-01-01T00:00:00Z\": completionTime cannot be set before startTime",
            ],
        );
    }

    #[test]
    fn what_has_ended_does_not_go_on() {
        check(
            json!({}),
            json!({"startTime": "2026-01-01T00:00:00Z", "failed": 2, "succeeded": 1, "conditions": [condition("Failed")]}),
            json!({"failed": 1}),
            &[
                "status.conditions: Invalid value: cannot disable the terminal Failed=True condition",
                "status.failed: Invalid value: 1: cannot decrease the failed counter",
                "status.succeeded: Invalid value: 0: cannot decrease the succeeded counter",
                "status.startTime: Required value: startTime cannot be removed for unsuspended job",
            ],
        );
    }

    #[test]
    fn indexes_are_of_the_job() {
        check(
            json!({"completions": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 1}),
            json!({}),
            json!({"completedIndexes": "0-1", "failedIndexes": "1,3"}),
            &[
                "status.failedIndexes: Invalid value: \"1,3\": error parsing failedIndexes: too large index: \"3\"",
                "status.failedIndexes: Invalid value: \"1,3\": failedIndexes and completedIndexes overlap at index: 1",
            ],
        );
        check(
            json!({}),
            json!({}),
            json!({"completedIndexes": "0", "failedIndexes": "1"}),
            &[
                "status.completedIndexes: Invalid value: \"0\": cannot set non-empty completedIndexes when non-indexed completion mode",
                "status.failedIndexes: Invalid value: \"1\": cannot set non-null failedIndexes when backoffLimitPerIndex is null",
            ],
        );
    }

    #[test]
    fn pods_that_ended_are_told_apart() {
        check(
            json!({}),
            json!({}),
            json!({"uncountedTerminatedPods": {"succeeded": ["a", ""], "failed": ["a"]}, "ready": -1}),
            &[
                "status.ready: Invalid value: -1: must be greater than or equal to 0",
                "status.uncountedTerminatedPods.succeeded[1]: Invalid value: \"\": must not be empty",
                "status.uncountedTerminatedPods.failed[0]: Duplicate value: \"a\"",
            ],
        );
    }
}
