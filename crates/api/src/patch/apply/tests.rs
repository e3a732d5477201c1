//! Conversations: managers write one object after the other, and what it is then, who owns
//! what, and what is refused must be what a Kubernetes API server makes of it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::schema;

mod conflicts;
mod fields;
mod kubectl;
mod lists;
mod properties;
mod updates;

/// One object and its writers. The clock moves a minute with each write.
struct Object {
    gvk: Gvk,
    schema: Arc<TypeSchema>,
    live: Option<Value>,
    minute: u32,
}

impl Object {
    fn new(gvk: &str) -> Self {
        let gvk: Gvk = gvk.parse().unwrap();
        let schema = schema::of(&gvk).unwrap();
        Self { gvk, schema, live: None, minute: 0 }
    }

    fn deployment() -> Self {
        Self::new("apps/v1/Deployment")
    }

    fn config(&self, fields: Value) -> Value {
        let mut config = json!({
            "apiVersion": self.gvk.api_version(),
            "kind": self.gvk.kind,
            "metadata": {"name": "web", "namespace": "default"},
        });
        crate::patch::merge::apply(&mut config, fields);
        config
    }

    fn try_apply(&mut self, manager: &str, fields: Value, force: bool) -> Result<(), ApplyError> {
        self.minute += 1;
        let now = self.now();
        let write =
            Write { schema: &self.schema, gvk: &self.gvk, manager, subresource: "", now: &now };
        let applied = super::apply(&write, self.live.as_ref(), &self.config(fields), force)?;
        self.live = Some(applied);
        Ok(())
    }

    #[track_caller]
    fn apply(&mut self, manager: &str, fields: Value) -> &mut Self {
        self.try_apply(manager, fields, false).unwrap();
        self
    }

    #[track_caller]
    fn force(&mut self, manager: &str, fields: Value) -> &mut Self {
        self.try_apply(manager, fields, true).unwrap();
        self
    }

    /// An ordinary write: a merge patch, or a create.
    fn update(&mut self, manager: &str, patch: Value) -> &mut Self {
        self.update_at(manager, "", patch)
    }

    fn update_at(&mut self, manager: &str, subresource: &str, patch: Value) -> &mut Self {
        self.minute += 1;
        let now = self.now();
        let write = Write { schema: &self.schema, gvk: &self.gvk, manager, subresource, now: &now };
        let mut new = self.live.clone().unwrap_or_else(|| self.config(json!({})));
        crate::patch::merge::apply(&mut new, patch);
        super::update(&write, self.live.as_ref(), &mut new);
        self.live = Some(new);
        self
    }

    fn now(&self) -> String {
        format!("2026-11-20T10:{:02}:00Z", self.minute)
    }

    /// The object without its identity and managed fields.
    #[track_caller]
    fn is(&mut self, fields: Value) -> &mut Self {
        let mut object = self.live.clone().unwrap();
        detach(&mut object);
        assert_eq!(object, self.config(fields));
        self
    }

    /// What a manager owns, one path a line; empty where it owns nothing.
    fn owned(&self, manager: &str, operation: Operation) -> Vec<String> {
        let live = self.live.as_ref().unwrap();
        let managed = managed::decode(live.pointer("/metadata/managedFields")).unwrap();
        let mut paths = Vec::new();
        for (identity, entry) in &managed {
            if identity.manager == manager && identity.operation == operation {
                entry.set.for_each(&mut |path| paths.push(path.to_string()));
            }
        }
        paths
    }

    #[track_caller]
    fn applied_by(&mut self, manager: &str, paths: &[&str]) -> &mut Self {
        assert_eq!(self.owned(manager, Operation::Apply), paths, "{manager}");
        self
    }

    #[track_caller]
    fn updated_by(&mut self, manager: &str, paths: &[&str]) -> &mut Self {
        assert_eq!(self.owned(manager, Operation::Update), paths, "{manager}");
        self
    }

    #[track_caller]
    fn conflict(&mut self, manager: &str, fields: Value, text: &str) -> &mut Self {
        let before = self.live.clone();
        let error = self.try_apply(manager, fields, false).unwrap_err();
        assert_eq!(error.to_string(), text);
        assert_eq!(self.live, before);
        self
    }

    fn managed_fields(&self) -> Value {
        self.live.as_ref().unwrap()["metadata"]["managedFields"].clone()
    }
}

#[test]
fn the_first_apply_makes_the_object_and_owns_what_it_says() {
    Object::deployment()
        .apply("me", json!({"metadata": {"labels": {"a": "1"}}, "spec": {"replicas": 3}}))
        .is(json!({"metadata": {"labels": {"a": "1"}}, "spec": {"replicas": 3}}))
        .applied_by("me", &[".metadata.labels.a", ".spec.replicas"]);
}

#[test]
fn the_entry_of_an_apply_looks_as_upstream_writes_it() {
    let mut object = Object::deployment();
    object.apply(
        "me",
        json!({"spec": {"template": {"spec": {"containers": [
            {"name": "app", "image": "i", "ports": [{"containerPort": 80}]},
        ]}}}}),
    );
    let expected = json!([{
        "manager": "me",
        "operation": "Apply",
        "apiVersion": "apps/v1",
        "time": "2026-11-20T10:01:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"app\"}": {
                ".": {},
                "f:name": {},
                "f:image": {},
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {
                    ".": {}, "f:containerPort": {},
                }},
            },
        }}}}},
    }]);
    assert_eq!(object.managed_fields(), expected);
}

#[test]
fn applying_the_same_again_leaves_the_object_bit_identical() {
    let config = json!({"spec": {"replicas": 3, "template": {"spec": {"containers": [
        {"name": "app", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1"}}},
    ]}}}});
    let mut object = Object::deployment();
    object.apply("me", config.clone());
    // What the server added, and another way to write the same number.
    object.update("defaults", json!({"spec": {"paused": false}}));
    let before = object.live.clone();
    object.apply("me", config);
    assert_eq!(object.live, before);
    let mut other = config_with_cpu(json!("1000m"));
    other["spec"]["replicas"] = json!(3);
    object.apply("me", other);
    assert_eq!(object.live, before);
}

fn config_with_cpu(cpu: Value) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [
        {"name": "app", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": cpu}}},
    ]}}}})
}

#[test]
fn what_is_no_longer_applied_goes_away() {
    Object::deployment()
        .apply("me", json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"replicas": 3}}))
        .apply("me", json!({"metadata": {"labels": {"b": "2"}}}))
        .is(json!({"metadata": {"labels": {"b": "2"}}}))
        .applied_by("me", &[".metadata.labels.b"])
        .apply("me", json!({}))
        .is(json!({}))
        .applied_by("me", &[]);
}

#[test]
fn what_others_own_stays_when_this_manager_lets_go() {
    Object::deployment()
        .apply("one", json!({"spec": {"replicas": 3, "paused": true}}))
        .apply("two", json!({"spec": {"replicas": 3}}))
        .apply("one", json!({}))
        .is(json!({"spec": {"replicas": 3}}))
        .applied_by("two", &[".spec.replicas"])
        .apply("two", json!({}))
        .is(json!({}));
}

#[test]
fn a_field_let_go_stays_while_an_updater_owns_it() {
    Object::deployment()
        .apply("me", json!({"spec": {"replicas": 3, "paused": true}}))
        .update("scaler", json!({"spec": {"replicas": 5}}))
        .apply("me", json!({"spec": {"paused": true}}))
        .is(json!({"spec": {"replicas": 5, "paused": true}}))
        .applied_by("me", &[".spec.paused"])
        .updated_by("scaler", &[".spec.replicas"]);
}

#[test]
fn what_nobody_owns_goes_only_with_the_struct_it_is_in() {
    let with_strategy = json!({"spec": {"replicas": 1, "strategy": {"type": "RollingUpdate"}}});
    let mut object = Object::deployment();
    object.apply("me", with_strategy);
    // Defaults are written without an owner.
    object.live.as_mut().unwrap()["spec"]["strategy"]["rollingUpdate"] = json!({"maxSurge": 1});
    object.live.as_mut().unwrap()["spec"]["revisionHistoryLimit"] = json!(10);
    object
        .apply("me", json!({"spec": {"replicas": 1}}))
        .is(json!({"spec": {"replicas": 1, "revisionHistoryLimit": 10}}));
}

#[test]
fn null_in_a_configuration_is_not_stored() {
    Object::deployment()
        .update("them", json!({"spec": {"paused": true}}))
        .apply("me", json!({"spec": {"replicas": 1}}))
        .force("me", serde_json::from_str(r#"{"spec": {"replicas": 1}}"#).unwrap());
    let mut object = Object::deployment();
    object.apply("me", json!({"spec": {"replicas": 1}}));
    let mut config = object.config(json!({}));
    config["spec"] = json!({"replicas": 1, "minReadySeconds": null});
    let write = Write {
        schema: &object.schema,
        gvk: &object.gvk,
        manager: "me",
        subresource: "",
        now: "2026-11-20T11:00:00Z",
    };
    let applied = super::apply(&write, object.live.as_ref(), &config, false).unwrap();
    assert_eq!(applied["spec"], json!({"replicas": 1}));
}

#[test]
fn what_go_programs_print_for_nothing_changes_nothing() {
    let fields = || json!({"spec": {"strategy": {}, "template": {"spec": {}}}, "status": {}});
    let mut object = Object::deployment();
    object.apply("me", fields());
    object.live.as_mut().unwrap()["metadata"]["creationTimestamp"] = json!("2026-11-20T10:01:00Z");
    let before = object.live.clone();
    let mut config = object.config(fields());
    config["metadata"]["creationTimestamp"] = Value::Null;
    let write = Write {
        schema: &object.schema,
        gvk: &object.gvk,
        manager: "me",
        subresource: "",
        now: "2026-11-20T11:00:00Z",
    };
    assert_eq!(super::apply(&write, before.as_ref(), &config, false).ok(), before);
}

#[test]
fn the_time_moves_only_when_something_changes() {
    let mut object = Object::deployment();
    object.apply("me", json!({"spec": {"replicas": 1}}));
    object.apply("me", json!({"spec": {"replicas": 1}}));
    assert_eq!(object.managed_fields()[0]["time"], "2026-11-20T10:01:00Z");
    object.apply("me", json!({"spec": {"replicas": 2}}));
    assert_eq!(object.managed_fields()[0]["time"], "2026-11-20T10:03:00Z");
    object.apply("me", json!({"spec": {"replicas": 2, "paused": false}}));
    assert_eq!(object.managed_fields()[0]["time"], "2026-11-20T10:04:00Z");
}

#[track_caller]
fn check_refused(config: Value, text: &str) {
    let object = Object::deployment();
    let write =
        Write { schema: &object.schema, gvk: &object.gvk, manager: "me", subresource: "", now: "" };
    let error = super::apply(&write, None, &config, false).unwrap_err();
    assert_eq!(error.to_string(), text);
}

#[test]
fn configurations_that_do_not_fit_are_refused_with_the_place() {
    let with = |fields| Object::deployment().config(fields);
    let typed = |why: &str| {
        format!(
            "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): {why}"
        )
    };
    check_refused(with(json!({"kind": "Pod"})), "invalid object type: apps/v1, Kind=Pod");
    check_refused(
        with(json!({"metadata": {"managedFields": []}})),
        "metadata.managedFields must be nil",
    );
    check_refused(
        with(json!({"spec": {"replica": 3}})),
        &typed(".spec.replica: field not declared in schema"),
    );
    check_refused(
        with(json!({"spec": {"replicas": "3", "template": []}})),
        &typed(
            "errors:\n  .spec.replicas: expected numeric (int or float), got \
             &value.valueUnstructured{Value:\"3\"}\n  \
             .spec.template: expected map, got &{[]}",
        ),
    );
    let containers = |list| json!({"spec": {"template": {"spec": {"containers": list}}}});
    check_refused(
        with(containers(json!([{"name": "a"}, {"image": "b"}]))),
        &typed(
            ".spec.template.spec.containers: element 1: associative list with keys has an element \
             that omits all key fields [\"name\"] (and doesn't have default values for any key fields)",
        ),
    );
    check_refused(
        with(containers(json!([{"name": "a"}, {"name": "a"}]))),
        &typed(".spec.template.spec.containers: duplicate entries for key [name=\"a\"]"),
    );
}
