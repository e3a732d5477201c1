//! Jobs and CronJobs.

use serde_json::Value;

use super::field::Field;
use super::{pod, selector};
use crate::read;

/// Jobs are named after a CronJob with eleven characters more.
const CRON_JOB_NAME_MAX: usize = 52;
/// What of a Job stays as it was made.
const FIXED: [&str; 7] = [
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
    "selector",
    "template",
];

pub(super) fn job(object: &Field<'_>) {
    let spec = object.at("spec");
    if spec.at("manualSelector").flag() && !spec.at("selector").is_some() {
        spec.at("selector").required("");
    }
    job_spec(&spec);
}

fn job_spec(spec: &Field<'_>) {
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        spec.at(field).not_negative();
    }
    let mode = spec.at("completionMode");
    if mode.is_some() {
        mode.one_of(&["Indexed", "NonIndexed"]);
    }
    if mode.text() == "Indexed" && !spec.at("completions").is_some() {
        spec.at("completions").required("when completion mode is Indexed");
    }
    if mode.text() != "Indexed" && spec.at("backoffLimitPerIndex").is_some() {
        spec.at("backoffLimitPerIndex").invalid("requires indexed completion mode");
    }
    if spec.at("selector").is_some() {
        selector::check(&spec.at("selector"));
    }
    pod::template(&spec.at("template"));
    let policy = spec.at("template").at("spec").at("restartPolicy");
    if !["OnFailure", "Never"].contains(&policy.text()) {
        policy.required("valid values: \"OnFailure\", \"Never\"");
    }
}

pub(super) fn update_job(object: &Field<'_>, old: &Value) {
    let spec = object.at("spec");
    let was = |field: &str| read::at(old, &["spec", field]);
    // An Indexed Job grows and shrinks when both numbers do.
    let elastic = spec.at("completionMode").text() == "Indexed"
        && spec.at("completions").value == spec.at("parallelism").value;
    if !elastic {
        spec.at("completions").immutable(was("completions"));
    }
    // A Job that is suspended and was not started may still be placed elsewhere.
    let waits = read::flag(read::at(old, &["spec"]), "suspend")
        && read::at(old, &["status", "startTime"]).is_null();
    for field in FIXED {
        if field != "template" || !waits {
            spec.at(field).immutable(was(field));
        }
    }
}

pub(super) fn cron_job(object: &Field<'_>) {
    let (name, spec) = (object.at("metadata").at("name"), object.at("spec"));
    if name.text().len() > CRON_JOB_NAME_MAX {
        name.invalid(format!("must be no more than {CRON_JOB_NAME_MAX} characters"));
    }
    schedule(&spec);
    spec.at("concurrencyPolicy").one_of(&["Allow", "Forbid", "Replace"]);
    for field in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"]
    {
        spec.at(field).not_negative();
    }
    let job = spec.at("jobTemplate").at("spec");
    job_spec(&job);
    if job.at("manualSelector").flag() {
        job.at("manualSelector").unsupported(&["nil", "false"]);
    }
}

fn schedule(spec: &Field<'_>) {
    let (schedule, zone) = (spec.at("schedule"), spec.at("timeZone"));
    let text = schedule.text();
    if text.is_empty() {
        return schedule.required("");
    }
    if text.contains("TZ") {
        return schedule.invalid(match zone.is_some() {
            true => "cannot use both timeZone field and TZ or CRON_TZ in schedule",
            false => "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
        });
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if !text.starts_with('@') && fields.len() != 5 {
        let (found, shown) = (fields.len(), fields.join(" "));
        schedule.invalid(format!("expected exactly 5 fields, found {found}: [{shown}]"));
    }
    if zone.is_some() && zone.text().is_empty() {
        zone.invalid_text("timeZone must be nil or non-empty string");
    }
}
