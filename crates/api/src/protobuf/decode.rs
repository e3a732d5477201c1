//! A message of the table, as a JSON object.

use serde_json::{Map, Value};

use super::table::{Field, Kind, MessageId, Presence, Repeat, Table};
use super::wire::{self, Reader, Wire, malformed};
use super::{DEPTH_MAX, MAGIC, ProtobufError, VALUES_MAX, leaf};

type Object = Map<String, Value>;

/// Decodes one body; counts what it has made, so that a small body cannot make a huge object.
pub(super) struct Decoder<'t> {
    table: &'t Table,
    depth_left: usize,
    values_left: usize,
}

impl<'t> Decoder<'t> {
    pub(super) fn new(table: &'t Table) -> Self {
        Self { table, depth_left: DEPTH_MAX, values_left: VALUES_MAX }
    }

    pub(super) fn message(&mut self, id: MessageId, raw: &[u8]) -> Result<Object, ProtobufError> {
        let mut object = Object::new();
        self.message_into(&mut object, id, raw)?;
        Ok(object)
    }

    fn message_into(
        &mut self,
        object: &mut Object,
        id: MessageId,
        raw: &[u8],
    ) -> Result<(), ProtobufError> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or_else(too_deep)?;
        let message = self.table.message(id);
        for field in Reader::new(raw) {
            let (number, value) = field?;
            // Unknown numbers are newer fields: skipped, as protobuf has it.
            if let Some(field) = message.field(number) {
                self.field(object, field, value)
                    .map_err(|error| in_field(error, message.name, field.name))?;
            }
        }
        self.depth_left += 1;
        Ok(())
    }

    fn field(
        &mut self,
        object: &mut Object,
        field: &Field,
        value: Wire<'_>,
    ) -> Result<(), ProtobufError> {
        self.values_left = self.values_left.checked_sub(1).ok_or_else(too_many)?;
        match (field.repeat, field.presence, field.kind) {
            (Repeat::Once, Presence::Inlined, Kind::Message(id)) => {
                return self.message_into(object, id, bytes(value)?);
            }
            (Repeat::Once, ..) => self.single(object, field, value)?,
            (Repeat::List, ..) => self.item(list(object, field.name), field.kind, value)?,
            (Repeat::Map, ..) => {
                let (key, value) = self.entry(field.kind, bytes(value)?)?;
                map(object, field.name).insert(key, value);
            }
        }
        Ok(())
    }

    fn single(
        &mut self,
        object: &mut Object,
        field: &Field,
        value: Wire<'_>,
    ) -> Result<(), ProtobufError> {
        let value = self.value(field.kind, value)?;
        let omit_zero = field.presence == Presence::NotZero && field.kind.is_scalar();
        if value.is_null() || (omit_zero && is_zero(&value)) {
            object.remove(field.name);
        } else {
            object.insert(field.name.to_owned(), value);
        }
        Ok(())
    }

    /// One item; whole numbers may also come packed, many in one field.
    fn item(
        &mut self,
        items: &mut Vec<Value>,
        kind: Kind,
        value: Wire<'_>,
    ) -> Result<(), ProtobufError> {
        let (Kind::Integer, Wire::Bytes(mut packed)) = (kind, value) else {
            items.push(self.value(kind, value)?);
            return Ok(());
        };
        while !packed.is_empty() {
            self.values_left = self.values_left.checked_sub(1).ok_or_else(too_many)?;
            items.push(integer(wire::varint(&mut packed)?));
        }
        Ok(())
    }

    /// A map entry: a message of the key and the value.
    fn entry(&mut self, kind: Kind, raw: &[u8]) -> Result<(String, Value), ProtobufError> {
        let (mut key, mut found) = ("", Wire::Bytes(&[]));
        for field in Reader::new(raw) {
            match field? {
                (1, Wire::Bytes(text)) => key = wire::text(text)?,
                (2, value) => found = value,
                _ => {}
            }
        }
        Ok((key.to_owned(), self.value(kind, found)?))
    }

    fn value(&mut self, kind: Kind, value: Wire<'_>) -> Result<Value, ProtobufError> {
        Ok(match (kind, value) {
            (Kind::Integer, Wire::Varint(number)) => integer(number),
            (Kind::Boolean, Wire::Varint(number)) => (number != 0).into(),
            (Kind::Double, Wire::Fixed64(bits)) => double(f64::from_bits(bits)),
            (Kind::Integer | Kind::Boolean | Kind::Double, _) => return Err(wrong_type()),
            (kind, value) => return self.delimited(kind, bytes(value)?),
        })
    }

    fn delimited(&mut self, kind: Kind, raw: &[u8]) -> Result<Value, ProtobufError> {
        match kind {
            Kind::Text => Ok(wire::text(raw)?.into()),
            Kind::Bytes => Ok(leaf::bytes(raw)),
            Kind::Time => leaf::time(raw),
            Kind::MicroTime => leaf::micro_time(raw),
            Kind::Quantity => leaf::quantity(raw),
            Kind::IntOrString => leaf::int_or_string(raw),
            Kind::Json => leaf::wrapped_json(raw),
            Kind::RawExtension => self.raw_extension(leaf::first(raw)?),
            Kind::Strings => Ok(leaf::strings(raw, 1)?.into()),
            Kind::SchemaOrBool => self.schema_or_bool(raw),
            Kind::SchemaOrList => self.schema_or_list(raw),
            Kind::SchemaOrStrings => self.schema_or_strings(raw),
            Kind::Message(id) => Ok(Value::Object(self.message(id, raw)?)),
            Kind::Integer | Kind::Boolean | Kind::Double => Err(wrong_type()),
        }
    }

    /// An embedded object of any type: JSON, or a protobuf body of its own.
    fn raw_extension(&mut self, raw: &[u8]) -> Result<Value, ProtobufError> {
        if !raw.starts_with(MAGIC) {
            return leaf::json(raw);
        }
        let envelope = super::Envelope::read(raw)?;
        let gvk = envelope.gvk()?;
        let id = self.table.root(&gvk).ok_or_else(|| ProtobufError::UnknownType(gvk.clone()))?;
        let mut object = self.message(id, envelope.raw)?;
        object.insert("apiVersion".to_owned(), gvk.api_version().into());
        object.insert("kind".to_owned(), gvk.kind.into());
        Ok(Value::Object(object))
    }

    fn schema_or_bool(&mut self, raw: &[u8]) -> Result<Value, ProtobufError> {
        let mut allows = false;
        for field in Reader::new(raw) {
            if let (1, Wire::Varint(value)) = field? {
                allows = value != 0;
            }
        }
        let schemas = self.schemas(raw, 2)?;
        Ok(schemas.into_iter().next_back().unwrap_or(Value::Bool(allows)))
    }

    fn schema_or_list(&mut self, raw: &[u8]) -> Result<Value, ProtobufError> {
        let list = self.schemas(raw, 2)?;
        if !list.is_empty() {
            return Ok(list.into());
        }
        Ok(self.schemas(raw, 1)?.into_iter().next_back().unwrap_or(Value::Null))
    }

    fn schema_or_strings(&mut self, raw: &[u8]) -> Result<Value, ProtobufError> {
        let strings = leaf::strings(raw, 2)?;
        if !strings.is_empty() {
            return Ok(strings.into());
        }
        Ok(self.schemas(raw, 1)?.into_iter().next_back().unwrap_or(Value::Null))
    }

    /// The JSONSchemaProps in field `number`.
    fn schemas(&mut self, raw: &[u8], number: u32) -> Result<Vec<Value>, ProtobufError> {
        let id = self.table.schema();
        let mut schemas = Vec::new();
        for field in Reader::new(raw) {
            let (found, value) = field?;
            if let Wire::Bytes(message) = value
                && found == number
            {
                schemas.push(Value::Object(self.message(id, message)?));
            }
        }
        Ok(schemas)
    }
}

fn list<'o>(object: &'o mut Object, name: &str) -> &'o mut Vec<Value> {
    let value = object.entry(name).or_insert_with(|| Value::Array(Vec::new()));
    value.as_array_mut().expect("a list field is only ever filled here")
}

fn map<'o>(object: &'o mut Object, name: &str) -> &'o mut Object {
    let value = object.entry(name).or_insert_with(|| Value::Object(Object::new()));
    value.as_object_mut().expect("a map field is only ever filled here")
}

fn bytes(value: Wire<'_>) -> Result<&[u8], ProtobufError> {
    match value {
        Wire::Bytes(bytes) => Ok(bytes),
        _ => Err(wrong_type()),
    }
}

/// int32 and int64 both stand on the wire as the 64 bits of their value.
fn integer(bits: u64) -> Value {
    (bits as i64).into()
}

/// A whole number prints as one, as Go has it; JSON has no infinities.
fn double(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return (number as i64).into();
    }
    serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// Would Go's omitempty leave this scalar out?
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn in_field(error: ProtobufError, message: &str, field: &str) -> ProtobufError {
    match error {
        // The innermost place says it all.
        ProtobufError::Malformed(why) if !why.contains(" in ") => {
            ProtobufError::Malformed(format!("{why} in {message}.{field}"))
        }
        other => other,
    }
}

fn wrong_type() -> ProtobufError {
    malformed("wrong wire type")
}

fn too_deep() -> ProtobufError {
    malformed("exceeded maximum recursion depth")
}

fn too_many() -> ProtobufError {
    malformed("too many values")
}
