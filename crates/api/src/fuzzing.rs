//! For fuzzers: whatever a client sends, it is read or refused, and what was said of one object
//! holds when it is said again.

mod grammar;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use self::grammar::Source;
use crate::custom::Schema;
use crate::fields::{self, Decoded};
use crate::patch::apply::{self, Write};
use crate::patch::{json as json_patch, merge, strategic};
use crate::selector::{FieldSelector, LabelSelector};
use crate::{Gvk, TypeSchema, defaults, protobuf, schema, validation};

/// Kinds with every sort of list, map and atomic part.
const KINDS: [(&str, &str, &str); 8] = [
    ("", "v1", "Pod"),
    ("apps", "v1", "Deployment"),
    ("", "v1", "Service"),
    ("", "v1", "ConfigMap"),
    ("networking.k8s.io", "v1", "Ingress"),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler"),
    ("rbac.authorization.k8s.io", "v1", "Role"),
];

/// One of the kinds for a fuzzer, mostly of few; else any that there is.
fn kind(source: &mut Source<'_>) -> (Gvk, std::sync::Arc<TypeSchema>) {
    let all = schema::kinds();
    let gvk = match KINDS.get(source.below(KINDS.len() + 2)) {
        Some((group, version, kind)) => Gvk::new(*group, *version, *kind),
        None => all[source.below(all.len())].clone(),
    };
    let schema = schema::of(&gvk).expect("every kind has a schema");
    (gvk, schema)
}

/// What reading made of it; that must be read as it is.
fn read(value: &Value, schema: &TypeSchema) -> Option<Value> {
    let Decoded { value, .. } = fields::decode_value(value, schema).ok()?;
    let again = fields::decode_value(&value, schema).expect("what was read once");
    assert_eq!(again.value, value, "read again");
    assert!(again.problems().is_empty(), "nothing unknown is left: {:?}", again.problems());
    value.is_object().then_some(value)
}

/// Bytes as a protobuf body: as they are, and as the content of a good envelope.
pub fn protobuf_bodies(bytes: &[u8]) {
    let checked = |body: &[u8]| {
        let Ok((gvk, value)) = protobuf::decode(body) else { return };
        if let Some(schema) = schema::of(&gvk) {
            read(&value, &schema);
        }
    };
    checked(bytes);
    checked(&[b"k8s\0", bytes].concat());
    let Some((first, content)) = bytes.split_first() else { return };
    let (group, version, kind) = KINDS[usize::from(*first) % KINDS.len()];
    let gvk = Gvk::new(group, version, kind);
    let field = |tag: u8, content: &[u8]| {
        let mut out = vec![tag << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            out.push(0x80 | (length & 0x7f) as u8);
            length >>= 7;
        }
        out.push(length as u8);
        [out, content.to_vec()].concat()
    };
    let of = [field(1, gvk.api_version().as_bytes()), field(2, gvk.kind.as_bytes())].concat();
    checked(&[b"k8s\0".to_vec(), field(1, &of), field(2, content)].concat());
}

/// An object of any built-in kind, as it is stored.
#[cfg(test)]
pub(crate) fn stored_object(gvk: &Gvk, bytes: &[u8]) -> Option<Value> {
    let schema = schema::of(gvk)?;
    let mut object = read(&Source::new(bytes).of(&schema), &schema)?;
    defaults::apply(gvk, &mut object);
    object["apiVersion"] = gvk.api_version().into();
    object["kind"] = gvk.kind.clone().into();
    Some(object)
}

/// Bytes as a JSON body of each kind.
pub fn json_bodies(bytes: &[u8]) {
    for (group, version, kind) in KINDS {
        let schema = schema::of(&Gvk::new(group, version, kind)).expect("it is built in");
        if let Ok(decoded) = fields::decode_json(bytes, &schema) {
            read(&decoded.value, &schema);
        }
    }
}

/// An object of some kind, more or less as its schema has it: defaults are filled in once and for
/// all, and validation has an answer.
pub fn objects(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let (gvk, schema) = kind(&mut source);
    let object = |source: &mut Source<'_>| {
        let mut object = read(&source.of(&schema), &schema)?;
        defaults::apply(&gvk, &mut object);
        let once = object.clone();
        defaults::apply(&gvk, &mut object);
        assert_eq!(object, once, "defaults are filled in again");
        Some(object)
    };
    let (Some(old), new) = (object(&mut source), object(&mut source)) else { return };
    let problems = validation::create(&gvk, &old);
    assert_eq!(problems, validation::create(&gvk, &old));
    validation::update(&gvk, &old, &old);
    if let Some(new) = new {
        validation::update(&gvk, &new, &old);
    }
}

/// Two objects of a kind as a document and its patch, by JSON, merge and strategic merge patch.
pub fn patches(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let (_, schema) = kind(&mut source);
    let document = read(&source.of(&schema), &schema).unwrap_or_else(|| json!({}));
    let patch = source.of(&schema);
    let mut merged = document.clone();
    merge::apply(&mut merged, patch.clone());
    let once = merged.clone();
    merge::apply(&mut merged, patch.clone());
    assert_eq!(merged, once, "the same merge patch again changes nothing");
    if patch.is_object() {
        let _ = strategic::apply(&schema, document.clone(), patch);
    }
    let directives = source.with_directives(&schema);
    if directives.is_object() {
        let _ = strategic::apply(&schema, document.clone(), directives);
    }
    let mut patched = document;
    let _ = json_patch::apply(&mut patched, &source.operations());
}

/// Server-side apply by two managers, with updates in between.
pub fn applies(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let (gvk, schema) = kind(&mut source);
    let write = |manager: &'static str| Write {
        schema: &schema,
        gvk: &gvk,
        manager,
        subresource: "",
        now: "2026-01-01T00:00:00Z",
    };
    let mut config = || {
        let mut config = read(&source.of(&schema), &schema)?;
        config["apiVersion"] = gvk.api_version().into();
        config["kind"] = gvk.kind.clone().into();
        if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        Some(config)
    };
    let (Some(first), Some(second)) = (config(), config()) else { return };
    let Ok(made) = apply::apply(&write("a"), None, &first, false) else { return };
    // Of an object that nobody owns anything of, its first apply is still to come.
    let unowned = |object: &Value| object["metadata"].get("managedFields").is_none();
    if unowned(&made) {
        return;
    }
    let again = apply::apply(&write("a"), Some(&made), &first, false);
    assert_eq!(again.as_ref(), Ok(&made), "the same configuration again changes nothing");
    let _ = apply::apply(&write("b"), Some(&made), &second, false);
    if let Ok(forced) = apply::apply(&write("b"), Some(&made), &second, true) {
        let again = apply::apply(&write("b"), Some(&forced), &second, false);
        assert_eq!(again.as_ref(), Ok(&forced), "what was forced is owned");
        let _ = apply::apply(&write("a"), Some(&forced), &first, false);
    }
    let mut updated = second;
    apply::update(&write("c"), Some(&made), &mut updated);
    let managed = &updated["metadata"]["managedFields"];
    assert_eq!(apply::check_managed_fields(managed), Ok(()), "they are read again");
}

/// Text as a label selector and as field selectors; one that is understood is understood again as
/// it is shown, and selects the same.
pub fn selectors(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let object = json!({"metadata": {"name": "a", "namespace": "b", "labels": {"a": "b", "c": "1"}},
        "spec": {"nodeName": "n"}, "status": {"phase": "Running"}});
    if let Ok(selector) = text.parse::<LabelSelector>() {
        let shown = selector.to_string();
        let again: LabelSelector = shown.parse().expect("what it shows is a selector");
        assert_eq!(again.matches_object(&object), selector.matches_object(&object), "{shown}");
        assert_eq!(again.to_string(), shown);
    }
    let pod = Gvk::core("Pod");
    if let Ok(selector) = FieldSelector::parse(&pod, text) {
        let shown = selector.to_string();
        let again = FieldSelector::parse(&pod, &shown).expect("what it shows is a selector");
        assert_eq!(again, selector, "{shown}");
        selector.matches(&object);
    }
    let _ = FieldSelector::parse_custom(&["spec.color".to_owned()], text);
}

/// A custom kind's schema, as somebody wrote it, and an object.
pub fn custom_objects(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let document = source.definition();
    let Ok(schema) = Schema::read(&document) else { return };
    let shape = schema.shape();
    let mut object = source.anything();
    schema.prune(&mut object);
    let pruned = object.clone();
    assert!(schema.prune(&mut object).is_empty(), "nothing is pruned twice");
    assert_eq!(object, pruned);
    schema.fill(&mut object);
    schema.validate(&object);
    schema.validate_update(&object, &pruned);
    let _ = fields::decode_value(&object, &shape);
}
