//! The OpenAPI definitions of custom kinds, for documents of both versions.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::custom::Custom;
use crate::kinds::Kind;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const EMBEDDED_API_VERSION: &str = "apiVersion defines the versioned schema of this representation of an object. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const EMBEDDED_KIND: &str = "kind is a string value representing the type of this object. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const METADATA: &str = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
const LIST_METADATA: &str = "Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";

/// Which OpenAPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V2,
    V3,
}

impl Version {
    /// A reference with words of its own beside it.
    fn reference(self, name: &str, about: &str) -> Value {
        match self {
            // What stands beside a `$ref` is ignored in 3.0.
            Self::V3 => json!({
                "description": about,
                "allOf": [{"$ref": format!("#/components/schemas/{name}")}],
            }),
            Self::V2 => json!({"description": about, "$ref": format!("#/definitions/{name}")}),
        }
    }

    fn plain(self, name: &str) -> Value {
        match self {
            Self::V3 => json!({"$ref": format!("#/components/schemas/{name}")}),
            Self::V2 => json!({"$ref": format!("#/definitions/{name}")}),
        }
    }
}

/// `com.example.v1.Tab` of example.com/v1.
pub(in crate::discovery) fn name(group: &str, version: &str, kind: &str) -> String {
    let parts: Vec<&str> = group.rsplit('.').collect();
    format!("{}.{version}.{kind}", parts.join("."))
}

/// The definitions of a kind and of its list, by name.
pub(super) fn definitions(kind: &Kind, custom: &Custom, version: Version) -> [(String, Value); 2] {
    let name = name(&kind.group, &kind.version, &kind.kind);
    let mut item = match (&custom.document, version) {
        // Clients take what has properties to have no others.
        (Value::Null, _) => json!({"type": "object"}),
        (document, Version::V2) if document["x-kubernetes-preserve-unknown-fields"] == true => {
            json!({"type": "object"})
        }
        (document, version) => {
            let mut schema = document.clone();
            dress(&mut schema, version);
            resource(&mut schema, version);
            schema
        }
    };
    item["x-kubernetes-group-version-kind"] = gvk(kind, &kind.kind);
    let list = list(kind, &name, version);
    [(format!("{name}List"), list), (name, item)]
}

fn gvk(kind: &Kind, name: &str) -> Value {
    json!([{"group": kind.group, "version": kind.version, "kind": name}])
}

fn list(kind: &Kind, item: &str, version: Version) -> Value {
    json!({
        "description": format!("{} is a list of {}", kind.list_kind(), kind.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"description": API_VERSION, "type": "string"},
            "kind": {"description": KIND, "type": "string"},
            "metadata": version.reference(&format!("{META}ListMeta"), LIST_METADATA),
            "items": {
                "description": format!("List of {}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md", kind.plural),
                "type": "array",
                "items": version.plain(item),
            },
        },
        "x-kubernetes-group-version-kind": gvk(kind, &kind.list_kind()),
    })
}

/// What every resource has, the object itself and those embedded in it.
fn resource(schema: &mut Value, version: Version) {
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    let properties = &mut schema["properties"];
    properties["apiVersion"] = json!({"description": API_VERSION, "type": "string"});
    properties["kind"] = json!({"description": KIND, "type": "string"});
    properties["metadata"] = version.reference(&format!("{META}ObjectMeta"), METADATA);
}

fn dress(schema: &mut Value, version: Version) {
    if version == Version::V2 {
        simplify(schema);
    }
    for field in ["items", "additionalProperties"] {
        if schema[field].is_object() {
            dress_child(&mut schema[field], version);
        }
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|property| dress_child(property, version));
    }
}

fn dress_child(schema: &mut Value, version: Version) {
    dress(schema, version);
    if version == Version::V3 && schema["x-kubernetes-int-or-string"] == true {
        spell_int_or_string(schema);
    }
    let preserved = schema["x-kubernetes-preserve-unknown-fields"] == true;
    if schema["x-kubernetes-embedded-resource"] == true && !(preserved && version == Version::V2) {
        resource(schema, version);
        embedded(schema);
    }
}

/// An object within another says what it is.
fn embedded(schema: &mut Value) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let own = ["kind", "apiVersion"].map(Value::from);
    let others = required.into_iter().filter(|name| !own.contains(name));
    schema["required"] = own.iter().cloned().chain(others).collect();
    schema["properties"]["apiVersion"]["description"] = EMBEDDED_API_VERSION.into();
    schema["properties"]["kind"]["description"] = EMBEDDED_KIND.into();
}

/// The two types in words that every reader knows, where the schema does not have them.
fn spell_int_or_string(schema: &mut Value) {
    let either = json!([{"type": "integer"}, {"type": "string"}]);
    let Some(fields) = schema.as_object_mut() else { return };
    if !fields.contains_key("anyOf") && !fields.contains_key("allOf") {
        fields.insert("anyOf".to_owned(), either);
    }
}

/// OpenAPI 2.0 has no words for some of it, and old clients would refuse what we take.
fn simplify(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    let is = |fields: &Map<String, Value>, name: &str| fields.get(name) == Some(&Value::Bool(true));
    let nullable = is(fields, "nullable");
    let preserved = is(fields, "x-kubernetes-preserve-unknown-fields");
    if nullable || preserved {
        fields.remove("items");
        fields.remove("properties");
    }
    let bare = fields.get("type") == Some(&"array".into()) && !fields.contains_key("items");
    if nullable || bare || is(fields, "x-kubernetes-int-or-string") || preserved {
        fields.remove("type");
    }
    for unknown in ["nullable", "default", "allOf", "oneOf", "anyOf", "not"] {
        fields.remove(unknown);
    }
}

/// The definitions that those of custom kinds refer to, for version 3.
pub(super) fn base() -> Map<String, Value> {
    static BASE: LazyLock<Map<String, Value>> = LazyLock::new(|| {
        let all = api::schema::openapi_v3(&[api::Gvk::core("ConfigMap"), api::Gvk::core("Status")]);
        let all = all.as_object().cloned().unwrap_or_default();
        all.into_iter().filter(|(name, _)| name.starts_with("io.k8s.apimachinery.")).collect()
    });
    BASE.clone()
}
