//! The one way in: path, user, authorization, dispatch.

mod authorize;
mod call;
mod deadline;
mod path;
mod review;
mod turns;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::WARNING;
use http::{HeaderValue, Method, Request};

pub(crate) use self::authorize::{denial, listed_name, may_create};
pub(crate) use self::call::Call;
use self::path::Target;
pub(crate) use self::path::unescape;
pub(crate) use self::review::Review;
use crate::authn::impersonation;
use crate::error::{ApiError, ApiResult};
use crate::kinds::notes;
use crate::options::Query;
use crate::server::Shared;
use crate::user::UserInfo;
use crate::{aggregation, audit, computed, discovery, negotiate, subresources, verbs, webhooks};

/// More warnings than this are not sent with one reply.
const WARNINGS_MAX: usize = 50;

/// Answers one request.
pub(crate) async fn handle(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let id = audit::id(request.headers());
    let mut response = match shared.audit.get().cloned() {
        Some(log) => {
            audit::recorded(&log, &id, request, |request| answer_safely(shared, request)).await
        }
        None => answer_safely(shared, request).await.0,
    };
    audit::mark(&mut response, id);
    response
}

/// A fault in one request must not end the others of its connection.
async fn answer_safely(shared: Arc<Shared>, request: Request<Body>) -> audit::Answer {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = AssertUnwindSafe(answer(shared, request)).catch_unwind().await;
    let (response, panic) = match answered {
        Ok(answer) => (answer.unwrap_or_else(|error| error.into_response()), None),
        Err(panic) => {
            tracing::error!(%method, path, "request panicked");
            (ApiError::panicked().into_response(), Some(said(&*panic)))
        }
    };
    tracing::debug!(
        %method,
        path,
        code = response.status().as_u16(),
        micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        "request"
    );
    (response, panic)
}

/// The words of a panic.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Reads a path for a fuzzer, which looks at nothing but that it is read.
pub(crate) fn read_path(kinds: &crate::kinds::Served, path: &str) {
    let _ = path::parse(kinds, path);
}

async fn answer(shared: Arc<Shared>, request: Request<Body>) -> ApiResult<Response> {
    let deadline = deadline::of(request.uri())?;
    let user = request.extensions().get::<UserInfo>().cloned().unwrap_or_else(UserInfo::anonymous);
    let about = || aggregation::Asked::read(request.method(), request.uri());
    let user = impersonation::effective(&*shared.authorizer, user, request.headers(), about)?;
    let extensions = shared.registry.extensions();
    if let Some(extension) = extensions.at(request.uri().path()) {
        let asked = aggregation::Asked::read(request.method(), request.uri())?;
        let asked = asked.attributes(&user);
        let work = aggregation::answer(&shared, extension, &asked, request);
        return turns::take(&shared, &asked, 1, work).await;
    }
    if computed::concerns(request.uri().path())
        && let asked = aggregation::Asked::read(request.method(), request.uri())?
        && let Some(kind) = computed::at(request.uri().path(), asked.resource())
    {
        let asked = asked.attributes(&user);
        let work = computed::answer(&shared, kind, &asked, request);
        return turns::take(&shared, &asked, 1, work).await;
    }
    let kinds = shared.registry.kinds();
    match path::parse(&kinds, request.uri().path())? {
        Target::Path => {
            let verb = request.method().as_str().to_lowercase();
            let path = request.uri().path().to_owned();
            let asked = turns::of_path(&user, &verb, &path);
            turns::take(&shared, &asked, 1, async {
                // Owned here: a body cannot be shared between threads.
                let request = request;
                authorize::path(&shared, &user, &verb, &path)?;
                if let Some(extension) = extensions.documented_at(&path) {
                    let asked = request.into_parts().0;
                    return Ok(aggregation::document(&shared, extension, asked).await);
                }
                discovery::answer(&shared, &kinds, &extensions, &request)
            })
            .await
        }
        Target::Review(review, namespace) => {
            let asked = subresources::review::Asked { review, namespace, user };
            let turn = turns::of_review(&asked.user, review, &asked.namespace);
            turns::take(&shared, &turn, 1, async {
                authorize::review(&shared, &asked.user, review, &asked.namespace)?;
                subresources::review::answer(&shared, &asked, request).await
            })
            .await
        }
        Target::Object(target) => {
            let query = Query::parse(request.uri())?.of_method(request.method());
            let format = negotiate::format(request.headers());
            let call = Call::new(shared, target, user, query, format, request.headers());
            let verb = verb_of(&call, request.method())?;
            let work = answer_object(&call, verb, request);
            if call.subresource.is_some_and(subresources::is_long) {
                return work.await;
            }
            let asked = turns::of_object(&call, verb);
            let work = turns::take(&call.shared, &asked, turns::width(&call, verb), work);
            // A watch ends in other ways.
            deadline::keep(deadline.filter(|_| verb != "watch"), work).await
        }
    }
}

async fn answer_object(call: &Call<'_>, verb: &str, request: Request<Body>) -> ApiResult<Response> {
    authorize::object(call, verb)?;
    notes::warn_of_kind(call);
    let answered = dispatch(call, verb, request).await;
    // A refusal comes with what was said before it.
    let mut response = answered.unwrap_or_else(|error| error.into_response());
    add_warnings(call, &mut response);
    Ok(response)
}

/// The verb as rules name it.
fn verb_of(call: &Call<'_>, method: &Method) -> ApiResult<&'static str> {
    if let Some(subresource) = call.subresource
        && subresources::is_stream(subresource)
    {
        return match *method {
            Method::GET => Ok("get"),
            Method::POST => Ok("create"),
            _ => Err(ApiError::method_not_allowed()),
        };
    }
    let named = call.name.is_some();
    // Upstream has no word for the others; whoever may do everything may do these.
    if call.subresource.is_some_and(subresources::is_proxy) {
        return Ok(match *method {
            Method::GET | Method::HEAD => "get",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ => "",
        });
    }
    match *method {
        Method::GET if call.watch => Ok("watch"),
        _ if call.watch => Err(ApiError::method_not_allowed()),
        Method::GET | Method::HEAD if call.query.flag("watch")? && call.subresource.is_none() => {
            Ok("watch")
        }
        Method::GET | Method::HEAD if named => Ok("get"),
        Method::GET | Method::HEAD => Ok("list"),
        Method::POST => Ok("create"),
        Method::PUT if named => Ok("update"),
        Method::PATCH if named => Ok("patch"),
        Method::DELETE if named => Ok("delete"),
        Method::DELETE => Ok("deletecollection"),
        _ => Err(ApiError::method_not_allowed()),
    }
}

/// The work of a verb, in the heap: what it needs while it waits is large, and no stack is to hold
/// that of all verbs.
fn dispatch<'c>(
    call: &'c Call<'_>,
    verb: &'c str,
    request: Request<Body>,
) -> BoxFuture<'c, ApiResult<Response>> {
    if let Some(subresource) = call.subresource {
        return Box::pin(async move {
            webhooks::connect(call, subresource).await?;
            subresources::answer(call, subresource, verb, request).await
        });
    }
    match (verb, call.name.is_some()) {
        ("get", _) => Box::pin(verbs::get::answer(call)),
        ("list", _) => Box::pin(verbs::list::answer(call)),
        ("watch", _) => Box::pin(verbs::watch::answer(call)),
        ("create", false) => Box::pin(verbs::create::answer(call, request)),
        ("update", _) => Box::pin(verbs::update::answer(call, request)),
        ("patch", _) => Box::pin(verbs::patch::answer(call, request)),
        ("delete", _) => Box::pin(verbs::delete::answer(call, request)),
        ("deletecollection", _) => Box::pin(verbs::delete_collection::answer(call, request)),
        _ => Box::pin(std::future::ready(Err(ApiError::method_not_allowed()))),
    }
}

fn add_warnings(call: &Call<'_>, response: &mut Response) {
    for warning in call.take_warnings().into_iter().take(WARNINGS_MAX) {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(WARNING, value);
        }
    }
}
