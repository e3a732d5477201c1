//! Asks the authorizer about a request, and says no in upstream's words.

use super::{Call, Review};
use crate::audit;
use crate::authz::{Attributes, Decision};
use crate::error::{ApiError, ApiResult};
use crate::server::Shared;
use crate::subresources;
use crate::user::UserInfo;

/// May this be done to a kind's objects? `verb` follows from the method.
pub(super) fn object(call: &Call<'_>, verb: &str) -> ApiResult<()> {
    ask(call, verb)?;
    // A WebSocket begins with GET; who may only read enters no container.
    let streams = call.subresource.is_some_and(subresources::is_stream);
    if streams && verb == "get" { ask(call, "create") } else { Ok(()) }
}

fn ask(call: &Call<'_>, verb: &str) -> ApiResult<()> {
    let listed = listed_name(call, verb);
    let name = call.name.as_deref().or(listed.as_deref()).unwrap_or("");
    let attributes = Attributes {
        user: &call.user,
        verb,
        group: &call.kind.group,
        resource: &call.kind.plural,
        subresource: call.subresource.map_or("", |subresource| subresource.name()),
        namespace: call.place(),
        name,
        path: "",
    };
    match decide(&call.shared, &attributes) {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(reason) => {
            Err(ApiError::forbidden(call.kind, attributes.name, &denial(&attributes, &reason)))
        }
    }
}

fn decide(shared: &Shared, attributes: &Attributes<'_>) -> Decision {
    let decision = shared.authorizer.authorize(attributes);
    audit::decided(&decision);
    decision
}

/// The one name that a list or watch asks for, so that `resourceNames` hold for these too.
fn listed_name(call: &Call<'_>, verb: &str) -> Option<String> {
    if !matches!(verb, "list" | "watch" | "deletecollection") {
        return None;
    }
    let selector = call.query.get("fieldSelector")?;
    let terms = selector.split(',').filter_map(|term| term.split_once('='));
    let name = terms.map(|(field, value)| (field.trim(), value.trim_start_matches('=').trim()));
    let names: Vec<&str> =
        name.filter(|(field, _)| *field == "metadata.name").map(|(_, value)| value).collect();
    match names.as_slice() {
        [name] if !name.contains('\\') => Some((*name).to_owned()),
        _ => None,
    }
}

/// `User "u" cannot list resource "pods" in API group "" in the namespace "default"`.
pub(crate) fn denial(attributes: &Attributes<'_>, reason: &str) -> String {
    let mut resource = attributes.resource.to_owned();
    if !attributes.subresource.is_empty() {
        resource = format!("{resource}/{}", attributes.subresource);
    }
    let place = match attributes.namespace {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    let text = format!(
        "User {:?} cannot {} resource {resource:?} in API group {:?} {place}",
        attributes.user.name, attributes.verb, attributes.group
    );
    because(text, reason)
}

fn because(text: String, reason: &str) -> String {
    if reason.is_empty() { text } else { format!("{text}: {reason}") }
}

/// May this path be asked for?
pub(super) fn path(shared: &Shared, user: &UserInfo, verb: &str, path: &str) -> ApiResult<()> {
    let attributes = Attributes {
        user,
        verb,
        group: "",
        resource: "",
        subresource: "",
        namespace: "",
        name: "",
        path,
    };
    match decide(shared, &attributes) {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(_) => Err(ApiError::forbidden_path(&user.name, verb, path)),
    }
}

/// May this question be asked?
pub(super) fn review(
    shared: &Shared,
    user: &UserInfo,
    review: Review,
    namespace: &str,
) -> ApiResult<()> {
    let attributes = Attributes {
        user,
        verb: "create",
        group: review.group(),
        resource: review.plural(),
        subresource: "",
        namespace,
        name: "",
        path: "",
    };
    match decide(shared, &attributes) {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(reason) => Err(ApiError::forbidden_resource(
            review.plural(),
            review.group(),
            &denial(&attributes, &reason),
        )),
    }
}
