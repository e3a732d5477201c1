//! Every pod bears a node that is not ready for a while, as upstream.

use serde_json::{Value, json};

use crate::object::child_mut;

/// How long a pod stays on a node that is not ready or not reachable.
const SECONDS: u32 = 300;
const TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const EFFECT: &str = "NoExecute";

/// Adds what the pod does not say itself.
pub(super) fn admit(pod: &mut Value) {
    let given = pod["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
    let mut all = given.clone();
    for taint in TAINTS {
        if !given.iter().any(|toleration| covers(toleration, taint)) {
            all.push(json!({
                "key": taint, "operator": "Exists", "effect": EFFECT, "tolerationSeconds": SECONDS,
            }));
        }
    }
    child_mut(pod, "spec").insert("tolerations".to_owned(), all.into());
}

fn covers(toleration: &Value, taint: &str) -> bool {
    let is = |field: &str, wanted: &str| {
        matches!(toleration[field].as_str(), None | Some("")) || toleration[field] == wanted
    };
    is("key", taint) && is("effect", EFFECT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: Value, keys: &[&str]) {
        let mut pod = json!({"spec": {"tolerations": given}});
        admit(&mut pod);
        let all = pod["spec"]["tolerations"].as_array().unwrap();
        let found: Vec<_> = all.iter().map(|one| one["key"].as_str().unwrap_or("")).collect();
        assert_eq!(found, keys);
    }

    #[test]
    fn what_a_pod_says_itself_is_kept() {
        check(Value::Null, &TAINTS);
        check(json!([{"key": "a", "operator": "Exists"}]), &["a", TAINTS[0], TAINTS[1]]);
        check(json!([{"operator": "Exists"}]), &[""]);
        let own = json!([{"key": TAINTS[1], "operator": "Exists", "effect": "NoExecute"}]);
        check(own, &[TAINTS[1], TAINTS[0]]);
        let other = json!([{"key": TAINTS[0], "operator": "Exists", "effect": "NoSchedule"}]);
        check(other, &[TAINTS[0], TAINTS[0], TAINTS[1]]);
    }
}
