//! What is not a resource: health, version, discovery and OpenAPI.

mod aggregated;
mod catalog;
mod groups;
mod health;
mod issuer;
mod openapi;
mod paths;

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use self::catalog::Catalog;
pub(crate) use self::openapi::Documents;
use crate::aggregation::Extensions;
use crate::error::{ApiError, ApiResult};
use crate::kinds::Served;
use crate::media::Translation;
use crate::negotiate::Dialect;
use crate::server::Shared;
use crate::{negotiate, respond};

/// The version of Kubernetes we serve.
pub(crate) const GIT_VERSION: &str = "v1.36.0";
const MAJOR: &str = "1";
const MINOR: &str = "36";

/// Answers a path that names no resource.
pub(crate) fn answer(
    shared: &Arc<Shared>,
    kinds: &Served,
    extensions: &Extensions,
    request: &Request<Body>,
) -> ApiResult<Response> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(ApiError::method_not_allowed());
    }
    let path = request.uri().path().trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let headers = request.headers();
    let catalog = &Catalog { kinds, extensions };
    let nothing_here = |error| nothing_at(kinds, path, error);
    let worded = |reply| Ok(worded(reply, negotiate::plain(headers, request.uri())?));
    match parts.as_slice() {
        [] => Ok(ok(&json!({"paths": groups::paths(catalog)}))),
        ["version"] => Ok(ok(&version())),
        ["metrics"] => Ok(metrics(shared.metrics())),
        ["healthz" | "livez" | "readyz", check @ ..] => {
            health::answer(shared, parts[0], check, request.uri())
        }
        ["api"] => match aggregated::asked(catalog, headers, "") {
            Some(reply) => Ok(reply),
            None => worded(ok(&groups::versions(&shared.config))),
        },
        ["apis"] => match aggregated::asked(catalog, headers, "apis") {
            Some(reply) => Ok(reply),
            None => worded(ok(&groups::group_list(catalog))),
        },
        ["api", version] => found(groups::resources(kinds, "", version)).and_then(worded),
        ["apis", group] => {
            found(groups::group(catalog, group)).or_else(nothing_here).and_then(worded)
        }
        ["apis", group, version] => {
            let resources = found(groups::resources(kinds, group, version));
            resources.or_else(nothing_here).and_then(worded)
        }
        [".well-known", "openid-configuration"] => Ok(issuer::configuration(shared)),
        ["openid", "v1", "jwks"] => Ok(issuer::key_set(shared)),
        ["openapi", "v2"] => openapi::v2(kinds, headers),
        ["openapi", "v3"] => openapi::index(catalog, headers),
        ["openapi", "v3", rest @ ..] => {
            openapi::document(kinds, &rest.join("/"), headers, request.uri())
        }
        _ => nothing_here(ApiError::no_such_path()),
    }
}

/// What is said where nothing is: below the groups that every server has, they say it.
pub(crate) fn nothing_at(kinds: &Served, path: &str, error: ApiError) -> ApiResult<Response> {
    let mut parts = path.split('/').skip(1);
    let of_group = match (parts.next(), parts.next()) {
        (Some("api" | "version" | "openid"), _) => true,
        (Some("apis"), Some(group)) => kinds.is_builtin_group(group),
        _ => false,
    };
    if of_group { Err(error) } else { Ok(respond::page_not_found()) }
}

/// A reply that is written as its client wants it.
fn worded(mut reply: Response, dialect: Dialect) -> Response {
    reply.extensions_mut().insert(Translation { dialect, gzip: false });
    reply
}

fn ok(value: &Value) -> Response {
    respond::value(StatusCode::OK, value)
}

fn found(value: Option<Value>) -> ApiResult<Response> {
    value.map(|value| ok(&value)).ok_or_else(ApiError::no_such_path)
}

/// In the format that Prometheus asks for.
fn metrics(text: String) -> Response {
    const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
    ([(http::header::CONTENT_TYPE, TYPE)], text).into_response()
}

fn version() -> Value {
    json!({
        "major": MAJOR,
        "minor": MINOR,
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none (rust)",
        "compiler": "rustc",
        "platform": format!("linux/{}", machine()),
    })
}

/// Go's word for our architecture.
fn machine() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Takes the client JSON?
fn takes_json(headers: &http::HeaderMap) -> bool {
    negotiate::accepted(headers).iter().any(negotiate::Accepted::is_json)
}
