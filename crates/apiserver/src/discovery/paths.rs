//! The paths of an OpenAPI document: which operations a kind has, and their parameters.

use serde_json::{Map, Value, json};

use super::openapi::custom;
use crate::computed::Computed;
use crate::kinds::{Kind, Subresource};
use crate::request::Review;

/// Adds a kind's paths.
pub(super) fn add(paths: &mut Map<String, Value>, kind: &Kind) {
    let root = match &*kind.group {
        "" => format!("/api/{}", kind.version),
        group => format!("/apis/{group}/{}", kind.version),
    };
    let collection = match kind.namespaced {
        true => format!("{root}/namespaces/{{namespace}}/{}", kind.plural),
        false => format!("{root}/{}", kind.plural),
    };
    if kind.namespaced {
        let all = json!({"get": operation(kind, "list", &list_kind(kind), &[])});
        paths.insert(format!("{root}/{}", kind.plural), all);
    }
    paths.insert(
        collection.clone(),
        with_parameters(collection_operations(kind), kind.namespaced, false),
    );
    let item = format!("{collection}/{{name}}");
    paths.insert(item.clone(), with_parameters(item_operations(kind), kind.namespaced, true));
    for subresource in kind.subresources.iter() {
        let operations = subresource_operations(kind, *subresource);
        let path = format!("{item}/{}", subresource.name());
        paths.insert(path, with_parameters(operations, kind.namespaced, true));
    }
}

/// Adds a question that is answered and not stored.
pub(super) fn add_review(paths: &mut Map<String, Value>, review: Review) {
    let name = (review.group(), "v1", review.kind());
    let inside = if review.is_namespaced() { "namespaces/{namespace}/" } else { "" };
    let path = format!("/apis/{}/v1/{inside}{}", review.group(), review.plural());
    let asked = json!({"post": with_body(bare("post", name, name.2, WRITE), name)});
    paths.insert(path, with_parameters(asked, review.is_namespaced(), false));
}

/// Adds a kind that is not stored, and can only be read. It is no part of a namespace.
pub(super) fn add_computed(paths: &mut Map<String, Value>, kind: &Computed) {
    let name = (kind.group, kind.version, kind.kind);
    let collection = format!("/api/{}/{}", kind.version, kind.plural);
    let list = json!({"get": bare("list", name, &format!("{}List", kind.kind), LIST)});
    let one = json!({"get": bare("get", name, kind.kind, &[])});
    paths.insert(format!("{collection}/{{name}}"), with_parameters(one, false, true));
    paths.insert(collection, list);
}

/// Group, version, kind.
type Name<'a> = (&'a str, &'a str, &'a str);

fn name_of(kind: &Kind) -> Name<'_> {
    (&kind.group, &kind.version, &kind.kind)
}

fn list_kind(kind: &Kind) -> String {
    kind.list_kind()
}

fn collection_operations(kind: &Kind) -> Value {
    json!({
        "get": operation(kind, "list", &list_kind(kind), LIST),
        "post": with_body(operation(kind, "post", &kind.kind, WRITE), name_of(kind)),
        "delete": operation(kind, "deletecollection", "Status", DELETE),
    })
}

fn item_operations(kind: &Kind) -> Value {
    json!({
        "get": operation(kind, "get", &kind.kind, &[]),
        "put": with_body(operation(kind, "put", &kind.kind, WRITE), name_of(kind)),
        "patch": patch_of(kind, operation(kind, "patch", &kind.kind, PATCH)),
        "delete": operation(kind, "delete", "Status", DELETE),
    })
}

fn subresource_operations(kind: &Kind, subresource: Subresource) -> Value {
    let name = subresource.own_kind().unwrap_or_else(|| name_of(kind));
    let mut operations = Map::new();
    for verb in subresource.verbs() {
        let (method, action, parameters) = match *verb {
            "get" => ("get", "get", &[][..]),
            "create" => ("post", "post", WRITE),
            "update" => ("put", "put", WRITE),
            _ => ("patch", "patch", PATCH),
        };
        let mut made = bare(action, name, name.2, parameters);
        made = match method {
            "get" => made,
            "patch" => patch_of(kind, made),
            _ => with_body(made, name),
        };
        operations.insert(method.to_owned(), made);
    }
    Value::Object(operations)
}

const LIST: &[&str] = &[
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
];
const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];
const PATCH: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "force"];
const DELETE: &[&str] = &["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"];

fn operation(kind: &Kind, action: &str, answer: &str, parameters: &[&str]) -> Value {
    bare(action, name_of(kind), answer, parameters)
}

fn bare(action: &str, name: Name<'_>, answer: &str, parameters: &[&str]) -> Value {
    let (group, version, kind) = name;
    let schema = match answer {
        "Status" => "io.k8s.apimachinery.pkg.apis.meta.v1.Status".to_owned(),
        answer => {
            let of_item = definition(group, version, kind);
            match answer.strip_suffix("List") {
                Some(item) if item == kind => format!("{of_item}List"),
                _ => of_item,
            }
        }
    };
    let parameters: Vec<Value> = parameters.iter().map(|name| parameter(name)).collect();
    let mut operation = json!({
        "responses": {
            "200": {
                "description": "OK",
                "content": {"application/json": {"schema": reference(&schema)}},
            },
            "401": {"description": "Unauthorized"},
        },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    operation
}

/// The OpenAPI name of a kind; streams have none and are described as any object.
fn definition(group: &str, version: &str, kind: &str) -> String {
    match api::schema::definition_name(&api::Gvk::new(group, version, kind)) {
        Some(name) => name,
        // Only groups with a domain have custom kinds.
        None if group.contains('.') => custom::name(group, version, kind),
        None => String::new(),
    }
}

fn reference(definition: &str) -> Value {
    match definition {
        "" | "List" => json!({"type": "string"}),
        name => json!({"$ref": format!("#/components/schemas/{name}")}),
    }
}

fn with_body(mut operation: Value, name: Name<'_>) -> Value {
    let schema = reference(&definition(name.0, name.1, name.2));
    operation["requestBody"] = json!({"content": {"*/*": {"schema": schema}}, "required": true});
    operation
}

/// Strategic merge is for built-in kinds.
fn patch_of(kind: &Kind, operation: Value) -> Value {
    let mut operation = patch(operation);
    if kind.custom.is_some()
        && let Some(media) = operation["requestBody"]["content"].as_object_mut()
    {
        media.remove("application/strategic-merge-patch+json");
    }
    operation
}

fn patch(mut operation: Value) -> Value {
    let any = json!({"schema": {"type": "object"}});
    operation["requestBody"] = json!({"content": {
        "application/apply-patch+yaml": any,
        "application/json-patch+json": any,
        "application/merge-patch+json": any,
        "application/strategic-merge-patch+json": any,
    }, "required": true});
    operation
}

fn parameter(name: &str) -> Value {
    let kind = match name {
        "allowWatchBookmarks" | "force" | "orphanDependents" | "sendInitialEvents" | "watch" => {
            "boolean"
        }
        "gracePeriodSeconds" | "limit" | "timeoutSeconds" => "integer",
        _ => "string",
    };
    json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
}

fn with_parameters(mut operations: Value, namespaced: bool, named: bool) -> Value {
    let mut parameters = Vec::new();
    let in_path = |name: &str| {
        json!({
            "name": name, "in": "path", "required": true,
            "schema": {"type": "string", "uniqueItems": true},
        })
    };
    if named {
        parameters.push(in_path("name"));
    }
    if namespaced {
        parameters.push(in_path("namespace"));
    }
    if !parameters.is_empty() {
        operations["parameters"] = parameters.into();
    }
    operations
}
