//! One connection: its requests, its timeouts, its end.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use pin_project_lite::pin_project;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Server;

/// HTTP/2 requests at once on one connection.
const STREAMS_MAX: u32 = 1_000;
/// A silent HTTP/2 peer is asked this often whether it is still there,
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// and has this long to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Connection {
    server: Arc<Server>,
    activity: Arc<Activity>,
}

/// What happened on a connection so far.
struct Activity {
    opened: Instant,
    requests: AtomicU64,
    in_flight: AtomicUsize,
    /// When the last request was answered, in milliseconds since `opened`.
    last_answer_ms: AtomicU64,
}

enum Verdict {
    /// Look again at this time.
    Fine(Instant),
    /// It never sent a request.
    Mute,
    /// It has nothing to say any more.
    Idle,
}

impl Connection {
    pub(super) fn new(server: Arc<Server>) -> Self {
        let activity = Activity {
            opened: Instant::now(),
            requests: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            last_answer_ms: AtomicU64::new(0),
        };
        Self { server, activity: Arc::new(activity) }
    }

    pub(super) async fn run(self, stream: TcpStream) {
        let builder = self.builder();
        let service = Requests { server: self.server.clone(), activity: self.activity.clone() };
        let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        tokio::pin!(serving);
        let mut closing = false;
        let limits = &self.server.limits;
        let mut look_at = self.activity.opened + limits.first_request.min(limits.idle);
        loop {
            tokio::select! {
                ended = serving.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "connection ended");
                    }
                    return;
                }
                () = self.server.closing.cancelled(), if !closing => {
                    closing = true;
                    serving.as_mut().graceful_shutdown();
                }
                () = self.server.aborted.cancelled() => return,
                () = tokio::time::sleep_until(look_at) => match self.verdict() {
                    Verdict::Fine(next) => look_at = next,
                    Verdict::Mute => return,
                    Verdict::Idle => {
                        look_at += self.server.limits.idle;
                        serving.as_mut().graceful_shutdown();
                    }
                },
            }
        }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.server.limits.idle);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        builder
    }

    fn verdict(&self) -> Verdict {
        let (activity, idle) = (&self.activity, self.server.limits.idle);
        if activity.requests.load(Ordering::Acquire) == 0 {
            let end = activity.opened + self.server.limits.first_request;
            return if end <= Instant::now() { Verdict::Mute } else { Verdict::Fine(end) };
        }
        if activity.in_flight.load(Ordering::Acquire) > 0 {
            return Verdict::Fine(Instant::now() + idle);
        }
        let last = Duration::from_millis(activity.last_answer_ms.load(Ordering::Acquire));
        let end = activity.opened + last + idle;
        if end <= Instant::now() { Verdict::Idle } else { Verdict::Fine(end) }
    }
}

/// Hands a connection's requests to the application.
struct Requests {
    server: Arc<Server>,
    activity: Arc<Activity>,
}

impl hyper::service::Service<Request<Incoming>> for Requests {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        self.activity.requests.fetch_add(1, Ordering::AcqRel);
        self.activity.in_flight.fetch_add(1, Ordering::AcqRel);
        let guard = InFlight { activity: self.activity.clone() };
        let http1 = request.version() <= Version::HTTP_11;
        // A router is always ready, and calling it takes a clone: routes are shared.
        let inner = tower::Service::call(&mut self.server.app.clone(), request.map(Body::new));
        Answer { inner, server: self.server.clone(), http1, _guard: guard }
    }
}

struct InFlight {
    activity: Arc<Activity>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let since = self.activity.opened.elapsed().as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.activity.last_answer_ms.store(since, Ordering::Release);
        self.activity.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

pin_project! {
    struct Answer {
        #[pin]
        inner: RouteFuture<Infallible>,
        server: Arc<Server>,
        http1: bool,
        _guard: InFlight,
    }
}

impl Future for Answer {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.inner.poll(context));
        // HTTP/2 has GOAWAY for this, and forbids the header.
        if *this.http1 && this.server.draining.load(Ordering::Acquire) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response))
    }
}
