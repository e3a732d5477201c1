//! Strategic merge patch: a merge patch that knows the type, so that lists merge by key and
//! directives (`$patch`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`, `$retainKeys`)
//! say what a merge alone cannot.
//!
//! Results and texts are those of apimachinery's `strategicpatch`, with two differences that
//! nobody can rely on: what a typed decoder would drop later (directives inside added values,
//! nulls) is dropped here, and an empty list with an element order is no error.

mod directive;
mod error;
mod list;
mod order;
#[cfg(test)]
mod tests;
mod text;

use serde_json::{Map, Value};

use crate::schema::{ListPatch, Shape, TypeSchema};
use directive::Directive;
pub use error::StrategicError;

type Object = Map<String, Value>;

/// Merges `patch` into `document`, which is of the type `schema`.
pub fn apply(schema: &TypeSchema, document: Value, patch: Value) -> Result<Value, StrategicError> {
    let (Value::Object(document), Value::Object(patch)) = (document, patch) else {
        return Err(StrategicError::NotAnObject);
    };
    merge_object(document, patch, Some(schema)).map(Value::Object)
}

/// Merges one object; the schema is `None` below what the schema leaves open.
fn merge_object(
    mut original: Object,
    mut patch: Object,
    schema: Option<&TypeSchema>,
) -> Result<Object, StrategicError> {
    if let Some(marker) = patch.get(directive::MARKER) {
        return match Directive::of(marker) {
            Some(Directive::Replace) => {
                patch.remove(directive::MARKER);
                Ok(directive::clean_fields(patch))
            }
            Some(Directive::Delete) => Ok(Object::new()),
            Some(Directive::Merge) | None => Err(StrategicError::unknown_directive(marker, &patch)),
        };
    }
    directive::retain_keys(&mut original, &mut patch)?;
    list::merge_ordered(&mut original, &mut patch, schema)?;
    for (name, value) in patch {
        merge_field(&mut original, &name, value, schema)?;
    }
    Ok(original)
}

fn merge_field(
    original: &mut Object,
    name: &str,
    value: Value,
    schema: Option<&TypeSchema>,
) -> Result<(), StrategicError> {
    let deleted_from = directive::primitive_list(name)?;
    let name = deleted_from.unwrap_or(name);
    let current = original.remove(name);
    let merged = match (current, value) {
        (_, Value::Null) => None,
        (Some(Value::Object(current)), Value::Object(patch)) => {
            let schema = Field::lookup(schema, name)?.schema;
            Some(Value::Object(merge_object(current, patch, schema)?))
        }
        (Some(Value::Array(current)), Value::Array(patch)) => {
            let field = Field::lookup(schema, name)?;
            Some(Value::Array(match deleted_from {
                Some(_) => field.delete(current, patch)?,
                None => field.merge(current, patch)?,
            }))
        }
        // Nothing to delete from.
        (current, _) if deleted_from.is_some() => current,
        (_, value) => directive::clean(value),
    };
    if let Some(merged) = merged {
        original.insert(name.to_owned(), merged);
    }
    Ok(())
}

/// What the schema says of a field that patch and object both have.
#[derive(Clone, Copy)]
struct Field<'s> {
    schema: Option<&'s TypeSchema>,
    list: &'s ListPatch,
}

impl<'s> Field<'s> {
    fn lookup(parent: Option<&'s TypeSchema>, name: &str) -> Result<Self, StrategicError> {
        let schema = match parent.map(|parent| &parent.shape) {
            Some(Shape::Object(object)) => match object.fields.get(name) {
                Some(schema) => Some(&**schema),
                None if object.preserve_unknown => None,
                None => return Err(StrategicError::unknown_field(object, name)),
            },
            Some(Shape::Map { values, .. }) => Some(&**values),
            _ => None,
        };
        let list = match schema.map(|schema| &schema.shape) {
            Some(Shape::List(list)) => &list.strategic,
            _ => &ListPatch::Replace,
        };
        Ok(Self { schema, list })
    }

    /// The field that tells items apart, where they are objects.
    fn merge_key(&self) -> Option<&'s str> {
        match self.list {
            ListPatch::MergeBy(key) => Some(key),
            ListPatch::Replace | ListPatch::MergeScalars => None,
        }
    }

    fn items(&self) -> Option<&'s TypeSchema> {
        match self.schema.map(|schema| &schema.shape) {
            Some(Shape::List(list)) => Some(&list.items),
            _ => None,
        }
    }
}
