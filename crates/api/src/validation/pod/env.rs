//! Environment variables and where their values come from.

use super::resources;
use crate::names;
use crate::quantity::Quantity;
use crate::validation::field::Field;

const MORE_THAN_ONE: &str = "may not have more than one field specified at a time";
/// What variables can be made of; sorted, as upstream lists them.
const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// What files can be made of.
pub(super) const FILE_FIELDS: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];
/// Fields that have a name in the downward API, but not for variables or files.
const OTHER_FIELDS: [&str; 5] = [
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.hostNetwork",
    "status.phase",
    "status.nominatedNodeName",
];
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// `env`.
pub(super) fn variables(env: &Field<'_>) {
    for variable in env.items() {
        let name = variable.at("name");
        match name.is_empty() {
            true => name.required(""),
            false => name.well_formed(names::env_var_name),
        }
        let from = variable.at("valueFrom");
        if from.is_some() {
            value_from(&from, !variable.at("value").is_empty());
        }
    }
}

fn value_from(from: &Field<'_>, has_value: bool) {
    let kinds = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
    let given: Vec<_> = kinds.into_iter().filter(|kind| from.at(kind).is_some()).collect();
    for kind in &given {
        let source = from.at(kind);
        match *kind {
            "fieldRef" => field(&source, &ENV_FIELDS),
            "resourceFieldRef" => resource(&source, false),
            "fileKeyRef" => {
                for field in ["volumeName", "path", "key"] {
                    source.at(field).must_be_given();
                }
            }
            _ => key(&source),
        }
    }
    match given.len() {
        0 => from.invalid_as(
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, \
             `secretKeyRef` or `fileKeyRef`",
        ),
        _ if has_value => from.invalid_as("", "may not be specified when `value` is not empty"),
        1 => {}
        _ => from.invalid_as("", MORE_THAN_ONE),
    }
}

fn key(source: &Field<'_>) {
    source.at("name").well_formed(names::dns_subdomain);
    let key = source.at("key");
    match key.is_empty() {
        true => key.required(""),
        false => key.well_formed(names::config_map_key),
    }
}

/// A field of the pod, one of those `known` or a single label or annotation.
pub(super) fn field(source: &Field<'_>, known: &[&str]) {
    let path = source.at("fieldPath");
    if source.at("apiVersion").is_empty() {
        source.at("apiVersion").required("");
    } else if path.is_empty() {
        path.required("");
    } else if let Some((map, key)) = subscripted(path.text()) {
        let problems = match map {
            "metadata.labels" => names::qualified_name(key),
            "metadata.annotations" => names::qualified_name(&key.to_lowercase()),
            _ => return source.invalid_as(map, "does not support subscript"),
        };
        problems.into_iter().for_each(|problem| source.invalid_as(key, problem));
    } else if !known.contains(&path.text()) {
        unknown_field(&path, known);
    }
}

fn unknown_field(path: &Field<'_>, known: &[&str]) {
    let name = path.text();
    if [&ENV_FIELDS[..], &FILE_FIELDS, &OTHER_FIELDS].iter().any(|list| list.contains(&name)) {
        path.unsupported(known);
    } else {
        path.invalid(format!("error converting fieldPath: field label not supported: {name}"));
    }
}

/// `metadata.labels['app']` is the label app.
fn subscripted(path: &str) -> Option<(&str, &str)> {
    path.strip_suffix("']")?.split_once("['")
}

/// An amount of a container. A file must say of which.
pub(super) fn resource(source: &Field<'_>, in_file: bool) {
    let (container, resource) = (source.at("containerName"), source.at("resource"));
    if in_file && container.is_empty() {
        container.required("");
    } else if resource.is_empty() {
        resource.required("");
    } else if !RESOURCES.contains(&resource.text()) && !is_huge(resource.text()) {
        resource.unsupported(&RESOURCES);
    }
    divisor(&source.at("divisor"), resource.text());
}

fn is_huge(resource: &str) -> bool {
    ["limits.hugepages-", "requests.hugepages-"].iter().any(|start| resource.starts_with(start))
}

fn divisor(divisor: &Field<'_>, resource: &str) {
    let Some(amount) = resources::quantity(divisor) else { return };
    let suffixes =
        ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
    let is_one_of = |known: &[&str]| known.contains(&amount.to_string().as_str());
    if amount == Quantity::ZERO {
        return;
    }
    let (kind, name) = match resource.split_once('.') {
        Some((_, "cpu")) if !is_one_of(&["1m", "1"]) => ("1m and 1", "cpu"),
        Some((_, name @ ("memory" | "ephemeral-storage"))) if !is_one_of(&suffixes) => (
            "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei",
            match name {
                "memory" => "memory",
                _ => "local ephemeral storage",
            },
        ),
        _ if is_huge(resource) && !is_one_of(&suffixes) => {
            ("1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei", "hugepages")
        }
        _ => return,
    };
    let detail = format!("only divisor's values {kind} are supported with the {name} resource");
    divisor.invalid_as(resource, detail);
}

/// `envFrom`, whose errors upstream puts on the whole list.
pub(super) fn sources(list: &Field<'_>) {
    for source in list.items() {
        let prefix = source.at("prefix");
        if !prefix.is_empty() {
            prefix.well_formed(names::env_var_name);
        }
        let given = ["configMapRef", "secretRef"].map(|kind| source.at(kind));
        let given: Vec<_> = given.into_iter().filter(Field::is_some).collect();
        for name in given.iter().map(|reference| reference.at("name")) {
            match name.is_empty() {
                true => name.required(""),
                false => name.well_formed(names::dns_subdomain),
            }
        }
        match given.len() {
            0 => list.invalid_as("", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => list.invalid_as("", MORE_THAN_ONE),
        }
    }
}
