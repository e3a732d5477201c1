//! Aggregated discovery: every group with all its resources in one document.

use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::catalog::{Catalog, Group, Version};
use crate::aggregation::Extension;
use crate::computed::{self, Computed};
use crate::kinds::{Kind, Served, Subresource};
use crate::negotiate;
use crate::request::Review;
use crate::respond;

const GROUP: &str = "apidiscovery.k8s.io";

/// The aggregated document where the client asks for it.
/// `root` is "" for the core group and "apis" for the others.
pub(super) fn asked(catalog: &Catalog<'_>, headers: &HeaderMap, root: &str) -> Option<Response> {
    for accepted in negotiate::accepted(headers).iter().filter(|entry| entry.is_json()) {
        let version = match (accepted.parameter("g"), accepted.parameter("as")) {
            (Some(GROUP), Some("APIGroupDiscoveryList")) => accepted.parameter("v"),
            (_, None) => return None,
            _ => None,
        };
        if let Some(version @ ("v2" | "v2beta1")) = version {
            return Some(document(catalog, headers, root, version));
        }
    }
    None
}

fn document(catalog: &Catalog<'_>, headers: &HeaderMap, root: &str, version: &str) -> Response {
    let groups = catalog.groups().into_iter();
    let groups = groups.filter(|group| group.name.is_empty() == root.is_empty());
    let items: Vec<Value> = groups.map(|found| group(catalog.kinds, &found)).collect();
    let body = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("{GROUP}/{version}"),
        "metadata": {},
        "items": items,
    });
    let body = Bytes::from(body.to_string());
    let tag = format!("\"{}\"", hex::encode_upper(Sha256::digest(&body)));
    let fresh = headers.get(IF_NONE_MATCH).is_some_and(|have| have.as_bytes() == tag.as_bytes());
    let mut response = match fresh {
        true => respond::json(StatusCode::NOT_MODIFIED, Bytes::new(), false),
        false => respond::json(StatusCode::OK, body, false),
    };
    let kind = format!("application/json;g={GROUP};v={version};as=APIGroupDiscoveryList");
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_str(&kind).expect("plain ASCII"));
    out.insert(ETAG, HeaderValue::from_str(&tag).expect("a hash in quotes"));
    out.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
    out.insert(VARY, HeaderValue::from_static("Accept"));
    response
}

fn group(kinds: &Served, group: &Group<'_>) -> Value {
    let version = |version: &Version<'_>| {
        let learned = version.extension.map(Extension::learned);
        let (resources, freshness) = match learned {
            None => (resources(kinds, group.name, version.name), "Current"),
            Some(Some(learned)) if version.is_available() => (learned.resources.clone(), "Current"),
            Some(learned) => (learned.map(|l| l.resources.clone()).unwrap_or_default(), "Stale"),
        };
        json!({"version": version.name, "resources": resources, "freshness": freshness})
    };
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    let metadata = if group.name.is_empty() { json!({}) } else { json!({"name": group.name}) };
    json!({"metadata": metadata, "versions": versions})
}

fn resources(kinds: &Served, group: &str, version: &str) -> Vec<Value> {
    let reviews = Review::ALL.into_iter().filter(|review| review.group() == group);
    let kinds = kinds.of(group, version).map(|kind| resource(kind));
    let computed = computed::of(group, version).map(computed_resource);
    kinds.chain(computed).chain(reviews.map(review)).collect()
}

fn resource(kind: &Kind) -> Value {
    let mut value = json!({
        "resource": kind.plural,
        "responseKind": response_kind(&kind.group, &kind.version, &kind.kind),
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": kind.verbs(),
    });
    if !kind.short_names.is_empty() {
        value["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        value["categories"] = json!(kind.categories);
    }
    if !kind.subresources.is_empty() {
        value["subresources"] =
            kind.subresources.iter().map(|sub| subresource(kind, *sub)).collect();
    }
    value
}

fn subresource(kind: &Kind, sub: Subresource) -> Value {
    let (group, version, name) = sub.own_kind().unwrap_or((&kind.group, &kind.version, &kind.kind));
    json!({
        "subresource": sub.name(),
        "responseKind": response_kind(group, version, name),
        "verbs": sub.verbs(),
    })
}

fn computed_resource(kind: &Computed) -> Value {
    let mut value = json!({
        "resource": kind.plural,
        "responseKind": response_kind(kind.group, kind.version, kind.kind),
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": computed::VERBS,
    });
    if !kind.short_names.is_empty() {
        value["shortNames"] = json!(kind.short_names);
    }
    value
}

fn review(review: Review) -> Value {
    json!({
        "resource": review.plural(),
        "responseKind": response_kind(review.group(), "v1", review.kind()),
        "scope": if review.is_namespaced() { "Namespaced" } else { "Cluster" },
        "singularResource": review.singular(),
        "verbs": ["create"],
    })
}

fn response_kind(group: &str, version: &str, kind: &str) -> Value {
    json!({"group": group, "version": version, "kind": kind})
}
