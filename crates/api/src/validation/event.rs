//! Events. Those that say when they were are new ones: they say too who reports them and of what
//! he did; what comes by the new group must be such.

use serde_json::Value;

use super::field::Field;
use crate::{meta, names, read};

const NAME_LEN_MAX: usize = 128;
const NOTE_LEN_MAX: usize = 1024;
const UNSET: &str = "needs to be unset";
const FOREIGN: &str = "does not match event.namespace";
/// What the two groups call the same field. Upstream speaks of the old ones.
const NAMES: [(&str, &str); 6] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("source", "deprecatedSource"),
];
/// What of a new Event stays as it was.
const FIXED: [&str; 13] = [
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingController",
    "reportingInstance",
];

/// An Event by the old names of its fields, whichever it has.
struct Event<'a> {
    object: &'a Field<'a>,
}

/// `strict`: it comes by the group `events.k8s.io`.
pub(super) fn check(object: &Field<'_>, old: Option<&Value>, strict: bool) {
    let event = Event { object };
    match event.at("eventTime").is_some() {
        false => event.old_namespace(),
        true => event.reported(),
    }
    if !strict {
        return;
    }
    match old {
        None => event.create(),
        Some(old) => event.update(old),
    }
}

/// The field of an object of either group.
fn value<'a>(object: &'a Value, name: &str) -> &'a Value {
    let other = NAMES.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new);
    let old = if name == "reportingController" { "reportingComponent" } else { name };
    match read::at(object, &[other]) {
        Value::Null => read::at(object, &[old]),
        found => found,
    }
}

impl<'a> Event<'a> {
    fn at(&self, name: &str) -> Field<'a> {
        self.object.at(name).showing(value(self.object.value, name))
    }

    /// An Event is where its object is; what has no namespace reports in the default one.
    fn old_namespace(&self) {
        let about = self.at("involvedObject").at("namespace");
        let here = meta::namespace(self.object.value);
        let fits = match about.text() {
            "" => matches!(here, "" | "default"),
            there => there == here,
        };
        if !fits {
            about.invalid_text(FOREIGN);
        }
    }

    fn reported(&self) {
        let about = self.at("involvedObject").at("namespace");
        let here = meta::namespace(self.object.value);
        if about.is_empty() && !matches!(here, "default" | "kube-system") {
            about.invalid_text(FOREIGN);
        }
        let controller = self.at("reportingController");
        controller.must_be_given();
        controller.well_formed(names::qualified_name);
        for field in ["reportingInstance", "action", "reason"].map(|field| self.at(field)) {
            field.must_be_given();
            at_most(&field, NAME_LEN_MAX);
        }
        at_most(&self.at("message"), NOTE_LEN_MAX);
    }

    fn create(&self) {
        self.series();
        self.at("eventTime").must_be_given();
        let kind = self.at("type");
        if !["Normal", "Warning"].contains(&kind.text()) {
            kind.invalid_as("", format!("has invalid value: {}", kind.text()));
        }
        for field in ["firstTimestamp", "lastTimestamp", "count"] {
            if !self.at(field).is_empty() {
                self.at(field).invalid_as("", UNSET);
            }
        }
        let source = self.at("source");
        if ["component", "host"].iter().any(|field| !source.at(field).is_empty()) {
            source.invalid_as("", UNSET);
        }
    }

    fn update(&self, old: &Value) {
        if !super::field::same(self.at("series").value, value(old, "series")) {
            self.series();
        }
        FIXED.iter().for_each(|field| self.at(field).immutable(value(old, field)));
    }

    /// That it happened again, and when last.
    fn series(&self) {
        let series = self.at("series");
        if !series.is_some() {
            return;
        }
        if series.at("count").number() < 2 {
            series.at("count").invalid_as("", "should be at least 2");
        }
        series.at("lastObservedTime").must_be_given();
    }
}

fn at_most(field: &Field<'_>, max: usize) {
    if field.text().len() > max {
        field.invalid_as("", format!("can have at most {max} characters"));
    }
}
