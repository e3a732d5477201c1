//! Lets a request take its seat before it is looked at any further.

use std::sync::Arc;

use axum::response::Response;

use super::{Call, Review};
use crate::authz::Attributes;
use crate::error::ApiResult;
use crate::registry::Registry;
use crate::server::Shared;
use crate::user::UserInfo;

/// So many objects of a list take one seat, as upstream.
const OBJECTS_PER_SEAT: usize = 100;

/// Does the work when there is a seat; its answer says how the request was sorted.
pub(super) async fn take(
    shared: &Arc<Shared>,
    asked: &Attributes<'_>,
    width: u32,
    work: impl Future<Output = ApiResult<Response>>,
) -> ApiResult<Response> {
    match shared.flow_control.admit(asked, width).await {
        Ok(seat) => Ok(seat.mark(work.await)),
        Err(refused) => Ok(refused.into_response()),
    }
}

const NOTHING: Attributes<'static> = Attributes {
    user: &NOBODY,
    verb: "",
    group: "",
    resource: "",
    subresource: "",
    namespace: "",
    name: "",
    path: "",
    fields: &[],
};

const NOBODY: UserInfo = UserInfo {
    name: String::new(),
    uid: String::new(),
    groups: Vec::new(),
    extra: std::collections::BTreeMap::new(),
};

pub(super) fn of_path<'a>(user: &'a UserInfo, verb: &'a str, path: &'a str) -> Attributes<'a> {
    Attributes { user, verb, path, ..NOTHING }
}

pub(super) fn of_review<'a>(
    user: &'a UserInfo,
    review: Review,
    namespace: &'a str,
) -> Attributes<'a> {
    let (group, resource) = (review.group(), review.plural());
    Attributes { user, verb: "create", group, resource, namespace, ..NOTHING }
}

pub(super) fn of_object<'a>(call: &'a Call<'_>, verb: &'a str) -> Attributes<'a> {
    Attributes {
        user: &call.user,
        verb,
        group: &call.kind.group,
        resource: &call.kind.plural,
        subresource: call.subresource.map_or("", |subresource| subresource.name()),
        namespace: call.place(),
        name: call.name(),
        path: "",
        fields: &[],
    }
}

/// How many seats it takes: a long list is more work than anything else.
pub(super) fn width(call: &Call<'_>, verb: &str) -> u32 {
    let begins_with_all = || call.query.flag("sendInitialEvents").unwrap_or(false);
    if verb != "list" && !(verb == "watch" && begins_with_all()) {
        return 1;
    }
    let limit = call.query.number("limit").ok().flatten();
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    if limit.is_some_and(|limit| limit <= OBJECTS_PER_SEAT) {
        return 1;
    }
    let range = Registry::range(call.kind, call.namespace.as_deref());
    let count = call.registry().store.count(&range);
    let count = limit.map_or(count, |limit| limit.min(count));
    u32::try_from(count.div_ceil(OBJECTS_PER_SEAT)).unwrap_or(u32::MAX)
}
