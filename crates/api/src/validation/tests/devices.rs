//! Requests for devices, classes and offers of them.

use serde_json::{Value, json};

use super::{check, check_update, with};
use crate::validation::update_status;

const CLAIM: &str = "resource.k8s.io/v1/ResourceClaim";
const SLICE: &str = "resource.k8s.io/v1/ResourceSlice";

fn claim(devices: Value) -> Value {
    json!({"metadata": {"name": "a", "namespace": "b"}, "spec": {"devices": devices}})
}

fn gpu(fields: Value) -> Value {
    let mut exactly = json!({"deviceClassName": "gpu.example.com"});
    exactly.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"name": "gpu", "exactly": exactly})
}

#[test]
fn a_request_is_exact_or_has_alternatives() {
    check(CLAIM, claim(json!({"requests": [gpu(json!({}))]})), &[]);
    check(
        CLAIM,
        claim(json!({"requests": [{"name": "gpu", "firstAvailable": [
        {"name": "big", "deviceClassName": "a"}, {"name": "small", "deviceClassName": "a"}]}],
        "constraints": [{"requests": ["gpu/big", "gpu"], "matchAttribute": "a.b/numa"}]})),
        &[],
    );
    check(
        CLAIM,
        claim(
            json!({"requests": [{"name": "Gpu"}, gpu(json!({"allocationMode": "All", "count": 2})), gpu(json!({"count": -1}))]}),
        ),
        &[
            "spec.devices.requests[0].name: Invalid value: \"Gpu\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
            "spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required",
            "spec.devices.requests[1].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'",
            "spec.devices.requests[2].exactly.count: Invalid value: -1: must be greater than zero",
            "spec.devices.requests[2]: Duplicate value: \"gpu\"",
        ],
    );
    check(
        CLAIM,
        claim(json!({"requests": [gpu(json!({}))], "constraints": [{"requests": ["cpu"]}],
            "config": [{"requests": ["gpu/x"], "opaque": {"driver": "a.b", "parameters": []}}]})),
        &[
            "spec.devices.constraints[0].requests[0]: Invalid value: \"cpu\": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
            "spec.devices.constraints[0]: Required value: exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set",
            "spec.devices.config[0].requests[0]: Invalid value: \"gpu/x\": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
            "spec.devices.config[0].opaque.parameters: Invalid value: \"<value omitted>\": must be a valid JSON object",
        ],
    );
}

#[test]
fn a_request_stays() {
    let one =
        || claim(json!({"requests": [gpu(json!({"count": 1, "allocationMode": "ExactCount"}))]}));
    check_update(CLAIM, one(), one(), &[]);
    let two = with(one(), "/spec/devices/requests/-", json!({"name": "x"}));
    let expected = format!("spec: Invalid value: {}: field is immutable", two["spec"]);
    check_update(CLAIM, two, one(), &[&expected]);
}

#[test]
fn selectors_are_about_devices() {
    let selected = |expression: &str| {
        claim(
            json!({"requests": [gpu(json!({"selectors": [{"cel": {"expression": expression}}]}))]}),
        )
    };
    let fine = "device.driver == 'a.b' && device.attributes['a.b'].version.isGreaterThan(semver('1.0.0')) \
                && device.capacity['a.b'].memory.isGreaterThan(quantity('1Gi'))";
    check(CLAIM, selected(fine), &[]);
    check(
        CLAIM,
        selected("device.driver"),
        &[
            "spec.devices.requests[0].exactly.selectors[0].cel.expression: Invalid value: \"device.driver\": must evaluate to bool or the unknown type, not string",
        ],
    );
}

#[test]
fn a_class_selects_devices() {
    check(
        "resource.k8s.io/v1/DeviceClass",
        json!({"metadata": {"name": "a"}, "spec": {"selectors": [{}], "extendedResourceName": "cpu"}}),
        &[
            "spec.selectors[0].cel: Required value",
            "spec.extendedResourceName: Invalid value: \"cpu\": must be a valid extended resource name",
        ],
    );
}

fn slice(fields: Value) -> Value {
    let mut spec = json!({"driver": "a.b", "nodeName": "n",
        "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}});
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"metadata": {"name": "a"}, "spec": spec})
}

#[test]
fn a_slice_is_of_one_pool_and_somewhere() {
    check(
        SLICE,
        slice(json!({"devices": [{"name": "a", "attributes": {"x": {"version": "1.2.3"}}}]})),
        &[],
    );
    check(
        SLICE,
        slice(
            json!({"driver": "", "allNodes": true, "pool": {"name": "a//b", "resourceSliceCount": 0}}),
        ),
        &[
            "spec.driver: Required value",
            "spec.driver: Invalid value: \"\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            "spec.pool.name: Invalid value: \"\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero",
            "spec: Invalid value: \"{`nodeName`, `allNodes`}\": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set",
        ],
    );
}

#[test]
fn devices_have_properties() {
    check(
        SLICE,
        slice(json!({"devices": [{"name": "a", "nodeName": "n",
            "attributes": {"9": {"int": 1}, "a": {}, "b": {"int": 1, "bool": true}, "c": {"version": "1"}},
            "taints": [{"key": "k", "effect": "Never"}],
            "consumesCounters": [{"counterSet": "s"}],
            "bindingConditions": ["x"]}]})),
        &[
            "spec.devices[0].attributes[9]: Invalid value: \"9\": a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')",
            "spec.devices[0].attributes[a]: Invalid value: \"\": exactly one value must be specified",
            "spec.devices[0].attributes[b]: Invalid value: {\"bool\":true,\"int\":1}: exactly one value must be specified",
            "spec.devices[0].attributes[c].version: Invalid value: \"1\": must be a string compatible with semver.org spec 2.0.0",
            "spec.devices[0].taints[0].effect: Unsupported value: \"Never\": supported values: \"NoExecute\", \"NoSchedule\", \"None\"",
            "spec.devices[0].consumesCounters[0].counters: Required value",
            "spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec",
            "spec.devices[0].bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use bindingConditions",
        ],
    );
}

#[test]
fn a_claim_is_given_what_it_asks_for() {
    let with_status = |status: Value| {
        let mut claim = claim(json!({"requests": [gpu(json!({}))]}));
        claim["status"] = status;
        claim
    };
    let check = |new: Value, old: Value, expected: &[&str]| {
        let errors = update_status(&CLAIM.parse().unwrap(), &with_status(new), &with_status(old));
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, expected);
    };
    let given = |request: &str| {
        json!({"devices": {"results": [
            {"request": request, "driver": "a.b", "pool": "p", "device": "d"}]}})
    };
    check(json!({"allocation": given("gpu")}), json!({}), &[]);
    check(
        json!({"allocation": given("cpu"), "devices": [{"driver": "a.b", "pool": "p", "device": "x"}]}),
        json!({}),
        &[
            "status.devices[0]: Invalid value: \"a.b/p/x\": must be an allocated device in the claim",
            "status.allocation.devices.results[0].request: Invalid value: \"cpu\": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
        ],
    );
    check(
        json!({"reservedFor": [{"resource": "pods", "name": "p"}]}),
        json!({}),
        &[
            "status.reservedFor[0].uid: Required value",
            "status.reservedFor: Forbidden: may not be specified when `allocated` is not set",
        ],
    );
}
