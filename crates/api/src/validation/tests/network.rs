//! Services, EndpointSlices and Ingresses.

use serde_json::{Value, json};

use super::{check, check_update, with};

fn service() -> Value {
    json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {
        "selector": {"app": "web"},
        "ports": [{"port": 80, "targetPort": "http"}],
    }})
}

#[track_caller]
fn check_spec(spec: Value, expected: &[&str]) {
    check("v1/Service", with(service(), "/spec", spec), expected);
}

#[test]
fn services_have_ports_unless_they_are_only_names() {
    check("v1/Service", service(), &[]);
    check_spec(json!({}), &["spec.ports: Required value"]);
    check_spec(json!({"clusterIP": "None"}), &[]);
    check_spec(json!({"type": "ExternalName", "externalName": "example.com."}), &[]);
    check_spec(json!({"type": "ExternalName"}), &["spec.externalName: Required value"]);
}

#[test]
fn service_ports() {
    check_spec(
        json!({"ports": [{"port": 0}]}),
        &[
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive",
        ],
    );
    check_spec(
        json!({"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}, {"port": 3}]}),
        &["spec.ports[1].name: Duplicate value: \"a\"", "spec.ports[2].name: Required value"],
    );
    check_spec(
        json!({"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]}),
        &["spec.ports[1]: Duplicate value: {\"port\":1,\"protocol\":\"TCP\"}"],
    );
    check_spec(
        json!({"ports": [{"port": 1, "nodePort": 30000}]}),
        &["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    );
}

#[test]
fn service_types_and_policies() {
    let ports = json!([{"port": 80}]);
    check_spec(json!({"type": "NodePort", "ports": ports}), &[]);
    check_spec(json!({"type": "LoadBalancer", "ports": ports}), &[]);
    check_spec(
        json!({"type": "Other", "ports": ports}),
        &["spec.type: Unsupported value: \"Other\": supported values: \"ClusterIP\", \
           \"ExternalName\", \"LoadBalancer\", \"NodePort\""],
    );
    check_spec(
        json!({"type": "NodePort", "clusterIP": "None", "ports": ports}),
        &["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort \
           services"],
    );
    check_spec(json!({"sessionAffinity": "ClientIP", "ports": ports}), &[]);
    check_spec(
        json!({"sessionAffinity": "Cookie", "ports": ports}),
        &["spec.sessionAffinity: Unsupported value: \"Cookie\": supported values: \"ClientIP\", \
           \"None\""],
    );
    check_spec(
        json!({"externalTrafficPolicy": "Local", "ports": ports}),
        &["spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for \
           externally-accessible services"],
    );
    check_spec(
        json!({"clusterIP": "10.0.0", "ports": ports}),
        &["spec.clusterIPs[0]: Invalid value: \"10.0.0\": must be a valid IP address, (e.g. \
           10.9.8.7 or 2001:db8::ffff)"],
    );
}

#[test]
fn the_address_of_a_service_stays() {
    let at = |address: &str| {
        let service = with(service(), "/spec/clusterIP", json!(address));
        with(service, "/spec/clusterIPs", json!([address]))
    };
    check_update("v1/Service", at("10.43.0.5"), at("10.43.0.5"), &[]);
    check_update(
        "v1/Service",
        at("10.43.0.6"),
        at("10.43.0.5"),
        &["spec.clusterIPs[0]: Invalid value: [\"10.43.0.6\"]: may not change once set"],
    );
    let named = json!({"type": "ExternalName", "externalName": "a.b"});
    check_update("v1/Service", with(service(), "/spec", named), at("10.43.0.5"), &[]);
}

#[test]
fn endpoint_slices() {
    let slice = |family: &str, addresses: Value| {
        json!({"metadata": {"name": "web-1"}, "addressType": family,
            "endpoints": [{"addresses": addresses}], "ports": [{"port": 80}]})
    };
    let kind = "discovery.k8s.io/v1/EndpointSlice";
    check(kind, slice("IPv4", json!(["10.42.0.7"])), &[]);
    check(
        kind,
        slice("IPv4", json!([])),
        &["endpoints[0].addresses: Required value: must contain at least 1 address"],
    );
    check(
        kind,
        slice("IPv4", json!(["127.0.0.1"])),
        &["endpoints[0].addresses[0]: Invalid value: \"127.0.0.1\": may not be in the loopback \
           range (127.0.0.0/8, ::1/128)"],
    );
    check(
        kind,
        slice("IPv5", json!(["x"])),
        &["addressType: Unsupported value: \"IPv5\": supported values: \"FQDN\", \"IPv4\", \
           \"IPv6\""],
    );
    let many = vec![json!({"addresses": ["10.0.0.1"]}); 1001];
    check(
        kind,
        with(slice("IPv4", json!([])), "/endpoints", json!(many)),
        &["endpoints: Too many: 1001: must have at most 1000 items"],
    );
    check_update(
        kind,
        slice("IPv6", json!(["2001:db8::1"])),
        slice("IPv4", json!(["10.0.0.1"])),
        &["addressType: Invalid value: \"IPv6\": field is immutable"],
    );
}

fn ingress(host: &str, path: Value) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {
        "rules": [{"host": host, "http": {"paths": [path]}}]}})
}

fn path(path: &str, kind: &str) -> Value {
    json!({"path": path, "pathType": kind,
        "backend": {"service": {"name": "web", "port": {"number": 80}}}})
}

#[test]
fn ingress_rules() {
    let kind = "networking.k8s.io/v1/Ingress";
    check(kind, ingress("shop.example.com", path("/", "Prefix")), &[]);
    check(kind, ingress("*.example.com", path("", "ImplementationSpecific")), &[]);
    check(
        kind,
        ingress("10.0.0.1", path("/", "Prefix")),
        &["spec.rules[0].host: Invalid value: \"10.0.0.1\": must be a DNS name, not an IP address"],
    );
    check(
        kind,
        ingress("a", path("x", "Exact")),
        &["spec.rules[0].http.paths[0].path: Invalid value: \"x\": must be an absolute path"],
    );
    check(
        kind,
        ingress("a", path("/x//y", "Exact")),
        &["spec.rules[0].http.paths[0].path: Invalid value: \"/x//y\": must not contain '//'"],
    );
    check(
        kind,
        ingress("a", path("/", "")),
        &["spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"],
    );
    check(
        kind,
        ingress("a", path("/", "Regex")),
        &["spec.rules[0].http.paths[0].pathType: Unsupported value: \"Regex\": supported values: \
           \"Exact\", \"ImplementationSpecific\", \"Prefix\""],
    );
}

#[test]
fn ingress_backends() {
    let kind = "networking.k8s.io/v1/Ingress";
    let backend =
        |backend: Value| json!({"metadata": {"name": "web"}, "spec": {"defaultBackend": backend}});
    check(kind, backend(json!({"service": {"name": "a", "port": {"name": "http"}}})), &[]);
    check(
        kind,
        backend(json!({})),
        &["spec.defaultBackend: Invalid value: \"\": resource or service backend is required"],
    );
    check(
        kind,
        backend(json!({"service": {"name": "a"}})),
        &["spec.defaultBackend: Required value: port name or number is required"],
    );
    check(
        kind,
        json!({"metadata": {"name": "web"}, "spec": {}}),
        &["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"],
    );
}

#[test]
fn ingress_classes() {
    let class =
        |controller: &str| json!({"metadata": {"name": "a"}, "spec": {"controller": controller}});
    let kind = "networking.k8s.io/v1/IngressClass";
    check(kind, class("example.com/a/b"), &[]);
    check(kind, class(""), &["spec.controller: Required value"]);
    check_update(
        kind,
        class("a.b/c"),
        class("a.b/d"),
        &["spec.controller: Invalid value: \"a.b/c\": field is immutable"],
    );
}
