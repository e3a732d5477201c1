//! Pod fields and container resources by path: what `fieldRef` and `resourceFieldRef` name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};

use super::ephemeral;
use crate::quantities;

/// What the pod learns from where it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub node_name: String,
    pub host_ip: String,
    /// None until the pod has an address.
    pub pod_ip: Option<String>,
    /// Stands in for a cpu limit that is not set, in thousandths of a core.
    pub node_cpu_millis: u64,
    /// Stands in for a memory limit that is not set.
    pub node_memory_bytes: u64,
}

/// Why a field could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FieldError {
    #[error("fieldPath {0:?} is not supported")]
    Unsupported(String),
    #[error("resource {0:?} is not supported")]
    UnsupportedResource(String),
    #[error("container {0:?} is not in the pod")]
    NoContainer(String),
    #[error("divisor {0:?} is not a quantity above zero")]
    Divisor(String),
}

/// The value of `path` (such as `metadata.labels['app']`) in `pod`.
pub(crate) fn field(pod: &Pod, place: &Place, path: &str) -> Result<String, FieldError> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    if let Some((map, key)) = subscript(path) {
        let map = match map {
            "metadata.labels" => meta.labels.as_ref(),
            "metadata.annotations" => meta.annotations.as_ref(),
            _ => return Err(FieldError::Unsupported(path.to_owned())),
        };
        return Ok(map.and_then(|map| map.get(key)).cloned().unwrap_or_default());
    }
    Ok(match path {
        "metadata.name" => meta.name.clone().unwrap_or_default(),
        "metadata.namespace" => meta.namespace.clone().unwrap_or_default(),
        "metadata.uid" => meta.uid.clone().unwrap_or_default(),
        "metadata.labels" => lines(meta.labels.as_ref()),
        "metadata.annotations" => lines(meta.annotations.as_ref()),
        "spec.nodeName" => place.node_name.clone(),
        "spec.serviceAccountName" => {
            spec.and_then(|spec| spec.service_account_name.clone()).unwrap_or_default()
        }
        "status.hostIP" | "status.hostIPs" => place.host_ip.clone(),
        "status.podIP" | "status.podIPs" => place.pod_ip.clone().unwrap_or_default(),
        _ => return Err(FieldError::Unsupported(path.to_owned())),
    })
}

/// `map['key']` taken apart.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, rest) = path.split_once("['")?;
    Some((map, rest.strip_suffix("']")?))
}

/// A map as downward API files show it: one `key="value"` a line, sorted.
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let lines: Vec<String> = map
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", serde_json::Value::from(value.as_str())))
        .collect();
    lines.join("\n")
}

/// The value of a container's request or limit, in whole divisors, rounded up.
/// `own` is the container that asks, when the selector names none.
pub(crate) fn resource(
    pod: &Pod,
    own: Option<&Container>,
    place: &Place,
    selector: &ResourceFieldSelector,
) -> Result<String, FieldError> {
    let container = match selector.container_name.as_deref() {
        Some(name) => named(pod, name).ok_or_else(|| FieldError::NoContainer(name.to_owned()))?,
        None => Cow::Borrowed(own.ok_or_else(|| FieldError::NoContainer(String::new()))?),
    };
    let amount = amount(&container, place, &selector.resource)?;
    let divisor = selector.divisor.as_ref().map_or("", |divisor| divisor.0.as_str());
    let divisor = match divisor {
        "" | "0" => 1000,
        text => quantities::millis(text)
            .filter(|divisor| *divisor > 0)
            .ok_or_else(|| FieldError::Divisor(text.to_owned()))?,
    };
    Ok(amount.div_ceil(u128::from(divisor)).to_string())
}

/// The amount in thousandths.
fn amount(container: &Container, place: &Place, resource: &str) -> Result<u128, FieldError> {
    let unsupported = || FieldError::UnsupportedResource(resource.to_owned());
    let (side, name) = resource.split_once('.').ok_or_else(unsupported)?;
    let resources = container.resources.as_ref();
    let limits = resources.and_then(|resources| resources.limits.as_ref());
    let requests = resources.and_then(|resources| resources.requests.as_ref());
    let stated = match side {
        "limits" => limits.and_then(|map| map.get(name)),
        // A request that is not stated is the limit, as the API's defaults have it.
        "requests" => {
            requests.and_then(|map| map.get(name)).or(limits.and_then(|map| map.get(name)))
        }
        _ => return Err(unsupported()),
    };
    let stated = stated.and_then(|quantity| quantities::millis(&quantity.0));
    let node = match (side, name) {
        ("limits", "cpu") => u128::from(place.node_cpu_millis),
        ("limits", "memory") => u128::from(place.node_memory_bytes) * 1000,
        (_, "cpu" | "memory" | "ephemeral-storage") => 0,
        (_, name) if name.starts_with("hugepages-") => 0,
        _ => return Err(unsupported()),
    };
    Ok(stated.map_or(node, u128::from))
}

/// The container called `name`, of whatever sort.
pub(crate) fn named<'a>(pod: &'a Pod, name: &str) -> Option<Cow<'a, Container>> {
    let spec = pod.spec.as_ref()?;
    let inits = spec.init_containers.iter().flatten();
    let found = inits.chain(&spec.containers).find(|container| container.name == name);
    found.map(Cow::Borrowed).or_else(|| {
        let ephemeral = ephemeral::all(pod).find(|container| container.name == name)?;
        Some(Cow::Owned(ephemeral::as_container(ephemeral)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "u1",
                "labels": {"app": "web", "tier": "a\"b"}},
            "spec": {"serviceAccountName": "runner", "containers": [{"name": "main",
                "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "250m"}}}]}
        }))
        .unwrap()
    }

    fn place() -> Place {
        Place {
            node_name: "box".into(),
            host_ip: "10.42.0.1".into(),
            pod_ip: Some("10.42.0.9".into()),
            node_cpu_millis: 2000,
            node_memory_bytes: 1 << 30,
        }
    }

    fn check(path: &str, expected: &str) {
        assert_eq!(field(&pod(), &place(), path).as_deref(), Ok(expected), "{path}");
    }

    #[test]
    fn fields_are_found_by_path() {
        check("metadata.name", "web");
        check("metadata.namespace", "shop");
        check("metadata.uid", "u1");
        check("metadata.labels['app']", "web");
        check("metadata.annotations['none']", "");
        check("metadata.labels", "app=\"web\"\ntier=\"a\\\"b\"");
        check("spec.nodeName", "box");
        check("spec.serviceAccountName", "runner");
        check("status.hostIP", "10.42.0.1");
        check("status.podIP", "10.42.0.9");
    }

    #[test]
    fn an_unknown_field_is_an_error_that_names_it() {
        let error = field(&pod(), &place(), "spec.priority").unwrap_err();
        assert_eq!(error.to_string(), "fieldPath \"spec.priority\" is not supported");
    }

    fn check_resource(resource_name: &str, divisor: &str, expected: &str) {
        let selector: ResourceFieldSelector =
            serde_json::from_value(json!({"resource": resource_name, "divisor": divisor})).unwrap();
        let pod = pod();
        let own = named(&pod, "main");
        let value = resource(&pod, own.as_deref(), &place(), &selector).unwrap();
        assert_eq!(value, expected, "{resource_name} {divisor}");
    }

    #[test]
    fn resources_are_rounded_up_to_whole_divisors() {
        check_resource("limits.memory", "1Mi", "64");
        check_resource("limits.memory", "0", "67108864");
        check_resource("requests.cpu", "", "1");
        check_resource("requests.cpu", "1m", "250");
        check_resource("requests.memory", "1Mi", "64");
    }

    #[test]
    fn a_limit_that_is_not_set_is_the_nodes() {
        check_resource("limits.cpu", "1", "2");
    }
}
