//! The audit log: who asked for what, and what came of it, as a policy file says.
//!
//! A request that is recorded carries its [`Record`] as a task-local value, so that whoever decides
//! something on its way can [`annotate`] it. Without an audit log nothing of this is paid for.
//! Source: Kubernetes, "Auditing" and the types of audit.k8s.io/v1.

mod attributes;
mod event;
mod policy;
mod record;
mod response;
mod sink;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use serde_json::{Value, json};

use self::attributes::Attributes;
use self::event::Stage;
pub use self::policy::{Policy, PolicyError};
use self::record::Record;
use self::sink::Sink;
pub use self::sink::{AuditFile, AuditTo, SinkError};
use crate::authz::Decision;
use crate::user::UserInfo;

/// The id of a request, in its headers and in its reply's.
const HEADER: HeaderName = HeaderName::from_static("audit-id");
/// Longer ids are not taken from clients.
const ID_BYTES_MAX: usize = 128;

tokio::task_local! {
    static CURRENT: Arc<Record>;
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) std::net::IpAddr);

/// An audit log that is being written.
pub struct AuditLog {
    policy: Policy,
    sink: Sink,
}

impl AuditLog {
    /// Begins to write what the policy asks for.
    pub fn start(policy: Policy, to: AuditTo) -> Result<Self, SinkError> {
        Ok(Self { policy, sink: Sink::start(to)? })
    }

    /// Waits until everything recorded so far is written, for so long at most. Blocks.
    pub fn flush(&self, limit: Duration) -> bool {
        self.sink.flush(limit)
    }

    /// The counters, in Prometheus' text format, by kube-apiserver's names.
    pub(crate) fn metrics(&self) -> String {
        self.sink.metrics()
    }

    fn emit(&self, record: &Record, stage: Stage, status: Option<Value>, object: Option<Value>) {
        if !record.plan.omits(stage) {
            self.sink.take(event::line(record, stage, status, object));
        }
    }
}

/// Notes something about the request of this task, under a key of its own; the first value stays. Does
/// nothing where the request is not recorded.
pub(crate) fn annotate(key: &str, value: impl Into<String>) {
    with(|record| record.annotate(key, value.into()));
}

/// Notes what the authorizer said.
pub(crate) fn decided(decision: &Decision) {
    with(|record| {
        let (word, reason) = match decision {
            Decision::Allow(reason) => ("allow", reason),
            Decision::Deny(reason) => ("forbid", reason),
        };
        record.decided(word, reason);
    });
}

/// Notes whom the user speaks for, and by which narrow right if it was one.
pub(crate) fn impersonated(user: &UserInfo, constraint: Option<String>) {
    with(|record| record.impersonated(user, constraint));
}

/// Notes the object that the request carries, as it was read.
pub(crate) fn request_object(object: &Value) {
    with(|record| record.request_object(object));
}

/// Notes the patch that the request carries.
pub(crate) fn patch(bytes: &[u8]) {
    with(|record| record.patch(bytes));
}

fn with(note: impl FnOnce(&Record)) {
    // An error means that this request is not recorded.
    let _ = CURRENT.try_with(|record| note(record));
}

/// The id of a request: the client's, or a new one.
pub(crate) fn id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(HEADER);
    let usable = |value: &&HeaderValue| {
        !value.is_empty() && value.len() <= ID_BYTES_MAX && value.to_str().is_ok()
    };
    given.filter(usable).cloned().unwrap_or_else(|| {
        let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string();
        HeaderValue::from_str(&id).expect("a UUID is plain text")
    })
}

/// Puts the id into a reply.
pub(crate) fn mark(response: &mut Response, id: HeaderValue) {
    response.headers_mut().insert(HEADER, id);
}

/// An answer, and what the handler said when it panicked instead.
pub(crate) type Answer = (Response, Option<String>);

/// Answers a request, and records it as the policy says.
pub(crate) async fn recorded<F>(
    log: &Arc<AuditLog>,
    id: &HeaderValue,
    request: Request<Body>,
    answer: impl FnOnce(Request<Body>) -> F,
) -> Response
where
    F: Future<Output = Answer>,
{
    let user = request.extensions().get::<UserInfo>().cloned().unwrap_or_else(UserInfo::anonymous);
    let attributes = Attributes::of(request.method(), request.uri());
    let Some(plan) = log.policy.plan(Some(&user), &attributes) else {
        return answer(request).await.0;
    };
    let record = Arc::new(Record::new(plan, id, &request, Some(user), attributes));
    log.emit(&record, Stage::RequestReceived, None, None);
    let (response, panic) = CURRENT.scope(record.clone(), answer(request)).await;
    match panic {
        None => response::record(log, record, response).await,
        Some(said) => {
            log.emit(&record, Stage::Panic, Some(panicked(&said)), None);
            response
        }
    }
}

fn panicked(said: &str) -> Value {
    json!({
        "metadata": {}, "status": "Failure", "message": format!("APIServer panic'd: {said}"),
        "reason": "InternalError", "code": 500,
    })
}

/// Records a request whose credentials were refused.
pub(crate) fn refused(log: &AuditLog, id: &HeaderValue, request: &Request<Body>, code: StatusCode) {
    let attributes = Attributes::of(request.method(), request.uri());
    let Some(plan) = log.policy.plan(None, &attributes) else { return };
    let record = Record::new(plan, id, request, None, attributes);
    let status = json!({
        "metadata": {}, "message": "Authentication failed, attempted: bearer", "code": code.as_u16(),
    });
    log.emit(&record, Stage::ResponseStarted, Some(status), None);
}

#[cfg(test)]
mod tests;
