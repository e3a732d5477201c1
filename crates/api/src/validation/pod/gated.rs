//! What may change of a pod that waits at a gate: where it may go becomes narrower.

use serde_json::{Map, Value, json};

use crate::read;
use crate::validation::field::{Field, same};

const TERMS: [&str; 2] = ["requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"];

/// Checks what is changeable here, and gives `kept` the old pod's values of it.
pub(super) fn narrowed(spec: &Field<'_>, old: &Value, kept: &mut Value) {
    let selector = spec.at("nodeSelector");
    let mut had = read::entries(old, "nodeSelector");
    if had.any(|(key, value)| selector.value.get(key) != Some(value)) {
        selector
            .invalid("only additions to spec.nodeSelector are allowed (no mutations or deletions)");
    }
    kept["nodeSelector"] = old["nodeSelector"].clone();
    let affinity = spec.at("affinity").at("nodeAffinity");
    let had = read::at(old, &["affinity", "nodeAffinity"]);
    if same(affinity.value, had) {
        return;
    }
    terms(&affinity, had);
    let mut others = kept["affinity"].as_object().cloned().unwrap_or_else(Map::new);
    others.insert("nodeAffinity".to_owned(), had.clone());
    let nothing = others.values().all(Value::is_null) && old["affinity"].is_null();
    kept["affinity"] = if nothing { Value::Null } else { Value::Object(others) };
}

fn terms(affinity: &Field<'_>, had: &Value) {
    let old = read::at(had, &TERMS).as_array().map(Vec::as_slice).unwrap_or_default();
    if old.is_empty() {
        return;
    }
    let new = affinity.at(TERMS[0]).at(TERMS[1]);
    if new.len() != old.len() {
        let shown = if new.is_some() { new.value.clone() } else { json!([]) };
        let why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        return new.invalid_as(shown, why);
    }
    for (new, old) in new.items().zip(old) {
        if !only_added(new.value, old) {
            new.invalid("only additions are allowed (no mutations or deletions)");
        }
    }
}

/// A term that asks for nothing matches no node, and more would make it match some.
fn only_added(new: &Value, old: &Value) -> bool {
    let lists = ["matchExpressions", "matchFields"];
    let asks = |term: &Value| lists.iter().any(|list| !read::list(term, list).is_empty());
    if !asks(old) && asks(new) {
        return false;
    }
    lists.iter().all(|list| read::list(new, list).starts_with(read::list(old, list)))
}
