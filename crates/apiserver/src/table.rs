//! Objects as rows: what `kubectl get` prints.

pub(crate) mod address;
pub(crate) mod admission;
mod age;
pub(crate) mod autoscaling;
pub(crate) mod batch;
pub(crate) mod certificates;
pub(crate) mod cluster;
mod descriptions;
pub(crate) mod device;
pub(crate) mod flowcontrol;
pub(crate) mod network;
pub(crate) mod pod;
pub(crate) mod policy;
pub(crate) mod rbac;
pub(crate) mod storage;
pub(crate) mod workload;

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::kinds::Kind;
use crate::options::IncludeObject;

pub(crate) use self::age::since;

/// A column of a kind's table.
#[derive(Clone)]
pub(crate) struct Column {
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: Cow<'static, str>,
    pub(crate) format: Cow<'static, str>,
    pub(crate) description: Cow<'static, str>,
    /// 0 is always shown, 1 with `-o wide`.
    pub(crate) priority: u8,
}

impl Column {
    const fn new(name: &'static str, kind: &'static str, format: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            kind: Cow::Borrowed(kind),
            format: Cow::Borrowed(format),
            description: Cow::Borrowed(""),
            priority: 0,
        }
    }
}

pub(crate) const fn name() -> Column {
    named("Name")
}

/// A column that tells what something is called.
pub(crate) const fn named(name: &'static str) -> Column {
    Column::new(name, "string", "name")
}

pub(crate) const fn text(name: &'static str) -> Column {
    Column::new(name, "string", "")
}

pub(crate) const fn number(name: &'static str) -> Column {
    Column::new(name, "integer", "")
}

pub(crate) const fn boolean(name: &'static str) -> Column {
    Column::new(name, "boolean", "")
}

/// A time, which clients show as an age.
pub(crate) const fn date(name: &'static str) -> Column {
    Column::new(name, "date", "")
}

pub(crate) const fn wide(name: &'static str) -> Column {
    only_wide(text(name))
}

/// A column of `-o wide` only.
pub(crate) const fn only_wide(mut column: Column) -> Column {
    column.priority = 1;
    column
}

/// The columns of a Table, and whose they are.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// The built-in kind, whose columns are described in one place. Empty: they say it themselves.
    pub(crate) of: &'a str,
    pub(crate) columns: &'a [Column],
}

impl Shown<'_> {
    /// The Table's column definitions.
    fn definitions(self) -> Value {
        let definition = |column: &Column| {
            json!({
                "name": column.name,
                "type": column.kind,
                "format": column.format,
                "description": self.description(column),
                "priority": column.priority,
            })
        };
        self.columns.iter().map(definition).collect()
    }

    fn description<'c>(&self, column: &'c Column) -> &'c str {
        if self.of.is_empty() {
            return &column.description;
        }
        descriptions::of(self.of, &column.name)
    }
}

/// What rows are sorted by, where they are not in the order of their names.
pub(crate) type Order = fn(&Value) -> (i64, String);

/// The order of a kind's rows.
pub(crate) fn order(kind: &Kind) -> Option<Order> {
    let is_flow_schema = kind.custom.is_none() && kind.kind == "FlowSchema";
    is_flow_schema.then_some(flowcontrol::flow_schema_order as Order)
}

/// What a column that every kind may have says of itself.
pub(crate) fn described(column: &str) -> &'static str {
    descriptions::of("", column)
}

/// One row. `object` is in its served form.
pub(crate) fn row(kind: &Kind, object: Value, include: IncludeObject) -> Value {
    let finished = (kind.group.is_empty() && kind.kind == "Pod").then(|| pod::finished(&object));
    let mut row = row_of(kind.cells(&object), object, include);
    if let Some(conditions) = finished.flatten() {
        row["conditions"] = conditions;
    }
    row
}

/// A row of these cells.
pub(crate) fn row_of(cells: Vec<Value>, object: Value, include: IncludeObject) -> Value {
    let mut row = json!({ "cells": cells });
    match include {
        IncludeObject::None => {}
        IncludeObject::Metadata => row["object"] = partial(object),
        IncludeObject::Object => row["object"] = object,
    }
    row
}

/// A Table around rows. Without columns it is one that follows others of a watch.
pub(crate) fn table(shown: Option<Shown<'_>>, metadata: Value, rows: Vec<Value>) -> Value {
    let mut table = without_rows(shown, metadata);
    table["rows"] = Value::Array(rows);
    table
}

/// What stands around the rows of a Table.
pub(crate) fn without_rows(shown: Option<Shown<'_>>, metadata: Value) -> Value {
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": shown.map(Shown::definitions),
    })
}

/// Only the metadata of an object.
pub(crate) fn partial(mut object: Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"].take(),
    })
}

/// A text field, or `<none>`.
pub(crate) fn or_none(text: &str) -> Value {
    or(text, "<none>")
}

pub(crate) fn or(text: &str, otherwise: &str) -> Value {
    if text.is_empty() { otherwise.into() } else { text.into() }
}

/// The list at a pointer, or nothing.
pub(crate) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The whole number at a pointer, or 0.
pub(crate) fn integer(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// A quantity in its canonical form; 0 where there is none.
pub(crate) fn quantity(value: &Value) -> String {
    match api::Quantity::from_value(value) {
        Ok(amount) => amount.to_string(),
        Err(_) => value.as_str().unwrap_or("0").to_owned(),
    }
}

/// How long ago the object was made.
pub(crate) fn age_of(object: &Value) -> Value {
    since(crate::object::meta(object, "creationTimestamp")).into()
}

/// `a=b,c=d`, or `<none>`.
pub(crate) fn labels(object: Option<&Value>) -> Value {
    let mut pairs: Vec<(&String, &Value)> =
        object.and_then(Value::as_object).into_iter().flatten().collect();
    pairs.sort_by_key(|(key, _)| *key);
    let pairs = pairs.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")));
    or_none(&pairs.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests;
