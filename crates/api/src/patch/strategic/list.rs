//! Merging lists: objects by their merge key, scalars as a set.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::directive::{self, Directive, MARKER};
use super::order::{self, Positions, identity};
use super::{Field, Object, StrategicError, merge_object, text};
use crate::schema::{ListPatch, TypeSchema};

/// Merges every list whose order the patch gives in `$setElementOrder/…`, and takes both out
/// of the patch.
pub(super) fn merge_ordered(
    original: &mut Object,
    patch: &mut Object,
    schema: Option<&TypeSchema>,
) -> Result<(), StrategicError> {
    let mut fields = Vec::new();
    for key in patch.keys() {
        if let Some(field) = directive::set_element_order(key)? {
            fields.push((key.clone(), field.to_owned()));
        }
    }
    for (key, name) in fields {
        let order = list(patch.remove(&key))?.unwrap_or_default();
        let field = Field::lookup(schema, &name)?;
        let items = list(patch.remove(&name))?;
        let current = list(original.remove(&name))?;
        if let Some(merged) = field.merge_in_order(current, items, &order)? {
            original.insert(name, Value::Array(merged));
        }
    }
    Ok(())
}

fn list(value: Option<Value>) -> Result<Option<Vec<Value>>, StrategicError> {
    match value {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(other) => Err(StrategicError::not_a_list(&other)),
    }
}

impl Field<'_> {
    /// `None` where neither has the list.
    fn merge_in_order(
        &self,
        current: Option<Vec<Value>>,
        items: Option<Vec<Value>>,
        order: &[Value],
    ) -> Result<Option<Vec<Value>>, StrategicError> {
        let key = self.merge_key();
        order::check(items.as_deref().unwrap_or_default(), order, key)?;
        let live = live_order(
            current.as_deref().unwrap_or_default(),
            items.as_deref().unwrap_or_default(),
            key,
        )?;
        let merged = match (current, items) {
            (None, None) => return Ok(None),
            (Some(current), None) => current,
            (None, Some(items)) => items.into_iter().filter_map(directive::clean).collect(),
            (Some(current), Some(items)) => self.merge(current, items)?,
        };
        order::arrange(merged, &Positions::of(order, key)?, &live, key).map(Some)
    }

    /// Merges a list that patch and object both have.
    pub(super) fn merge(
        &self,
        current: Vec<Value>,
        patch: Vec<Value>,
    ) -> Result<Vec<Value>, StrategicError> {
        if *self.list == ListPatch::Replace {
            return Ok(patch.into_iter().filter_map(directive::clean).collect());
        }
        match (element_type(&current, &patch)?, self.merge_key()) {
            (None, _) => Ok(current),
            (Some("map[string]interface {}"), Some(key)) => self.merge_objects(current, patch, key),
            (Some("map[string]interface {}"), None) => Err(StrategicError::Keyless("string")),
            (Some(_), key) => merge_scalars(current, patch, key),
        }
    }

    /// Takes the patch's scalars out of a list.
    pub(super) fn delete(
        &self,
        current: Vec<Value>,
        patch: Vec<Value>,
    ) -> Result<Vec<Value>, StrategicError> {
        if *self.list == ListPatch::Replace {
            return Ok(patch);
        }
        let deleted: HashSet<String> = patch.iter().map(Value::to_string).collect();
        Ok(current.into_iter().filter(|item| !deleted.contains(&item.to_string())).collect())
    }

    fn merge_objects(
        &self,
        current: Vec<Value>,
        patch: Vec<Value>,
        key: &str,
    ) -> Result<Vec<Value>, StrategicError> {
        let (current, patch) = follow_directives(current, patch, key)?;
        let live = Positions::of(&current, Some(key))?;
        let named = Positions::of(&patch, Some(key))?;
        let merged = self.merge_items(current, patch, key)?;
        order::arrange(merged, &named, &live, Some(key))
    }

    /// Merges each item into the first of its key, or puts it behind all others.
    fn merge_items(
        &self,
        current: Vec<Value>,
        patch: Vec<Value>,
        key: &str,
    ) -> Result<Vec<Value>, StrategicError> {
        let mut index: HashMap<String, usize> = HashMap::new();
        let mut merged = current;
        for (position, item) in merged.iter().enumerate() {
            index.entry(identity(item, Some(key))?).or_insert(position);
        }
        for item in patch {
            let identity = identity(&item, Some(key))?;
            match index.get(&identity) {
                Some(&position) => {
                    let (Value::Object(old), Value::Object(new)) = (merged[position].take(), item)
                    else {
                        unreachable!("identity refuses what is no object");
                    };
                    merged[position] = Value::Object(merge_object(old, new, self.items())?);
                }
                None => {
                    index.insert(identity, merged.len());
                    merged.extend(directive::clean(item));
                }
            }
        }
        Ok(merged)
    }
}

/// The order of the object's items, by which those that the patch does not name find their
/// place. Upstream's lists share their memory, so that added items come to stand in the room
/// that deleted ones left; the order clients see depends on it.
fn live_order(
    current: &[Value],
    patch: &[Value],
    key: Option<&str>,
) -> Result<Positions, StrategicError> {
    if key.is_none() || !patch.iter().any(directive::is_deletion) {
        return Positions::of(current, key);
    }
    let identities = |items: &[&Value]| -> Result<HashSet<String>, StrategicError> {
        items.iter().map(|item| identity(item, key)).collect()
    };
    let (deletions, others): (Vec<_>, Vec<_>) =
        patch.iter().partition(|item| directive::is_deletion(item));
    let deleted = identities(&deletions)?;
    let mut left = Vec::with_capacity(current.len());
    for item in current {
        if !deleted.contains(&identity(item, key)?) {
            left.push(item);
        }
    }
    let room = current.len() - left.len();
    let known = identities(&left)?;
    let mut added = Vec::new();
    for item in others.into_iter().filter(|item| item.get(MARKER).is_none()) {
        if added.len() < room && !known.contains(&identity(item, key)?) {
            added.push(item);
        }
    }
    Positions::of(left.into_iter().chain(added), key)
}

/// Deletes what the patch deletes, drops all where it replaces, and takes those items out of it.
fn follow_directives(
    mut current: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
    let (mut plain, mut deleted, mut replace) = (Vec::new(), HashSet::new(), false);
    for item in patch {
        let Some(marker) = item.get(MARKER) else {
            plain.push(item);
            continue;
        };
        match Directive::of(marker) {
            Some(Directive::Delete) => _ = deleted.insert(identity(&item, Some(key))?),
            Some(Directive::Replace) => replace = true,
            Some(Directive::Merge) => return Err(StrategicError::MergeInList),
            None => {
                let fields = item.as_object().expect("only objects have fields");
                return Err(StrategicError::unknown_directive(marker, fields));
            }
        }
    }
    if replace {
        let plain = plain.into_iter().filter_map(directive::clean).collect();
        return Ok((plain, Vec::new()));
    }
    if !deleted.is_empty() {
        let mut kept = Vec::with_capacity(current.len());
        for item in current {
            if !deleted.contains(&identity(&item, Some(key))?) {
                kept.push(item);
            }
        }
        current = kept;
    }
    Ok((current, plain))
}

/// The union, each value once.
fn merge_scalars(
    current: Vec<Value>,
    patch: Vec<Value>,
    key: Option<&str>,
) -> Result<Vec<Value>, StrategicError> {
    let live = Positions::of(&current, key)?;
    let named = Positions::of(&patch, key)?;
    let mut seen = HashSet::new();
    let both = current.into_iter().chain(patch);
    let merged = both.filter(|item| seen.insert(item.to_string())).collect();
    order::arrange(merged, &named, &live, key)
}

/// The Go type of all items, which must be one; `None` where there are none.
fn element_type(
    current: &[Value],
    patch: &[Value],
) -> Result<Option<&'static str>, StrategicError> {
    let mut types = current.iter().chain(patch).map(text::type_of);
    let Some(first) = types.next() else { return Ok(None) };
    if first == "[]interface {}" {
        return Err(StrategicError::ListOfLists);
    }
    if types.any(|other| other != first) {
        let both = format!("[{} {}]", text::values(current), text::values(patch));
        return Err(StrategicError::MixedList(both));
    }
    Ok(Some(first))
}
