//! The status of a policy: what its expressions get wrong, as far as the kinds it is about tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::policy::{Typed, warnings};
use serde_json::{Value, json};

use super::VALIDATING;
use crate::kinds::Kind;
use crate::object::{child_mut, text};
use crate::registry::Registry;
use crate::table::list;

/// No more kinds are looked at for one rule.
const KINDS_MAX: usize = 10;

/// Notes in a policy that is about to be written what its expressions get wrong.
pub(crate) fn note(registry: &Registry, kind: &Kind, policy: &mut Value) {
    if kind.storage != VALIDATING {
        return;
    }
    let generation = api::meta::generation(policy);
    let found: Vec<Value> = find(registry, policy)
        .into_iter()
        .map(|warning| json!({"fieldRef": warning.field, "warning": warning.text}))
        .collect();
    let checked = match found.is_empty() {
        true => json!({}),
        false => json!({"expressionWarnings": found}),
    };
    let status = child_mut(policy, "status");
    status.insert("observedGeneration".to_owned(), generation.into());
    status.insert("typeChecking".to_owned(), checked);
}

fn find(registry: &Registry, policy: &Value) -> Vec<api::policy::Warning> {
    let served = registry.kinds();
    let all: Vec<&Arc<Kind>> = served.all().collect();
    let mut kinds: BTreeMap<(String, String, String), &Arc<Kind>> = BTreeMap::new();
    for rule in list(policy, "/spec/matchConstraints/resourceRules") {
        let meant = all.iter().copied().filter(|kind| is_meant(rule, kind)).take(KINDS_MAX);
        for kind in meant {
            let id = (kind.group.to_string(), kind.version.to_string(), kind.kind.to_string());
            kinds.insert(id, kind);
        }
    }
    let typed: Vec<Typed> = kinds.into_values().take(KINDS_MAX).filter_map(|k| of(k)).collect();
    let wanted = &policy["spec"]["paramKind"];
    let is_param = |kind: &&&Arc<Kind>| {
        *kind.kind == *text(wanted, "/kind") && kind.api_version() == text(wanted, "/apiVersion")
    };
    let params = all.iter().find(is_param).and_then(|kind| of(kind));
    warnings(&policy["spec"], &typed, params.as_ref())
}

/// The type of the form that is served.
fn of(kind: &Kind) -> Option<Typed> {
    let schema = match kind.custom {
        Some(_) => kind.schema(),
        None => api::schema::of(&kind.gvk()),
    };
    Some(Typed::new(kind.gvk(), &*schema?))
}

/// Does a rule name this kind? What names everything says nothing of types, and subresources
/// have others.
fn is_meant(rule: &Value, kind: &Kind) -> bool {
    let names = |field: &str, name: &str| {
        let all = list(rule, field);
        !all.iter().any(|item| item.as_str().is_some_and(|item| item.contains('*')))
            && all.iter().any(|item| *item == name)
    };
    let resources = list(rule, "/resources").iter().any(|resource| *resource == *kind.plural);
    resources && names("/apiGroups", &kind.group) && names("/apiVersions", &kind.version)
}
