//! Webhooks and policies of admission, and servers behind this one.

use serde_json::Value;

use super::{Column, age_of, list, name, number, or, text};
use crate::object::{meta, text as at};

pub(crate) const WEBHOOKS: &[Column] = &[name(), number("Webhooks"), text("Age")];

pub(crate) fn webhooks(object: &Value) -> Vec<Value> {
    vec![meta(object, "name").into(), list(object, "/webhooks").len().into(), age_of(object)]
}

pub(crate) const VALIDATING_POLICY: &[Column] =
    &[name(), number("Validations"), text("ParamKind"), text("Age")];

pub(crate) fn validating_policy(object: &Value) -> Vec<Value> {
    policy(object, "/spec/validations")
}

pub(crate) const MUTATING_POLICY: &[Column] =
    &[name(), number("Mutations"), text("ParamKind"), text("Age")];

pub(crate) fn mutating_policy(object: &Value) -> Vec<Value> {
    policy(object, "/spec/mutations")
}

fn policy(object: &Value, rules: &str) -> Vec<Value> {
    let kind = &object["spec"]["paramKind"];
    let parts = [at(kind, "/apiVersion"), at(kind, "/kind")];
    let kind = if kind.is_object() { parts.join("/") } else { String::new() };
    vec![
        meta(object, "name").into(),
        list(object, rules).len().into(),
        or(&kind, "<unset>"),
        age_of(object),
    ]
}

pub(crate) const BINDING: &[Column] = &[name(), text("PolicyName"), text("ParamRef"), text("Age")];

pub(crate) fn binding(object: &Value) -> Vec<Value> {
    let param = &object["spec"]["paramRef"];
    let shown = match (at(param, "/namespace"), at(param, "/name")) {
        _ if !param.is_object() => "<unset>".to_owned(),
        ("", "") => "*".to_owned(),
        ("", name) => name.to_owned(),
        (namespace, "") => format!("{namespace}/*"),
        (namespace, name) => format!("{namespace}/{name}"),
    };
    vec![
        meta(object, "name").into(),
        at(object, "/spec/policyName").into(),
        shown.into(),
        age_of(object),
    ]
}

pub(crate) const API_SERVICE: &[Column] =
    &[name(), text("Service"), text("Available"), text("Age")];

pub(crate) fn api_service(object: &Value) -> Vec<Value> {
    let service = &object["spec"]["service"];
    let shown = match at(service, "/name") {
        "" => "Local".to_owned(),
        name => format!("{}/{name}", at(service, "/namespace")),
    };
    let available = list(object, "/status/conditions").iter().find(|c| c["type"] == "Available");
    let available =
        match available.map(|condition| (at(condition, "/status"), at(condition, "/reason"))) {
            Some(("True", _)) => "True".to_owned(),
            Some((status, reason)) => format!("{status} ({reason})"),
            None => "Unknown".to_owned(),
        };
    vec![meta(object, "name").into(), shown.into(), available.into(), age_of(object)]
}
