//! What every kind shows, state by state. Expectations are upstream's.

mod cluster;
mod network;
mod pods;
mod storage;
mod workload;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Column, descriptions};
use crate::kinds;

/// So long ago was everything made that does not say when.
const AGE: SignedDuration = SignedDuration::from_hours(72);

/// A time before now.
fn ago(seconds: i64) -> String {
    (Timestamp::now() - SignedDuration::from_secs(seconds)).to_string()
}

/// The cells of an object of a kind; `AGE` stands for how long ago it was made.
#[track_caller]
fn check(kind: &str, mut object: Value, expected: Value) {
    let kind = kinds::built_in().find(|known| known.kind == kind).expect("a kind of ours");
    if object["metadata"]["name"].is_null() {
        object["metadata"]["name"] = "x".into();
    }
    object["metadata"]["creationTimestamp"] = (Timestamp::now() - AGE).to_string().into();
    let cells = kind.cells(&object);
    assert_eq!(cells.len(), kind.columns.len(), "{}: a cell for each column", kind.kind);
    assert_eq!(Value::Array(cells), expected, "{}", kind.kind);
}

/// Age of what [`check`] shows.
const OLD: &str = "3d";

#[test]
fn every_column_of_a_built_in_kind_is_described() {
    for kind in kinds::built_in() {
        for column in kind.columns.iter() {
            let text = descriptions::of(&kind.kind, &column.name);
            // Upstream looks for this one where it is not.
            assert!(!text.is_empty() || column.name == "Handler", "{} {}", kind.kind, column.name);
        }
    }
}

/// Name, type and format of a kind's columns; those of `-o wide` have a `+`.
#[track_caller]
fn check_columns(kind: &str, expected: &str) {
    let kind = kinds::built_in().find(|known| known.kind == kind).expect("a kind of ours");
    let column = |column: &Column| {
        let wide = if column.priority == 1 { "+" } else { "" };
        let format = if column.format.is_empty() { "" } else { "/" };
        format!("{wide}{}:{}{format}{}", column.name, column.kind, column.format)
    };
    let shown: Vec<String> = kind.columns.iter().map(column).collect();
    assert_eq!(shown.join(" "), expected);
}

#[test]
fn types_of_columns_are_upstreams_where_the_cells_are_numbers_too() {
    let template = "+Containers:string +Images:string";
    check_columns("ConfigMap", "Name:string/name Data:string Age:string");
    check_columns("Secret", "Name:string/name Type:string Data:string Age:string");
    check_columns("ServiceAccount", "Name:string/name Age:string");
    check_columns(
        "Deployment",
        &format!(
            "Name:string/name Ready:string Up-to-date:string Available:string Age:string {template} +Selector:string"
        ),
    );
    check_columns(
        "ReplicaSet",
        &format!(
            "Name:string/name Desired:integer Current:integer Ready:integer Age:string {template} +Selector:string"
        ),
    );
    check_columns("StatefulSet", &format!("Name:string/name Ready:string Age:string {template}"));
    check_columns(
        "CronJob",
        &format!(
            "Name:string/name Schedule:string Timezone:string Suspend:boolean Active:integer Last Schedule:string Age:string {template} +Selector:string"
        ),
    );
    check_columns(
        "PriorityClass",
        "Name:string/name Value:integer Global-Default:boolean Age:string PreemptionPolicy:string",
    );
    check_columns("Role", "Name:string/name Created At:date");
    check_columns("CustomResourceDefinition", "Name:string/name Created At:date");
    check_columns("IPAddress", "Name:string/name ParentRef:string");
    check_columns(
        "Event",
        "Last Seen:string Type:string Reason:string Object:string +Subobject:string +Source:string Message:string +First Seen:string +Count:string +Name:string/name",
    );
    check_columns(
        "VolumeAttachment",
        "Name:string/name Attacher:string/name PV:string Node:string Attached:boolean Age:string",
    );
}

/// A workload's template, with one container.
fn template() -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
        {"name": "a", "image": "one:1"}, {"name": "b", "image": "two:2"}]}})
}

/// What a template shows.
const CONTAINERS: [&str; 2] = ["a,b", "one:1,two:2"];
