//! Why a strategic merge patch was not applied, in apimachinery's words.

use serde_json::Value;

use super::{Object, text};
use crate::schema::ObjectShape;

/// Why a strategic merge patch was not applied. [`StrategicError::code`] is the HTTP status.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StrategicError {
    /// Patch or object are no JSON objects.
    #[error("invalid JSON document")]
    NotAnObject,
    /// A `$patch` that is not known where it stands.
    #[error("unknown patch type: {directive} in map: {map}")]
    UnknownDirective {
        /// The directive.
        directive: String,
        /// The object it stands in.
        map: String,
    },
    /// An item lacks the field that tells items apart.
    #[error("map: {map} does not contain declared merge key: {key}")]
    NoMergeKey {
        /// The item.
        map: String,
        /// The field.
        key: String,
    },
    /// A list of objects whose type has no merge key.
    #[error("cannot merge lists without merge key for type {0}")]
    Keyless(&'static str),
    /// The type has no such field.
    #[error("unable to find api field in struct {object} for the json field \"{field}\"")]
    UnknownField {
        /// The Go name of the type.
        object: String,
        /// The field.
        field: String,
    },
    /// A value of one type where another is needed.
    #[error("expected a {expected}, but received a {received}")]
    WrongType {
        /// The Go type needed.
        expected: &'static str,
        /// The Go type found.
        received: &'static str,
    },
    /// A list holds items of several types.
    #[error("list element types are not identical: {0}")]
    MixedList(String),
    /// A merged list holds a list.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// `{"$patch": "merge"}` as a list item.
    #[error("merging lists cannot yet be specified in the patch")]
    MergeInList,
    /// `$deleteFromPrimitiveList` without a field.
    #[error("invalid patch format of primitive list")]
    PrimitiveList,
    /// `$setElementOrder` without a field, or not a list.
    #[error("invalid patch format of setElementOrder list")]
    SetElementOrder,
    /// The patch's items are not in the order the patch asks for.
    #[error("The order in patch list:\n{patch}\n doesn't match $setElementOrder list:\n{order}\n")]
    Order {
        /// The items.
        patch: String,
        /// The order.
        order: String,
    },
    /// `$retainKeys` is no list.
    #[error("invalid patch format of retainKeys")]
    RetainKeys,
    /// `$retainKeys` lacks a field that the patch sets.
    #[error("patch content doesn't match retainKeys list")]
    NotRetained,
}

impl StrategicError {
    /// The HTTP status. As upstream, most mistakes are errors of no class that clients know: 500.
    pub fn code(&self) -> u16 {
        match self {
            Self::ListOfLists | Self::NotRetained => 422,
            Self::NotAnObject | Self::PrimitiveList | Self::SetElementOrder | Self::RetainKeys => {
                400
            }
            _ => 500,
        }
    }

    pub(super) fn unknown_directive(directive: &Value, map: &Object) -> Self {
        let map = text::object(map);
        Self::UnknownDirective { directive: text::value(directive), map }
    }

    pub(super) fn no_merge_key(map: &Object, key: &str) -> Self {
        Self::NoMergeKey { map: text::object(map), key: key.to_owned() }
    }

    pub(super) fn unknown_field(object: &ObjectShape, field: &str) -> Self {
        let definition = object.definition.as_deref().unwrap_or_default();
        let name = definition.rsplit('.').next().unwrap_or_default();
        Self::UnknownField { object: name.to_owned(), field: field.to_owned() }
    }

    pub(super) fn not_an_object(received: &Value) -> Self {
        Self::WrongType { expected: "map[string]interface {}", received: text::type_of(received) }
    }

    pub(super) fn not_a_list(received: &Value) -> Self {
        Self::WrongType { expected: "[]interface {}", received: text::type_of(received) }
    }
}
