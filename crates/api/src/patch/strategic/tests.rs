use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::schema;

fn patched(gvk: &str, live: Value, patch: Value) -> Result<Value, StrategicError> {
    apply(&schema::of(&gvk.parse().unwrap()).unwrap(), live, patch)
}

#[track_caller]
fn check(gvk: &str, live: Value, patch: Value, expected: Value) {
    assert_eq!(patched(gvk, live, patch), Ok(expected));
}

#[track_caller]
fn check_pod(live: Value, patch: Value, expected: Value) {
    check("v1/Pod", json!({"spec": live}), json!({"spec": patch}), json!({"spec": expected}));
}

#[track_caller]
fn check_metadata(live: Value, patch: Value, expected: Value) {
    let of = |metadata| json!({"metadata": metadata});
    check("v1/ConfigMap", of(live), of(patch), of(expected));
}

#[track_caller]
fn check_error(live: Value, patch: Value, code: u16, text: &str) {
    let error = patched("v1/Pod", json!({"spec": live}), json!({"spec": patch})).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (code, text));
}

#[test]
fn containers_merge_by_name_and_keep_what_the_patch_leaves_out() {
    check_pod(
        json!({"containers": [{"name": "a", "image": "a:1", "tty": true}, {"name": "b"}]}),
        json!({"containers": [{"name": "a", "image": "a:2"}]}),
        json!({"containers": [{"name": "a", "image": "a:2", "tty": true}, {"name": "b"}]}),
    );
}

#[test]
fn added_items_stand_before_those_the_object_alone_has() {
    check_pod(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}),
        json!({"containers": [{"name": "c"}]}),
        json!({"containers": [{"name": "c"}, {"name": "a"}, {"name": "b"}]}),
    );
}

#[test]
fn items_of_both_take_the_order_of_the_patch() {
    check_pod(
        json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}),
        json!({"containers": [{"name": "c", "tty": true}, {"name": "a"}]}),
        json!({"containers": [{"name": "b"}, {"name": "c", "tty": true}, {"name": "a"}]}),
    );
}

#[test]
fn set_element_order_orders_the_list_without_changing_it() {
    check_pod(
        json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "x"}]}),
        json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}),
        json!({"containers": [{"name": "b"}, {"name": "a"}, {"name": "x"}]}),
    );
}

#[test]
fn set_element_order_places_added_and_changed_items() {
    check_pod(
        json!({"containers": [{"name": "a"}, {"name": "server"}, {"name": "b"}]}),
        json!({
            "$setElementOrder/containers": [{"name": "a"}, {"name": "new"}, {"name": "b"}],
            "containers": [{"name": "new", "image": "n"}, {"name": "b", "image": "b"}],
        }),
        json!({"containers": [
            {"name": "a"}, {"name": "new", "image": "n"}, {"name": "server"}, {"name": "b", "image": "b"},
        ]}),
    );
}

#[test]
fn set_element_order_of_a_list_that_nobody_has_does_nothing() {
    check_pod(json!({}), json!({"$setElementOrder/volumes": [{"name": "v"}]}), json!({}));
    let order = json!({"$setElementOrder/volumes": [{"name": "v"}]});
    check_pod(json!({"volumes": []}), order, json!({"volumes": []}));
}

#[test]
fn what_kubectl_apply_sends_to_drop_a_container_and_add_an_env_works() {
    check_pod(
        json!({"containers": [
            {"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
            {"name": "old"},
        ]}),
        json!({
            "$setElementOrder/containers": [{"name": "a"}],
            "containers": [
                {
                    "name": "a",
                    "$setElementOrder/env": [{"name": "Z"}, {"name": "X"}],
                    "env": [
                        {"name": "Z", "value": "3"},
                        {"$patch": "delete", "name": "Y"},
                    ],
                },
                {"$patch": "delete", "name": "old"},
            ],
        }),
        json!({"containers": [
            {"name": "a", "env": [{"name": "Z", "value": "3"}, {"name": "X", "value": "1"}]},
        ]}),
    );
}

/// Seen with kubectl 1.32: `patch --local`, which runs upstream's own code.
#[test]
fn an_added_item_takes_the_room_of_a_deleted_one() {
    check_pod(
        json!({"containers": [{"name": "sidecar"}, {"name": "a"}, {"name": "old"}]}),
        json!({
            "$setElementOrder/containers": [{"name": "new"}, {"name": "a"}],
            "containers": [{"$patch": "delete", "name": "old"}, {"name": "new"}],
        }),
        json!({"containers": [{"name": "sidecar"}, {"name": "new"}, {"name": "a"}]}),
    );
}

#[test]
fn delete_of_an_item_that_is_not_there_does_nothing() {
    check_pod(
        json!({"containers": [{"name": "a"}]}),
        json!({"containers": [{"$patch": "delete", "name": "b"}]}),
        json!({"containers": [{"name": "a"}]}),
    );
    check_pod(
        json!({}),
        json!({"volumes": [{"$patch": "delete", "name": "b"}, {"name": "c"}]}),
        json!({"volumes": [{"name": "c"}]}),
    );
}

#[test]
fn replace_in_a_list_drops_the_others() {
    check_pod(
        json!({"containers": [{"name": "a", "tty": true}, {"name": "b"}]}),
        json!({"containers": [{"name": "a", "image": "i"}, {"$patch": "replace"}]}),
        json!({"containers": [{"name": "a", "image": "i"}]}),
    );
}

#[test]
fn replace_and_delete_act_on_a_whole_object() {
    check_pod(
        json!({"securityContext": {"runAsUser": 1, "fsGroup": 2}}),
        json!({"securityContext": {"$patch": "replace", "runAsUser": 3}}),
        json!({"securityContext": {"runAsUser": 3}}),
    );
    check_pod(
        json!({"securityContext": {"runAsUser": 1}}),
        json!({"securityContext": {"$patch": "delete"}}),
        json!({"securityContext": {}}),
    );
}

#[test]
fn lists_without_a_strategy_are_replaced() {
    check_pod(
        json!({"containers": [{"name": "a", "args": ["1", "2"]}], "tolerations": [{"key": "x"}]}),
        json!({"containers": [{"name": "a", "args": ["3"]}], "tolerations": [{"key": "y"}]}),
        json!({"containers": [{"name": "a", "args": ["3"]}], "tolerations": [{"key": "y"}]}),
    );
}

#[test]
fn ports_merge_by_container_port_alone() {
    check_pod(
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}),
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "web"}]}]}),
        json!({"containers": [
            {"name": "a", "ports": [{"containerPort": 80, "protocol": "TCP", "name": "web"}]},
        ]}),
    );
}

#[test]
fn lists_of_scalars_merge_as_sets() {
    check_metadata(
        json!({"finalizers": ["a", "b"]}),
        json!({"finalizers": ["b", "c"]}),
        json!({"finalizers": ["a", "b", "c"]}),
    );
    check_metadata(
        json!({"finalizers": ["a", "b", "c"]}),
        json!({"$deleteFromPrimitiveList/finalizers": ["b", "x"]}),
        json!({"finalizers": ["a", "c"]}),
    );
    check_metadata(
        json!({"finalizers": ["a", "b", "c"]}),
        json!({
            "$deleteFromPrimitiveList/finalizers": ["a"],
            "$setElementOrder/finalizers": ["d", "b"],
            "finalizers": ["d"],
        }),
        json!({"finalizers": ["d", "b", "c"]}),
    );
    check_metadata(json!({}), json!({"$deleteFromPrimitiveList/finalizers": ["b"]}), json!({}));
}

#[test]
fn null_deletes_and_is_never_stored() {
    check_metadata(
        json!({"labels": {"a": "1", "b": "2"}, "annotations": {"x": "y"}}),
        json!({"labels": {"a": null, "c": null, "d": "4"}, "annotations": null}),
        json!({"labels": {"b": "2", "d": "4"}}),
    );
    check_metadata(
        json!({}),
        json!({"labels": {"a": null, "b": "2"}}),
        json!({"labels": {"b": "2"}}),
    );
}

#[test]
fn retain_keys_clears_the_fields_it_does_not_name() {
    check(
        "apps/v1/Deployment",
        json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
        json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
        json!({"spec": {"strategy": {"type": "Recreate"}}}),
    );
    check_pod(
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
        json!({"volumes": [
            {"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}},
        ]}),
        json!({"volumes": [{"name": "v", "configMap": {"name": "c"}}]}),
    );
}

#[test]
fn directives_inside_added_values_are_not_stored() {
    check_pod(
        json!({}),
        json!({"containers": [{"name": "a", "$setElementOrder/env": [{"name": "E"}],
            "env": [{"name": "E", "value": "1"}], "lifecycle": {"$patch": "replace"}}]}),
        json!({"containers": [{"name": "a", "env": [{"name": "E", "value": "1"}]}]}),
    );
}

#[test]
fn a_value_of_another_type_replaces() {
    check_metadata(
        json!({"labels": "odd"}),
        json!({"labels": {"a": "1", "b": null}}),
        json!({"labels": {"a": "1"}}),
    );
}

#[test]
fn an_item_without_its_merge_key_is_an_error() {
    check_error(
        json!({"containers": [{"name": "a"}]}),
        json!({"containers": [{"image": "x", "ports": [{"containerPort": 1}]}]}),
        500,
        "map: map[image:x ports:[map[containerPort:1]]] does not contain declared merge key: name",
    );
    check_error(
        json!({"containers": [{"name": "a"}]}),
        json!({"containers": [{"$patch": "delete"}]}),
        500,
        "map: map[$patch:delete] does not contain declared merge key: name",
    );
}

#[test]
fn malformed_patches_are_told_apart() {
    let pod = || json!({"containers": [{"name": "a"}], "nodeSelector": {"a": "b"}});
    check_error(
        pod(),
        json!({"nodeSelector": {"$patch": "merge"}}),
        500,
        "unknown patch type: merge in map: map[$patch:merge]",
    );
    check_error(
        pod(),
        json!({"containers": [{"$patch": "merge"}]}),
        500,
        "merging lists cannot yet be specified in the patch",
    );
    check_error(
        pod(),
        json!({"containers": ["a"]}),
        500,
        "list element types are not identical: [[map[name:a]] [a]]",
    );
    check_error(
        pod(),
        json!({"containers": [[1]]}),
        500,
        "list element types are not identical: [[map[name:a]] [[1]]]",
    );
    check_error(
        json!({"containers": []}),
        json!({"containers": [[1]]}),
        422,
        "lists of lists are not supported",
    );
    check_error(
        pod(),
        json!({"$setElementOrder/containers": "a"}),
        500,
        "expected a []interface {}, but received a string",
    );
    check_error(
        pod(),
        json!({"nodeSelector": {"$retainKeys": ["a"], "b": "c"}}),
        422,
        "patch content doesn't match retainKeys list",
    );
    check_error(
        pod(),
        json!({"nodeSelector": {"$retainKeys": "a"}}),
        400,
        "invalid patch format of retainKeys",
    );
    check_error(
        pod(),
        json!({"$deleteFromPrimitiveListcontainers": []}),
        400,
        "invalid patch format of primitive list",
    );
}

#[test]
fn items_out_of_the_order_the_patch_gives_are_an_error() {
    check_error(
        json!({"containers": [{"name": "a"}]}),
        json!({
            "$setElementOrder/containers": [{"name": "a"}, {"name": "b"}],
            "containers": [{"name": "b"}, {"name": "a"}],
        }),
        500,
        "The order in patch list:\n[map[name:b] map[name:a]]\n doesn't match $setElementOrder \
         list:\n[map[name:a] map[name:b]]\n",
    );
}

#[test]
fn a_field_that_the_type_lacks_is_an_error_where_it_would_be_merged() {
    check_error(
        json!({"odd": {"a": 1}}),
        json!({"odd": {"a": 2}}),
        500,
        "unable to find api field in struct PodSpec for the json field \"odd\"",
    );
    // Where nothing is merged, field validation will tell.
    check_pod(json!({}), json!({"odd": 1}), json!({"odd": 1}));
}

#[test]
fn a_patch_that_is_no_object_is_refused() {
    assert_eq!(patched("v1/Pod", json!({}), json!([])), Err(StrategicError::NotAnObject));
}

#[test]
fn a_huge_list_merges_in_reasonable_time() {
    let items = |count: usize| (0..count).map(|n| json!({"name": format!("c{n}")})).collect();
    let (live, patch): (Vec<Value>, Vec<Value>) = (items(50_000), items(50_000));
    let started = std::time::Instant::now();
    check_pod(
        json!({"containers": live}),
        json!({"$setElementOrder/containers": patch, "containers": patch}),
        json!({"containers": live}),
    );
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

fn hostile() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        Just("$patch".to_owned()),
        Just("$retainKeys".to_owned()),
        Just("$setElementOrder/containers".to_owned()),
        Just("$setElementOrder/".to_owned()),
        Just("$deleteFromPrimitiveList/finalizers".to_owned()),
        Just("containers".to_owned()),
        Just("spec".to_owned()),
        Just("metadata".to_owned()),
        Just("finalizers".to_owned()),
        Just("name".to_owned()),
        Just("ports".to_owned()),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3).prop_map(Value::from),
        Just(json!(0.5)),
        Just(json!("delete")),
        Just(json!("replace")),
        Just(json!("a")),
    ];
    leaf.prop_recursive(6, 64, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((names.clone(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn hostile_patches_never_panic_and_leave_no_directive(live in hostile(), patch in hostile()) {
        let Some(live) = directive::clean(live) else { return Ok(()) };
        if let Ok(result) = patched("v1/Pod", live, patch) {
            prop_assert!(!result.to_string().contains("\"$patch\""), "{result}");
        }
    }

    #[test]
    fn an_empty_patch_changes_nothing(live in hostile()) {
        if live.is_object() {
            prop_assert_eq!(patched("v1/Pod", live.clone(), json!({})), Ok(live));
        }
    }
}
