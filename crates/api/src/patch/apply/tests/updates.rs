use super::*;

#[test]
fn a_create_owns_what_it_brought() {
    let mut object = Object::deployment();
    object.update(
        "kubectl-create",
        json!({
            "metadata": {"labels": {"app": "web"}, "uid": "u", "resourceVersion": "1"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "app", "image": "i", "resources": {}}]},
            }},
        }),
    );
    let expected = json!([{
        "manager": "kubectl-create",
        "operation": "Update",
        "apiVersion": "apps/v1",
        "time": "2026-11-20T10:01:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {
                "f:selector": {},
                "f:template": {
                    "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                    "f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {
                        ".": {}, "f:image": {}, "f:name": {}, "f:resources": {},
                    }}},
                },
            },
        },
    }]);
    assert_eq!(object.managed_fields(), expected);
}

#[test]
fn an_update_takes_the_fields_it_changes_from_all_others() {
    Object::deployment()
        .apply("me", json!({"spec": {"replicas": 1, "paused": true}}))
        .update("one", json!({"spec": {"minReadySeconds": 1}}))
        .update("two", json!({"spec": {"minReadySeconds": 2, "replicas": 5}}))
        .applied_by("me", &[".spec.paused"])
        .updated_by("one", &[])
        .updated_by("two", &[".spec.minReadySeconds", ".spec.replicas"]);
}

#[test]
fn an_update_that_removes_a_field_takes_it_from_everybody_and_gives_it_to_nobody() {
    Object::deployment()
        .apply("me", json!({"spec": {"replicas": 1}, "metadata": {"labels": {"a": "1"}}}))
        .update("them", json!({"spec": {"replicas": null}}))
        .applied_by("me", &[".metadata.labels.a"])
        .updated_by("them", &[]);
}

#[test]
fn an_update_that_changes_nothing_leaves_the_object_bit_identical() {
    let mut object = Object::deployment();
    object.update("one", json!({"spec": {"replicas": 1}}));
    let before = object.live.clone();
    object.update("two", json!({"spec": {"replicas": 1}}));
    object.update("one", json!({}));
    assert_eq!(object.live, before);
}

#[test]
fn identity_and_bookkeeping_belong_to_nobody() {
    Object::deployment()
        .update("them", json!({"spec": {"replicas": 1}}))
        .update("them", json!({"metadata": {"resourceVersion": "9", "generation": 2, "uid": "x"}}))
        .updated_by("them", &[".spec.replicas"]);
}

#[test]
fn a_subresource_has_an_entry_of_its_own() {
    let mut object = Object::deployment();
    object.update("controller", json!({"spec": {"replicas": 1}}));
    object.update_at("controller", "status", json!({"status": {"replicas": 1}}));
    let entries = object.managed_fields();
    assert_eq!(entries[0].get("subresource"), None);
    assert_eq!(entries[1]["subresource"], "status");
    assert_eq!(entries[1]["fieldsV1"], json!({"f:status": {"f:replicas": {}}}));
}

#[test]
fn entries_are_sorted_appliers_first_then_by_time_and_name() {
    let mut object = Object::deployment();
    object.update("zoe", json!({"spec": {"replicas": 1}}));
    object.update("amy", json!({"spec": {"paused": true}}));
    object.apply("me", json!({"spec": {"minReadySeconds": 1}}));
    let managers = |object: &Object| -> Vec<String> {
        let entries = object.managed_fields();
        let names = entries.as_array().unwrap().iter().map(|entry| entry["manager"].to_string());
        names.collect()
    };
    assert_eq!(managers(&object), ["\"me\"", "\"zoe\"", "\"amy\""]);
    object.update("zoe", json!({"spec": {"replicas": 2}}));
    assert_eq!(managers(&object), ["\"me\"", "\"amy\"", "\"zoe\""]);
}

#[test]
fn an_empty_list_or_an_empty_entry_makes_everybody_forgotten() {
    for reset in [json!([]), json!([{}])] {
        let mut object = Object::deployment();
        object.apply("me", json!({"spec": {"replicas": 1}})).update(
            "them",
            json!({"metadata": {"managedFields": reset}, "spec": {"paused": true}}),
        );
        assert_eq!(object.managed_fields(), Value::Null);
        object.update("them", json!({"spec": {"paused": false}}));
        assert_eq!(object.managed_fields(), Value::Null);
    }
}

#[test]
fn what_was_there_before_the_first_apply_gets_an_owner() {
    let mut object = Object::deployment();
    object
        .update("them", json!({"spec": {"replicas": 1}}))
        .update("them", json!({"metadata": {"managedFields": [{}]}}))
        .conflict(
            "me",
            json!({"spec": {"replicas": 3}}),
            "Apply failed with 1 conflict: conflict with \"before-first-apply\" using apps/v1: \
             .spec.replicas",
        )
        .apply("me", json!({"spec": {"paused": true}}))
        .updated_by("before-first-apply", &[".spec.replicas"]);
}

#[test]
fn entries_may_be_edited_but_not_broken_and_not_through_a_subresource() {
    let mut object = Object::deployment();
    object.apply("me", json!({"spec": {"replicas": 1}}));
    let before = object.managed_fields();
    object.update("them", json!({"metadata": {"managedFields": [{"operation": "Steal"}]}}));
    assert_eq!(object.managed_fields(), before);
    object.update_at("them", "status", json!({"metadata": {"managedFields": []}}));
    assert_eq!(object.managed_fields(), before);
    let mut edited = before;
    edited[0]["manager"] = json!("you");
    object.update("them", json!({"metadata": {"managedFields": edited}}));
    object.applied_by("you", &[".spec.replicas"]).applied_by("me", &[]);
}

#[test]
fn a_write_that_drops_the_entries_does_not_drop_the_owners() {
    Object::deployment()
        .apply("me", json!({"spec": {"replicas": 1}}))
        .update(
            "old-client",
            json!({"metadata": {"managedFields": null}, "spec": {"paused": true}}),
        )
        .applied_by("me", &[".spec.replicas"])
        .updated_by("old-client", &[".spec.paused"]);
}

#[test]
fn more_updaters_than_ten_are_merged_from_the_oldest() {
    let mut object = Object::deployment();
    for number in 0..14 {
        let label = format!("l{number}");
        object.update(&format!("m{number:02}"), json!({"metadata": {"labels": {label: "x"}}}));
    }
    let entries = object.managed_fields();
    assert_eq!(entries.as_array().unwrap().len(), managed::UPDATE_MANAGERS_MAX);
    assert_eq!(entries[0]["manager"], "ancient-changes");
    object.updated_by(
        "ancient-changes",
        &[
            ".metadata.labels",
            ".metadata.labels.l0",
            ".metadata.labels.l1",
            ".metadata.labels.l2",
            ".metadata.labels.l3",
            ".metadata.labels.l4",
        ],
    );
}
