//! One shape for every error a service answers with.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use serde_json::Value;

/// How errors are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorFormat {
    /// `{"code": …, "message": …, "data": …}` as `application/json`.
    #[default]
    Envelope,
    /// RFC 9457: `{"type", "title", "status", "detail", "code", …}` as `application/problem+json`.
    Problem,
}

/// An error answered to a client. What it was caused by goes to the log and not to the client.
#[derive(Clone, Debug)]
pub struct Error {
    status: StatusCode,
    code: Cow<'static, str>,
    message: String,
    data: Option<Value>,
    cause: Option<String>,
}

impl Error {
    /// An error of any status. `code` is for programs and never changes, `message` for people.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self { status, code: code.into(), message: message.into(), data: None, cause: None }
    }

    /// 400: the request cannot be right.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 404: there is no such thing.
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 409: the thing is not in a state for this.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 503: something this service needs does not answer; the client may try again.
    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    /// 500: the service's own fault. The client learns no more than that.
    pub fn internal(cause: &dyn std::error::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error").caused_by(cause)
    }

    /// Adds details for the client.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// Adds what the log should say of the cause.
    #[must_use]
    pub fn caused_by(mut self, cause: &dyn std::error::Error) -> Self {
        self.cause = Some(crate::log::chain(cause));
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The code for programs.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What the log should say of the cause.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The error written in a format.
    pub fn render(&self, format: ErrorFormat) -> Response {
        let (body, media_type) = match format {
            ErrorFormat::Envelope => (self.envelope(), "application/json"),
            ErrorFormat::Problem => (self.problem(), "application/problem+json"),
        };
        let media_type = HeaderValue::from_static(media_type);
        (self.status, [(CONTENT_TYPE, media_type)], body).into_response()
    }

    fn envelope(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Envelope<'a> {
            code: &'a str,
            message: &'a str,
            data: &'a Option<Value>,
        }
        json(&Envelope { code: &self.code, message: &self.message, data: &self.data })
    }

    fn problem(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Problem<'a> {
            r#type: &'static str,
            title: &'a str,
            status: u16,
            detail: &'a str,
            code: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: &'a Option<Value>,
        }
        json(&Problem {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.message,
            code: &self.code,
            data: &self.data,
        })
    }
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("texts, numbers and JSON values always serialise")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Error {}

impl IntoResponse for Error {
    /// An envelope; the service that serves it may write it anew in its own format.
    fn into_response(self) -> Response {
        let mut response = self.render(ErrorFormat::Envelope);
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn check(format: ErrorFormat, media_type: &str, expected: Value) {
        let error = Error::not_found("no_order", "there is no order 7").with_data(json!({"id": 7}));
        let response = error.caused_by(&std::fmt::Error).render(format);
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()[CONTENT_TYPE], media_type);
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
    }

    #[tokio::test]
    async fn an_error_is_an_envelope_or_a_problem_and_keeps_its_cause_to_itself() {
        let data = json!({"id": 7});
        let envelope = json!({"code": "no_order", "message": "there is no order 7", "data": data});
        check(ErrorFormat::Envelope, "application/json", envelope).await;
        let problem = json!({"type": "about:blank", "title": "Not Found", "status": 404,
            "detail": "there is no order 7", "code": "no_order", "data": data});
        check(ErrorFormat::Problem, "application/problem+json", problem).await;
    }
}
