//! The TLS listener: many connections, upgrades, graceful drain.

mod first_bytes;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

use self::first_bytes::FirstBytes;
use crate::audit::{self, Peer};
use crate::authn;
use crate::error::ApiError;
use crate::server::{ApiServer, Shared};
use crate::user::UserInfo;

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 2048;
/// A TLS handshake takes no longer.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection's first bytes, and with HTTP/1 a request's header, arrive within this time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Idle HTTP/2 connections are asked whether they live.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// HTTP/2 streams at once on one connection, as kube-apiserver.
const STREAMS_MAX: u32 = 250;
/// So much of a stream waits for a client that is slow to take it, and one piece more: a thousand
/// watchers that stand still are not to take the memory of the others.
const SEND_BYTES_MAX: usize = 64 * 1024;
/// How long requests may finish after shutdown began.
const DRAIN: Duration = Duration::from_secs(5);
/// After a failed accept (too many open files) wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why serving ended in failure.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener is gone.
    #[error("accept connections")]
    Accept(#[source] std::io::Error),
}

impl ApiServer {
    /// Answers on the listener until `shutdown`, then drains. All watches end with it.
    pub async fn serve(
        &self,
        listener: TcpListener,
        tls: Arc<rustls::ServerConfig>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let connections = Connections {
            shared: self.shared.clone(),
            router: self.router(),
            acceptor: TlsAcceptor::from(tls),
            limit: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        };
        let mut tasks = JoinSet::new();
        tokio::select! {
            ended = connections.accept_all(&listener, &mut tasks) => ended?,
            () = shutdown => {}
        }
        drop(listener);
        self.close();
        drain(tasks).await;
        Ok(())
    }
}

async fn drain(mut tasks: JoinSet<()>) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, all).await.is_err() {
        tracing::warn!(seconds = DRAIN.as_secs(), "connections cut at shutdown");
    }
}

struct Connections {
    shared: Arc<Shared>,
    router: Router,
    acceptor: TlsAcceptor,
    limit: Arc<Semaphore>,
}

impl Connections {
    async fn accept_all(
        &self,
        listener: &TcpListener,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), ServeError> {
        loop {
            let permit =
                self.limit.clone().acquire_owned().await.expect("the semaphore is never closed");
            match listener.accept().await {
                Ok((stream, _)) => self.start(stream, permit, tasks),
                Err(error) if passes(&error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                Err(error) => return Err(ServeError::Accept(error)),
            }
            // Ended tasks are taken off, so the set stays as small as what is open.
            while tasks.try_join_next().is_some() {}
        }
    }

    fn start(&self, stream: TcpStream, permit: OwnedSemaphorePermit, tasks: &mut JoinSet<()>) {
        let (shared, router, acceptor) =
            (self.shared.clone(), self.router.clone(), self.acceptor.clone());
        tasks.spawn(async move {
            let _permit = permit;
            // Latency over batching; a socket that refuses this still works.
            let _ = stream.set_nodelay(true);
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => connection(shared, router, stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            }
        });
    }
}

/// Of one connection or of a passing shortage, not of the listener.
fn passes(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, OutOfMemory};
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    const ENOBUFS: i32 = 105;
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | OutOfMemory)
        || matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS))
}

async fn connection(shared: Arc<Shared>, router: Router, stream: TlsStream<TcpStream>) {
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let by_certificate = certificate.and_then(|der| authn::user_of_certificate(der));
    let closing = shared.closing.clone();
    let peer = stream.get_ref().0.peer_addr().ok().map(|address| Peer(address.ip()));
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        answer(shared.clone(), router.clone(), by_certificate.clone(), request)
    });
    let builder = builder();
    let stream = FirstBytes::new(stream, HEADER_TIMEOUT);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .max_concurrent_streams(STREAMS_MAX)
        .max_send_buf_size(SEND_BYTES_MAX);
    builder
}

async fn answer(
    shared: Arc<Shared>,
    router: Router,
    by_certificate: Option<UserInfo>,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    let user = match by_certificate {
        Some(user) => user,
        None => match authn::user_of_token(&shared, request.headers()).await {
            Ok(Some(user)) => user,
            Ok(None) if shared.access.anonymous.may_ask(request.uri().path()) => {
                UserInfo::anonymous()
            }
            Ok(None) => return Ok(refused(&shared, &request, ApiError::unauthorized())),
            Err(error) => return Ok(refused(&shared, &request, error)),
        },
    };
    request.extensions_mut().insert(user);
    router.oneshot(request).await
}

/// A request with wrong credentials goes no further, and is recorded here.
fn refused(shared: &Shared, request: &Request<Body>, error: ApiError) -> Response {
    let id = audit::id(request.headers());
    let mut response = error.into_response();
    if let Some(log) = shared.audit.get() {
        audit::refused(log, &id, request, response.status());
    }
    audit::mark(&mut response, id);
    response
}
