//! What others need to check our ServiceAccounts' tokens without asking us: OpenID discovery.

use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::pki::token::ISSUER;
use crate::respond;
use crate::server::Shared;

/// Keys are good for an hour.
const CACHE: &str = "public, max-age=3600";

/// `/.well-known/openid-configuration`
pub(super) fn configuration(shared: &Shared) -> Response {
    let place = &shared.config;
    let document = json!({
        "issuer": ISSUER,
        "jwks_uri":
            format!("https://{}:{}/openid/v1/jwks", place.node_address, place.secure_port),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    answer(&document, "application/json")
}

/// `/openid/v1/jwks`
pub(super) fn key_set(shared: &Shared) -> Response {
    answer(&shared.pki.tokens().key_set(), "application/jwk-set+json")
}

fn answer(document: &Value, kind: &'static str) -> Response {
    let body = Bytes::from(document.to_string());
    let mut response = respond::json(StatusCode::OK, body, false);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(CACHE));
    response
}
