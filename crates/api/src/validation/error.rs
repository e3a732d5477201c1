//! One thing that is wrong with a field, and the texts that upstream has for it.

use std::fmt;

use serde_json::Value;

use crate::Gvk;

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    /// Where: `spec.template.spec.containers[0].image`.
    pub path: String,
    /// Which kind of wrong.
    pub kind: ErrorKind,
    /// What was there.
    pub value: Value,
    /// More in words; may be empty.
    pub detail: String,
}

/// The kinds of wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Something named is not there.
    NotFound,
    /// A value must be given.
    Required,
    /// A value must be there once only.
    Duplicate,
    /// The same of one that is not shown.
    DuplicateUnshown,
    /// A value is malformed.
    Invalid,
    /// A value is malformed; it is told as a text, which is shown as it is: upstream's own form of it.
    InvalidAsText,
    /// A value is malformed, and too large or too much of the server's own to be shown.
    InvalidUnshown,
    /// A value is of another type than its schema wants.
    TypeInvalid,
    /// A value is none of those known.
    NotSupported,
    /// A valid value that may not be used here or now.
    Forbidden,
    /// A text is too long.
    TooLong,
    /// A list is too long.
    TooMany,
    /// Something broke on the way.
    Internal,
}

impl ErrorKind {
    /// The text that messages begin with.
    fn title(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate | Self::DuplicateUnshown => "Duplicate value",
            Self::Invalid | Self::InvalidAsText | Self::InvalidUnshown | Self::TypeInvalid => {
                "Invalid value"
            }
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
        }
    }

    /// The `reason` of a cause in a `Status`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate | Self::DuplicateUnshown => "FieldValueDuplicate",
            Self::Invalid | Self::InvalidAsText | Self::InvalidUnshown => "FieldValueInvalid",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Internal => "InternalError",
        }
    }

    fn hides_value(self) -> bool {
        matches!(
            self,
            Self::Required
                | Self::Forbidden
                | Self::TooLong
                | Self::Internal
                | Self::InvalidUnshown
                | Self::DuplicateUnshown
        )
    }
}

impl FieldError {
    /// The message without the path: `Invalid value: -1: must be greater than or equal to 0`.
    pub fn body(&self) -> String {
        let mut text = self.kind.title().to_owned();
        if !self.kind.hides_value() {
            text.push_str(": ");
            text.push_str(&self.shown());
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }

    /// The value as JSON. What checks schemas has a text for null.
    fn shown(&self) -> String {
        match (self.kind, &self.value) {
            (ErrorKind::TypeInvalid, Value::Null) => "\"null\"".to_owned(),
            (ErrorKind::InvalidAsText, Value::String(shown)) => shown.clone(),
            (_, value) => value.to_string(),
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.body())
    }
}

/// One message of many: a single one as it is, several as `[a, b]`, equal ones once.
pub fn aggregate(errors: &[FieldError]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match &texts[..] {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

/// `Deployment.apps "web" is invalid: …`.
pub fn invalid_message(gvk: &Gvk, name: &str, errors: &[FieldError]) -> String {
    let head = format!("{} {name:?} is invalid", gvk.group_kind());
    if errors.is_empty() { head } else { format!("{head}: {}", aggregate(errors)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(kind: ErrorKind, value: Value, detail: &str) -> FieldError {
        FieldError { path: "spec.x".to_owned(), kind, value, detail: detail.to_owned() }
    }

    #[test]
    fn messages_are_upstreams() {
        let check = |kind, value, detail, text| {
            assert_eq!(error(kind, value, detail).to_string(), text);
        };
        let at_least = "must be greater than or equal to 0";
        check(
            ErrorKind::Invalid,
            json!(-1),
            at_least,
            "spec.x: Invalid value: -1: must be greater than or equal to 0",
        );
        check(ErrorKind::Required, Value::Null, "", "spec.x: Required value");
        check(ErrorKind::Duplicate, json!("a"), "", "spec.x: Duplicate value: \"a\"");
        check(ErrorKind::Invalid, Value::Null, "no", "spec.x: Invalid value: null: no");
        check(ErrorKind::TypeInvalid, Value::Null, "no", "spec.x: Invalid value: \"null\": no");
        check(ErrorKind::InvalidUnshown, json!(1), "no", "spec.x: Invalid value: no");
        check(ErrorKind::Forbidden, json!(1), "not now", "spec.x: Forbidden: not now");
    }

    #[test]
    fn several_errors_are_listed_and_equal_ones_once() {
        let gvk = Gvk::new("apps", "v1", "Deployment");
        let a = error(ErrorKind::Required, Value::Null, "");
        let b = error(ErrorKind::Invalid, json!(1), "");
        assert_eq!(
            invalid_message(&gvk, "web", std::slice::from_ref(&a)),
            "Deployment.apps \"web\" is invalid: spec.x: Required value"
        );
        assert_eq!(
            invalid_message(&gvk, "web", &[a.clone(), b, a]),
            "Deployment.apps \"web\" is invalid: [spec.x: Required value, spec.x: Invalid value: 1]"
        );
    }
}
