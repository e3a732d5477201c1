//! Jobs and CronJobs.

use serde_json::Value;

use super::field::Field;
use super::{cron, failure_policy, pod, selector};
use crate::{names, read};

/// Jobs are named after a CronJob with eleven characters more.
const CRON_JOB_NAME_MAX: usize = 52;
/// More pods at a time, or indexes that fail, are too many to keep account of.
const INDEXED_MAX: i64 = 100_000;
const PER_INDEX_MAX: i64 = 10_000;
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
    let (name, count) = (object.at("metadata").at("name"), spec.at("completions").number());
    if spec.at("completionMode").text() == "Indexed" && count > 0 && !name.is_empty() {
        let last = format!("{}-{}", name.text(), count - 1);
        if !names::dns_label(&last).is_empty() {
            name.invalid(format!("will not able to create pod with invalid DNS label: {last}"));
        }
    }
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
    let per_index = spec.at("backoffLimitPerIndex");
    if spec.at("maxFailedIndexes").is_some() && !per_index.is_some() {
        per_index.required("when maxFailedIndexes is specified");
    }
    let mode = spec.at("completionMode");
    if mode.is_some() {
        mode.one_of(&["NonIndexed", "Indexed"]);
    }
    match mode.text() {
        "Indexed" => indexed(spec),
        _ => {
            for field in ["backoffLimitPerIndex", "successPolicy"].map(|field| spec.at(field)) {
                if field.is_some() {
                    field.invalid("requires indexed completion mode");
                }
            }
        }
    }
    failure_policy::check(spec);
    replacement(spec);
    if spec.at("selector").is_some() {
        selector::check(&spec.at("selector"));
    }
    pod::template(&spec.at("template"));
    restart(spec);
}

fn indexed(spec: &Field<'_>) {
    let [count, pods, failed] =
        ["completions", "parallelism", "maxFailedIndexes"].map(|field| spec.at(field));
    if !count.is_some() {
        count.required("when completion mode is Indexed");
    }
    if pods.number() > INDEXED_MAX {
        pods.invalid(format!(
            "must be less than or equal to {INDEXED_MAX} when completion mode is Indexed"
        ));
    }
    if count.is_some() && failed.number() > count.number() {
        failed.invalid("must be less than or equal to completions");
    }
    if failed.number() > INDEXED_MAX {
        failed.invalid(format!("must be less than or equal to {INDEXED_MAX}"));
    }
    if count.number() <= INDEXED_MAX || !spec.at("backoffLimitPerIndex").is_some() {
        return;
    }
    if !failed.is_some() {
        failed.required(format!("must be specified when completions is above {INDEXED_MAX}"));
    }
    if pods.number() > PER_INDEX_MAX {
        pods.invalid(format!(
            "must be less than or equal to {PER_INDEX_MAX} when completions are above \
             {INDEXED_MAX} and used with backoffLimitPerIndex"
        ));
    }
    if failed.number() > PER_INDEX_MAX {
        failed.invalid(format!(
            "must be less than or equal to {PER_INDEX_MAX} when completions are above {INDEXED_MAX}"
        ));
    }
}

/// A policy for failures looks at pods that have failed, so others are not replaced before.
fn replacement(spec: &Field<'_>) {
    let policy = spec.at("podReplacementPolicy");
    let known: &[&str] = match spec.at("podFailurePolicy").is_some() {
        true => &["Failed"],
        false => &["Failed", "TerminatingOrFailed"],
    };
    if policy.is_some() && !known.contains(&policy.text()) {
        policy.unsupported(known);
    }
}

fn restart(spec: &Field<'_>) {
    let policy = spec.at("template").at("spec").at("restartPolicy");
    match policy.text() {
        "" | "Always" => policy.required("valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if spec.at("podFailurePolicy").is_some() => {
            policy.invalid("only \"Never\" is supported when podFailurePolicy is specified")
        }
        _ => {}
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
    if job.at("selector").is_some() {
        job.at("selector").invalid("`selector` will be auto-generated");
    }
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
    if let Some(problem) = cron::problem(text) {
        schedule.invalid(problem);
    }
    if zone.is_some() && zone.text().is_empty() {
        zone.invalid_text("timeZone must be nil or non-empty string");
    } else if zone.text().eq_ignore_ascii_case("Local") {
        zone.invalid(
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
        );
    }
}
