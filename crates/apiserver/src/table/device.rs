//! Dynamic resource allocation: claims and slices of devices.

use serde_json::Value;

use super::{Column, age_of, list, name, text};
use crate::object::{meta, text as at};

pub(crate) const CLAIM: &[Column] = &[name(), text("State"), text("Age")];

pub(crate) fn claim(object: &Value) -> Vec<Value> {
    let deleted = !meta(object, "deletionTimestamp").is_empty();
    let allocated = object["status"]["allocation"].is_object();
    let states = [
        (deleted, "deleted"),
        (!deleted && !allocated, "pending"),
        (allocated, "allocated"),
        (allocated && !list(object, "/status/reservedFor").is_empty(), "reserved"),
    ];
    let states = states.into_iter().filter(|state| state.0).map(|state| state.1);
    let state = states.collect::<Vec<_>>().join(",");
    vec![meta(object, "name").into(), state.into(), age_of(object)]
}

pub(crate) const SLICE: &[Column] =
    &[name(), text("Node"), text("Driver"), text("Pool"), text("Age")];

pub(crate) fn slice(object: &Value) -> Vec<Value> {
    vec![
        meta(object, "name").into(),
        at(object, "/spec/nodeName").into(),
        at(object, "/spec/driver").into(),
        at(object, "/spec/pool/name").into(),
        age_of(object),
    ]
}
