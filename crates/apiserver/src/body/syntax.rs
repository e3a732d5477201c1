//! What is said of a body that is no JSON, or JSON of another form: in the words of Go's decoder.

use api::fields::{self, Problem};
use api::schema::Shape;
use api::{Gvk, TypeSchema, go};
use serde_json::Value;

use crate::error::ApiError;

/// So much of a body is shown of it.
const SHOWN_BYTES: usize = 30;

/// JSON; the error is Go's.
pub(crate) fn json(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| explain(bytes, &error))
}

/// Go's words for why a text is no JSON, as far as there are any.
pub(super) fn explain(bytes: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let text = error.to_string();
    const WHERE: [(&str, &str); 6] = [
        ("expected value", "looking for beginning of value"),
        ("trailing characters", "after top-level value"),
        ("key must be a string", "looking for beginning of object key string"),
        ("expected `,` or `}`", "after object key:value pair"),
        ("expected `,` or `]`", "after array element"),
        ("expected `:`", "after object key"),
    ];
    let place = WHERE.iter().find(|(ours, _)| text.starts_with(ours));
    match (place, character(bytes, error)) {
        (Some((_, place)), Some(found)) => format!("invalid character {found:?} {place}"),
        _ => text,
    }
}

/// The character that an error is about.
fn character(bytes: &[u8], error: &serde_json::Error) -> Option<char> {
    let line = bytes.split(|byte| *byte == b'\n').nth(error.line().checked_sub(1)?)?;
    let at = line.get(error.column().checked_sub(1)?)?;
    Some(char::from(*at))
}

/// A value that is no object says nothing of its type.
pub(crate) fn not_a_type(value: &Value) -> String {
    format!(
        "json: cannot unmarshal {} into Go value of type struct {{ APIVersion string \
         \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
        go::type_name(value)
    )
}

/// 400: nobody knows what this body is.
pub(super) fn unrecognized(gvk: &Gvk, why: &str, bytes: &[u8]) -> ApiError {
    let kind = &gvk.kind;
    let shown = summary(bytes);
    ApiError::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): {why} ({shown})"
    ))
}

/// The beginning of a body: as text where that may be JSON.
fn summary(bytes: &[u8]) -> String {
    let begin = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let more = if bytes.len() > SHOWN_BYTES { " ..." } else { "" };
    match begin.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(begin)),
        Some(_) => {
            let hex: String = begin.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{hex}{more}")
        }
    }
}

/// The fields that a JSON text has twice.
pub(crate) fn repeated(bytes: &[u8]) -> Vec<Problem> {
    let any = TypeSchema { shape: Shape::Any, description: None, nullable: true };
    fields::decode_json(bytes, &any).map(|decoded| decoded.problems).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(json(text.as_bytes()).unwrap_err(), expected);
    }

    #[test]
    fn what_is_no_json_is_refused_in_the_words_of_go() {
        check("", "unexpected end of JSON input");
        check("{", "unexpected end of JSON input");
        check("x", "invalid character 'x' looking for beginning of value");
        check("{} t", "invalid character 't' after top-level value");
        check("{\"a\" 1}", "invalid character '1' after object key");
        check("{\"a\":1 2}", "invalid character '2' after object key:value pair");
        check("[1 2]", "invalid character '2' after array element");
    }

    #[test]
    fn the_beginning_of_a_body_is_shown() {
        assert_eq!(summary(b""), "<empty>");
        assert_eq!(summary(b"{}"), "{}");
        assert_eq!(summary(b"[]"), "5b5d");
        assert_eq!(summary(&[b'{'; 40]), format!("{} ...", "{".repeat(30)));
    }

    #[test]
    fn fields_that_are_there_twice_are_found() {
        let found = repeated(br#"{"spec":{"a":1,"a":2}}"#);
        assert_eq!(found, [Problem::Duplicate("spec.a".to_owned())]);
    }
}
