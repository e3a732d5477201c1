//! The definitions of OpenAPI v3 documents, with Kubernetes' extensions.

use serde_json::{Map, Value, json};

use super::builtin::{BUILTINS, DELETE_OPTIONS};
use super::convert::{REFERENCE, reference};
use super::{definitions, enums, overlay};
use crate::Gvk;

/// The definition of what every list has, and Status.
pub(super) const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// All definitions that these kinds and their lists reach, by name: what goes under
/// `components.schemas`. Kinds that are not built in are left out.
///
/// Made anew on every call (some milliseconds); a caller keeps the document.
pub fn openapi_v3(kinds: &[Gvk]) -> Value {
    let wanted: Vec<_> = BUILTINS.iter().filter(|b| kinds.iter().any(|k| b.is(k))).collect();
    let names = wanted.iter().map(|builtin| builtin.definition().into_owned());
    let bodies = [DELETE_OPTIONS, LIST_META].map(str::to_owned);
    let mut schemas = definitions::reached_from(names.chain(bodies));
    for (name, schema) in schemas.iter_mut() {
        dress_definition(name, schema);
    }
    for builtin in &wanted {
        ease_metadata(&mut schemas[builtin.definition().as_ref()]);
    }
    for builtin in &wanted {
        let name = builtin.definition();
        mark_kind(&mut schemas, &name, &[builtin.gvk()]);
        let list = list_definition(&name, builtin.kind);
        let list_name = format!("{name}List");
        schemas.insert(list_name.clone(), list);
        let kind = format!("{}List", builtin.kind);
        mark_kind(&mut schemas, &list_name, &[Gvk { kind, ..builtin.gvk() }]);
    }
    mark_kind(&mut schemas, DELETE_OPTIONS, &delete_options_kinds());
    Value::Object(schemas)
}

/// The OpenAPI definition of a built-in kind, e.g. `io.k8s.api.core.v1.Pod`.
pub fn definition_name(gvk: &Gvk) -> Option<String> {
    if gvk.kind == "DeleteOptions" {
        return Some(DELETE_OPTIONS.to_owned());
    }
    BUILTINS.iter().find(|builtin| builtin.is(gvk)).map(|b| b.definition().into_owned())
}

/// Every built-in kind.
pub fn kinds() -> Vec<Gvk> {
    BUILTINS.iter().map(super::builtin::Builtin::gvk).collect()
}

fn delete_options_kinds() -> Vec<Gvk> {
    let mut kinds: Vec<Gvk> =
        BUILTINS.iter().map(|b| Gvk::new(b.group, b.version, "DeleteOptions")).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

fn mark_kind(schemas: &mut Map<String, Value>, name: &str, kinds: &[Gvk]) {
    if let Some(schema) = schemas.get_mut(name) {
        let kinds: Vec<_> = kinds
            .iter()
            .map(|k| json!({"group": k.group, "kind": k.kind, "version": k.version}))
            .collect();
        schema["x-kubernetes-group-version-kind"] = Value::Array(kinds);
    }
}

fn list_definition(item: &str, kind: &str) -> Value {
    json!({
        "description": format!("{kind}List is a list of {kind} objects."),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string", "description": "The versioned schema of this object."},
            "kind": {"type": "string", "description": "The REST resource this object represents."},
            "metadata": {"allOf": [{"$ref": format!("{REFERENCE}{LIST_META}")}], "default": {}},
            "items": {
                "type": "array",
                "description": format!("The {kind} objects."),
                "items": {"allOf": [{"$ref": format!("{REFERENCE}{item}")}], "default": {}},
            },
        },
    })
}

fn dress_definition(name: &str, schema: &mut Value) {
    let description = schema.get("description").cloned().unwrap_or_default();
    match name {
        INT_OR_STRING => {
            *schema = json!({
                "description": description, "format": "int-or-string",
                "oneOf": [{"type": "integer"}, {"type": "string"}],
            });
        }
        QUANTITY => {
            *schema = json!({
                "description": description, "oneOf": [{"type": "string"}, {"type": "number"}],
            });
        }
        _ => {
            dress_fields(name, schema);
            enums::mark(name, schema);
        }
    }
}

fn dress_fields(name: &str, schema: &mut Value) {
    let overlay = overlay::of(name);
    if overlay.is_some_and(|o| o.atomic) {
        schema["x-kubernetes-map-type"] = json!("atomic");
    }
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (field, json) in properties {
        wrap_reference(json);
        if let Some(items) = json.get_mut("items") {
            wrap_reference(items);
        }
        if let Some(values) = json.get_mut("additionalProperties") {
            wrap_reference(values);
        }
        let semantics = overlay.and_then(|o| o.fields.get(field.as_str()));
        mark_field(json, semantics.cloned().unwrap_or_default());
    }
}

/// OpenAPI 3.0 ignores what stands beside a `$ref`, so upstream wraps it in `allOf`.
fn wrap_reference(json: &mut Value) {
    if let Some(name) = reference(json).map(str::to_owned) {
        if let Some(object) = json.as_object_mut() {
            object.remove("$ref");
        }
        json["allOf"] = json!([{"$ref": format!("{REFERENCE}{name}")}]);
    }
}

/// Upstream's documents never require an object's metadata; its Rust type does.
fn ease_metadata(schema: &mut Value) {
    let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) else { return };
    required.retain(|field| field != "metadata");
    if required.is_empty()
        && let Some(schema) = schema.as_object_mut()
    {
        schema.remove("required");
    }
}

fn mark_field(json: &mut Value, field: overlay::Field) {
    if json.get("type") == Some(&json!("array")) {
        json["x-kubernetes-list-type"] = json!(match &field {
            f if f.set => "set",
            f if f.map_keys.is_empty() => "atomic",
            _ => "map",
        });
        if !field.map_keys.is_empty() {
            json["x-kubernetes-list-map-keys"] = json!(field.map_keys);
        }
    }
    if let Some(atomic) = field.atomic {
        json["x-kubernetes-map-type"] = json!(if atomic { "atomic" } else { "granular" });
    }
    if let Some(Some(key)) = field.merge {
        json["x-kubernetes-patch-merge-key"] = json!(key);
    }
    let strategies: Vec<_> = [(field.merge.is_some(), "merge"), (field.retain_keys, "retainKeys")]
        .into_iter()
        .filter_map(|(is, name)| is.then_some(name))
        .collect();
    if !strategies.is_empty() {
        json["x-kubernetes-patch-strategy"] = json!(strategies.join(","));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Value {
        openapi_v3(&[Gvk::new("apps", "v1", "Deployment")])
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let schemas = openapi_v3(&kinds());
        let text = schemas.to_string();
        for part in text.split(REFERENCE).skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.get(name).is_some(), "{name}");
        }
        assert!(!text.contains("$defs"));
    }

    #[test]
    fn kinds_and_merge_semantics_are_marked() {
        let schemas = deployment();
        assert_eq!(
            schemas["io.k8s.api.apps.v1.Deployment"]["x-kubernetes-group-version-kind"],
            json!([{"group": "apps", "kind": "Deployment", "version": "v1"}])
        );
        let ports = &schemas["io.k8s.api.core.v1.Container"]["properties"]["ports"];
        assert_eq!(ports["x-kubernetes-list-type"], "map");
        assert_eq!(ports["x-kubernetes-list-map-keys"], json!(["containerPort", "protocol"]));
        assert_eq!(ports["x-kubernetes-patch-merge-key"], "containerPort");
        let volumes = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["volumes"];
        assert_eq!(volumes["x-kubernetes-patch-strategy"], "merge,retainKeys");
    }

    #[test]
    fn metadata_is_never_required() {
        let schemas = openapi_v3(&[Gvk::new("apps", "v1", "Deployment"), Gvk::core("Binding")]);
        assert!(schemas["io.k8s.api.apps.v1.Deployment"].get("required").is_none());
        assert_eq!(schemas["io.k8s.api.core.v1.Binding"]["required"], json!(["target"]));
    }

    #[test]
    fn only_what_the_kinds_reach_is_there() {
        let schemas = deployment();
        assert!(schemas.get("io.k8s.api.apps.v1.DeploymentList").is_some());
        assert!(schemas.get("io.k8s.api.core.v1.ServiceSpec").is_none());
    }
}
