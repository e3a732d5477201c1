//! The shapes of built-in kinds, as everything that walks them relies on.

use super::*;

#[track_caller]
fn list(kind: &str, path: &str) -> ListShape {
    let schema = of(&kind.parse().unwrap()).unwrap();
    match schema.at(path).map(|s| &s.shape) {
        Some(Shape::List(list)) => list.clone(),
        other => panic!("{path} is {other:?}"),
    }
}

#[track_caller]
fn check_list(kind: &str, path: &str, apply: &str, strategic: &str) {
    let list = list(kind, path);
    let apply_is = match list.apply {
        ListType::Atomic => "atomic".to_owned(),
        ListType::Set => "set".to_owned(),
        ListType::Map(keys) => keys.join(","),
    };
    let strategic_is = match list.strategic {
        ListPatch::Replace => "replace".to_owned(),
        ListPatch::MergeScalars => "merge".to_owned(),
        ListPatch::MergeBy(key) => key.to_string(),
    };
    assert_eq!((apply_is.as_str(), strategic_is.as_str()), (apply, strategic), "{path}");
}

#[track_caller]
fn shape(kind: &str, path: &str) -> Shape {
    of(&kind.parse().unwrap()).unwrap().at(path).unwrap().shape.clone()
}

#[test]
fn every_kind_has_a_shape_with_metadata() {
    for gvk in kinds() {
        let schema = of(&gvk).unwrap_or_else(|| panic!("{gvk}"));
        assert!(schema.field("metadata").is_some(), "{gvk}");
    }
}

#[test]
fn an_unknown_kind_has_none() {
    assert!(of(&Gvk::core("Dragon")).is_none());
    assert!(of(&Gvk::new("apps", "v1", "Pod")).is_none());
}

#[test]
fn delete_options_belong_to_every_group() {
    assert!(of(&Gvk::core("DeleteOptions")).is_some());
    assert!(of(&Gvk::new("meta.k8s.io", "v1", "DeleteOptions")).is_some());
}

#[test]
fn the_places_where_strategic_and_apply_keys_differ() {
    check_list("v1/Pod", "spec.containers[].ports", "containerPort,protocol", "containerPort");
    check_list(
        "v1/Pod",
        "spec.ephemeralContainers[].ports",
        "containerPort,protocol",
        "containerPort",
    );
    check_list(
        "v1/Pod",
        "spec.topologySpreadConstraints",
        "topologyKey,whenUnsatisfiable",
        "topologyKey",
    );
    check_list("v1/Service", "spec.ports", "port,protocol", "port");
    check_list("v1/Pod", "status.hostIPs", "atomic", "ip");
}

#[test]
fn common_lists() {
    check_list("apps/v1/Deployment", "spec.template.spec.containers", "name", "name");
    check_list("apps/v1/Deployment", "spec.template.spec.containers[].env", "name", "name");
    check_list("apps/v1/Deployment", "spec.template.spec.containers[].args", "atomic", "replace");
    check_list("v1/Pod", "metadata.finalizers", "set", "merge");
    check_list("v1/Pod", "metadata.ownerReferences", "uid", "uid");
    check_list("v1/Pod", "spec.tolerations", "atomic", "replace");
}

#[test]
fn selectors_are_atomic_and_labels_are_not() {
    assert!(matches!(shape("v1/Service", "spec.selector"), Shape::Map { atomic: true, .. }));
    assert!(matches!(shape("v1/Service", "metadata.labels"), Shape::Map { atomic: false, .. }));
    let Shape::Object(selector) = shape("apps/v1/Deployment", "spec.selector") else { panic!() };
    assert!(selector.atomic);
}

#[test]
fn retain_keys_marks_the_object_and_only_there() {
    let Shape::Object(strategy) = shape("apps/v1/Deployment", "spec.strategy") else { panic!() };
    assert!(strategy.retain_keys);
    let volumes = list("v1/Pod", "spec.volumes");
    let Shape::Object(volume) = &volumes.items.shape else { panic!() };
    assert!(volume.retain_keys);
}

#[test]
fn special_types() {
    let limits = shape("v1/Pod", "spec.containers[].resources.limits");
    let Shape::Map { values, .. } = limits else { panic!() };
    assert_eq!(values.shape, Shape::Quantity);
    assert_eq!(shape("v1/Service", "spec.ports[].targetPort"), Shape::IntOrString);
    assert_eq!(shape("v1/Pod", "metadata.managedFields[].fieldsV1"), Shape::Any);
    let Shape::Map { values, .. } = shape("v1/Secret", "data") else { panic!() };
    assert_eq!(values.shape, Shape::String { format: Some("byte".into()) });
    let time = shape("v1/Pod", "metadata.creationTimestamp");
    assert_eq!(time, Shape::String { format: Some("date-time".into()) });
}

#[test]
fn equal_definitions_are_shared() {
    let pod = of(&Gvk::core("Pod")).unwrap();
    let deployment = of(&Gvk::new("apps", "v1", "Deployment")).unwrap();
    let template = deployment.at("spec.template").unwrap();
    assert!(Arc::ptr_eq(pod.field("spec").unwrap(), template.field("spec").unwrap()));
}
