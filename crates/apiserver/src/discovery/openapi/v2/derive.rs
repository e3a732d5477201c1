//! What a document of version 3 says, in the words of version 2.

use std::io;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Document;

/// What both versions put before the name of a definition.
const IN_V3: &str = "#/components/schemas/";
const IN_V2: &str = "#/definitions/";

/// The paths of a document.
pub(super) fn paths(document: &Document) -> io::Result<Map<String, Value>> {
    #[derive(Deserialize)]
    struct Paths {
        paths: Map<String, Value>,
    }
    let mut read: Paths = serde_json::from_slice(&document.plain())?;
    read.paths.values_mut().for_each(path);
    Ok(read.paths)
}

/// Those of its definitions that are wanted, as they are in version 3.
pub(super) fn definitions(
    document: &Document,
    wanted: impl Fn(&str) -> bool,
) -> io::Result<Map<String, Value>> {
    #[derive(Deserialize)]
    struct Definitions {
        components: Components,
    }
    #[derive(Deserialize)]
    struct Components {
        schemas: Map<String, Value>,
    }
    let read: Definitions = serde_json::from_slice(&document.plain())?;
    Ok(read.components.schemas.into_iter().filter(|(name, _)| wanted(name)).collect())
}

fn path(item: &mut Value) {
    for (name, value) in item.as_object_mut().into_iter().flatten() {
        match name.as_str() {
            "parameters" => parameters(value),
            _ => operation(value),
        }
    }
}

fn operation(operation: &mut Value) {
    let Some(fields) = operation.as_object_mut() else { return };
    let body = fields.remove("requestBody");
    let given = fields.entry("parameters").or_insert_with(|| json!([]));
    parameters(given);
    if let (Some(body), Some(given)) = (&body, given.as_array_mut()) {
        let schema = media(body).next().map(|(_, media)| lowered(&media["schema"]));
        given.insert(0, json!({"in": "body", "name": "body", "required": true, "schema": schema}));
    }
    let taken: Vec<String> = body.iter().flat_map(media).map(|(name, _)| name.clone()).collect();
    let mut made = Vec::new();
    for response in fields.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten()
    {
        let content = response.1.as_object_mut().and_then(|fields| fields.remove("content"));
        let content = json!({"content": content});
        if let Some((_, media)) = media(&content).next() {
            response.1["schema"] = lowered(&media["schema"]);
        }
        made.extend(media(&content).map(|(name, _)| name.clone()));
    }
    fields.insert("consumes".to_owned(), json!(if body.is_some() { taken } else { any() }));
    fields.insert("produces".to_owned(), json!(made));
}

fn any() -> Vec<String> {
    vec!["*/*".to_owned()]
}

/// What a body may come as.
fn media(body: &Value) -> impl Iterator<Item = (&String, &Value)> {
    body["content"].as_object().into_iter().flatten()
}

/// Parameters say themselves what version 3 says in a schema of theirs.
fn parameters(parameters: &mut Value) {
    for parameter in parameters.as_array_mut().into_iter().flatten() {
        let Some(fields) = parameter.as_object_mut() else { continue };
        if let Some(Value::Object(schema)) = fields.remove("schema") {
            fields.extend(schema);
        }
    }
}

fn lowered(schema: &Value) -> Value {
    let mut schema = schema.clone();
    lower(&mut schema);
    schema
}

/// A schema of version 3 as one of version 2.
pub(super) fn lower(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(Value::Array(all)) = fields.get("allOf")
        && let [only] = all.as_slice()
        && let Some(reference) = only.get("$ref").cloned()
    {
        fields.remove("allOf");
        fields.insert("$ref".to_owned(), reference);
    }
    if let Some(Value::String(reference)) = fields.get_mut("$ref") {
        *reference = reference.replace(IN_V3, IN_V2);
    }
    // A number or a text: old clients are told that it is a text.
    if fields.remove("oneOf").is_some() {
        fields.insert("type".to_owned(), "string".into());
    }
    for unknown in ["default", "nullable"] {
        fields.remove(unknown);
    }
    for child in ["items", "additionalProperties"] {
        if let Some(child) = fields.get_mut(child) {
            lower(child);
        }
    }
    let properties = fields.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flatten().for_each(|(_, property)| lower(property));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: Value, expected: Value) {
        assert_eq!(lowered(&given), expected);
    }

    #[test]
    fn schemas_lose_what_version_2_has_no_words_for() {
        let reference = json!({"allOf": [{"$ref": "#/components/schemas/a.B"}], "default": {}, "description": "b"});
        let lower = json!({"$ref": "#/definitions/a.B", "description": "b"});
        check(reference.clone(), lower.clone());
        check(
            json!({"type": "array", "items": reference, "nullable": true}),
            json!({"type": "array", "items": lower}),
        );
        check(
            json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
            json!({"format": "int-or-string", "type": "string"}),
        );
        // A field may be called like a word of the language.
        let words = json!({"properties": {"default": {"type": "object", "default": {}}}});
        check(words, json!({"properties": {"default": {"type": "object"}}}));
    }

    #[test]
    fn operations_take_their_body_as_a_parameter() {
        let mut item = json!({
            "put": {
                "parameters": [{"name": "dryRun", "in": "query", "schema": {"type": "string"}}],
                "requestBody": {"content": {"*/*": {"schema": {"$ref": "#/components/schemas/A"}}}},
                "responses": {"200": {"description": "OK", "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}},
            },
            "parameters": [{"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}],
        });
        path(&mut item);
        let expected = json!({
            "put": {
                "consumes": ["*/*"], "produces": ["application/json"],
                "parameters": [
                    {"in": "body", "name": "body", "required": true, "schema": {"$ref": "#/definitions/A"}},
                    {"name": "dryRun", "in": "query", "type": "string"}],
                "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/A"}}},
            },
            "parameters": [{"name": "name", "in": "path", "required": true, "type": "string"}],
        });
        assert_eq!(item, expected);
    }
}
