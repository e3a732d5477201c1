//! The definitions in the store and the snapshot of kinds, kept in step.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use store::Range;
use tokio::sync::Notify;

use super::{Custom, STORAGE, is_deleting, is_true, kind};
use crate::kinds::{Kind, Served};
use crate::object;
use crate::registry::{PREFIX, Registry};

/// What is known of the definitions between two writes.
#[derive(Default)]
pub(crate) struct Definitions {
    /// By name: what their kinds were made from, and the kinds. Locked while kinds change.
    made: Mutex<BTreeMap<String, Made>>,
    /// Told after every change.
    pub(crate) changed: Arc<Notify>,
}

struct Made {
    from: Value,
    kinds: Vec<Arc<Kind>>,
}

impl Registry {
    /// Every definition there is.
    pub(crate) fn all_definitions(&self) -> Vec<Value> {
        let range = Range::prefix(format!("{PREFIX}{STORAGE}/"));
        let Ok(reply) = self.store.range(&range, None, 0) else { return Vec::new() };
        // What cannot be read is reported when it is asked for.
        reply.entries.iter().filter_map(|kv| object::decode(kv).ok()).collect()
    }

    /// Serves what the definitions in the store say. Watches of kinds that are no more end.
    pub(crate) fn follow_definitions(&self) {
        let mut made = self.definitions.made.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *made);
        for definition in self.all_definitions() {
            if !is_true(&definition, "Established") {
                continue;
            }
            let name = object::meta(&definition, "name").to_owned();
            let from = fingerprint(&definition);
            let kept = before.remove(&name);
            let kinds = match kept {
                Some(kept) if kept.from == from => {
                    kept.set_terminating(is_deleting(&definition));
                    kept.kinds
                }
                other => {
                    other.into_iter().for_each(Made::end);
                    kind::kinds_of(&definition).into_iter().map(Arc::new).collect()
                }
            };
            made.insert(name, Made { from, kinds });
        }
        self.serve(Served::with(in_order(&made)));
        before.into_values().for_each(Made::end);
        drop(made);
        self.definitions.changed.notify_one();
        self.extensions_changed.notify_one();
    }
}

impl Made {
    fn customs(&self) -> impl Iterator<Item = &Custom> {
        self.kinds.iter().filter_map(|kind| kind.custom.as_deref())
    }

    fn set_terminating(&self, terminating: bool) {
        self.customs().for_each(|custom| custom.terminating.store(terminating, Relaxed));
    }

    /// Watches of these kinds end.
    fn end(self) {
        self.customs().for_each(|custom| custom.gone.cancel());
    }
}

/// Everything that kinds are made from.
fn fingerprint(definition: &Value) -> Value {
    let versions = definition["spec"]["versions"].as_array();
    let mut stored = versions.into_iter().flatten().filter(|version| version["storage"] == true);
    serde_json::json!([
        definition["metadata"]["uid"],
        is_deleting(definition) && stored.any(|version| version["served"] != true),
        definition["spec"],
        definition["status"]["acceptedNames"],
    ])
}

/// By group; the newest stable version first, as discovery prefers it.
fn in_order(made: &BTreeMap<String, Made>) -> Vec<Arc<Kind>> {
    let mut kinds: Vec<Arc<Kind>> = made.values().flat_map(|made| made.kinds.clone()).collect();
    kinds.sort_by(|a, b| {
        let versions = || priority(&b.version).cmp(&priority(&a.version));
        a.group.cmp(&b.group).then_with(versions).then_with(|| a.plural.cmp(&b.plural))
    });
    kinds
}

/// Greater comes first: v2, v1, v1beta2, v1alpha1, then others by their names.
pub(super) fn priority(version: &str) -> (u8, u64, u64, std::cmp::Reverse<String>) {
    let name = std::cmp::Reverse(version.to_owned());
    let parsed = || {
        let rest = version.strip_prefix('v')?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let major: u64 = rest[..end].parse().ok()?;
        Some(match &rest[end..] {
            "" => (3, major, 0),
            tail => match (tail.strip_prefix("beta"), tail.strip_prefix("alpha")) {
                (Some(minor), _) => (2, major, minor.parse().ok()?),
                (_, Some(minor)) => (1, major, minor.parse().ok()?),
                _ => return None,
            },
        })
    };
    let (stage, major, minor) = parsed().unwrap_or_default();
    (stage, major, minor, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_discovery_prefers_them() {
        let mut all = ["foo1", "v1", "v12alpha1", "v10", "v2beta1", "v2", "v3beta1", "v11alpha2"];
        all.sort_by_key(|version| std::cmp::Reverse(priority(version)));
        let expected = ["v10", "v2", "v1", "v3beta1", "v2beta1", "v12alpha1", "v11alpha2", "foo1"];
        assert_eq!(all, expected);
    }
}
