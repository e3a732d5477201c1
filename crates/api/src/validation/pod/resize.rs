//! More or less for the containers of a pod that runs: requests and limits of cpu and memory.
//! Source: Kubernetes, "Resize CPU and Memory Resources assigned to Containers",
//! <https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/>.

use serde_json::Value;

use crate::validation::field::{Field, same};
use crate::{qos, read};

/// The node's own copy of a pod that it has from a file.
const MIRROR: &str = "kubernetes.io/config.mirror";
const LISTS: [&str; 2] = ["containers", "initContainers"];
const MUTABLE: &str = "only cpu and memory resources are mutable";

/// A valid Pod and what it was.
pub(in crate::validation) fn update(object: &Field<'_>, old: &Value) {
    if crate::meta::annotation(old, MIRROR).is_some() {
        return object.whole().forbidden("static pods cannot be resized");
    }
    let (spec, was) = (object.at("spec"), read::at(old, &["spec"]));
    if read::at(was, &["os", "name"]) == "windows" {
        return object.whole().forbidden("windows pods cannot be resized");
    }
    if !same_containers(&spec, was) {
        return;
    }
    if read::at(old, &["status", "qosClass"]) != qos::class(object.value) {
        let class = read::at(old, &["status", "qosClass"]).clone();
        spec.invalid_as(class, "Pod QOS Class may not change as a result of resizing");
    }
    if !node_can(old) {
        spec.forbidden("Pod running on node without support for resize");
    }
    nothing_is_removed(&spec.at("resources"), &was["resources"]);
    for list in LISTS {
        for (new, old) in spec.at(list).items().zip(read::list(was, list)) {
            nothing_is_removed(&new.at("resources"), &old["resources"]);
            if !same(&without_compute(new.value), &without_compute(old)) {
                spec.forbidden(MUTABLE);
            }
        }
    }
    if !same(&others(&spec.at("resources")), &others_of(&was["resources"])) {
        spec.forbidden(MUTABLE);
    }
}

/// Containers stay, under their names and in their order.
fn same_containers(spec: &Field<'_>, old: &Value) -> bool {
    let mut all = true;
    for list in LISTS {
        if spec.at(list).len() != read::list(old, list).len() {
            let text = format!("{list} may not be added or removed on resize");
            spec.at(list).forbidden(text);
            all = false;
            continue;
        }
        for (new, old) in spec.at(list).items().zip(read::list(old, list)) {
            if new.at("name").text() != read::text(old, "name") {
                let text = format!("{list} may not be renamed or reordered on resize");
                new.at("name").forbidden(text);
                all = false;
            }
        }
    }
    all
}

/// A node that tells what its containers have can change it.
fn node_can(pod: &Value) -> bool {
    let statuses = read::list(&pod["status"], "containerStatuses");
    let running = statuses.iter().find(|status| !status["state"]["running"].is_null());
    running.is_none_or(|status| !status["resources"].is_null())
}

fn nothing_is_removed(resources: &Field<'_>, old: &Value) {
    for side in ["requests", "limits"] {
        let new = resources.at(side);
        if read::entries(old, side).any(|(name, _)| !new.at(name).is_some()) {
            new.forbidden(format!("resource {side} cannot be removed"));
        }
    }
}

/// The container without what may change.
fn without_compute(container: &Value) -> Value {
    let mut kept = container.clone();
    if let Some(resources) = kept.get_mut("resources") {
        *resources = others_of(resources);
    }
    kept
}

fn others(resources: &Field<'_>) -> Value {
    others_of(resources.value)
}

/// The resources but for cpu and memory.
fn others_of(resources: &Value) -> Value {
    let mut kept = resources.clone();
    for side in ["requests", "limits"] {
        if let Some(amounts) = kept.get_mut(side).and_then(Value::as_object_mut) {
            amounts.retain(|name, _| !matches!(name.as_str(), "cpu" | "memory"));
        }
    }
    kept
}
