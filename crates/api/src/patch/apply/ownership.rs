//! Who owns what after a write.

use std::sync::LazyLock;

use serde_json::Value;

use super::Write;
use super::compare::{Comparison, is_builtin};
use super::conflict::Conflicts;
use super::managed::{self, Entry, Identity, Managed, Operation};
use super::path::PathElement;
use super::set::FieldSet;

/// The entry that a write is recorded in.
pub(super) fn identity(write: &Write<'_>, operation: Operation) -> Identity {
    let manager = if write.manager.is_empty() { "unknown" } else { write.manager };
    Identity {
        manager: manager.to_owned(),
        operation,
        api_version: match operation {
            Operation::Apply => String::new(),
            Operation::Update => write.gvk.api_version(),
        },
        subresource: write.subresource.to_owned(),
    }
}

/// Records that `write` changed `old` into `new`.
pub(super) fn record_update(write: &Write<'_>, old: &Value, new: &Value, managed: &mut Managed) {
    let comparison = Comparison::of(write.schema, old, new).without(&ignored(write));
    let conflicts = conflicts(managed, None, &comparison.changed);
    take(managed, conflicts, &comparison.removed);
    let changed = comparison.changed.difference(&UNOWNED);
    if !changed.is_empty() {
        let me = identity(write, Operation::Update);
        let own = managed.remove(&me).map(|own| own.set).unwrap_or_default();
        let entry = Entry {
            set: own.union(changed),
            api_version: write.gvk.api_version(),
            time: Some(write.now.to_owned()),
        };
        managed.insert(me, entry);
    }
    managed::cap_update_managers(managed);
}

/// Gives what changed to the applier `me`, if it may have it, and takes it from all others.
pub(super) fn take_over(
    managed: &mut Managed,
    me: &Identity,
    comparison: &Comparison,
    force: bool,
) -> Result<(), Conflicts> {
    let conflicts = conflicts(managed, Some(me), &comparison.changed);
    if !force && let Some(conflicts) = Conflicts::of(conflicts.clone()) {
        return Err(conflicts);
    }
    let own = managed.remove(me);
    take(managed, conflicts, &comparison.removed);
    let own = own.filter(|own| !own.set.is_empty());
    managed.extend(own.map(|own| (me.clone(), own)));
    Ok(())
}

/// What each manager but `me` owns of what changed.
fn conflicts(
    managed: &Managed,
    me: Option<&Identity>,
    changed: &FieldSet,
) -> Vec<(Identity, FieldSet)> {
    let others = managed.iter().filter(|(identity, _)| Some(*identity) != me);
    let conflicts =
        others.map(|(identity, entry)| (identity.clone(), entry.set.intersection(changed)));
    conflicts.filter(|(_, set)| !set.is_empty()).collect()
}

/// Takes what changed and what is gone from the managers; who owns nothing is forgotten.
fn take(managed: &mut Managed, changed: Vec<(Identity, FieldSet)>, removed: &FieldSet) {
    for (identity, set) in changed {
        if let Some(entry) = managed.get_mut(&identity) {
            entry.set = std::mem::take(&mut entry.set).difference(&set);
        }
    }
    for entry in managed.values_mut() {
        entry.set = std::mem::take(&mut entry.set).difference(removed);
    }
    managed.retain(|_, entry| !entry.set.is_empty());
}

/// Takes from the applier `me` the fields that nobody can own.
pub(super) fn strip(managed: &mut Managed, me: &Identity) {
    if let Some(mut entry) = managed.remove(me) {
        entry.set = entry.set.difference(&UNOWNED);
        if !entry.set.is_empty() {
            managed.insert(me.clone(), entry);
        }
    }
}

/// Sets the time of the applier's entry, if anything changed.
pub(super) fn stamp(write: &Write<'_>, managed: &mut Managed, before: &Managed, changed: bool) {
    let me = identity(write, Operation::Apply);
    if let Some(entry) = managed.get_mut(&me)
        && (changed || before.get(&me) != Some(entry))
    {
        entry.time = Some(write.now.to_owned());
    }
}

/// What of the metadata is identity or bookkeeping: never anybody's.
pub(super) const UNOWNED_METADATA: [&str; 9] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

static UNOWNED: LazyLock<FieldSet> = LazyLock::new(|| {
    let mut set = FieldSet::of_fields(&[&["apiVersion"], &["kind"], &["metadata"]]);
    for name in UNOWNED_METADATA {
        set.insert(&[PathElement::field("metadata"), PathElement::field(name)]);
    }
    set
});

/// What this write cannot change, whatever it says: a built-in object's status through the
/// object itself, anything but the status through `/status`.
pub(super) fn ignored(write: &Write<'_>) -> FieldSet {
    let builtin = is_builtin(write.schema);
    match write.subresource {
        "" if builtin => FieldSet::of_fields(&[&["status"]]),
        "status" if builtin => FieldSet::of_fields(&[&["spec"], &["metadata", "labels"]]),
        "status" => FieldSet::of_fields(&[&["spec"]]),
        _ => FieldSet::default(),
    }
}

/// Takes `metadata.managedFields` out of an object.
pub(super) fn detach(object: &mut Value) -> Option<Value> {
    object.get_mut("metadata")?.as_object_mut()?.remove("managedFields")
}

/// `metadata.managedFields` of an object.
pub(super) fn of_object(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get("managedFields")
}

/// A copy of an object without its `metadata.managedFields`.
pub(super) fn without_managed_fields(object: &Value) -> Value {
    let Value::Object(fields) = object else { return object.clone() };
    let copied = fields.iter().map(|(name, value)| match (name.as_str(), value) {
        ("metadata", Value::Object(metadata)) => {
            let kept = metadata.iter().filter(|(name, _)| *name != "managedFields");
            let kept = kept.map(|(name, value)| (name.clone(), value.clone()));
            (name.clone(), Value::Object(kept.collect()))
        }
        _ => (name.clone(), value.clone()),
    });
    Value::Object(copied.collect())
}

/// Puts the entries into an object that has none. Where they say what was `stored`, they are
/// written as they were, so that nothing changes.
pub(super) fn attach(
    object: &mut Value,
    managed: &Managed,
    (value, stored): (Option<&Value>, Option<&Managed>),
) {
    let same = stored == Some(managed);
    let entries = if same { value.cloned() } else { managed::encode(managed) };
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    if let (Some(metadata), Some(entries)) = (metadata, entries) {
        metadata.insert("managedFields".to_owned(), entries);
    }
}
