//! A handler's panic becomes a 500 for its own request; all others go on.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, StatusCode};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::{Error, Trace};

/// gRPC's code for a fault of the server's own.
const GRPC_INTERNAL: HeaderValue = HeaderValue::from_static("13");

#[derive(Clone, Copy, Debug)]
pub(crate) struct RecoverLayer;

impl<S> Layer<S> for RecoverLayer {
    type Service = Recover<S>;

    fn layer(&self, inner: S) -> Recover<S> {
        Recover { inner }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Recover<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Recover<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Recovering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let grpc = is_grpc(&request);
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(inner) => Recovering { inner: Some(inner), panicked: None, grpc },
            Err(panic) => Recovering { inner: None, panicked: Some(answer(&*panic, grpc)), grpc },
        }
    }
}

pin_project! {
    pub(crate) struct Recovering<F> {
        #[pin]
        inner: Option<F>,
        panicked: Option<Response>,
        grpc: bool,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Recovering<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            let response = this.panicked.take().expect("a panic in `call` leaves its answer, once");
            return Poll::Ready(Ok(response));
        };
        // Sound after a panic: the inner future is dropped and not polled again.
        match catch_unwind(AssertUnwindSafe(|| inner.poll(context))) {
            Ok(poll) => poll,
            Err(panic) => {
                this.inner.set(None);
                Poll::Ready(Ok(answer(&*panic, *this.grpc)))
            }
        }
    }
}

fn is_grpc(request: &Request<Body>) -> bool {
    let media_type = request.headers().get(CONTENT_TYPE);
    media_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

fn answer(panic: &(dyn Any + Send), grpc: bool) -> Response {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let trace = Trace::current().map(|trace| trace.id().to_string()).unwrap_or_default();
    tracing::error!(panic = text.unwrap_or("not text"), trace_id = trace, "a handler panicked");
    if grpc {
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("application/grpc")),
            (http::HeaderName::from_static("grpc-status"), GRPC_INTERNAL),
        ];
        return (headers, Body::empty()).into_response();
    }
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error").into_response()
}
