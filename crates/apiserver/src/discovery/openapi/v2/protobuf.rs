//! Documents of version 2 in protobuf: `openapi.v2.Document` of gnostic's OpenAPIv2.proto, which
//! client-go reads.

use serde_json::{Map, Value};

/// How a field of JSON is written.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Texts,
    Flag,
    Whole,
    Real,
    /// Any values, each as YAML, which JSON is.
    Anything,
    Message(fn(&Value) -> Vec<u8>),
    Messages(fn(&Value) -> Vec<u8>),
}

use Form::{Anything, Flag, Message, Messages, Real, Text, Texts, Whole};

/// A field's name in JSON, its number, and how it is written.
type Field = (&'static str, u64, Form);

/// Has no field where extensions are not known.
const NO_EXTENSIONS: u64 = 0;

const SCHEMA: &[Field] = &[
    ("$ref", 1, Text),
    ("format", 2, Text),
    ("title", 3, Text),
    ("description", 4, Text),
    ("multipleOf", 6, Real),
    ("maximum", 7, Real),
    ("exclusiveMaximum", 8, Flag),
    ("minimum", 9, Real),
    ("exclusiveMinimum", 10, Flag),
    ("maxLength", 11, Whole),
    ("minLength", 12, Whole),
    ("pattern", 13, Text),
    ("maxItems", 14, Whole),
    ("minItems", 15, Whole),
    ("uniqueItems", 16, Flag),
    ("maxProperties", 17, Whole),
    ("minProperties", 18, Whole),
    ("required", 19, Texts),
    ("enum", 20, Anything),
    ("additionalProperties", 21, Message(additional)),
    ("type", 22, Message(type_item)),
    ("items", 23, Message(schema_item)),
    ("allOf", 24, Messages(schema)),
    ("properties", 25, Message(named_schemas)),
];

const PATH: &[Field] = &[
    ("get", 2, Message(operation)),
    ("put", 3, Message(operation)),
    ("post", 4, Message(operation)),
    ("delete", 5, Message(operation)),
    ("patch", 8, Message(operation)),
    ("parameters", 9, Messages(parameter)),
];

const OPERATION: &[Field] = &[
    ("produces", 6, Texts),
    ("consumes", 7, Texts),
    ("parameters", 8, Messages(parameter)),
    ("responses", 9, Message(responses)),
];

const BODY: &[Field] =
    &[("name", 2, Text), ("in", 3, Text), ("required", 4, Flag), ("schema", 5, Message(schema))];

const IN_QUERY: &[Field] = &[
    ("required", 1, Flag),
    ("in", 2, Text),
    ("name", 4, Text),
    ("type", 6, Text),
    ("uniqueItems", 20, Flag),
];

const IN_PATH: &[Field] = &[
    ("required", 1, Flag),
    ("in", 2, Text),
    ("name", 4, Text),
    ("type", 5, Text),
    ("uniqueItems", 19, Flag),
];

const RESPONSE: &[Field] = &[("description", 1, Text), ("schema", 2, Message(schema_item))];

/// What a document begins with.
pub(super) fn head(title: &str, version: &str) -> Vec<u8> {
    let info = [bytes(1, title.as_bytes()), bytes(2, version.as_bytes())].concat();
    [bytes(1, b"2.0"), bytes(2, &info)].concat()
}

/// Some of a document's paths.
pub(super) fn paths(paths: &Map<String, Value>) -> Vec<u8> {
    let all: Vec<u8> = paths
        .iter()
        .flat_map(|(name, item)| bytes(2, &named(name, &message(PATH, 10, item))))
        .collect();
    bytes(8, &all)
}

/// Some of a document's definitions.
pub(super) fn definitions(definitions: &Map<String, Value>) -> Vec<u8> {
    bytes(9, &all_named(definitions))
}

fn all_named(schemas: &Map<String, Value>) -> Vec<u8> {
    schemas.iter().flat_map(|(name, value)| bytes(1, &named(name, &schema(value)))).collect()
}

fn named(name: &str, content: &[u8]) -> Vec<u8> {
    [bytes(1, name.as_bytes()), bytes(2, content)].concat()
}

fn schema(value: &Value) -> Vec<u8> {
    message(SCHEMA, 31, value)
}

fn named_schemas(value: &Value) -> Vec<u8> {
    value.as_object().map(all_named).unwrap_or_default()
}

fn additional(value: &Value) -> Vec<u8> {
    match value {
        Value::Bool(allowed) => number(2, u64::from(*allowed)),
        value => bytes(1, &schema(value)),
    }
}

fn type_item(value: &Value) -> Vec<u8> {
    bytes(1, value.as_str().unwrap_or_default().as_bytes())
}

/// A message around a schema.
fn schema_item(value: &Value) -> Vec<u8> {
    bytes(1, &schema(value))
}

fn operation(value: &Value) -> Vec<u8> {
    message(OPERATION, 13, value)
}

/// Bodies, and by where they stand the others.
fn parameter(value: &Value) -> Vec<u8> {
    let parameter = match value["in"].as_str() {
        Some("body") => bytes(1, &message(BODY, NO_EXTENSIONS, value)),
        Some("path") => bytes(2, &bytes(4, &message(IN_PATH, NO_EXTENSIONS, value))),
        _ => bytes(2, &bytes(3, &message(IN_QUERY, NO_EXTENSIONS, value))),
    };
    bytes(1, &parameter)
}

fn responses(value: &Value) -> Vec<u8> {
    let response = |value: &Value| bytes(1, &message(RESPONSE, NO_EXTENSIONS, value));
    let all = value.as_object().into_iter().flatten();
    all.flat_map(|(code, value)| bytes(1, &named(code, &response(value)))).collect()
}

/// The known fields of an object, and those that begin with `x-` where they are extensions.
fn message(known: &[Field], extensions: u64, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match known.iter().find(|(known, ..)| known == name) {
            Some((_, number, form)) => write(&mut out, *number, *form, value),
            None if extensions != NO_EXTENSIONS && name.starts_with("x-") => {
                out.extend(bytes(extensions, &named(name, &anything(value))));
            }
            None => {}
        }
    }
    out
}

fn write(out: &mut Vec<u8>, field: u64, form: Form, value: &Value) {
    let items = || value.as_array().into_iter().flatten();
    match form {
        Text => out.extend(bytes(field, value.as_str().unwrap_or_default().as_bytes())),
        Texts => {
            items().filter_map(Value::as_str).for_each(|t| out.extend(bytes(field, t.as_bytes())))
        }
        Flag => out.extend(number(field, u64::from(value == true))),
        Whole => out.extend(number(field, value.as_u64().unwrap_or_default())),
        Real => {
            out.extend(varint(field << 3 | 1));
            out.extend(value.as_f64().unwrap_or_default().to_le_bytes());
        }
        Anything => items().for_each(|item| out.extend(bytes(field, &anything(item)))),
        Message(made) => out.extend(bytes(field, &made(value))),
        Messages(made) => items().for_each(|item| out.extend(bytes(field, &made(item)))),
    }
}

fn anything(value: &Value) -> Vec<u8> {
    bytes(2, value.to_string().as_bytes())
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [&varint(field << 3 | 2), &varint(content.len() as u64), content].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(2);
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_written_field_by_field() {
        let given = json!({"type": "object", "x-kubernetes-map-type": "atomic", "required": ["a"],
            "properties": {"a": {"$ref": "#/d/B"}}});
        let mut expected = Vec::new();
        expected.extend(bytes(
            25,
            &bytes(1, &[bytes(1, b"a"), bytes(2, &bytes(1, b"#/d/B"))].concat()),
        ));
        expected.extend(bytes(19, b"a"));
        expected.extend(bytes(22, &bytes(1, b"object")));
        let atomic = bytes(2, b"\"atomic\"");
        expected
            .extend(bytes(31, &[bytes(1, b"x-kubernetes-map-type"), bytes(2, &atomic)].concat()));
        let (mut given, mut expected) = (schema(&given), expected);
        // Fields stand in the order of the object's, whichever that is.
        given.sort_unstable();
        expected.sort_unstable();
        assert_eq!(given, expected);
    }

    #[test]
    fn numbers_and_lengths_take_as_many_bytes_as_they_need() {
        assert_eq!(varint(1), [1]);
        assert_eq!(varint(300), [0xac, 2]);
        assert_eq!(number(16, 1), [0x80, 1, 1]);
    }
}
