//! Errors as clients see them: `Status` objects, given as HTTP replies.

use api::status::{Cause, Status};
use api::validation::ErrorKind;
use api::{FieldError, Gvk};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use crate::kinds::Kind;
use crate::media::Refusal;

/// A refusal, ready to be a `Status` object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError(Box<Status>);

pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl From<Status> for ApiError {
    fn from(status: Status) -> Self {
        Self(Box::new(status))
    }
}

impl ApiError {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Status::failure(code, reason, message).into()
    }

    pub(crate) fn status(&self) -> &Status {
        &self.0
    }

    pub(crate) fn code(&self) -> u16 {
        self.0.code
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        Status::not_found(kind.resource(), name).into()
    }

    /// No such object of a kind that is not stored.
    pub(crate) fn no_such_object(resource: &str, group: &str, name: &str) -> Self {
        Status::not_found(api::status::Resource::new(group, resource), name).into()
    }

    /// No such path or resource.
    pub(crate) fn no_such_path() -> Self {
        Status::unknown_path().into()
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        Status::already_exists(kind.resource(), name).into()
    }

    /// A generated name was taken every time.
    pub(crate) fn generated_names_taken(kind: &Kind, name: &str) -> Self {
        let mut status = Status::already_exists(kind.resource(), name);
        status
            .message
            .push_str(", the server was not able to generate a unique name for the object");
        status.details.retry_after_seconds = Some(1);
        status.into()
    }

    pub(crate) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        Status::conflict(kind.resource(), name, why).into()
    }

    /// The same where upstream names the kind, not the resource.
    pub(crate) fn conflict_of_kind(kind: &Kind, name: &str, why: &str) -> Self {
        let gvk = kind.gvk();
        Status::conflict(api::status::Resource::new(&gvk.group, &gvk.kind), name, why).into()
    }

    /// Somebody else wrote in between.
    pub(crate) fn modified(kind: &Kind, name: &str) -> Self {
        Status::modified(kind.resource(), name).into()
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, errors: Vec<FieldError>) -> Self {
        Status::invalid(&kind.gvk(), name, errors).into()
    }

    /// A field that no write may change.
    pub(crate) fn immutable(
        kind: &Kind,
        name: &str,
        path: &str,
        value: &serde_json::Value,
    ) -> Self {
        let (path, detail) = (path.to_owned(), "field is immutable".to_owned());
        let error = FieldError { path, kind: ErrorKind::Invalid, value: value.clone(), detail };
        Self::invalid(kind, name, vec![error])
    }

    /// A 422 about the options of a request.
    pub(crate) fn invalid_options(kind: &str, errors: Vec<FieldError>) -> Self {
        Status::invalid(&Gvk::new("meta.k8s.io", "v1", kind), "", errors).into()
    }

    /// A 422 about a patch that makes no object of its kind; as upstream, it names no kind.
    pub(crate) fn invalid_patch(shown: String, why: String) -> Self {
        let error = FieldError {
            path: "patch".to_owned(),
            kind: ErrorKind::Invalid,
            value: shown.into(),
            detail: why,
        };
        Status::invalid(&Gvk::new("", "", ""), "", vec![error]).into()
    }

    pub(crate) fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        Status::forbidden(kind.resource(), name, why).into()
    }

    /// The authorizer said no to a resource that is no stored kind.
    pub(crate) fn forbidden_resource(plural: &str, group: &str, why: &str) -> Self {
        Self::new(403, "Forbidden", format!("{plural}.{group} is forbidden: {why}"))
    }

    /// The authorizer said no to a part of a user.
    pub(crate) fn forbidden_part(resource: &str, group: &str, name: &str, why: &str) -> Self {
        Status::forbidden(api::status::Resource::new(group, resource), name, why).into()
    }

    /// The authorizer said no to a path.
    pub(crate) fn forbidden_path(user: &str, verb: &str, path: &str) -> Self {
        let message = format!("forbidden: User {user:?} cannot {verb} path {path:?}");
        Self::new(403, "Forbidden", message)
    }

    /// New content in a namespace that is being deleted.
    pub(crate) fn namespace_terminating(kind: &Kind, name: &str, namespace: &str) -> Self {
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let mut status = Status::forbidden(kind.resource(), name, &why);
        status.details.causes.push(Cause {
            reason: "NamespaceTerminating".to_owned(),
            message: format!("namespace {namespace} is being terminated"),
            field: "metadata.namespace".to_owned(),
        });
        status.into()
    }

    pub(crate) fn unauthorized() -> Self {
        Status::unauthorized().into()
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Status::bad_request(message).into()
    }

    /// A patch that does not fit its object.
    pub(crate) fn unprocessable() -> Self {
        Self::new(422, "Invalid", "the server rejected our request due to an error in our request")
    }

    /// An update that must say which version it changes. As upstream, it names the resource.
    pub(crate) fn unconditional(kind: &Kind, name: &str) -> Self {
        let error = FieldError {
            path: "metadata.resourceVersion".to_owned(),
            kind: ErrorKind::Invalid,
            value: 0.into(),
            detail: "must be specified for an update".to_owned(),
        };
        let gvk = kind.gvk();
        Status::invalid(&Gvk::new(&gvk.group, &gvk.version, &*kind.plural), name, vec![error])
            .into()
    }

    /// A verb that custom objects do not have.
    pub(crate) fn verb_not_supported(kind: &Kind, verb: &str) -> Self {
        Status::method_not_allowed(kind.resource(), verb).into()
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message)
    }

    /// A custom object that does not say how many it wants.
    pub(crate) fn not_scalable(path: &str) -> Self {
        Status::internal(format!("the spec replicas field {path:?} does not exist")).into()
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Status::too_large(limit).into()
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Status::expired(message).into()
    }

    /// A list's snapshot is no more; `token` leads on through what is there now.
    pub(crate) fn list_expired(token: String) -> Self {
        let mut status = Status::expired(
            "The provided continue parameter is too old to display a consistent list result. \
             You can start a new list without the continue parameter, or use the continue token \
             in this response to retrieve the remainder of the results. Continuing with the \
             provided token results in an inconsistent list - objects that were created, \
             modified, or deleted between the time the first chunk was returned and now may \
             show up in the list.",
        );
        status.continue_token = token;
        status.into()
    }

    /// A revision that this server has not reached yet.
    pub(crate) fn revision_too_large(wanted: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {wanted}, current: {current}");
        let mut status = Status::timeout(message);
        status.details.causes.push(Cause {
            reason: "ResourceVersionTooLarge".to_owned(),
            message: "Too large resource version".to_owned(),
            field: String::new(),
        });
        status.details.retry_after_seconds = Some(1);
        status.into()
    }

    /// Writers keep getting in each other's way.
    pub(crate) fn contention(kind: &Kind, verb: &str) -> Self {
        Status::server_timeout(kind.resource(), verb, 1).into()
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Status::unavailable(message).into()
    }

    /// What failed somewhere else, for which there is no word.
    pub(crate) fn unknown(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// Our own fault, found by nobody yet.
    pub(crate) fn panicked() -> Self {
        Status::internal("the request failed inside the server").into()
    }

    /// Our own fault: the cause goes to the log, the client learns only that it failed.
    pub(crate) fn internal(what: &str, cause: &dyn std::error::Error) -> Self {
        tracing::error!(what, cause = %Chain(cause), "request failed inside the server");
        Status::internal(what).into()
    }
}

/// An error with all its causes on one line.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (code, self.0.to_value().to_string()).into_response();
        response.extensions_mut().insert(Refusal);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        if let Some(seconds) = self.0.details.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<store::WriteError> for ApiError {
    fn from(error: store::WriteError) -> Self {
        match &error {
            store::WriteError::Full => Self::new(
                507,
                "InsufficientStorage",
                "the server's disk is full: free some space; reading still works",
            ),
            store::WriteError::TooLarge => Self::too_large(store::TXN_BYTES_MAX),
            store::WriteError::Closed => Self::unavailable("the server is shutting down"),
            store::WriteError::Unavailable => Self::unavailable(
                "the external store does not answer: reading still works, and whether this was \
                 written shows when it answers again",
            ),
            store::WriteError::Deposed => {
                Self::unavailable("another server leads on the external store: this one ends")
            }
            _ => Self::internal("the write could not be made durable", &error),
        }
    }
}
