//! Custom kinds: defined, served at once, and gone with their definition.

mod conversion;
mod definitions;
mod kubectl;
mod objects;
mod rules;
mod schemas;
mod subresources;

use serde_json::{Value, json};

use crate::support::Server;

pub const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
pub const TABS: &str = "/apis/example.com/v1/namespaces/default/tabs";

/// `tabs.example.com`, of one version with this schema.
pub fn tabs(schema: Value) -> Value {
    with_versions(json!([
        {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}},
    ]))
}

pub fn with_versions(versions: Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "tabs.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "tabs", "kind": "Tab", "shortNames": ["tb"], "categories": ["all"]},
            "versions": versions,
        },
    })
}

/// A schema whose spec has these properties.
pub fn spec_of(properties: Value) -> Value {
    json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": properties},
    }})
}

pub fn tab(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Tab", "metadata": {"name": name}, "spec": spec})
}

/// A server that has the definition.
pub async fn server_with(definition: Value) -> Server {
    let server = Server::start().await;
    server.check(&format!("POST {DEFINITIONS}"), definition, 201, json!({})).await;
    server
}
