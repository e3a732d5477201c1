//! What is known of the levels, under upstream's names.

use std::fmt::Write as _;

use super::level::{Counts, Level};
use super::seats::Seats;

type Gauge = (&'static str, &'static str, fn(&Level) -> u64);
const GAUGES: [Gauge; 4] = [
    (
        "nominal_limit_seats",
        "Nominal number of execution seats configured for each priority level",
        |level| u64::from(level.nominal),
    ),
    (
        "current_executing_seats",
        "Concurrency (number of seats) occupied by the currently executing requests",
        |level| u64::from(level.in_use),
    ),
    (
        "current_executing_requests",
        "Number of requests in regular execution phase in the API Priority and Fairness subsystem",
        |level| u64::from(level.executing),
    ),
    (
        "current_inqueue_requests",
        "Number of requests currently pending in queues of the API Priority and Fairness subsystem",
        |level| level.queues.waiting() as u64,
    ),
];
type Reason = (&'static str, fn(&Counts) -> u64);
const REASONS: [Reason; 3] = [
    ("concurrency-limit", |counts| counts.concurrency_limit),
    ("queue-full", |counts| counts.queue_full),
    ("time-out", |counts| counts.time_out),
];

pub(super) fn text(seats: &Seats) -> String {
    let mut levels: Vec<&Level> = seats.levels().collect();
    levels.sort_by(|a, b| a.name.cmp(&b.name));
    let mut out = String::new();
    for (name, about, value) in GAUGES {
        head(&mut out, name, about, "gauge");
        for level in &levels {
            line(&mut out, name, &[("priority_level", &level.name)], value(level));
        }
    }
    let dispatched = "dispatched_requests_total";
    head(&mut out, dispatched, "Number of requests executed", "counter");
    each(&levels, |labels, counts| line(&mut out, dispatched, labels, counts.dispatched));
    let rejected = "rejected_requests_total";
    head(&mut out, rejected, "Number of requests rejected", "counter");
    each(&levels, |labels, counts| {
        for (reason, count) in REASONS.map(|(reason, count)| (reason, count(counts))) {
            if count > 0 {
                line(&mut out, rejected, &[labels, &[("reason", reason)]].concat(), count);
            }
        }
    });
    out
}

fn each(levels: &[&Level], mut see: impl FnMut(&[(&str, &str)], &Counts)) {
    for level in levels {
        for (schema, counts) in &level.counts {
            see(&[("flow_schema", schema), ("priority_level", &level.name)], counts);
        }
    }
}

fn head(out: &mut String, name: &str, about: &str, kind: &str) {
    let _ = writeln!(out, "# HELP apiserver_flowcontrol_{name} {about}");
    let _ = writeln!(out, "# TYPE apiserver_flowcontrol_{name} {kind}");
}

/// Names of objects need no escape.
fn line(out: &mut String, name: &str, labels: &[(&str, &str)], value: u64) {
    let labels: Vec<String> = labels.iter().map(|(key, of)| format!("{key}=\"{of}\"")).collect();
    let _ = writeln!(out, "apiserver_flowcontrol_{name}{{{}}} {value}", labels.join(","));
}
