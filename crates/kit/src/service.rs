//! A service: an application's routes with everything a platform expects around them.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, ErrorFormat};
use crate::health::Health;
use crate::log::Writer;
use crate::metrics::Metrics;
use crate::observe::ObserveLayer;
use crate::recover::RecoverLayer;
use crate::serve::{Limits, Stop, serve};

/// Where a service listens unless told otherwise: every address, port 8080.
const LISTEN: ([u8; 4], u16) = ([0, 0, 0, 0], 8080);

/// Why a service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not this machine's.
    #[error("listen on {address}")]
    Listen {
        /// Where it should have listened.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The process cannot learn of its end.
    #[error("watch for SIGTERM and SIGINT")]
    Signals {
        /// Why.
        source: io::Error,
    },
}

/// An application on its way to being served.
#[must_use = "a service does nothing until it is run"]
pub struct Service {
    name: &'static str,
    listen: SocketAddr,
    routes: Router,
    format: ErrorFormat,
    limits: Limits,
    health: Health,
    metrics: Metrics,
    log: Option<Writer>,
}

impl Service {
    /// A service without routes yet. The name appears in its log.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            listen: LISTEN.into(),
            routes: Router::new(),
            format: ErrorFormat::default(),
            limits: Limits::default(),
            health: Health::default(),
            metrics: Metrics::default(),
            log: Some(Writer::stdout()),
        }
    }

    /// Where [`Service::run`] listens.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Adds an application's routes.
    pub fn routes(mut self, routes: Router) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Adds a gRPC service under its full name, such as `shop.payments.v1.Payments`. What tonic
    /// generates for a server fits.
    pub fn grpc<S>(mut self, name: &str, service: S) -> Self
    where
        S: tower::Service<Request<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Response: IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes = self.routes.route_service(&format!("/{name}/{{*method}}"), service);
        self
    }

    /// How errors are written.
    pub fn errors(mut self, format: ErrorFormat) -> Self {
        self.format = format;
        self
    }

    /// Replaces the bounds.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds a condition of readiness; its error says what is not ready.
    pub fn ready_when<F>(
        mut self,
        name: &'static str,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.health.add_check(name, check);
        self
    }

    /// Leaves out the line in the log for every request.
    pub fn without_request_log(mut self) -> Self {
        self.log = None;
        self
    }

    /// The service's metrics, to add its own.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Serves until SIGTERM or SIGINT, and ends without losing a request. A second signal ends the
    /// draining; so does SIGINT, because a person is waiting.
    pub async fn run(self) -> Result<(), StartError> {
        let address = self.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| StartError::Listen { address, source })?;
        let signals = Signals::new().map_err(|source| StartError::Signals { source })?;
        let bound = listener.local_addr().unwrap_or(address);
        tracing::info!(address = %bound, "listening");
        let stop = Stop::default();
        let watch = tokio::spawn(signals.watch(stop.clone()));
        self.serve(listener, stop).await;
        watch.abort();
        tracing::info!("stopped");
        Ok(())
    }

    /// Serves on a listener until `stop`; returns how many connections were cut off at the deadline.
    pub async fn serve(self, listener: TcpListener, stop: Stop) -> usize {
        let (limits, health) = (self.limits.clone(), self.health.clone());
        serve(listener, self.into_router(), limits, health, stop).await
    }

    /// The whole application: the routes behind trace, log, metrics and recovery, and the
    /// platform's endpoints beside them.
    pub fn into_router(self) -> Router {
        let observe = ObserveLayer::new(self.name, self.format, self.metrics.clone(), self.log);
        let metrics = self.metrics;
        let shown = get(async move || ([(http::header::CONTENT_TYPE, TEXT)], metrics.render()));
        self.routes
            .fallback(unknown_path)
            .method_not_allowed_fallback(unknown_method)
            .layer(RecoverLayer)
            .layer(observe)
            .merge(self.health.routes().route("/metrics", shown))
    }
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

async fn unknown_path(uri: Uri) -> Response {
    Error::not_found("unknown_path", format!("there is nothing at {}", uri.path())).into_response()
}

async fn unknown_method(method: Method, uri: Uri) -> Response {
    let message = format!("{} does not answer {method}", uri.path());
    Error::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message).into_response()
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn watch(mut self, stop: Stop) {
        tokio::select! {
            _ = self.terminate.recv() => {
                tracing::info!(signal = "SIGTERM", "stopping");
                stop.ask();
            }
            _ = self.interrupt.recv() => {
                tracing::info!(signal = "SIGINT", "stopping");
                stop.hurry();
            }
        }
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        stop.hurry();
    }
}

#[cfg(test)]
mod tests;
