//! Objects as bytes. Stored without their resourceVersion, which is the store's revision
//! of the key; put in on the way out, without parsing.
//!
//! The stored layout begins `{"apiVersion":…,"kind":…,"metadata":{`, so the place for the
//! resourceVersion is found in the first bytes.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::{Error as _, IgnoredAny};
use serde_json::{Map, Value};
use store::{KeyValue, Revision};

/// What stands before the first field of the metadata.
const MARK: &[u8] = b"\"metadata\":{";

/// The stored form of an object; its resourceVersion is left out.
pub(crate) fn encode(object: &Value) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    let empty = Map::new();
    let fields = object.as_object().unwrap_or(&empty);
    out.extend_from_slice(b"{\"apiVersion\":");
    write(&mut out, &object["apiVersion"]);
    out.extend_from_slice(b",\"kind\":");
    write(&mut out, &object["kind"]);
    out.extend_from_slice(b",");
    out.extend_from_slice(MARK);
    let metadata = object["metadata"].as_object().unwrap_or(&empty);
    write_fields(&mut out, metadata, |key| key != "resourceVersion", true);
    out.push(b'}');
    write_fields(&mut out, fields, |key| !matches!(key, "apiVersion" | "kind" | "metadata"), false);
    out.push(b'}');
    out.into()
}

fn write_fields(
    out: &mut Vec<u8>,
    fields: &Map<String, Value>,
    keep: fn(&str) -> bool,
    first: bool,
) {
    let mut first = first;
    for (key, value) in fields.iter().filter(|(key, _)| keep(key)) {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, key).expect("a string is written to memory");
        out.push(b':');
        write(out, value);
    }
}

fn write(out: &mut Vec<u8>, value: &Value) {
    serde_json::to_writer(out, value).expect("a JSON value is written to memory");
}

/// The object as clients see it: with its resourceVersion. Appended to `out`.
pub(crate) fn write_served(out: &mut Vec<u8>, stored: &[u8], revision: Revision) {
    let Some(at) = mark(stored) else {
        // Only our own `encode` writes values.
        out.extend_from_slice(stored);
        return;
    };
    let (head, tail) = stored.split_at(at + MARK.len());
    out.reserve(stored.len() + 44);
    out.extend_from_slice(head);
    write_version_into(out, revision, tail);
}

fn mark(stored: &[u8]) -> Option<usize> {
    stored.windows(MARK.len()).position(|window| window == MARK)
}

/// The resourceVersion as the first field of the metadata, of which `rest` is what follows.
fn write_version_into(out: &mut Vec<u8>, revision: Revision, rest: &[u8]) {
    out.extend_from_slice(b"\"resourceVersion\":\"");
    out.extend_from_slice(revision.0.to_string().as_bytes());
    out.extend_from_slice(if rest.starts_with(b"}") { b"\"" } else { b"\"," });
    out.extend_from_slice(rest);
}

/// Only its metadata, as PartialObjectMetadata. Appended to `out`.
pub(crate) fn write_partial(
    out: &mut Vec<u8>,
    stored: &[u8],
    revision: Revision,
) -> Result<(), serde_json::Error> {
    let metadata = stored_metadata(stored)?;
    out.reserve(metadata.len() + 120);
    out.extend_from_slice(
        b"{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",",
    );
    out.extend_from_slice(MARK);
    write_version_into(out, revision, &metadata[1..]);
    out.push(b'}');
    Ok(())
}

/// The uid of a stored object, of which nothing else is read.
pub(crate) fn uid(stored: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Identity {
        #[serde(default)]
        uid: String,
    }
    let metadata = stored_metadata(stored).ok()?;
    serde_json::from_slice(metadata).ok().map(|identity: Identity| identity.uid)
}

/// The stored metadata as it stands: an object.
fn stored_metadata(stored: &[u8]) -> Result<&[u8], serde_json::Error> {
    let start = mark(stored).map_or(stored.len(), |at| at + MARK.len() - 1);
    let mut values =
        serde_json::Deserializer::from_slice(&stored[start..]).into_iter::<IgnoredAny>();
    let end_of_input = || serde_json::Error::custom("it has no metadata");
    values.next().ok_or_else(end_of_input)??;
    let end = start + values.byte_offset();
    Ok(&stored[start..end])
}

/// Is this the key of an object of that name?
pub(crate) fn is_key_of(key: &[u8], name: &str) -> bool {
    key.strip_suffix(name.as_bytes()).is_some_and(|place| place.ends_with(b"/"))
}

/// Is the object going: deleted, or a Namespace whose content is being removed? Nothing else is
/// read of it.
pub(crate) fn is_ending(stored: &[u8]) -> Result<bool, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        metadata: Metadata<'a>,
        #[serde(borrow, default)]
        status: Status<'a>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata<'a> {
        #[serde(borrow)]
        deletion_timestamp: Option<Cow<'a, str>>,
    }
    #[derive(serde::Deserialize, Default)]
    struct Status<'a> {
        #[serde(borrow, default)]
        phase: Cow<'a, str>,
    }
    let object: Object<'_> = serde_json::from_slice(stored)?;
    Ok(object.metadata.deletion_timestamp.is_some() || object.status.phase == "Terminating")
}

/// The object as a value, with its resourceVersion.
pub(crate) fn decode(kv: &KeyValue) -> Result<Value, serde_json::Error> {
    decode_at(kv, kv.mod_revision)
}

/// The object with another resourceVersion: a deleted one carries its deletion's.
pub(crate) fn decode_at(kv: &KeyValue, revision: Revision) -> Result<Value, serde_json::Error> {
    let mut object: Value = serde_json::from_slice(&kv.value)?;
    set_resource_version(&mut object, revision);
    Ok(object)
}

pub(crate) fn set_resource_version(object: &mut Value, revision: Revision) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), revision.0.to_string().into());
    }
}

/// Takes away what metadata says nothing by: Go's types leave it out.
pub(crate) fn drop_empty_metadata(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    metadata.retain(|_, value| match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        other => !other.is_null(),
    });
}

/// The metadata, made where there is none.
pub(crate) fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    child_mut(object, "metadata")
}

/// An object field, made (or made an object) where it is not one.
pub(crate) fn child_mut<'a>(object: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let Value::Object(fields) = object else { unreachable!("made an object above") };
    let child = fields.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if !child.is_object() {
        *child = Value::Object(Map::new());
    }
    match child {
        Value::Object(child) => child,
        _ => unreachable!("made an object above"),
    }
}

/// A text in the metadata, or "".
pub(crate) fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or("")
}

/// A text anywhere, by JSON pointer, or "".
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use store::LeaseId;

    use super::*;

    #[track_caller]
    fn check(object: Value) {
        let stored = encode(&object);
        let kv = KeyValue {
            key: Bytes::new(),
            value: stored,
            create_revision: Revision(1),
            mod_revision: Revision(42),
            version: 1,
            lease: LeaseId::NONE,
        };
        let mut expected = object;
        set_resource_version(&mut expected, Revision(42));
        let written = |write: &dyn Fn(&mut Vec<u8>)| -> Value {
            let mut out = Vec::new();
            write(&mut out);
            serde_json::from_slice(&out).unwrap()
        };
        let served = written(&|out| write_served(out, &kv.value, kv.mod_revision));
        assert_eq!(served, expected);
        assert_eq!(decode(&kv).unwrap(), expected);
        let partial = written(&|out| write_partial(out, &kv.value, kv.mod_revision).unwrap());
        assert_eq!(uid(&kv.value).as_deref(), Some(meta(&expected, "uid")));
        assert_eq!(partial, crate::table::partial(expected));
    }

    #[test]
    fn a_key_ends_with_the_whole_name() {
        assert!(is_key_of(b"/registry/configmaps/shop/web", "web"));
        assert!(!is_key_of(b"/registry/configmaps/shop/web", "eb"));
        assert!(!is_key_of(b"/registry/configmaps/shop/web", ""));
    }

    #[test]
    fn what_is_deleted_or_terminating_is_ending() {
        let check = |object: Value, expected| {
            assert_eq!(is_ending(&encode(&object)).unwrap(), expected, "{object}");
        };
        let name = json!({"name": "a", "labels": {"x": "\"}"}});
        check(json!({"metadata": name}), false);
        check(json!({"metadata": name, "status": {"phase": "Active", "other": [1]}}), false);
        check(json!({"metadata": name, "status": {"phase": "Terminating"}}), true);
        check(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}), true);
    }

    #[test]
    fn the_resource_version_is_the_revision_wherever_the_object_comes_from() {
        check(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}));
        check(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}}));
        check(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"x": "\"metadata\":{"},
            "metadata": {"name": "a", "resourceVersion": "7", "labels": {"a": "b"},
                "uid": "1-2", "annotations": {"x": "}\"{"}},
        }));
    }
}
