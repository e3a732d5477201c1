//! `metrics.k8s.io`: what nodes and pods use now, as `kubectl top` shows it.

use std::sync::Arc;
use std::time::Duration;

use api::selector::LabelSelector;
use serde_json::{Value, json};

use super::METRICS;
use super::usage::{Rates, Used};
use crate::error::{ApiError, ApiResult};
use crate::kinds;
use crate::object::{self, meta, text};
use crate::options::Query;
use crate::registry::Registry;
use crate::server::Shared;
use crate::table::{self, Column, list};
use crate::verbs::rfc3339;

pub(super) const COLUMNS: &[Column] =
    &[table::name(), table::text("cpu"), table::text("memory"), table::text("Window")];

pub(super) async fn nodes(
    shared: &Arc<Shared>,
    query: &Query,
    name: &str,
) -> ApiResult<Vec<Value>> {
    let rates = shared.usage.now(shared).await?;
    let objects = objects(shared, query, "nodes", "")?.into_iter();
    let named = objects.filter(|node| name.is_empty() || meta(node, "name") == name);
    let found: Vec<Value> = named
        .filter_map(|node| {
            let used = rates.nodes.get(meta(&node, "name"))?;
            let mut made = made("NodeMetrics", &node, &rates);
            made["usage"] = usage(*used);
            Some(made)
        })
        .collect();
    or_not_found(found, "nodemetrics", name)
}

pub(super) async fn pods(
    shared: &Arc<Shared>,
    query: &Query,
    namespace: &str,
    name: &str,
) -> ApiResult<Vec<Value>> {
    let rates = shared.usage.now(shared).await?;
    let objects = objects(shared, query, "pods", namespace)?.into_iter();
    let named = objects.filter(|pod| name.is_empty() || meta(pod, "name") == name);
    let found: Vec<Value> = named
        .filter_map(|pod| {
            let containers = containers(&rates, meta(&pod, "namespace"), meta(&pod, "name"));
            let mut made = made("PodMetrics", &pod, &rates);
            made["containers"] = containers.clone().into();
            (!containers.is_empty()).then_some(made)
        })
        .collect();
    let shown = if name.is_empty() { String::new() } else { format!("{namespace}/{name}") };
    or_not_found(found, "podmetrics", &shown)
}

fn containers(rates: &Rates, namespace: &str, pod: &str) -> Vec<Value> {
    let of_pod = rates.containers.iter().filter(|((n, p, _), _)| n == namespace && p == pod);
    of_pod.map(|((_, _, name), used)| json!({"name": name, "usage": usage(*used)})).collect()
}

fn or_not_found(found: Vec<Value>, resource: &str, name: &str) -> ApiResult<Vec<Value>> {
    match found.is_empty() && !name.is_empty() {
        true => Err(ApiError::no_such_object(resource, METRICS.0, name)),
        false => Ok(found),
    }
}

/// The stored objects that are asked about.
fn objects(shared: &Shared, query: &Query, plural: &str, namespace: &str) -> ApiResult<Vec<Value>> {
    if let Some(selector) = query.get("fieldSelector").filter(|selector| !selector.is_empty()) {
        return Err(ApiError::bad_request(format!(
            "field selectors are not supported: {selector:?}"
        )));
    }
    let labels = query.get("labelSelector").unwrap_or_default();
    let labels: LabelSelector = labels
        .parse()
        .map_err(|error| ApiError::bad_request(format!("unable to parse requirement: {error}")))?;
    let kind = kinds::find("", "v1", plural).expect("nodes and pods are in the table");
    let range = Registry::range(kind, (!namespace.is_empty()).then_some(namespace));
    let found = shared.registry.store.range(&range, None, 0);
    let found = found.map_err(|error| ApiError::internal("the objects cannot be read", &error))?;
    let all = found.entries.iter().filter_map(|kv| object::decode(kv).ok());
    Ok(all.filter(|object| labels.matches_object(object)).collect())
}

fn made(kind: &str, of: &Value, rates: &Rates) -> Value {
    let time = rfc3339(rates.time.as_second());
    let mut metadata = json!({"name": meta(of, "name"), "creationTimestamp": time});
    for field in ["namespace", "labels"] {
        if let Some(value) = of["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    json!({"kind": kind, "apiVersion": format!("{}/{}", METRICS.0, METRICS.1),
        "metadata": metadata, "timestamp": time, "window": shown(rates.window)})
}

/// As Go shows a duration.
fn shown(window: Duration) -> String {
    let millis = window.as_millis();
    let (minutes, seconds) = (millis / 60_000, millis % 60_000);
    let fraction = format!("{}.{:03}", seconds / 1000, seconds % 1000);
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    if minutes == 0 { format!("{fraction}s") } else { format!("{minutes}m{fraction}s") }
}

fn usage(used: Used) -> Value {
    let cpu = if used.cpu_nanos == 0 { "0".to_owned() } else { format!("{}n", used.cpu_nanos) };
    json!({"cpu": cpu, "memory": format!("{}Ki", used.memory_bytes / 1024)})
}

pub(super) fn cells(object: &Value) -> Vec<Value> {
    let all = match &object["usage"] {
        Value::Null => list(object, "/containers").iter().map(|c| &c["usage"]).collect(),
        usage => vec![usage],
    };
    let total = |field: &str, unit: &str| -> u64 {
        let number =
            |usage: &&Value| usage[field].as_str()?.trim_end_matches(unit).parse::<u64>().ok();
        all.iter().filter_map(number).sum()
    };
    vec![
        meta(object, "name").into(),
        format!("{}n", total("cpu", "n")).into(),
        format!("{}Ki", total("memory", "Ki")).into(),
        text(object, "/window").into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_shown_as_go_does() {
        let check = |millis: u64, expected: &str| {
            assert_eq!(shown(Duration::from_millis(millis)), expected);
        };
        check(2_000, "2s");
        check(15_032, "15.032s");
        check(90_500, "1m30.5s");
        check(60_000, "1m0s");
    }

    #[test]
    fn a_pods_row_is_the_sum_of_its_containers() {
        let used = |cpu: u64, kib: u64| usage(Used { cpu_nanos: cpu, memory_bytes: kib * 1024 });
        let pod = json!({"metadata": {"name": "p"}, "window": "2s", "containers": [
            {"usage": used(1, 2)}, {"usage": used(0, 3)}]});
        assert_eq!(Value::from(cells(&pod)), json!(["p", "1n", "5Ki", "2s"]));
    }
}
