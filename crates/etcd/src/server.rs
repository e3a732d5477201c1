//! The server: gRPC and plain HTTP on one port, or on a unix socket.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use store::Store;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::member::{Member, StartError};
use crate::services::Services;
use crate::tls::{PeerName, peer_name};

/// How long a client may take to shake hands, and to send the head of a plain request.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connections may take to end by themselves at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait when no connection can be accepted, as when files run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A silent connection is asked whether it is alive after this long, as etcd does.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2 * 60 * 60);
/// And given up when it does not answer for this long.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Calls in flight on one connection. etcd has no bound; no honest client comes near this one.
const STREAMS_MAX: u32 = 1 << 16;
/// Calls a client may give up on before the server has looked at them.
const PENDING_RESETS_MAX: usize = 4096;
/// What a client may send on one stream, and in all, before we have read it: a largest request.
const WINDOW_BYTES: u32 = 2 << 20;
/// Headers of a request: room for long tokens.
const HEADERS_BYTES_MAX: u32 = 64 << 10;

/// What a server serves, and who it says it is.
pub struct Config {
    /// The key space.
    pub store: Store,
    /// The name of the one member.
    pub name: String,
    /// Where clients find it, as `http://127.0.0.1:2379`; told in member lists.
    pub client_urls: Vec<String>,
    /// How many bytes the key space may have; told in status and metrics.
    pub quota_bytes: u64,
    /// Whether the common name of a client's certificate stands for a user.
    pub client_cert_auth: bool,
}

/// The etcd v3 API over a store.
#[derive(Clone)]
pub struct Server {
    member: Arc<Member>,
    services: Arc<Services>,
}

impl Server {
    /// A server that is ready to serve. Reads who it is from the store, or decides it once.
    ///
    /// # Errors
    /// When the store does not take what must be kept.
    pub async fn new(config: Config) -> Result<Server, StartError> {
        let member = Arc::new(Member::start(config).await?);
        let services = Arc::new(Services::new(member.clone()));
        Ok(Server { member, services })
    }

    /// Serves a port until `shutdown`, with TLS when there is a configuration for it (see
    /// [`crate::server_tls`]). Watches and other streams of all listeners end then; calls that
    /// were begun are finished, within a bound.
    pub async fn serve(
        &self,
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        shutdown: impl Future<Output = ()>,
    ) {
        let acceptor = tls.map(TlsAcceptor::from);
        let connections = Connections::new(self);
        let accept = connections.accept(
            "tcp",
            || listener.accept(),
            |(stream, _)| {
                let (acceptor, connection) = (acceptor.clone(), connections.connection());
                async move { connection.tcp(stream, acceptor).await }
            },
        );
        tokio::select! {
            () = accept => {}
            () = shutdown => {}
        }
        drop(listener);
        connections.end().await;
    }

    /// Serves a unix socket until `shutdown`, as [`Server::serve`] does a port.
    pub async fn serve_unix(&self, listener: UnixListener, shutdown: impl Future<Output = ()>) {
        let connections = Connections::new(self);
        let accept = connections.accept(
            "unix",
            || listener.accept(),
            |(stream, _)| {
                let connection = connections.connection();
                async move { connection.serve(stream, None).await }
            },
        );
        tokio::select! {
            () = accept => {}
            () = shutdown => {}
        }
        drop(listener);
        connections.end().await;
    }
}

/// The connections of one listener.
struct Connections {
    server: Server,
    tasks: TaskTracker,
    /// Cancelled when those that have not ended by themselves are cut.
    cut: CancellationToken,
}

impl Connections {
    fn new(server: &Server) -> Connections {
        let (tasks, cut) = (TaskTracker::new(), CancellationToken::new());
        Connections { server: server.clone(), tasks, cut }
    }

    fn connection(&self) -> Connection {
        Connection {
            services: self.server.services.clone(),
            closing: self.server.member.closing.clone(),
        }
    }

    /// Accepts for ever; each connection is a task of its own.
    async fn accept<S, A, F, T>(
        &self,
        kind: &'static str,
        mut next: A,
        mut task: impl FnMut(S) -> T,
    ) where
        A: FnMut() -> F,
        F: Future<Output = std::io::Result<S>>,
        T: Future<Output = ()> + Send + 'static,
    {
        loop {
            match next().await {
                Ok(stream) => {
                    let (cut, task) = (self.cut.clone(), task(stream));
                    self.tasks.spawn(async move {
                        tokio::select! {
                            () = task => {}
                            () = cut.cancelled() => {}
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, kind, "accept a connection to the etcd api");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Ends the streams, waits for what was begun, and cuts off what does not end.
    async fn end(self) {
        self.server.member.closing.cancel();
        self.tasks.close();
        if tokio::time::timeout(DRAIN_TIMEOUT, self.tasks.wait()).await.is_err() {
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }
}

/// One connection.
struct Connection {
    services: Arc<Services>,
    closing: CancellationToken,
}

impl Connection {
    async fn tcp(self, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
        if let Err(error) = stream.set_nodelay(true) {
            return tracing::debug!(%error, "a client was gone before it was served");
        }
        let Some(acceptor) = acceptor else {
            return self.serve(stream, None).await;
        };
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let peer = peer_name(stream.get_ref().1.peer_certificates());
                self.serve(stream, peer).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "tls handshake with a client"),
            Err(_) => tracing::debug!("a client took too long for its tls handshake"),
        }
    }

    async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Option<PeerName>,
    ) {
        let services = self.services;
        let service = service_fn(move |mut request| {
            if let Some(peer) = &peer {
                request.extensions_mut().insert(peer.clone());
            }
            let services = services.clone();
            async move { Ok::<_, std::convert::Infallible>(services.respond(request).await) }
        });
        let builder = builder();
        let mut connection =
            std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, "a connection to the etcd api ended early");
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEADERS_BYTES_MAX);
    builder
}
