//! How apply sees a type: what is owned as a whole, what field by field, item by item.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::path::{PathElement, Scalar};
use crate::schema::{ListShape, ListType, ObjectShape, Shape, TypeSchema};

/// What apply does with a type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node<'s> {
    /// Owned and replaced as a whole.
    Leaf,
    /// Owned field by field; the fields have names that the type gives.
    Struct(&'s ObjectShape),
    /// Owned entry by entry; below it all is of one type, or open (`None`).
    Map(Option<&'s TypeSchema>),
    /// Owned item by item.
    List(&'s ListShape),
}

impl<'s> Node<'s> {
    /// Of a type; what the schema leaves open (`None`) is objects all the way down.
    pub(super) fn of(schema: Option<&'s TypeSchema>) -> Self {
        let Some(schema) = schema else { return Self::Map(None) };
        match &schema.shape {
            Shape::Object(object) if !object.atomic => Self::Struct(object),
            Shape::Map { values, atomic: false } => Self::Map(Some(values)),
            Shape::List(list) if list.apply != ListType::Atomic => Self::List(list),
            _ => Self::Leaf,
        }
    }

    /// Of a type and the values it is met with: a leaf where one of them has another form.
    pub(super) fn of_values(schema: Option<&'s TypeSchema>, values: [Option<&Value>; 2]) -> Self {
        let node = Self::of(schema);
        let fits = |value: &Value| match node {
            Self::Leaf => false,
            Self::Struct(_) | Self::Map(_) => value.is_object() || value.is_null(),
            Self::List(_) => value.is_array() || value.is_null(),
        };
        if values.into_iter().flatten().all(fits) { node } else { Self::Leaf }
    }

    /// The type below an element; `None` is open.
    pub(super) fn child(self, element: &PathElement) -> Option<&'s TypeSchema> {
        match (self, element) {
            (_, PathElement::Field(name)) => self.field(name),
            (Self::List(list), _) => Some(&list.items),
            _ => None,
        }
    }

    /// The type of a field.
    pub(super) fn field(self, name: &str) -> Option<&'s TypeSchema> {
        match self {
            Self::Struct(object) => object.fields.get(name).map(|schema| &**schema),
            Self::Map(values) => values,
            Self::List(list) => Some(&list.items),
            Self::Leaf => None,
        }
    }

    /// Is this a field that the type names?
    pub(super) fn names(self, element: &PathElement) -> bool {
        match (self, element) {
            (Self::Struct(object), PathElement::Field(name)) => {
                object.fields.contains_key(name.as_str())
            }
            _ => false,
        }
    }
}

/// Has the value nothing in it, or is it not there at all?
pub(super) fn is_void(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}

/// The items of a list that is owned item by item; null and absent are empty.
pub(super) fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The fields of an object; `None` for null and absent.
pub(super) fn fields(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

/// The elements of a list's items, in their order. The error names the item and why it has none.
pub(super) fn elements(list: &ListShape, items: &[Value]) -> Result<Vec<PathElement>, ItemError> {
    let element = |(index, item)| {
        let element = match &list.apply {
            ListType::Map(keys) => key(list, keys, item),
            ListType::Set | ListType::Atomic => set_value(item),
        };
        element.map_err(|why| ItemError { index, why })
    };
    items.iter().enumerate().map(element).collect()
}

/// An item of which apply cannot tell which it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("element {index}: {why}")]
pub(super) struct ItemError {
    index: usize,
    why: String,
}

fn key(list: &ListShape, keys: &[Arc<str>], item: &Value) -> Result<PathElement, String> {
    let fields = match item {
        Value::Object(fields) => fields,
        Value::Null => {
            return Err("associative list with keys may not have a null element".to_owned());
        }
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let mut key = Vec::new();
    for name in keys {
        // A key that is left out and has no default is no part of which item this is.
        if let Some(value) = fields.get(&**name).or_else(|| list.key_defaults.get(name)) {
            key.push((name.to_string(), Scalar(value.clone())));
        }
    }
    if key.is_empty() && !keys.is_empty() {
        let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and \
             doesn't have default values for any key fields)",
            keys.join(" ")
        ));
    }
    key.sort();
    Ok(PathElement::Key(key))
}

fn set_value(item: &Value) -> Result<PathElement, String> {
    let refused = match item {
        Value::Object(_) => "associative list without keys has an element that's a map type",
        Value::Array(_) => "not supported: associative list with lists as elements",
        Value::Null => "associative list without keys has an element that's an explicit null",
        scalar => return Ok(PathElement::Value(Scalar(scalar.clone()))),
    };
    Err(refused.to_owned())
}
