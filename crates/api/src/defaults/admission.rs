//! Webhooks and policies of admission.

use serde_json::{Value, json};

use super::{each, fill, in_made, in_object, set};

pub(super) fn apply(kind: &str, object: &mut Value) {
    match kind {
        "MutatingWebhookConfiguration" => webhooks(object, true),
        "ValidatingWebhookConfiguration" => webhooks(object, false),
        "MutatingAdmissionPolicy" | "ValidatingAdmissionPolicy" => policy(object),
        _ => binding(object),
    }
}

fn webhooks(object: &mut Value, mutating: bool) {
    const TIMEOUT_SECONDS: i64 = 10;
    const HTTPS: i64 = 443;
    each(object, "webhooks", |hook| {
        set(hook, "failurePolicy", "Fail");
        set(hook, "matchPolicy", "Equivalent");
        fill(hook, "namespaceSelector", json!({}));
        fill(hook, "objectSelector", json!({}));
        fill(hook, "timeoutSeconds", json!(TIMEOUT_SECONDS));
        if mutating {
            set(hook, "reinvocationPolicy", "Never");
        }
        each(hook, "rules", |rule| set(rule, "scope", "*"));
        in_object(hook, "clientConfig", |client| {
            in_object(client, "service", |service| fill(service, "port", json!(HTTPS)));
        });
    });
}

fn policy(object: &mut Value) {
    in_made(object, "spec", |spec| {
        set(spec, "failurePolicy", "Fail");
        in_object(spec, "matchConstraints", matches);
    });
}

fn binding(object: &mut Value) {
    in_made(object, "spec", |spec| in_object(spec, "matchResources", matches));
}

fn matches(resources: &mut Value) {
    set(resources, "matchPolicy", "Equivalent");
    fill(resources, "namespaceSelector", json!({}));
    fill(resources, "objectSelector", json!({}));
    for rules in ["resourceRules", "excludeResourceRules"] {
        each(resources, rules, |rule| set(rule, "scope", "*"));
    }
}
