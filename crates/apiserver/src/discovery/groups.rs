//! Plain discovery: groups, versions, resources.

use serde_json::{Value, json};

use crate::kinds::{Kind, Served, Subresource, VERBS};
use crate::request::Review;
use crate::server::Settings;

/// The groups besides core, in order.
pub(super) fn named_groups(kinds: &Served) -> Vec<&str> {
    let mut groups = Vec::new();
    for (group, _) in kinds.group_versions() {
        if !group.is_empty() && !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

/// `/api`
pub(super) fn versions(settings: &Settings) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{
            "clientCIDR": "0.0.0.0/0",
            "serverAddress": format!("{}:{}", settings.node_address, settings.secure_port),
        }],
    })
}

/// `/apis`
pub(super) fn group_list(kinds: &Served) -> Value {
    let groups = named_groups(kinds).into_iter();
    let groups: Vec<Value> = groups.filter_map(|group| group_value(kinds, group)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/<group>`
pub(super) fn group(kinds: &Served, name: &str) -> Option<Value> {
    let mut value = group_value(kinds, name)?;
    value["kind"] = "APIGroup".into();
    value["apiVersion"] = "v1".into();
    Some(value)
}

fn group_value(kinds: &Served, name: &str) -> Option<Value> {
    let versions: Vec<Value> = kinds
        .group_versions()
        .into_iter()
        .filter(|(group, _)| *group == name && !group.is_empty())
        .map(|(group, version)| {
            json!({"groupVersion": format!("{group}/{version}"), "version": version})
        })
        .collect();
    let preferred = versions.first()?.clone();
    Some(json!({"name": name, "versions": versions, "preferredVersion": preferred}))
}

/// `/api/v1`, `/apis/<group>/<version>`
pub(super) fn resources(kinds: &Served, group: &str, version: &str) -> Option<Value> {
    if !kinds.group_versions().contains(&(group, version)) {
        return None;
    }
    let mut resources = Vec::new();
    for kind in kinds.of(group, version) {
        resources.push(resource(kind));
        resources.extend(kind.subresources.iter().map(|sub| subresource(kind, *sub)));
    }
    for review in Review::ALL.into_iter().filter(|review| review.group() == group) {
        resources.push(json!({
            "name": review.plural(), "singularName": review.singular(),
            "namespaced": review.is_namespaced(), "kind": review.kind(), "verbs": ["create"],
        }));
    }
    let group_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }))
}

fn resource(kind: &Kind) -> Value {
    let mut value = json!({
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": VERBS,
    });
    if !kind.short_names.is_empty() {
        value["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        value["categories"] = json!(kind.categories);
    }
    value
}

fn subresource(kind: &Kind, sub: Subresource) -> Value {
    let mut value = json!({
        "name": format!("{}/{}", kind.plural, sub.name()),
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": sub.verbs(),
    });
    if let Some((group, version, name)) = sub.own_kind() {
        value["kind"] = name.into();
        if kind.group != group {
            value["group"] = group.into();
            value["version"] = version.into();
        }
    }
    value
}

/// `/`
pub(super) fn paths(kinds: &Served) -> Vec<String> {
    let mut all: Vec<String> = [
        "/api",
        "/api/v1",
        "/apis",
        "/apis/",
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/readyz",
        "/version",
    ]
    .map(str::to_owned)
    .to_vec();
    for (group, version) in
        kinds.group_versions().into_iter().filter(|(group, _)| !group.is_empty())
    {
        all.push(format!("/apis/{group}"));
        all.push(format!("/apis/{group}/{version}"));
    }
    all.sort();
    all
}
