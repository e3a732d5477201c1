use std::collections::BTreeSet;

use super::*;

fn named<'a>(objects: &'a [Value], name: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["metadata"]["name"] == name);
    let object = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "{name} is there twice");
    object
}

#[test]
fn every_object_is_valid() {
    for object in cluster_roles().into_iter().chain(roles()).chain(bindings()) {
        let kind = object["kind"].as_str().unwrap();
        let gvk = api::Gvk::new(GROUP, "v1", kind);
        let errors = api::validation::create(&gvk, &object);
        assert!(errors.is_empty(), "{}: {errors:?}", object["metadata"]["name"]);
    }
}

#[test]
fn every_binding_gives_a_role_that_is_there() {
    let place = |object: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]))
    };
    let roles: BTreeSet<_> = cluster_roles().iter().chain(&roles()).map(place).collect();
    for binding in bindings() {
        let (namespace, _) = place(&binding);
        let role = binding["roleRef"]["name"].as_str().unwrap().to_owned();
        assert!(roles.contains(&(namespace, role.clone())), "{role}");
    }
}

#[test]
fn roles_read_as_upstream_has_them() {
    let roles = cluster_roles();
    assert_eq!(
        named(&roles, "cluster-admin")["rules"],
        json!([
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
            {"verbs": ["*"], "nonResourceURLs": ["*"]},
        ])
    );
    let label = "rbac.authorization.k8s.io/aggregate-to-edit";
    assert_eq!(
        named(&roles, "edit")["aggregationRule"],
        json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]})
    );
    assert_eq!(named(&roles, "view")["metadata"]["labels"][label], "true");
    assert_eq!(
        named(&roles, "system:controller:ttl-controller")["rules"][1],
        json!({"verbs": ["create", "patch", "update"], "apiGroups": ["", "events.k8s.io"], "resources": ["events"]})
    );
    assert_eq!(
        named(&roles, "system:kube-scheduler")["rules"][2],
        json!({"verbs": ["get", "list", "update", "watch"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["kube-scheduler"]})
    );
}

#[test]
fn bindings_read_as_upstream_has_them() {
    let bindings = bindings();
    let dns = named(&bindings, "system:kube-dns");
    assert_eq!(
        dns["subjects"],
        json!([{"kind": "ServiceAccount", "name": "kube-dns", "namespace": "kube-system"}])
    );
    let reader = named(&bindings, "system::extension-apiserver-authentication-reader");
    assert_eq!(reader["metadata"]["namespace"], "kube-system");
    assert_eq!(reader["roleRef"]["name"], "extension-apiserver-authentication-reader");
    assert_eq!(named(&bindings, "system:node")["subjects"], Value::Null);
}
