//! Scopes: which pods and claims a quota is about.

use serde_json::Value;

use super::{CLAIMS, PODS, claim};
use crate::read;

/// Is the object within all scopes of the quota? What has no scopes is within none of them.
pub(super) fn all_match(quota: &Value, resource: &str, object: &Value) -> bool {
    let spec = &quota["spec"];
    let plain = read::list(spec, "scopes").iter().filter_map(Value::as_str);
    let selectors = read::list(&spec["scopeSelector"], "matchExpressions");
    plain
        .map(|scope| Term { scope, operator: "Exists", values: &[] })
        .chain(selectors.iter().map(Term::read))
        .all(|term| term.matches(resource, object))
}

struct Term<'a> {
    scope: &'a str,
    operator: &'a str,
    values: &'a [Value],
}

impl<'a> Term<'a> {
    fn read(expression: &'a Value) -> Self {
        Self {
            scope: read::text(expression, "scopeName"),
            operator: read::text(expression, "operator"),
            values: read::list(expression, "values"),
        }
    }

    fn matches(&self, resource: &str, object: &Value) -> bool {
        match (resource, self.scope) {
            (PODS, "Terminating") => is_terminating(object),
            (PODS, "NotTerminating") => !is_terminating(object),
            (PODS, "BestEffort") => is_best_effort(object),
            (PODS, "NotBestEffort") => !is_best_effort(object),
            (PODS, "PriorityClass") => {
                let class = read::text(&object["spec"], "priorityClassName");
                self.selects(Some(class).filter(|class| !class.is_empty()).as_slice())
            }
            (PODS, "CrossNamespacePodAffinity") => crosses_namespaces(object),
            (CLAIMS, "VolumeAttributesClass") => self.selects(&claim::attribute_classes(object)),
            _ => false,
        }
    }

    /// As a label selector reads a label that has one of these values, or is not there.
    fn selects(&self, have: &[&str]) -> bool {
        let listed = |name: &&str| self.values.iter().any(|value| value == *name);
        match self.operator {
            "Exists" => !have.is_empty(),
            "DoesNotExist" => have.is_empty(),
            "In" => have.iter().any(listed),
            "NotIn" => have.is_empty() || have.iter().any(|name| !listed(name)),
            _ => false,
        }
    }
}

/// Does the pod end by itself?
fn is_terminating(pod: &Value) -> bool {
    pod["spec"]["activeDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds >= 0)
}

fn is_best_effort(pod: &Value) -> bool {
    pod["status"]["qosClass"] == "BestEffort"
}

fn crosses_namespaces(pod: &Value) -> bool {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let affinity = &pod["spec"]["affinity"];
    ["podAffinity", "podAntiAffinity"].iter().map(|side| &affinity[side]).any(|side| {
        let preferred = read::list(side, PREFERRED).iter().map(|term| &term["podAffinityTerm"]);
        read::list(side, REQUIRED).iter().chain(preferred).any(|term| {
            !read::list(term, "namespaces").is_empty() || !term["namespaceSelector"].is_null()
        })
    })
}
