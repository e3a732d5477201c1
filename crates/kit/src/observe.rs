//! What is known of every request: its trace, its line in the log, its numbers.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::Body;
use axum::extract::MatchedPath;
use axum::response::Response;
use http::{Method, Request, Uri};
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower::{Layer, Service};

use crate::error::ErrorFormat;
use crate::log::{Line, Writer};
use crate::metrics::Metrics;
use crate::{Error, Trace};

/// What nginx counts a request as whose client went away.
const CLIENT_GONE: u16 = 499;
const UNMATCHED: &str = "unmatched";

/// What a service's requests share.
#[derive(Clone)]
pub(crate) struct ObserveLayer {
    shared: Arc<Shared>,
}

struct Shared {
    service: &'static str,
    format: ErrorFormat,
    metrics: Metrics,
    log: Option<Writer>,
}

impl ObserveLayer {
    pub(crate) fn new(
        service: &'static str,
        format: ErrorFormat,
        metrics: Metrics,
        log: Option<Writer>,
    ) -> Self {
        Self { shared: Arc::new(Shared { service, format, metrics, log }) }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, shared: self.shared.clone() }
    }
}

#[derive(Clone)]
pub(crate) struct Observe<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request<Body>> for Observe<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Observing<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let trace = Trace::of(request.headers());
        self.shared.metrics.http().begin();
        let record = Record {
            shared: self.shared.clone(),
            trace,
            method: request.method().clone(),
            uri: request.uri().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            started: Instant::now(),
            done: false,
        };
        let inner = trace.sync_scope(|| self.inner.call(request));
        Observing { inner: crate::trace::scope(trace, inner), record }
    }
}

pin_project! {
    pub(crate) struct Observing<F> {
        #[pin]
        inner: TaskLocalFuture<Trace, F>,
        record: Record,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Observing<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.inner.poll(context));
        let error = response.extensions_mut().remove::<Arc<Error>>();
        if let Some(error) = &error
            && this.record.shared.format == ErrorFormat::Problem
        {
            response = error.render(ErrorFormat::Problem);
        }
        this.record.finish(response.status().as_u16(), error.as_deref());
        Poll::Ready(Ok(response))
    }
}

/// One request's entry; written once, also when the client went away before the answer.
struct Record {
    shared: Arc<Shared>,
    trace: Trace,
    method: Method,
    uri: Uri,
    route: Option<MatchedPath>,
    started: Instant,
    done: bool,
}

impl Record {
    fn finish(&mut self, status: u16, error: Option<&Error>) {
        self.done = true;
        let took = self.started.elapsed();
        let route = self.route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
        self.shared.metrics.http().end(&self.method, route, status, took);
        let Some(log) = &self.shared.log else { return };
        let level = if status >= 500 { "error" } else { "info" };
        let mut line = Line::new(level, self.shared.service, "request")
            .str("method", self.method.as_str())
            .str("path", self.uri.path())
            .str("route", route)
            .raw("status", status)
            .raw("duration_ms", format_args!("{:.3}", took.as_secs_f64() * 1e3))
            .raw("trace_id", format_args!("\"{}\"", self.trace.id()));
        if let Some(error) = error {
            line = line.str("code", error.code());
        }
        if let Some(cause) = error.and_then(Error::cause) {
            line = line.str("cause", cause);
        }
        log.write(&line.finish());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.done {
            self.finish(CLIENT_GONE, None);
        }
    }
}
