//! Laws that hold for any configuration.

use proptest::prelude::*;

use super::*;

/// Deployments that only a machine would write, all fitting the type.
fn configs() -> impl Strategy<Value = Value> {
    let port = (1..4, proptest::option::of(prop_oneof![Just("TCP"), Just("UDP")]));
    let ports = proptest::collection::btree_map(port, "[a-c]", 0..3).prop_map(|ports| {
        let mut seen = std::collections::BTreeSet::new();
        let item = |((number, protocol), name): ((i32, Option<&str>), String)| {
            let key = (number, protocol.unwrap_or("TCP").to_owned());
            seen.insert(key).then(|| {
                let mut port = json!({"containerPort": number, "name": name});
                if let Some(protocol) = protocol {
                    port["protocol"] = json!(protocol);
                }
                port
            })
        };
        Value::from(ports.into_iter().filter_map(item).collect::<Vec<_>>())
    });
    let container =
        (proptest::option::of("[i-k]"), ports, proptest::collection::vec("[x-z]", 0..3));
    let containers = proptest::collection::btree_map("[a-c]", container, 0..3).prop_shuffle_items();
    let labels = proptest::collection::btree_map("[a-c]", "[1-3]", 1..3);
    (labels, proptest::option::of(0..3), containers).prop_map(|(labels, replicas, containers)| {
        let containers = containers.into_iter().map(|(name, (image, ports, args))| {
            let mut container = json!({"name": name, "ports": ports, "args": args});
            if let Some(image) = image {
                container["image"] = json!(image);
            }
            container
        });
        let containers: Vec<Value> = containers.collect();
        let mut config = json!({
            "metadata": {"labels": labels},
            "spec": {"template": {"spec": {"containers": containers}}},
        });
        if let Some(replicas) = replicas {
            config["spec"]["replicas"] = json!(replicas);
        }
        config
    })
}

/// Turns maps into lists of any order.
trait ShuffleItems {
    fn prop_shuffle_items(self) -> BoxedStrategy<Vec<(String, Container)>>;
}

type Container = (Option<String>, Value, Vec<String>);

impl<S> ShuffleItems for S
where
    S: Strategy<Value = std::collections::BTreeMap<String, Container>> + 'static,
{
    fn prop_shuffle_items(self) -> BoxedStrategy<Vec<(String, Container)>> {
        self.prop_map(|map| map.into_iter().collect::<Vec<_>>()).prop_shuffle().boxed()
    }
}

proptest! {
    #[test]
    fn applying_the_same_twice_changes_nothing(
        before in configs(),
        other in configs(),
        config in configs(),
    ) {
        let mut object = Object::deployment();
        object.update("them", before).force("other", other).force("me", config.clone());
        let once = object.live.clone();
        object.force("me", config);
        prop_assert_eq!(object.live, once);
    }

    #[test]
    fn what_is_applied_is_there_and_owned(before in configs(), config in configs()) {
        let mut object = Object::deployment();
        object.update("them", before).force("me", config.clone());
        let live = object.live.clone().unwrap();
        let wanted = fields_of(Some(&object.schema), &object.config(config.clone()));
        let there = fields_of(Some(&object.schema), &live);
        prop_assert!(wanted.is_subset(&there), "{wanted:?}\n{there:?}");
        let merged = merge::merge(Some(&object.schema), &live, &object.config(config));
        prop_assert_eq!(merged, live);
    }

    #[test]
    fn an_applier_that_lets_go_of_all_leaves_what_others_own(
        one in configs(),
        two in configs(),
    ) {
        let mut object = Object::deployment();
        object.apply("one", one.clone()).force("two", two);
        object.apply("two", json!({}));
        prop_assert!(object.owned("two", Operation::Apply).is_empty());
        // What was forced away from "one" is nobody's now; all that it kept is still there.
        let there = fields_of(Some(&object.schema), object.live.as_ref().unwrap());
        let kept = managed::decode(object.live.as_ref().unwrap().pointer("/metadata/managedFields"));
        for entry in kept.unwrap().values() {
            prop_assert!(entry.set.is_subset(&there));
        }
    }

    #[test]
    fn no_object_and_no_configuration_makes_a_write_panic(
        live in hostile(),
        config in hostile(),
        managed in hostile(),
        force in any::<bool>(),
    ) {
        let object = Object::deployment();
        let write = Write {
            schema: &object.schema,
            gvk: &object.gvk,
            manager: "kubectl",
            subresource: "",
            now: "2026-11-20T10:00:00Z",
        };
        let dressed = |value: Value| if value.is_object() { object.config(value) } else { value };
        let mut before = dressed(live);
        if let Some(Value::Object(metadata)) = before.pointer_mut("/metadata") {
            metadata.insert("managedFields".to_owned(), managed);
        }
        let mut config = dressed(config);
        if let Ok(applied) = super::apply(&write, Some(&before), &config, force) {
            let again = super::apply(&write, Some(&applied), &config, force);
            prop_assert_eq!(again, Ok(applied));
        }
        super::update(&write, Some(&before), &mut config);
        super::update(&write, None, &mut config);
    }
}

/// JSON that has the names of a Deployment in all the wrong places.
fn hostile() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("metadata"),
        Just("labels"),
        Just("annotations"),
        Just("finalizers"),
        Just("managedFields"),
        Just("kubectl.kubernetes.io/last-applied-configuration"),
        Just("spec"),
        Just("replicas"),
        Just("template"),
        Just("containers"),
        Just("ports"),
        Just("containerPort"),
        Just("name"),
        Just("f:spec"),
        Just("operation"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!([])),
        (0..3).prop_map(Value::from),
        Just(json!(0.5)),
        Just(json!("a")),
        Just(json!("{\"apiVersion\": \"apps/v1\"}")),
        Just(json!([{"name": "a"}, {"name": "a", "image": "i"}])),
        Just(json!({"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}})),
    ];
    leaf.prop_recursive(6, 48, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..5).prop_map(|fields| {
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}
