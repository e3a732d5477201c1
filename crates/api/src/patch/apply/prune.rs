//! Taking away what a manager applied before and now applies no more.

use serde_json::Value;

use super::collect::fields_of;
use super::managed::Managed;
use super::remove::remove;
use super::set::FieldSet;
use crate::schema::TypeSchema;

/// `merged` without the fields of `last` (what this manager applied before) that nobody in
/// `managed` (this manager's new fields included) owns. What nobody ever owned goes only
/// together with the struct or item it is in.
pub(super) fn prune(
    schema: &TypeSchema,
    merged: Value,
    last: &FieldSet,
    managed: &Managed,
) -> Value {
    // Mostly a manager states what it stated before.
    if managed.values().any(|entry| last.is_subset(&entry.set)) {
        return merged;
    }
    let named = |set: FieldSet| set.with_named_parents(Some(schema));
    let owned =
        managed.values().fold(FieldSet::default(), |all, entry| all.union(entry.set.clone()));
    let (last, owned) = (named(last.clone()), named(owned));
    if last.is_subset(&owned) {
        return merged;
    }
    let without = |set: &FieldSet| remove(Some(schema), &merged, set).unwrap_or(Value::Null);
    let fields = |value: &Value| named(fields_of(Some(schema), value));
    let all = fields(&merged);
    // Drop all that was applied before, take back what is owned, …
    let kept = fields(&without(&last)).union(owned);
    // … and then what this manager never applied.
    let kept = fields(&without(&all.clone().difference(&kept)));
    without(&all.difference(&kept).intersection(&last))
}
