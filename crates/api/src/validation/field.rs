//! A place in an object under validation: it knows its path, its value and where errors go.

use std::cell::RefCell;

use serde_json::Value;

use super::{ErrorKind, FieldError};
use crate::read;

/// The errors found so far. Every [`Field`] of one object writes to the same list.
pub(super) type Errors = RefCell<Vec<FieldError>>;

pub(super) const NOT_NEGATIVE: &str = "must be greater than or equal to 0";
pub(super) const IMMUTABLE: &str = "field is immutable";

/// A field, there or not: what is missing reads as null.
#[derive(Clone)]
pub(super) struct Field<'a> {
    path: String,
    pub(super) value: &'a Value,
    errors: &'a Errors,
}

impl<'a> Field<'a> {
    /// The object itself, whose fields have plain names as paths.
    pub(super) fn root(value: &'a Value, errors: &'a Errors) -> Self {
        Self { path: String::new(), value, errors }
    }

    /// A field of this object.
    pub(super) fn at(&self, name: &str) -> Self {
        let value = self.value.get(name).unwrap_or(&Value::Null);
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            here => format!("{here}.{name}"),
        };
        Self { path, value, errors: self.errors }
    }

    /// The entry of this map, its path in brackets as upstream has it for map keys.
    pub(super) fn key(&self, key: &str) -> Self {
        let value = self.value.get(key).unwrap_or(&Value::Null);
        Self { path: format!("{}[{key}]", self.path), value, errors: self.errors }
    }

    /// The items of this list.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> + use<'a> {
        let (path, errors) = (self.path.clone(), self.errors);
        self.value.as_array().into_iter().flatten().enumerate().map(move |(index, value)| Self {
            path: format!("{path}[{index}]"),
            value,
            errors,
        })
    }

    /// One item of this list; null where there are not so many.
    pub(super) fn item(&self, index: usize) -> Self {
        let value = self.value.get(index).unwrap_or(&Value::Null);
        Self { path: format!("{}[{index}]", self.path), value, errors: self.errors }
    }

    /// The entries of this map.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Self)> + use<'a> {
        let here = self.clone();
        let map = self.value.as_object();
        map.into_iter().flatten().map(move |(key, _)| (key.as_str(), here.key(key)))
    }

    /// The same place with another value, to be shown in messages.
    pub(super) fn showing<'b>(&self, value: &'b Value) -> Field<'b>
    where
        'a: 'b,
    {
        Field { path: self.path.clone(), value, errors: self.errors }
    }

    /// The object itself as upstream names it where nothing smaller is to blame.
    pub(super) fn whole(&self) -> Self {
        Self { path: "[]".to_owned(), ..self.clone() }
    }

    /// The number of items of this list or entries of this map.
    pub(super) fn len(&self) -> usize {
        match self.value {
            Value::Array(items) => items.len(),
            Value::Object(fields) => fields.len(),
            _ => 0,
        }
    }

    /// Is it there and not null?
    pub(super) fn is_some(&self) -> bool {
        !self.value.is_null()
    }

    /// Is it missing, or Go's zero value?
    pub(super) fn is_empty(&self) -> bool {
        read::is_zero(self.value)
    }

    /// The text; empty where there is none.
    pub(super) fn text(&self) -> &'a str {
        self.value.as_str().unwrap_or_default()
    }

    /// The whole number, where there is one.
    pub(super) fn int(&self) -> Option<i64> {
        self.value.as_i64()
    }

    /// The whole number; 0 where there is none.
    pub(super) fn number(&self) -> i64 {
        self.int().unwrap_or_default()
    }

    /// The boolean; false where there is none.
    pub(super) fn flag(&self) -> bool {
        self.value.as_bool().unwrap_or_default()
    }

    /// Where it is.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// How many errors were found so far, here and elsewhere in the object.
    pub(super) fn error_count(&self) -> usize {
        self.errors.borrow().len()
    }

    fn push(&self, kind: ErrorKind, value: Value, detail: impl Into<String>) {
        let (path, detail) = (self.path.clone(), detail.into());
        self.errors.borrow_mut().push(FieldError { path, kind, value, detail });
    }

    /// The value is malformed.
    pub(super) fn invalid(&self, detail: impl Into<String>) {
        self.push(ErrorKind::Invalid, self.value.clone(), detail);
    }

    /// The value is malformed, and upstream does not show it.
    pub(super) fn invalid_unshown(&self, detail: impl Into<String>) {
        self.push(ErrorKind::InvalidUnshown, Value::Null, detail);
    }

    /// The text is malformed; a missing one shows as Go's empty text.
    pub(super) fn invalid_text(&self, detail: impl Into<String>) {
        self.push(ErrorKind::Invalid, self.text().into(), detail);
    }

    /// The whole number is malformed; a missing one shows as Go's zero.
    pub(super) fn invalid_number(&self, detail: impl Into<String>) {
        let shown = if self.is_some() { self.value.clone() } else { 0.into() };
        self.push(ErrorKind::Invalid, shown, detail);
    }

    /// Something that upstream shows in place of the field's value is malformed.
    pub(super) fn invalid_as(&self, shown: impl Into<Value>, detail: impl Into<String>) {
        self.push(ErrorKind::Invalid, shown.into(), detail);
    }

    /// The same, of a text that is shown as it is: no JSON that we would write.
    pub(super) fn invalid_as_text(&self, shown: String, detail: impl Into<String>) {
        self.push(ErrorKind::InvalidAsText, shown.into(), detail);
    }

    /// All that a validator of `names` says of the text.
    pub(super) fn well_formed(&self, validator: fn(&str) -> Vec<String>) {
        for problem in validator(self.text()) {
            self.invalid_text(problem);
        }
    }

    /// What is wrong with a part of this value, as a schema says.
    pub(super) fn blame(&self, error: FieldError) {
        let path = match error.path.as_str() {
            "<nil>" => self.path.clone(),
            below if below.starts_with('[') => format!("{}{below}", self.path),
            below => format!("{}.{below}", self.path),
        };
        self.errors.borrow_mut().push(FieldError { path, ..error });
    }

    /// A value must be given.
    pub(super) fn required(&self, detail: impl Into<String>) {
        self.push(ErrorKind::Required, Value::Null, detail);
    }

    /// The value may not be used here.
    pub(super) fn forbidden(&self, detail: impl Into<String>) {
        self.push(ErrorKind::Forbidden, Value::Null, detail);
    }

    /// Something broke on the way.
    pub(super) fn internal(&self, detail: impl Into<String>) {
        self.push(ErrorKind::Internal, Value::Null, detail);
    }

    /// The value is there already.
    pub(super) fn duplicate(&self) {
        self.push(ErrorKind::Duplicate, self.value.clone(), "");
    }

    /// Something named is not there.
    pub(super) fn not_found(&self) {
        self.push(ErrorKind::NotFound, self.value.clone(), "");
    }

    /// Something named is not there, and what there is.
    pub(super) fn not_found_because(&self, detail: impl Into<String>) {
        self.push(ErrorKind::NotFound, self.value.clone(), detail);
    }

    /// The value is there already, and what makes two the same.
    pub(super) fn duplicate_because(&self, detail: impl Into<String>) {
        self.push(ErrorKind::Duplicate, self.value.clone(), detail);
    }

    /// The text is longer than `max` bytes.
    pub(super) fn too_long(&self, max: usize) {
        let detail = format!("may not be more than {max} bytes");
        self.push(ErrorKind::TooLong, Value::Null, detail);
    }

    /// The list has more than `max` items.
    pub(super) fn too_many(&self, max: usize) {
        let detail = format!("must have at most {max} items");
        self.push(ErrorKind::TooMany, self.len().into(), detail);
    }

    /// The value is none of those `known`.
    pub(super) fn unsupported(&self, known: &[&str]) {
        let quoted: Vec<_> = known.iter().map(|value| format!("{value:?}")).collect();
        let detail = format!("supported values: {}", quoted.join(", "));
        let shown = if self.is_some() { self.value.clone() } else { "".into() };
        self.push(ErrorKind::NotSupported, shown, detail);
    }

    /// One of `known` must be given.
    pub(super) fn one_of(&self, known: &[&str]) {
        match self.text() {
            "" => self.required(""),
            text if known.contains(&text) => {}
            _ => self.unsupported(known),
        }
    }

    /// A whole number, where given, is not negative.
    pub(super) fn not_negative(&self) {
        if self.number() < 0 {
            self.invalid(NOT_NEGATIVE);
        }
    }

    /// A whole number, where given, is greater than nothing.
    pub(super) fn positive(&self) {
        if self.is_some() && self.number() <= 0 {
            self.invalid("must be greater than 0");
        }
    }

    /// A text must be given.
    pub(super) fn must_be_given(&self) {
        if self.is_empty() {
            self.required("");
        }
    }

    /// A field is as it was.
    pub(super) fn immutable(&self, old: &Value) {
        if !same(self.value, old) {
            self.invalid(IMMUTABLE);
        }
    }
}

/// Are they equal where Go's zero values are nothing?
pub fn same(a: &Value, b: &Value) -> bool {
    changes("", a, b).is_empty()
}

/// The paths of what differs, where Go's zero values are nothing.
pub(super) fn changes(path: &str, a: &Value, b: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(path, a, b, &mut found);
    found
}

fn compare(path: &str, a: &Value, b: &Value, found: &mut Vec<String>) {
    const NOTHING: &Value = &Value::Null;
    match (a, b) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}[{index}]"), a, b, found);
            }
        }
        (Value::Object(a), Value::Object(b)) => {
            let only_in_b = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(only_in_b) {
                let (a, b) = (a.get(key).unwrap_or(NOTHING), b.get(key).unwrap_or(NOTHING));
                compare(&format!("{path}.{key}"), a, b, found);
            }
        }
        _ if a == b || (read::is_zero(a) && read::is_zero(b)) => {}
        _ => found.push(path.to_owned()),
    }
}
