//! FlowSchemas and PriorityLevelConfigurations.

use serde_json::Value;

use super::{Column, age_of, integer, list, name, or, or_none, text};
use crate::object::{meta, text as at};

pub(crate) const FLOW_SCHEMA: &[Column] = &[
    name(),
    text("PriorityLevel"),
    text("MatchingPrecedence"),
    text("DistinguisherMethod"),
    text("Age"),
    text("MissingPL"),
];

pub(crate) fn flow_schema(object: &Value) -> Vec<Value> {
    let dangling = list(object, "/status/conditions").iter().find(|c| c["type"] == "Dangling");
    vec![
        meta(object, "name").into(),
        at(object, "/spec/priorityLevelConfiguration/name").into(),
        integer(object, "/spec/matchingPrecedence").into(),
        or_none(at(object, "/spec/distinguisherMethod/type")),
        age_of(object),
        or(dangling.map_or("", |condition| at(condition, "/status")), "?"),
    ]
}

/// In a list they stand as they are tried: by precedence, then by name.
pub(crate) fn flow_schema_order(object: &Value) -> (i64, String) {
    (integer(object, "/spec/matchingPrecedence"), meta(object, "name").to_owned())
}

pub(crate) const PRIORITY_LEVEL: &[Column] = &[
    name(),
    text("Type"),
    text("NominalConcurrencyShares"),
    text("Queues"),
    text("HandSize"),
    text("QueueLengthLimit"),
    text("Age"),
];

pub(crate) fn priority_level(object: &Value) -> Vec<Value> {
    let limited = &object["spec"]["limited"];
    let queuing = &limited["limitResponse"]["queuing"];
    let shown = |value: &Value| match value {
        Value::Null => "<none>".into(),
        value => value.clone(),
    };
    vec![
        meta(object, "name").into(),
        at(object, "/spec/type").into(),
        shown(&limited["nominalConcurrencyShares"]),
        shown(&queuing["queues"]),
        shown(&queuing["handSize"]),
        shown(&queuing["queueLengthLimit"]),
        age_of(object),
    ]
}
