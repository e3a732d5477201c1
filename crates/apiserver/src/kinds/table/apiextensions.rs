//! apiextensions.k8s.io

use serde_json::Value;

use super::PLAIN;
use crate::custom;
use crate::kinds::Entry;
use crate::kinds::Subresource::Status;
use crate::object::meta;
use crate::strategy;
use crate::table::{self, Column};

pub(super) const APIEXTENSIONS: &[Entry] = &[Entry {
    group: "apiextensions.k8s.io",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    singular: "customresourcedefinition",
    short_names: &["crd", "crds"],
    categories: &["api-extensions"],
    namespaced: false,
    storage: custom::STORAGE,
    subresources: &[Status],
    strategy: strategy::DEFINITION,
    columns: COLUMNS,
    row,
    ..PLAIN
}];

const COLUMNS: &[Column] = &[table::name(), table::date("Created At")];

fn row(object: &Value) -> Vec<Value> {
    vec![meta(object, "name").into(), meta(object, "creationTimestamp").into()]
}
