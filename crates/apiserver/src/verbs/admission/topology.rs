//! Pods tell where their node is, so that what runs in them can ask without seeing nodes.

use serde_json::Value;

use crate::error::ApiResult;
use crate::kinds;
use crate::object::{child_mut, metadata_mut};
use crate::registry::Registry;

const LABELS: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

/// Gives a new pod that has a node already, or the binding of one, the labels of that node.
pub(crate) fn label(registry: &Registry, node: &str, object: &mut Value) -> ApiResult<()> {
    let kind = kinds::find("", "v1", "nodes").expect("nodes are in the table");
    let Some(kv) = registry.get(kind, "", node) else { return Ok(()) };
    let node = registry.decode(&kv)?;
    for name in LABELS {
        if let Some(value) = node["metadata"]["labels"].get(name) {
            metadata_mut(object);
            child_mut(&mut object["metadata"], "labels").insert(name.to_owned(), value.clone());
        }
    }
    Ok(())
}

/// The labels of a binding, for the pod that it is of. What the pod has is kept.
pub(crate) fn take_over(binding: &Value, pod: &mut Value) {
    let given = binding["metadata"]["labels"].as_object();
    for (name, value) in given.into_iter().flatten() {
        metadata_mut(pod);
        let labels = child_mut(&mut pod["metadata"], "labels");
        labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
}
