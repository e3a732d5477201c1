//! The server: gRPC and plain HTTP on one port, or on a unix socket.

mod connection;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use store::Store;
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::Connection;
use crate::member::{Member, StartError};
use crate::services::Services;

/// How long connections may take to end by themselves at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait when no connection can be accepted, as when files run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
    /// Cancelled with the member's token of that name, and when nobody waits for the listener.
    closing: CancellationToken,
    /// Cancelled when those that have not ended by themselves are cut.
    cut: CancellationToken,
}

impl Connections {
    fn new(server: &Server) -> Connections {
        let closing = server.member.closing.child_token();
        let (tasks, cut) = (TaskTracker::new(), CancellationToken::new());
        Connections { server: server.clone(), tasks, closing, cut }
    }

    fn connection(&self) -> Connection {
        Connection {
            services: self.server.services.clone(),
            closing: self.closing.clone(),
            cut: self.cut.clone(),
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
                Ok(stream) => drop(self.tasks.spawn(task(stream))),
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

impl Drop for Connections {
    /// Whoever stops waiting for [`Server::serve`] cuts its connections.
    fn drop(&mut self) {
        self.closing.cancel();
        self.cut.cancel();
    }
}
