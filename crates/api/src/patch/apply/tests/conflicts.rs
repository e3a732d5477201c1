use super::*;

#[test]
fn a_conflict_names_the_updater_its_version_and_the_field() {
    Object::deployment()
        .update("kubectl-client-side-apply", json!({"spec": {"replicas": 1}}))
        .conflict(
            "me",
            json!({"spec": {"replicas": 3}}),
            "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using \
             apps/v1: .spec.replicas",
        );
}

#[test]
fn conflicts_of_several_managers_are_listed_by_manager() {
    Object::deployment()
        .apply(
            "zoe",
            json!({"spec": {"paused": true, "template": {"spec": {"containers": [
                {"name": "app", "image": "a:1"},
            ]}}}}),
        )
        .update_at("hpa", "scale", json!({"spec": {"replicas": 1}}))
        .conflict(
            "me",
            json!({"spec": {
                "replicas": 3,
                "paused": false,
                "template": {"spec": {"containers": [{"name": "app", "image": "a:2"}]}},
            }}),
            "Apply failed with 3 conflicts: conflicts with \"hpa\" with subresource \"scale\" \
             using apps/v1:\n- .spec.replicas\nconflicts with \"zoe\":\n- .spec.paused\n- \
             .spec.template.spec.containers[name=\"app\"].image",
        );
}

#[test]
fn each_conflict_is_a_cause_of_the_status() {
    let mut object = Object::deployment();
    object.update("them", json!({"spec": {"replicas": 1, "paused": true}}));
    let wanted = json!({"spec": {"replicas": 3, "paused": false}});
    let Err(ApplyError::Conflicts(conflicts)) = object.try_apply("me", wanted, false) else {
        panic!("no conflict");
    };
    let cause = |field: &str| ConflictCause {
        message: "conflict with \"them\" using apps/v1".to_owned(),
        field: field.to_owned(),
    };
    assert_eq!(conflicts.causes(), [cause(".spec.paused"), cause(".spec.replicas")]);
}

#[test]
fn the_same_value_is_shared_without_conflict() {
    Object::deployment()
        .apply("one", json!({"spec": {"replicas": 3}}))
        .apply("two", json!({"spec": {"replicas": 3}}))
        .applied_by("one", &[".spec.replicas"])
        .applied_by("two", &[".spec.replicas"])
        .conflict(
            "one",
            json!({"spec": {"replicas": 4}}),
            "Apply failed with 1 conflict: conflict with \"two\": .spec.replicas",
        );
}

#[test]
fn force_takes_the_fields_from_the_others() {
    Object::deployment()
        .apply("one", json!({"spec": {"replicas": 3, "paused": true}}))
        .update("two", json!({"spec": {"minReadySeconds": 1}}))
        .force("me", json!({"spec": {"replicas": 4, "minReadySeconds": 2}}))
        .is(json!({"spec": {"replicas": 4, "minReadySeconds": 2, "paused": true}}))
        .applied_by("one", &[".spec.paused"])
        .updated_by("two", &[])
        .applied_by("me", &[".spec.minReadySeconds", ".spec.replicas"]);
}

#[test]
fn a_manager_does_not_conflict_with_its_own_last_apply_but_with_its_own_updates() {
    Object::deployment()
        .apply("me", json!({"spec": {"replicas": 1}}))
        .apply("me", json!({"spec": {"replicas": 2}}))
        .update("me", json!({"spec": {"replicas": 3}}))
        .conflict(
            "me",
            json!({"spec": {"replicas": 2}}),
            "Apply failed with 1 conflict: conflict with \"me\" using apps/v1: .spec.replicas",
        );
}

#[test]
fn an_atomic_value_conflicts_as_a_whole() {
    Object::new("v1/Service")
        .apply("one", json!({"spec": {"selector": {"app": "a"}}}))
        .conflict(
            "two",
            json!({"spec": {"selector": {"tier": "b"}}}),
            "Apply failed with 1 conflict: conflict with \"one\": .spec.selector",
        )
        .force("two", json!({"spec": {"selector": {"tier": "b"}}}))
        .is(json!({"spec": {"selector": {"tier": "b"}}}))
        .applied_by("one", &[]);
}

#[test]
fn removing_what_another_shares_is_no_conflict() {
    Object::deployment()
        .apply("one", json!({"metadata": {"labels": {"a": "1"}}}))
        .apply("two", json!({"metadata": {"labels": {"a": "1", "b": "2"}}}))
        .apply("two", json!({"metadata": {"labels": {"b": "2"}}}))
        .is(json!({"metadata": {"labels": {"a": "1", "b": "2"}}}))
        .applied_by("one", &[".metadata.labels.a"]);
}

#[test]
fn the_status_of_a_builtin_object_is_not_applied_through_the_object() {
    Object::deployment()
        .update_at("controller", "status", json!({"status": {"replicas": 1}}))
        .apply("me", json!({"spec": {"replicas": 1}, "status": {"replicas": 7}}))
        .applied_by("me", &[".spec.replicas"]);
}
