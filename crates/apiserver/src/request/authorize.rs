//! Asks the authorizer about a request, and says no in upstream's words.

use api::selector::field::equalities;

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

/// May this request make an object where it finds none?
pub(crate) fn may_create(call: &Call<'_>) -> ApiResult<()> {
    ask(call, "create")
}

fn ask(call: &Call<'_>, verb: &str) -> ApiResult<()> {
    let fields = selected_fields(call, verb);
    let name = call.name.as_deref().or_else(|| listed_name(&fields)).unwrap_or("");
    let attributes = Attributes {
        user: &call.user,
        verb,
        group: &call.kind.group,
        resource: &call.kind.plural,
        subresource: call.subresource.map_or("", |subresource| subresource.name()),
        namespace: call.place(),
        name,
        path: "",
        fields: &fields,
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

/// The values that a list or watch asks certain fields to have.
fn selected_fields(call: &Call<'_>, verb: &str) -> Vec<(String, String)> {
    if !matches!(verb, "list" | "watch" | "deletecollection") {
        return Vec::new();
    }
    equalities(call.query.get("fieldSelector").unwrap_or_default())
}

/// The one name that is asked for, so that `resourceNames` hold for lists and watches too.
pub(crate) fn listed_name(fields: &[(String, String)]) -> Option<&str> {
    let mut names = fields.iter().filter(|(field, _)| field == "metadata.name");
    match (names.next(), names.next()) {
        (Some((_, name)), None) => Some(name),
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
        fields: &[],
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
        fields: &[],
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
