//! The order of a merged list: what the patch names in the patch's order, the rest in the
//! object's, the two interleaved as the object had them.

use std::collections::HashMap;

use serde_json::Value;

use super::{StrategicError, directive, text};

/// What tells one item from another, as text: the merge key's value, or the scalar itself.
pub(super) fn identity(item: &Value, key: Option<&str>) -> Result<String, StrategicError> {
    let Some(key) = key else { return Ok(item.to_string()) };
    let fields = item.as_object().ok_or_else(|| StrategicError::not_an_object(item))?;
    match fields.get(key) {
        Some(value) => Ok(value.to_string()),
        None => Err(StrategicError::no_merge_key(fields, key)),
    }
}

/// Where each identity stands first.
#[derive(Debug)]
pub(super) struct Positions(HashMap<String, usize>);

impl Positions {
    pub(super) fn of<'v>(
        items: impl IntoIterator<Item = &'v Value>,
        key: Option<&str>,
    ) -> Result<Self, StrategicError> {
        let mut positions = HashMap::new();
        for (index, item) in items.into_iter().enumerate() {
            positions.entry(identity(item, key)?).or_insert(index);
        }
        Ok(Self(positions))
    }

    fn get(&self, identity: &str) -> Option<usize> {
        self.0.get(identity).copied()
    }
}

/// One item on its way into the result.
struct Placed {
    item: Value,
    /// Where the list that orders its side has it.
    rank: usize,
    /// Where the object has it.
    live: Option<usize>,
}

/// Orders `merged`: items in `patch` by that, the others by `live`.
pub(super) fn arrange(
    merged: Vec<Value>,
    patch: &Positions,
    live: &Positions,
    key: Option<&str>,
) -> Result<Vec<Value>, StrategicError> {
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for item in merged {
        let identity = identity(&item, key)?;
        let live = live.get(&identity);
        match patch.get(&identity) {
            Some(rank) => named.push(Placed { item, rank, live }),
            None => others.push(Placed { item, rank: live.unwrap_or(usize::MAX), live }),
        }
    }
    named.sort_by_key(|placed| placed.rank);
    others.sort_by_key(|placed| placed.rank);
    Ok(interleave(others, named))
}

/// Puts each of `others` before the first of `named` that the object had behind it.
fn interleave(others: Vec<Placed>, named: Vec<Placed>) -> Vec<Value> {
    let mut result = Vec::with_capacity(others.len() + named.len());
    let mut others = others.into_iter().peekable();
    for placed in named {
        let before = |other: &Placed| match (other.live, placed.live) {
            (Some(other), Some(live)) => other < live,
            _ => false,
        };
        while let Some(other) = others.next_if(before) {
            result.push(other.item);
        }
        result.push(placed.item);
    }
    result.extend(others.map(|other| other.item));
    result
}

/// Are the patch's items in the order the patch itself asks for, and all named by it? Items to
/// be deleted need not be; other directives are only passed over while the order goes on.
pub(super) fn check(
    patch: &[Value],
    order: &[Value],
    key: Option<&str>,
) -> Result<(), StrategicError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    if key.is_some()
        && let Some(item) = patch.iter().find(|item| !item.is_object())
    {
        return Err(StrategicError::not_an_object(item));
    }
    let mut items = patch.iter().filter(|item| !directive::is_deletion(item)).peekable();
    let mut wanted = order.iter().peekable();
    while let (Some(item), Some(next)) = (items.peek(), wanted.peek()) {
        if item.get(directive::MARKER).is_some() {
            items.next();
            continue;
        }
        if identity(item, key)? == identity(next, key)? {
            items.next();
        }
        wanted.next();
    }
    match items.peek() {
        None => Ok(()),
        Some(_) => {
            Err(StrategicError::Order { patch: text::values(patch), order: text::values(order) })
        }
    }
}
