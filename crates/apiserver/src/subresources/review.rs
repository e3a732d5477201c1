//! Questions: who am I, whose is this token, may I, may somebody, what may I.

mod access;
mod selectors;
mod token;

use std::sync::Arc;

use api::{Gvk, fields};
use axum::body::Body;
use axum::response::Response;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::authz::Rule;
use crate::error::{ApiError, ApiResult};
use crate::media::Translation;
use crate::object::text;
use crate::request::Review;
use crate::server::Shared;
use crate::user::UserInfo;
use crate::verbs::now;
use crate::{body, negotiate, respond};

/// A question, where it is asked, and who asks.
pub(crate) struct Asked {
    pub(crate) review: Review,
    /// The namespace of its path, or empty.
    pub(crate) namespace: String,
    pub(crate) user: UserInfo,
}

/// Answers a review.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    asked: &Asked,
    request: Request<Body>,
) -> ApiResult<Response> {
    if request.method() != Method::POST {
        return Err(ApiError::method_not_allowed());
    }
    // An answer is no object of the store: it has no other form.
    let dialect = negotiate::plain(request.headers(), request.uri())?;
    let raw = body::read(request).await?;
    let gvk = Gvk::new(asked.review.group(), "v1", asked.review.kind());
    let mut object = body::any_object(&raw, &gvk, fields::FieldValidation::Ignore)?;
    if object["metadata"].is_null() {
        object["metadata"] = json!({});
    }
    object["status"] = match asked.review {
        Review::Identity => {
            object["metadata"]["creationTimestamp"] = now().into();
            json!({"userInfo": user_info(&asked.user)})
        }
        Review::Token => token::review(shared, &object).await?,
        Review::OwnRules => rules(shared, asked, text(&object, "/spec/namespace"))?,
        Review::OwnAccess => access::own(shared, asked, &object)?,
        Review::Access => access::of(shared, &object)?,
        Review::LocalAccess => access::local(shared, asked, &mut object)?,
    };
    let mut response = respond::value(StatusCode::CREATED, &object);
    response.extensions_mut().insert(Translation { dialect, gzip: false });
    Ok(response)
}

fn user_info(user: &UserInfo) -> Value {
    let mut info = json!({"username": user.name});
    if !user.uid.is_empty() {
        info["uid"] = user.uid.clone().into();
    }
    if !user.groups.is_empty() {
        info["groups"] = json!(user.groups);
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}

fn rules(shared: &Shared, asked: &Asked, namespace: &str) -> ApiResult<Value> {
    if namespace.is_empty() {
        return Err(ApiError::bad_request("no namespace on request"));
    }
    let found = shared.authorizer.rules(&asked.user, namespace);
    let (resources, paths): (Vec<&Rule>, Vec<&Rule>) =
        found.rules.iter().partition(|rule| rule.non_resource_urls.is_empty());
    let mut status = json!({
        "resourceRules": resources,
        "nonResourceRules": paths,
        "incomplete": found.incomplete,
    });
    if !found.error.is_empty() {
        status["evaluationError"] = found.error.into();
    }
    Ok(status)
}
