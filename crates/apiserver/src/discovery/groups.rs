//! Plain discovery: groups, versions, resources.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::catalog::{Catalog, Group, Version};
use crate::computed::{self, METRICS};
use crate::kinds::{Kind, Served, Subresource};
use crate::request::Review;
use crate::server::Settings;

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
pub(super) fn group_list(catalog: &Catalog<'_>) -> Value {
    let groups: Vec<Value> = catalog.named_groups().map(|group| group_value(&group)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/<group>`
pub(super) fn group(catalog: &Catalog<'_>, name: &str) -> Option<Value> {
    let mut value = group_value(&catalog.named_groups().find(|group| group.name == name)?);
    value["kind"] = "APIGroup".into();
    value["apiVersion"] = "v1".into();
    Some(value)
}

fn group_value(group: &Group<'_>) -> Value {
    let name = group.name;
    let version = |version: &Version<'_>| json!({"groupVersion": format!("{name}/{}", version.name), "version": version.name});
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    json!({"name": name, "preferredVersion": versions[0], "versions": versions})
}

/// `/api/v1`, `/apis/<group>/<version>`
pub(super) fn resources(kinds: &Served, group: &str, version: &str) -> Option<Value> {
    if !kinds.group_versions().contains(&(group, version)) && (group, version) != METRICS {
        return None;
    }
    let mut resources = Vec::new();
    for kind in kinds.of(group, version) {
        resources.push(resource(kind));
        resources.extend(kind.subresources.iter().map(|sub| subresource(kind, *sub)));
    }
    for kind in computed::of(group, version) {
        let mut value = json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced,
            "kind": kind.kind, "verbs": computed::VERBS,
        });
        if !kind.short_names.is_empty() {
            value["shortNames"] = json!(kind.short_names);
        }
        resources.push(value);
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
        "verbs": kind.verbs(),
    });
    if !kind.short_names.is_empty() {
        value["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        value["categories"] = json!(kind.categories);
    }
    value["storageVersionHash"] = storage_version_hash(&kind.stored_as()).into();
    value
}

/// Tells whether objects of a kind are stored as another version than before, by
/// `group/version/Kind`. Made as upstream makes it.
fn storage_version_hash(stored: &str) -> String {
    const LENGTH: usize = 8;
    STANDARD.encode(&Sha256::digest(stored)[..LENGTH])
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
pub(super) fn paths(catalog: &Catalog<'_>) -> Vec<String> {
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
    for group in catalog.named_groups() {
        all.push(format!("/apis/{}", group.name));
        let path = |version: &Version<'_>| format!("/apis/{}/{}", group.name, version.name);
        all.extend(group.versions.iter().map(path));
    }
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_versions_have_upstreams_hashes() {
        let check = |plural, group, version, expected| {
            let served = Served::with([]);
            let kind = served.find(group, version, plural).unwrap();
            assert_eq!(resource(kind)["storageVersionHash"], expected, "{plural}");
        };
        check("pods", "", "v1", "xPOwRZ+Yhw8=");
        check("deployments", "apps", "v1", "8aSe+NMegvE=");
        check("events", "events.k8s.io", "v1", "r2yiGXH7wu8=");
        check("horizontalpodautoscalers", "autoscaling", "v1", "qwQve8ut294=");
    }
}
