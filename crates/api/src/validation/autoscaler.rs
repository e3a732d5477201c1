//! HorizontalPodAutoscalers, in their version 2 form.

use serde_json::Value;

use super::field::{Field, NOT_NEGATIVE};
use super::{pod, resource_name};
use crate::quantity::Quantity;
use crate::{names, read};

/// The field that each type of metric has. The order is upstream's.
const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];
const TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];

/// What had no replicas at times may go on so, which nothing new may.
pub(super) fn check(object: &Field<'_>, old: Option<&Value>) {
    let spec = object.at("spec");
    let (fewest, most) = (spec.at("minReplicas"), spec.at("maxReplicas"));
    let had_none = old.is_some_and(|old| read::at(old, &["spec", "minReplicas"]) == 0);
    let least = if had_none { 0 } else { 1 };
    if fewest.is_some() && fewest.number() < least {
        fewest.invalid(format!("must be greater than or equal to {least}"));
    }
    if most.number() < 1 {
        most.invalid_number("must be greater than 0");
    }
    if fewest.is_some() && most.number() < fewest.number() {
        most.invalid_number("must be greater than or equal to `minReplicas`");
    }
    reference(&spec.at("scaleTargetRef"));
    let metrics = spec.at("metrics");
    metrics.items().for_each(|metric| self::metric(&metric));
    let outside = |metric: Field<'_>| ["Object", "External"].contains(&metric.at("type").text());
    if fewest.is_some() && fewest.number() == 0 && !metrics.items().any(outside) {
        metrics.forbidden(
            "must specify at least one Object or External metric to support scaling to zero replicas",
        );
    }
    for direction in ["scaleUp", "scaleDown"] {
        let rules = spec.at("behavior").at(direction);
        if rules.is_some() {
            self::rules(&rules);
        }
    }
}

/// An object by its kind and name.
fn reference(reference: &Field<'_>) {
    for field in ["kind", "name"].map(|field| reference.at(field)) {
        named(&field, "");
    }
}

/// A name that must be there and fit into a path.
fn named(name: &Field<'_>, missing: &str) {
    match name.is_empty() {
        true => name.required(missing),
        false => name.well_formed(names::path_segment),
    }
}

fn metric(metric: &Field<'_>) {
    let kind = metric.at("type");
    if kind.is_empty() {
        kind.required("must specify a metric source type");
    }
    if !TYPES.contains(&kind.text()) {
        kind.unsupported(&TYPES);
    }
    let given: Vec<_> = SOURCES.iter().filter(|(_, field)| metric.at(field).is_some()).collect();
    if let Some((_, first)) = given.first() {
        source(first, &metric.at(first));
    }
    let expected = SOURCES.iter().find(|(name, _)| *name == kind.text());
    if let Some((_, field)) = expected.filter(|(_, field)| !metric.at(field).is_some()) {
        metric.at(field).required("must populate information for the given metric source");
    }
    if given.len() != 1 {
        let others = given.iter().filter(|entry| Some(**entry) != expected);
        others.for_each(|(_, field)| {
            metric.at(field).forbidden("must populate the given metric source only");
        });
    }
}

fn source(kind: &str, source: &Field<'_>) {
    const RAW: &str = "must set either a target value for metric or a per-pod target";
    const OF_OBJECT: &str = "must set either a target value or averageValue";
    let aim = source.at("target");
    let [whole, share, average] =
        ["value", "averageUtilization", "averageValue"].map(|field| aim.at(field));
    if kind == "object" {
        reference(&source.at("describedObject"));
    }
    match kind {
        "object" | "external" => {
            named(&source.at("metric").at("name"), "must specify a metric name");
            target(&aim);
            if !whole.is_some() && !average.is_some() {
                average.required(if kind == "object" { OF_OBJECT } else { RAW });
            }
            if kind == "external" && whole.is_some() && average.is_some() {
                whole.forbidden("may not set both a target value for metric and a per-pod target");
            }
        }
        "pods" => {
            named(&source.at("metric").at("name"), "must specify a metric name");
            target(&aim);
            if !average.is_some() {
                average.required("must specify a positive target averageValue");
            }
        }
        _ => {
            if source.at("name").is_empty() {
                source.at("name").required("must specify a resource name");
            }
            if kind == "containerResource" {
                of_container(source);
            }
            target(&aim);
            if !share.is_some() && !average.is_some() {
                share.required("must set either a target raw value or a target utilization");
            }
            if share.is_some() && average.is_some() {
                average.forbidden("may not set both a target raw value and a target utilization");
            }
        }
    }
}

/// What one container of each pod takes.
fn of_container(source: &Field<'_>) {
    let (name, container) = (source.at("name"), source.at("container"));
    if !name.is_empty() {
        resource_name::of_container(name.text(), &name);
    }
    match container.is_empty() {
        true => container.required("must specify a container"),
        false => container.well_formed(names::dns_label),
    }
}

fn is_positive(amount: &Field<'_>) -> bool {
    Quantity::from_value(amount.value).is_ok_and(|value| !value.is_zero() && !value.is_negative())
}

fn target(target: &Field<'_>) {
    let kind = target.at("type");
    match kind.text() {
        "" => kind.required("must specify a metric target type"),
        "Utilization" | "Value" | "AverageValue" => {}
        _ => kind.invalid("must be either Utilization, Value, or AverageValue"),
    }
    for amount in ["value", "averageValue"].map(|field| target.at(field)) {
        if pod::quantity(&amount).is_some() && !is_positive(&amount) {
            amount.invalid("must be positive");
        }
    }
    let share = target.at("averageUtilization");
    if share.is_some() && share.number() < 1 {
        share.invalid("must be greater than 0");
    }
}

/// How fast it goes in one direction.
fn rules(rules: &Field<'_>) {
    const WINDOW_SECONDS_MAX: i64 = 3600;
    const PERIOD_SECONDS_MAX: i64 = 1800;
    let (window, select) = (rules.at("stabilizationWindowSeconds"), rules.at("selectPolicy"));
    if window.number() < 0 {
        window.invalid("must be greater than or equal to zero");
    } else if window.number() > WINDOW_SECONDS_MAX {
        window.invalid(format!("must be less than or equal to {WINDOW_SECONDS_MAX}"));
    }
    let tolerance = rules.at("tolerance");
    if let Some(quantity) = pod::quantity(&tolerance).filter(|quantity| quantity.is_negative()) {
        tolerance.invalid_as(quantity.to_string(), NOT_NEGATIVE);
    }
    let known = ["Disabled", "Max", "Min"];
    if select.is_some() && !known.contains(&select.text()) {
        select.unsupported(&known);
    }
    let policies = rules.at("policies");
    if policies.is_empty() {
        policies.required("must specify at least one Policy");
    }
    for policy in policies.items() {
        let [kind, value, period] =
            ["type", "value", "periodSeconds"].map(|field| policy.at(field));
        let known = ["Percent", "Pods"];
        if !known.contains(&kind.text()) {
            kind.unsupported(&known);
        }
        if value.number() <= 0 {
            value.invalid_number("must be greater than zero");
        }
        if period.number() <= 0 {
            period.invalid_number("must be greater than zero");
        } else if period.number() > PERIOD_SECONDS_MAX {
            period.invalid(format!("must be less than or equal to {PERIOD_SECONDS_MAX}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::validation::create;

    #[track_caller]
    fn check(fields: Value, expected: &[&str]) {
        let mut spec = json!({"maxReplicas": 2, "scaleTargetRef": {"kind": "D", "name": "x"}});
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let object = json!({"metadata": {"name": "a", "namespace": "b"}, "spec": spec});
        let gvk = "autoscaling/v2/HorizontalPodAutoscaler".parse().unwrap();
        let errors: Vec<_> = create(&gvk, &object).iter().map(ToString::to_string).collect();
        assert_eq!(errors, expected);
    }

    #[test]
    fn a_metric_has_the_source_of_its_type() {
        let metric = |metric: Value| json!({"metrics": [metric]});
        check(
            metric(json!({"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 50}}})),
            &[],
        );
        check(
            metric(json!({"type": "Resource", "pods": {"metric": {"name": "m"},
                "target": {"type": "AverageValue", "averageValue": "1"}}})),
            &[
                "spec.metrics[0].resource: Required value: must populate information for the given metric source",
            ],
        );
        check(
            metric(json!({"type": "External", "external": {"metric": {}, "target": {"type": "X",
                "value": "-1"}}})),
            &[
                "spec.metrics[0].external.metric.name: Required value: must specify a metric name",
                "spec.metrics[0].external.target.type: Invalid value: \"X\": must be either Utilization, Value, or AverageValue",
                "spec.metrics[0].external.target.value: Invalid value: \"-1\": must be positive",
            ],
        );
    }

    #[test]
    fn behavior_is_bounded() {
        check(
            json!({"behavior": {"scaleUp": {"stabilizationWindowSeconds": 4000, "selectPolicy": "Some",
                "policies": [{"type": "Pods", "value": 0, "periodSeconds": 2000}]}, "scaleDown": {}}}),
            &[
                "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 4000: must be less than or equal to 3600",
                "spec.behavior.scaleUp.selectPolicy: Unsupported value: \"Some\": supported values: \"Disabled\", \"Max\", \"Min\"",
                "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
                "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 2000: must be less than or equal to 1800",
                "spec.behavior.scaleDown.policies: Required value: must specify at least one Policy",
            ],
        );
    }
}
