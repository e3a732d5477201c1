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
use http::header::{CONTENT_TYPE, WARNING};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use hyper::body::Body as _;

pub(crate) use self::authorize::{denial, listed_name, may_create};
pub(crate) use self::call::Call;
use self::path::Target;
pub(crate) use self::path::unescape;
pub(crate) use self::review::Review;
use crate::authn::impersonation;
use crate::error::{ApiError, ApiResult};
use crate::kinds::{Kind, Served, notes};
use crate::negotiate::{Dialect, Format, Wanted};
use crate::options::Query;
use crate::server::Shared;
use crate::user::UserInfo;
use crate::{
    aggregation, audit, computed, discovery, media, negotiate, subresources, verbs, webhooks,
};

/// More warnings than this are not sent with one reply.
const WARNINGS_MAX: usize = 50;

/// Answers one request.
pub(crate) async fn handle(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let id = audit::id(request.headers());
    let refusal = match negotiate::is_plain_at_once(request.headers(), request.uri()) {
        true => Dialect::PLAIN,
        false => negotiate::of_refusal(request.headers(), request.uri()),
    };
    let response = match shared.audit.get().cloned() {
        Some(log) => {
            audit::recorded(&log, &id, request, |request| answer_safely(shared, request)).await
        }
        None => answer_safely(shared, request).await.0,
    };
    let mut response = media::translate(response, refusal).await;
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
    let target = match path::parse(&kinds, request.uri().path()) {
        Ok(target) => target,
        Err(error) if error.code() == 404 => {
            // Who may not ask is not told what there is.
            let asked = aggregation::Asked::read(request.method(), request.uri())?;
            aggregation::check(&shared, &asked.attributes(&user))?;
            return nothing_there(&kinds, &asked, request.uri().path(), error);
        }
        Err(error) => return Err(error),
    };
    match target {
        Target::Path => answer_path(&shared, &kinds, &user, request).await,
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
            let wanted = wanted(target.kind, request.headers(), request.uri());
            let gzip = negotiate::takes_gzip(request.headers());
            let call = Call::new(shared, target, user, query, wanted, request.headers());
            let verb = verb_of(&call, request.method())?;
            let work = answer_object(&call, verb, request);
            let work = async { work.await.map(|response| worded(&call, response, gzip)) };
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

/// Answers at a path that is no resource's.
async fn answer_path(
    shared: &Arc<Shared>,
    kinds: &Served,
    user: &UserInfo,
    request: Request<Body>,
) -> ApiResult<Response> {
    let verb = request.method().as_str().to_lowercase();
    let path = request.uri().path().to_owned();
    let asked = turns::of_path(user, &verb, &path);
    turns::take(shared, &asked, 1, async {
        // Owned here: a body cannot be shared between threads.
        let request = request;
        authorize::path(shared, user, &verb, &path)?;
        let extensions = shared.registry.extensions();
        if let Some(extension) = extensions.documented_at(&path) {
            let asked = request.into_parts().0;
            return Ok(aggregation::document(shared, extension, asked).await);
        }
        discovery::answer(shared, kinds, &extensions, &request)
    })
    .await
}

/// What is said of a resource that is not served; a custom kind's other subresources are not found as
/// the object would not be.
fn nothing_there(
    kinds: &Served,
    asked: &aggregation::Asked,
    path: &str,
    error: ApiError,
) -> ApiResult<Response> {
    let user = UserInfo::anonymous();
    let asked = asked.attributes(&user);
    let version = path.split('/').nth(3).unwrap_or("");
    let custom = kinds.find(asked.group, version, asked.resource).filter(|k| k.custom.is_some());
    match custom {
        Some(kind) if !asked.subresource.is_empty() => Err(ApiError::not_found(kind, asked.name)),
        _ => discovery::nothing_at(kinds, path, error),
    }
}

/// What the client wants of an object, a list or a watch of a kind.
fn wanted(kind: &Kind, headers: &HeaderMap, uri: &Uri) -> ApiResult<Wanted> {
    if negotiate::is_plain_at_once(headers, uri) {
        return Ok(Wanted { format: Format::Object, dialect: Dialect::PLAIN });
    }
    let protobuf =
        kind.custom.is_none() && media::has_protobuf(&kind.group, &kind.version, &kind.kind);
    negotiate::wanted(headers, uri, protobuf)
}

/// A reply that is an object is to be written as its client wants it; a watch is already.
fn worded(call: &Call<'_>, mut response: Response, gzip: bool) -> Response {
    let is_object = response.headers().get(CONTENT_TYPE).is_some_and(|t| t == "application/json")
        && !call
            .subresource
            .is_some_and(|s| subresources::is_proxy(s) || subresources::is_stream(s));
    let streams = response.body().size_hint().exact().is_none();
    if let Some(translation) = call.translation(gzip).filter(|_| is_object && !streams) {
        response.extensions_mut().insert(translation);
    }
    response
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
        _ => Err(refused_method(call, method)),
    }
}

/// What is said of a method that there is no verb for.
fn refused_method(call: &Call<'_>, method: &Method) -> ApiError {
    match *method {
        _ if call.kind.custom.is_none() => ApiError::method_not_allowed(),
        Method::PUT | Method::PATCH => ApiError::bad_request("name must be provided"),
        _ => ApiError::verb_not_supported(call.kind, ""),
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
