//! Roles and bindings.

use serde_json::Value;

use super::field::{Field, same};
use crate::names;

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn check(kind: &str, object: &Field<'_>) {
    match kind {
        "Role" => rules(object, true),
        "ClusterRole" => cluster_role(object),
        "RoleBinding" => binding(object, true),
        "ClusterRoleBinding" => binding(object, false),
        _ => {}
    }
}

/// Who has been given a role keeps that role: another one is another binding.
pub(super) fn update(object: &Field<'_>, old: &Value) {
    let role = object.at("roleRef");
    if !same(role.value, old.get("roleRef").unwrap_or(&Value::Null)) {
        role.invalid("cannot change roleRef");
    }
}

fn cluster_role(role: &Field<'_>) {
    rules(role, false);
    let aggregation = role.at("aggregationRule");
    if !aggregation.is_some() {
        return;
    }
    let selectors = aggregation.at("clusterRoleSelectors");
    if selectors.is_empty() {
        selectors
            .required("at least one clusterRoleSelector required if aggregationRule is non-nil");
    }
    selectors.items().for_each(|selector| super::selector::check(&selector));
}

fn rules(role: &Field<'_>, namespaced: bool) {
    role.at("rules").items().for_each(|item| rule(&item, namespaced));
}

fn rule(rule: &Field<'_>, namespaced: bool) {
    if rule.at("verbs").is_empty() {
        rule.at("verbs").required("verbs must contain at least one value");
    }
    let (groups, resources, named) =
        (rule.at("apiGroups"), rule.at("resources"), rule.at("resourceNames"));
    let paths = rule.at("nonResourceURLs");
    if !paths.is_empty() {
        if namespaced {
            paths.invalid("namespaced rules cannot apply to non-resource URLs");
        }
        if groups.len() + resources.len() + named.len() > 0 {
            paths.invalid("rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    if groups.is_empty() {
        groups.required("resource rules must supply at least one api group");
    }
    if resources.is_empty() {
        resources.required("resource rules must supply at least one resource");
    }
}

fn binding(binding: &Field<'_>, namespaced: bool) {
    let role = binding.at("roleRef");
    one_of(&role.at("apiGroup"), &[GROUP]);
    one_of(&role.at("kind"), if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] });
    match role.at("name") {
        name if name.is_empty() => name.required(""),
        name => name.well_formed(names::path_segment),
    }
    binding.at("subjects").items().for_each(|item| subject(&item, namespaced));
}

fn subject(subject: &Field<'_>, namespaced: bool) {
    let (name, group) = (subject.at("name"), subject.at("apiGroup"));
    name.must_be_given();
    match subject.at("kind").text() {
        "ServiceAccount" => {
            if !name.is_empty() {
                name.well_formed(names::dns_subdomain);
            }
            one_of(&group, &[""]);
            if !namespaced {
                subject.at("namespace").must_be_given();
            }
        }
        "User" | "Group" => one_of(&group, &[GROUP]),
        _ => subject.at("kind").unsupported(&["ServiceAccount", "User", "Group"]),
    }
}

/// Nothing given is a wrong value here, not a missing one.
fn one_of(field: &Field<'_>, known: &[&str]) {
    if !known.contains(&field.text()) {
        field.unsupported(known);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::Gvk;
    use crate::validation::{create, update};

    #[track_caller]
    fn check(kind: &str, mut object: serde_json::Value, expected: &[&str]) {
        object["metadata"] = json!({"name": "x:y", "namespace": "default"});
        let errors = create(&Gvk::new(super::GROUP, "v1", kind), &object);
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, expected);
    }

    #[test]
    fn rules_are_of_resources_or_of_paths() {
        let good = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]});
        check("Role", json!({"rules": [good]}), &[]);
        check(
            "Role",
            json!({"rules": [{}]}),
            &[
                "rules[0].verbs: Required value: verbs must contain at least one value",
                "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
                "rules[0].resources: Required value: resource rules must supply at least one resource",
            ],
        );
        let path = json!({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]});
        check("ClusterRole", path.clone(), &[]);
        check(
            "Role",
            path,
            &[
                "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs",
            ],
        );
        let both = json!({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"], "resources": ["pods"]}]});
        check(
            "ClusterRole",
            both,
            &[
                "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: rules cannot apply to both regular resources and non-resource URLs",
            ],
        );
    }

    #[test]
    fn aggregation_needs_a_selector() {
        check(
            "ClusterRole",
            json!({"aggregationRule": {"clusterRoleSelectors": []}}),
            &[
                "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil",
            ],
        );
    }

    #[test]
    fn bindings_name_a_role_and_subjects() {
        let role = json!({"apiGroup": super::GROUP, "kind": "Role", "name": "r"});
        let user = json!({"apiGroup": super::GROUP, "kind": "User", "name": "bob"});
        check("RoleBinding", json!({"roleRef": role, "subjects": [user]}), &[]);
        check(
            "ClusterRoleBinding",
            json!({"roleRef": role, "subjects": [{"kind": "ServiceAccount", "name": "a"}]}),
            &[
                "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\"",
                "subjects[0].namespace: Required value",
            ],
        );
        check(
            "RoleBinding",
            json!({"roleRef": {"apiGroup": super::GROUP, "kind": "Role"}, "subjects": [{"kind": "Robot", "name": "a"}]}),
            &[
                "roleRef.name: Required value",
                "subjects[0].kind: Unsupported value: \"Robot\": supported values: \"ServiceAccount\", \"User\", \"Group\"",
            ],
        );
    }

    #[test]
    fn a_binding_keeps_its_role() {
        let with = |name: &str| {
            json!({"metadata": {"name": "b", "namespace": "default"},
                "roleRef": {"apiGroup": super::GROUP, "kind": "Role", "name": name}})
        };
        let errors = update(&Gvk::new(super::GROUP, "v1", "RoleBinding"), &with("b"), &with("a"));
        assert!(errors[0].to_string().ends_with("cannot change roleRef"), "{errors:?}");
        assert_eq!(errors[0].path, "roleRef");
    }
}
