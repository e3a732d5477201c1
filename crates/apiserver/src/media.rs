//! Replies for clients that do not want plain JSON, which is what all replies are made in: of that
//! is made what they want.
//!
//! A reply that is an object of the API carries its [`Dialect`]; all others (logs, what a proxy
//! brings, OpenAPI) are left as they are.

use std::borrow::Cow;

use api::{Gvk, protobuf};
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::ApiError;
use crate::negotiate::{Dialect, Media};
use crate::respond;

/// Marks a reply that says no, and is written as such.
#[derive(Clone, Copy)]
pub(crate) struct Refusal;

/// What is to be made of a reply when it is whole.
#[derive(Clone, Copy)]
pub(crate) struct Translation {
    pub(crate) dialect: Dialect,
    pub(crate) gzip: bool,
}

/// Why an object could not be said in another way.
#[derive(Debug, thiserror::Error)]
enum MediaError {
    #[error("it is no JSON")]
    Json(#[from] serde_json::Error),
    #[error("it cannot be written as protobuf")]
    Protobuf(#[from] protobuf::ProtobufError),
    #[error("it cannot be written as YAML")]
    Yaml(#[from] serde_saphyr::ser::Error),
}

/// The reply in the words that were asked for; `refusal` are those for a reply that says no.
pub(crate) async fn translate(mut response: Response, refusal: Dialect) -> Response {
    let extensions = response.extensions_mut();
    let translation = match extensions.remove::<Refusal>() {
        Some(Refusal) => Some(Translation { dialect: refusal, gzip: false }),
        None => extensions.remove::<Translation>(),
    };
    let Some(Translation { dialect, gzip }) = translation.filter(|t| !t.dialect.is_plain()) else {
        return response;
    };
    let (mut head, body) = response.into_parts();
    // Replies that are objects are whole before they are sent.
    let written = match axum::body::to_bytes(body, usize::MAX).await {
        Ok(body) if body.is_empty() => Ok(Vec::new()),
        Ok(body) => dialect.write(&body),
        Err(_) => Ok(Vec::new()),
    };
    let body = match written {
        Ok(body) => body,
        Err(error) => {
            return ApiError::internal("the reply could not be written", &error).into_response();
        }
    };
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(dialect.content_type()));
    head.headers.remove(CONTENT_LENGTH);
    let body = respond::packed(body.into(), gzip, &mut head.headers);
    Response::from_parts(head, Body::from(body))
}

impl Dialect {
    pub(crate) fn content_type(self) -> &'static str {
        match self.media {
            Media::Json => "application/json",
            Media::Yaml => "application/yaml",
            Media::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    /// The same of a watch.
    pub(crate) fn stream_content_type(self) -> &'static str {
        match self.media {
            Media::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
            Media::Json | Media::Yaml => "application/json",
        }
    }

    /// An object in other words.
    fn write(self, json: &[u8]) -> Result<Vec<u8>, MediaError> {
        let json = if self.beta { Cow::Owned(beta(json)?) } else { Cow::Borrowed(json) };
        Ok(match self.media {
            Media::Protobuf => protobuf::from_json(&json)?,
            Media::Yaml => yaml(&serde_json::from_slice(&json)?)?.into_bytes(),
            Media::Json if self.pretty => {
                let value: Value = serde_json::from_slice(&json)?;
                serde_json::to_vec_pretty(&value)?
            }
            Media::Json => json.into_owned(),
        })
    }

    /// Events of a watch, one or more whole lines, in other words.
    pub(crate) fn events(self, lines: &Bytes) -> Bytes {
        // A watch is written for programs.
        if (Self { pretty: false, ..self }).is_plain() {
            return lines.clone();
        }
        let mut out = Vec::with_capacity(lines.len());
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if let Err(error) = self.event(&mut out, line) {
                // As when a stored object cannot be read: the others are told.
                tracing::error!(%error, "an event of a watch could not be written");
            }
        }
        out.into()
    }

    fn event(self, out: &mut Vec<u8>, line: &[u8]) -> Result<(), MediaError> {
        #[derive(Deserialize)]
        struct Event<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            #[serde(borrow)]
            object: &'a RawValue,
        }
        let event: Event<'_> = serde_json::from_slice(line)?;
        let object = Self { pretty: false, ..self }.write(event.object.get().as_bytes())?;
        if self.media == Media::Protobuf {
            let frame = protobuf::watch_event(event.kind, &object);
            let length = u32::try_from(frame.len()).expect("an object is of some megabytes");
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&frame);
            return Ok(());
        }
        out.extend_from_slice(format!("{{\"type\":\"{}\",\"object\":", event.kind).as_bytes());
        out.extend_from_slice(&object);
        out.extend_from_slice(b"}\n");
        Ok(())
    }
}

/// Can objects of this kind be written as protobuf?
pub(crate) fn has_protobuf(group: &str, version: &str, kind: &str) -> bool {
    protobuf::is_known(&Gvk::new(group, version, kind))
}

/// As people write it: keys in order, lists not indented.
fn yaml(value: &Value) -> Result<String, serde_saphyr::ser::Error> {
    let options = serde_saphyr::ser_options! { compact_list_indent: true };
    serde_saphyr::to_string_with_options(value, options)
}

/// Tables and metadata of `meta.k8s.io/v1` as they are in `v1beta1`, where they look the same.
fn beta(json: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let mut value: Value = serde_json::from_slice(json)?;
    mark_beta(&mut value);
    for row in value.get_mut("rows").and_then(Value::as_array_mut).into_iter().flatten() {
        row.get_mut("object").into_iter().for_each(mark_beta);
    }
    for item in value.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        mark_beta(item);
    }
    serde_json::to_vec(&value)
}

fn mark_beta(value: &mut Value) {
    if let Some(version) = value.get_mut("apiVersion").filter(|found| *found == "meta.k8s.io/v1") {
        *version = "meta.k8s.io/v1beta1".into();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~\\n\\t]{0,12}|true|no|null|~|1e3|0x1|-|#|: |\\PC{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 30, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[ -~]{1,6}|on|1|\\PC{1,3}", inner, 0..4)
                    .prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn yaml_is_read_as_what_was_written(value in any_json()) {
            let text = yaml(&value).unwrap();
            let read: Value = serde_saphyr::from_str(&text)
                .unwrap_or_else(|error| panic!("{error}: {text}"));
            prop_assert_eq!(read, value, "{}", text);
        }
    }

    #[test]
    fn yaml_looks_as_upstreams() {
        let object = json!({
            "apiVersion": "v1", "items": [{"a": ["1", 2, {"b": true}]}], "kind": "List",
            "metadata": {}, "text": "x: y\nb",
        });
        let expected = "apiVersion: v1\nitems:\n- a:\n  - \"1\"\n  - 2\n  - b: true\nkind: List\n\
                        metadata: {}\ntext: |-\n  x: y\n  b\n";
        assert_eq!(yaml(&object).unwrap(), expected);
    }

    #[test]
    fn events_are_written_one_by_one() {
        let line = |kind: &str| {
            let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
            format!("{}\n", json!({"type": kind, "object": object}))
        };
        let lines = Bytes::from(line("ADDED") + &line("DELETED"));
        assert_eq!(Dialect { pretty: true, ..Dialect::PLAIN }.events(&lines), lines);
        let frames = Dialect { media: Media::Protobuf, ..Dialect::PLAIN }.events(&lines);
        let length = u32::from_be_bytes(frames[..4].try_into().unwrap()) as usize;
        assert_eq!(frames[4..11], *b"\n\x05ADDED");
        assert_eq!(frames[4 + length + 4..][..9], *b"\n\x07DELETED");
    }

    #[test]
    fn tables_and_what_they_hold_are_of_the_version_that_is_asked_for() {
        let of = |version: &str| {
            let meta = format!("meta.k8s.io/{version}");
            json!({"apiVersion": meta, "kind": "Table", "rows": [{"object":
                {"apiVersion": meta, "kind": "PartialObjectMetadata", "metadata": {}}}]})
        };
        let written = Dialect { beta: true, ..Dialect::PLAIN };
        let written = written.write(of("v1").to_string().as_bytes()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), of("v1beta1"));
        let pod = br#"{"apiVersion":"v1","kind":"Pod"}"#;
        assert_eq!(Dialect { beta: true, ..Dialect::PLAIN }.write(pod).unwrap(), pod);
    }
}
