//! PriorityClasses.

use serde_json::{Value, json};

use super::field::{Field, same};

/// The highest that is not the cluster's own.
const USER_MAX: i64 = 1_000_000_000;
/// Names that begin so are the cluster's own.
const SYSTEM_PREFIX: &str = "system-";
/// The cluster's own classes.
const SYSTEM: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];
const POLICIES: [&str; 2] = ["PreemptLowerPriority", "Never"];

pub(super) fn check(class: &Field<'_>) {
    let (name, value) = (class.at("metadata").at("name"), class.at("value"));
    if name.text().starts_with(SYSTEM_PREFIX) {
        let known = SYSTEM.contains(&(name.text(), value.number()));
        if !known || class.at("globalDefault").flag() {
            name.forbidden(
                "priority class names with 'system-' prefix are reserved for system use only",
            );
        }
    } else if value.number() > USER_MAX {
        value.forbidden(format!("maximum allowed value of a user defined priority is {USER_MAX}"));
    }
    let policy = class.at("preemptionPolicy");
    if policy.is_some() {
        policy.one_of(&POLICIES);
    }
}

/// Pods have copied these.
pub(super) fn update(class: &Field<'_>, old: &Value) {
    let was = |field: &str| old.get(field).unwrap_or(&Value::Null);
    let value = class.at("value");
    if !same(&json!(value.number()), was("value")) {
        value.forbidden("may not be changed in an update.");
    }
    class.at("preemptionPolicy").immutable(was("preemptionPolicy"));
}
