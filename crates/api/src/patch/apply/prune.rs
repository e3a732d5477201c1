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
    let named = |set: &FieldSet| set.with_named_parents(Some(schema));
    let owned = managed.values().fold(FieldSet::default(), |all, entry| all.union(&entry.set));
    let (last, owned) = (named(last), named(&owned));
    if last.difference(&owned).is_empty() {
        return merged;
    }
    let without = |set: &FieldSet| remove(Some(schema), &merged, set).unwrap_or(Value::Null);
    let fields = |value: &Value| named(&fields_of(Some(schema), value));
    let all = fields(&merged);
    // Drop all that was applied before, take back what is owned, …
    let kept = fields(&without(&last)).union(&owned);
    // … and then what this manager never applied.
    let kept = fields(&without(&all.difference(&kept)));
    without(&all.difference(&kept).intersection(&last))
}
