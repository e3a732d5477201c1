//! The table against the schemas, a round trip of every message, and hostile bytes.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::decode::Decoder;
use super::table::{Field, Kind, MessageId, Presence, Repeat, Table};
use super::*;
use crate::schema::{self, Shape, TypeSchema};

fn encode(id: MessageId, object: &Value) -> Vec<u8> {
    super::encode::message(id, object).unwrap()
}

fn body(gvk: &Gvk, object: &Value) -> Vec<u8> {
    let mut object = object.clone();
    object["apiVersion"] = gvk.api_version().into();
    object["kind"] = gvk.kind.clone().into();
    from_json(object.to_string().as_bytes()).unwrap()
}

fn delimited(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    super::encode::delimited(&mut out, number, bytes);
    out
}

fn varint_field(number: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    super::encode::varint_field(&mut out, number, value);
    out
}

/// A body around a message.
fn envelope(gvk: &Gvk, raw: &[u8]) -> Vec<u8> {
    let types =
        [delimited(1, gvk.api_version().as_bytes()), delimited(2, gvk.kind.as_bytes())].concat();
    [MAGIC.to_vec(), delimited(1, &types), delimited(2, raw)].concat()
}

/// What 1.36 added after the table's source was made; all of it is alpha.
const NEWER: [&str; 11] = [
    "ListMeta.shardInfo",
    "PodSpec.schedulingGroup",
    "PodStatus.nodeAllocatableResourceClaimStatuses",
    "ResourceHealth.message",
    "VolumeMountStatus.volumeStatus",
    "Device.nodeAllocatableResourceMappings",
    "DeviceAttribute.bools",
    "DeviceAttribute.ints",
    "DeviceAttribute.strings",
    "DeviceAttribute.versions",
    "CSIDriverSpec.preventPodSchedulingIfMissing",
];

/// Compares a message with a schema, and on through all they hold.
struct Comparison {
    seen: BTreeSet<&'static str>,
    differences: Vec<String>,
}

impl Comparison {
    fn message(&mut self, id: MessageId, schema: &TypeSchema, root: bool) {
        let message = Table::get().message(id);
        let Shape::Object(object) = &schema.shape else {
            return self.differences.push(format!("{} is no object: {:?}", message.name, schema));
        };
        if !self.seen.insert(message.name) {
            return;
        }
        let fields = flattened(id);
        for field in &fields {
            match object.fields.get(field.name) {
                Some(schema) => self.field(message.name, field, schema),
                None => {
                    self.differences.push(format!("no schema: {}.{}", message.name, field.name))
                }
            }
        }
        let short = message.name.rsplit('.').next().unwrap();
        for name in object.fields.keys() {
            let typed = root || short == "DeleteOptions";
            let of_type_meta = typed && matches!(&**name, "apiVersion" | "kind");
            let newer = NEWER.contains(&format!("{short}.{name}").as_str());
            if !of_type_meta && !newer && !fields.iter().any(|field| *field.name == **name) {
                self.differences.push(format!("not in the table: {}.{name}", message.name));
            }
        }
    }

    fn field(&mut self, message: &str, field: &Field, schema: &TypeSchema) {
        let value = match (field.repeat, &schema.shape) {
            (Repeat::List, Shape::List(list)) => &list.items,
            (Repeat::Map, Shape::Map { values, .. }) => values,
            (Repeat::Once, _) => return self.value(message, field, schema),
            _ => {
                let what = format!("{message}.{} repeats otherwise: {schema:?}", field.name);
                return self.differences.push(what);
            }
        };
        self.value(message, field, value);
    }

    fn value(&mut self, message: &str, field: &Field, schema: &TypeSchema) {
        let fits = match (field.kind, &schema.shape) {
            (Kind::Message(id), Shape::Object(_)) => return self.message(id, schema, false),
            (Kind::Text | Kind::Bytes | Kind::Time | Kind::MicroTime, Shape::String { .. })
            | (Kind::Integer, Shape::Integer { .. })
            | (Kind::Boolean, Shape::Boolean)
            | (Kind::Double, Shape::Number)
            | (Kind::Quantity, Shape::Quantity)
            | (Kind::IntOrString, Shape::IntOrString)
            | (Kind::Strings, Shape::List(_))
            | (_, Shape::Any) => true,
            (Kind::Json | Kind::RawExtension, _) => true,
            _ => false,
        };
        if !fits {
            let what = format!("{message}.{} is {:?}: {schema:?}", field.name, field.kind);
            self.differences.push(what);
        }
    }
}

/// A message's fields with those of what it inlines.
fn flattened(id: MessageId) -> Vec<Field> {
    let table = Table::get();
    let mut fields = Vec::new();
    for field in &table.message(id).fields {
        match (field.presence, field.kind) {
            (Presence::Inlined, Kind::Message(inner)) => fields.extend(flattened(inner)),
            _ => fields.push(*field),
        }
    }
    fields
}

#[test]
fn the_table_and_the_schemas_name_the_same_fields_of_every_builtin_kind() {
    let mut comparison = Comparison { seen: BTreeSet::new(), differences: Vec::new() };
    for gvk in schema::kinds() {
        let schema = schema::of(&gvk).unwrap();
        match Table::get().root(&gvk) {
            Some(id) => comparison.message(id, &schema, true),
            None => comparison.differences.push(format!("no message for {gvk}")),
        }
    }
    assert_eq!(comparison.differences, Vec::<String>::new());
    assert!(comparison.seen.len() > 200, "only {} messages compared", comparison.seen.len());
}

#[test]
fn field_numbers_are_unique_and_in_order() {
    for message in Table::get().messages() {
        assert!(message.fields.is_sorted_by(|a, b| a.number < b.number), "{}", message.name);
    }
}

#[track_caller]
fn check(message: &str, object: Value) {
    let id = Table::get().named(message).unwrap();
    let bytes = encode(id, &object);
    let decoded = Decoder::new(Table::get()).message(id, &bytes).unwrap();
    assert_eq!(Value::Object(decoded), object, "{message}");
}

#[test]
fn pointers_keep_their_zero_and_plain_values_lose_it() {
    let id = Table::get().named("apps.v1.DeploymentSpec").unwrap();
    // replicas is a pointer, minReadySeconds and paused are not.
    let zeros = [varint_field(1, 0), varint_field(5, 0), varint_field(7, 0)].concat();
    let decoded = Decoder::new(Table::get()).message(id, &zeros).unwrap();
    assert_eq!(Value::Object(decoded), json!({"replicas": 0}));
}

#[test]
fn inlined_structs_stand_in_their_parent() {
    check("core.v1.Volume", json!({"name": "v", "emptyDir": {"medium": "Memory"}}));
    check("core.v1.Probe", json!({"httpGet": {"port": "web"}, "periodSeconds": 5}));
    check("core.v1.ConfigMapKeySelector", json!({"name": "conf", "key": "a", "optional": false}));
}

#[test]
fn times_quantities_and_bytes_have_their_json_texts() {
    check("meta.v1.ObjectMeta", json!({"creationTimestamp": "2026-11-20T17:39:55Z"}));
    check("coordination.v1.LeaseSpec", json!({"renewTime": "2026-11-20T17:39:55.000120Z"}));
    check("core.v1.ResourceQuotaSpec", json!({"hard": {"cpu": "1500m", "memory": "1Gi"}}));
    check("core.v1.Secret", json!({"metadata": {}, "data": {"a": "/wAB", "empty": ""}}));
}

#[test]
fn raw_json_comes_through_as_it_is() {
    check(
        "apps.v1.ControllerRevision",
        json!({"metadata": {}, "revision": 3, "data": {"a": [1, null]}}),
    );
    check(
        "meta.v1.ManagedFieldsEntry",
        json!({"manager": "m", "fieldsV1": {"f:spec": {"f:replicas": {}}}}),
    );
}

#[test]
fn custom_resource_schemas_have_their_irregular_json() {
    let props = json!({
        "type": "object",
        "properties": {
            "a": {"items": {"type": "string"}, "additionalProperties": false, "default": [1, 2]},
            "b": {"items": [{"type": "integer"}, {"type": "string"}]},
            "c": {"additionalProperties": {"type": "number"}, "maximum": 1.5, "minimum": 0},
            "d": {"dependencies": {"x": ["y"], "z": {"type": "string"}}, "enum": ["p", 1]},
            "e": {"x-kubernetes-preserve-unknown-fields": true, "nullable": true},
        },
        "required": ["a"],
    });
    check("apiextensions.v1.CustomResourceValidation", json!({"openAPIV3Schema": props}));
}

#[test]
fn numbers_may_come_packed() {
    let id = Table::get().named("core.v1.PodSecurityContext").unwrap();
    let packed = delimited(4, &[1, 2, 0xac, 0x02]);
    let decoded = Decoder::new(Table::get()).message(id, &packed).unwrap();
    assert_eq!(Value::Object(decoded), json!({"supplementalGroups": [1, 2, 300]}));
}

#[test]
fn the_path_names_the_type_where_the_envelope_does_not() {
    let gvk = Gvk::core("Namespace");
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}, "spec": {}, "status": {}});
    let whole = body(&gvk, &object);
    assert_eq!(decode(&whole), Ok((gvk.clone(), object.clone())));
    let bare = [MAGIC.to_vec(), delimited(2, &encode(Table::get().root(&gvk).unwrap(), &object))];
    assert_eq!(decode_as(&bare.concat(), &gvk), Ok(object));
}

#[test]
fn delete_options_are_known_in_every_group() {
    for gvk in [Gvk::core("DeleteOptions"), Gvk::new("apps", "v1", "DeleteOptions")] {
        let object = json!({
            "apiVersion": gvk.api_version(), "kind": "DeleteOptions",
            "gracePeriodSeconds": 0, "propagationPolicy": "Foreground",
        });
        assert_eq!(decode(&body(&gvk, &object)), Ok((gvk, object)));
    }
}

#[test]
fn what_is_no_body_is_refused_with_a_reason() {
    assert_eq!(decode(b"{}"), Err(ProtobufError::Magic));
    let unknown = Gvk::new("example.com", "v1", "Thing");
    assert_eq!(decode(&body_of_unknown(&unknown)), Err(ProtobufError::UnknownType(unknown)));
    let cut = [MAGIC.as_slice(), &[0x12, 9, 1]].concat();
    assert_eq!(decode(&cut), Err(ProtobufError::Malformed("unexpected EOF".into())));
}

fn body_of_unknown(gvk: &Gvk) -> Vec<u8> {
    envelope(gvk, &[])
}

#[test]
fn a_schema_within_a_schema_without_end_is_refused() {
    let mut schema = Vec::new();
    for _ in 0..10_000 {
        schema = delimited(28, &schema);
    }
    let id = Table::get().named("apiextensions.v1.JSONSchemaProps").unwrap();
    let error = Decoder::new(Table::get()).message(id, &schema).unwrap_err();
    assert!(error.to_string().contains("recursion depth"), "{error}");
}

#[test]
fn a_flood_of_tiny_items_is_refused() {
    let id = Table::get().named("core.v1.PodSpec").unwrap();
    let flood = delimited(2, &[]).repeat(VALUES_MAX + 1);
    let error = Decoder::new(Table::get()).message(id, &flood).unwrap_err();
    assert!(error.to_string().contains("too many values"), "{error}");
}

/// What an object says when its message was read again: what says nothing is left out, and
/// numbers are written in one way.
fn said(id: MessageId, object: &Value) -> Value {
    let mut said = serde_json::Map::new();
    for field in flattened(id) {
        let Some(value) = object.get(field.name).filter(|value| !value.is_null()) else { continue };
        let inner = |value: &Value| match field.kind {
            Kind::Message(inner) => self::said(inner, value),
            Kind::Double => json!(value.as_f64()),
            _ => value.clone(),
        };
        let value = match field.repeat {
            Repeat::Once => inner(value),
            Repeat::List => value.as_array().unwrap().iter().map(inner).collect(),
            Repeat::Map => value
                .as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| (key.clone(), inner(value)))
                .collect::<Value>(),
        };
        let zero = field.kind.is_scalar() && matches!(&value, Value::Bool(false))
            || value.as_f64() == Some(0.0)
            || value == "";
        let empty = field.repeat != Repeat::Once && (value == json!([]) || value == json!({}));
        let omitted = zero && field.presence == Presence::NotZero && field.repeat == Repeat::Once;
        if !empty && !omitted {
            said.insert(field.name.to_owned(), value);
        }
    }
    said.into()
}

/// Objects of every kind are the same after they were written and read.
#[track_caller]
fn check_kinds(bytes: &[u8]) {
    for gvk in schema::kinds() {
        let Some(object) = crate::fuzzing::stored_object(&gvk, bytes) else { continue };
        let body =
            from_json(object.to_string().as_bytes()).unwrap_or_else(|e| panic!("{e}: {object}"));
        let (found, read) = decode(&body).unwrap_or_else(|e| panic!("{e}: {object}"));
        assert_eq!(found, gvk);
        let id = Table::get().root(&gvk).unwrap();
        assert_eq!(said(id, &read), said(id, &object), "{gvk}");
    }
}

#[test]
fn a_list_holds_its_items_without_their_kind() {
    let item = |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}});
    let list = json!({
        "apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "7"},
        "items": [item("a"), item("b")],
    });
    let body = from_json(list.to_string().as_bytes()).unwrap();
    let envelope = Envelope::read(&body).unwrap();
    assert_eq!((envelope.api_version, envelope.kind), ("v1", "PodList"));
    let fields: Vec<_> = Reader::new(envelope.raw).map(Result::unwrap).collect();
    let message = |name: &str, bytes: &[u8]| {
        Decoder::new(Table::get()).message(Table::get().named(name).unwrap(), bytes).unwrap()
    };
    let [(1, Wire::Bytes(meta)), (2, Wire::Bytes(one)), (2, Wire::Bytes(other))] = fields[..]
    else {
        panic!("{fields:?}");
    };
    assert_eq!(json!(message("meta.v1.ListMeta", meta)), list["metadata"]);
    for (bytes, name) in [(one, "a"), (other, "b")] {
        assert_eq!(json!(message("core.v1.Pod", bytes)), json!({"metadata": {"name": name}}));
    }
}

#[test]
fn what_does_not_fit_its_message_is_an_error() {
    let check =
        |object: Value| assert!(from_json(object.to_string().as_bytes()).is_err(), "{object}");
    check(json!({"apiVersion": "v1", "kind": "Pod", "spec": {"hostNetwork": "yes"}}));
    check(json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": {}}}));
    check(json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "no base64!"}}));
    check(json!({"apiVersion": "example.com/v1", "kind": "Thing"}));
    check(json!([]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn objects_of_every_kind_are_written_and_read_as_they_are(
        bytes in proptest::collection::vec(any::<u8>(), 0..800),
    ) {
        check_kinds(&bytes);
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0..20_usize) {
        let kinds = schema::kinds();
        let gvk = &kinds[kind * kinds.len() / 20];
        let _ = decode(&bytes);
        let _ = decode(&envelope(gvk, &bytes));
    }

    #[test]
    fn a_damaged_body_never_panics(at in 0..10_000_usize, byte in any::<u8>(), cut in 0..10_000_usize) {
        let mut whole = include_bytes!("../../tests/kubectl/deployment.pb").to_vec();
        let length = whole.len();
        whole[at % length] = byte;
        let _ = decode(&whole);
        whole.truncate(cut % length);
        let _ = decode(&whole);
    }
}
