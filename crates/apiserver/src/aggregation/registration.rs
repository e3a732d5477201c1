//! The APIServices of this server's own groups: one for each version, built in or defined, kept as
//! they are by the server itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt as _;
use http::Method;
use serde_json::{Value, json};

use super::{OWN_GROUP, Priority, api_services};
use crate::bootstrap::{BootstrapError, ask};
use crate::object::meta;
use crate::server::Shared;

const COLLECTION: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
/// Who has this label is kept by the server: `onstart` those that are built in, `true` others.
const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";
/// So many are written at once: they become durable together.
const AT_ONCE: usize = 64;

/// Makes, mends and takes away what is the server's own.
pub(super) async fn reconcile(shared: &Arc<Shared>) -> Result<(), BootstrapError> {
    let wanted = wanted(shared);
    let found = api_services(&shared.registry);
    let mut work = Vec::new();
    for object in &found {
        let name = meta(object, "name");
        let managed = object["metadata"]["labels"].get(MANAGED).is_some();
        if managed && !wanted.contains_key(name) {
            work.push((Method::DELETE, format!("{COLLECTION}/{name}"), None));
        }
    }
    for (name, object) in wanted {
        match found.iter().find(|found| meta(found, "name") == name) {
            None => work.push((Method::POST, COLLECTION.to_owned(), Some(object))),
            Some(found) if found["metadata"]["labels"].get(MANAGED).is_none() => {}
            Some(found) if found["spec"] == object["spec"] => {}
            Some(found) => {
                let mut object = object;
                object["metadata"]["resourceVersion"] =
                    found["metadata"]["resourceVersion"].clone();
                work.push((Method::PUT, format!("{COLLECTION}/{name}"), Some(object)));
            }
        }
    }
    let work = work.into_iter().map(|(method, path, body)| async move {
        match ask(shared, method, &path, body.as_ref()).await? {
            // Overtaken: the other write makes this run again.
            (200 | 201 | 404 | 409, _) => Ok(()),
            (_, answer) => {
                let message = answer["message"].as_str().unwrap_or_default().to_owned();
                Err(BootstrapError { path, message })
            }
        }
    });
    let done: Vec<_> = futures::stream::iter(work).buffer_unordered(AT_ONCE).collect().await;
    done.into_iter().collect()
}

/// By name.
fn wanted(shared: &Shared) -> BTreeMap<String, Value> {
    let kinds = shared.registry.kinds();
    let all = kinds.group_versions().into_iter().filter(|(group, _)| *group != OWN_GROUP);
    let objects = all.map(|(group, version)| {
        let name = format!("{version}.{group}");
        let custom = kinds.of(group, version).all(|kind| kind.custom.is_some())
            && kinds.of(group, version).next().is_some();
        let managed = if custom { "true" } else { "onstart" };
        let priority = Priority::local(group, version);
        let mut spec = json!({"version": version, "groupPriorityMinimum": priority.group,
            "versionPriority": priority.version});
        if !group.is_empty() {
            spec["group"] = group.into();
        }
        let object = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": name, "labels": {MANAGED: managed}}, "spec": spec});
        (name, object)
    });
    objects.collect()
}
