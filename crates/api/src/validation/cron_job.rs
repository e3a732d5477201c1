//! CronJobs.

use serde_json::Value;

use super::field::Field;
use super::{cron, job};
use crate::read;

/// Jobs are named after a CronJob with eleven characters more.
const NAME_MAX: usize = 52;
/// Of each part of a time zone's name.
const ZONE_PART_MAX: usize = 14;

pub(super) fn create(object: &Field<'_>) {
    check(object, None);
    let name = object.at("metadata").at("name");
    if name.text().len() > NAME_MAX {
        name.invalid(format!("must be no more than {NAME_MAX} characters"));
    }
}

/// What must hold of one that is new, or that `old` becomes.
pub(super) fn check(object: &Field<'_>, old: Option<&Value>) {
    let spec = object.at("spec");
    let old = old.map(|old| read::at(old, &["spec"]));
    schedule(&spec, old.is_some_and(|old| read::text(old, "schedule").contains("TZ")));
    spec.at("startingDeadlineSeconds").not_negative();
    let zone = spec.at("timeZone");
    if zone.is_some() && old.is_none_or(|old| read::at(old, &["timeZone"]) != zone.value) {
        time_zone(&zone);
    }
    spec.at("concurrencyPolicy").one_of(&["Allow", "Forbid", "Replace"]);
    template(&spec.at("jobTemplate").at("spec"));
    spec.at("successfulJobsHistoryLimit").not_negative();
    spec.at("failedJobsHistoryLimit").not_negative();
}

/// What Jobs are made of.
fn template(job: &Field<'_>) {
    job::spec(job);
    if job.at("selector").is_some() {
        job.at("selector").invalid("`selector` will be auto-generated");
    }
    if job.at("manualSelector").flag() {
        job.at("manualSelector").unsupported(&["nil", "false"]);
    }
}

/// `zoned`: the schedule has named a time zone before, which new ones may not.
fn schedule(spec: &Field<'_>, zoned: bool) {
    let schedule = spec.at("schedule");
    let text = schedule.text();
    if text.is_empty() {
        return schedule.required("");
    }
    if let Some(problem) = cron::problem(text) {
        schedule.invalid(problem);
    }
    match text.contains("TZ") {
        true if !zoned => {
            schedule.invalid("cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
        }
        true if spec.at("timeZone").is_some() => {
            schedule.invalid("cannot use both timeZone field and TZ or CRON_TZ in schedule");
        }
        _ => {}
    }
}

/// The form of the name. Whether there is such a zone is not known here.
fn time_zone(zone: &Field<'_>) {
    let text = zone.text();
    if text.is_empty() {
        return zone.invalid_text("timeZone must be nil or non-empty string");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let fits = |part: &str| {
        !matches!(part, "" | "." | "..")
            && !part.starts_with('-')
            && part.len() <= ZONE_PART_MAX
            && part.chars().all(plain)
    };
    if !text.split('/').all(fits) {
        return zone.invalid(format!("unknown time zone {text}"));
    }
    if text.eq_ignore_ascii_case("Local") {
        zone.invalid(
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
        );
    }
}
