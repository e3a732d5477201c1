//! One line of the log: an Event of audit.k8s.io/v1, its fields in upstream's order.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::attributes::Attributes;
use super::record::{ObjectMeta, Record};
use crate::user::UserInfo;

/// A longer line loses its objects, and says so.
pub(super) const LINE_BYTES_MAX: usize = 10 << 20;
const TRUNCATED: &str = "audit.k8s.io/truncated";

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing has been done yet.
    RequestReceived,
    /// The reply's head is there; only where its body lasts.
    ResponseStarted,
    /// All is said.
    ResponseComplete,
    /// The handler failed.
    Panic,
}

impl Stage {
    pub(super) const ALL: [Self; 4] =
        [Self::RequestReceived, Self::ResponseStarted, Self::ResponseComplete, Self::Panic];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RequestReceived => "RequestReceived",
            Self::ResponseStarted => "ResponseStarted",
            Self::ResponseComplete => "ResponseComplete",
            Self::Panic => "Panic",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthenticationMetadata<'a> {
    impersonation_constraint: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    kind: &'static str,
    api_version: &'static str,
    level: &'static str,
    #[serde(rename = "auditID")]
    audit_id: &'a str,
    stage: &'static str,
    #[serde(rename = "requestURI")]
    request_uri: &'a str,
    verb: &'a str,
    user: User<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    impersonated_user: Option<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authentication_metadata: Option<AuthenticationMetadata<'a>>,
    #[serde(rename = "sourceIPs", skip_serializing_if = "<[String]>::is_empty")]
    source_ips: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    user_agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_ref: Option<ObjectReference<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_object: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_object: Option<&'a Value>,
    request_received_timestamp: String,
    stage_timestamp: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct User<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    username: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    groups: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<&'a BTreeMap<String, Vec<String>>>,
}

impl<'a> User<'a> {
    fn of(user: &'a UserInfo) -> Self {
        let extra = Some(&user.extra).filter(|extra| !extra.is_empty());
        Self { username: &user.name, uid: &user.uid, groups: &user.groups, extra }
    }

    /// Who showed credentials that were refused.
    const NOBODY: User<'static> = User { username: "", uid: "", groups: &[], extra: None };
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectReference<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    resource: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_group: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    resource_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    subresource: &'a str,
}

impl<'a> ObjectReference<'a> {
    /// What the URL leaves open, the object tells.
    fn of(asked: &'a Attributes, object: &'a ObjectMeta) -> Self {
        let or = |first: &'a str, second: &'a str| if first.is_empty() { second } else { first };
        Self {
            resource: &asked.resource,
            namespace: or(&asked.namespace, &object.namespace),
            name: or(&asked.name, &object.name),
            uid: &object.uid,
            api_group: &asked.group,
            api_version: &asked.version,
            resource_version: &object.resource_version,
            subresource: &asked.subresource,
        }
    }
}

/// Microseconds, as upstream's MicroTime.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// The line of a stage, with its end.
pub(super) fn line(
    record: &Record,
    stage: Stage,
    status: Option<Value>,
    object: Option<Value>,
) -> Vec<u8> {
    let mut noted = record.noted();
    let now = if stage == Stage::RequestReceived { record.received } else { Timestamp::now() };
    let mut objects = (noted.request_object.take(), object);
    let mut line = write(record, &noted, (stage, now), status.clone(), &objects);
    if line.len() > LINE_BYTES_MAX {
        objects = (None, None);
        noted.annotations.insert(TRUNCATED.to_owned(), "true".to_owned());
        line = write(record, &noted, (stage, now), status, &objects);
    }
    // Later stages tell it again.
    noted.request_object = objects.0;
    line
}

fn write(
    record: &Record,
    noted: &super::record::Noted,
    (stage, now): (Stage, Timestamp),
    response_status: Option<Value>,
    (request_object, response_object): &(Option<Value>, Option<Value>),
) -> Vec<u8> {
    let asked = &record.attributes;
    let event = Event {
        kind: "Event",
        api_version: "audit.k8s.io/v1",
        level: record.plan.level.name(),
        audit_id: &record.id,
        stage: stage.name(),
        request_uri: &record.request_uri,
        verb: &asked.verb,
        user: record.user.as_ref().map_or(User::NOBODY, User::of),
        impersonated_user: noted.impersonated.as_ref().map(User::of),
        authentication_metadata: noted
            .constraint
            .as_deref()
            .map(|impersonation_constraint| AuthenticationMetadata { impersonation_constraint }),
        source_ips: &record.source_ips,
        user_agent: &record.user_agent,
        object_ref: asked.is_resource.then(|| ObjectReference::of(asked, &noted.object)),
        response_status,
        request_object: request_object.as_ref(),
        response_object: response_object.as_ref(),
        request_received_timestamp: time(record.received),
        stage_timestamp: time(now),
        annotations: &noted.annotations,
    };
    let mut line = serde_json::to_vec(&event).expect("an event is JSON");
    line.push(b'\n');
    line
}
