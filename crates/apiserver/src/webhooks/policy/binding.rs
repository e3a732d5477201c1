//! A binding: where a policy is in force, with which parameters, and what comes of a violation.

use serde_json::Value;

use super::super::matching::Matching;
use crate::object::meta;
use crate::table::list;

/// A binding of a policy.
pub(super) struct Binding {
    pub(super) name: String,
    pub(super) matching: Matching,
    /// Null for none.
    pub(super) param_ref: Value,
    pub(super) denies: bool,
    pub(super) warns: bool,
    pub(super) audits: bool,
    /// The three of them as they were written.
    pub(super) actions: Value,
}

impl Binding {
    pub(super) fn read(object: &Value) -> Self {
        let spec = &object["spec"];
        let does = |action: &str| list(spec, "/validationActions").iter().any(|a| a == action);
        Self {
            name: meta(object, "name").to_owned(),
            matching: Matching::of_resources(&spec["matchResources"]),
            param_ref: spec["paramRef"].clone(),
            denies: does("Deny"),
            warns: does("Warn"),
            audits: does("Audit"),
            actions: spec["validationActions"].clone(),
        }
    }
}
