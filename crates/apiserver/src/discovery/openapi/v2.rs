//! OpenAPI of version 2, which old clients ask for.

use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use super::super::{GIT_VERSION, takes_json};
use super::{Document, custom, json_only};
use crate::error::ApiResult;
use crate::kinds::Served;
use crate::negotiate;

/// What kubectl asks for at `/openapi/v2`.
const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// What it comes as: an `@` is no part of a media type.
const V2_CONTENT: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// `/openapi/v2`: old clients look whether it is there; what it would say stands in v3.
pub(in crate::discovery) fn answer(kinds: &Served, headers: &HeaderMap) -> ApiResult<Response> {
    if !takes_json(headers) && negotiate::accepted(headers).iter().any(|a| a.media == V2_PROTOBUF) {
        let mut response = (StatusCode::OK, v2_protobuf()).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(V2_CONTENT));
        return Ok(response);
    }
    json_only(headers)?;
    Ok(kinds.documents().whole.answer(headers, "no-cache, private"))
}

/// The definitions of custom kinds, and what they refer to. Those of built-in kinds stand in
/// version 3 only.
pub(super) fn document(kinds: &Served) -> Document {
    let mut definitions = custom::base_v2();
    for kind in kinds.all() {
        if let Some(defined) = &kind.custom {
            definitions.extend(custom::definitions(kind, defined, custom::Version::V2));
        }
    }
    Document::of(&json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": GIT_VERSION},
        "paths": {},
        "definitions": definitions,
    }))
}

/// As an `openapi.v2.Document`: kubectl reads it before it sends a List, finds no
/// schema and leaves the checking to us.
fn v2_protobuf() -> Vec<u8> {
    const SWAGGER: u8 = 1;
    const INFO: u8 = 2;
    const PATHS: u8 = 8;
    const DEFINITIONS: u8 = 9;
    const TITLE: u8 = 1;
    const VERSION: u8 = 2;
    let info = [field(TITLE, b"Kubernetes"), field(VERSION, GIT_VERSION.as_bytes())].concat();
    let fields =
        [field(SWAGGER, b"2.0"), field(INFO, &info), field(PATHS, b""), field(DEFINITIONS, b"")];
    fields.concat()
}

/// A length-delimited protobuf field of fewer than 128 bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).ok().filter(|length| *length < 0x80);
    let mut out = vec![number << 3 | 2, length.expect("our own texts are short")];
    out.extend(content);
    out
}
