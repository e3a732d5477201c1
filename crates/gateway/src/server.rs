//! Listeners: connections are accepted up to a bound, served, and drained.

mod connection;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use connection::Busy;
use connection::Connection;

use crate::proxy::Proxy;

/// The pause after an accept that failed: out of file descriptors, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How a listener ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every request that had begun was finished.
    Complete,
    /// Time was over; connections and tunnels were cut off.
    CutOff {
        /// How many.
        connections: usize,
    },
}

/// The client's end of a connection.
pub(crate) struct Peer {
    pub address: IpAddr,
    pub scheme: &'static str,
    pub tunnels: Tunnels,
    /// One of the connections the listener may have; a tunnel goes on holding it.
    pub permit: Arc<OwnedSemaphorePermit>,
}

/// Connections that are not HTTP any more.
#[derive(Clone, Default)]
pub(crate) struct Tunnels {
    pub tracker: TaskTracker,
    /// Ends them all.
    pub cut: CancellationToken,
}

struct Server {
    proxy: Arc<Proxy>,
    tls: Option<TlsAcceptor>,
    permits: Arc<Semaphore>,
    connections: JoinSet<()>,
    tunnels: Tunnels,
    stopping: CancellationToken,
}

pub(crate) async fn serve(
    proxy: Arc<Proxy>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shutdown: impl Future<Output = ()> + Send,
) -> Drained {
    let permits = Arc::new(Semaphore::new(proxy.config.connections_max));
    let mut server = Server {
        proxy,
        tls,
        permits,
        connections: JoinSet::new(),
        tunnels: Tunnels::default(),
        stopping: CancellationToken::new(),
    };
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = server.connections.join_next() => note(ended),
            (stream, permit) = accept(&listener, &server.permits) => server.start(stream, permit),
        }
    }
    drop(listener);
    server.drain().await
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> ((TcpStream, IpAddr), OwnedSemaphorePermit) {
    let permit = permits.clone().acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return ((stream, address.ip().to_canonical()), permit),
            Err(error) => {
                tracing::warn!(%error, "accept failed; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "the task of a connection failed");
    }
}

impl Server {
    fn start(&mut self, (stream, address): (TcpStream, IpAddr), permit: OwnedSemaphorePermit) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "the client went before it was served");
            return;
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let (tunnels, permit) = (self.tunnels.clone(), Arc::new(permit));
        let peer = Arc::new(Peer { address, scheme, tunnels, permit });
        let (proxy, stopping) = (self.proxy.clone(), self.stopping.clone());
        let tls = self.tls.clone();
        self.connections.spawn(async move {
            let connection = Connection { proxy: proxy.clone(), peer, stopping };
            let Some(tls) = tls else { return connection.serve(stream).await };
            let handshake = tokio::time::timeout(proxy.config.header_timeout, tls.accept(stream));
            match handshake.await {
                Ok(Ok(stream)) => connection.serve(stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        });
    }

    async fn drain(mut self) -> Drained {
        self.stopping.cancel();
        self.tunnels.tracker.close();
        let finished = async {
            while let Some(ended) = self.connections.join_next().await {
                note(ended);
            }
            self.tunnels.tracker.wait().await;
        };
        let timeout = self.proxy.config.drain_timeout;
        if tokio::time::timeout(timeout, finished).await.is_ok() {
            return Drained::Complete;
        }
        let connections = self.connections.len() + self.tunnels.tracker.len();
        self.tunnels.cut.cancel();
        self.connections.shutdown().await;
        self.tunnels.tracker.wait().await;
        Drained::CutOff { connections }
    }
}
