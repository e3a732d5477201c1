//! OpenAPI: an index with hashes, and a document for each group and version.
//!
//! Documents are made at the first request and kept compressed: most servers are never
//! asked, and clients keep what they got by its hash.

pub(super) mod custom;
mod v2;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, LazyLock};

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

pub(super) use self::v2::answer as v2;
use super::catalog::Catalog;
use super::{GIT_VERSION, paths, takes_json};
use crate::error::{ApiError, ApiResult};
use crate::kinds::{Kind, Served};
use crate::options::Query;
use crate::request::Review;
use crate::{computed, negotiate, respond};

/// One group version's document.
struct Document {
    packed: Bytes,
    /// Of the plain bytes, in upper-case hex, as upstream.
    hash: String,
}

/// The documents of the kinds of one moment.
pub(crate) struct Documents {
    /// By name.
    groups: BTreeMap<String, Arc<Document>>,
}

/// Those of groups without custom kinds never change.
static BUILT_IN: LazyLock<BTreeMap<String, Arc<Document>>> = LazyLock::new(|| {
    let kinds = Served::with([]);
    let all = kinds.group_versions().into_iter();
    all.map(|(group, version)| (name(group, version), build(&kinds, group, version))).collect()
});

impl Documents {
    pub(crate) fn of(kinds: &Served) -> Self {
        let all = kinds.group_versions().into_iter();
        let groups = all.map(|(group, version)| {
            let name = name(group, version);
            let custom = kinds.of(group, version).any(|kind| kind.custom.is_some());
            let document = match BUILT_IN.get(&name).filter(|_| !custom) {
                Some(document) => document.clone(),
                None => build(kinds, group, version),
            };
            (name, document)
        });
        Self { groups: groups.collect() }
    }
}

/// `api/v1`, `apis/apps/v1`.
fn name(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn build(kinds: &Served, group: &str, version: &str) -> Arc<Document> {
    let kinds: Vec<&Kind> = kinds.of(group, version).map(|kind| &**kind).collect();
    let mut gvks: Vec<api::Gvk> = kinds.iter().map(|kind| kind.gvk()).collect();
    for (group, version, kind) in
        kinds.iter().flat_map(|kind| kind.subresources.iter()).filter_map(|sub| sub.own_kind())
    {
        gvks.push(api::Gvk::new(group, version, kind));
    }
    let reviews = || Review::ALL.into_iter().filter(|review| review.group() == group);
    let computed = || computed::of(group, version).filter(|kind| kind.group.is_empty());
    gvks.extend(reviews().map(|review| api::Gvk::new(group, version, review.kind())));
    gvks.extend(computed().map(|kind| api::Gvk::new(group, version, kind.kind)));
    gvks.push(api::Gvk::core("Status"));
    let mut paths = Map::new();
    reviews().for_each(|review| paths::add_review(&mut paths, review));
    computed().for_each(|kind| paths::add_computed(&mut paths, kind));
    let mut schemas = match api::schema::openapi_v3(&gvks) {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    };
    for kind in kinds {
        paths::add(&mut paths, kind);
        if let Some(custom) = &kind.custom {
            schemas.extend(custom::base());
            schemas.extend(custom::definitions(kind, custom, custom::Version::V3));
        }
    }
    Arc::new(Document::of(&json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": GIT_VERSION},
        "paths": paths,
        "components": {"schemas": schemas},
    })))
}

impl Document {
    fn of(value: &Value) -> Self {
        let plain = value.to_string().into_bytes();
        let hash = hex::encode_upper(Sha256::digest(&plain));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&plain).expect("compressing into memory");
        Self { packed: encoder.finish().expect("compressing into memory").into(), hash }
    }

    fn plain(&self) -> Bytes {
        unpack(&self.packed)
    }

    fn answer(&self, headers: &HeaderMap, caching: &'static str) -> ApiResult<Response> {
        let said = Said { hash: &self.hash, media: "application/json", caching };
        said.answer(headers, |packed| Ok(if packed { self.packed.clone() } else { self.plain() }))
    }
}

/// What the headers of an answer say of a document.
struct Said<'a> {
    hash: &'a str,
    media: &'static str,
    caching: &'static str,
}

impl Said<'_> {
    /// The document, packed or not as the client takes it, or only that it has not changed.
    fn answer(
        &self,
        headers: &HeaderMap,
        body: impl FnOnce(bool) -> ApiResult<Bytes>,
    ) -> ApiResult<Response> {
        let tag = format!("\"{}\"", self.hash);
        let fresh =
            headers.get(IF_NONE_MATCH).is_some_and(|have| have.as_bytes() == tag.as_bytes());
        let packed = negotiate::takes_gzip(headers);
        let (code, body) = match fresh {
            true => (StatusCode::NOT_MODIFIED, Bytes::new()),
            false => (StatusCode::OK, body(packed)?),
        };
        let mut response = (code, body).into_response();
        let out = response.headers_mut();
        out.insert(CONTENT_TYPE, HeaderValue::from_static(self.media));
        out.insert(ETAG, HeaderValue::from_str(&tag).expect("a hash in quotes"));
        out.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        out.insert(CACHE_CONTROL, HeaderValue::from_static(self.caching));
        if packed && !fresh {
            out.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(response)
    }
}

/// `/openapi/v3`
pub(super) fn index(catalog: &Catalog<'_>, headers: &HeaderMap) -> ApiResult<Response> {
    json_only(headers)?;
    let mut paths: Map<String, Value> = catalog
        .kinds
        .documents()
        .groups
        .iter()
        .map(|(name, document)| {
            let url = format!("/openapi/v3/{name}?hash={}", document.hash);
            (name.clone(), json!({"serverRelativeURL": url}))
        })
        .collect();
    for extension in catalog.extensions.all() {
        let name = name(&extension.group, &extension.version);
        paths.remove(&name);
        if let Some(hash) = extension.learned().and_then(|learned| learned.openapi_hash.clone()) {
            let url = format!("/openapi/v3/{name}?hash={hash}");
            paths.insert(name, json!({"serverRelativeURL": url}));
        }
    }
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
    let document = kinds.documents().groups.get(name).ok_or_else(ApiError::no_such_path)?;
    // Under its hash a document never changes.
    let named = Query::parse(uri)?.get("hash") == Some(document.hash.as_str());
    let caching = if named { "public, immutable, max-age=31536000" } else { "no-cache, private" };
    document.answer(headers, caching)
}

fn unpack(packed: &[u8]) -> Bytes {
    let mut plain = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut plain).expect("we packed it ourselves");
    plain.into()
}

fn json_only(headers: &HeaderMap) -> ApiResult<()> {
    if takes_json(headers) {
        return Ok(());
    }
    Err(Status::not_acceptable(&["application/json"]).into())
}
