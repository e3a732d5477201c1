//! Which changes of a pod its level has a say in: a pod that was let in may go on as it is.

use serde_json::Value;

use crate::table::list;

const POD_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
const CONTAINER_ANNOTATION: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// Is anything changed that the checks look at and that may change at all?
pub(super) fn is_significant(new: &Value, old: &Value) -> bool {
    let annotation = |pod: &Value, key: &str| pod["metadata"]["annotations"][key].clone();
    let changed = |key: &str| annotation(new, key) != annotation(old, key);
    let differs = |new: &Value, old: &Value| {
        let key = format!("{CONTAINER_ANNOTATION}{}", new["name"].as_str().unwrap_or(""));
        new["image"] != old["image"] || changed(&key)
    };
    let lists = ["/spec/containers", "/spec/initContainers"].into_iter().any(|at| {
        let (new, old) = (list(new, at), list(old, at));
        new.len() != old.len() || new.iter().zip(old).any(|(new, old)| differs(new, old))
    });
    let ephemeral = list(new, "/spec/ephemeralContainers").iter().any(|container| {
        let mut before = list(old, "/spec/ephemeralContainers").iter();
        let same = before.find(|old| old["name"] == container["name"]);
        same.is_none_or(|old| differs(container, old))
    });
    changed(POD_ANNOTATION) || lists || ephemeral
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn images_and_new_containers_count_and_labels_do_not() {
        let pod = json!({"metadata": {}, "spec": {"containers": [{"name": "a", "image": "b"}]}});
        let check = |change: fn(&mut Value), expected: bool| {
            let mut new = pod.clone();
            change(&mut new);
            assert_eq!(is_significant(&new, &pod), expected, "{new}");
        };
        check(|_| {}, false);
        check(|pod| pod["metadata"]["labels"] = json!({"a": "b"}), false);
        check(|pod| pod["spec"]["containers"][0]["image"] = "c".into(), true);
        check(|pod| pod["spec"]["ephemeralContainers"] = json!([{"name": "d"}]), true);
        check(|pod| pod["metadata"]["annotations"][POD_ANNOTATION] = "unconfined".into(), true);
    }
}
