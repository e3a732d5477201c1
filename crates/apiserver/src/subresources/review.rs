//! Questions a client asks about itself: who am I, may I, what may I.

use std::sync::Arc;

use api::{Gvk, fields};
use axum::body::Body;
use axum::response::Response;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::authz::{Attributes, Decision, Rule};
use crate::error::{ApiError, ApiResult};
use crate::object::text;
use crate::request::Review;
use crate::server::Shared;
use crate::user::UserInfo;
use crate::verbs::now;
use crate::{body, respond};

/// Answers a review.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    user: &UserInfo,
    review: Review,
    request: Request<Body>,
) -> ApiResult<Response> {
    if request.method() != Method::POST {
        return Err(ApiError::method_not_allowed());
    }
    let raw = body::read(request).await?;
    let gvk = Gvk::new(review.group(), "v1", review.kind());
    let mut object = body::any_object(&raw, &gvk, fields::FieldValidation::Ignore)?;
    object["metadata"] = json!({"creationTimestamp": now()});
    object["status"] = match review {
        Review::Identity => json!({"userInfo": user_info(user)}),
        Review::Access => access(shared, user, &object["spec"])?,
        Review::Rules => rules(shared, user, text(&object, "/spec/namespace")),
    };
    Ok(respond::value(StatusCode::CREATED, &object))
}

fn user_info(user: &UserInfo) -> Value {
    let mut info = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        info["uid"] = user.uid.clone().into();
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}

fn access(shared: &Shared, user: &UserInfo, spec: &Value) -> ApiResult<Value> {
    let resource = &spec["resourceAttributes"];
    let path = &spec["nonResourceAttributes"];
    if resource.is_null() == path.is_null() {
        return Err(ApiError::bad_request(
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        ));
    }
    let asked = if path.is_null() { resource } else { path };
    let attributes = Attributes {
        user,
        verb: text(asked, "/verb"),
        group: text(resource, "/group"),
        resource: text(resource, "/resource"),
        subresource: text(resource, "/subresource"),
        namespace: text(resource, "/namespace"),
        name: text(resource, "/name"),
        path: text(path, "/path"),
    };
    Ok(match shared.authorizer.authorize(&attributes) {
        Decision::Allow => json!({"allowed": true}),
        Decision::Deny(reason) if reason.is_empty() => json!({"allowed": false}),
        Decision::Deny(reason) => json!({"allowed": false, "reason": reason}),
    })
}

fn rules(shared: &Shared, user: &UserInfo, namespace: &str) -> Value {
    let all = shared.authorizer.rules(user, namespace);
    let (paths, resources): (Vec<&Rule>, Vec<&Rule>) =
        all.iter().partition(|rule| rule.resources.is_empty());
    let resources: Vec<Value> = resources
        .into_iter()
        .map(|rule| {
            let named: Vec<&str> =
                rule.resources.iter().map(|name| if *name == "**" { "*" } else { name }).collect();
            json!({"verbs": rule.verbs, "apiGroups": rule.groups, "resources": named})
        })
        .collect();
    let paths: Vec<Value> = paths
        .into_iter()
        .map(|rule| json!({"verbs": rule.verbs, "nonResourceURLs": rule.paths}))
        .collect();
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}
