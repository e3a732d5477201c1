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
    vec![
        meta(object, "name").into(),
        at(object, "/spec/policyName").into(),
        param(&object["spec"]["paramRef"]).into(),
        age_of(object),
    ]
}

fn param(reference: &Value) -> String {
    match (at(reference, "/namespace"), at(reference, "/name")) {
        (_, "") if reference["selector"].is_object() => in_go(&reference["selector"]),
        (_, "") => "<unset>".to_owned(),
        ("", name) => format!("*/{name}"),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}

/// A label selector as Go prints one: upstream shows no other form here.
fn in_go(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let mut labels: Vec<String> =
        labels.map(|(key, value)| format!("{key}: {},", value.as_str().unwrap_or(""))).collect();
    labels.sort_unstable();
    let expression = |expression: &Value| {
        let values = list(expression, "/values").iter().filter_map(Value::as_str);
        let values = values.collect::<Vec<_>>().join(" ");
        let (key, operator) = (at(expression, "/key"), at(expression, "/operator"));
        format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},")
    };
    let expressions: String = list(selector, "/matchExpressions").iter().map(expression).collect();
    let labels = labels.concat();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},\
         MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
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
            Some((status, "")) | Some((status @ "True", _)) => status.to_owned(),
            Some((status, reason)) => format!("{status} ({reason})"),
            None => "Unknown".to_owned(),
        };
    vec![meta(object, "name").into(), shown.into(), available.into(), age_of(object)]
}
