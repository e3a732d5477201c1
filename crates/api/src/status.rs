//! Kubernetes' `Status`: the body of every error, and of some successes, with upstream's texts.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::validation::{FieldError, invalid_message};
use crate::{Gvk, fields};

/// What an update that came too late is told.
pub const CONFLICT_ADVICE: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// A `Status` object. As an error it displays its message.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The HTTP status code.
    pub code: u16,
    /// The machine's word for it: `NotFound`; empty for success.
    pub reason: &'static str,
    /// The human's words.
    pub message: String,
    /// What it is about.
    pub details: Details,
    /// How a list may go on all the same; empty for none.
    pub continue_token: String,
}

/// `Status.details`; what is empty is left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Details {
    /// The object's name.
    pub name: String,
    /// The API group.
    pub group: String,
    /// The kind, or the resource where upstream says that: `pods`.
    pub kind: String,
    /// The object's uid.
    pub uid: String,
    /// What exactly is wrong.
    pub causes: Vec<Cause>,
    /// When it is worth trying again.
    pub retry_after_seconds: Option<u32>,
}

/// One of `Status.details.causes`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cause {
    /// The machine's word: `FieldValueInvalid`.
    pub reason: String,
    /// The human's words.
    pub message: String,
    /// The field; may be empty.
    pub field: String,
}

/// A resource by group and plural name: `deployments` of `apps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource<'a> {
    /// The API group.
    pub group: &'a str,
    /// The plural name.
    pub plural: &'a str,
}

impl<'a> Resource<'a> {
    /// From its two parts.
    pub fn new(group: &'a str, plural: &'a str) -> Self {
        Self { group, plural }
    }

    fn details(self, name: &str) -> Details {
        Details {
            name: name.to_owned(),
            group: self.group.to_owned(),
            kind: self.plural.to_owned(),
            ..Details::default()
        }
    }
}

/// `deployments.apps`.
impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plural)?;
        if self.group.is_empty() { Ok(()) } else { write!(f, ".{}", self.group) }
    }
}

impl From<FieldError> for Cause {
    fn from(error: FieldError) -> Self {
        let (reason, message) = (error.kind.reason().to_owned(), error.body());
        Self { reason, message, field: error.path }
    }
}

impl Status {
    /// A failure in so many words.
    pub fn failure(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        let (message, details) = (message.into(), Details::default());
        Self { code, reason, message, details, continue_token: String::new() }
    }

    fn about(mut self, details: Details) -> Self {
        self.details = details;
        self
    }

    /// The answer to a delete that is done.
    pub fn deleted(resource: Resource<'_>, name: &str, uid: &str) -> Self {
        let details = Details { uid: uid.to_owned(), ..resource.details(name) };
        let (message, continue_token) = (String::new(), String::new());
        Self { code: 200, reason: "", message, details, continue_token }
    }

    /// 404: there is no such object.
    pub fn not_found(resource: Resource<'_>, name: &str) -> Self {
        Self::failure(404, "NotFound", format!("{resource} {name:?} not found"))
            .about(resource.details(name))
    }

    /// 404: there is no such path.
    pub fn unknown_path() -> Self {
        Self::failure(404, "NotFound", "the server could not find the requested resource")
    }

    /// 409: a create of what is there.
    pub fn already_exists(resource: Resource<'_>, name: &str) -> Self {
        Self::failure(409, "AlreadyExists", format!("{resource} {name:?} already exists"))
            .about(resource.details(name))
    }

    /// 409: `why` the operation does not fit the present state.
    pub fn conflict(resource: Resource<'_>, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} {name:?}: {why}");
        Self::failure(409, "Conflict", message).about(resource.details(name))
    }

    /// 409: another writer was first.
    pub fn modified(resource: Resource<'_>, name: &str) -> Self {
        Self::conflict(resource, name, CONFLICT_ADVICE)
    }

    /// 409: server-side apply met other managers' fields.
    pub fn apply_conflict(message: impl Into<String>, causes: Vec<Cause>) -> Self {
        Self::failure(409, "Conflict", message).about(Details { causes, ..Details::default() })
    }

    /// 422: the object is not valid.
    pub fn invalid(gvk: &Gvk, name: &str, errors: Vec<FieldError>) -> Self {
        let message = invalid_message(gvk, name, &errors);
        Self::failure(422, "Invalid", message).about(Details {
            name: name.to_owned(),
            group: gvk.group.clone(),
            kind: gvk.kind.clone(),
            causes: errors.into_iter().map(Cause::from).collect(),
            ..Details::default()
        })
    }

    /// 400: the request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(400, "BadRequest", message)
    }

    /// 400: the body is not one of this kind.
    pub fn undecodable(gvk: &Gvk, error: &fields::DecodeError) -> Self {
        let Gvk { kind, version, .. } = gvk;
        Self::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: {error}"
        ))
    }

    /// 401: nobody knows the caller.
    pub fn unauthorized() -> Self {
        Self::failure(401, "Unauthorized", "Unauthorized")
    }

    /// 403: the caller may not, because of `why`.
    pub fn forbidden(resource: Resource<'_>, name: &str, why: &str) -> Self {
        let message = if name.is_empty() {
            format!("{resource} is forbidden: {why}")
        } else {
            format!("{resource} {name:?} is forbidden: {why}")
        };
        Self::failure(403, "Forbidden", message).about(resource.details(name))
    }

    /// 405: the resource does not have the verb.
    pub fn method_not_allowed(resource: Resource<'_>, verb: &str) -> Self {
        let message = format!("{verb} is not supported on resources of kind \"{resource}\"");
        Self::failure(405, "MethodNotAllowed", message).about(resource.details(""))
    }

    /// 406: no form that the client takes; `accepted` are those there are.
    pub fn not_acceptable(accepted: &[&str]) -> Self {
        let accepted = accepted.join(", ");
        let message = format!("only the following media types are accepted: {accepted}");
        Self::failure(406, "NotAcceptable", message)
    }

    /// 410: the resource version is older than what is kept.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::failure(410, "Expired", message)
    }

    /// 410: the thing is gone for good.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::failure(410, "Gone", message)
    }

    /// 413: the body is too long.
    pub fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::failure(413, "RequestEntityTooLarge", message)
    }

    /// 415: a body of unknown form; `accepted` are those that are known.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let accepted = accepted.join(", ");
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: \
             {accepted}"
        );
        Self::failure(415, "UnsupportedMediaType", message)
    }

    /// 429: not now; `retry_after_seconds` says when.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        let retry_after_seconds = Some(retry_after_seconds);
        Self::failure(429, "TooManyRequests", message)
            .about(Details { retry_after_seconds, ..Details::default() })
    }

    /// 500: something broke; the words are seen by the client, so keep internals out.
    pub fn internal(why: impl fmt::Display) -> Self {
        let cause = Cause { reason: String::new(), message: why.to_string(), field: String::new() };
        Self::failure(500, "InternalError", format!("Internal error occurred: {why}"))
            .about(Details { causes: vec![cause], ..Details::default() })
    }

    /// 503: not ready to serve.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::failure(503, "ServiceUnavailable", message)
    }

    /// 500: the server could not finish the verb in time, trying again may help.
    pub fn server_timeout(resource: Resource<'_>, verb: &str, retry_after_seconds: u32) -> Self {
        let message = format!(
            "The {verb} operation against {resource} could not be completed at this time, please \
             try again."
        );
        let retry_after_seconds = Some(retry_after_seconds);
        Self::failure(500, "ServerTimeout", message)
            .about(Details { retry_after_seconds, ..resource.details("") })
    }

    /// 504: the request took too long.
    pub fn timeout(message: impl fmt::Display) -> Self {
        Self::failure(504, "Timeout", format!("Timeout: {message}"))
    }

    /// The JSON object.
    pub fn to_value(&self) -> Value {
        let failed = self.code >= 400;
        let mut value = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": if failed { "Failure" } else { "Success" },
        });
        for (field, text) in [("message", self.message.as_str()), ("reason", self.reason)] {
            if !text.is_empty() {
                value[field] = text.into();
            }
        }
        let details = self.details.to_value();
        if !details.is_empty() {
            value["details"] = Value::Object(details);
        }
        if !self.continue_token.is_empty() {
            value["metadata"]["continue"] = self.continue_token.as_str().into();
        }
        if failed {
            value["code"] = self.code.into();
        }
        value
    }
}

impl Details {
    fn to_value(&self) -> Map<String, Value> {
        let mut value = Map::new();
        let texts = [
            ("name", &self.name),
            ("group", &self.group),
            ("kind", &self.kind),
            ("uid", &self.uid),
        ];
        for (field, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            value.insert(field.to_owned(), text.as_str().into());
        }
        if !self.causes.is_empty() {
            let causes = self.causes.iter().map(Cause::to_value).collect();
            value.insert("causes".to_owned(), Value::Array(causes));
        }
        if let Some(seconds) = self.retry_after_seconds {
            value.insert("retryAfterSeconds".to_owned(), seconds.into());
        }
        value
    }
}

impl Cause {
    fn to_value(&self) -> Value {
        let fields = [("reason", &self.reason), ("message", &self.message), ("field", &self.field)];
        fields
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(field, text)| (field.to_owned(), Value::from(text.as_str())))
            .collect()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests;
