//! HorizontalPodAutoscalers, in their version 2 form.

use serde_json::Value;

use super::{Column, age_of, integer, list, name, number, quantity, text};
use crate::object::{meta, text as at};

/// So many metrics are spelled out.
const METRICS_SHOWN: usize = 2;

pub(crate) const COLUMNS: &[Column] = &[
    name(),
    text("Reference"),
    text("Targets"),
    text("MinPods"),
    number("MaxPods"),
    number("Replicas"),
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
    let current = status.map_or(&Value::Null, |status| &status[field]["current"]);
    let (metric, wanted) = (&metric[field], &metric[field]["target"]);
    let head = if named { format!("{}: ", at(metric, "/name")) } else { String::new() };
    let amount = |value: &Value| match value {
        Value::Null => "<unknown>".to_owned(),
        value => quantity(value),
    };
    if !wanted["averageValue"].is_null() {
        let tail = if matches!(field, "external" | "object") { " (avg)" } else { "" };
        let (have, want) = (amount(&current["averageValue"]), amount(&wanted["averageValue"]));
        return format!("{head}{have}/{want}{tail}");
    }
    if !named {
        return format!("{}/{}", amount(&current["value"]), amount(&wanted["value"]));
    }
    let percent = |value: &Value, otherwise: &str| match value.as_i64() {
        Some(percent) => format!("{percent}%"),
        None => otherwise.to_owned(),
    };
    let have = percent(&current["averageUtilization"], "<unknown>");
    format!("{head}{have}/{}", percent(&wanted["averageUtilization"], "<auto>"))
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
