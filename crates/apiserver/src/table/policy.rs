//! Budgets, quotas and limits.

use serde_json::Value;

use super::{Column, age_of, integer, name, number, quantity, text};
use crate::object::meta;

pub(crate) const POD_DISRUPTION_BUDGET: &[Column] = &[
    name(),
    text("Min Available"),
    text("Max Unavailable"),
    number("Allowed Disruptions"),
    text("Age"),
];

pub(crate) fn pod_disruption_budget(object: &Value) -> Vec<Value> {
    let amount = |field: &str| match &object["spec"][field] {
        Value::Null => "N/A".into(),
        Value::String(percent) => percent.as_str().into(),
        number => number.to_string().into(),
    };
    vec![
        meta(object, "name").into(),
        amount("minAvailable"),
        amount("maxUnavailable"),
        integer(object, "/status/disruptionsAllowed").into(),
        age_of(object),
    ]
}

pub(crate) const RESOURCE_QUOTA: &[Column] = &[name(), text("Request"), text("Limit"), text("Age")];

pub(crate) fn resource_quota(object: &Value) -> Vec<Value> {
    let status = &object["status"];
    let mut hard: Vec<(&String, &Value)> =
        status["hard"].as_object().into_iter().flatten().collect();
    hard.sort_by_key(|(name, _)| *name);
    let shown = |limits: bool| {
        let of_kind = hard.iter().filter(|(name, _)| name.starts_with("limits.") == limits);
        let lines = of_kind.map(|(name, hard)| {
            format!("{name}: {}/{}", quantity(&status["used"][name.as_str()]), quantity(hard))
        });
        lines.collect::<Vec<_>>().join(", ")
    };
    vec![meta(object, "name").into(), shown(false).into(), shown(true).into(), age_of(object)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_quota_shows_requests_and_limits_apart() {
        let row = resource_quota(&json!({"metadata": {"name": "q"}, "status": {
            "hard": {"pods": "5", "limits.cpu": "2", "cpu": "1000m"}, "used": {"pods": "2"}}}));
        assert_eq!(row[1..3], [json!("cpu: 0/1, pods: 2/5"), json!("limits.cpu: 0/2")]);
    }

    #[test]
    fn a_budget_shows_the_bound_it_has() {
        let row = pod_disruption_budget(&json!({"metadata": {"name": "b"},
            "spec": {"minAvailable": 0, "maxUnavailable": "10%"}, "status": {"disruptionsAllowed": 1}}));
        assert_eq!(row[1..4], [json!("0"), json!("10%"), json!(1)]);
    }
}
