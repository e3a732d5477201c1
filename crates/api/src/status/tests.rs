//! Statuses as kubectl and client-go see them.

use serde_json::json;

use super::*;
use crate::validation::ErrorKind;

const PODS: Resource<'static> = Resource { group: "", plural: "pods" };
const DEPLOYMENTS: Resource<'static> = Resource { group: "apps", plural: "deployments" };

#[track_caller]
fn check(status: Status, code: u16, reason: &str, message: &str) {
    assert_eq!((status.code, status.reason, status.message.as_str()), (code, reason, message));
}

#[test]
fn texts_are_upstreams() {
    check(Status::not_found(PODS, "a"), 404, "NotFound", "pods \"a\" not found");
    check(
        Status::already_exists(DEPLOYMENTS, "a"),
        409,
        "AlreadyExists",
        "deployments.apps \"a\" already exists",
    );
    check(
        Status::modified(PODS, "a"),
        409,
        "Conflict",
        "Operation cannot be fulfilled on pods \"a\": the object has been modified; please apply \
         your changes to the latest version and try again",
    );
    check(Status::forbidden(PODS, "", "no"), 403, "Forbidden", "pods is forbidden: no");
    check(Status::internal("x"), 500, "InternalError", "Internal error occurred: x");
    check(Status::timeout("x"), 504, "Timeout", "Timeout: x");
}

#[test]
fn a_failure_has_code_and_details() {
    assert_eq!(
        Status::not_found(DEPLOYMENTS, "a").to_value(),
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "deployments.apps \"a\" not found", "reason": "NotFound",
            "details": {"name": "a", "group": "apps", "kind": "deployments"}, "code": 404})
    );
}

#[test]
fn an_invalid_object_lists_its_causes() {
    let error = FieldError {
        path: "spec.replicas".to_owned(),
        kind: ErrorKind::Invalid,
        value: json!(-1),
        detail: "must be greater than or equal to 0".to_owned(),
    };
    let status = Status::invalid(&Gvk::new("apps", "v1", "Deployment"), "web", vec![error]);
    assert_eq!(
        status.to_value()["details"],
        json!({"name": "web", "group": "apps", "kind": "Deployment", "causes": [{
            "reason": "FieldValueInvalid", "field": "spec.replicas",
            "message": "Invalid value: -1: must be greater than or equal to 0"}]})
    );
}

#[test]
fn a_body_that_cannot_be_read_says_as_what() {
    let error = fields::DecodeError::Strict("unknown field \"spec.foo\"".to_owned());
    check(
        Status::undecodable(&Gvk::new("apps", "v1", "Deployment"), &error),
        400,
        "BadRequest",
        "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding \
         error: unknown field \"spec.foo\"",
    );
}

#[test]
fn success_has_neither_code_nor_reason() {
    assert_eq!(
        Status::deleted(PODS, "a", "1").to_value(),
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": "a", "kind": "pods", "uid": "1"}})
    );
}
