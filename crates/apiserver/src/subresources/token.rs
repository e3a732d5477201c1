//! `serviceaccounts/token`: a signed token that lives and dies with what it is bound to.

use api::status::{Resource, Status};
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
use crate::verbs::admission::node_restriction;
use crate::verbs::rfc3339;
use crate::webhooks::{self, Operation};
use crate::{audit, body, respond};

/// A token's life unless another is asked for.
const SECONDS_DEFAULT: i64 = 3600;
/// None is shorter.
const SECONDS_MIN: i64 = 600;
/// None is longer.
const SECONDS_MAX: i64 = 1 << 32;
/// What pods ask for whose token volume nobody wrote: a client that reads its token once, as old
/// ones do, is not to end with it.
const SECONDS_OF_PODS: i64 = 3607;
/// Such tokens live for a year. They end with their pod all the same.
const SECONDS_EXTENDED: i64 = 365 * 24 * 3600;
/// What the audit log says of a token that was given.
const ISSUED: &str = "authentication.kubernetes.io/issued-credential-id";

pub(super) async fn create(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    let raw = body::read(request).await?;
    let asked = body::object(call, &raw, &gvk())?;
    node_restriction::token(call, &asked)?;
    let mut asked = webhooks::admit(call, Operation::Create, gvk(), asked, None).await?;
    let kv = call
        .registry()
        .get(call.kind, call.namespace(), call.name())
        .ok_or_else(|| ApiError::not_found(call.kind, call.name()))?;
    let account = call.registry().decode(&kv)?;
    let claims = claims(call, &account, &asked)?;
    audit::annotate(ISSUED, format!("JTI={}", claims.jti));
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
    // Who asked is to come back as if it were so.
    let end = claims.kubernetes.warnafter.unwrap_or(claims.exp);
    asked["spec"]["expirationSeconds"] = (end - claims.iat).into();
    asked["status"] = json!({"token": token, "expirationTimestamp": rfc3339(end)});
    Ok(respond::value(StatusCode::CREATED, &asked))
}

fn gvk() -> Gvk {
    Gvk::new("authentication.k8s.io", "v1", "TokenRequest")
}

fn claims(call: &Call<'_>, account: &Value, asked: &Value) -> ApiResult<Claims> {
    let seconds = asked["spec"]["expirationSeconds"].as_i64().unwrap_or(SECONDS_DEFAULT);
    check(call, asked, seconds)?;
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
    let mut kubernetes = bound(call, account, &asked["spec"]["boundObjectRef"])?;
    let ours = audiences.iter().all(|audience| audience == ISSUER);
    let extended = ours && kubernetes.pod.is_some() && seconds == SECONDS_OF_PODS;
    kubernetes.warnafter = extended.then(|| now + seconds);
    Ok(Claims {
        aud: audiences,
        exp: now + if extended { SECONDS_EXTENDED } else { seconds },
        iat: now,
        iss: ISSUER.to_owned(),
        jti: uuid::Uuid::new_v4().to_string(),
        kubernetes,
        nbf: now,
        sub: format!("system:serviceaccount:{namespace}:{name}"),
    })
}

/// A life that is neither too short nor too long, and the account's own name where there is one.
fn check(call: &Call<'_>, asked: &Value, seconds: i64) -> ApiResult<()> {
    let mut errors = Vec::new();
    let mut bad = |path: &str, value: Value, detail: &str| {
        let (path, detail) = (path.to_owned(), detail.to_owned());
        errors.push(FieldError { path, kind: ErrorKind::Invalid, value, detail });
    };
    for (field, own) in [("name", call.name()), ("namespace", call.namespace())] {
        let given = meta(asked, field);
        if !given.is_empty() && given != own {
            let detail = format!("must match the service account {field} if specified");
            bad(&format!("metadata.{field}"), given.into(), &detail);
        }
    }
    let path = "spec.expirationSeconds";
    if seconds < SECONDS_MIN {
        bad(path, seconds.into(), "may not specify a duration less than 10 minutes");
    }
    if seconds > SECONDS_MAX {
        bad(path, seconds.into(), "may not specify a duration larger than 2^32 seconds");
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Status::invalid(&gvk(), "", errors).into()),
    }
}

fn bound(call: &Call<'_>, account: &Value, reference: &Value) -> ApiResult<Bound> {
    let mut bound = Bound {
        namespace: call.namespace().to_owned(),
        node: None,
        pod: None,
        secret: None,
        serviceaccount: Named {
            name: call.name().to_owned(),
            uid: meta(account, "uid").to_owned(),
        },
        warnafter: None,
    };
    let (version, kind) = (text(reference, "/apiVersion"), text(reference, "/kind"));
    let core = !version.contains('/');
    match kind {
        "" if version.is_empty() => {}
        "Pod" if core => {
            let pod = referred(call, "pods", reference)?;
            bound.node = node_of(call, &pod)?;
            bound.pod = Some(named(&pod));
        }
        "Secret" if core => bound.secret = Some(named(&referred(call, "secrets", reference)?)),
        "Node" if core => bound.node = Some(named(&referred(call, "nodes", reference)?)),
        _ => {
            let (group, version) = version.split_once('/').unwrap_or(("", version));
            return Err(ApiError::bad_request(format!(
                "cannot bind token to object of type {group}/{version}, Kind={kind}"
            )));
        }
    }
    Ok(bound)
}

fn named(object: &Value) -> Named {
    Named { name: meta(object, "name").to_owned(), uid: meta(object, "uid").to_owned() }
}

/// The node that a pod is on, once it is on one. The pod must be the account's.
fn node_of(call: &Call<'_>, pod: &Value) -> ApiResult<Option<Named>> {
    let account = text(pod, "/spec/serviceAccountName");
    if account != call.name() {
        return Err(ApiError::bad_request(format!(
            "cannot bind token for serviceaccount {:?} to pod running with serviceaccount {account:?}",
            call.name()
        )));
    }
    let name = text(pod, "/spec/nodeName");
    let uid = (!name.is_empty()).then(|| call.registry().uid_of("nodes", "", name)).flatten();
    Ok(uid.map(|uid| Named { name: name.to_owned(), uid }))
}

/// The object a token is bound to: it must be there, and be the one that is meant.
fn referred(call: &Call<'_>, plural: &str, reference: &Value) -> ApiResult<Value> {
    let kind = kinds::find("", "v1", plural).expect("these are in the table");
    let name = text(reference, "/name");
    let place = if kind.namespaced { call.namespace() } else { "" };
    let kv =
        call.registry().get(kind, place, name).ok_or_else(|| ApiError::not_found(kind, name))?;
    let object = call.registry().decode(&kv)?;
    let (wanted, uid) = (text(reference, "/uid"), meta(&object, "uid"));
    if !wanted.is_empty() && wanted != uid {
        let why = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
        );
        let resource = Resource::new("", &kind.kind);
        return Err(Status::conflict(resource, name, &why).into());
    }
    Ok(object)
}
