//! What came of a request: looked at in the reply, which goes on to the client as it is.

use std::io::Read as _;
use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::response::Response;
use bytes::Bytes;
use flate2::read::GzDecoder;
use futures::StreamExt as _;
use http::StatusCode;
use http::header::CONTENT_ENCODING;

use serde_json::{Value, json};

use super::AuditLog;
use super::event::{LINE_BYTES_MAX, Stage};
use super::policy::Level;
use super::record::Record;

/// Records how a request ended; where its reply lasts, that it began, and later that it ended.
pub(super) async fn record(
    log: &Arc<AuditLog>,
    record: Arc<Record>,
    response: Response,
) -> Response {
    let code = response.status();
    if !record.attributes.is_long() {
        return complete(log, &record, response).await;
    }
    log.emit(&record, Stage::ResponseStarted, Some(plain(code)), None);
    let lasts = code == StatusCode::OK && response.body().size_hint().exact().is_none();
    if !lasts {
        // Refused, or handed over to another protocol.
        return complete(log, &record, response).await;
    }
    let end = End { log: log.clone(), record, code };
    let (head, body) = response.into_parts();
    let body = body.into_data_stream().map(move |chunk| {
        // It ends with the stream, however that ends.
        let _ = &end;
        chunk
    });
    Response::from_parts(head, Body::from_stream(body))
}

/// Tells of the end when it goes.
struct End {
    log: Arc<AuditLog>,
    record: Arc<Record>,
    code: StatusCode,
}

impl Drop for End {
    fn drop(&mut self) {
        self.log.emit(&self.record, Stage::ResponseComplete, Some(plain(self.code)), None);
    }
}

/// All that is said of a success.
fn plain(code: StatusCode) -> Value {
    json!({"metadata": {}, "code": code.as_u16()})
}

async fn complete(log: &AuditLog, record: &Record, response: Response) -> Response {
    let code = response.status();
    let wants_object = record.attributes.is_resource && record.plan.level >= Level::RequestResponse;
    let wants_status =
        code.is_client_error() || code.is_server_error() || record.attributes.may_answer_status();
    if !wants_object && !wants_status {
        log.emit(record, Stage::ResponseComplete, Some(plain(code)), None);
        return response;
    }
    let (response, body) = look(response).await;
    let mut object = body.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let status = object.as_ref().and_then(|object| status_of(object, code));
    if let Some(object) = &mut object {
        record.trim(object);
    }
    let status = status.unwrap_or_else(|| plain(code));
    log.emit(record, Stage::ResponseComplete, Some(status), object.filter(|_| wants_object));
    response
}

/// A `Status` without what it has as an object.
fn status_of(object: &Value, code: StatusCode) -> Option<Value> {
    if object["kind"] != "Status" || object["apiVersion"] != "v1" {
        return None;
    }
    let mut status = object.clone();
    let fields = status.as_object_mut()?;
    fields.remove("kind");
    fields.remove("apiVersion");
    fields.insert("code".to_owned(), code.as_u16().into());
    Some(status)
}

/// A reply that is whole already, and its bytes as they were before they were packed.
async fn look(response: Response) -> (Response, Option<Bytes>) {
    let size = response.body().size_hint().exact();
    let fits = size.is_some_and(|size| size <= LINE_BYTES_MAX as u64);
    if !fits {
        return (response, None);
    }
    let is_packed = response.headers().get(CONTENT_ENCODING).is_some_and(|value| value == "gzip");
    let (head, body) = response.into_parts();
    match axum::body::to_bytes(body, LINE_BYTES_MAX).await {
        Ok(bytes) => {
            let shown = if is_packed { unpack(&bytes) } else { Some(bytes.clone()) };
            (Response::from_parts(head, Body::from(bytes)), shown)
        }
        Err(error) => {
            tracing::error!(%error, "a reply was lost while it was recorded");
            let failed = crate::error::ApiError::panicked();
            (axum::response::IntoResponse::into_response(failed), None)
        }
    }
}

fn unpack(bytes: &[u8]) -> Option<Bytes> {
    let mut plain = Vec::new();
    let limit = LINE_BYTES_MAX as u64 + 1;
    GzDecoder::new(bytes).take(limit).read_to_end(&mut plain).ok()?;
    (plain.len() <= LINE_BYTES_MAX).then(|| plain.into())
}
