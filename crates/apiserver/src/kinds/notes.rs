//! What is stored but not acted upon: told to whoever writes it, in a Warning header, and
//! listed in docs/limits.md.
//!
//! A line goes away when something acts on what it names.

use serde_json::Value;

use crate::request::Call;

/// Whole kinds, by their storage, and a field each. A whole kind has "" for a field.
const NOTES: &[(&str, &str)] = &[
    ("cronjobs.batch", ""),
    ("csidrivers.storage.k8s.io", ""),
    ("csinodes.storage.k8s.io", ""),
    ("csistoragecapacities.storage.k8s.io", ""),
    ("daemonsets.apps", ""),
    ("deviceclasses.resource.k8s.io", ""),
    ("horizontalpodautoscalers.autoscaling", ""),
    ("ipaddresses.networking.k8s.io", ""),
    ("jobs.batch", ""),
    ("networkpolicies.networking.k8s.io", ""),
    ("persistentvolumeclaims", ""),
    ("persistentvolumes", ""),
    ("resourceclaims.resource.k8s.io", ""),
    ("resourceclaimtemplates.resource.k8s.io", ""),
    ("resourceslices.resource.k8s.io", ""),
    ("runtimeclasses.node.k8s.io", ""),
    ("servicecidrs.networking.k8s.io", ""),
    ("services", "spec.loadBalancerClass"),
    ("services", "spec.loadBalancerIP"),
    ("services", "spec.loadBalancerSourceRanges"),
    ("services", "spec.trafficDistribution"),
    ("statefulsets.apps", ""),
    ("storageclasses.storage.k8s.io", ""),
    ("volumeattachments.storage.k8s.io", ""),
    ("volumeattributesclasses.storage.k8s.io", ""),
];

/// Fields of pods, in pods and in the templates of those that make pods.
const OF_PODS: [&str; 6] = [
    "spec.affinity.podAffinity",
    "spec.affinity.podAntiAffinity",
    "spec.imagePullSecrets",
    "spec.securityContext.fsGroupChangePolicy",
    "spec.securityContext.seLinuxChangePolicy",
    "spec.topologySpreadConstraints",
];

/// Who makes pods, and where their template is. Kinds that nothing acts upon are told of as a whole.
const TEMPLATES: [(&str, &str); 4] = [
    ("pods", ""),
    ("deployments.apps", "spec.template."),
    ("replicasets.apps", "spec.template."),
    ("replicationcontrollers", "spec.template."),
];

/// Warns of kinds that have better ones by now, with every request.
pub(crate) fn warn_of_kind(call: &Call<'_>) {
    if let Some(warning) = call.kind.custom.as_ref().and_then(|c| c.deprecation.as_deref()) {
        call.warn(warning);
    }
    if call.kind.storage == "endpoints" {
        call.warn("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice");
    }
}

/// Warns of what the write sets in vain. `old` is what it changes: what was there already was
/// told of before.
pub(crate) fn warn(call: &Call<'_>, old: Option<&Value>, new: &Value) {
    for (_, field) in NOTES.iter().filter(|(storage, _)| *storage == call.kind.storage) {
        if let Some(text) = text(&call.kind.kind, field, old, new) {
            call.warn(text);
        }
    }
    // Pods that come of a template: its writer was told.
    let Some((_, template)) = TEMPLATES.iter().find(|(storage, _)| *storage == call.kind.storage)
    else {
        return;
    };
    if api::meta::controller_of(new).is_some() {
        return;
    }
    for field in OF_PODS {
        let field = format!("{template}{field}");
        if let Some(text) = text(&call.kind.kind, &field, old, new) {
            call.warn(text);
        }
    }
}

fn text(kind: &str, field: &str, old: Option<&Value>, new: &Value) -> Option<String> {
    if field.is_empty() {
        let text = format!("{kind} is stored, but nothing in this server acts on it yet");
        return old.is_none().then_some(text);
    }
    let value = at(new, field);
    let set = !value.is_null() && *value != Value::Array(Vec::new()) && *value != "";
    let known = old.is_some_and(|old| at(old, field) == value);
    (set && !known).then(|| format!("{field}: stored, but nothing in this server acts on it yet"))
}

fn at<'a>(object: &'a Value, field: &str) -> &'a Value {
    field.split('.').fold(object, |here, step| &here[step])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::table;
    use super::*;

    #[test]
    fn every_note_is_of_a_kind_we_serve_and_listed_in_the_document() {
        let document = include_str!("../../../../docs/limits.md");
        for (storage, field) in NOTES {
            let kind =
                table::all().find(|kind| kind.storage == *storage && kind.conversion.is_none());
            let kind = kind.unwrap_or_else(|| panic!("{storage} is not served"));
            let named = if field.is_empty() { kind.kind } else { field };
            let named = named.rsplit('.').next().unwrap_or(named);
            assert!(document.contains(named), "docs/limits.md says nothing of {named}");
        }
    }

    #[test]
    fn fields_of_pods_are_listed_and_their_makers_served() {
        let document = include_str!("../../../../docs/limits.md");
        for field in OF_PODS {
            let named = field.rsplit('.').next().unwrap_or(field);
            assert!(document.contains(named), "docs/limits.md says nothing of {named}");
        }
        for (storage, _) in TEMPLATES {
            assert!(table::all().any(|kind| kind.storage == storage), "{storage} is not served");
        }
    }

    #[test]
    fn a_field_is_told_of_when_it_is_set_or_changed() {
        let with = |value: Value| json!({"spec": {"x": value}});
        let told = |old: Option<&Value>, new: &Value| text("K", "spec.x", old, new).is_some();
        assert!(told(None, &with(json!("a"))));
        assert!(told(Some(&with(json!("b"))), &with(json!("a"))));
        assert!(!told(Some(&with(json!("a"))), &with(json!("a"))));
        assert!(!told(None, &with(json!([]))));
        assert!(!told(None, &json!({})));
    }
}
