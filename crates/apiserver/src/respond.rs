//! Replies: objects, Tables, PartialObjectMetadata in JSON, of which other media are made later; gzip
//! where it pays.

use std::io::Write as _;

use api::status::Status;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use store::KeyValue;

use crate::error::{ApiError, ApiResult};
use crate::form::Form;
use crate::kinds::Kind;
use crate::negotiate::Format;
use crate::object;
use crate::options::IncludeObject;
use crate::request::Call;
use crate::verbs::Made;

/// Smaller replies are not worth compressing, as in kube-apiserver.
const GZIP_BYTES_MIN: usize = 128 * 1024;

/// A JSON reply.
pub(crate) fn json(code: StatusCode, body: Bytes, gzip: bool) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    let body = packed(body, gzip, &mut headers);
    (code, headers, body).into_response()
}

/// The body, compressed where that is taken and pays; the headers say so.
pub(crate) fn packed(body: Bytes, gzip: bool, headers: &mut HeaderMap) -> Bytes {
    if !gzip || body.len() < GZIP_BYTES_MIN {
        return body;
    }
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    pack(&body)
}

fn pack(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).expect("compressing into memory");
    encoder.finish().expect("compressing into memory").into()
}

/// There is nothing at this path, nor at those around it.
pub(crate) fn page_not_found() -> Response {
    let mut response = (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// A JSON reply from a value.
pub(crate) fn value(code: StatusCode, value: &Value) -> Response {
    json(code, value.to_string().into(), false)
}

/// A stored object, in the form the client wants.
pub(crate) fn stored(call: &Call<'_>, kv: &KeyValue) -> ApiResult<Response> {
    // A value that could not be opened is empty.
    if kv.value.is_empty() {
        call.registry().decode(kv)?;
    }
    let mut body = Vec::new();
    let written = form(call)?.write_alone(&mut body, call.kind, kv, kv.mod_revision);
    written.map_err(|error| corrupt(&error))?;
    Ok(json(StatusCode::OK, body.into(), call.gzip))
}

/// The form in which the client wants objects.
pub(crate) fn form(call: &Call<'_>) -> ApiResult<Form> {
    let format = call.format()?;
    let include = match format {
        Format::Table => call.query.include_object()?,
        Format::Object | Format::Partial => IncludeObject::Metadata,
    };
    Ok(Form { format, include, headed: true })
}

/// What a write has made, in the form the client wants: mostly the bytes that were stored.
pub(crate) fn made(call: &Call<'_>, code: StatusCode, made: Made) -> ApiResult<Response> {
    let as_stored = call.kind.is_never_converted() && form(call)?.format == Format::Object;
    let Some((bytes, revision)) = made.stored.filter(|_| as_stored) else {
        return written(call, code, made.object);
    };
    let mut body = Vec::new();
    object::write_served(&mut body, &bytes, revision);
    Ok(json(code, body.into(), call.gzip))
}

/// An object in stored form with its resourceVersion, in the form the client wants.
pub(crate) fn written(call: &Call<'_>, code: StatusCode, mut object: Value) -> ApiResult<Response> {
    call.kind.to_served(&mut object);
    let body = form(call)?.alone(call.kind, object);
    Ok(json(code, body.to_string().into(), call.gzip))
}

/// `Status: Success`, as a deletion answers.
pub(crate) fn deleted(kind: &Kind, name: &str, uid: &str) -> Response {
    value(StatusCode::OK, &Status::deleted(kind.resource(), name, uid).to_value())
}

/// `Status: Success` of a request that made something of another kind.
pub(crate) fn created() -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
    });
    value(StatusCode::CREATED, &status)
}

/// Unreadable bytes in the store are our fault.
pub(crate) fn corrupt(error: &serde_json::Error) -> ApiError {
    ApiError::internal("a stored object cannot be read", error)
}
