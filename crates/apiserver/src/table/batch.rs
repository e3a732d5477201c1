//! Jobs and CronJobs.

use serde_json::Value;

use super::workload::template;
use super::{
    Column, age, age_of, boolean, integer, list, name, number, or_none, since, text, wide,
};
use crate::object::{meta, text as at};

pub(crate) const JOB: &[Column] = &[
    name(),
    text("Status"),
    text("Completions"),
    text("Duration"),
    text("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];

pub(crate) fn job(object: &Value) -> Vec<Value> {
    let mut row = vec![
        meta(object, "name").into(),
        job_status(object).into(),
        completions(object).into(),
        duration(object).into(),
        age_of(object),
    ];
    row.extend(template(&object["spec"]));
    row
}

fn job_status(job: &Value) -> &'static str {
    let is = |kind: &str| {
        let mut conditions = list(job, "/status/conditions").iter();
        let found = conditions.find(|condition| condition["type"] == kind);
        found.is_some_and(|condition| condition["status"] == "True")
    };
    match () {
        () if is("Complete") => "Complete",
        () if is("Failed") => "Failed",
        () if !meta(job, "deletionTimestamp").is_empty() => "Terminating",
        () if is("Suspended") => "Suspended",
        () if is("FailureTarget") => "FailureTarget",
        () if is("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

fn completions(job: &Value) -> String {
    let succeeded = integer(job, "/status/succeeded");
    match (job["spec"]["completions"].as_i64(), integer(job, "/spec/parallelism")) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallel @ 2..) => format!("{succeeded}/1 of {parallel}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn duration(job: &Value) -> String {
    let [start, end] = ["/status/startTime", "/status/completionTime"].map(|field| at(job, field));
    match (start, end) {
        ("", _) => String::new(),
        (start, "") => since(start),
        (start, end) => age::between(start, end),
    }
}

pub(crate) const CRON_JOB: &[Column] = &[
    name(),
    text("Schedule"),
    text("Timezone"),
    boolean("Suspend"),
    number("Active"),
    text("Last Schedule"),
    text("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];

pub(crate) fn cron_job(object: &Value) -> Vec<Value> {
    let last = match at(object, "/status/lastScheduleTime") {
        "" => "<none>".to_owned(),
        time => since(time),
    };
    let suspend = match object["spec"]["suspend"].as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let mut row = vec![
        meta(object, "name").into(),
        at(object, "/spec/schedule").into(),
        or_none(at(object, "/spec/timeZone")),
        suspend.into(),
        list(object, "/status/active").len().into(),
        last.into(),
        age_of(object),
    ];
    row.extend(template(&object["spec"]["jobTemplate"]["spec"]));
    row
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(spec: Value, status: Value, expected: [&str; 3]) {
        let row = job(&json!({"metadata": {"name": "j"}, "spec": spec, "status": status}));
        let shown: Vec<&str> = row[1..4].iter().map(|cell| cell.as_str().unwrap()).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_job_shows_how_far_it_is() {
        check(json!({"completions": 3}), json!({"succeeded": 1}), ["Running", "1/3", ""]);
        check(json!({"parallelism": 4}), json!({}), ["Running", "0/1 of 4", ""]);
        check(json!({}), json!({}), ["Running", "0/1", ""]);
        let done = json!({"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}],
            "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:07Z"});
        check(json!({"completions": 1}), done, ["Complete", "1/1", "7s"]);
    }

    #[test]
    fn a_cron_job_shows_when_it_runs() {
        let row = cron_job(&json!({"metadata": {"name": "c"},
            "spec": {"schedule": "* * * * *", "suspend": false}, "status": {"active": [{}]}}));
        let expected = [
            json!("c"),
            json!("* * * * *"),
            json!("<none>"),
            json!("False"),
            json!(1),
            json!("<none>"),
        ];
        assert_eq!(row[..6], expected);
    }
}
