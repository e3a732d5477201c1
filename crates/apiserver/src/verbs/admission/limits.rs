//! LimitRanges: what containers ask for where they do not say, and what they, pods and claims may.
//! Source: Kubernetes, "Limit Ranges", <https://kubernetes.io/docs/concepts/policy/limit-range/>.

mod bounds;

use api::quota::{ResourceList, pod_limits, pod_requests};
use serde_json::{Map, Value};

use self::bounds::Asked;
use crate::error::{ApiError, ApiResult};
use crate::kinds::{self, Kind};
use crate::object::{child_mut, meta, text};
use crate::registry::Registry;
use crate::request::Call;
use crate::table::list;

/// Where a pod says what it was given.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

fn kind() -> &'static Kind {
    kinds::find("", "v1", "limitranges").expect("limit ranges are in the table")
}

/// Gives a new pod's containers the requests and limits that they do not name.
pub(super) fn fill_in(call: &Call<'_>, pod: &mut Value) -> ApiResult<()> {
    for range in ranges(call, pod)? {
        give_defaults(&range, pod);
    }
    Ok(())
}

/// Refuses what is not within the bounds of its namespace.
pub(super) fn check(call: &Call<'_>, object: &Value) -> ApiResult<()> {
    let check: fn(&Value, &Value) -> Vec<String> = match &*call.kind.storage {
        "pods" => check_pod,
        "persistentvolumeclaims" => check_claim,
        _ => return Ok(()),
    };
    for range in ranges(call, object)? {
        let mut errors = Vec::new();
        for limit in list(&range, "/spec/limits") {
            errors.append(&mut check(limit, object));
        }
        if let Some(why) = aggregate(errors) {
            return Err(ApiError::forbidden(call.kind, super::shown_name(object), &why));
        }
    }
    Ok(())
}

fn ranges(call: &Call<'_>, object: &Value) -> ApiResult<Vec<Value>> {
    let place = Registry::range(kind(), Some(meta(object, "namespace")));
    let all = call.registry().store.range(&place, None, 0);
    let all = all.map_err(|error| ApiError::internal("read the LimitRanges", &error))?;
    all.entries.iter().map(|kv| call.registry().decode(kv)).collect()
}

/// Several refusals as one text, each once.
fn aggregate(errors: Vec<String>) -> Option<String> {
    let mut each: Vec<String> = Vec::new();
    for error in errors {
        if !each.contains(&error) {
            each.push(error);
        }
    }
    match each.len() {
        0 | 1 => each.pop(),
        _ => Some(format!("[{}]", each.join(", "))),
    }
}

fn give_defaults(range: &Value, pod: &mut Value) {
    let (mut requests, mut limits) = (Map::new(), Map::new());
    for limit in list(range, "/spec/limits").iter().filter(|limit| limit["type"] == "Container") {
        let note = |side: &mut Map<String, Value>, field: &str| {
            side.extend(limit[field].as_object().cloned().unwrap_or_default());
        };
        note(&mut requests, "defaultRequest");
        note(&mut limits, "default");
    }
    let mut said = Vec::new();
    for (field, what) in [("containers", "container"), ("initContainers", "init container")] {
        let containers = pod["spec"].get_mut(field).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let given = [
                (fill(container, "requests", &requests), "request"),
                (fill(container, "limits", &limits), "limit"),
            ];
            for (names, side) in given.into_iter().filter(|(names, _)| !names.is_empty()) {
                let name = text(container, "/name");
                said.push(format!("{} {side} for {what} {name}", names.join(", ")));
            }
        }
    }
    if !said.is_empty() {
        let said = format!("LimitRanger plugin set: {}", said.join("; "));
        api::meta::set_annotation(pod, ANNOTATION, &said);
    }
}

/// Fills in the amounts that are not there. Returns their names.
fn fill(container: &mut Value, side: &str, defaults: &Map<String, Value>) -> Vec<String> {
    let has = |name: &str| !container["resources"][side][name].is_null();
    let missing: Vec<String> = defaults.keys().filter(|name| !has(name)).cloned().collect();
    if missing.is_empty() {
        return missing;
    }
    child_mut(container, "resources");
    let amounts = child_mut(&mut container["resources"], side);
    for name in &missing {
        amounts.insert(name.clone(), defaults[name].clone());
    }
    missing
}

fn check_pod(limit: &Value, pod: &Value) -> Vec<String> {
    match text(limit, "/type") {
        "Container" => ["/spec/containers", "/spec/initContainers"]
            .iter()
            .flat_map(|field| list(pod, field))
            .flat_map(|container| {
                let read = |side: &str| ResourceList::read(&container["resources"][side]);
                Asked { requests: read("requests"), limits: read("limits") }.check(limit)
            })
            .collect(),
        "Pod" => Asked { requests: pod_requests(pod), limits: pod_limits(pod) }.check(limit),
        _ => Vec::new(),
    }
}

fn check_claim(limit: &Value, claim: &Value) -> Vec<String> {
    if limit["type"] != "PersistentVolumeClaim" {
        return Vec::new();
    }
    let requests = ResourceList::read(&claim["spec"]["resources"]["requests"]);
    Asked { requests, limits: ResourceList::default() }.check_requests(limit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_container_says_itself_is_kept() {
        let range = json!({"spec": {"limits": [{"type": "Container",
            "default": {"cpu": "500m", "memory": "1Gi"}, "defaultRequest": {"cpu": "100m"}}]}});
        let own =
            json!({"name": "own", "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}});
        let mut pod = json!({"metadata": {}, "spec": {"containers": [{"name": "a"}, own]}});
        give_defaults(&range, &mut pod);
        let resources = |at: usize| pod["spec"]["containers"][at]["resources"].clone();
        let given =
            json!({"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "100m"}});
        assert_eq!(resources(0), given);
        let kept = json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}});
        assert_eq!(resources(1), kept);
        assert_eq!(
            pod["metadata"]["annotations"][ANNOTATION],
            "LimitRanger plugin set: cpu request for container a; cpu, memory limit for container a; memory limit for container own"
        );
    }

    #[test]
    fn several_refusals_are_one_text() {
        let texts = |all: &[&str]| aggregate(all.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(texts(&[]), None);
        assert_eq!(texts(&["a", "a"]).as_deref(), Some("a"));
        assert_eq!(texts(&["a", "b", "a"]).as_deref(), Some("[a, b]"));
    }
}
