use super::*;

fn containers(list: Value) -> Value {
    json!({"spec": {"template": {"spec": {"containers": list}}}})
}

#[test]
fn two_appliers_each_bring_their_container() {
    Object::deployment()
        .apply("one", containers(json!([{"name": "app", "image": "a"}])))
        .apply("two", containers(json!([{"name": "proxy", "image": "p"}])))
        .is(containers(json!([{"name": "app", "image": "a"}, {"name": "proxy", "image": "p"}])))
        .apply("one", json!({}))
        .is(containers(json!([{"name": "proxy", "image": "p"}])));
}

#[test]
fn an_applied_order_wins_and_strangers_keep_their_place() {
    Object::deployment()
        .update("them", containers(json!([{"name": "a"}, {"name": "b"}, {"name": "c"}])))
        .apply("me", containers(json!([{"name": "c"}, {"name": "x"}, {"name": "a"}])))
        .is(containers(json!([{"name": "b"}, {"name": "c"}, {"name": "x"}, {"name": "a"}])));
}

#[test]
fn fields_of_an_item_are_owned_one_by_one() {
    Object::deployment()
        .apply("one", containers(json!([{"name": "app", "image": "a", "tty": true}])))
        .apply("two", containers(json!([{"name": "app", "workingDir": "/w"}])))
        .apply("one", containers(json!([{"name": "app", "image": "a"}])))
        .is(containers(json!([{"name": "app", "image": "a", "workingDir": "/w"}])))
        .apply("one", json!({}))
        .is(containers(json!([{"name": "app", "workingDir": "/w"}])));
}

#[test]
fn ports_of_one_number_and_two_protocols_are_two() {
    let ports = |list: Value| json!([{"name": "dns", "ports": list}]);
    let both = json!([
        {"containerPort": 53, "protocol": "UDP"},
        {"containerPort": 53, "protocol": "TCP"},
    ]);
    Object::deployment()
        .apply("me", containers(ports(both)))
        .apply("me", containers(ports(json!([{"containerPort": 53, "protocol": "UDP"}]))))
        .is(containers(ports(json!([{"containerPort": 53, "protocol": "UDP"}]))));
}

#[test]
fn a_port_without_protocol_is_the_tcp_port() {
    let service = |port: Value| json!({"spec": {"ports": [port]}});
    let mut object = Object::new("v1/Service");
    object.apply("me", service(json!({"port": 80})));
    // The server's default.
    object.live.as_mut().unwrap()["spec"]["ports"][0]["protocol"] = json!("TCP");
    object
        .apply("me", service(json!({"port": 80, "name": "web"})))
        .is(service(json!({"port": 80, "protocol": "TCP", "name": "web"})));
}

#[test]
fn each_value_of_a_set_has_its_owners() {
    let finalizers = |list: Value| json!({"metadata": {"finalizers": list}});
    Object::deployment()
        .apply("one", finalizers(json!(["x/a", "x/b"])))
        .apply("two", finalizers(json!(["x/b", "x/c"])))
        .is(finalizers(json!(["x/a", "x/b", "x/c"])))
        .applied_by("two", &[".metadata.finalizers[=\"x/b\"]", ".metadata.finalizers[=\"x/c\"]"])
        .apply("one", json!({}))
        .is(finalizers(json!(["x/b", "x/c"])));
}

#[test]
fn an_atomic_list_is_replaced_and_owned_as_a_whole() {
    let args = |list: Value| containers(json!([{"name": "app", "args": list}]));
    Object::deployment()
        .apply("me", args(json!(["a", "b"])))
        .apply("me", args(json!(["c"])))
        .is(args(json!(["c"])))
        .applied_by(
            "me",
            &[
                ".spec.template.spec.containers[name=\"app\"]",
                ".spec.template.spec.containers[name=\"app\"].args",
                ".spec.template.spec.containers[name=\"app\"].name",
            ],
        )
        .conflict(
            "two",
            args(json!(["c", "d"])),
            "Apply failed with 1 conflict: conflict with \"me\": \
             .spec.template.spec.containers[name=\"app\"].args",
        );
}

#[test]
fn an_empty_object_is_owned_itself() {
    let volume = |volume: Value| json!({"spec": {"template": {"spec": {"volumes": [volume]}}}});
    Object::deployment()
        .apply("me", volume(json!({"name": "tmp", "emptyDir": {}})))
        .is(volume(json!({"name": "tmp", "emptyDir": {}})))
        .apply("me", volume(json!({"name": "tmp", "configMap": {"name": "c"}})))
        .is(volume(json!({"name": "tmp", "configMap": {"name": "c"}})));
}

#[test]
fn items_that_repeat_in_the_live_object_do_no_harm() {
    let env = |list: Value| containers(json!([{"name": "app", "env": list}]));
    let twice = json!([{"name": "A", "value": "1"}, {"name": "B"}, {"name": "A", "value": "2"}]);
    Object::deployment()
        .update("them", env(twice))
        .force("me", env(json!([{"name": "A", "value": "3"}])))
        .is(env(json!([{"name": "A", "value": "3"}, {"name": "B"}])));
}
