//! OpenAPI: an index with hashes, and a document for each group and version.
//!
//! Documents are made at the first request and kept compressed: most servers are never
//! asked, and clients keep what they got by its hash.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use api::status::Status;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{GIT_VERSION, paths, takes_json};
use crate::error::{ApiError, ApiResult};
use crate::kinds::{Kind, Served};
use crate::options::Query;
use crate::{negotiate, respond};

/// What kubectl asks for at `/openapi/v2`.
const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// What it comes as: an `@` is no part of a media type.
const V2_CONTENT: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// One group version's document.
struct Document {
    packed: Bytes,
    /// Of the plain bytes, in upper-case hex, as upstream.
    hash: String,
}

/// The documents of the kinds of one moment, by name.
pub(crate) struct Documents(BTreeMap<String, Document>);

impl Documents {
    pub(crate) fn of(kinds: &Served) -> Self {
        let all = kinds.group_versions().into_iter();
        Self(
            all.map(|(group, version)| (name(group, version), build(kinds, group, version)))
                .collect(),
        )
    }
}

/// `api/v1`, `apis/apps/v1`.
fn name(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn build(kinds: &Served, group: &str, version: &str) -> Document {
    let kinds: Vec<&Kind> = kinds.of(group, version).map(|kind| &**kind).collect();
    let mut gvks: Vec<api::Gvk> = kinds.iter().map(|kind| kind.gvk()).collect();
    for (group, version, kind) in
        kinds.iter().flat_map(|kind| kind.subresources.iter()).filter_map(|sub| sub.own_kind())
    {
        gvks.push(api::Gvk::new(group, version, kind));
    }
    gvks.push(api::Gvk::core("Status"));
    let mut paths = Map::new();
    for kind in kinds {
        paths::add(&mut paths, kind);
    }
    let document = json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": GIT_VERSION},
        "paths": paths,
        "components": {"schemas": api::schema::openapi_v3(&gvks)},
    });
    let plain = document.to_string().into_bytes();
    let hash = hex::encode_upper(Sha256::digest(&plain));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&plain).expect("compressing into memory");
    Document { packed: encoder.finish().expect("compressing into memory").into(), hash }
}

/// `/openapi/v3`
pub(super) fn index(kinds: &Served, headers: &HeaderMap) -> ApiResult<Response> {
    json_only(headers)?;
    let paths: Map<String, Value> = kinds
        .documents()
        .0
        .iter()
        .map(|(name, document)| {
            let url = format!("/openapi/v3/{name}?hash={}", document.hash);
            (name.clone(), json!({"serverRelativeURL": url}))
        })
        .collect();
    Ok(respond::value(StatusCode::OK, &json!({"paths": paths})))
}

/// `/openapi/v3/apis/apps/v1`
pub(super) fn document(
    kinds: &Served,
    name: &str,
    headers: &HeaderMap,
    uri: &Uri,
) -> ApiResult<Response> {
    json_only(headers)?;
    let document = kinds.documents().0.get(name).ok_or_else(ApiError::no_such_path)?;
    let tag = format!("\"{}\"", document.hash);
    let fresh = headers.get(IF_NONE_MATCH).is_some_and(|have| have.as_bytes() == tag.as_bytes());
    let packed = negotiate::takes_gzip(headers);
    let (code, body) = match (fresh, packed) {
        (true, _) => (StatusCode::NOT_MODIFIED, Bytes::new()),
        (false, true) => (StatusCode::OK, document.packed.clone()),
        (false, false) => (StatusCode::OK, unpack(&document.packed)),
    };
    let mut response = (code, body).into_response();
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    out.insert(ETAG, HeaderValue::from_str(&tag).expect("a hash in quotes"));
    out.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    // Under its hash a document never changes.
    let named = Query::parse(uri)?.get("hash") == Some(document.hash.as_str());
    let caching = if named { "public, immutable, max-age=31536000" } else { "no-cache, private" };
    out.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    if packed && !fresh {
        out.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

fn unpack(packed: &[u8]) -> Bytes {
    let mut plain = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut plain).expect("we packed it ourselves");
    plain.into()
}

/// `/openapi/v2`: old clients look whether it is there; what it would say stands in v3.
pub(super) fn v2(headers: &HeaderMap) -> ApiResult<Response> {
    if !takes_json(headers) && negotiate::accepted(headers).iter().any(|a| a.media == V2_PROTOBUF) {
        let mut response = (StatusCode::OK, v2_protobuf()).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(V2_CONTENT));
        return Ok(response);
    }
    json_only(headers)?;
    let document = json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": GIT_VERSION},
        "paths": {},
        "definitions": {},
    });
    Ok(respond::value(StatusCode::OK, &document))
}

/// The same as a `openapi.v2.Document`: kubectl reads it before it sends a List, finds no
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

fn json_only(headers: &HeaderMap) -> ApiResult<()> {
    if takes_json(headers) {
        return Ok(());
    }
    Err(Status::not_acceptable(&["application/json"]).into())
}
