//! Probes and lifecycle hooks.

use serde_json::{Value, json};

use super::{in_object, set};
use crate::read;

pub(super) fn apply(probe: &mut Value) {
    set(probe, "timeoutSeconds", 1);
    set(probe, "periodSeconds", 10);
    set(probe, "successThreshold", 1);
    set(probe, "failureThreshold", 3);
    handler(probe);
}

/// What is asked: the same in a probe and in a hook.
pub(super) fn handler(handler: &mut Value) {
    in_object(handler, "httpGet", |get| {
        set(get, "path", "/");
        set(get, "scheme", "HTTP");
    });
    in_object(handler, "grpc", |grpc| {
        if read::some(grpc, "service").is_none() {
            grpc["service"] = json!("");
        }
    });
}
