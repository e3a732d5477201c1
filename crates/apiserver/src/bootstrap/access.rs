//! The roles and bindings that every cluster has: made where they are missing, and given what they
//! lack where nobody forbade it (the annotation `autoupdate` is `"false"`). What was added to them
//! stays.

use std::sync::Arc;

use futures::StreamExt as _;
use http::Method;
use serde_json::{Value, json};

use super::{BootstrapError, ask, failed};
use crate::authz::{GROUP, Rule, missing, policy};
use crate::kinds;
use crate::object::{meta, metadata_mut};
use crate::server::Shared;

/// So many are written at once: they become durable together.
const AT_ONCE: usize = 64;
/// Whoever writes the same object at the same time is given way to so often.
const ATTEMPTS_MAX: usize = 8;

/// Reconciles all of them.
pub(super) async fn reconcile(shared: &Arc<Shared>) -> Result<(), BootstrapError> {
    let roles = policy::cluster_roles().into_iter().chain(policy::roles());
    all(shared, roles.collect()).await?;
    all(shared, policy::bindings()).await
}

async fn all(shared: &Arc<Shared>, wanted: Vec<Value>) -> Result<(), BootstrapError> {
    let work = wanted.into_iter().map(|wanted| one(shared, wanted));
    let done: Vec<_> = futures::stream::iter(work).buffer_unordered(AT_ONCE).collect().await;
    done.into_iter().collect()
}

async fn one(shared: &Arc<Shared>, wanted: Value) -> Result<(), BootstrapError> {
    let collection = collection(&wanted);
    let path = format!("{collection}/{}", meta(&wanted, "name"));
    let mut answer = Value::Null;
    for _ in 0..ATTEMPTS_MAX {
        let (method, at, body) = match found(shared, &wanted) {
            None => (Method::POST, &collection, wanted.clone()),
            Some(found) => match change(&wanted, &found) {
                Change::None => return Ok(()),
                Change::Update(new) => (Method::PUT, &path, new),
                // A binding keeps its role, so another one takes its place.
                Change::Recreate => (Method::DELETE, &path, Value::Null),
            },
        };
        let body = (!body.is_null()).then_some(&body);
        let code;
        (code, answer) = ask(shared, method, at, body).await?;
        match code {
            // Look again: it is as wanted now, or somebody was faster.
            200 | 201 | 404 | 409 => {}
            _ => return Err(failed(&path, &answer)),
        }
    }
    Err(failed(&path, &answer))
}

/// What is there, read without a request: at most starts nothing has changed.
fn found(shared: &Shared, wanted: &Value) -> Option<Value> {
    let kind = kinds::find(GROUP, "v1", plural(wanted))?;
    let kv = shared.registry.get(kind, meta(wanted, "namespace"), meta(wanted, "name"))?;
    shared.registry.decode(&kv).ok()
}

fn plural(object: &Value) -> &'static str {
    match object["kind"].as_str() {
        Some("ClusterRole") => "clusterroles",
        Some("ClusterRoleBinding") => "clusterrolebindings",
        Some("Role") => "roles",
        _ => "rolebindings",
    }
}

fn collection(object: &Value) -> String {
    let plural = plural(object);
    match meta(object, "namespace") {
        "" => format!("/apis/{GROUP}/v1/{plural}"),
        namespace => format!("/apis/{GROUP}/v1/namespaces/{namespace}/{plural}"),
    }
}

/// What is to be done about an object that is there.
#[derive(Debug, PartialEq)]
enum Change {
    None,
    Update(Value),
    Recreate,
}

fn change(wanted: &Value, found: &Value) -> Change {
    if api::meta::annotation(found, policy::AUTOUPDATE) == Some("false") {
        return Change::None;
    }
    if wanted["roleRef"] != found["roleRef"] {
        return Change::Recreate;
    }
    let mut new = found.clone();
    for field in ["labels", "annotations"] {
        add_entries(&mut new, field, &wanted["metadata"][field]);
    }
    let rules = |role: &Value| -> Vec<Rule> {
        serde_json::from_value(role["rules"].clone()).unwrap_or_default()
    };
    // The rules of a role that collects others' are those others'.
    if wanted["aggregationRule"].is_null() {
        let lacking = missing(&rules(found), &rules(wanted)).unwrap_or_default();
        append(&mut new, "/rules", lacking.into_iter().map(|rule| json!(rule)));
    }
    add_items(&mut new, wanted, "/aggregationRule/clusterRoleSelectors");
    add_items(&mut new, wanted, "/subjects");
    if new == *found { Change::None } else { Change::Update(new) }
}

/// What was set by somebody stays as he set it.
fn add_entries(object: &mut Value, field: &str, wanted: &Value) {
    let Some(wanted) = wanted.as_object() else { return };
    let entries = metadata_mut(object).entry(field).or_insert_with(|| json!({}));
    let Some(entries) = entries.as_object_mut() else { return };
    for (key, value) in wanted {
        entries.entry(key).or_insert_with(|| value.clone());
    }
}

fn add_items(object: &mut Value, wanted: &Value, pointer: &str) {
    let wanted = wanted.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let have = object.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    append(object, pointer, wanted.into_iter().filter(|item| !have.contains(item)));
}

fn append(object: &mut Value, pointer: &str, more: impl Iterator<Item = Value>) {
    let mut more = more.peekable();
    if more.peek().is_none() {
        return;
    }
    let steps = pointer.split('/').skip(1);
    let place = steps.fold(object, |here, step| &mut here[step]);
    match place.as_array_mut() {
        Some(items) => items.extend(more),
        None => *place = more.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(rules: Value) -> Value {
        json!({"kind": "ClusterRole", "metadata": {"name": "r", "labels": {"a": "b"}}, "rules": rules})
    }

    fn get(resource: &str) -> Value {
        json!({"verbs": ["get"], "apiGroups": [""], "resources": [resource]})
    }

    #[test]
    fn a_role_gets_what_it_lacks_and_keeps_what_it_has() {
        let wanted = role(json!([get("pods"), get("nodes")]));
        assert_eq!(change(&wanted, &wanted), Change::None);
        let mut found = role(json!([get("secrets"), get("pods")]));
        found["metadata"]["labels"] = json!({"a": "mine"});
        let Change::Update(new) = change(&wanted, &found) else { panic!("nothing is done") };
        assert_eq!(new["rules"], json!([get("secrets"), get("pods"), get("nodes")]));
        assert_eq!(new["metadata"]["labels"], json!({"a": "mine"}));
    }

    #[test]
    fn who_forbade_it_is_left_alone() {
        let mut found = role(json!([]));
        found["metadata"]["annotations"] = json!({policy::AUTOUPDATE: "false"});
        assert_eq!(change(&role(json!([get("pods")])), &found), Change::None);
    }

    #[test]
    fn a_binding_gets_its_subjects_and_its_role() {
        let with = |role: &str, subjects: Value| {
            json!({"kind": "ClusterRoleBinding", "metadata": {"name": "b"},
                "roleRef": {"name": role}, "subjects": subjects})
        };
        let wanted = with("r", json!([{"name": "bob"}]));
        let Change::Update(new) = change(&wanted, &with("r", json!([{"name": "amy"}]))) else {
            panic!("nothing is done")
        };
        assert_eq!(new["subjects"], json!([{"name": "amy"}, {"name": "bob"}]));
        assert_eq!(change(&wanted, &with("other", json!([]))), Change::Recreate);
        let mut none = with("r", json!([]));
        none.as_object_mut().unwrap().remove("subjects");
        assert!(matches!(change(&wanted, &none), Change::Update(_)));
    }

    #[test]
    fn a_collecting_role_keeps_the_rules_it_collected() {
        let mut wanted = role(json!([]));
        wanted["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]});
        let mut found = wanted.clone();
        found["rules"] = json!([get("pods")]);
        assert_eq!(change(&wanted, &found), Change::None);
    }
}
