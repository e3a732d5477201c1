//! `serviceaccounts/token`: a signed token that lives and dies with what it is bound to.

use api::validation::ErrorKind;
use api::{FieldError, Gvk};
use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::kinds;
use crate::object::{meta, text};
use crate::pki::token::{Bound, Claims, ISSUER, Named};
use crate::request::Call;
use crate::verbs::rfc3339;
use crate::{body, respond};

/// A token's life unless another is asked for.
const SECONDS_DEFAULT: i64 = 3600;
/// None is shorter.
const SECONDS_MIN: i64 = 600;
/// None is longer; a longer wish is cut.
const SECONDS_MAX: i64 = 1 << 32;

pub(super) async fn create(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    let raw = body::read(request).await?;
    let mut asked = body::object(call, &raw, &gvk())?;
    let kv = call
        .registry()
        .get(call.kind, call.namespace(), call.name())
        .ok_or_else(|| ApiError::not_found(call.kind, call.name()))?;
    let account = call.registry().decode(&kv)?;
    let claims = claims(call, &account, &asked)?;
    let token = call
        .shared
        .pki
        .tokens()
        .sign(&claims)
        .map_err(|error| ApiError::internal("the token could not be signed", &error))?;
    asked["metadata"] = json!({
        "name": call.name(),
        "namespace": call.namespace(),
        "creationTimestamp": rfc3339(claims.iat),
    });
    asked["spec"]["audiences"] = json!(claims.aud);
    asked["spec"]["expirationSeconds"] = (claims.exp - claims.iat).into();
    asked["status"] = json!({"token": token, "expirationTimestamp": rfc3339(claims.exp)});
    Ok(respond::value(StatusCode::CREATED, &asked))
}

fn gvk() -> Gvk {
    Gvk::new("authentication.k8s.io", "v1", "TokenRequest")
}

fn claims(call: &Call<'_>, account: &Value, asked: &Value) -> ApiResult<Claims> {
    let seconds = asked["spec"]["expirationSeconds"].as_i64().unwrap_or(SECONDS_DEFAULT);
    if seconds < SECONDS_MIN {
        let error = FieldError {
            path: "spec.expirationSeconds".to_owned(),
            kind: ErrorKind::Invalid,
            value: seconds.into(),
            detail: "may not specify a duration less than 10 minutes".to_owned(),
        };
        return Err(api::status::Status::invalid(&gvk(), call.name(), vec![error]).into());
    }
    let mut audiences: Vec<String> = asked["spec"]["audiences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|audience| audience.as_str().map(str::to_owned))
        .collect();
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    let now = jiff::Timestamp::now().as_second();
    let (namespace, name) = (call.namespace(), call.name());
    Ok(Claims {
        aud: audiences,
        exp: now + seconds.min(SECONDS_MAX),
        iat: now,
        iss: ISSUER.to_owned(),
        jti: uuid::Uuid::new_v4().to_string(),
        kubernetes: bound(call, account, &asked["spec"]["boundObjectRef"])?,
        nbf: now,
        sub: format!("system:serviceaccount:{namespace}:{name}"),
    })
}

fn bound(call: &Call<'_>, account: &Value, reference: &Value) -> ApiResult<Bound> {
    let mut bound = Bound {
        namespace: call.namespace().to_owned(),
        pod: None,
        secret: None,
        serviceaccount: Named {
            name: call.name().to_owned(),
            uid: meta(account, "uid").to_owned(),
        },
    };
    match text(reference, "/kind") {
        "" => {}
        "Pod" => bound.pod = Some(referred(call, "pods", reference)?),
        "Secret" => bound.secret = Some(referred(call, "secrets", reference)?),
        other => {
            return Err(ApiError::bad_request(format!(
                "cannot bind token for serviceaccount {:?} to object of kind {other:?}",
                call.name()
            )));
        }
    }
    Ok(bound)
}

/// The object a token is bound to: it must be there, and be the one that is meant.
fn referred(call: &Call<'_>, plural: &str, reference: &Value) -> ApiResult<Named> {
    let kind = kinds::find("", "v1", plural).expect("pods and secrets are in the table");
    let name = text(reference, "/name");
    let uid = call
        .registry()
        .uid_of(plural, call.namespace(), name)
        .ok_or_else(|| ApiError::not_found(kind, name))?;
    let wanted = text(reference, "/uid");
    if !wanted.is_empty() && wanted != uid {
        let why = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(ApiError::conflict(kind, name, &why));
    }
    Ok(Named { name: name.to_owned(), uid })
}
