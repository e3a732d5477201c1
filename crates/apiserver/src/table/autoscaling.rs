//! HorizontalPodAutoscalers, in their version 2 form.

use serde_json::Value;

use super::{Column, age_of, integer, list, name, quantity, text};
use crate::object::{meta, text as at};

/// So many metrics are spelled out.
const METRICS_SHOWN: usize = 2;

pub(crate) const COLUMNS: &[Column] = &[
    name(),
    text("Reference"),
    text("Targets"),
    text("MinPods"),
    text("MaxPods"),
    text("Replicas"),
    text("Age"),
];

pub(crate) fn row(object: &Value) -> Vec<Value> {
    let target = &object["spec"]["scaleTargetRef"];
    let fewest = match object["spec"]["minReplicas"].as_i64() {
        Some(fewest) => fewest.to_string(),
        None => "<unset>".to_owned(),
    };
    vec![
        meta(object, "name").into(),
        format!("{}/{}", at(target, "/kind"), at(target, "/name")).into(),
        targets(object).into(),
        fewest.into(),
        integer(object, "/spec/maxReplicas").into(),
        integer(object, "/status/currentReplicas").into(),
        age_of(object),
    ]
}

/// Where each metric is and where it should be: `cpu: 12%/80%`.
fn targets(object: &Value) -> String {
    let wanted = list(object, "/spec/metrics");
    let current = list(object, "/status/currentMetrics");
    let shown = wanted.iter().enumerate().take(METRICS_SHOWN);
    let shown: Vec<String> =
        shown.map(|(index, metric)| target(metric, current.get(index))).collect();
    match wanted.len().checked_sub(METRICS_SHOWN) {
        _ if wanted.is_empty() => "<none>".to_owned(),
        Some(more @ 1..) => format!("{} + {more} more...", shown.join(", ")),
        _ => shown.join(", "),
    }
}

fn target(metric: &Value, status: Option<&Value>) -> String {
    let (field, named) = match at(metric, "/type") {
        "ContainerResource" => ("containerResource", true),
        "External" => ("external", false),
        "Object" => ("object", false),
        "Pods" => ("pods", false),
        "Resource" => ("resource", true),
        _ => return "<unknown type>".to_owned(),
    };
    let status = status.map_or(&Value::Null, |status| &status[field]);
    let (metric, wanted) = (&metric[field], &metric[field]["target"]);
    let head = if named { format!("{}: ", at(metric, "/name")) } else { String::new() };
    if !wanted["averageValue"].is_null() {
        let of_all = matches!(field, "external" | "object");
        let have = current(status, "averageValue", of_all);
        let tail = if of_all { " (avg)" } else { "" };
        return format!("{head}{have}/{}{tail}", amount(&wanted["averageValue"]));
    }
    if field == "pods" {
        let have = current(status, "averageValue", false);
        return format!("{have}/{}", amount(&wanted["averageValue"]));
    }
    if !named {
        return format!("{}/{}", current(status, "value", false), amount(&wanted["value"]));
    }
    let percent = |value: &Value, otherwise: &str| match value.as_i64() {
        Some(percent) => format!("{percent}%"),
        None => otherwise.to_owned(),
    };
    let have = percent(&status["current"]["averageUtilization"], "<unknown>");
    format!("{head}{have}/{}", percent(&wanted["averageUtilization"], "<auto>"))
}

/// What a metric measures now: unknown while there is no status of it, and where it `may_lack` the
/// amount.
fn current(status: &Value, field: &str, may_lack: bool) -> String {
    match &status["current"][field] {
        _ if !status.is_object() => "<unknown>".to_owned(),
        Value::Null if may_lack => "<unknown>".to_owned(),
        value => amount(value),
    }
}

/// An amount, or what Go prints in the place of one that is missing.
fn amount(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        value => quantity(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(metrics: Value, current: Value, expected: &str) {
        let object = json!({"spec": {"metrics": metrics}, "status": {"currentMetrics": current}});
        assert_eq!(targets(&object), expected);
    }

    #[test]
    fn targets_show_what_is_and_what_should_be() {
        let cpu = json!({"type": "Resource", "resource": {"name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": 80}}});
        let now = json!([{"type": "Resource", "resource": {"name": "cpu",
            "current": {"averageUtilization": 12, "averageValue": "1"}}}]);
        check(json!([]), json!([]), "<none>");
        check(json!([cpu]), json!([]), "cpu: <unknown>/80%");
        check(json!([cpu]), now, "cpu: 12%/80%");
        let pods = json!({"type": "Pods", "pods": {"target": {"averageValue": "1000m"}}});
        check(json!([pods]), json!([]), "<unknown>/1");
        check(json!([cpu, pods, cpu]), json!([]), "cpu: <unknown>/80%, <unknown>/1 + 1 more...");
    }
}
